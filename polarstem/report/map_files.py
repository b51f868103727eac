# SPDX-License-Identifier: GPL-3.0-or-later
"""What `polarstem map` left in a folder, as the figures and the page of a map use it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.files import open_netcdf

FloatArray = NDArray[np.float64]


def stamp_text(forced: str | None) -> str:
    """What is written over figures of a map that was forced; an empty text if it was not."""
    return f"FORCED. {forced}" if forced else ""


@dataclass(frozen=True)
class MapFiles:
    """A map, what its summary says, and the diagnostics of its calibration.

    Attributes
    ----------
    data : Dataset
        ``map.nc``, open: patterns are read when they are asked for.
    summary : dict
        ``summary.json``.
    diagnostics : Dataset
        ``diagnostics.nc``, loaded; empty if there is none.
    """

    data: xr.Dataset
    summary: dict[str, Any]
    diagnostics: xr.Dataset

    @classmethod
    def of(cls, data: MapFiles | xr.Dataset) -> MapFiles:
        """A map as `map_scan` gives it, with the summary that it carries."""
        if isinstance(data, MapFiles):
            return data
        return cls(data, json.loads(data.attrs.get("summary", "{}")), xr.Dataset())

    @property
    def stamp(self) -> str:
        """Why the map should not have been made, or an empty text."""
        return stamp_text(self.summary.get("forced"))

    @property
    def names(self) -> list[str]:
        """Names of the classes."""
        return [str(name) for name in self.data["class_name"].values]

    @property
    def crystal_rotation_deg(self) -> float:
        """Angle of the crystal's x axis from the scan's, counter-clockwise [deg]."""
        return float(self.data.attrs.get("crystal_rotation_deg", 0.0))

    @property
    def class_directions(self) -> FloatArray:
        """Directions of the classes in the scan frame, in [0, 360) [deg]; nan: along the beam."""
        return (self.data["class_direction"].values + self.crystal_rotation_deg) % 360

    @property
    def unit(self) -> str:
        """Unit of the scan's coordinates."""
        return str(self.data["x"].attrs.get("units", "nm"))

    @cached_property
    def step(self) -> tuple[float, float]:
        """Distance of two probe positions down and across (y, x) [unit of the coordinates]."""
        y, x = (self.data[name].values for name in ("y", "x"))
        across = abs(x[1] - x[0]) if len(x) > 1 else 1.0
        return float(abs(y[1] - y[0]) if len(y) > 1 else across), float(across)

    @cached_property
    def edges(self) -> tuple[float, float, float, float]:
        """Outer edges of the scan (left, right, bottom, top), y down, as `imshow` takes them."""
        (dy, dx), y, x = self.step, self.data["y"].values, self.data["x"].values
        return x[0] - dx / 2, x[-1] + dx / 2, y[-1] + dy / 2, y[0] - dy / 2

    @cached_property
    def cell_side(self) -> float:
        """Side of a square of the area of a unit cell [unit of the coordinates]."""
        count = self.data["cell_count"].values
        return float(np.sqrt(np.median(count) * np.prod(self.step))) if count.size else 1.0

    def on_scan(self, name: str) -> FloatArray:
        """A value of the cells at each probe position (y, x); nan outside the cells."""
        index, value = self.data["cell"].values, self.data[name].values.astype(float)
        return np.append(value, np.nan)[index]


def read_map(folder: Path | str) -> MapFiles:
    """Open what the mapping left in a folder.

    Parameters
    ----------
    folder : path
        Folder with ``map.nc``, ``summary.json`` and, where a calibration was made,
        ``diagnostics.nc``.

    Returns
    -------
    MapFiles
        Close its `data` after use.

    Raises
    ------
    PolarstemError
        If a file is missing or broken.
    """
    folder = Path(folder)
    path = folder / "summary.json"
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PolarstemError(
            f"{folder} holds no map: its summary.json is missing or broken; make the map again "
            "with `python -m polarstem map`."
        ) from error
    diagnostics = xr.Dataset()
    if (folder / "diagnostics.nc").is_file():
        with open_netcdf(folder / "diagnostics.nc", "diagnostics") as file:
            diagnostics = file.load()
    return MapFiles(open_netcdf(folder / "map.nc", "map"), summary, diagnostics)
