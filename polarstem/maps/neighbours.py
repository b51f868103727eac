# SPDX-License-Identifier: GPL-3.0-or-later
"""How much the cell about each position of a scan differs from the cells around it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from polarstem.scans.ahead import ahead

FloatArray = NDArray[np.float64]

_HALF = ((0, 1), (1, 0), (1, 1), (1, -1))  # half of the eight next cells: the others are opposite
_BETWEEN = ((1, 2), (2, 1), (1, -2), (2, -1))  # half of the knight's moves
_QUANTILE = 0.25  # where four domains meet, 11 of the 44 comparisons stay in one domain
_MOVES = 2  # of a cell to where it fits best
_FARTHEST = 0.25  # that it is moved to fit [cells]
_LEAST_SIDE = 2.5  # of cells that are moved: smaller ones fit nearly anywhere [positions]
_BACKGROUND = 3.5  # reach to each side of the median that a score is relative to [cells]
_TINY = 1e-12


def neighbourhood(
    features: NDArray[np.float32],
    vectors: FloatArray,
    valid: NDArray[np.bool_] | None = None,
    threads: int = 1,
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Mean squared disagreement of the cell about each position with the cells around.

    It is compared with each of the 24 cells around, with the mean of the two on opposite sides (12
    pairs), and with what two cells in a row continue to (8). The last two are exact where patterns
    change linearly over the scan: tilt and thickness may. Each is divided by what cells that
    differ at random would give. Another cell is read off cubic splines and moved as a whole to
    where it fits best (B. D. Lucas and T. Kanade, Proc. IJCAI 7, 674 (1981)): strain, drift and a
    lattice vector that is slightly off are no disagreement.

    Parameters
    ----------
    features : ndarray, shape (ny, nx, component)
        Coordinates of the patterns.
    vectors : ndarray, shape (2, 2)
        Lattice vectors, down and right [positions].
    valid : ndarray of bool, shape (ny, nx), optional
        Positions to use; those without features are left out in any case.
    threads : int
        Cells that are compared at the same time.

    Returns
    -------
    disagreement : ndarray, shape (ny, nx)
        A low quantile over the comparisons; NaN where none is known by half a cell or more.
    comparisons : ndarray of int, shape (ny, nx)
        How many are known: 44 inside, 21 at the rim, 11 in a corner.
    """
    usable = np.ones(features.shape[:2], bool) if valid is None else valid
    usable = np.logical_and(usable, np.isfinite(features).all(axis=-1))
    compared = _Compared(features, vectors, usable)
    stack = np.sort(np.array(compared.disagreements(threads)), axis=0)  # NaN last
    known = np.isfinite(stack).sum(0)
    rank = np.maximum(0, np.ceil(_QUANTILE * known).astype(int) - 1)
    return np.take_along_axis(stack, rank[None], axis=0)[0], known


