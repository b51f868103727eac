# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing files that are either whole or absent, and opening those that may be broken."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import time
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarstem.errors import PolarstemError
from polarstem.machine_faults import FULL

if TYPE_CHECKING:
    import xarray
    from numpy.typing import NDArray

_CLOCKS_APART = 5.0  # seconds that clocks of a network may differ
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of renameat2(2)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _is_full(error: BaseException, temporary: Path) -> bool:
    """Whether a write failed for want of space."""
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    hidden = isinstance(error, OSError) and error.errno is None
    if hidden or (isinstance(error, OSError | RuntimeError) and "HDF" in str(error)):
        # numpy and HDF5 hide the cause behind texts of their own: see whether the file can grow
        try:
            with temporary.open("ab") as file:
                file.write(bytes(2**20))
        except OSError as cause:
            return cause.errno in FULL
    return "No space left" in str(error)


def _to_disk(path: Path) -> None:
    """Have a file or folder written out: a power cut after its renaming leaves it whole."""
    every = (*path.rglob("*"), path) if path.is_dir() else (path,)
    for each in (one for one in every if not one.is_symlink()):
        descriptor = os.open(each, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _replace_folder(new: Path, old: Path) -> None:
    """Put a folder in another one's place; at every moment one of them stands whole."""
    if _exchange(new, old):
        _remove(new)
        return
    aside = _aside(old)
    _remove(aside)
    os.rename(old, aside)
    os.rename(new, old)
    _remove(aside)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names at once; False where the system or the file system cannot."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)  # Linux
    return (
        rename is not None
        and rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0
    )


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.stem}.old{path.suffix}")


def _restore(path: Path) -> None:
    """Undo a replacement that a kill cut short between its two renamings."""
    aside = _aside(path)
    if aside.exists() and not path.exists():
        os.rename(aside, path)
    _remove(aside)


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
        directory of it. What a killed call left is cleared away, and an older directory that it
        had put aside is put back.

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
    _restore(path)
    _remove(temporary)
    try:
        yield temporary
        _to_disk(temporary)
        if temporary.is_dir() and path.is_dir():
            _replace_folder(temporary, path)
        else:
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


def check_writable(folder: Path | str) -> None:
    """Raise a `PolarstemError` if nothing can be written into a folder."""
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PolarstemError(
            f"The folder {Path(folder).resolve()} may not be written to; ask for the right to, or "
            "work in another one (snakemake --directory)."
        )


def check_clock(paths: Iterable[Path | str], now: float | None = None) -> None:
    """Raise a `PolarstemError` if a file is dated in the future.

    Snakemake would throw away what a job makes from it, however long that took: results that are
    older than what they were made from look out of date.

    Parameters
    ----------
    paths : iterable of path
        Files; absent ones are passed over.
    now : float, optional
        The time [s since 1970]; by default the clock's.
    """
    now = time.time() if now is None else now
    for path in dict.fromkeys(map(Path, paths)):
        with suppress(OSError):
            ahead = path.stat().st_mtime - now
            if ahead > _CLOCKS_APART:
                raise PolarstemError(
                    f"{path} is dated {ahead:.0f} s ahead of this machine's clock, and all that is "
                    "made from it would look out of date; set the clock right, or `touch` the "
                    "file, and run the same command again."
                )


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
    """Open a netCDF file lazily; its checksums are verified as it is read.

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
        If the file is absent, truncated, damaged or not netCDF; also later, when a damaged part
        of it is read.
    """
    path = Path(path)
    if not path.is_file():
        raise PolarstemError(
            f"There is no {what} file {path}; run the workflow to make it, or check the path."
        )
    from polarstem.checked_netcdf import open_checked

    return open_checked(path, what)
