# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors over the unit cell: numbers that counting noise does not shift, and defects in pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from polarstem.evaluate.claims.disturbances import _area
from polarstem.evaluate.claims.periodicity import share_where_needed, variance_over_cell
from polarstem.evaluate.scores.predictions import DomainPredictions
from tests.unit.evaluate import synthetic_results as synthetic

SIDE = 8
STEP = (np.arange(SIDE) + 0.5) / SIDE
Y, X = (axis.ravel() for axis in np.meshgrid(STEP, STEP, indexing="ij"))
WAVE = np.cos(2 * np.pi * Y)  # variance 1/2


def scans(wrong: np.ndarray) -> DomainPredictions:
    """Scans over one cell, wrong at places (specimen, position)."""
    n = len(wrong)
    true = np.repeat(np.arange(n) % 8, SIDE**2)
    return DomainPredictions(
        run=dict.fromkeys(("model", "family", "head", "source", "seed"), "0"),
        domain="d",
        class_names=synthetic.NAMES,
        class_directions=synthetic.DIRECTIONS,
        probability=np.eye(8, dtype="f4")[(true + wrong.ravel()) % 8],
        class_index=true,
        specimen=np.repeat(np.arange(n), SIDE**2),
        specimen_names=[str(i) for i in range(n)],
        thickness=np.full(len(true), 20.0),
        cell_y=np.tile(Y, n),
        cell_x=np.tile(X, n),
        scan_y=np.zeros(len(true), np.int64),
        scan_x=np.zeros(len(true), np.int64),
        calibration=None,
    )


def variance(wrong: np.ndarray, crystal: np.ndarray | None = None) -> float:
    own = np.arange(len(wrong)) if crystal is None else crystal
    return variance_over_cell(scans(wrong), np.ones(len(wrong)), own)


@pytest.mark.parametrize(("rate", "depth"), [(0.5, 0.6), (0.1, 0.6), (0.03, 0.6), (0.1, 0.0)])
def test_variance_is_that_of_the_rate_however_few_errors(rate, depth):
    rng = np.random.default_rng(1)
    chance = rate * (1 + depth * WAVE)
    found = [variance(rng.random((16, SIDE**2)) < chance) for _ in range(150)]
    error = np.std(found) / np.sqrt(len(found))
    assert np.mean(found) == pytest.approx(depth**2 / 2, abs=3 * error + 0.01)
    assert error < 0.05


def test_what_a_single_crystal_repeats_in_its_copies_is_no_recurrence():
    rng = np.random.default_rng(2)
    once = rng.random((8, SIDE**2)) < 0.1
    copies = np.concatenate([once, once])
    crystal = np.tile(np.arange(8), 2)
    assert variance(copies) > 0.5
    assert variance(copies, crystal) == pytest.approx(variance(once))
    assert np.isnan(variance(copies, np.zeros(16, int)))


def test_specimens_that_are_harder_everywhere_are_not_periodic():
    wrong = np.zeros((8, SIDE**2), bool)
    wrong[:3] = True
    assert variance(wrong) == 0
    assert np.isnan(variance(np.zeros((8, SIDE**2), bool)))


def test_what_is_left_out_counts_nothing():
    rng = np.random.default_rng(3)
    wrong = rng.random((6, SIDE**2)) < 0.2 * (1 + WAVE)
    weights = np.array([1.0, 0, 1, 1, 0, 1])
    kept = variance_over_cell(scans(wrong), weights, np.arange(6))
    assert kept == pytest.approx(variance(wrong[weights > 0]))
    assert kept != pytest.approx(variance(wrong))


def test_share_of_errors_where_electrons_are_needed():
    needed = (100 + 900 * (Y > 0.5)).reshape(SIDE, SIDE)
    there = np.tile(Y > 0.5, (2, 1))
    places = {1.0: there, 0.0: ~there, 0.5: np.ones_like(there), 0.25: there & (X > 2 / 3) | ~there}
    for share, wrong in places.items():
        found = share_where_needed(needed, [scans(wrong)], [np.ones(2)])
        assert found == pytest.approx(share, abs=0.03)
    # by rates: a half that is visited less has fewer errors
    few = scans(np.ones_like(there))
    kept = (few.cell_y < 0.5) | (few.cell_x < 0.5)
    half = {
        name: getattr(few, name)[kept]
        for name in ("probability", "class_index", "specimen", "thickness", "cell_y", "cell_x")
    }
    assert share_where_needed(needed, [replace(few, **half)], [np.ones(2)]) == pytest.approx(0.5)
    assert np.isnan(share_where_needed(needed, [scans(there & ~there)], [np.ones(2)]))
    one = np.stack([there[0], ~there[0]])
    assert share_where_needed(needed, [scans(one)], [np.array([1.0, 0.0])]) == 1


def test_area_is_how_often_one_is_larger():
    rng = np.random.default_rng(4)
    a, b = rng.integers(0, 9, 40) / 8, rng.integers(2, 12, 30) / 8
    pairs = np.subtract.outer(a, b)
    assert _area(a, b) == pytest.approx(np.mean((pairs > 0) + 0.5 * (pairs == 0)))
