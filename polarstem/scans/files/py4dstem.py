# SPDX-License-Identifier: GPL-3.0-or-later
"""Data cubes as py4DSTEM writes them: EMD 1.0, with steps in coordinates or calibration.

Layout: github.com/py4dstem/emdfile, "EMD 1.0 file specification"; coordinates of evenly spaced
axes are stored by their first two values.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError
from polarstem.scans.files.axes import facts_of, mirrored
from polarstem.scans.files.shapes import shaped
from polarstem.scans.files.stored import ArrayFrames, DatasetFrames, Frames, Stored
from polarstem.scans.files.troubles import unreadable
from polarstem.scans.sourced import Sourced

_SAID = ("R_pixel", "R_pixel", "Q_pixel", "Q_pixel")


def is_emd1(file: Any) -> bool:
    """Whether an open HDF5 file is of EMD 1.0."""
    kind = file.attrs.get("emd_group_type")
    return kind in ("file", b"file") and int(file.attrs.get("version_major", 0)) == 1


def read_py4dstem(path: Path, sheet: Sheet) -> Stored:
    """Open the data cube of an EMD 1.0 file.

    Raises
    ------
    PolarstemError
        If the file is broken, or holds none or several.
    """
    import h5py

    try:
        file = h5py.File(path)
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if _is_cube(item) else None)
    except Exception as error:
        raise unreadable(path, "py4dstem", error) from error
    wanted = None if sheet.dataset is None else sheet.dataset.strip("/").removesuffix("/data")
    chosen = [name for name in names if wanted in (None, name)]
    if len(chosen) != 1:
        file.close()
        held = f"holds {len(chosen) or 'no'} data cubes"
        named = f" ({', '.join(names)})" if names else ""
        raise PolarstemError(
            f"{path} {held}{f' under {sheet.dataset!r}' if wanted else ''}{named} where one was "
            "expected; name one by `dataset` in the scan sheet."
        )
    group = file[chosen[0]]
    told = _calibration(file)
    axes = [_axis(group, i, told) for i in range(4)]
    data = group["data"]
    facts = facts_of({}, axes, sheet.energy_kv, "py4dstem")
    angle = told.get("convergence_semiangle_mrad")
    if isinstance(angle, (int, float, np.number)) and angle > 0:
        facts["semiangle_mrad"] = Sourced(float(angle), "mrad", "file")
    frames: Frames = DatasetFrames(data)
    if sheet.exchange_axes or sheet.scan_shape not in (None, data.shape[:2]):
        import dask.array

        frames = ArrayFrames(*shaped(dask.array.from_array(data), path, sheet))
    return Stored(path, "py4dstem", frames, facts, mirrored=mirrored(axes))


def _is_cube(item: Any) -> bool:
    data = item.get("data") if hasattr(item, "get") else None
    return item.attrs.get("emd_group_type") in ("array", b"array") and getattr(data, "ndim", 0) == 4


def _calibration(file: Any) -> dict[str, Any]:
    """Numbers and words of the first calibration in the file."""
    found: dict[str, Any] = {}

    def look(name: str, item: Any) -> None:
        if not found and name.endswith("/calibration") and hasattr(item, "items"):
            scalars = {k: v[()] for k, v in item.items() if getattr(v, "shape", None) == ()}
            found.update({k: v.decode() if isinstance(v, bytes) else v for k, v in scalars.items()})

    file.visititems(look)
    return found


def _axis(group: Any, i: int, told: dict[str, Any]) -> dict[str, Any]:
    """Step and unit of an axis, from its coordinate, or else from the calibration."""
    coordinate = group.get(f"dim{i}")
    if coordinate is not None and coordinate.size > 1:
        units = coordinate.attrs.get("units", "")
        units = units.decode() if isinstance(units, bytes) else str(units)
        if units and units != "pixels":
            return {"scale": float(coordinate[1] - coordinate[0]), "units": units}
    scale = told.get(f"{_SAID[i]}_size", 1)
    units = told.get(f"{_SAID[i]}_units", "")
    good = isinstance(scale, (int, float, np.number)) and isinstance(units, str)
    return {"scale": float(scale), "units": units} if good else {"scale": 1.0, "units": ""}
