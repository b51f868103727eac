# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans written as a detector would: calibrated .hspy files, and raw frames with a sheet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import yaml
from numpy.typing import NDArray

from polarstem import __version__
from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError
from polarstem.files import atomic_path

if TYPE_CHECKING:
    from dask.array import Array

Patterns: TypeAlias = "NDArray[Any] | Array"
_CHUNK = 4e6  # bytes that an HDF5 file keeps together
_HEADER = 384  # bytes before a frame of a Merlin detector of one chip
_CODES = {1: "U08", 2: "U16", 4: "U32"}


def as_stored(patterns: Patterns, sheet: Sheet) -> Patterns:
    """Turn an upright scan (ny, nx, ky, kx) into what is stored where `sheet` holds."""
    scan = np.s_[:: -1 if sheet.scan_flip_y else 1, :: -1 if sheet.scan_flip_x else 1]
    detector = np.s_[:: -1 if sheet.detector_flip_y else 1, :: -1 if sheet.detector_flip_x else 1]
    order = [1, 0] if sheet.scan_transpose else [0, 1]
    order += [3, 2] if sheet.detector_transpose else [2, 3]
    return patterns[(*scan, *detector)].transpose(order)


def write_hspy(
    path: Path | str,
    patterns: Patterns,
    *,
    step_nm: tuple[float, float],
    mrad_per_pixel: float,
    energy_kv: float,
    semiangle_mrad: float,
    title: str = "",
    metadata: Mapping[str, Any] | None = None,
    compression: str | None = None,
) -> None:
    """Write a scan as .hspy, with calibrated axes.

    HyperSpy's layout (hyperspy.org, "HSPY - HyperSpy's HDF5 Specification") and names of
    metadata: positions in nm are navigation axes, angles in mrad signal axes with 0 in the
    middle of the detector.

    Parameters
    ----------
    path : path
        File to write; an older one is replaced.
    patterns : array or dask array, shape (ny, nx, ky, kx)
        Rows down, columns right.
    step_nm : tuple of float
        Distance of positions, down and right [nm].
    mrad_per_pixel : float
        Angle per detector pixel [mrad].
    energy_kv, semiangle_mrad : float
        Accelerating voltage [kV] and convergence semi-angle [mrad].
    title : str
        Name of the signal.
    metadata : mapping, optional
        Kept as the file's original metadata; plain values, lists and mappings.
    compression : str, optional
        Filter of HDF5 such as "gzip".
    """
    from rsciio.hspy import file_writer

    shape, steps = patterns.shape, (*step_nm, mrad_per_pixel, mrad_per_pixel)
    axes = [
        {
            "_type": "UniformDataAxis",
            "name": name,
            "units": "nm" if i < 2 else "mrad",
            "scale": float(steps[i]),
            "offset": 0.0 if i < 2 else -float(steps[i]) * (shape[i] - 1) / 2,
            "size": shape[i],
            "navigate": i < 2,
            "index_in_array": i,
            "is_binned": False,
        }
        for i, name in enumerate(("y", "x", "ky", "kx"))
    ]
    microscope = {"beam_energy": float(energy_kv), "convergence_angle": float(semiangle_mrad)}
    signal = {
        "data": patterns,
        "axes": axes,
        "metadata": {
            "General": {"title": title},
            "Signal": {"signal_type": "electron_diffraction"},
            "Acquisition_instrument": {"TEM": microscope | {"acquisition_mode": "STEM"}},
        },
        "original_metadata": dict(metadata or {}),
        "attributes": {"_lazy": not isinstance(patterns, np.ndarray), "ragged": False},
        "learning_results": {},
        "models": {},
        "tmp_parameters": {},
        "package_info": {"package": "polarstem", "package_version": __version__},
    }
    count = max(1, int(_CHUNK / (shape[2] * shape[3] * patterns.dtype.itemsize)))
    wide = min(shape[1], count)
    chunks = (max(1, min(shape[0], count // wide)), wide, *shape[2:])
    with atomic_path(path) as temporary:
        file_writer(
            str(temporary), signal, chunks=chunks, compression=compression, show_progressbar=False
        )


def write_raw(
    path: Path | str,
    patterns: Patterns,
    *,
    step_nm: tuple[float, float],
    mrad_per_pixel: float,
    energy_kv: float,
    semiangle_mrad: float,
    sheet: Mapping[str, Any] | None = None,
) -> Path:
    """Write a scan as raw frames of a Merlin detector, with the sheet that such files need.

    Parameters
    ----------
    path : path
        The .mib file; a .hdr and a .yaml are written beside it.
    patterns : array or dask array of uint8, uint16 or uint32, shape (ny, nx, ky, kx)
        Upright counts.
    step_nm, mrad_per_pixel, energy_kv, semiangle_mrad
        As for `write_hspy`; only the sheet keeps them.
    sheet : mapping, optional
        More keys of the sheet. The frames are stored so that its transposes and flips set
        them upright again.

    Returns
    -------
    Path
        The sheet.

    Raises
    ------
    PolarstemError
        If the patterns are no counts of a kind that such a detector stores.
    """
    path = Path(path)
    more = Sheet.model_validate(sheet or {})
    code = _CODES.get(patterns.dtype.itemsize)
    if patterns.dtype.kind != "u" or code is None:
        raise PolarstemError(
            f"A .mib file holds unsigned counts of 8, 16 or 32 bits, not {patterns.dtype}; convert "
            "the patterns first."
        )
    stored = as_stored(patterns, more)
    ny, nx, ky, kx = stored.shape
    depth = 8 * stored.dtype.itemsize
    record = np.dtype(
        [("header", f"S{_HEADER}"), ("frame", stored.dtype.newbyteorder(">"), (ky, kx))]
    )
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        for y in range(ny):
            row = np.zeros(nx, dtype=record)
            row["header"] = [_mib_header(y * nx + x + 1, ky, kx, code, depth) for x in range(nx)]
            # the detector's first row is the bottom one
            row["frame"] = np.asarray(stored[y])[:, ::-1]
            row.tofile(file)
    lines = {
        "Frames in Acquisition (Number)": ny * nx,
        "Frames per Trigger (Number)": nx,
        "Counter Depth (number)": depth,
        "ScanX": nx,
        "ScanY": ny,
    }
    text = "".join(f"{key}:\t{value}\n" for key, value in lines.items())
    path.with_suffix(".hdr").write_text(f"HDR,\t\n{text}End\t\n", encoding="utf-8")
    told = {
        "scan_shape": [ny, nx],
        "step_nm": [float(s) for s in step_nm],
        "energy_kv": float(energy_kv),
        "semiangle_mrad": float(semiangle_mrad),
        "mrad_per_pixel": float(mrad_per_pixel),
    }
    beside = path.with_suffix(".yaml")
    told |= more.model_dump(mode="json", exclude_unset=True)
    beside.write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")
    return beside


def _mib_header(number: int, ky: int, kx: int, code: str, depth: int) -> bytes:
    when = "2000-01-01T00:00:00.000000000Z"
    fields = ("MQ1", f"{number:06d}", f"{_HEADER:05d}", "01", f"{kx:04d}", f"{ky:04d}", code)
    return ",".join((*fields, "   1x1", "01", "MQ1A", when, "1000000ns", f"{depth}", "")).encode()
