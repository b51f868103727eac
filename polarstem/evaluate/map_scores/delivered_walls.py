# SPDX-License-Identifier: GPL-3.0-or-later
"""Walls as a user finds them: where the labels that a map delivers change.

Nothing is known but the labels: the class of each unit cell, or that it has none. Along each row
(or column) of cells across a wall, two or more neighbouring answers of one direction are a domain;
answers of a single cell and cells without one are none. A wall stands in the middle between the
last cell of a domain and the first of the next one, so what lies between them, missing answers and
single wrong arrows, makes its place uncertain. The truth is only held against what was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from polarstem.evaluate.map_scores.beside_truth import AWAY_CELLS, agrees, in_map, truth_of_cells
from polarstem.evaluate.map_scores.known_walls import Wall, walls_of
from polarstem.evaluate.summary.entries import Entry, entry

REACH_CELLS = 2.0
"""A change of labels farther from a wall than this many unit cells is not that wall."""
LEAST_CELLS = 2
"""Neighbouring answers of one direction that make a domain."""

FloatArray = NDArray[np.float64]


class Change(NamedTuple):
    """Between which cells of a line, counted from 0, one domain ends and another begins."""

    last: int
    first: int


@dataclass(frozen=True)
class Line:
    """What a line of cells across walls says of one of them, or of none.

    Attributes
    ----------
    with_right_labels : float
        Distance from the wall at which right labels in every cell have it [unit cells].
    delivered : float or None
        The same with the map's labels; None where they show no wall there.
    between : int
        Cells between the two domains, without an answer or with another one.
    """

    with_right_labels: float
    delivered: float | None
    between: int


def changes(labels: Sequence[int], least: int = LEAST_CELLS) -> list[Change]:
    """Find where the labels along a line of cells go from one domain to another.

    Parameters
    ----------
    labels : sequence of int
        Class of each cell, -1 for none.
    least : int
        Answers of one class in a row that make a domain; cells without an answer do not end it.

    Returns
    -------
    list of Change
        In the order of the line.
    """
    runs: list[list[int]] = []  # cells of each run
    for number, label in enumerate(labels):
        if label < 0:
            continue
        if runs and labels[runs[-1][-1]] == label:
            runs[-1].append(number)
        else:
            runs.append([number])
    domains = [run for run in runs if len(run) >= least]
    return [
        Change(before[-1], after[0])
        for before, after in pairwise(domains)
        if labels[before[-1]] != labels[after[0]]
    ]


def delivered_wall_scores(found: xr.Dataset, truth: xr.Dataset, cell_nm: float) -> dict[str, Entry]:
    """What the labels of a map say of the walls in its scan.

    Parameters
    ----------
    found, truth : Dataset
        Map and truth.
    cell_nm : float
        Size of a unit cell [nm].

    Returns
    -------
    dict of str to entry
        None without a wall in the scan. Of the lines of cells on which right labels would show a
        wall: ``wall_found``; ``wall_error_cells``, ``wall_error_nm``, ``wall_largest_error_cells``
        and ``wall_gap_cells`` where it is found; ``wall_error_right_labels_cells``;
        ``wall_changes_elsewhere``. Of the cells within one of a wall: ``wall_confidently_wrong``,
        ``wall_confidently_wrong_cells``, ``wall_neither_side_cells``. Without intervals: lines and
        cells of one scan are no independent samples.
    """
    walls = walls_of(truth)
    if not walls:
        return {}
    own, beside = _domains_of_cells(found, truth, walls)
    answered = found["cell_answered"].values.astype(bool)
    classes = found["cell_class_index"].values
    delivered = np.where(answered, classes, -1)
    right = np.where(np.isnan(own), -1, in_map(found, own))
    lines, elsewhere = _look_along(found, walls, delivered, right, cell_nm)
    seen = [line for line in lines if line.delivered is not None]
    errors = np.abs([line.delivered for line in seen if line.delivered is not None])
    what = "rows of unit cells across walls, with the labels that the map delivers"
    mean = (
        "Mean distance of walls from where they are, each in the middle between the last cell of "
        "a domain and the first of the next, in those rows where one is found"
    )
    scores = {
        "wall_found": entry(
            len(seen) / len(lines) if lines else np.nan,
            "fraction",
            f"Fraction of {what}, in which one domain gives way to another within "
            f"{REACH_CELLS:g} cells of the wall",
            n=len(lines),
        ),
        "wall_error_cells": entry(_mean(errors), "unit cells", mean, n=len(seen)),
        "wall_error_nm": entry(_mean(errors) * cell_nm, "nm", mean, n=len(seen)),
        "wall_largest_error_cells": entry(
            errors.max() if seen else np.nan,
            "unit cells",
            "Largest distance of a wall from where it is, in those rows where one is found",
            n=len(seen),
        ),
        "wall_gap_cells": entry(
            _mean([line.between for line in seen]),
            "unit cells",
            "Mean number of cells between the two domains that have no answer or another one",
            n=len(seen),
        ),
        "wall_error_right_labels_cells": entry(
            _mean(np.abs([line.with_right_labels for line in lines])),
            "unit cells",
            "Mean distance of walls from where they are if every cell had the right label: what "
            "the size of the cells alone costs",
            n=len(lines),
        ),
        "wall_changes_elsewhere": entry(
            elsewhere,
            "1",
            f"Number of other places in those rows where one domain gives way to another, farther "
            f"than {REACH_CELLS:g} cells from a wall or beside a wall already found",
            n=len(lines),
        ),
    }
    return scores | _arrows_at_walls(found, truth, own, beside, cell_nm)


def _mean(values: Sequence[float] | FloatArray) -> float:
    return float(np.mean(values)) if len(values) else np.nan


def _domains_of_cells(
    found: xr.Dataset, truth: xr.Dataset, walls: Sequence[Wall]
) -> tuple[FloatArray, FloatArray]:
    """Directions in the scan of the domain that each cell's middle lies in, and beside its wall.

    Shapes (cell,), NaN where nothing is polar, and (cell, 2), of the nearest wall [degrees]. A
    domain has the direction that is farthest from any wall, where it is mixed with no other.
    """
    domain, polar = truth["domain"].values, truth["class_index"].values >= 0
    distance, direction = truth["wall_distance"].values, truth["direction"].values
    of_domain = np.full(int(domain.max()) + 1, np.nan)
    for number in np.unique(domain[polar]):
        inside = polar & (domain == number)
        of_domain[number] = direction[inside][distance[inside].argmax()]
    cells = truth_of_cells(found, truth)
    own = np.where(cells["class_index"] >= 0, of_domain[cells["domain"]], np.nan)
    apart = np.stack([_from_wall(found, wall) for wall in walls], axis=1)
    sides = np.array([[of_domain[d] for d in wall.domains] for wall in walls])
    return own, sides[apart.argmin(axis=1)]


def _from_wall(found: xr.Dataset, wall: Wall) -> FloatArray:
    """Distance of the middle of each cell from a wall, which may end in the scan [nm]."""
    s, u, length = _in_frame(found, wall)
    return np.hypot(s, u - np.clip(u, 0, length))


def _in_frame(found: xr.Dataset, wall: Wall) -> tuple[FloatArray, FloatArray, float]:
    """Middles of the cells across and along a wall, and its length [nm]."""
    along, across, length = wall.frame()
    centres = np.stack([found["cell_centre_y"].values, found["cell_centre_x"].values], axis=1)
    return (centres - wall.start) @ across, (centres - wall.start) @ along, length


def _look_along(
    found: xr.Dataset,
    walls: Sequence[Wall],
    delivered: NDArray[np.integer],
    right: NDArray[np.integer],
    cell_nm: float,
) -> tuple[list[Line], int]:
    """Walls on the lines that cross them, and how many changes of labels are none of them.

    Each wall is looked for along rows or along columns, whichever it lies more squarely across.
    """
    row, column = found["cell_row"].values, found["cell_column"].values
    lattice = np.stack([row, column, np.ones(len(row))], axis=1)
    framed = [_in_frame(found, wall) for wall in walls]
    lines: list[Line] = []
    elsewhere = 0
    for along, across in ((column, row), (row, column)):
        mine = []
        for s, u, length in framed:
            by_row, by_column, _ = np.abs(np.linalg.lstsq(lattice, s, rcond=None)[0])
            if (by_row <= by_column) == (across is row):
                mine.append((s, u, length))
        for number in np.unique(across):
            cells = np.flatnonzero(across == number)
            cells = cells[np.argsort(along[cells], kind="stable")]
            crossed = [s[cells] / cell_nm for s, u, length in mine if _crosses(s, u, length, cells)]
            if not crossed:
                continue
            wanted = _matched(changes(right[cells].tolist()), crossed)
            told = changes(delivered[cells].tolist())
            given = _matched(told, crossed)
            elsewhere += len(told) - len(given) if wanted else 0
            for wall, change in wanted.items():
                place = _place(given[wall], crossed[wall]) if wall in given else None
                between = given[wall].first - given[wall].last - 1 if wall in given else 0
                lines.append(Line(_place(change, crossed[wall]), place, between))
    return lines, elsewhere


def _crosses(s: FloatArray, u: FloatArray, length: float, cells: NDArray[np.integer]) -> bool:
    """Whether a line of cells goes through a piece of wall, given both in the wall's frame."""
    before, after = s[cells][:-1], s[cells][1:]
    (steps,) = np.nonzero((before <= 0) != (after <= 0))
    if not len(steps):
        return False
    i = steps[0]
    share = before[i] / (before[i] - after[i])
    at = u[cells][i] + share * (u[cells][i + 1] - u[cells][i])
    return bool(0 <= at <= length)


