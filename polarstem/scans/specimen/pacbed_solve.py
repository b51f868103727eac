# SPDX-License-Identifier: GPL-3.0-or-later
"""Least squares of a mean pattern at every thickness of a library.

All but the tilt enters linearly, so that a few Gauss-Newton steps (A. Björck, Numerical Methods for
Least Squares Problems, 9.2) do for all thicknesses at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from polarstem.scans.specimen.pacbed_model import FREE, HALOS, PRIORS, TILT, TURN, PatternModel

_ROUNDS = 5
_LONGEST_STEP = 1.5  # of the tilt [mrad]
_FLOOR = 0.02  # of the largest intensity, in the weights
_HALVES = tuple(range(HALOS.start, HALOS.stop))


@dataclass(frozen=True)
class Found:
    """Least squares at each thickness.

    Attributes
    ----------
    planes : slice
        Of the library's thicknesses.
    squares : ndarray, shape (thickness,)
        Weighted squared deviations, and those of the priors.
    variance : float
        Of a pixel.
    count : int
        Pixels compared.
    tilt : ndarray, shape (thickness, 2)
        [mrad].
    solution : ndarray, shape (thickness, column)
        Factors of `PatternModel.columns`.
    normal : ndarray, shape (thickness, column, column)
        Inverse covariance of the solution, times the variance.
    measured : ndarray, shape (pixel,)
        Not a number outside the image.
    simulated : ndarray, shape (thickness, pixel)
    power : float
        Weighted sum of the squared measured values.
    """

    planes: slice
    squares: NDArray[np.float64]
    variance: float
    count: int
    tilt: NDArray[np.float64]
    solution: NDArray[np.float64]
    normal: NDArray[np.float64]
    measured: NDArray[np.float64]
    simulated: NDArray[np.float64]
    power: float

    @property
    def turn_deg(self) -> float:
        """Counter-clockwise turn of the measured pattern that is left [degrees]."""
        best = int(self.squares.argmin())
        scale = PRIORS[TURN - FREE] / self.solution[best, 0]
        return float(self.solution[best, TURN] * scale)

    @property
    def halo(self) -> NDArray[np.float64]:
        """Share of the electrons that each kernel scattered, shape (thickness, halo)."""
        shares: NDArray[np.float64] = self.solution[:, HALOS] * PRIORS[HALOS.start - FREE :]
        return shares / self.solution[:, :1]


@dataclass(frozen=True)
class Expected:
    """What the columns with a prior are expected to be, in the units of `PRIORS`.

    Attributes
    ----------
    mean, spread : ndarray, shape (len(PRIORS),)
    """

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]


CALIBRATED = Expected(np.zeros(len(PRIORS)), np.ones(len(PRIORS)))
"""What `PRIORS` say."""


def compare(
    model: PatternModel,
    values: NDArray[np.float64],
    inside: NDArray[np.bool_],
    *,
    planes: slice = slice(0, None),
    tilt: NDArray[np.float64] | None = None,
    rounds: int = _ROUNDS,
    expected: Expected = CALIBRATED,
) -> Found:
    """Fit a pattern at each thickness.

    Parameters
    ----------
    model : PatternModel
        Of the library.
    values : ndarray, shape (pixel,)
        The pattern.
    inside : ndarray, shape (pixel,)
        Pixels that count.
    planes : slice
        Of the library's thicknesses.
    tilt : ndarray, shape (2,), optional
        Where to start [mrad]; by default where the library fits best.
    rounds : int
        Gauss-Newton steps.
    expected : Expected
        Of what is fitted beside thickness and tilt.
    """
    measured, weights = weighted(values, inside)
    library = model.library
    if tilt is None:
        cosines = _unit(model.nodes[planes] * weights, weights) @ _unit(measured, weights)
        tilts = library.all_tilts[0][cosines.argmax(axis=1)]
    else:
        tilts = np.tile(tilt, (len(library.thickness_nm[planes]), 1))
    largest = float(np.abs(library.tilts).max())
    prior = np.r_[np.zeros(FREE), expected.spread**-2.0]
    pulled = np.r_[np.zeros(FREE), expected.mean * expected.spread**-2.0]
    count = int(inside.sum())
    variance = 1e-3 * float(measured @ measured) / count
    for _ in range(rounds):
        columns = model.columns(tilts, planes) * weights
        normal = columns @ columns.swapaxes(1, 2) + variance * np.diag(prior)
        solution = bounded(normal, columns @ measured + variance * pulled, _HALVES)
        simulated = (solution[:, None] @ columns)[:, 0]
        missed = (solution[:, FREE:] - expected.mean) / expected.spread
        penalty = variance * np.square(missed).sum(1)
        squares = np.square(measured - simulated).sum(1)
        variance = float(squares.min()) / count
        sharp = solution[:, :1] - solution[:, HALOS] @ PRIORS[HALOS.start - FREE :, None]
        step = solution[:, TILT] / np.maximum(sharp, 0.1 * solution[:, :1])
        tilts, before = _shortened(tilts + _shortened(step, _LONGEST_STEP), largest), tilts
    return Found(
        planes=planes,
        squares=squares + penalty,
        variance=variance,
        count=count,
        tilt=before,
        solution=solution,
        normal=normal,
        measured=np.where(inside, values, np.nan),
        simulated=simulated / np.where(inside, weights, np.nan),
        power=float(measured @ measured),
    )


def bounded(
    normal: NDArray[np.float64], sides: NDArray[np.float64], positive: Sequence[int]
) -> NDArray[np.float64]:
    """Minimize x A x / 2 - x b with some unknowns not negative.

    They are few: each set of those that are zero is tried, and the least of the allowed minima is
    that of the convex problem.

    Parameters
    ----------
    normal : ndarray, shape (n, column, column)
        A, positive definite.
    sides : ndarray, shape (n, column)
        b.
    positive : sequence of int
        Columns that are not negative.

    Returns
    -------
    ndarray, shape (n, column)
    """
    best = np.full(len(normal), np.inf)
    solution = np.zeros(sides.shape)
    for zeros in product((False, True), repeat=len(positive)):
        gone = [column for column, zero in zip(positive, zeros, strict=True) if zero]
        kept = np.setdiff1d(np.arange(sides.shape[1]), gone)
        part = np.linalg.solve(normal[:, kept[:, None], kept], sides[:, kept, None])[..., 0]
        whole = np.zeros(sides.shape)
        whole[:, kept] = part
        value = -(part * sides[:, kept]).sum(1) / 2
        better = (whole[:, list(positive)] >= 0).all(1) & (value < best)
        best = np.where(better, value, best)
        solution = np.where(better[:, None], whole, solution)
    return solution


def weighted(
    values: NDArray[np.float64], inside: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values and weights: deviations grow with the root of the intensity."""
    weights = inside / np.sqrt(values.clip(0) + _FLOOR * values.max())
    return values * weights, weights


def counting(
    values: NDArray[np.float64], weights: NDArray[np.float64], electrons: float | None
) -> float:
    """Mean weighted variance of a pixel that counting electrons gives."""
    if electrons is None:
        return 0.0
    inside = weights > 0
    weighed = np.square(weights[inside]) * values[inside].clip(0)
    return float(weighed.mean() / electrons)


def _unit(vectors: NDArray[np.floating], background: NDArray[np.float64]) -> NDArray[np.floating]:
    """Vectors (last axis) of unit length without their part along the background."""
    axis = background / np.linalg.norm(background)
    rest = vectors - (vectors @ axis)[..., None] * axis
    unit: NDArray[np.floating] = rest / np.linalg.norm(rest, axis=-1, keepdims=True)
    return unit


def _shortened(vectors: NDArray[np.float64], longest: float) -> NDArray[np.float64]:
    """Vectors (n, 2), no longer than a limit."""
    lengths = np.hypot(*vectors.T)[:, None]
    short: NDArray[np.float64] = vectors * np.minimum(1, longest / np.maximum(lengths, 1e-12))
    return short
