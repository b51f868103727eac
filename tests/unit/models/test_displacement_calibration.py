# SPDX-License-Identifier: GPL-3.0-or-later
"""Joining densities of patterns: as much as they tell, and no more."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.data.patterns import PatternSet
from polarstem.models import displacement_grid as grid
from polarstem.models.displacement_calibration import DisplacementCalibration, fit_displacements

SCANS, POSITIONS = 160, 36
QUARTERS = np.array([np.eye(2), [[0, -1], [1, 0]], -np.eye(2), [[0, 1], [-1, 0]]])


def scans(alike: float, seed: int = 0, dose: bool = False):
    """What Gaussian measurements of Gaussian vectors leave, and the truth.

    Each pattern misses by 0.8, of which a share `alike` is the same for all patterns of a scan;
    with `dose`, by twice as much at a hundredth of the dose, which the densities do not know.
    """
    random = np.random.default_rng(seed)
    truth = 0.4 * random.normal(size=(SCANS, 2))
    doses = np.where(np.arange(SCANS) % 2, 1e5, 1e3) if dose else np.full(SCANS, 1e4)
    wide = np.where(doses < 1e4, 2.0, 1.0)[:, None, None] * 0.8
    common = random.normal(size=(SCANS, 1, 2)) * np.sqrt(alike)
    own = random.normal(size=(SCANS, POSITIONS, 2)) * np.sqrt(1 - alike)
    places = (truth[:, None] + wide * (common + own)).reshape(-1, 2)
    distance = np.square(grid.nodes()[None] - places[:, None]).sum(axis=-1)
    before = np.square(grid.nodes()).sum(axis=-1) / (2 * 0.4**2)
    density = np.exp(-distance / (2 * 0.8**2) - before)
    density /= density.sum(axis=1, keepdims=True)
    patterns = PatternSet.from_arrays(
        np.zeros((len(places), 2, 2), np.float32),
        np.zeros(len(places)),
        ["RM", "LM"],
        [0.0, 180.0],
        specimen=np.repeat([f"s{n}" for n in range(SCANS)], POSITIONS),
        polar=np.repeat(truth, POSITIONS, axis=0),
        dose=np.repeat(doses, POSITIONS),
    )
    return density, patterns, truth


def inside(calibration: DisplacementCalibration, alike: float, level: float, **more) -> float:
    """Share of new scans whose truth lies in the ellipse of this level."""
    density, patterns, truth = scans(alike, seed=1, **more)
    found = grid.moments(calibration.pool(density, patterns.scan, patterns.dose))
    order = np.unique(patterns.scan, return_index=True)[1]
    error = found.mean - patterns.polar[order]
    assert len(error) == len(truth)
    distance = np.einsum("ni,nij,nj->n", error, np.linalg.inv(found.covariance), error)
    return float((distance <= -2 * np.log(1 - level)).mean())


@pytest.mark.parametrize("alike", [0.2, 0.9])
def test_ellipses_hold_as_many_as_they_say(alike: float) -> None:
    density, patterns, _ = scans(alike)
    found = fit_displacements(density, patterns, grid.images(QUARTERS), 20.0)
    assert found.positions == POSITIONS
    assert found.scans == SCANS
    assert inside(found, alike, 0.68) == pytest.approx(0.68, abs=0.1)
    assert inside(found, alike, 0.95) == pytest.approx(0.95, abs=0.05)


def test_patterns_that_err_alike_add_up_to_little() -> None:
    apart, together = (
        fit_displacements(*scans(alike)[:2], grid.images(QUARTERS), 20.0) for alike in (0.0, 0.95)
    )
    assert apart.gain == pytest.approx(36, rel=0.25)
    assert apart.power == pytest.approx(1, abs=0.1)
    assert together.gain == pytest.approx(1, rel=0.3)
    assert together.power < 0.2


def test_the_gain_follows_the_dose() -> None:
    density, patterns, _ = scans(0.5, dose=True)
    found = fit_displacements(density, patterns, grid.images(QUARTERS), 20.0)
    assert (found.dose_low, found.dose_high) == (1e3, 1e5)
    # four times the variance at a hundredth of the dose
    assert found.gain_per_decade**2 == pytest.approx(4, rel=0.4)
    cell = np.zeros(POSITIONS, int)

    def spread(dose):
        given = None if dose is None else np.full(POSITIONS, dose)
        covariance = grid.moments(found.pool(density[:POSITIONS], cell, given)).covariance
        return np.trace(covariance[0])

    # of a prior of 0.16 and what is left of 0.64, or of four times that, in each component
    assert spread(1e5) == pytest.approx(2 / (1 / 0.16 + 1 / 0.33), rel=0.15)
    assert spread(1e3) == pytest.approx(2 / (1 / 0.16 + 1 / 1.32), rel=0.15)
    assert spread(10.0) == spread(1e3)
    assert spread(None) == pytest.approx(spread(1e3))
    assert spread(np.nan) == pytest.approx(spread(1e3))


def test_the_prior_counts_once() -> None:
    """Patterns that tell nothing leave what was known before, however many they are."""
    density, patterns, _ = scans(0.5)
    found = fit_displacements(density, patterns, grid.images(QUARTERS), 20.0)
    prior = np.array(found.prior)
    assert prior.sum() == pytest.approx(1)
    for image in grid.images(QUARTERS):
        np.testing.assert_allclose(prior[image], prior)
    for count in (1, 9, 72):
        pooled = found.pool(np.tile(prior, (count, 1)), np.zeros(count, int))
        np.testing.assert_allclose(pooled[0], prior, rtol=1e-6, atol=1e-9)


def test_cells_are_those_that_are_named() -> None:
    density, patterns, _ = scans(0.5)
    found = fit_displacements(density, patterns, grid.images(QUARTERS), 20.0)
    cell = np.array([1, 0, -1, 1])
    pooled = found.pool(density[:4], cell, patterns.dose[:4])
    np.testing.assert_allclose(pooled.sum(axis=1), 1)
    np.testing.assert_allclose(pooled[0], found.pool(density[1:2], [0], patterns.dose[1:2])[0])
    np.testing.assert_allclose(pooled[1], found.pool(density[[3, 0]], [0, 0], patterns.dose[:2])[0])


def test_more_patterns_than_a_cell_was_fitted_on_tell_no_more() -> None:
    density, patterns, _ = scans(0.5)
    found = fit_displacements(density, patterns, grid.images(QUARTERS), 20.0)
    one = density[:POSITIONS]

    def pooled(rows):
        return found.pool(rows, np.zeros(len(rows), int), np.full(len(rows), 1e4))

    np.testing.assert_allclose(pooled(np.tile(one, (3, 1))), pooled(one), rtol=1e-6)
    assert np.abs(pooled(one[:9]) - pooled(np.tile(one[:9], (4, 1)))).max() > 1e-4


def test_what_is_saved_comes_back() -> None:
    density, patterns, _ = scans(0.5)
    found = fit_displacements(density, patterns, grid.images(QUARTERS), 20.0)
    again = DisplacementCalibration.of({"displacements": found.attributes()})
    assert again is not None
    np.testing.assert_allclose(again.prior, found.prior, rtol=1e-3)
    assert (again.gain, again.power, again.template_pm) == (found.gain, found.power, 20.0)
    assert DisplacementCalibration.of({}) is None