def _place(change: Change, s: FloatArray) -> float:
    """Distance of a change of labels from a wall, given that of each cell."""
    return float(s[change.last] + s[change.first]) / 2


def _matched(found: Sequence[Change], crossed: Sequence[FloatArray]) -> dict[int, Change]:
    """Changes that stand for walls of a line: each for one, together nearest, none out of reach."""
    apart = np.array([[abs(_place(change, s)) for change in found] for s in crossed])
    apart = apart.reshape(len(crossed), len(found))
    pairs = zip(*linear_sum_assignment(np.minimum(apart, 1e3 * REACH_CELLS)), strict=True)
    return {int(w): found[c] for w, c in pairs if apart[w, c] <= REACH_CELLS}


def _arrows_at_walls(
    found: xr.Dataset,
    truth: xr.Dataset,
    own: FloatArray,
    beside: FloatArray,
    cell_nm: float,
) -> dict[str, Entry]:
    """Wrong answers of the cells within one of a wall, which are judged nowhere else."""
    near = truth_of_cells(found, truth)["wall_distance"] <= AWAY_CELLS * cell_nm
    classes = found["cell_class_index"].values
    answered = found["cell_answered"].values.astype(bool)
    wrong = near & answered & ~(agrees(found, classes, own) & np.isfinite(own))
    sides = [agrees(found, classes, side) & np.isfinite(side) for side in beside.T]
    neither = near & answered & ~np.logical_or(*sides)
    n = int(near.sum())
    what = "unit cells within one cell of a wall that have an answer and"
    domain = "that is not the direction of the domain that their middle lies in"
    return {
        "wall_confidently_wrong": entry(
            wrong.sum() / n if n else np.nan, "fraction", f"Fraction of {what} one {domain}", n=n
        ),
        "wall_confidently_wrong_cells": entry(
            wrong.sum(), "1", f"Number of {what} one {domain}", n=n
        ),
        "wall_neither_side_cells": entry(
            neither.sum(), "1", f"Number of {what} one that neither side of the wall has", n=n
        ),
    }
