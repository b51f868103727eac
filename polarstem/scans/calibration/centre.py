# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the optic axis meets the detector: a plane over the scan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ENOUGH_BLOCKS = 6  # for slopes besides a mean
_SIGNIFICANT = 3.0  # standard errors of a slope


@dataclass(frozen=True)
class Plane:
    """Centre of the pattern, linear in the probe position.

    Attributes
    ----------
    middle : ndarray, shape (2,)
        Row and column of the scan about which the slopes turn.
    centre : ndarray, shape (2,)
        Row and column of the detector there [pixels].
    slopes : ndarray, shape (2, 2)
        Rows and columns of the detector per row (first) and column of the scan [pixels].
    error : float
        Standard error of the centre [pixels].
    residuals : ndarray, shape (block, 2)
        Measured less fitted [pixels].
    """

    middle: NDArray[np.float64]
    centre: NDArray[np.float64]
    slopes: NDArray[np.float64]
    error: float
    residuals: NDArray[np.float64]

    def at(self, rows: ArrayLike, columns: ArrayLike) -> NDArray[np.float64]:
        """Centres at positions of the scan, shape (n, 2) [pixels]."""
        places = np.stack([np.asarray(rows, float), np.asarray(columns, float)], -1)
        fitted: NDArray[np.float64] = self.centre + (places - self.middle) @ self.slopes
        return fitted


def fit_plane(places: NDArray[np.float64], centres: NDArray[np.float64]) -> Plane:
    """Fit a plane to the centres of blocks of the scan.

    Blocks that lie far from it count nothing (Tukey's weights). A slope is kept if it is three
    times its standard error, along rows and columns of the scan each: descan that is too small
    to be measured is not made up.

    Parameters
    ----------
    places : ndarray, shape (block, 2)
        Row and column of the scan.
    centres : ndarray, shape (block, 2)
        Row and column of the detector [pixels].

    Returns
    -------
    Plane
    """
    middle = places.mean(0)
    offsets = places - middle
    varied = np.flatnonzero(np.ptp(places, axis=0) > 0)
    if len(places) < _ENOUGH_BLOCKS:
        varied = varied[:0]
    fitted, errors = _fit(offsets[:, varied], centres)
    kept = varied[(np.abs(fitted[1:]) > _SIGNIFICANT * errors[1:]).any(1)]
    if len(kept) < len(varied):
        fitted, errors = _fit(offsets[:, kept], centres)
    slopes = np.zeros((2, 2))
    slopes[kept] = fitted[1:]
    residuals = centres - fitted[0] - offsets @ slopes
    return Plane(middle, fitted[0], slopes, float(np.hypot(*errors[0]) / np.sqrt(2)), residuals)


def _fit(
    offsets: NDArray[np.float64], centres: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Robust coefficients and their standard errors, shape (1 + slopes, 2) each."""
    terms = np.column_stack([np.ones(len(offsets)), offsets])
    weights = np.ones(len(offsets))
    for _ in range(10):
        scale = np.sqrt(weights)[:, None]
        fitted = np.linalg.lstsq(terms * scale, centres * scale, rcond=None)[0]
        apart = np.linalg.norm(centres - terms @ fitted, axis=1)
        # of two Gaussian components the median distance is 1.18 standard deviations
        spread = max(float(np.median(apart)) / 1.18, 1e-6)
        weights = np.clip(1 - (apart / (4.685 * spread)) ** 2, 1e-9, None) ** 2
    freedom = max(weights.sum() - terms.shape[1], 1)
    variance = (weights[:, None] * (centres - terms @ fitted) ** 2).sum(0) / freedom
    inverse = np.linalg.pinv(terms.T @ (terms * weights[:, None]))
    return fitted, np.sqrt(np.outer(np.diag(inverse), variance))
