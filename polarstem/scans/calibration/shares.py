# SPDX-License-Identifier: GPL-3.0-or-later
"""Which share of each detector pixel falls into which pixel of another grid."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

LEAST_SEEN = 0.5
"""Share of a grid pixel's area below which it takes its value from the nearest other one."""


class Grids(NamedTuple):
    """A detector and a grid on it.

    A detector pixel stands for a box along the grid's rows and columns, as wide as has the
    second moments of the pixel's image, as in `Camera.footprint` of
    `polarstem.simulate.microscope.camera`.

    Attributes
    ----------
    good : ndarray of bool, shape (ky, kx)
        Detector pixels to use.
    matrix : ndarray, shape (2, 2)
        Column and row of the grid per column and row of the detector.
    widths : ndarray, shape (2,)
        Of the box along columns and rows [grid pixels].
    centre : ndarray, shape (2,)
        Row and column of the detector that fall into the middle of the grid.
    pixels : int
        Of the grid, along each side.
    """

    good: NDArray[np.bool_]
    matrix: NDArray[np.float64]
    widths: NDArray[np.float64]
    centre: NDArray[np.float64]
    pixels: int


class Table(NamedTuple):
    """Shares of detector pixels in pixels of the grid.

    Attributes
    ----------
    targets : ndarray of int64, shape (target,)
        Pixels of the grid, counted row by row.
    first, last : ndarray of int32, shape (target,)
        Where the entries of each begin, and one past where they end.
    places : ndarray of int32, shape (entry,)
        Detector pixels, counted row by row.
    weights : ndarray of float32, shape (entry,)
        Share of each in the target, scaled up for what of the target is not seen.
    """

    targets: NDArray[np.int64]
    first: NDArray[np.int32]
    last: NDArray[np.int32]
    places: NDArray[np.int32]
    weights: NDArray[np.float32]

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return sum(array.nbytes for array in self)


def seen_share(grids: Grids) -> NDArray[np.float64]:
    """Share of each grid pixel's area that good detector pixels see, shape (pixels, pixels)."""
    seen, whole, _ = _spread(*grids, *_no_entries(grids.pixels))
    return (seen / whole).reshape(grids.pixels, grids.pixels)


def make_table(grids: Grids, only_partly_seen: bool = False) -> Table:
    """List the entries of the grid's pixels.

    Parameters
    ----------
    grids : Grids
    only_partly_seen : bool
        Leave out the grid's pixels that good detector pixels cover entirely.

    Returns
    -------
    Table
    """
    seen, whole, count = _spread(*grids, *_no_entries(grids.pixels))
    share = seen / whole
    targets = np.flatnonzero(share < 1 - 1e-9) if only_partly_seen else np.arange(len(share))
    sources = targets
    if (share < LEAST_SEEN).any():
        unseen = (share < LEAST_SEEN).reshape(grids.pixels, grids.pixels)
        nearest = scipy.ndimage.distance_transform_edt(
            unseen, return_distances=False, return_indices=True
        )
        sources = np.ravel_multi_index(tuple(nearest), unseen.shape).ravel()[targets]
    wanted = np.zeros(len(share), bool)
    wanted[sources] = True
    ends = np.cumsum(np.where(wanted, count, 0)).astype(np.int32)
    starts = np.where(wanted, ends - count, -1).astype(np.int32)
    places, weights = np.empty(ends[-1], np.int32), np.empty(ends[-1], np.float32)
    _spread(*grids, starts, places, weights)
    scale = 1 / (share.clip(min=LEAST_SEEN) * grids.widths.prod())
    weights *= np.repeat(scale[wanted], count[wanted]).astype(np.float32)
    return Table(targets, starts[sources], ends[sources], places, weights)


def _no_entries(
    pixels: int,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    return np.full(pixels**2, -1, np.int32), np.empty(0, np.int32), np.empty(0, np.float32)


@numba.njit(nogil=True, cache=True, inline="always")
def _span(low: float, width: float, pixels: int) -> tuple[int, int]:
    """First and one past the last pixel that a box reaches."""
    return max(0, int(np.floor(low))), min(pixels, int(np.ceil(low + width)))


@numba.njit(nogil=True, cache=True, inline="always")
def _overlap(pixel: int, low: float, width: float) -> float:
    return min(pixel + 1.0, low + width) - max(float(pixel), low)


@numba.njit(nogil=True, cache=True)
def _reach(
    matrix: NDArray[np.float64], centre: NDArray[np.float64], pixels: int
) -> tuple[int, int, int, int]:
    """Rows and columns of the detector, or beyond it, that may fall into the grid."""
    inverse = np.linalg.inv(matrix)
    half = pixels / 2 + 1.0
    right = half * (abs(inverse[0, 0]) + abs(inverse[0, 1])) + 1
    down = half * (abs(inverse[1, 0]) + abs(inverse[1, 1])) + 1
    return (
        int(np.floor(centre[0] - down)),
        int(np.ceil(centre[0] + down)) + 1,
        int(np.floor(centre[1] - right)),
        int(np.ceil(centre[1] + right)) + 1,
    )


@numba.njit(nogil=True, cache=True)
def _spread(
    good: NDArray[np.bool_],
    matrix: NDArray[np.float64],
    widths: NDArray[np.float64],
    centre: NDArray[np.float64],
    pixels: int,
    starts: NDArray[np.int32],
    places: NDArray[np.int32],
    areas: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int32]]:
    """Area of good pixels and of those of an endless detector, and number of good ones.

    Each of shape (pixels^2,). Places and areas of good pixels are listed for the grid's pixels
    whose start is not negative.
    """
    seen, whole = np.zeros(pixels**2), np.zeros(pixels**2)
    count = np.zeros(pixels**2, np.int32)
    top, bottom, left, right = _reach(matrix, centre, pixels)
    for row in range(top, bottom):
        for column in range(left, right):
            x, y = column - centre[1], row - centre[0]
            u = matrix[0, 0] * x + matrix[0, 1] * y + (pixels - widths[0]) / 2
            v = matrix[1, 0] * x + matrix[1, 1] * y + (pixels - widths[1]) / 2
            counts = 0 <= row < good.shape[0] and 0 <= column < good.shape[1]
            counts = counts and good[row, column]
            for i in range(*_span(v, widths[1], pixels)):
                for j in range(*_span(u, widths[0], pixels)):
                    area = _overlap(i, v, widths[1]) * _overlap(j, u, widths[0])
                    target = i * pixels + j
                    whole[target] += area
                    if counts:
                        seen[target] += area
                        if starts[target] >= 0:
                            places[starts[target] + count[target]] = row * good.shape[1] + column
                            areas[starts[target] + count[target]] = area
                        count[target] += 1
    return seen, whole, count
