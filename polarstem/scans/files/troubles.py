# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a file cannot be read, in one true sentence."""

from __future__ import annotations

import errno
from pathlib import Path

from polarstem.errors import PolarstemError, reason_of

# extras of rosettasciio, beside those that are always there
_EXTRAS = {"blo": "blockfile", "arina": "arina", "zspy": "zspy"}
_IN_USE = ("unable to lock file", "already open for write")


def size_of(path: Path) -> int:
    """Size of a file, or of all in a folder [bytes]."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


def unreadable(path: Path, name: str, error: Exception) -> PolarstemError:
    """The sentence for what a reader stumbled over.

    Parameters
    ----------
    path : path
        File or folder.
    name : str
        The reader.
    error : Exception
        What it raised.
    """
    if isinstance(error, ModuleNotFoundError):
        return PolarstemError(
            f"Reading {path} needs the package {error.name}; install "
            f"`rosettasciio[{_EXTRAS.get(name, 'all')}]`."
        )
    text = reason_of(error, whole=True)
    if isinstance(error, BlockingIOError) or any(said in text for said in _IN_USE):
        return PolarstemError(
            f"{path} is open in another program, which may still write to it; close it there, or "
            "wait until the recording has ended, and run the same command again."
        )
    code = getattr(error, "errno", None)
    if code in (errno.EACCES, errno.EPERM):
        return PolarstemError(f"{path} may not be read by you; ask for the right to, or copy it.")
    missing = getattr(error, "filename", None)
    if code == errno.ENOENT and missing and Path(missing).resolve() != path.resolve():
        return PolarstemError(
            f"{path} keeps its patterns in {missing}, which is missing; copy it there, or open the "
            "file that holds them."
        )
    return PolarstemError(
        f"{path} ({size_of(path)} bytes) cannot be read as {name!r} ({text}); it is "
        "truncated or of another format: copy it again, or name its format by `reader` in the "
        "scan sheet."
    )


def in_use(path: Path) -> bool:
    """Whether another program holds an HDF5 file locked."""
    import h5py

    try:
        h5py.File(path).close()
    except OSError as error:
        return isinstance(error, BlockingIOError) or any(said in str(error) for said in _IN_USE)
    return False
