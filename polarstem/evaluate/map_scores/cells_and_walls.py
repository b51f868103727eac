# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores of a map whose truth is known: a virtual experiment."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from polarstem.errors import PolarstemError
from polarstem.evaluate.summary.entries import Entry, entry, share
from polarstem.files import open_netcdf

AWAY_CELLS = 1.0
"""Farther from a wall than this many unit cells, a column belongs to one domain."""
_REACH_CELLS = 4.0  # how far from a wall its position is looked for
_SHORTEST_CELLS = 2.0  # length of a strip across a wall
_TINY = 1e-6
_TYPE_TOLERANCE = 1.0  # degrees: directions are multiples of 45
_DIRECTION_TOLERANCE = 11.25  # degrees: a quarter of what lies between neighbouring classes

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


def score_map(map_nc: Path | str, truth_nc: Path | str, confidence: float) -> dict[str, Entry]:
    """Compare a map with the truth of its scene.

    Parameters
    ----------
    map_nc : path
        ``map.nc`` of `polarstem.maps`.
    truth_nc : path
        Truth on the positions of the scan, see `polarstem.simulate.multislice.scene_scan`.
    confidence : float
        Level of the intervals, which count unit cells as independent (C. Clopper and E. Pearson,
        Biometrika 26, 404 (1934)): they tell how well one scene is known, not how scenes differ.

    Returns
    -------
    dict of str to entry
        Only what the scene has. Of the cells farther than one from any wall and outside defects:
        ``cell_accuracy``, ``cell_accuracy_answered``, ``cells_answered``; ``confidently_wrong``,
        those that have an answer and a wrong one, of all of them, answered or not, and
        ``confidently_wrong_cells``, how many these are. Of the probe positions there:
        ``position_accuracy``, ``positions_answered``, ``positions_confidently_wrong``, without
        intervals, as probes overlap. Where the scene has no polarization, ``unpolar_abstained``;
        an answer there is a wrong one. Of walls ``wall_error_cells``, ``wall_error_nm``,
        ``wall_types``.

    Raises
    ------
    PolarstemError
        If a file is unreadable, or the two do not belong together.
    """
    found, truth = read_scored(map_nc, truth_nc)
    cell_nm = float(truth.attrs["cell_nm"])
    own = truth_of_cells(found, truth)
    far = (own["wall_distance"] > AWAY_CELLS * cell_nm) & ~own["defect"]
    polar = own["class_index"] >= 0
    right = agrees(found, found["cell_class_index"].values, own["direction"]) & polar
    answered = found["cell_answered"].values.astype(bool)
    scores = _cell_scores(found, far, polar, right, answered, confidence)
    unpolar = ~polar & ~own["defect"]
    if unpolar.any():
        meaning = "Fraction of unit cells without polarization that have no answer"
        count = int((~answered)[unpolar].sum())
        scores["unpolar_abstained"] = share(count, int(unpolar.sum()), meaning, confidence)
    return scores | _position_scores(found, truth, cell_nm) | _wall_scores(found, truth, cell_nm)


def _cell_scores(
    found: xr.Dataset,
    far: NDArray[np.bool_],
    polar: NDArray[np.bool_],
    right: NDArray[np.bool_],
    answered: NDArray[np.bool_],
    confidence: float,
) -> dict[str, Entry]:
    """What the cells say that are far from walls and defects."""
    what = "unit cells farther than one cell from any wall and outside defects"
    scores: dict[str, Entry] = {}
    clean = far & polar
    for name, mask, where in (
        ("cell_accuracy", clean, f"of {what}"),
        ("cell_accuracy_answered", clean & answered, f"of answered {what}"),
    ):
        if mask.any():
            meaning = f"Fraction {where} with the true direction"
            scores[name] = share(int(right[mask].sum()), int(mask.sum()), meaning, confidence)
    if clean.any():
        meaning = f"Fraction of {what} that have an answer{_why_not(found, clean & ~answered)}"
        count = int(answered[clean].sum())
        scores["cells_answered"] = share(count, int(clean.sum()), meaning, confidence)
    if far.any():
        wrong, n = int((far & answered & ~right).sum()), int(far.sum())
        meaning = f"Fraction of {what} that have an answer and a wrong one"
        scores["confidently_wrong"] = share(wrong, n, meaning, confidence)
        meaning = f"Number of {what} that have an answer and a wrong one"
        scores["confidently_wrong_cells"] = entry(wrong, "1", meaning, n=n)
    return scores


def _why_not(found: xr.Dataset, without: NDArray[np.bool_]) -> str:
    """Why cells have no answer, the most frequent reason first, where the map tells."""
    if "cell_withheld" not in found or not without.any():
        return ""
    codes = found["cell_withheld"]
    values = np.atleast_1d(codes.attrs.get("flag_values", [])).tolist()
    words = dict(zip(values, str(codes.attrs.get("flag_meanings", "")).split(), strict=False))
    reasons, counts = np.unique(codes.values[without], return_counts=True)
    told = [
        f"{words.get(reason, f'reason {reason}').replace('_', ' ')} {count}"
        for reason, count in sorted(zip(reasons.tolist(), counts.tolist(), strict=True),
                                    key=lambda pair: -pair[1])
    ]  # fmt: skip
    return f"; the others have none because of: {', '.join(told)}"


