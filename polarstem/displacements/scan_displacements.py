# SPDX-License-Identifier: GPL-3.0-or-later
"""Displacements of all cells of a scan, and the conditions that its patterns share.

First tilt, thickness, aberrations and source are fitted to a sample of cells, whose displacements
are eliminated; then every cell is fitted by itself, tilt and thickness free within what may differ.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from polarstem.displacements.cell_displacement import CellFit, CellPatterns, Halos, fit_cell
from polarstem.displacements.displaced_crystals import DisplacedCrystals, Images
from polarstem.displacements.microscope_conditions import (
    NAMES,
    OF_CELL,
    SPREADS,
    Conditions,
    allowed,
    at_start,
)
from polarstem.logs import progress

logger = logging.getLogger("polarstem")

_SAMPLE = 24  # cells that the conditions are fitted to
_ROUNDS = 4  # with the same derivatives
_RENEWALS = 4
_SETTLED = 0.1  # of the spreads
_LEAST_PAIRS = 8  # of neighbours: fewer leave the error to chance
_GROUP_NM = 1.5  # cells whose thickness differs by less share a surface


@dataclass(frozen=True)
class ScanCells:
    """Cells of a scan, as a map has them.

    Attributes
    ----------
    cells : sequence of CellPatterns
        Nothing is expected of them beside what stands below.
    tilt_mrad : ndarray, shape (cell, 2)
        To the right and up along the crystal's axes [mrad].
    thickness_nm : ndarray, shape (cell,)
        [nm].
    """

    cells: Sequence[CellPatterns]
    tilt_mrad: NDArray[np.float64]
    thickness_nm: NDArray[np.float64]

    @property
    def own(self) -> NDArray[np.float64]:
        """Tilt, thickness, and no change of place, shape (cell, 5)."""
        return np.column_stack([self.tilt_mrad, self.thickness_nm, 0 * self.tilt_mrad])


@dataclass(frozen=True)
class Displacements:
    """What was found.

    Attributes
    ----------
    fits : list of CellFit
        Of each cell.
    conditions : Conditions
        At the mean thickness and tilt of the sample.
    common : ndarray, shape (2, 2)
        Covariance of the error that all shifts share, as conditions are not known exactly.
    settled : bool
        Whether conditions were found; else displacements are those of conditions on the way.
    """

    fits: list[CellFit]
    conditions: Conditions
    common: NDArray[np.float64]
    settled: bool


def fit_scan(
    crystals: DisplacedCrystals, scan: ScanCells, halos: Halos, seed: int
) -> Displacements:
    """Fit every cell.

    Parameters
    ----------
    crystals : DisplacedCrystals
    scan : ScanCells
    halos : callable
        See `fit_cell`.
    seed : int
        Of the sample.
    """
    order = np.random.default_rng(seed).permutation(len(scan.cells))
    groups = np.rint((scan.thickness_nm - np.median(scan.thickness_nm)) / _GROUP_NM).astype(int)
    common = order[groups[order] == np.bincount(groups - groups.min()).argmax() + groups.min()]
    sample = common[:_SAMPLE]
    shared = _shared_conditions(crystals, scan, sample, halos)
    middle = scan.own[sample].mean(0)
    fits: list[CellFit | None] = [None] * len(scan.cells)
    for group in np.unique(groups).tolist():
        members = np.flatnonzero(groups == group)
        here = shared.conditions.copy()
        about = scan.own[members].mean(0)
        here[OF_CELL] += about - middle
        surface = crystals.surface(here)
        for cell in progress(members.tolist(), len(members), "unit cells"):
            own = replace(scan.cells[cell], expected=scan.own[cell] - about)
            fits[cell] = fit_cell(own, surface, halos, shared.beside[OF_CELL])
    found = [fit for fit in fits if fit is not None]
    return Displacements(found, shared.conditions, shared.common, shared.settled)


class _Shared(NamedTuple):
    """Conditions, and the derivatives near them."""

    conditions: Conditions
    common: NDArray[np.float64]
    beside: Images
    settled: bool


def _shared_conditions(
    crystals: DisplacedCrystals, scan: ScanCells, sample: NDArray[np.int64], halos: Halos
) -> _Shared:
    """What the patterns of some cells share, by Gauss-Newton steps, and what it leaves open.

    Derivatives take most of the time: they are taken anew only where steps do not end.
    """
    own = scan.own[sample]
    start = at_start(own[:, :2].mean(0), float(own[:, 2].mean()))
    conditions, settled = start, False
    beside = crystals.derivatives(start)
    for number in range(_RENEWALS * _ROUNDS):
        if number and number % _ROUNDS == 0:
            beside = crystals.derivatives(conditions)
        surface = crystals.surface(conditions)
        fits = [
            fit_cell(scan.cells[cell], surface, halos, conditions=beside)
            for cell in progress(sample.tolist(), len(sample), "conditions by unit cells")
        ]
        normal = sum((fit.normal for fit in fits), np.diag(SPREADS**-2))
        side = sum((fit.side for fit in fits), (start - conditions) * SPREADS**-2)
        step = np.linalg.solve(normal, side)
        moved = allowed(conditions + np.clip(step, -2 * SPREADS, 2 * SPREADS))
        settled = bool((np.abs(moved - conditions) < _SETTLED * SPREADS).all())
        conditions = moved
        if settled:
            break
    response = np.mean([fit.response for fit in fits], axis=0)
    common = response @ np.linalg.inv(normal) @ response.T
    told = ", ".join(f"{n} {v:.3g}" for n, v in zip(NAMES, conditions.tolist(), strict=True))
    logger.info("conditions: %s%s", told, "" if settled else "; not settled")
    return _Shared(conditions, common, beside, settled)


def random_error(
    shifts: NDArray[np.float64], row: NDArray[np.integer], column: NDArray[np.integer]
) -> float:
    """Standard deviation of a component by how much neighbouring cells differ.

    What really changes from cell to cell is in it, walls are not: of the differences a median is
    taken, and those beyond three times it are left out until none is.

    Parameters
    ----------
    shifts : ndarray, shape (cell, 2)
        Displacements; cells without one are not numbers.
    row, column : ndarray of int, shape (cell,)
        Places of the cells in the lattice.

    Returns
    -------
    float
        In the units of the shifts; not a number where fewer than eight pairs are left.
    """
    place = {at: n for n, at in enumerate(zip(row.tolist(), column.tolist(), strict=True))}
    pairs = [
        (n, place[at])
        for (y, x), n in place.items()
        for at in ((y + 1, x), (y, x + 1))
        if at in place
    ]
    if not pairs:
        return float("nan")
    first, second = np.array(pairs).T
    apart = np.abs(shifts[first] - shifts[second])
    apart = apart[np.isfinite(apart).all(1)]
    while len(apart) >= _LEAST_PAIRS:
        spread = 1.4826 * np.median(apart)
        within = (apart <= 3 * spread).all(1)
        if within.all():
            return float(spread / np.sqrt(2))
        apart = apart[within]
    return float("nan")
