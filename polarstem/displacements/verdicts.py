# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the displacement of a unit cell is told, and what is said of it."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ncx2

from polarstem.displacements.cell_displacement import CellFit

POLAR_SHARE = 0.25
"""Of the template's polar vector: a longer one counts as polar."""
MARGIN_NM, MARGIN_MRAD = 1.6, 1.0
"""Beyond what was measured of thickness and tilt, crystals are simulated."""
_FARTHEST = 1.3  # reaches: that far, in KNN 24 pm along an axis, the polynomial errs by 0.3 pm
_SURE = 3.0  # standard deviations by which another displacement must be worse


class Untold(IntEnum):
    """Why a cell has no displacement; the first that holds is told."""

    TOLD = 0
    BY_THE_MAP = 1
    TOO_FEW = 2
    NOT_THIS_CRYSTAL = 3
    TWO_ANSWERS = 4
    TOO_LONG = 5
    NO_CONDITIONS = 6


UNTOLD_MEANINGS = {
    Untold.TOLD: "told",
    Untold.BY_THE_MAP: "the map says why nothing can be told",
    Untold.TOO_FEW: "too few positions",
    Untold.NOT_THIS_CRYSTAL: "the patterns are not those of a displaced crystal",
    Untold.TWO_ANSWERS: "another displacement fits as well",
    Untold.TOO_LONG: "longer than what was simulated",
    Untold.NO_CONDITIONS: "the conditions of the microscope were not found",
}
"""What each reason means, in a few words."""


def verdict(fit: CellFit) -> Untold:
    """What a fit of this crystal's patterns says for itself."""
    if fit.margin < _SURE:
        return Untold.TWO_ANSWERS
    return Untold.TOO_LONG if np.abs(fit.shift).max() > _FARTHEST else Untold.TOLD


def probability_polar(
    shift_pm: NDArray[np.float64], covariance_pm2: NDArray[np.float64], full_pm: float
) -> NDArray[np.float64]:
    """Probability of a displacement of more than `POLAR_SHARE` of the template's.

    Of a round Gaussian of the same mean variance about what was measured.

    Parameters
    ----------
    shift_pm : ndarray, shape (cell, 2)
        [pm].
    covariance_pm2 : ndarray, shape (cell, 2, 2)
        [pm^2].
    full_pm : float
        Length of the template's polar vector [pm].
    """
    variance = np.trace(covariance_pm2, axis1=1, axis2=2) / 2
    square = (shift_pm**2).sum(1)
    found: NDArray[np.float64] = ncx2.sf(
        (POLAR_SHARE * full_pm) ** 2 / variance, 2, square / variance
    )
    return found
