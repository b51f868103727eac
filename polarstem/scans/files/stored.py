# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns as a file stores them, read a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from polarstem.scans.files.chunks import Chunks
from polarstem.scans.sourced import Sourced

_MANY = 8  # one position in so many is read by itself


class Frames(Protocol):
    """Patterns of a rectangular scan, as stored.

    Attributes
    ----------
    scan_shape, frame_shape : tuple of int
        Rows and columns of the scan and of a pattern.
    dtype : numpy.dtype
        As stored.
    chunk : tuple of int
        Rows and columns of the scan that are best read together.
    """

    scan_shape: tuple[int, int]
    frame_shape: tuple[int, int]
    dtype: np.dtype[Any]
    chunk: tuple[int, int]

    def take(self, rows: slice, columns: slice, wanted: NDArray[np.bool_]) -> NDArray[Any]:
        """Patterns (n, ky, kx) at the `wanted` positions (rows, columns) of a rectangle."""


class ArrayFrames:
    """Patterns in an array: of NumPy, mapped from a file, of dask or of h5py.

    Parameters
    ----------
    data : array, shape (rows, columns, ..., ky, kx) or (positions, ky, kx)
        The patterns; positions run along the rows, and what stands between is of length 1.
    scan_shape : tuple of int, optional
        Needed for a list of patterns.
    chunk : tuple of int
        See `Frames`.
    """

    def __init__(
        self, data: Any, scan_shape: tuple[int, int] | None = None, chunk: tuple[int, int] = (1, 1)
    ) -> None:
        self.data = data
        self.dtype = np.dtype(data.dtype)
        rows, columns = scan_shape or data.shape[:2]
        self.scan_shape = int(rows), int(columns)
        self.frame_shape = int(data.shape[-2]), int(data.shape[-1])
        self.chunk = chunk

    def take(self, rows: slice, columns: slice, wanted: NDArray[np.bool_]) -> NDArray[Any]:
        if self.data.ndim > 3:
            found = self.data[rows, columns]
        else:  # rows one after the other: a rectangle of whole rows, or a part of one
            width = self.scan_shape[1]
            last = (rows.stop - 1) * width + columns.stop
            found = self.data[rows.start * width + columns.start : last]
        if hasattr(found, "compute"):
            # one thread: HDF5 lets no other in, and a mapped file is only looked at here
            found = found.compute(scheduler="synchronous")
        found = np.asarray(found).reshape(*wanted.shape, *self.frame_shape)
        return found.reshape(-1, *self.frame_shape) if wanted.all() else found[wanted]


class DatasetFrames(ArrayFrames):
    """Patterns in a dataset of HDF5, by chunks or, where few are wanted, one by one."""

    def __init__(self, data: Any, scan_shape: tuple[int, int] | None = None) -> None:
        super().__init__(data, scan_shape, _positions(data))
        self._chunks = Chunks(data) if Chunks.unpackable(data) else None

    def take(self, rows: slice, columns: slice, wanted: NDArray[np.bool_]) -> NDArray[Any]:
        at = np.argwhere(wanted) + np.array([rows.start, columns.start])
        if self.data.ndim <= 3:
            at = at @ np.array([[self.scan_shape[1]], [1]])
        if self._chunks is not None:
            try:
                return self._chunks.take(at)
            except OSError:  # HDF5 knows whether it is empty or damaged
                pass
        if _MANY * len(at) >= wanted.size:
            return super().take(rows, columns, wanted)
        found = np.empty((len(at), *self.frame_shape), dtype=self.dtype)
        for pattern, place in zip(found, at.tolist(), strict=True):
            pattern[:] = self.data[tuple(place)]
        return found


class SkippedFrames:
    """Patterns without those that are recorded while the probe flies back.

    Parameters
    ----------
    frames : Frames
        With them.
    skip : int
        How many to leave out at the start of each row.
    """

    def __init__(self, frames: Frames, skip: int) -> None:
        self.frames, self.skip = frames, skip
        rows, columns = frames.scan_shape
        self.scan_shape = rows, columns - skip
        self.frame_shape, self.dtype = frames.frame_shape, frames.dtype
        self.chunk = frames.chunk

    def take(self, rows: slice, columns: slice, wanted: NDArray[np.bool_]) -> NDArray[Any]:
        if columns == slice(0, self.scan_shape[1]):  # whole rows stay whole, and lie together
            wanted = np.pad(wanted, ((0, 0), (self.skip, 0)))
            return self.frames.take(rows, slice(0, self.scan_shape[1] + self.skip), wanted)
        columns = slice(columns.start + self.skip, columns.stop + self.skip)
        return self.frames.take(rows, columns, wanted)


def _positions(data: Any) -> tuple[int, int]:
    """Rows and columns of the scan in one chunk of a dataset."""
    chunks = data.chunks or (1,) * data.ndim
    return (chunks[0], chunks[1]) if data.ndim > 3 else (1, chunks[0])


def tiles(
    frames: Frames, wanted: NDArray[np.bool_], memory: float
) -> Iterator[tuple[slice, slice]]:
    """Cut the stored scan into rectangles to be read one after the other.

    Parameters
    ----------
    frames : Frames
        The patterns.
    wanted : ndarray of bool, shape (rows, columns)
        Positions to be covered; must not be empty.
    memory : float
        Size of a rectangle [bytes], which a single chunk may exceed.

    Yields
    ------
    tuple of slice
        Rows and columns: whole rows where some fit, else parts of them, along chunks.
    """
    ny, nx = frames.scan_shape
    high, wide = frames.chunk
    count = max(1, int(memory / (np.prod(frames.frame_shape) * frames.dtype.itemsize)))
    used = np.flatnonzero(wanted.any(axis=1))
    top, bottom = used[0] // high * high, used[-1] + 1
    if high * nx <= count:
        height, width = count // nx // high * high, nx
    else:
        height, width = high, max(wide, count // high // wide * wide)
    for row in range(top, bottom, height):
        for column in range(0, nx, width):
            yield slice(row, min(row + height, ny)), slice(column, min(column + width, nx))


@dataclass(frozen=True)
class Stored:
    """A detector file: its patterns and what it says of them.

    Attributes
    ----------
    path : Path
        File or folder.
    reader : str
        How it was read.
    frames : Frames
        The patterns as stored.
    facts : dict of str to Sourced
        What the file says, under the names of the sheet: ``step_nm`` (down and right, as
        stored), ``mrad_per_pixel``, ``energy_kv``, ``semiangle_mrad``, ``camera_length_mm``.
    maximum : int, optional
        Largest count that the detector can store, where it is less than the data type's.
    mirrored : tuple of bool
        Which axes run backwards by the file's own scales: scan down and right, detector down
        and right, as stored.
    shape_stated : bool
        Whether the file itself says how many rows and columns were scanned, rather than the
        sheet or a guess.
    flyback_frames : int
        Patterns at the start of each row of `frames` that belong to no position, as the file
        says.
    note : str
        What else is to be told of how it was read.
    """

    path: Path
    reader: str
    frames: Frames
    facts: dict[str, Sourced] = field(default_factory=dict)
    maximum: int | None = None
    mirrored: tuple[bool, bool, bool, bool] = (False, False, False, False)
    shape_stated: bool = True
    flyback_frames: int = 0
    note: str = ""
