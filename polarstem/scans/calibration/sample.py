# SPDX-License-Identifier: GPL-3.0-or-later
"""Which positions of a scan calibrate it, and reading them with memory that is bounded.

Some lie at random all over the scan: a regular grid could meet every cell of the crystal at the
same place. Others are tiles of neighbours that are as large as a cell, for their mean and for
derivatives between them. A scan that is small is read as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from polarstem.scans.ahead import ahead
from polarstem.scans.scan import Block, Scan

T = TypeVar("T")

READ_MB = 32
"""Patterns that a thread holds at once [MB]."""
_MOST_READ_MB = 128  # all threads together
_WHOLE_BYTES = 128e6  # a scan that is read as a whole
_TILE_BYTES, _MOST_BYTES = 256e6, 800e6  # of all tiles, wanted and at most
_FEWEST = 64  # positions at random
_SIDE, _LARGEST_SIDE = 6, 24  # positions along a tile: where no cell is known, and at most
_TILES, _FEWER = 5, 3  # down and across the scan: at most, and where they are large
_PARTS_BYTES, _MOST_PARTS, _FEWEST_PARTS = 96e6, 5, 6  # the most along an axis


def choose(scan: Scan, cell_nm: float | None = None) -> NDArray[np.int64]:
    """Positions of the sample, counted along the rows, in ascending order.

    Parameters
    ----------
    scan : Scan
    cell_nm : float, optional
        Edge of the projected cell, which a tile covers [nm].
    """
    size = int(np.prod(scan.shape[2:])) * scan.dtype.itemsize
    included = scan.included.ravel()
    every = np.flatnonzero(included)
    if len(every) * size <= _WHOLE_BYTES or len(every) <= _FEWEST:
        return every
    return np.union1d(scattered(scan), _tiles(scan, size, cell_nm))


def scattered(scan: Scan, count: int = _FEWEST) -> NDArray[np.int64]:
    """About so many positions at random, spread over the scan; all if there are fewer."""
    every = np.flatnonzero(scan.included)
    if len(every) <= count:
        return every
    found = scan.sample(int(1.3 * count))
    if len(found) < count:  # a mask leaves few of them
        more = np.random.default_rng(1).choice(every, count, replace=False)
        found = np.union1d(found, more)
    return found


def neighbours(
    scan: Scan, index: NDArray[np.int64] | None = None, most: int = 48
) -> NDArray[np.int64]:
    """Pairs of a position at random and the next along its row, shape (pair, 2).

    Of a scan that is one position wide, the next is below. Both are of the sample `index`, or of
    the whole scan.
    """
    columns, *pixels = scan.shape[1:]
    size = int(np.prod(pixels)) * scan.dtype.itemsize
    count = int(np.clip(READ_MB * 1e6 / (2 * size), 2, most))
    sampled = scan.included
    if index is not None:
        sampled = np.zeros(scan.shape[:2], bool)
        sampled.ravel()[index] = True
    step = 1 if columns > 1 else columns
    both = sampled[:, 1:] & sampled[:, :-1] if columns > 1 else sampled[1:] & sampled[:-1]
    down, right = np.nonzero(both)
    first = down * columns + right
    if len(first) > count:
        first = np.sort(np.random.default_rng(2).choice(first, count, replace=False))
    return np.stack([first, first + step], 1)


class Pairs:
    """Patterns of `neighbours`, kept as a sample is read.

    Parameters
    ----------
    scan : Scan
    index : ndarray of int, shape (n,)
        Positions of the sample.
    window : tuple of slice
        Rows and columns of the patterns that are kept.
    """

    def __init__(self, scan: Scan, index: NDArray[np.int64], window: tuple[slice, slice]) -> None:
        self.positions, self._window = neighbours(scan, index), window
        self._wanted = np.unique(self.positions)
        kept = (
            len(range(*part.indices(n))) for part, n in zip(window, scan.shape[2:], strict=True)
        )
        self._kept = np.zeros((len(self._wanted), *kept), scan.dtype)

    def add(self, index: NDArray[np.int64], patterns: NDArray[np.generic]) -> None:
        """Keep those of patterns at positions (n,) that are wanted."""
        here = np.flatnonzero(np.isin(index, self._wanted))
        for place, n in zip(np.searchsorted(self._wanted, index[here]), here, strict=True):
            self._kept[place] = patterns[n][self._window]

    @property
    def patterns(self) -> NDArray[np.generic]:
        """Shape (pair, 2, ky, kx)."""
        return self._kept[np.searchsorted(self._wanted, self.positions)]


def _tiles(scan: Scan, size: int, cell_nm: float | None) -> NDArray[np.int64]:
    rows, columns = scan.shape[:2]
    sides = [_SIDE, _SIDE]
    if cell_nm is not None and scan.step_nm is not None:
        sides = [int(np.ceil(cell_nm / step)) + 1 for step in scan.step_nm.value]
    sides = [
        int(np.clip(side, 2, min(_LARGEST_SIDE, n)))
        for side, n in zip(sides, (rows, columns), strict=True)
    ] if min(rows, columns) > 1 else [min(_LARGEST_SIDE, n) for n in (rows, columns)]  # fmt: skip
    while np.prod(sides) * size > _MOST_BYTES / 2:  # part of a cell, where a pattern is so large
        sides[int(np.argmax(sides))] -= 1
    one = float(np.prod(sides)) * size
    count = int(np.clip(_TILE_BYTES / one, min(_FEWER**2, _MOST_BYTES / one), _TILES**2))
    along = max(1, int(np.sqrt(count)))
    down, across = (min(along, n // side) for n, side in zip((rows, columns), sides, strict=True))
    rng, included = np.random.default_rng(0), scan.included.ravel()
    found = []
    for i in range(down):
        for j in range(across):
            starts = [
                int(n * k / parts + rng.random() * max(0, n / parts - side))
                for n, k, parts, side in zip(
                    (rows, columns), (i, j), (down, across), sides, strict=True
                )
            ]
            tile = np.add.outer(
                (starts[0] + np.arange(sides[0])) * columns, starts[1] + np.arange(sides[1])
            )
            if included[tile].mean() > 0.5:
                found.append(tile[included[tile]])
    return np.concatenate(found) if found else np.empty(0, np.int64)


@dataclass(eq=False)
class Parts:
    """Sums of patterns in parts of a scan, without those that are taken off again.

    Attributes
    ----------
    shape : tuple of int
        Of the scan and its patterns.
    grid : tuple of int
        Parts down and across.
    sums : ndarray of float32, shape (part, ky, kx)
    count : ndarray of int, shape (part,)
    places : ndarray, shape (part, 2)
        Sums of the rows and columns of the scan.
    """

    shape: tuple[int, ...]
    grid: tuple[int, int]
    sums: NDArray[np.float32]
    count: NDArray[np.int64]
    places: NDArray[np.float64]

    @classmethod
    def over(cls, shape: tuple[int, ...]) -> Parts:
        """As many as fit into the memory, and 5 x 5 at most."""
        pixels = shape[2:]
        most = int(_PARTS_BYTES / (4 * np.prod(pixels)))
        count = int(np.clip(most, _FEWEST_PARTS, _MOST_PARTS**2))
        across = min(_MOST_PARTS, int(np.ceil(np.sqrt(count))), shape[1])
        down = min(_MOST_PARTS, count // across, shape[0])
        n = down * across
        return cls(
            shape, (down, across), np.zeros((n, *pixels), np.float32),
            np.zeros(n, np.int64), np.zeros((n, 2)),
        )  # fmt: skip

    def add(self, index: NDArray[np.int64], patterns: NDArray[np.generic], sign: int = 1) -> None:
        """Add patterns of positions; a sign of -1 takes them off."""
        row, column = np.divmod(index, self.shape[1])
        part = (row * self.grid[0] // self.shape[0]) * self.grid[1]
        part += column * self.grid[1] // self.shape[1]
        for number, pattern in zip(part, patterns, strict=True):
            if sign > 0:
                np.add(self.sums[number], pattern, out=self.sums[number], casting="unsafe")
            else:
                np.subtract(self.sums[number], pattern, out=self.sums[number], casting="unsafe")
        np.add.at(self.count, part, sign)
        np.add.at(self.places, part, sign * np.stack([row, column], 1))

    def kept(self) -> NDArray[np.int64]:
        """Parts of which something was read."""
        return np.flatnonzero(self.count > 0)

    @property
    def total(self) -> NDArray[np.float32]:
        """Sum of all, shape (ky, kx)."""
        return self.sums.sum(0, dtype=np.float64).astype(np.float32)


def read(
    scan: Scan,
    index: NDArray[np.int64],
    look: Callable[[NDArray[np.int64], NDArray[np.generic]], T],
    threads: int = 1,
) -> Iterator[T]:
    """Read patterns of positions, and look at them block by block.

    Parameters
    ----------
    scan : Scan
    index : ndarray of int, shape (n,)
        Positions.
    look : callable
        Called with positions and patterns of a block, in any thread.
    threads : int
        Blocks that are read and looked at at the same time.

    Yields
    ------
    object
        What `look` returned, in the order of the blocks.
    """
    keep = np.zeros(scan.shape[:2], bool)
    keep.ravel()[index] = True
    block_mb = min(READ_MB, _MOST_READ_MB / threads)

    def seen(piece: Callable[[], Block]) -> T:
        return look(*piece())

    return ahead((partial(seen, piece) for piece in scan.pieces(block_mb, keep)), threads)
