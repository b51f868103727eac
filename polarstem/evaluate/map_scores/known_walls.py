# SPDX-License-Identifier: GPL-3.0-or-later
"""True walls of a scene, and where a map has them if both directions beside them are known.

Who knows the line, a window about it and the two directions fits a step to the probabilities. That
says what the patterns hold of the wall; what a user reads off the map is another thing, see
`polarstem.evaluate.map_scores.delivered_walls`.
"""

from __future__ import annotations

import json
import math
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.evaluate.map_scores.beside_truth import in_map
from polarstem.evaluate.summary.entries import Entry, entry

_REACH_CELLS = 4.0  # how far from a wall its position is looked for
_SHORTEST_CELLS = 2.0  # length of a strip across a wall
_TINY = 1e-6
_TYPE_TOLERANCE = 1.0  # degrees: directions are multiples of 45

FloatArray = NDArray[np.float64]


class Wall(NamedTuple):
    """A domain wall as the truth of a scene describes it.

    Attributes
    ----------
    name : str
        What it is called.
    start, end : ndarray, shape (2,)
        Its ends, y (down) and x [nm].
    domains : tuple of int
        The domains on its two sides.
    angle_deg : float
        Angle between their directions [degrees].
    """

    name: str
    start: FloatArray
    end: FloatArray
    domains: tuple[int, int]
    angle_deg: float

    def frame(self) -> tuple[FloatArray, FloatArray, float]:
        """Unit vectors along and across it, (y, x), and its length [nm]."""
        along = self.end - self.start
        length = float(np.hypot(*along))
        along = along / length
        return along, np.array([-along[1], along[0]]), length


class Crossing(NamedTuple):
    """Where a map has a wall.

    Attributes
    ----------
    errors_nm : ndarray, shape (strip,)
        Distance of the found from the true position in each strip across the wall [nm].
    angle_deg : float
        Angle between the directions that the map has on most cells of either side [degrees].
    """

    errors_nm: FloatArray
    angle_deg: float


def walls_of(truth: xr.Dataset) -> list[Wall]:
    """The walls that a truth describes."""
    return [
        Wall(
            str(wall["name"]),
            np.array(wall["points"][0], float),
            np.array(wall["points"][1], float),
            (int(wall["domains"][0]), int(wall["domains"][1])),
            float(wall["angle_deg"]),
        )
        for wall in json.loads(truth.attrs.get("walls", "[]"))
    ]


def find_wall(found: xr.Dataset, truth: xr.Dataset, wall: Wall, cell_nm: float) -> Crossing | None:
    """Look for a wall in a map, one strip of the width of a cell after another.

    In a strip across the wall the found position is the step from one side's direction to the
    other's that the positions' log-probabilities like best.

    Parameters
    ----------
    found, truth : Dataset
        Map and truth.
    wall : Wall
        The wall.
    cell_nm : float
        Size of a unit cell [nm].

    Returns
    -------
    Crossing or None
        None if the strips hold too few positions.
    """
    along, across, length = wall.frame()
    places = np.stack(np.meshgrid(found["y"], found["x"], indexing="ij"), axis=-1) - wall.start
    s, u = places @ across, places @ along
    domain, polar = truth["domain"].values, truth["class_index"].values >= 0
    classes = in_map(found, truth["direction"].values)
    inside = (np.abs(s) < _REACH_CELLS * cell_nm) & (u > 0) & (u < length)
    inside &= np.isin(domain, wall.domains) & np.isfinite(found["confidence"].values)
    sides = [inside & (domain == number) for number in wall.domains]
    if not all((side & polar).any() for side in sides):
        return None
    if s[sides[0]].mean() > s[sides[1]].mean():
        s = -s
    first, second = (int(np.bincount(classes[side & polar]).argmax()) for side in sides)
    log = np.log(np.maximum(found["probability"].values, _TINY))
    gain = log[..., first] - log[..., second]
    errors = []
    for number in range(max(1, round(length / cell_nm))):
        strip = inside & (u >= number * cell_nm) & (u < (number + 1) * cell_nm)
        if strip.any() and np.ptp(s[strip]) > _SHORTEST_CELLS * cell_nm:
            errors.append(abs(_step(s[strip], gain[strip])))
    if not errors:
        return None
    angle = _angle_between(found, [_nearest_cells(found, side) for side in sides])
    return Crossing(np.array(errors), angle)


def _step(s: FloatArray, gain: FloatArray) -> float:
    """Where to change sides, given the gain of the first side at each place."""
    order = np.argsort(s, kind="stable")
    places, gains = s[order], gain[order]
    lines, start = np.unique(np.round(places, 6), return_index=True)
    total = np.concatenate([[0.0], np.cumsum(np.add.reduceat(gains, start))])
    best = int(total.argmax())  # so many lines belong to the first side
    ends = np.concatenate([[lines[0]], (lines[1:] + lines[:-1]) / 2, [lines[-1]]])
    return float(ends[best])


def _nearest_cells(found: xr.Dataset, side: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Numbers of the cells whose positions lie on one side of a wall."""
    cell = found["cell"].values[side]
    return np.unique(cell[cell >= 0])


def _angle_between(found: xr.Dataset, cells: list[NDArray[np.int64]]) -> float:
    """Angle between the directions of most cells of two groups [degrees]."""
    if not all(len(group) for group in cells):
        return math.nan
    directions = found["cell_direction"].values
    first, second = (_most_common(directions[group]) for group in cells)
    return float(abs((first - second + 180) % 360 - 180))


def _most_common(values: FloatArray) -> float:
    unique, count = np.unique(np.round(values, 6), return_counts=True)
    return float(unique[count.argmax()])


def known_wall_scores(found: xr.Dataset, truth: xr.Dataset, cell_nm: float) -> dict[str, Entry]:
    """What a map says of its walls to one who knows their lines and both directions beside them.

    Returns
    -------
    dict of str to entry
        ``wall_error_known_directions_nm``, ``wall_error_known_directions_cells``, ``wall_types``;
        none without a wall in the scan.
    """
    looked_for = [(wall, find_wall(found, truth, wall, cell_nm)) for wall in walls_of(truth)]
    seen = [(wall, crossing) for wall, crossing in looked_for if crossing is not None]
    if not seen:
        return {}
    errors = np.concatenate([crossing.errors_nm for _, crossing in seen])
    low, median, high = np.quantile(errors, [0.05, 0.5, 0.95])
    right = [abs(crossing.angle_deg - wall.angle_deg) < _TYPE_TOLERANCE for wall, crossing in seen]
    text = (
        "Median distance of the steps that fit the probabilities best from the walls, for one who "
        "knows where to look and both directions; low and high are the 5 % and 95 % strips"
    )
    return {
        f"wall_error_known_directions_{name}": entry(
            median / size, unit, text, low=low / size, high=high / size, n=len(errors)
        )
        for name, unit, size in (("nm", "nm", 1.0), ("cells", "unit cells", cell_nm))
    } | {
        "wall_types": entry(
            float(np.mean(right)),
            "fraction",
            "Fraction of walls with the true angle between what most cells of either side say",
            n=len(right),
        )
    }
