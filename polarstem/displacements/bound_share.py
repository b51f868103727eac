# SPDX-License-Identifier: GPL-3.0-or-later
"""How near a fit comes to the bound: patterns are counted anew, and fitted as if all was known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from polarstem.displacements.cell_displacement import CellPatterns, Halos, fit_cell
from polarstem.displacements.displaced_crystals import Images, powers, slopes

DOSES = (1e3, 1e4)
"""Electrons per pattern of the cells that are counted anew."""
_DRAWS = 8
_LEAST = 1e-12  # of a beam in a pixel


class Recounted(NamedTuple):
    """Variances of a component at each dose of `DOSES`, in units of the reach squared.

    Attributes
    ----------
    bound : ndarray, shape (dose,)
        No unbiased fit has a smaller one (Cramér-Rao, of Poisson counts; all else known).
    reached : ndarray, shape (dose,)
        Mean squared error of fits.
    """

    bound: NDArray[np.float64]
    reached: NDArray[np.float64]


def recounted(
    surface: Images, weights: Images, shift: NDArray[np.float64], halos: Halos, seed: int
) -> Recounted:
    """Count the patterns of a cell anew, and fit them.

    Parameters
    ----------
    surface : ndarray, shape (term, place, pixel)
        See `DisplacedCrystals.surface`.
    weights : ndarray, shape (n, place)
        Positions of the cell, see `between_places`.
    shift : ndarray, shape (2,)
        Its displacement, in units of the reach.
    halos : callable
        See `fit_cell`, which fits brightness, background and diffuse scattering as ever.
    seed : int
    """
    flat = np.asarray(surface, float).reshape(len(surface), -1)
    expected, *along = (
        weights @ (factors @ flat).reshape(surface.shape[1:])
        for factors in (powers(shift), *slopes(shift))
    )
    expected = np.maximum(expected, _LEAST)
    slope = np.stack(along).reshape(2, -1)
    information = slope / expected.ravel() @ slope.T
    one = float(np.trace(np.linalg.inv(information))) / 2
    random, reached = np.random.default_rng(seed), []
    for dose in DOSES:
        errors = []
        for _ in range(_DRAWS):
            counts = (random.poisson(dose * expected) / dose).astype(np.float32)
            errors.append(fit_cell(CellPatterns(weights, counts), surface, halos).shift - shift)
        reached.append(float(np.square(errors).mean()))
    return Recounted(one / np.array(DOSES), np.array(reached))
