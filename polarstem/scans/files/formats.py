# SPDX-License-Identifier: GPL-3.0-or-later
"""Which reader takes a file: by the sheet, its extension, or its content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError
from polarstem.scans.files.bare import read_dot_raw
from polarstem.scans.files.declared import (
    refuse_large_patterns,
    refuse_unbelievable,
    refuse_unbelievable_hdf5,
)
from polarstem.scans.files.dectris import companion, is_master, read_dectris
from polarstem.scans.files.images import read_images, read_stack
from polarstem.scans.files.merlin import read_mib
from polarstem.scans.files.netcdf import read_netcdf
from polarstem.scans.files.py4dstem import is_emd1, read_py4dstem
from polarstem.scans.files.stored import Stored
from polarstem.scans.files.troubles import unreadable
from polarstem.scans.files.vendors import PLUGINS, last_pattern, read_npy, read_plugin

_OWN: dict[str, Callable[[Path, Sheet], Stored]] = {
    "mib": read_mib,
    "arina": read_dectris,
    "netcdf": read_netcdf,
    "npy": read_npy,
    "py4dstem": read_py4dstem,
    "tiff": read_stack,
    "images": read_images,
    "raw": read_dot_raw,
}
_SUFFIXES = {
    ".dm3": "dm",
    ".dm4": "dm",
    ".de5": "emd",
    ".xml": "empad",
    ".ali": "mrc",
    ".nxs": "hdf5",
    ".nc": "netcdf",
    ".npy": "npy",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".raw": "raw",
    **{f".{name}": name for name in PLUGINS},
}
_CONTAINERS = {".h5", ".hdf5", ".he5", ".emd"}
_ATOMS = {".xyz", ".cif", ".pdb", ".vasp", ".poscar", ".cel"}
_HDF5 = {"emd", "hspy", "app5", "hdf5", "py4dstem", "arina", "netcdf"}
_FOLDERS = {"images", "zspy"}  # what a folder can be; the second, a file too
_ANY_ORDER = {"netcdf", "images"}  # names, not places, tell axes of scan and detector apart


def stored_file(path: Path, sheet: Sheet) -> Stored:
    """Open a detector file or a folder.

    Raises
    ------
    PolarstemError
        If it is absent, truncated, of an unknown format or does not fit the sheet.
    """
    if not path.exists():
        raise PolarstemError(f"There is no scan {path}; check the path.")
    name = "raw" if sheet.raw is not None and path.is_file() else _name(path, sheet)
    own = _OWN.get(name)
    try:
        if name in _HDF5 and path.is_file():
            refuse_unbelievable_hdf5(path)
        stored = own(path, sheet) if own else read_plugin(name, path, sheet)
        refuse_large_patterns(stored)
    except PolarstemError:
        raise
    except Exception as error:  # readers fail in as many ways as a file can be broken
        raise unreadable(path, name, error) from error
    last_pattern(stored)  # tells of a file that is missing
    refuse_unbelievable(stored)
    return stored


def _name(path: Path, sheet: Sheet) -> str:
    """The reader of a file, which the sheet can tell, and which must fit what the path is."""
    name = sheet.reader if sheet.reader != "auto" else _guess(path)
    if (path.is_dir() and name not in _FOLDERS) or (path.is_file() and name == "images"):
        what = "a folder" if path.is_dir() else "a file"
        raise PolarstemError(f"{path} is {what}, which the reader {name!r} cannot read.")
    if sheet.exchange_axes and name in _ANY_ORDER:
        raise PolarstemError(
            f"The axes in {path} are told apart by their names; leave exchange_axes out of the "
            "scan sheet."
        )
    return name


def _guess(path: Path) -> str:
    """The reader of a file, by its extension, or by its content for HDF5."""
    suffix = path.suffix.lower()
    if path.is_dir():
        return "zspy" if suffix == ".zspy" else "images"
    if suffix in _CONTAINERS:
        return _content(path, "emd" if suffix == ".emd" else "hdf5")
    if suffix in _ATOMS:
        raise PolarstemError(f"{path} holds places of atoms by its name, and no scan.")
    if suffix not in _SUFFIXES:
        known = ", ".join(sorted({*_SUFFIXES, *_CONTAINERS}))
        raise PolarstemError(
            f"{path} has no extension of a known format ({known}); name the format by `reader` in "
            "the scan sheet, or describe bare numbers by `raw`."
        )
    return _SUFFIXES[suffix]


def _content(path: Path, otherwise: str) -> str:
    """The reader of an HDF5 file."""
    import h5py

    try:
        with h5py.File(path) as file:
            if "HyperSpy" in str(file.attrs.get("file_format")):
                return "hspy"
            if is_emd1(file):
                return "py4dstem"
            if is_master(file):
                return "arina"
        beside = companion(path)
    except Exception as error:  # as many ways as a file can be broken
        raise unreadable(path, otherwise, error) from error
    if beside is not None:
        raise beside
    return otherwise
