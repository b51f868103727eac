# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes that a file states of itself, which are believed within what the file could hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polarstem.errors import PolarstemError
from polarstem.scans.files.stored import Stored
from polarstem.scans.files.troubles import size_of

# of nothing but zeros deflate makes a thousandth, zstd and blosc some ten-thousandths
_PACKED = 20_000
_ALWAYS = 64_000_000  # bytes that a file of any size may state


def believable(size: int, held: int) -> bool:
    """Whether arrays of some size can be in a file.

    Parameters
    ----------
    size : int
        What the file states [bytes].
    held : int
        Size of the file [bytes].
    """
    return size <= _ALWAYS + _PACKED * held


def believe(file: Path, size: int) -> None:
    """Raise a `ValueError` if an image file states more bytes of pixels than it could hold."""
    held = file.stat().st_size
    if not believable(size, held):
        raise ValueError(f"it states {size} bytes of pixels, which its {held} cannot hold")


def refuse_large_patterns(stored: Stored) -> None:
    """Refuse a scan whose patterns alone are larger than its file could hold, or are nothing.

    Raises
    ------
    PolarstemError
        If they are: to be called before one is read.
    """
    rows, columns = stored.frames.scan_shape
    height, width = stored.frames.frame_shape
    if 0 in (rows, columns, height, width):
        raise PolarstemError(
            f"{stored.path} states {rows} x {columns} patterns of {height} x {width} pixels, which "
            "is nothing to look at; choose another `dataset` in the scan sheet, or record the "
            "scan again."
        )
    _refuse(stored, 1)


def refuse_unbelievable(stored: Stored) -> None:
    """Refuse a scan that is larger than its file could hold.

    Raises
    ------
    PolarstemError
        If it is: a damaged header, or data that were never written.
    """
    rows, columns = stored.frames.scan_shape
    _refuse(stored, rows * columns)


def _refuse(stored: Stored, count: int) -> None:
    """Refuse if a number of its patterns is too much."""
    (rows, columns), (height, width) = stored.frames.scan_shape, stored.frames.frame_shape
    size, held = count * height * width * stored.frames.dtype.itemsize, size_of(stored.path)
    if not believable(size, held) and not believable(size, held := _around(stored)):
        raise PolarstemError(
            f"{stored.path} states {rows} x {columns} patterns of {height} x {width} pixels, "
            f"{size / 1e9:.3g} GB, which its {held} bytes cannot hold; it is damaged or was never "
            "filled: copy it again."
        )


def refuse_unbelievable_hdf5(path: Path) -> None:
    """Refuse an HDF5 file with an array that it could not hold, before a reader takes it whole.

    Raises
    ------
    PolarstemError
        If there is one. What else is wrong with the file, its reader tells.
    """
    import h5py

    held = path.stat().st_size

    def look(name: str, part: Any) -> None:
        if not isinstance(part, h5py.Dataset) or part.is_virtual or part.external:
            return
        if not believable(part.nbytes, held):
            raise PolarstemError(
                f"{path} states {part.nbytes / 1e9:.3g} GB under {name}, which its {held} bytes "
                "cannot hold; it is damaged or was never filled: copy it again."
            )

    try:
        with h5py.File(path) as file:
            file.visititems(look)
    except PolarstemError:
        raise
    except Exception:  # as many as a file can be broken
        return


def _around(stored: Stored) -> int:
    """Bytes of all files that the patterns may stand in: those beside it, and linked ones."""
    import h5py

    files = {f for f in stored.path.parent.iterdir() if f.is_file()}
    data = getattr(stored.frames, "data", None)
    if isinstance(data, h5py.Dataset):
        files |= {Path(name) for name in _sources(data)}
    return sum(file.stat().st_size for file in files if file.is_file())


def _sources(data: Any) -> list[str]:
    """Files that the patterns of a dataset of HDF5 are in."""
    own = Path(data.file.filename)
    if not data.is_virtual:
        return [str(own)]
    return [str(own.parent / source.file_name) for source in data.virtual_sources()]
