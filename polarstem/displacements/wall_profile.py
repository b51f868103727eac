# SPDX-License-Identifier: GPL-3.0-or-later
"""Position and width of a domain wall, by the displacements along a line across it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.errors import PolarstemError

Floats = NDArray[np.float64]

_LEAST_CELLS = 8
_UNKNOWNS = 6  # position, width, and two vectors
_NARROWEST_NM = 0.05
_ROUNDING = 1e-6  # nm
_STEPS = 61  # of positions and of widths that are tried, first of all, then of the likely ones
_LIKELY = 9.0  # times the variance, by which squares may exceed the least
_ROUGH = 3.0  # times what errors say, by which cells scatter where the wall lies otherwise
_CLEAR = 5.0  # standard deviations of half the jump, below which there is no wall


class WallProfile(NamedTuple):
    """Displacements along a line: ``middle + half tanh(2 (s - position) / width)``.

    Attributes
    ----------
    distance_nm : ndarray, shape (cell,)
        Of the cells from the start of the line, along it [nm].
    component_pm : ndarray, shape (cell,)
        Their displacements along `half`, from `middle` [pm].
    position_nm, width_nm : (float, float, float)
        Best value, and the ends of its 68 % interval [nm].
    middle_pm, half_pm : ndarray, shape (2,)
        Mean of both sides, and half of the change from the start to the end of the line [pm].
    scatter_pm : float
        Standard deviation of a component of a cell about the curve [pm].
    """

    distance_nm: Floats
    component_pm: Floats
    position_nm: tuple[float, float, float]
    width_nm: tuple[float, float, float]
    middle_pm: Floats
    half_pm: Floats
    scatter_pm: float

    def curve(self, distance_nm: Floats) -> Floats:
        """The fitted component at distances [pm]."""
        rise = np.tanh(2 * (distance_nm - self.position_nm[0]) / self.width_nm[0])
        return np.asarray(np.hypot(*self.half_pm) * rise)

    def __str__(self) -> str:
        (at, low, high), (wide, narrow, wider) = self.position_nm, self.width_nm
        width = f"{wide:.2g} nm wide ({narrow:.2g} to {wider:.2g})"
        if narrow <= _NARROWEST_NM * 1.01:
            width = f"at most {wider:.2g} nm wide"
        return (
            f"Wall {at:.2f} nm from the start of the line ({low:.2f} to {high:.2f}), {width}, "
            "a cell's size and the beam's spread included, with 68 % confidence; the "
            f"displacement changes by {2 * np.hypot(*self.half_pm):.1f} pm."
        )


def wall_profile(
    data: xr.Dataset, start_nm: tuple[float, float], end_nm: tuple[float, float]
) -> WallProfile:
    """Fit the wall that a line crosses, by least squares over the cells beside the line.

    Widths follow the usual convention: a displacement of ``tanh(2 s / w)`` has changed by 76 % of
    the jump within w. They are those of what cells show: a cell's size and the spread of the beam
    in the crystal are in them (docs/vector.md says by how much).

    Parameters
    ----------
    data : Dataset
        See `polarstem.displacements.displacement_map.measure_displacements`.
    start_nm, end_nm : tuple of float
        x and y (downwards) in the scan [nm]. All cells whose middle lies beside the line, however
        far from it, take part: the wall is taken for straight, and perpendicular to the line.

    Raises
    ------
    PolarstemError
        If fewer than eight cells with displacements lie there, no wall shows, or cells scatter
        about the profile by far more than their errors: the line is not perpendicular to the wall.
    """
    start, end = np.asarray(start_nm, float), np.asarray(end_nm, float)
    length = float(np.hypot(*(end - start)))
    if not length > 0:
        raise PolarstemError("The line across the wall has no length; give two different points.")
    centres = np.stack([data["centre_x"].values, data["centre_y"].values], axis=1)
    along = (centres - start) @ (end - start) / length
    shift = np.stack([data["ux"].values, data["uy"].values], axis=1)
    beside = (along >= -_ROUNDING) & (along <= length + _ROUNDING) & np.isfinite(shift).all(1)
    if beside.sum() < _LEAST_CELLS:
        raise PolarstemError(
            f"Beside the line across the wall lie {beside.sum()} unit cells with a displacement, "
            f"but its profile takes {_LEAST_CELLS}; draw a longer line."
        )
    distance, shift = along[beside], shift[beside]
    position = np.linspace(distance.min(), distance.max(), _STEPS)
    width = np.geomspace(_NARROWEST_NM, length, _STEPS)
    freedom = 2 * len(distance) - _UNKNOWNS
    for _ in range(2):
        squares = _squares(distance, shift, position, width)
        variance = squares.min() / freedom
        likely = squares <= squares.min() + _LIKELY * variance
        position, width = (
            _closer(values, likely.any(axis=1 - axis))
            for axis, values in enumerate((position, width))
        )
    squares = _squares(distance, shift, position, width)
    best = np.unravel_index(squares.argmin(), squares.shape)
    rise = np.tanh(2 * (distance - position[best[0]]) / width[best[1]])
    swing = rise - rise.mean()
    half = swing @ shift / (swing @ swing)
    middle = shift.mean(0) - rise.mean() * half
    variance = float(squares.min()) / freedom
    if np.hypot(*half) < _CLEAR * np.sqrt(variance / (swing @ swing)):
        raise PolarstemError(
            "Along the line the displacements do not change as across a wall; draw it from one "
            "domain into another."
        )
    told = float(np.sqrt(_variances(data)[beside].mean()))
    if np.sqrt(variance) > _ROUGH * told:
        raise PolarstemError(
            f"Beside the line the cells scatter by {np.sqrt(variance):.1f} pm about the profile of "
            f"a wall, not by {told:.1f} pm as their errors say; draw it at a right angle to the "
            "wall, where that is straight."
        )
    ends = [
        _interval(values, squares.min(axis=1 - axis), squares.min() + variance)
        for axis, values in enumerate((position, width))
    ]
    return WallProfile(
        distance,
        (shift - middle) @ half / np.hypot(*half),
        (float(position[best[0]]), *ends[0]),
        (float(width[best[1]]), *ends[1]),
        middle,
        half,
        float(np.sqrt(variance)),
    )


def _variances(data: xr.Dataset) -> Floats:
    """Of a component of each cell, by its errors [pm^2]."""
    return np.asarray((data["sigma_x"] ** 2 + data["sigma_y"] ** 2) / 2)


def _squares(distance: Floats, shift: Floats, position: Floats, width: Floats) -> Floats:
    """Squared deviations of the best vectors, shape (position, width)."""
    swing = np.tanh(2 * (distance - position[:, None, None]) / width[:, None])
    swing -= swing.mean(-1, keepdims=True)
    moved = shift - shift.mean(0)
    along = ((swing @ moved) ** 2).sum(-1)
    found: Floats = (moved**2).sum() - along / ((swing**2).sum(-1) + 1e-9)
    return found


def _closer(values: Floats, likely: NDArray[np.bool_]) -> Floats:
    """As many values, from the one before the first likely one to that behind the last."""
    first, last = np.flatnonzero(likely)[[0, -1]]
    low, high = values[max(0, first - 1)], values[min(len(values) - 1, last + 1)]
    return np.linspace(low, high, _STEPS)


def _interval(values: Floats, squares: Floats, most: float) -> tuple[float, float]:
    inside = values[squares <= most]
    return float(inside[0]), float(inside[-1])
