# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import poisson

from polarstem.data.chernoff import chernoff_information


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.1), (1.0, 4.0), (1e-3, 50.0), (3.0, 1e6)])
def test_two_counts_have_the_closed_form(a, b):
    # the slope a - b - a^s b^(1-s) ln(a / b) vanishes at
    s = np.log((a - b) / (b * np.log(a / b))) / np.log(a / b)
    expected = s * a + (1 - s) * b - a**s * b ** (1 - s)
    assert chernoff_information([a], [b]) == pytest.approx(expected, rel=1e-6)


def test_is_the_largest_over_a_fine_grid_of_exponents():
    p, q = np.random.default_rng(0).gamma(0.7, size=(2, 5, 30))
    s = np.linspace(0, 1, 4001)[:, None, None]
    grid = (s * p + (1 - s) * q - p**s * q ** (1 - s)).sum(-1).max(0)
    found = chernoff_information(p, q)
    assert found == pytest.approx(grid, rel=1e-6)
    assert chernoff_information(q, p) == pytest.approx(found)


def test_equal_patterns_hold_nothing_and_dark_pixels_are_no_harm():
    p = np.array([0.2, 0.0, 0.5])
    assert chernoff_information(p, p) == 0
    # what one class never counts betrays the other: it fails only if nothing is counted there
    assert chernoff_information([0.2, 0.0], [0.2, 0.3]) == pytest.approx(0.3, rel=0.1)


def test_is_the_exponent_of_the_exact_error():
    a, b = 1.0, 1.5
    counts = np.arange(6000)
    overlap = {
        n: np.minimum(poisson.pmf(counts, n * a), poisson.pmf(counts, n * b)) for n in (400, 800)
    }
    error = {n: values.sum() / 2 for n, values in overlap.items()}
    information = chernoff_information([a], [b])
    for n, value in error.items():
        assert value < np.exp(-n * information) / 2
    # the ratio of two errors rids it of most of what is no exponent
    exponent = np.log(error[400] / error[800]) / 400
    assert exponent == pytest.approx(information, rel=0.05)
