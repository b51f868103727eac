# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a map for other programs: netCDF, hyperspy, ImageJ, spreadsheets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.checked_netcdf import save_netcdf
from polarstem.maps.summary import plain

MAP_FILE, SUMMARY_FILE, DIAGNOSTICS_FILE = "map.nc", "summary.json", "diagnostics.nc"
_EMPTY_LEVEL = 65535
_LAYERS = (
    *("direction", "direction_x", "direction_y", "confidence", "class_index", "answered"),
    *("anomaly", "flagged", "bright_field", "dark_field", "com_x", "com_y", "total", "cell"),
)


def write_maps(data: xr.Dataset, diagnostics: xr.Dataset, folder: Path) -> None:
    """Write a map in all its forms, and what figures of its making show."""
    write_netcdf(data, folder / MAP_FILE)
    write_hspy(data, folder / "map.hspy")
    write_labels(data, folder / "labels.tif")
    write_cells(data, folder / "cells.csv")
    save_netcdf(diagnostics, folder / DIAGNOSTICS_FILE)


def write_summary(summary: Mapping[str, Any], folder: Path) -> None:
    """Write what a map comes to."""
    text = json.dumps(plain(summary), indent=1, ensure_ascii=False)
    (folder / SUMMARY_FILE).write_text(text + "\n", encoding="utf-8")


def write_netcdf(data: xr.Dataset, path: Path) -> None:
    """Write a map; patterns are packed into two bytes, as netCDF has no half precision."""
    encoding: dict[str, dict[str, Any]] = {}
    for name in ("pattern", "cell_pattern"):
        if name in data and data[name].size:
            step = float(data[name].max()) / (_EMPTY_LEVEL - 1) or 1.0
            encoding[name] = {"dtype": "u2", "scale_factor": step, "_FillValue": _EMPTY_LEVEL}
    save_netcdf(data, path, encoding)


def write_hspy(data: xr.Dataset, path: Path) -> None:
    """Write the maps as one stack of images that hyperspy opens with calibrated axes.

    The stack's layers are named in ``metadata.Polarstem.layers``; class probabilities follow the
    other maps, one layer for each class.

    Parameters
    ----------
    data : Dataset
        The map.
    path : Path
        File to write (.hspy).
    """
    names = [name for name in _LAYERS if name in data]
    units = [data[name].attrs["units"] for name in names]
    layers = [data[name].values.astype(np.float32) for name in names]
    layers += list(np.moveaxis(data["probability"].values.astype(np.float32), -1, 0))
    names += [f"probability {name}" for name in data["class_name"].values]
    steps = _step(data, "y"), _step(data, "x")
    title = f"Polarization map of {data.attrs.get('scan', 'a scan')}"
    write_stack(path, dict(zip(names, layers, strict=True)), units, steps, title, data.attrs)


def write_stack(
    path: Path,
    layers: Mapping[str, NDArray[np.floating]],
    units: Sequence[str],
    steps_nm: tuple[float, float],
    title: str,
    attributes: Mapping[str, Any],
) -> None:
    """Write images (y, x) as one stack for hyperspy.

    Parameters
    ----------
    path : Path
        File to write (.hspy).
    layers : mapping of str to ndarray
        The images.
    units : sequence of str
        Of the first ones; shares have none.
    steps_nm : tuple of float
        Size of a pixel along y and x [nm].
    title : str
    attributes : mapping
        Of the data set; its ``forced`` is taken over.
    """
    from rsciio.hspy import file_writer

    stack = np.stack([np.asarray(layer, np.float32) for layer in layers.values()])
    axes = [_axis("layer", "", 1.0, len(stack), navigate=True)]
    for name, step, count in zip("yx", steps_nm, stack.shape[1:], strict=True):
        axes.append(_axis(name, "nm", step, count, navigate=False))
    metadata = {
        "General": {"title": title},
        "Signal": {"signal_type": ""},
        "Polarstem": {
            "layers": list(layers),
            "units": list(units),
            "directions": "degrees counter-clockwise from +x (right), y up",
            "forced": attributes.get("forced", ""),
        },
    }
    signal = {
        "data": stack,
        "axes": axes,
        "metadata": metadata,
        "original_metadata": {},
        "attributes": {"_lazy": False, "ragged": False},
        "learning_results": {},
        "models": {},
        "tmp_parameters": {},
        "package_info": {},
    }
    file_writer(str(path), signal, close_file=True)


def write_labels(data: xr.Dataset, path: Path) -> None:
    """Write class index + 1 as an image of bytes, 0 where there is no answer, scaled in nm."""
    import tifffile

    labels = np.where(data["answered"].values, data["class_index"].values + 1, 0)
    names = ", ".join(f"{i + 1} {name}" for i, name in enumerate(data["class_name"].values))
    told = f"0 no answer, {names}" + "".join(f"; {text}" for text in stamp_lines(data))
    tifffile.imwrite(
        path,
        labels.astype(np.uint8),
        imagej=True,
        resolution=(1 / _step(data, "x"), 1 / _step(data, "y")),
        metadata={"axes": "YX", "unit": "nm", "Info": told},
    )


def write_cells(data: xr.Dataset, path: Path) -> None:
    """Write a table of the unit cells; if the map was forced, a first line after # says so."""
    plain = {
        str(name).removeprefix("cell_"): data[name].values
        for name in data.data_vars
        if data[name].dims == ("cell",)
    }
    import pandas as pd

    index = plain["class_index"]
    columns: dict[str, Any] = {"cell": np.arange(len(index))}
    columns |= {name: plain[name] for name in ("row", "column")}
    columns |= {f"{name}_nm": plain[name] for name in ("centre_y", "centre_x")}
    columns["class"] = data["class_name"].values[index]
    columns["direction_deg"] = plain["direction"]
    columns |= {name: plain[name] for name in ("confidence", "answered", "direction_x")}
    columns |= {name: plain[name] for name in ("direction_y", "anomaly", "flagged", "count")}
    for number, name in enumerate(data["class_name"].values):
        columns[f"probability_{name}"] = data["cell_probability"].values[:, number]
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"# {text}\n" for text in stamp_lines(data))
        pd.DataFrame(columns).to_csv(file, index=False, float_format="%.6g")


def stamp_lines(data: xr.Dataset) -> list[str]:
    """What was forced, in one line for files of text; empty if nothing was."""
    forced = data.attrs.get("forced", "")
    return [f"forced: {' '.join(forced.split())}"] if forced else []


def _step(data: xr.Dataset, name: str) -> float:
    return float(data.attrs["step_nm"]["yx".index(name)])


def _axis(name: str, units: str, scale: float, size: int, *, navigate: bool) -> dict[str, Any]:
    return {
        "_type": "UniformDataAxis",
        "name": name,
        "units": units,
        "scale": scale,
        "offset": 0.0,
        "size": size,
        "navigate": navigate,
        "is_binned": False,
    }