def read_scored(map_nc: Path | str, truth_nc: Path | str) -> tuple[xr.Dataset, xr.Dataset]:
    """Read a map and the truth of its scene.

    Raises
    ------
    PolarstemError
        If a file is unreadable, or the two do not belong together.
    """
    with open_netcdf(map_nc, "map") as opened:
        found = opened.load()
    with open_netcdf(truth_nc, "truth") as opened:
        truth = opened.load()
    if found["cell"].shape != truth["defect"].shape:
        raise PolarstemError(
            f"The map {map_nc} has {found.sizes['y']} x {found.sizes['x']} positions, the truth "
            f"{truth_nc} has {truth.sizes['y']} x {truth.sizes['x']}; give the truth of this scan."
        )
    return found, truth


def in_map(found: xr.Dataset, direction_deg: NDArray[np.floating]) -> NDArray[np.int64]:
    """Class of a map nearest to directions in the frame of the scan [degrees].

    Which of the crystal's equal axes a map calls x is its own affair.
    """
    classes = found["class_direction"].values + float(found.attrs["crystal_rotation_deg"])
    apart = np.abs((np.asarray(direction_deg)[..., None] - classes + 180) % 360 - 180)
    # what has no direction is no polar class, whichever this gives
    return np.nan_to_num(apart, nan=np.inf).argmin(-1)


def agrees(
    found: xr.Dataset, classes: NDArray[np.integer], direction_deg: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Whether classes of a map (-1: none) are the true ones.

    The class nearest to the true direction counts, and only where a map that took the crystal to
    be turned otherwise has not moved it away.

    Parameters
    ----------
    found : Dataset
        The map.
    classes : ndarray of int
        Class indices of the map.
    direction_deg : ndarray
        True directions in the frame of the scan, of the same shape [degrees].
    """
    told = found["class_direction"].values + float(found.attrs["crystal_rotation_deg"])
    apart = np.abs((told[classes] - direction_deg + 180) % 360 - 180)  # of class -1: of any
    return (classes == in_map(found, direction_deg)) & (apart <= _DIRECTION_TOLERANCE)


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
    along = wall.end - wall.start
    length = float(np.hypot(*along))
    along /= length
    across = np.array([-along[1], along[0]])
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


def truth_of_cells(found: xr.Dataset, truth: xr.Dataset) -> dict[str, NDArray[Any]]:
    """Truth at the position nearest to the middle of each cell.

    Returns
    -------
    dict of str to ndarray, shape (cell,)
        ``class_index``, ``direction`` [degrees], ``wall_distance`` [nm], and ``defect``: whether
        any position of the cell is in the core of a defect.
    """
    y, x = np.meshgrid(truth["y"].values, truth["x"].values, indexing="ij")
    tree = cKDTree(np.stack([y.ravel(), x.ravel()], axis=1))
    centres = np.stack([found["cell_centre_y"].values, found["cell_centre_x"].values], axis=1)
    _, nearest = tree.query(centres)
    names = ("class_index", "direction", "wall_distance")
    own = {name: truth[name].values.ravel()[nearest] for name in names}
    cell, defect = found["cell"].values, truth["defect"].values.astype(bool)
    own["defect"] = np.zeros(found.sizes["cell"], bool)
    own["defect"][np.unique(cell[defect & (cell >= 0)])] = True
    return own


def _position_scores(found: xr.Dataset, truth: xr.Dataset, cell_nm: float) -> dict[str, Entry]:
    """What probe positions away from walls and defects say; they overlap: no intervals."""
    far = (truth["wall_distance"].values > AWAY_CELLS * cell_nm) & ~truth["defect"].values
    far &= np.isfinite(found["confidence"].values)
    polar = truth["class_index"].values >= 0
    right = agrees(found, found["class_index"].values, truth["direction"].values) & polar
    answered = found["answered"].values.astype(bool)
    what = "probe positions away from walls and defects"
    scores = {}
    for name, judged, counted, how in (
        ("position_accuracy", far & polar, right, "with the true direction"),
        ("positions_answered", far & polar, answered, "that have an answer"),
        (
            "positions_confidently_wrong",
            far,
            answered & ~right,
            "that have an answer and a wrong one",
        ),
    ):
        if judged.any():
            value = float(counted[judged].mean())
            text = f"Fraction of {what} {how}"
            scores[name] = entry(value, "fraction", text, n=int(judged.sum()))
    return scores


def _wall_scores(found: xr.Dataset, truth: xr.Dataset, cell_nm: float) -> dict[str, Entry]:
    looked_for = [(wall, find_wall(found, truth, wall, cell_nm)) for wall in walls_of(truth)]
    seen = [(wall, crossing) for wall, crossing in looked_for if crossing is not None]
    if not seen:
        return {}
    errors = np.concatenate([crossing.errors_nm for _, crossing in seen])
    low, high = np.quantile(errors, [0.05, 0.95])
    right = [abs(crossing.angle_deg - wall.angle_deg) < _TYPE_TOLERANCE for wall, crossing in seen]
    text = "Median distance of walls from where they are; low and high are the 5 % and 95 % strips"
    return {
        "wall_error_nm": entry(
            float(np.median(errors)), "nm", text, low=low, high=high, n=len(errors)
        ),
        "wall_error_cells": entry(
            float(np.median(errors)) / cell_nm,
            "unit cells",
            text,
            low=low / cell_nm,
            high=high / cell_nm,
            n=len(errors),
        ),
        "wall_types": entry(
            float(np.mean(right)),
            "fraction",
            "Fraction of walls with the true angle between their sides",
            n=len(right),
        ),
    }
