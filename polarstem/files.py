# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing files that are either whole or absent, and opening those that may be broken."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarstem.errors import PolarstemError

if TYPE_CHECKING:
    import xarray
    from numpy.typing import NDArray

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _is_full(error: BaseException, temporary: Path) -> bool:
    """Whether a write failed for want of space."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    if isinstance(error, OSError | RuntimeError) and "HDF" in str(error):
        # HDF5 hides the cause behind its own text: see whether the file can grow
        try:
            with temporary.open("ab") as file:
                file.write(bytes(2**20))
        except OSError as cause:
            return cause.errno in _FULL
    return "No space left" in str(error)


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary sibling of `path` that takes its place only on success.

    Parameters
    ----------
    path : Path or str
        The file or directory to be written. Its folder is created.

    Yields
    ------
    Path
        A path in the same folder with the same suffix. Write a file there, or make a
        directory of it.

    Raises
    ------
    PolarstemError
        If the disk is full. Any failure removes what was written so far and leaves an
        older version of `path` as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # one name per target, so that a run after a kill clears away what the killed one left
    temporary = path.with_name(f".{path.stem}.part{path.suffix}")
    _remove(temporary)
    try:
        yield temporary
        if temporary.is_dir() and path.is_dir():
            shutil.rmtree(path)
        os.replace(temporary, path)
    except BaseException as error:
        full = _is_full(error, temporary)
        with suppress(OSError):
            _remove(temporary)
        if full:
            raise PolarstemError(
                f"The disk is full: {path} could not be written and nothing was kept of it; "
                "free some space and run the same command again."
            ) from error
        raise


def claim(path: Path | str) -> None:
    """Hold a lock file until this process ends, however it ends.

    Unlike a file that says "locked", it cannot be left behind by a kill or a power cut.

    Parameters
    ----------
    path : Path or str
        The lock file; it is created and stays.

    Raises
    ------
    PolarstemError
        If another process holds it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # a bare descriptor: nothing closes it, and with it the lock, before the process ends
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise PolarstemError(
            f"Another run is at work in {path.parent.resolve().parent}; wait until it has ended, "
            "or end it, and run the same command again."
        ) from None
    except OSError:  # a file system without locks: better unprotected than not at all
        os.close(descriptor)


def read_arrays(path: Path | str) -> dict[str, NDArray[Any]]:
    """Read the arrays of a .npz file that `numpy.savez` wrote.

    Parameters
    ----------
    path : path

    Returns
    -------
    dict of str to ndarray
        By name.

    Raises
    ------
    ValueError
        If one states a size other than it has: no memory is taken on the word of a header.
    Exception
        Whatever else zipfile and NumPy stumble over in a broken file.
    """
    import numpy as np

    with zipfile.ZipFile(path) as file:
        for member in file.infolist():
            with file.open(member) as array:
                major, _ = np.lib.format.read_magic(array)
                name = f"read_array_header_{'1_0' if major == 1 else '2_0'}"
                shape, _, kind = getattr(np.lib.format, name)(array)
                stated = int(np.prod(shape, dtype=object)) * kind.itemsize + array.tell()
            if stated != member.file_size or member.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{member.filename} states {stated} bytes and is not so many")
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def open_netcdf(path: Path | str, what: str) -> xarray.Dataset:
    """Open a netCDF file lazily.

    Parameters
    ----------
    path : Path or str
        The file.
    what : str
        What the file holds, for the message ("simulation", "data set", ...).

    Returns
    -------
    xarray.Dataset
        The lazily loaded data set; close it after use.

    Raises
    ------
    PolarstemError
        If the file is absent, truncated or not netCDF.
    """
    import xarray

    path = Path(path)
    if not path.is_file():
        raise PolarstemError(
            f"There is no {what} file {path}; run the workflow to make it, or check the path."
        )
    try:
        return xarray.open_dataset(path, engine="netcdf4", decode_timedelta=False)
    except Exception as error:  # the library fails in as many ways as a file can be broken
        raise PolarstemError(
            f"The {what} file {path} ({path.stat().st_size} bytes) is truncated or not netCDF; "
            "delete it and run the same command again."
        ) from error