@dataclass
class _Compared:
    """A scan whose cells are compared; see `neighbourhood`."""

    features: NDArray[np.float32]
    vectors: FloatArray
    valid: NDArray[np.bool_]
    side: float = field(init=False)
    splines: FloatArray = field(init=False)
    here: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self.side = cell_side(self.vectors)
        self.here = np.moveaxis(np.where(self.valid[..., None], self.features, 0.0), -1, 0)
        self.splines = np.array([ndimage.spline_filter(plane, 3) for plane in self.here])
        self.places = np.indices(self.valid.shape).astype(float)
        self.known = self.valid.astype(float)
        half = np.eye(2) / 2
        self.along = [self._at(step) - self._at(-step) for step in half]
        self.whole = _box(np.ones(self.valid.shape), self.side)

    def disagreements(self, threads: int) -> list[FloatArray]:
        """Of each comparison, in units of what independent cells would give."""
        calls = [partial(self._in_a_row, first) for first in _HALF]
        calls += [partial(self._between, first) for first in _BETWEEN]
        return list(chain.from_iterable(ahead(calls, threads)))

    def _in_a_row(self, first: tuple[int, int]) -> list[FloatArray]:
        """Of the next cells along a line, of those behind them, and of what both continue to."""
        near, far = self._opposite(first), self._opposite((2 * first[0], 2 * first[1]))
        continued = [
            self._mean(2 * a - b, known_a * known_b, 6)
            for (a, known_a), (b, known_b) in zip(near, far, strict=True)
        ]
        return [*self._told(near), *self._told(far), *continued]

    def _between(self, cells: tuple[int, int]) -> list[FloatArray]:
        return list(self._told(self._opposite(cells)))

    def _told(self, opposite: list[tuple[FloatArray, FloatArray]]) -> Iterator[FloatArray]:
        """Two cells on opposite sides, each alone and their mean."""
        (a, known_a), (b, known_b) = opposite
        yield self._mean(a, known_a, 2)
        yield self._mean(b, known_b, 2)
        yield self._mean((a + b) / 2, known_a * known_b, 1.5)

    def _opposite(self, cells: tuple[int, int]) -> list[tuple[FloatArray, FloatArray]]:
        there = cells[0] * self.vectors[0] + cells[1] * self.vectors[1]
        return [self._fitted(there), self._fitted(-there)]

    def _fitted(self, there: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Another cell less this one (component, ny, nx), and where both are known."""
        shifted = self.places + there[:, None, None]
        weight = self.known * (ndimage.map_coordinates(self.known, shifted, order=1) > 1 - 1e-3)

        def total(a: FloatArray, b: FloatArray) -> FloatArray:
            return _box(weight * (a * b).sum(0), self.side)

        down, right = self.along
        yy, xx, xy = total(down, down), total(right, right), total(down, right)
        scale = np.maximum(yy * xx - xy**2, _TINY)
        moved, apart = np.zeros_like(self.places), self._at(there) - self.here
        for _ in range(_MOVES if self.side >= _LEAST_SIDE else 0):
            y, x = total(down, apart), total(right, apart)
            moved -= np.stack([xx * y - xy * x, yy * x - xy * y]) / scale
            moved = np.clip(moved, -_FARTHEST * self.side, _FARTHEST * self.side)
            apart = self._at(there[:, None, None] + moved) - self.here
        return apart, weight

    def _mean(self, apart: FloatArray, weight: FloatArray, expected: float) -> FloatArray:
        count = _box(weight, self.side)
        mean = _box(weight * (apart**2).sum(0), self.side) / np.maximum(count, _TINY)
        return np.where(self.valid & (count >= self.whole / 2), mean / expected, np.nan)

    def _at(self, step: FloatArray) -> FloatArray:
        """Features (component, ny, nx) a step (2,) or steps (2, ny, nx) away."""
        places = self.places + (step if step.ndim == 3 else step[:, None, None])
        found = np.empty_like(self.splines)
        read_splines(self.splines, places, found)
        return found


@numba.njit(nogil=True, cache=True)
def _cubic(t: float) -> tuple[float, float, float, float]:
    """Weights of four coefficients of a cubic spline between the second and the third."""
    return (
        (1 - t) ** 3 / 6,
        (4 - 6 * t**2 + 3 * t**3) / 6,
        (1 + 3 * t + 3 * t**2 - 3 * t**3) / 6,
        t**3 / 6,
    )


@numba.njit(nogil=True, cache=True)
def read_splines(splines: FloatArray, places: FloatArray, found: FloatArray) -> None:
    """Read splines (n, ny, nx) at places (2, ny, nx); their coefficients go on as at the rim."""
    count, ny, nx = splines.shape
    for y in range(ny):
        for x in range(nx):
            row, column = places[0, y, x], places[1, y, x]
            top, left = int(np.floor(row)), int(np.floor(column))
            down, right = _cubic(row - top), _cubic(column - left)
            for number in range(count):
                total = 0.0
                for i in range(4):
                    line = splines[number, min(max(top - 1 + i, 0), ny - 1)]
                    part = 0.0
                    for j in range(4):
                        part += right[j] * line[min(max(left - 1 + j, 0), nx - 1)]
                    total += down[i] * part
                found[number, y, x] = total


def cell_side(vectors: FloatArray) -> float:
    """Side of the square as large as a cell [positions]."""
    return float(np.sqrt(abs(np.linalg.det(vectors))))


def local_median(values: FloatArray, side: float) -> FloatArray:
    """Median over the seven cells' width about each position, shape (ny, nx).

    At the rim the window lies inside the scan, as large as elsewhere, so that a defect in a corner
    does not fill it.

    Parameters
    ----------
    values : ndarray, shape (ny, nx)
        NaN where unknown.
    side : float
        Side of a cell [positions].
    """
    reach = max(1, round(_BACKGROUND * side))
    middles, windows = [], []
    for length in values.shape:
        count = max(1, round(length / max(side, 1.0)))
        at = (np.arange(count) + 0.5) * length / count
        first = np.clip(np.rint(at - reach).astype(int), 0, max(0, length - 2 * reach))
        middles.append(at - 0.5)
        windows.append([slice(start, start + 2 * reach) for start in first])
    coarse = np.array([[_median(values[y, x]) for x in windows[1]] for y in windows[0]])
    coarse = np.where(np.isfinite(coarse), coarse, _median(values))
    places = np.meshgrid(
        *(
            np.interp(np.arange(length), at, np.arange(len(at)))
            for length, at in zip(values.shape, middles, strict=True)
        ),
        indexing="ij",
    )
    found: FloatArray = ndimage.map_coordinates(coarse, places, order=1, mode="nearest")
    return found


def _median(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else np.nan


def _box(values: FloatArray, side: float) -> FloatArray:
    """Sums over boxes of any side [positions]; those at the rim count in part."""
    reach = int(np.ceil((side - 1) / 2))
    weights = np.ones(2 * reach + 1)
    weights[[0, -1]] = (side + 1) / 2 - reach if reach else side
    for axis in (0, 1):
        values = ndimage.correlate1d(values, weights, axis=axis, mode="constant")
    return values
