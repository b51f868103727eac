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
) -> list[Found]:
    """Fit patterns at each thickness.

    Parameters
    ----------
    model : PatternModel
        Of the library.
    values : ndarray, shape (n, pixel)
        The patterns.
    inside : ndarray, shape (n, pixel)
        Pixels that count.
    planes : slice
        Of the library's thicknesses.
    tilt : ndarray, shape (n, 2), optional
        Where to start [mrad]; by default where the library fits best.
    rounds : int
        Gauss-Newton steps.
    expected : Expected
        Of what is fitted beside thickness and tilt.

    Returns
    -------
    list of Found
        Of each pattern.
    """
    measured, weights = weighted(values, inside)
    library = model.library
    if tilt is None:
        tilts = _nearest(model, planes, measured, weights)
    else:
        tilts = np.tile(tilt, (len(library.thickness_nm[planes]), 1, 1))
    largest = float(np.abs(library.tilts).max())
    prior = np.r_[np.zeros(FREE), expected.spread**-2.0]
    pulled = np.r_[np.zeros(FREE), expected.mean * expected.spread**-2.0]
    count, power = inside.sum(-1), np.square(measured).sum(-1)
    variance = 1e-3 * power / count
    for _ in range(rounds):
        columns = model.columns(tilts, planes)
        columns *= weights[:, None]
        normal = columns @ columns.swapaxes(-1, -2)
        normal += variance[:, None, None] * np.diag(prior)
        sides = (columns @ measured[..., None])[..., 0] + variance[:, None] * pulled
        solution = bounded(normal, sides, _HALVES)
        simulated = (solution[..., None, :] @ columns)[..., 0, :]
        missed = (solution[..., FREE:] - expected.mean) / expected.spread
        penalty = variance * np.square(missed).sum(-1)
        squares = np.square(measured - simulated).sum(-1)
        variance = squares.min(0) / count
        sharp = solution[..., :1] - solution[..., HALOS] @ PRIORS[HALOS.start - FREE :, None]
        step = solution[..., TILT] / np.maximum(sharp, 0.1 * solution[..., :1])
        tilts, before = _shortened(tilts + _shortened(step, _LONGEST_STEP), largest), tilts
    return [
        Found(
            planes=planes,
            squares=(squares + penalty)[:, n],
            variance=float(variance[n]),
            count=int(count[n]),
            tilt=before[:, n],
            solution=solution[:, n],
            normal=normal[:, n],
            measured=np.where(inside[n], values[n], np.nan),
            simulated=simulated[:, n] / np.where(inside[n], weights[n], np.nan),
            power=float(power[n]),
        )
        for n in range(len(values))
    ]


def _nearest(
    model: PatternModel,
    planes: slice,
    measured: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Tilts (thickness, n, 2) of the simulated patterns that are most like weighted ones [mrad].

    Of the cosines of what is not along the background.
    """
    axis = weights / np.linalg.norm(weights, axis=-1, keepdims=True)
    rest = measured - (measured * axis).sum(-1, keepdims=True) * axis
    nodes = model.nodes[planes]
    along, flat = (nodes @ (part * weights).astype(np.float32).T for part in (rest, axis))
    length = np.sqrt(np.square(nodes) @ np.square(weights).astype(np.float32).T - np.square(flat))
    found: NDArray[np.float64] = model.library.turned_tilts[(along / length).argmax(1)]
    return found


def bounded(
    normal: NDArray[np.float64], sides: NDArray[np.float64], positive: Sequence[int]
) -> NDArray[np.float64]:
    """Minimize x A x / 2 - x b with some unknowns not negative.

    They are few: each set of those that are zero is tried, and the least of the allowed minima is
    that of the convex problem.

    Parameters
    ----------
    normal : ndarray, shape (..., column, column)
        A, positive definite.
    sides : ndarray, shape (..., column)
        b.
    positive : sequence of int
        Columns that are not negative.

    Returns
    -------
    ndarray, shape (..., column)
    """
    best = np.full(sides.shape[:-1], np.inf)
    solution = np.zeros(sides.shape)
    for zeros in product((False, True), repeat=len(positive)):
        gone = {column for column, zero in zip(positive, zeros, strict=True) if zero}
        kept = np.array([column for column in range(sides.shape[-1]) if column not in gone])
        part = np.linalg.solve(normal[..., kept[:, None], kept], sides[..., kept, None])[..., 0]
        value = -(part * sides[..., kept]).sum(-1) / 2
        allowed = (part[..., np.isin(kept, positive)] >= 0).all(-1)
        better = allowed & (value < best)
        best[better] = value[better]
        solution[better] = 0
        solution[better[..., None] & np.isin(np.arange(sides.shape[-1]), kept)] = part[
            better
        ].ravel()
    return solution


def weighted(
    values: NDArray[np.float64], inside: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values and weights: deviations grow with the root of the intensity."""
    least = _FLOOR * values.max(-1, keepdims=True)
    weights = inside / np.sqrt(values.clip(0) + least)
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


def _shortened(vectors: NDArray[np.float64], longest: float) -> NDArray[np.float64]:
    """Vectors (..., 2), no longer than a limit."""
    lengths = np.hypot(vectors[..., :1], vectors[..., 1:])
    short: NDArray[np.float64] = vectors * np.minimum(1, longest / np.maximum(lengths, 1e-12))
    return short
