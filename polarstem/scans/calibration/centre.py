# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the optic axis meets the detector: a plane over the scan, bent if it has to be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ENOUGH_BLOCKS = 6  # for slopes besides a mean
_ENOUGH_TO_BEND = 12
_SIGNIFICANT = 3.0  # standard errors of a slope
_SURELY_BENT = 5.0  # of a bend
_RAYLEIGH = 1.1774  # median distance of two Gaussian components [standard deviations]


@dataclass(frozen=True)
class Plane:
    """Centre of the pattern, linear in the probe position, or quadratic where that is seen.

    Attributes
    ----------
    middle : ndarray, shape (2,)
        Row and column of the scan about which it turns and bends.
    centre : ndarray, shape (2,)
        Row and column of the detector there [pixels].
    slopes : ndarray, shape (2, 2)
        Rows and columns of the detector per row (first) and column of the scan [pixels].
    bends : ndarray, shape (3, 2)
        The same per row squared, column squared, and row times column; zero of a plane [pixels].
    error : float
        Standard error of the centre [pixels].
    residuals : ndarray, shape (block, 2)
        Measured less fitted [pixels].
    """

    middle: NDArray[np.float64]
    centre: NDArray[np.float64]
    slopes: NDArray[np.float64]
    bends: NDArray[np.float64]
    error: float
    residuals: NDArray[np.float64]

    def at(self, rows: ArrayLike, columns: ArrayLike) -> NDArray[np.float64]:
        """Centres at positions of the scan, shape (n, 2) [pixels]."""
        places = np.stack([np.asarray(rows, float), np.asarray(columns, float)], -1)
        offsets = places - self.middle
        fitted: NDArray[np.float64] = self.centre + offsets @ self.slopes
        if self.bends.any():
            fitted = fitted + _squares(offsets) @ self.bends
        return fitted

    @property
    def spread(self) -> float:
        """Standard deviation of the residuals along one axis, by their median [pixels]."""
        if len(self.residuals) < 2:
            return 0.0
        return float(np.median(np.linalg.norm(self.residuals, axis=1))) / _RAYLEIGH


def fixed(centre: NDArray[np.float64]) -> Plane:
    """One centre [pixels] for the whole scan."""
    flat = np.zeros((2, 2)), np.zeros((3, 2))
    return Plane(np.zeros(2), np.asarray(centre, float), *flat, 0.0, np.empty((0, 2)))


def fit_plane(places: NDArray[np.float64], centres: NDArray[np.float64]) -> Plane:
    """Fit a plane, or a paraboloid, to the centres of blocks of the scan.

    Blocks that lie far from it count nothing (Tukey's weights). A slope is kept if it is three
    times its standard error, a bend if it is five times it, along rows and columns of the scan
    each: descan that is too small to be measured is not made up.

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
    size = np.maximum(np.ptp(offsets, axis=0) / 2, 1e-9)
    terms = np.hstack([offsets, _squares(offsets)]) / np.r_[size, size**2, size.prod()]
    different = np.array([len(np.unique(along)) for along in places.T])
    slopes = different > 1 if len(places) >= _ENOUGH_BLOCKS else np.zeros(2, bool)
    bends = np.r_[different > 2, (different > 1).all()] & (len(places) >= _ENOUGH_TO_BEND)
    kept = np.flatnonzero(np.r_[slopes, np.zeros(3, bool)])
    needed = np.r_[np.full(2, _SIGNIFICANT), np.full(3, _SURELY_BENT)]
    if bends.any():
        every = np.flatnonzero(np.r_[slopes, bends])
        fitted, errors = _fit(terms[:, every], centres)
        sure = (np.abs(fitted[1:]) > needed[every][:, None] * errors[1:]).any(1)
        kept = np.union1d(kept, every[sure & (every >= 2)])
    fitted, errors = _fit(terms[:, kept], centres)
    sure = (np.abs(fitted[1:]) > needed[kept][:, None] * errors[1:]).any(1) | (kept >= 2)
    if not sure.all():
        kept = kept[sure]
        fitted, errors = _fit(terms[:, kept], centres)
    found = np.zeros((5, 2))
    found[kept] = fitted[1:]
    residuals = centres - fitted[0] - terms @ found
    found /= np.r_[size, size**2, size.prod()][:, None]
    error = float(np.hypot(*errors[0]) / np.sqrt(2))
    return Plane(middle, fitted[0], found[:2], found[2:], error, residuals)


def _squares(offsets: NDArray[np.float64]) -> NDArray[np.float64]:
    row, column = offsets[..., 0], offsets[..., 1]
    return np.stack([row**2, column**2, row * column], -1)


def _fit(
    offsets: NDArray[np.float64], centres: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Robust coefficients and their standard errors, shape (1 + terms, 2) each."""
    terms = np.column_stack([np.ones(len(offsets)), offsets])
    weights = np.ones(len(offsets))
    for _ in range(10):
        scale = np.sqrt(weights)[:, None]
        fitted = np.linalg.lstsq(terms * scale, centres * scale, rcond=None)[0]
        apart = np.linalg.norm(centres - terms @ fitted, axis=1)
        spread = max(float(np.median(apart)) / _RAYLEIGH, 1e-6)
        weights = np.clip(1 - (apart / (4.685 * spread)) ** 2, 1e-9, None) ** 2
    freedom = max(weights.sum() - terms.shape[1], 1)
    variance = (weights[:, None] * (centres - terms @ fitted) ** 2).sum(0) / freedom
    inverse = np.linalg.pinv(terms.T @ (terms * weights[:, None]))
    return fitted, np.sqrt(np.outer(np.diag(inverse), variance))
