# SPDX-License-Identifier: GPL-3.0-or-later
"""Displacements fitted to counted patterns of crystals that were built for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from displaced_cases import raster
from scipy.ndimage import gaussian_filter

from polarstem.displacements import scan_displacements
from polarstem.displacements.cell_displacement import CellFit, CellPatterns, fit_cell
from polarstem.displacements.displaced_crystals import DisplacedCrystals, between_places, powers
from polarstem.displacements.microscope_conditions import CELL_SPREADS, NAMES, OF_CELL, at_start
from polarstem.displacements.scan_displacements import ScanCells, fit_scan, random_error
from polarstem.displacements.verdicts import Untold, verdict

# the last one lies beyond the grid, which ends at 19 pm
SHIFTS = ((9.0, -4.0), (-12.0, -12.0), (2.0, 15.0), (0.0, 0.0), (-22.5, 3.0))
DOSE = 3e5


def counted(patterns: np.ndarray, seed: int) -> np.ndarray:
    counts = np.random.default_rng(seed).poisson(DOSE * patterns)
    return (counts / DOSE).astype(np.float32)


@pytest.fixture(scope="module")
def seen(crystals: DisplacedCrystals, directly: Any) -> Any:
    """Cells under conditions that nobody tells: of the beam, the source and the detector."""
    hidden = at_start(np.array([0.5, -0.3]), float(crystals.thickness_nm[2]))
    of_beam = {"C10": -18.0, "C12_cos": 9.0, "source": 0.65}
    of_camera = {"camera_length": 0.006, "rotation": -0.5, "shift_right": 0.12, "blur": 0.45}
    for name, value in (of_beam | of_camera).items():
        hidden[NAMES.index(name)] = value
    fractions = raster()
    weights = between_places(fractions)
    cells = [
        CellPatterns(weights, counted(directly(shift, fractions, hidden), n))
        for n, shift in enumerate(SHIFTS)
    ]
    return hidden, cells


def test_known_conditions_leave_the_counting_error(
    crystals: DisplacedCrystals, halos: Any, seen: Any
) -> None:
    hidden, cells = seen
    surface = crystals.surface(hidden)
    for cell, shift in zip(cells, SHIFTS, strict=True):
        fit = fit_cell(cell, surface, halos)
        error = fit.shift * crystals.reach_pm - shift
        sigma = crystals.reach_pm * np.sqrt(np.diag(fit.covariance))
        assert np.abs(error).max() < 0.6, (shift, error)
        # beyond the grid the polynomial errs
        assert (np.abs(error) < 4 * sigma + 0.3 * (np.abs(shift).max() > 19)).all()
        assert (sigma < 0.3).all()
        assert fit.margin > 3


@pytest.mark.parametrize("noise", ["counts", "patches", "conditions"])
def test_the_error_that_is_told_is_that_of_many_fits(
    crystals: DisplacedCrystals, directly: Any, halos: Any, noise: str
) -> None:
    """Of counted electrons, of deviations that neighbouring pixels share, and of conditions."""
    here = at_start(np.array([0.5, -0.3]), float(crystals.thickness_nm[2]))
    fractions, shift = raster(4), np.array((9.0, -4.0))
    surface, weights = crystals.surface(here), between_places(fractions)
    offsets = crystals.derivatives(here)[OF_CELL]
    expected = directly(tuple(shift), fractions, here)
    at = powers(shift / crystals.reach_pm, 2)
    along = np.stack([weights @ np.tensordot(at, each, axes=1) for each in offsets])
    random, errors, told = np.random.default_rng(1), [], []
    for _ in range(150 if noise == "conditions" else 40):
        if noise == "counts":
            patterns = random.poisson(2e4 * expected) / 2e4
        elif noise == "conditions":
            own = 1.0 * random.normal(size=5) * CELL_SPREADS
            moved = expected + np.tensordot(own, along, axes=1)
            patterns = random.poisson(4e3 * moved.clip(0)) / 4e3
        else:
            rough = random.normal(size=(len(expected), 20, 20))
            patterns = expected * (1 + 0.1 * gaussian_filter(rough, (0, 1, 1)).reshape(16, -1))
        fit = fit_cell(CellPatterns(weights, patterns.astype(np.float32)), surface, halos, offsets)
        errors.append(fit.shift - shift / crystals.reach_pm)
        told.append(fit.covariance)
    scatter = np.cov(np.transpose(errors))
    ratio = np.trace(np.mean(told, axis=0)) / np.trace(scatter)
    # 78 numbers tell a variance to 16 %, 298 to 8 %
    low, high = (0.8, 1.25) if noise == "conditions" else (0.6, 1.6)
    assert low < ratio < high


def test_one_pattern_has_few_pixels_that_are_independent(
    crystals: DisplacedCrystals, directly: Any, halos: Any
) -> None:
    here = at_start(np.zeros(2), float(crystals.thickness_nm[2]))
    fractions, shift = raster(1), np.array((9.0, -4.0))
    surface, weights = crystals.surface(here), between_places(fractions)
    expected = directly(tuple(shift), fractions, here)
    random, fits = np.random.default_rng(1), []
    for _ in range(300):
        patterns = (random.poisson(1e6 * expected) / 1e6).astype(np.float32)
        fits.append(fit_cell(CellPatterns(weights, patterns), surface, halos))
    scatter = np.cov(np.transpose([fit.shift for fit in fits]))
    ratio = np.trace(np.mean([fit.covariance for fit in fits], axis=0)) / np.trace(scatter)
    assert 0.8 < ratio < 1.25


def test_conditions_are_found_with_the_displacements(
    crystals: DisplacedCrystals, halos: Any, seen: Any
) -> None:
    hidden, cells = seen
    nm = float(hidden[NAMES.index("thickness")])
    scan = ScanCells(cells * 3, np.zeros((15, 2)), np.full(15, nm + 0.2))
    found = fit_scan(crystals, scan, halos, 0)
    assert found.settled
    for number, fit in enumerate(found.fits):
        error = fit.shift * crystals.reach_pm - SHIFTS[number % len(SHIFTS)]
        assert np.abs(error).max() < 1.0, (number, error)
        assert verdict(fit) == Untold.TOLD
    told = dict(zip(NAMES, found.conditions, strict=True))
    assert told["tilt_x"] == pytest.approx(0.5, abs=0.15)
    assert told["tilt_y"] == pytest.approx(-0.3, abs=0.15)
    assert told["C10"] == pytest.approx(-18.0, abs=5.0)
    assert told["C12_cos"] == pytest.approx(9.0, abs=3.0)
    assert told["source"] == pytest.approx(0.65, abs=0.1)
    assert told["camera_length"] == pytest.approx(0.006, abs=0.002)
    assert told["rotation"] == pytest.approx(-0.5, abs=0.1)
    assert told["shift_right"] == pytest.approx(0.12, abs=0.02)
    assert told["shift_down"] == pytest.approx(0.0, abs=0.02)
    assert told["blur"] == pytest.approx(0.45, abs=0.06)


def test_derivatives_are_taken_anew_until_conditions_settle(
    crystals: DisplacedCrystals, directly: Any, halos: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    nm = float(crystals.thickness_nm[2])
    far = at_start(np.array([0.9, -0.7]), nm)
    for name, value in {"C10": -90.0, "C21_cos": 350.0, "C12_sin": -30.0, "source": 1.1}.items():
        far[NAMES.index(name)] = value
    fractions = raster()
    weights = between_places(fractions)
    shifts = ((9.0, -4.0), (-6.0, -12.0))
    cells = [
        CellPatterns(weights, counted(directly(shift, fractions, far), n))
        for n, shift in enumerate(shifts)
    ]
    scan = ScanCells(cells * 6, np.zeros((12, 2)), np.full(12, nm + 0.5))
    found = fit_scan(crystals, scan, halos, 0)
    assert found.settled
    for fit, shift in zip(found.fits, shifts * 6, strict=True):
        assert np.abs(fit.shift * crystals.reach_pm - shift).max() < 1.0
    monkeypatch.setattr(scan_displacements, "_RENEWALS", 1)
    assert not fit_scan(crystals, scan, halos, 0).settled


@pytest.mark.parametrize(
    ("shift", "margin", "told"),
    [
        ((1.25, 0.0), 9.0, Untold.TOLD),
        ((0.0, -1.35), 9.0, Untold.TOO_LONG),
        ((0.5, 0.5), 2.9, Untold.TWO_ANSWERS),
    ],
)
def test_verdicts(shift: tuple[float, float], margin: float, told: Untold) -> None:
    nothing = np.zeros(0)
    fit = CellFit(np.array(shift), np.eye(2), 1.0, margin, nothing, nothing, nothing)
    assert verdict(fit) == told


def test_cells_may_differ_in_tilt(crystals: DisplacedCrystals, directly: Any, halos: Any) -> None:
    """A cell tilted by what the map measured has its displacement all the same."""
    common = at_start(np.zeros(2), float(crystals.thickness_nm[2]))
    tilted = common.copy()
    tilted[0] = 0.8
    fractions, shift = raster(), (8.0, 3.0)
    patterns = counted(directly(shift, fractions, tilted), 5)
    weights = between_places(fractions)
    surface, offsets = crystals.surface(common), crystals.derivatives(common)[OF_CELL]
    told = CellPatterns(weights, patterns, np.array([0.8, 0.0, 0.0, 0.0, 0.0]))
    fit = fit_cell(told, surface, halos, offsets)
    assert np.abs(fit.shift * crystals.reach_pm - shift).max() < 1.0
    ignored = fit_cell(told, surface, halos)
    assert np.abs(ignored.shift * crystals.reach_pm - shift).max() > 1.5


def test_a_foreign_crystal_fits_badly(crystals: DisplacedCrystals, halos: Any, seen: Any) -> None:
    hidden, cells = seen
    surface = crystals.surface(hidden)
    own = fit_cell(cells[0], surface, halos).misfit
    turned = CellPatterns(cells[0].weights[::-1], cells[0].patterns)
    assert fit_cell(turned, surface, halos).misfit > 10 * own


@pytest.mark.parametrize(("cells", "most"), [(8, 1.2), (20, 1.06)])
def test_random_error_is_that_of_neighbours_and_leaves_walls_out(cells: int, most: float) -> None:
    """Four domains with walls of 1.5 cells; three in ten pairs of the small scan cross one."""
    rng = np.random.default_rng(3)
    row, column = (axis.ravel() for axis in np.indices((cells, cells)))
    field = 14 * np.tanh((np.stack([column, row], axis=1) - (cells - 1) / 2) * 2 / 1.5)
    drawn = [field + rng.normal(size=field.shape) for _ in range(50)]
    found = [random_error(shifts, row, column) for shifts in drawn]
    assert 0.95 < np.mean(found) < most
    # nine cells in a row have eight pairs, which are enough
    along, flat = np.arange(9), np.zeros(9, int)
    drawn = list(rng.normal(size=(200, 9, 2)))
    assert np.isfinite([random_error(shifts, flat, along) for shifts in drawn]).sum() > 100
    assert np.isnan([random_error(s[:8], flat[:8], along[:8]) for s in drawn]).all()
