# SPDX-License-Identifier: GPL-3.0-or-later
"""The bound of made-up patterns, against textbook results, other parameters and fits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from polarstem.config.vector_bound import PARAMETERS, parameters_of
from polarstem.evaluate.limit.count_fit import error_ratio, fit_counts, fit_errors
from polarstem.evaluate.limit.displaced_patterns import Expansion
from polarstem.evaluate.limit.vector_bound import (
    component_error,
    displacement_covariance,
    fisher_information,
)

NUISANCE = list(PARAMETERS)[2:]
POSITIONS, PIXELS = 4, 90


@pytest.fixture(scope="module")
def expansion() -> Expansion:
    """Patterns that change by some per cent with each parameter's unit, a little curved."""
    rng = np.random.default_rng(5)
    patterns = rng.gamma(3, size=(POSITIONS, PIXELS))
    patterns /= patterns.sum(-1, keepdims=True)
    shape = (len(PARAMETERS), POSITIONS, PIXELS)
    slopes = patterns * 0.03 * rng.standard_normal(shape)
    slopes[2] += slopes[0]  # a thickness looks partly like a displacement to the right
    return Expansion(patterns, slopes, patterns * 2e-3 * rng.standard_normal(shape))


def bound_of(expansion: Expansion, nuisance=()) -> np.ndarray:
    fisher = fisher_information(expansion.patterns, expansion.slopes).sum(0)
    return displacement_covariance(fisher, nuisance)


def test_information_of_one_counted_number():
    """A mean of N p with slope N s has N s^2 / p, and dark pixels have none."""
    slopes = np.zeros((len(PARAMETERS), 1, 2))
    slopes[0, 0], slopes[1, 0] = (0.1, 5.0), (0.3, 0.0)
    fisher = fisher_information(np.array([[0.2, 0.0]]), slopes)
    assert fisher.shape == (1, len(PARAMETERS), len(PARAMETERS))
    np.testing.assert_allclose(fisher[0, :2, :2], [[0.05, 0.15], [0.15, 0.45]])


def test_bound_is_the_displacements_part_of_the_inverse(expansion):
    fisher = fisher_information(expansion.patterns, expansion.slopes).sum(0)
    np.testing.assert_allclose(bound_of(expansion), np.linalg.inv(fisher[:2, :2]))
    np.testing.assert_allclose(bound_of(expansion, NUISANCE), np.linalg.inv(fisher)[:2, :2])
    some = parameters_of(["tilt", "thickness"])
    assert some == ["tilt_x", "tilt_y", "thickness"]
    rows = [0, 1, 3, 4, 2]
    wanted = np.linalg.inv(fisher[np.ix_(rows, rows)])[:2, :2]
    np.testing.assert_allclose(bound_of(expansion, some), wanted)
    # what is unknown costs, and what looks like the displacement most
    known, both, one = (
        component_error(bound_of(expansion, n)) for n in ((), NUISANCE, ["thickness"])
    )
    assert known * 1.1 < one < both
    assert component_error(np.diag([9.0, 16.0])) == pytest.approx(np.sqrt(12.5))


def test_bound_does_not_depend_on_what_nuisances_are_called(expansion):
    """Any other parameters in their place, of other sizes, give the same bound."""
    rng = np.random.default_rng(6)
    mixing = np.linalg.qr(rng.standard_normal((7, 7)))[0]
    mixing *= 10.0 ** rng.uniform(-4, 4, (7, 1))
    other = expansion.slopes.copy()
    other[2:] = np.einsum("ab,b...->a...", mixing, expansion.slopes[2:])
    mixed = Expansion(expansion.patterns, other, expansion.curvatures)
    np.testing.assert_allclose(bound_of(mixed, NUISANCE), bound_of(expansion, NUISANCE), rtol=1e-6)


def test_bound_follows_the_displacements_own_parameters(expansion):
    """Length and angle of a displacement have the bound that its components give them."""
    length, angle = 12.0, 0.7
    cosine, sine = np.cos(angle), np.sin(angle)
    jacobian = np.array([[cosine, -length * sine], [sine, length * cosine]])
    slopes = expansion.slopes.copy()
    slopes[:2] = np.einsum("ca,c...->a...", jacobian, expansion.slopes[:2])
    polar = Expansion(expansion.patterns, slopes, expansion.curvatures)
    back = jacobian @ bound_of(polar, NUISANCE) @ jacobian.T
    np.testing.assert_allclose(back, bound_of(expansion, NUISANCE), rtol=1e-9)


def test_nuisance_that_no_pattern_shows_costs_nothing(expansion):
    slopes = expansion.slopes.copy()
    slopes[list(PARAMETERS).index("defocus")] = 0
    dark = Expansion(expansion.patterns, slopes, expansion.curvatures)
    np.testing.assert_allclose(bound_of(dark, ["defocus"]), bound_of(dark))


@pytest.mark.parametrize("nuisance", [[], NUISANCE])
def test_fits_reach_the_bound_and_no_less(expansion, nuisance):
    """Four hundred scans; with so many, errors a quarter larger or smaller would show."""
    found = fit_errors(expansion, 1e6, nuisance, 400, seed=3)
    assert found.low < 1 < found.high
    assert found.high < 1.25 * found.low
    # the bound itself falls with the dose, and so do the errors
    ten = fit_errors(expansion, 1e7, nuisance, 400, seed=3)
    assert ten.low < 1 < ten.high


def test_fits_find_other_parameters_than_those_of_the_expansion(expansion):
    """Truth two standard deviations away, its patterns curved; a straight fit would be off."""
    dose, rng = 1e6, np.random.default_rng(8)
    covariance = bound_of(expansion, NUISANCE) / dose
    truth = np.zeros(len(PARAMETERS))
    truth[:2] = 2 * np.sqrt(np.diag(covariance)) * (1, -1)
    truth[2:] = 3
    change = np.einsum("a,a...->...", truth, expansion.slopes)
    change = change + np.einsum("a,a...->...", truth**2, expansion.curvatures) / 2
    counts = rng.poisson(dose * (expansion.patterns + change), (400, POSITIONS, PIXELS))
    errors = fit_counts(counts, expansion, dose, list(PARAMETERS))[:, :2] - truth[:2]
    mean = errors.mean(0) / np.sqrt(np.diag(covariance) / 400)
    assert np.abs(mean).max() < 4
    straight = Expansion(expansion.patterns, expansion.slopes, 0 * expansion.curvatures)
    off = fit_counts(counts, straight, dose, list(PARAMETERS))[:, :2] - truth[:2]
    assert np.abs(off.mean(0) / np.sqrt(np.diag(covariance) / 400)).max() > 6


def test_fits_that_do_not_settle_are_told(expansion):
    """Too few electrons for an expansion: no number stands for errors without end."""
    found = fit_errors(expansion, 0.3, NUISANCE, 60, seed=1)
    assert np.isnan(found.ratio)


def test_interval_is_that_of_normal_errors():
    rng = np.random.default_rng(9)
    bound = np.array([[2.0, 0.6], [0.6, 1.0]])
    errors = rng.multivariate_normal([0, 0], 1.5 * bound, size=300)
    found = error_ratio(errors, bound)
    assert found.ratio == pytest.approx(1.5, rel=0.15)
    freedom = 600
    low, high = (found.ratio * freedom / chi2.ppf(p, freedom) for p in (0.975, 0.025))
    assert found.low == pytest.approx(low)
    assert found.high == pytest.approx(high)
