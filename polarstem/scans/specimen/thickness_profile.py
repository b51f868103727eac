# SPDX-License-Identifier: GPL-3.0-or-later
"""Thickness and its interval from squared deviations at each thickness, with what was known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from polarstem.errors import PolarstemError

Known: TypeAlias = float | tuple[float, float]
"""Thickness known from elsewhere [nm]: about a number, or a range."""
QUANTILE = 3.84
"""Of chi squared with one degree of freedom, 95 %."""
# Of one number, a standard deviation: log-ratio spectra give thicknesses to about a tenth where the
# mean free path is known (K. Iakoubovskii et al., Microsc. Res. Tech. 71, 626 (2008)).
_SPREAD = 0.1
_SOFT = 0.05  # the same of each end of a range, which was chosen to hold the truth
_FINE = 50  # steps between two thicknesses of the library


@dataclass(frozen=True)
class Profile:
    """Thickness by chi squared.

    Attributes
    ----------
    value : float
        The likeliest [nm].
    interval : tuple of float
        95 %: all that lies between the outermost thicknesses that are not excluded [nm].
    least : float
        Chi squared there.
    """

    value: float
    interval: tuple[float, float]
    least: float


def checked(known: Known | None) -> Known | None:
    """A thickness known from elsewhere, if it can be one.

    Raises
    ------
    PolarstemError
        If it is neither a positive number nor two, ascending.
    """
    if known is None:
        return None
    ends = np.atleast_1d(np.asarray(known, dtype=np.float64))
    if ends.size > 2 or not np.isfinite(ends).all() or ends.min() <= 0 or (np.diff(ends) < 0).any():
        raise PolarstemError(
            f"The thickness is given as {known} nm; give one positive number, or two as a range "
            "from the smaller to the larger."
        )
    return float(ends[0]) if ends.size == 1 else (float(ends[0]), float(ends[1]))


def ends_of(known: Known) -> tuple[float, float]:
    """The range, 95 % of what one number means [nm]."""
    if isinstance(known, tuple):
        return known
    spread = 2 * _SPREAD * known
    return known - spread, known + spread


def penalty(known: Known | None, thickness_nm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chi squared of thicknesses [nm] against what was known: none inside of a range."""
    if known is None:
        return np.zeros(len(thickness_nm))
    if isinstance(known, tuple):
        below = (known[0] - thickness_nm).clip(0) / (_SOFT * known[0])
        above = (thickness_nm - known[1]).clip(0) / (_SOFT * known[1])
        outside: NDArray[np.float64] = np.square(below) + np.square(above)
        return outside
    return np.square((thickness_nm - known) / (_SPREAD * known))


def profile(
    planes_nm: NDArray[np.float64], chi_squared: NDArray[np.float64], known: Known | None = None
) -> Profile:
    """Find the least chi squared between the thicknesses of a library and where it is near it.

    Parameters
    ----------
    planes_nm : ndarray, shape (thickness,)
        Ascending [nm].
    chi_squared : ndarray, shape (thickness,)
        Of the data.
    known : float or tuple of float, optional
        Thickness known from elsewhere [nm].
    """
    near = np.linspace(planes_nm[0], planes_nm[-1], _FINE * len(planes_nm))
    values = CubicSpline(planes_nm, chi_squared)(near) + penalty(known, near)
    least = float(values.min())
    inside = near[values <= least + QUANTILE]
    return Profile(float(near[values.argmin()]), (float(inside[0]), float(inside[-1])), least)
