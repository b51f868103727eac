# SPDX-License-Identifier: GPL-3.0-or-later
"""Where in the projected unit cell a model is wrong."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polarstem.evaluate.scores.metrics import FloatArray
from polarstem.evaluate.scores.predictions import DomainPredictions


def positions_per_cell(part: DomainPredictions, most: int = 12) -> int:
    """Count the distinct probe positions along a side of the unit cell in one scan."""
    scan = part.specimen == 0
    counts = [len(np.unique(np.round(c[scan], 4))) for c in (part.cell_y, part.cell_x)]
    return min(most, max(counts))


def error_maps(part: DomainPredictions, bins: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count wrong predictions and patterns of each specimen over the projected unit cell.

    Parameters
    ----------
    part : DomainPredictions
        Predictions of one model on one data domain.
    bins : int
        Bins along each side of the cell.

    Returns
    -------
    wrong, count : ndarray of int64, shape (specimens, bins * bins)
        Row by row from the top: rows follow cell_y (downwards), columns cell_x.
    """
    rows, columns = (
        np.minimum((cell % 1.0 * bins).astype(np.int64), bins - 1)
        for cell in (part.cell_y, part.cell_x)
    )
    n, size = len(part.specimen_names), bins**2
    place = part.specimen * size + rows * bins + columns
    wrong = place[part.predicted != part.class_index]
    return (
        np.bincount(wrong, minlength=n * size).reshape(n, size),
        np.bincount(place, minlength=n * size).reshape(n, size),
    )


def error_rates(
    maps: tuple[NDArray[np.int64], NDArray[np.int64]], weights: FloatArray
) -> FloatArray:
    """Share of wrong predictions in each bin.

    Parameters
    ----------
    maps : (ndarray, ndarray)
        From `error_maps`.
    weights : ndarray, shape (rows, specimens)
        How much each specimen counts.

    Returns
    -------
    ndarray, shape (rows, bins)
        A bin that no specimen of a row visits counts as an average one; NaN where none does.
    """
    wrong, count = (weights @ of_specimens for of_specimens in maps)
    total = count.sum(1, keepdims=True)
    mean = np.divide(
        wrong.sum(1, keepdims=True), total, out=np.full_like(total, np.nan), where=total > 0
    )
    return np.divide(wrong, count, out=np.broadcast_to(mean, wrong.shape).copy(), where=count > 0)


def rank_correlation(a: FloatArray, b: FloatArray) -> FloatArray:
    """Spearman's correlation of each row of one with that of the other, or with one vector.

    Average ranks for ties. NaN for rows that do not vary or hold NaN.
    """
    from scipy.stats import rankdata  # which takes a second

    ranks = [rankdata(np.atleast_2d(rows).round(9), axis=1) for rows in (a, b)]
    unknown = np.isnan(np.atleast_2d(a)).any(1) | np.isnan(np.atleast_2d(b)).any(1)
    a, b = (rank - rank.mean(1, keepdims=True) for rank in ranks)
    scale = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    found = np.full(len(scale), np.nan)
    return np.divide((a * b).sum(1), scale, out=found, where=(scale > 0) & ~unknown)
