# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening detector files: vendors' formats through RosettaSciIO, and what it lacks.

Handedness: patterns are taken as RosettaSciIO gives them, first row on top. For Merlin's .mib
it turns the chip's rows over, so that the numbers which the chip can be told to show read
upright, with row 0 at the bottom; LiberTEM leaves them as stored. Whatever a microscope does
beyond that, the sheet's transposes and flips undo.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError
from polarstem.scans.files.axes import facts_of, scan_first
from polarstem.scans.files.netcdf import read_netcdf
from polarstem.scans.files.stored import ArrayFrames, DatasetFrames, Frames, Stored
from polarstem.scans.files.tiffs import read_tiffs
from polarstem.scans.scan import Scan
from polarstem.scans.sheet import load_sheet

_PLUGINS = {
    "mib": "quantumdetector",
    "dm": "digitalmicrograph",
    "blo": "blockfile",
    "emd": "emd",
    "hspy": "hspy",
    "empad": "empad",
    "mrc": "mrc",
    "tvips": "tvips",
    "app5": "topspin",
    "hdf5": "nexus",
    "npy": "numpy",
}
_EXTRAS = {"blo": "blockfile", "arina": "arina"}  # of rosettasciio, beside those always there
_SUFFIXES = {
    ".dm3": "dm",
    ".dm4": "dm",
    ".de5": "emd",
    ".xml": "empad",
    ".ali": "mrc",
    ".nxs": "hdf5",
    ".nc": "netcdf",
    **{f".{name}": name for name in _PLUGINS},
}
_CONTAINERS = {".h5", ".hdf5", ".he5"}
# formats that are mapped into memory: as one piece, which nothing reads before it is sliced
_MAPPED = {"mib", "dm", "blo", "mrc", "npy"}


def open_scan(path: Path | str, sheet: Any = None) -> Scan:
    """Open a scan; patterns are read later, as they are asked for.

    Parameters
    ----------
    path : path
        A detector file, or a folder of numbered TIFF images.
    sheet : path, mapping, Sheet or None
        See `load_sheet`.

    Returns
    -------
    Scan
        The scan, upright.

    Raises
    ------
    PolarstemError
        If the file is absent, truncated, of an unknown format or does not fit the sheet.
    """
    path, sheet = Path(path), load_sheet(sheet)
    if not path.exists():
        raise PolarstemError(f"There is no scan {path}; check the path.")
    stored = _reader(path, sheet)(path, sheet)
    _read_last(stored)
    return Scan(stored, sheet)


def _reader(path: Path, sheet: Sheet) -> Callable[[Path, Sheet], Stored]:
    name = sheet.reader if sheet.reader != "auto" else _guess(path)
    own = {"mib": _read_mib, "arina": _read_dectris, "netcdf": read_netcdf, "images": read_tiffs}
    if path.is_dir() != (name == "images"):
        what = "a folder" if path.is_dir() else "a file"
        raise PolarstemError(f"{path} is {what}, which the reader {name!r} cannot read.")
    return own.get(name) or (lambda path, sheet: _read_plugin(name, path, sheet))


def _guess(path: Path) -> str:
    """The reader of a file, by its extension, or by its content for HDF5."""
    suffix = path.suffix.lower()
    if path.is_dir():
        return "images"
    if suffix in _CONTAINERS:
        import h5py

        try:
            with h5py.File(path) as file:
                if "HyperSpy" in str(file.attrs.get("file_format")):
                    return "hspy"
                return "arina" if "data_000001" in file.get("entry/data", ()) else "hdf5"
        except OSError as error:
            raise _unreadable(path, "hdf5", error) from error
    if suffix not in _SUFFIXES:
        known = ", ".join(sorted({*_SUFFIXES, *_CONTAINERS}))
        raise PolarstemError(
            f"{path} has no extension of a known format ({known}); name the format by `reader` in "
            "the scan sheet."
        )
    return _SUFFIXES[suffix]


def _unreadable(path: Path, name: str, error: Exception) -> PolarstemError:
    if isinstance(error, ModuleNotFoundError):
        return PolarstemError(
            f"Reading {path} needs the package {error.name}; install "
            f"`rosettasciio[{_EXTRAS.get(name, 'all')}]`."
        )
    text = " ".join(str(error).split()) or type(error).__name__
    return PolarstemError(
        f"{path} ({path.stat().st_size} bytes) cannot be read as {name!r} ({text}); it is "
        "truncated or of another format: copy it again, or name its format by `reader` in the "
        "scan sheet."
    )


def _signals(name: str, path: Path, **options: Any) -> list[dict[str, Any]]:
    """All arrays of a file with their axes, by a plugin of RosettaSciIO."""
    if name in _MAPPED:
        options["chunks"] = -1
    try:
        plugin = importlib.import_module(f"rsciio.{_PLUGINS[name]}")
        with warnings.catch_warnings():
            # what it guesses on, such as a file that is too short, is an error here
            warnings.simplefilter("error", UserWarning)
            warnings.simplefilter("ignore", ResourceWarning)  # some leave the file open
            lazy = {} if name == "app5" else {"lazy": True}
            found: list[dict[str, Any]] = plugin.file_reader(str(path), **lazy, **options)
    except Exception as error:  # whatever a plugin stumbles over
        raise _unreadable(path, name, error) from error
    return found


def _read_plugin(name: str, path: Path, sheet: Sheet) -> Stored:
    options: dict[str, Any] = {}
    if name == "emd" and sheet.dataset:
        options["dataset_path"] = [sheet.dataset.strip("/")]
    if name == "hdf5" and sheet.dataset:
        named = Path("/", sheet.dataset)
        # what a NeXus group points to is known by the group's name
        options["dataset_path"] = [str(named), str(named.parent)]
    if name == "hdf5":
        options["skip_array_metadata"] = True
    signals = _signals(name, path, **options)
    if name == "hspy" and sheet.dataset:
        signals = [s for s in signals if s["metadata"]["General"].get("title") == sheet.dataset]
    return _stored(name, path, sheet, _chosen(path, sheet, signals))


