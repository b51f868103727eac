# SPDX-License-Identifier: GPL-3.0-or-later
"""Maximum-likelihood fits of a displacement to counted patterns: do they reach the bound?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import chdtri

from polarstem.config.vector_bound import PARAMETERS
from polarstem.evaluate.limit.displaced_patterns import STEPS, Expansion
from polarstem.evaluate.limit.vector_bound import displacement_covariance, fisher_information
from polarstem.seeds import derive_seed
from polarstem.simulate.microscope.noise import count_electrons

Floats = NDArray[np.float64]
_AT_ONCE = 50  # scans that are fitted at the same time
_MOST_STEPS = 30
_CLOSE = 3e-3  # of the standard deviation of each alone: no further step is worth it
_LONGEST = 30.0  # step, in the same
_START_NM = 0.1  # of a thickness; the others start a step of the differences away
_LEAST = 1e-2  # of the expected counts about which is expanded
_TAIL = 0.025


class FitErrors(NamedTuple):
    """Errors of fits beside the bound.

    Attributes
    ----------
    ratio : float
        Mean squared error over the bound, in the metric of the bound: 1 where it is reached. NaN
        if a fit did not settle.
    low, high : float
        Its 95 % interval, as for normally distributed errors.
    """

    ratio: float
    low: float
    high: float


def draw_counts(patterns: Floats, dose: float, draws: int, seed: int) -> NDArray[np.float32]:
    """Count the patterns of a cell, some times over, shape (draw, ...)."""
    means = torch.from_numpy(np.repeat((dose * patterns)[None].astype(np.float32), draws, axis=0))
    return count_electrons(means, seed).numpy()


def fit_counts(
    counts: NDArray[np.floating], expansion: Expansion, dose: float, unknown: Sequence[str]
) -> Floats:
    """Fit all that is unknown of a cell to the counts of its patterns.

    Expected patterns are expanded to second order about those of `expansion`, without mixed terms,
    which holds where errors are small beside what changes a pattern's slopes: some picometres. The
    likelihood of independent Poisson counts is climbed by the method of scoring (R. A. Fisher).

    Parameters
    ----------
    counts : ndarray, shape (draw, position, pixel)
        Of one thickness.
    expansion : Expansion
        Of that thickness: arrays (position, pixel), and (parameter, position, pixel).
    dose : float
        Electrons per pattern.
    unknown : sequence of str
        Parameters to fit; the others are as in `expansion`.

    Returns
    -------
    ndarray, shape (draw, unknown)
        Differences from the expansion's parameters; NaN where the fit does not settle.
    """
    rows = [list(PARAMETERS).index(name) for name in unknown]
    middle = expansion.patterns.ravel()
    slopes = expansion.slopes[rows].reshape(len(rows), -1)
    information = dose * fisher_information(middle, slopes)
    sigma = 1 / np.sqrt(np.diag(information))
    # in units of these, and in single precision: sums over pixels take nearly all of the time
    gain = np.linalg.inv(information * np.outer(sigma, sigma)) * dose
    bends = expansion.curvatures[rows].reshape(len(rows), -1) * sigma[:, None] ** 2
    terms = np.vstack([slopes * sigma[:, None], bends / 2]).astype(np.float32)
    middle = middle.astype(np.float32)
    least = _LEAST * middle
    start = np.array([STEPS.get(name, _START_NM) for name in unknown]) / sigma
    found = np.full((len(counts), len(rows)), np.nan)
    for first in range(0, len(counts), _AT_ONCE):
        part = counts[first : first + _AT_ONCE].reshape(-1, len(middle)) / np.float32(dose)
        guess = np.tile(start, (len(part), 1))
        for _ in range(_MOST_STEPS):
            expected = np.hstack([guess, guess**2]).astype(np.float32) @ terms
            expected += middle
            np.maximum(expected, least, out=expected)
            excess = np.divide(part, expected, out=expected, where=expected > 0)
            excess -= 1
            score = (excess @ terms.T).astype(np.float64).reshape(len(part), 2, -1)
            step = (score[:, 0] + 2 * guess * score[:, 1]) @ gain
            guess += np.clip(step, -_LONGEST, _LONGEST)
            if (np.abs(step) < _CLOSE).all():
                break
        there = (np.abs(step) < _CLOSE).all(1)
        found[first : first + _AT_ONCE][there] = guess[there] * sigma
    return found


def fit_errors(
    expansion: Expansion, dose: float, nuisance: Sequence[str], draws: int, seed: int
) -> FitErrors:
    """Fit simulated counts of the expansion's own patterns and compare errors with the bound.

    Parameters
    ----------
    expansion, dose
        As for `fit_counts`.
    nuisance : sequence of str
        What is unknown beside the displacement.
    draws : int
        Scans of the cell.
    seed : int
        Of the counting.

    Returns
    -------
    FitErrors
    """
    fisher = fisher_information(expansion.patterns, expansion.slopes).sum(0)
    bound = displacement_covariance(dose * fisher, nuisance)
    errors = []
    for number, first in enumerate(range(0, draws, _AT_ONCE)):
        many = min(_AT_ONCE, draws - first)
        counts = draw_counts(expansion.patterns, dose, many, derive_seed(seed, number))
        errors.append(fit_counts(counts, expansion, dose, ["ux", "uy", *nuisance])[:, :2])
    return error_ratio(np.concatenate(errors), bound)


def error_ratio(errors: Floats, bound: Floats) -> FitErrors:
    """Mean squared error over the bound.

    Parameters
    ----------
    errors : ndarray, shape (draw, 2)
        Fitted less true displacements [pm].
    bound : ndarray, shape (2, 2)
        Smallest covariance [pm^2].
    """
    total = float(np.einsum("di,ij,dj->", errors, np.linalg.inv(bound), errors))
    freedom = errors.size
    low, high = (total / float(chdtri(freedom, tail)) for tail in (_TAIL, 1 - _TAIL))
    return FitErrors(total / freedom, low, high)
