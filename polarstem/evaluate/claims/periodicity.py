# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether errors return at the same places of the unit cell, and whether at those of little signal.

Few patterns of each place are wrong, so maps of errors are noisy, and correlations of them are
drawn towards zero by that noise: the fewer errors, the weaker they look. The two numbers here are
means and products of independent counts instead, which noise widens but does not shift.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from polarstem.evaluate.scores.errors_over_cell import error_maps, positions_per_cell
from polarstem.evaluate.scores.metrics import FloatArray
from polarstem.evaluate.scores.predictions import DomainPredictions


def variance_over_cell(
    part: DomainPredictions, weights: FloatArray, crystal: NDArray[np.int64]
) -> float:
    """Variance of the error rate over the unit cell, relative to the square of its mean.

    Products of the deviations of two different crystals at the same place: what recurs is left,
    and counting noise averages out.

    Parameters
    ----------
    part : DomainPredictions
        Predictions of one model on one data domain.
    weights : ndarray, shape (specimens,)
        How much each specimen counts.
    crystal : ndarray of int, shape (specimens,)
        Crystal of each specimen, from 0.

    Returns
    -------
    float
        0 on average if errors ignore the position, and negative by chance; NaN without errors, or
        with a single crystal.
    """
    wrong, count = error_maps(part, positions_per_cell(part))
    own_rate = wrong.sum(1, keepdims=True) / count.sum(1, keepdims=True)
    turned = np.zeros((crystal.max() + 1, len(crystal)))
    turned[crystal, np.arange(len(crystal))] = weights
    deviation, visits = turned @ (wrong - own_rate * count), turned @ count
    product, pairs = (float((a.sum(0) ** 2 - (a**2).sum(0)).sum()) for a in (deviation, visits))
    mean = float(weights @ wrong.sum(1) / (weights @ count.sum(1)))
    return product / pairs / mean**2 if pairs and mean else np.nan


def share_where_needed(
    needed: FloatArray, parts: Sequence[DomainPredictions], weights: Sequence[FloatArray]
) -> float:
    """Share of the errors in that half of the unit cell that needs the most electrons.

    Parameters
    ----------
    needed : ndarray, shape (bins, bins)
        Electrons needed at each place, rows along cell_y.
    parts : sequence of one DomainPredictions
        Predictions of one model on one data domain.
    weights : sequence of one ndarray, shape (specimens,)
        How much each specimen counts.

    Returns
    -------
    float
        As if all places were visited alike: 0.5 if errors ignore what is needed. NaN without
        errors, or where one half is not visited.
    """
    wrong, count = (weights[0] @ maps for maps in error_maps(parts[0], len(needed)))
    visited = count > 0
    much = needed.ravel() > np.median(needed.ravel()[visited])
    halves = [visited & much, visited & ~much]
    if not all(half.any() for half in halves):
        return np.nan
    there, elsewhere = (wrong[half].sum() / count[half].sum() for half in halves)
    return float(there / (there + elsewhere)) if there + elsewhere else np.nan