def _chosen(path: Path, sheet: Sheet, signals: list[dict[str, Any]]) -> dict[str, Any]:
    """The one array that can be the patterns: the largest."""
    largest = max((s["data"].size for s in signals if s["data"].ndim >= 2), default=0)
    found = [s for s in signals if s["data"].size == largest]
    if not largest:
        asked = f" under {sheet.dataset!r}" if sheet.dataset else ""
        raise PolarstemError(f"{path} holds no patterns{asked}; check `dataset` of the sheet.")
    if len(found) > 1:
        titles = ", ".join(str(s["metadata"]["General"].get("title")) for s in found)
        raise PolarstemError(
            f"{path} holds {len(found)} arrays that could be the patterns ({titles}); name one by "
            "`dataset` in the scan sheet."
        )
    return found[0]


def _stored(name: str, path: Path, sheet: Sheet, signal: dict[str, Any]) -> Stored:
    try:
        data, axes, kept = scan_first(signal["data"], signal["axes"])
    except ValueError as error:
        raise _unreadable(path, name, error) from error
    patterns, shape = _shaped(data, path, sheet)
    dataset = _dataset(signal["data"]) if kept and patterns is data else None
    frames: Frames = ArrayFrames(patterns, shape)
    if dataset is not None:
        frames = DatasetFrames(dataset, shape)
    return Stored(path, name, frames, facts_of(signal, axes, sheet.energy_kv, name))


def _dataset(data: Any) -> Any:
    """The dataset of HDF5 behind a lazy array, which dask would slice with much ado."""
    import h5py

    if not getattr(data, "name", "").startswith("array-"):  # dask's name for what is unchanged
        return None
    sources = [s for s in dict(data.dask).values() if isinstance(s, h5py.Dataset)]
    return sources[0] if len(sources) == 1 else None


def _shaped(data: Any, path: Path, sheet: Sheet) -> tuple[Any, tuple[int, int]]:
    """Patterns, and the shape of the scan that the sheet or the file gives them."""
    if data.ndim == 2:
        data = data[None]
    given, count = sheet.scan_shape, int(np.prod(data.shape[:-2]))
    if given is None and data.ndim == 4:
        return data, data.shape[:2]
    if given is None and count > 1:
        raise PolarstemError(
            f"{path} holds {count} patterns in a row and does not say how they were scanned; give "
            "`scan_shape: [rows, columns]` in the scan sheet."
        )
    rows, columns = given or (1, 1)
    if rows * columns != count:
        raise PolarstemError(
            f"{path} holds {count} patterns, but scan_shape asks for {rows} x {columns} = "
            f"{rows * columns}; correct it, or copy the file again if it is cut short."
        )
    if data.ndim == 4 and data.shape[:2] != given:
        data = data.reshape(count, *data.shape[2:])
    return data, (rows, columns)


def _read_mib(path: Path, sheet: Sheet) -> Stored:
    """Merlin: whole frames only, and as many as the scan has positions."""
    try:
        from rsciio.quantumdetector import load_mib_data

        frames, headers = load_mib_data(str(path), lazy=True, return_headers=True)
        fields = headers[0].decode().strip("\0,").split(",")
        depth = int(fields[-1])
        rest = path.stat().st_size % frames.strides[0]
    except Exception as error:
        raise _unreadable(path, "mib", error) from error
    if rest:
        raise PolarstemError(
            f"{path} ends within a pattern, after {len(frames)} whole ones; it is truncated, copy "
            "it again."
        )
    shape = sheet.scan_shape
    if shape is not None:
        _shaped(frames, path, sheet)
    options = {"navigation_shape": shape[::-1]} if shape else {}
    (signal,) = _signals("mib", path, **options)
    header = signal["original_metadata"].get("hdr_file", {})
    expected = int(header.get("Frames in Acquisition (Number)", 0)) or len(frames)
    found = int(np.prod(signal["data"].shape[:-2]))
    if shape is None and (expected > len(frames) or found != len(frames)):
        raise PolarstemError(
            f"{path} holds {len(frames)} patterns, but its header tells of "
            f"{max(expected, found)}; it is truncated, or give `scan_shape` in the scan sheet."
        )
    stored = _stored("mib", path, sheet, signal)
    return Stored(path, "mib", stored.frames, stored.facts, 2**depth - 1)


def _read_dectris(path: Path, sheet: Sheet) -> Stored:
    """Master file of a Dectris detector, whose frames RosettaSciIO would load all at once."""
    import dask.array
    import h5py

    try:
        importlib.import_module("hdf5plugin")  # the filters that the detector packs with
        group = h5py.File(path)["entry/data"]
        parts = [group[name] for name in sorted(group)]
        data = dask.array.concatenate(
            [dask.array.from_array(part, chunks=(64, *part.shape[1:])) for part in parts]
        )
    except Exception as error:
        raise _unreadable(path, "arina", error) from error
    return Stored(path, "arina", ArrayFrames(*_shaped(data, path, sheet)))


def _read_last(stored: Stored) -> None:
    """Read the last pattern: of a file cut short it is missing."""
    rows, columns = stored.frames.scan_shape
    where = slice(rows - 1, rows), slice(columns - 1, columns)
    try:
        stored.frames.take(*where, np.ones((1, 1), dtype=bool))
    except PolarstemError:
        raise
    except Exception as error:
        raise _unreadable(stored.path, stored.reader, error) from error
