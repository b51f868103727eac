# SPDX-License-Identifier: GPL-3.0-or-later
"""Master files of Dectris detectors, whose frames RosettaSciIO would load all at once."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError
from polarstem.scans.files.shapes import shaped
from polarstem.scans.files.stored import ArrayFrames, Stored
from polarstem.scans.files.troubles import unreadable
from polarstem.scans.sourced import Sourced

_DETECTOR = "entry/instrument/detector"


def is_master(file: Any) -> bool:
    """Whether an open HDF5 file links to frames of such a detector, which may be missing."""
    group = file.get("entry/data")
    return hasattr(group, "keys") and any(name.startswith("data_0") for name in group)


def read_dectris(path: Path, sheet: Sheet) -> Stored:
    """Open a master file; the shape of the scan is the sheet's, or that of the file beside it.

    Raises
    ------
    PolarstemError
        If it cannot be read, or a file of frames is missing, which is named.
    """
    import dask.array
    import h5py

    try:
        importlib.import_module("hdf5plugin")  # the filters that the detector packs with
        file = h5py.File(path)
        group = file["entry/data"]
        names = sorted(group)
        links = {name: group.get(name, getlink=True) for name in names}
        missing = [
            link.filename
            for link in links.values()
            if isinstance(link, h5py.ExternalLink) and not (path.parent / link.filename).exists()
        ]
        if missing:
            raise FileNotFoundError(2, "missing", str(path.parent / missing[0]))
        parts = [group[name] for name in names]
        data = dask.array.concatenate(
            [dask.array.from_array(part, chunks=(64, *part.shape[1:])) for part in parts]
        )
        maximum = int(file.get(f"{_DETECTOR}/saturation_value", {(): 0})[()])
        pixel = float(file.get(f"{_DETECTOR}/x_pixel_size", {(): 0})[()])
    except Exception as error:
        raise unreadable(path, "arina", error) from error
    facts, shape = _beside(path)
    if pixel:
        facts["pixel_um"] = Sourced(1e6 * pixel, "µm", "file")
    stated = sheet.scan_shape is None and shape is not None and np.prod(shape) == len(data)
    if stated:
        sheet = sheet.model_copy(update={"scan_shape": shape})
    patterns, (rows, columns) = shaped(data, path, sheet)
    frames = ArrayFrames(patterns, (rows, columns))
    largest = int(np.iinfo(frames.dtype).max) if frames.dtype.kind in "ui" else 0
    kept = maximum if 0 < maximum < largest else None
    return Stored(path, "arina", frames, facts, kept, shape_stated=stated)


def _beside(path: Path) -> tuple[dict[str, Sourced], tuple[int, int] | None]:
    """What the file says that the scan's software writes beside the master."""
    import h5py

    beside = path.with_name(path.name.replace("_master", ""))
    facts: dict[str, Sourced] = {}
    if beside == path or not beside.is_file():
        return facts, None
    try:
        with h5py.File(beside) as file:
            told = {key: np.ravel(value) for key, value in file["STEM Metadata"].attrs.items()}
    except Exception:  # broken in whatever way: the master tells of its patterns without it
        return facts, None

    def number(key: str) -> float:
        value = told.get(key, np.zeros(1))
        return float(value[0]) if value.size and value.dtype.kind in "uif" else 0.0

    if step := number("Pixel Size"):
        note = "" if number("IsPixelSizeCalibrated") else "said to be not calibrated"
        facts["step_nm"] = Sourced((step, step), "nm", "file", note)
    if volts := number("High Tension"):
        facts["energy_kv"] = Sourced(volts / 1e3, "kV", "file")
    if length := number("Camera Length"):
        facts["camera_length_mm"] = Sourced(1e3 * length, "mm", "file")
    shape = int(number("NumPixelsY")), int(number("NumPixelsX"))
    return facts, shape if min(shape) > 0 else None


def companion(path: Path) -> PolarstemError | None:
    """The sentence for the file beside a master, which holds no patterns; None if it is none."""
    import h5py

    with h5py.File(path) as file:
        if "STEM Metadata" not in file or len(file) > 1:
            return None
    master = path.with_name(f"{path.stem}_master{path.suffix}")
    return PolarstemError(
        f"{path} holds what the microscope said of the scan, but no patterns; open {master} "
        "instead."
    )
