# SPDX-License-Identifier: GPL-3.0-or-later
"""Vendors' formats, read by the plugins of RosettaSciIO."""

from __future__ import annotations

import importlib
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError
from polarstem.scans.files.axes import facts_of, mirrored, scan_first
from polarstem.scans.files.shapes import shaped
from polarstem.scans.files.stored import ArrayFrames, DatasetFrames, Frames, Stored
from polarstem.scans.files.troubles import unreadable

PLUGINS = {
    "mib": "quantumdetector",
    "dm": "digitalmicrograph",
    "blo": "blockfile",
    "emd": "emd",
    "hspy": "hspy",
    "zspy": "zspy",
    "empad": "empad",
    "mrc": "mrc",
    "tvips": "tvips",
    "app5": "topspin",
    "hdf5": "nexus",
    "prz": "pantarhei",
}
# formats that are mapped into memory: as one piece, which nothing reads before it is sliced
_MAPPED = {"mib", "dm", "blo", "mrc", "prz"}
_HYPERSPY = {"hspy", "zspy"}


def signals(name: str, path: Path, **options: Any) -> list[dict[str, Any]]:
    """All arrays of a file with their axes, by a plugin of RosettaSciIO.

    Raises
    ------
    PolarstemError
        If the plugin cannot read it.
    """
    if name in _MAPPED:
        options["chunks"] = -1
    if name == "zspy":
        options["mode"] = "r"
    try:
        plugin = importlib.import_module(f"rsciio.{PLUGINS[name]}")
        with warnings.catch_warnings():
            # what it guesses on, such as a file that is too short, is an error here
            warnings.simplefilter("error", UserWarning)
            warnings.filterwarnings("ignore", "This file was written using a newer version")
            warnings.simplefilter("ignore", ResourceWarning)  # some leave the file open
            lazy = {} if name == "app5" else {"lazy": True}
            found: list[dict[str, Any]] = plugin.file_reader(str(path), **lazy, **options)
    except Exception as error:  # whatever a plugin stumbles over
        if newer := _newer(name, path):
            text = " ".join(str(error).split())
            raise PolarstemError(
                f"{path} was written in {newer}, in which it cannot be read ({text}); update "
                "rosettasciio, or save the scan from HyperSpy in an older one."
            ) from error
        raise unreadable(path, name, error) from error
    return found


def read_plugin(name: str, path: Path, sheet: Sheet) -> Stored:
    """Open a file by one of the `PLUGINS`."""
    options: dict[str, Any] = {}
    if name == "emd" and sheet.dataset:
        options["dataset_path"] = [sheet.dataset.strip("/")]
    if name == "hdf5" and sheet.dataset:
        named = Path("/", sheet.dataset)
        # what a NeXus group points to is known by the group's name
        options["dataset_path"] = [str(named), str(named.parent)]
    if name == "hdf5":
        options["skip_array_metadata"] = True
    if name == "prz" and _packed(path):
        raise PolarstemError(
            f"{path} keeps its patterns compressed, as RosettaSciIO writes them, so that none can "
            "be read by itself; save the scan as .hspy instead."
        )
    found = signals(name, path, **options)
    if name in _HYPERSPY and sheet.dataset:
        found = [s for s in found if s["metadata"]["General"].get("title") == sheet.dataset]
    stored = stored_of(name, path, sheet, _chosen(path, sheet, found))
    if newer := _newer(name, path):
        return replace(stored, note=f"in {newer}")
    return stored


def read_npy(path: Path, sheet: Sheet) -> Stored:
    """Map an array of NumPy; the plugin would drop axes of length 1, which line scans have."""
    try:
        data = np.load(path, mmap_mode="r", allow_pickle=False)
        if data.ndim < 2:
            raise ValueError(f"an array of shape {data.shape}")
    except Exception as error:
        raise unreadable(path, "npy", error) from error
    return stored_of("npy", path, sheet, {"data": data, "axes": []})


def stored_of(name: str, path: Path, sheet: Sheet, signal: dict[str, Any]) -> Stored:
    """One array with its axes as a scan."""
    axes = list(signal["axes"])
    try:
        data, axes, kept = scan_first(signal["data"], axes, sheet.select)
    except ValueError as error:
        raise PolarstemError(f"{path} cannot be read as one scan: {error}.") from error
    if sheet.exchange_axes:
        axes = axes[2:] + axes[:2] if len(axes) == 4 else []
    patterns, shape = shaped(data, path, sheet)
    dataset = _dataset(signal["data"]) if kept and patterns is data else None
    frames: Frames = ArrayFrames(patterns, shape)
    if dataset is not None:
        frames = DatasetFrames(dataset, shape)
    facts = facts_of(signal, axes, sheet.energy_kv, name)
    stated = data.ndim == 4 and tuple(patterns.shape[:2]) == shape
    return Stored(path, name, frames, facts, mirrored=mirrored(axes), shape_stated=stated)


def _chosen(path: Path, sheet: Sheet, found: list[dict[str, Any]]) -> dict[str, Any]:
    """The one array that can be the patterns: the largest."""
    found = [s for s in found if "data" in s]
    largest = max((s["data"].size for s in found if s["data"].ndim >= 2), default=0)
    found = [s for s in found if s["data"].size == largest]
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


def _dataset(data: Any) -> Any:
    """The dataset of HDF5 behind a lazy array, which dask would slice with much ado."""
    import h5py

    if not getattr(data, "name", "").startswith("array-"):  # dask's name for what is unchanged
        return None
    sources = [s for s in dict(data.dask).values() if isinstance(s, h5py.Dataset)]
    return sources[0] if len(sources) == 1 else None


def _packed(path: Path) -> bool:
    """Whether the array in a .prz file is compressed: it would be mapped all the same."""
    try:
        with zipfile.ZipFile(path) as file:
            return file.getinfo("data.npy").compress_type != zipfile.ZIP_STORED
    except (OSError, KeyError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return False  # told of by its reader


def _newer(name: str, path: Path) -> str:
    """The version of HyperSpy's format, if it is newer than the one that is known here."""
    if name not in _HYPERSPY:
        return ""
    from packaging.version import Version
    from rsciio._hierarchical import version

    try:
        if name == "hspy":
            import h5py

            with h5py.File(path) as file:
                found = file.attrs.get("file_format_version", "")
        else:
            import zarr

            found = zarr.open(str(path), mode="r").attrs.get("file_format_version", "")
        found = found.decode() if isinstance(found, bytes) else str(found)
        later = Version(found) > Version(version)
    except Exception:  # a broken file is told of by its reader
        return ""
    return f"format {found} of HyperSpy, newer than {version}, the last that is known" * later


def last_pattern(stored: Stored) -> None:
    """Read the last pattern: of a file cut short it is missing.

    Raises
    ------
    PolarstemError
        If it cannot be read.
    """
    rows, columns = stored.frames.scan_shape
    where = slice(rows - 1, rows), slice(columns - 1, columns)
    try:
        stored.frames.take(*where, np.ones((1, 1), dtype=bool))
    except PolarstemError:
        raise
    except Exception as error:
        raise unreadable(stored.path, stored.reader, error) from error
