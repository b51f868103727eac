# SPDX-License-Identifier: GPL-3.0-or-later
"""Unit cells of a scan: which answers belong to each, pooled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarstem.models.calibration import Calibration

FloatArray = NDArray[np.float64]
_FULL = 0.75  # of the usual number of positions make a cell
_CHUNK = 4096  # patterns in single precision at a time


@dataclass(frozen=True)
class Answer:
    """What probabilities say.

    Attributes
    ----------
    class_index : ndarray of int16, shape (n,)
        The most probable class; -1 where nothing was measured.
    confidence : ndarray, shape (n,)
        Its probability.
    members : ndarray, shape (n,)
        The conformal set: bit k is set if class k is in it.
    answered : ndarray of bool, shape (n,)
        Whether the set is one class.
    """

    class_index: NDArray[np.int16]
    confidence: FloatArray
    members: NDArray[np.unsignedinteger]
    answered: NDArray[np.bool_]


def answer(probability: NDArray[np.floating], sets: NDArray[np.bool_]) -> Answer:
    """Read answers from calibrated probabilities.

    Parameters
    ----------
    probability : ndarray, shape (n, classes)
        Calibrated; nan where nothing was measured.
    sets : ndarray of bool, shape (n, classes)
        Conformal sets: which classes are possible.
    """
    known = np.isfinite(probability[:, 0])
    filled = np.where(known[:, None], probability, 0.0)
    best = filled.argmax(axis=1)
    confidence = filled[np.arange(len(filled)), best]
    classes = probability.shape[1]
    kind = np.min_scalar_type(2**classes - 1)
    return Answer(
        np.where(known, best, -1).astype(np.int16),
        np.where(known, confidence, np.nan),
        (sets * 2 ** np.arange(classes)).sum(axis=1).astype(kind),
        sets.sum(axis=1) == 1,
    )


def whole_cells(cell: NDArray[np.integer], usable: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Which cells keep enough positions.

    Parameters
    ----------
    cell : ndarray of int, shape (n,)
        Cell of each position, -1 for none.
    usable : ndarray of bool, shape (n,)
        Positions with an answer.

    Returns
    -------
    ndarray of int, shape (kept,)
        Cells with three quarters or more of the usual number of positions.
    """
    inside = cell >= 0
    if not inside.any():
        return np.empty(0, np.int64)
    every, left = np.bincount(cell[inside]), np.bincount(cell[inside & usable])
    left = np.pad(left, (0, len(every) - len(left)))
    return np.flatnonzero((left > 0) & (left >= _FULL * np.median(every[every > 0])))


def renumbered(
    cell: NDArray[np.integer], kept: NDArray[np.integer], usable: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """Number the kept cells from 0, and take positions without an answer out of them."""
    number = np.full(int(cell.max(initial=-1)) + 2, -1, np.int32)  # the last one is for -1
    number[kept] = np.arange(len(kept))
    return np.where(usable, number[cell], -1).astype(np.int32)


def pooled(
    probability: NDArray[np.floating],
    cell: NDArray[np.integer],
    calibration: Calibration,
    dose: NDArray[np.floating] | None = None,
) -> FloatArray:
    """Calibrated probabilities of cells numbered from 0, shape (cells, classes)."""
    if not (cell >= 0).any():
        return np.empty((0, probability.shape[1]))
    return calibration.pool(probability, cell, dose)


def cell_means(values: NDArray[np.generic], cell: NDArray[np.integer]) -> NDArray[np.float32]:
    """Mean over the positions of each cell.

    Parameters
    ----------
    values : ndarray, shape (n, ...)
        Of each position.
    cell : ndarray of int, shape (n,)
        Cell of each position, numbered from 0 without gaps; -1 for none.

    Returns
    -------
    ndarray, shape (cells, ...)
        In single precision, whatever that of the values.
    """
    order = np.argsort(cell, kind="stable")
    order = order[np.searchsorted(cell[order], 0) :]
    starts = np.flatnonzero(np.diff(cell[order], prepend=-1))
    means = np.empty((len(starts), *values.shape[1:]), np.float32)
    ends = np.append(starts[1:], len(order))
    first = 0
    while first < len(starts):
        last = max(first + 1, int(np.searchsorted(ends, starts[first] + _CHUNK, "right")))
        rows = order[starts[first] : ends[last - 1]]
        sums = np.add.reduceat(
            values[rows].astype(np.float32), starts[first:last] - starts[first], axis=0
        )
        count = ends[first:last] - starts[first:last]
        means[first:last] = sums / count.reshape(-1, *[1] * (values.ndim - 1))
        first = last
    return means
