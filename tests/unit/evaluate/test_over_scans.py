# SPDX-License-Identifier: GPL-3.0-or-later
"""Fractions of the cells of scans: what their intervals count as samples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, t

from polarstem.evaluate.map_scores.over_scans import (
    exact_interval,
    interval_over_scans,
    of_one_scan,
    of_scans,
)


@pytest.mark.parametrize(("count", "of"), [(0, 24), (3, 24), (24, 24), (50, 367)])
def test_exact_interval_is_the_binomial_one(count: int, of: int) -> None:
    expected = binomtest(count, of).proportion_ci(0.9)
    assert exact_interval(count, of, 0.9) == pytest.approx(tuple(expected))


def test_one_scan_gives_no_interval() -> None:
    one = of_one_scan(3, 24, "of cells")
    assert (one["value"], one["low"], one["high"], one["n"]) == (0.125, None, None, 24)
    assert of_one_scan(0, 0, "of nothing")["value"] is None
    for counts, totals in (([3], [24]), ([3, 0], [24, 0])):
        alone = of_scans(counts, totals, "of cells", 0.95)
        assert (alone["value"], alone["low"], alone["high"]) == (0.125, None, None)
        assert (alone["n"], alone["scans"]) == (24, 1)
    nothing = of_scans([], [], "of nothing", 0.95)
    assert (nothing["value"], nothing["n"], nothing["scans"]) == (None, 0, 0)


def test_scans_that_differ_tell_less_than_their_cells() -> None:
    alike, apart = (
        of_scans(counts, [30] * 10, "of cells", 0.95) for counts in ([6] * 10, [30, 30] + [0] * 8)
    )
    assert alike["value"] == apart["value"] == 0.2
    assert (alike["n"], alike["scans"]) == (apart["n"], apart["scans"]) == (300, 10)
    cells = exact_interval(60, 300, 0.95)
    assert alike["low"] < cells[0] < cells[1] < alike["high"]  # few scans alone cost something
    assert apart["high"] - apart["low"] > 2 * (alike["high"] - alike["low"])
    # two of ten scans, all of whose cells are wrong, are two samples of ten, and few at that
    low, high = exact_interval(2, 10, 0.95)
    assert low - 0.03 < apart["low"] < low < high < apart["high"] < high + 0.1


def test_interval_by_hand() -> None:
    counts, totals = [1, 0, 4], [20, 30, 25]
    value = 5 / 75
    squares = (1 - 20 * value) ** 2 + (30 * value) ** 2 + (4 - 25 * value) ** 2
    cells = value * (1 - value) / (3 / 2 * squares / 75**2)
    assert cells < 75
    cells *= (t.ppf(0.95, 74) / t.ppf(0.95, 2)) ** 2
    expected = exact_interval(value * cells, cells, 0.9)
    assert interval_over_scans(counts, totals, 0.9) == pytest.approx(expected)


def test_where_all_scans_say_the_same_cells_are_counted() -> None:
    few, many = (interval_over_scans([0] * k, [24] * k, 0.95)[1] for k in (2, 40))
    assert few > 0.5
    assert 1 - 0.025 ** (1 / (40 * 24)) < many < 0.005
    assert interval_over_scans([24] * 5, [24] * 5, 0.95)[1] == 1


def test_intervals_hold_the_truth_where_cells_of_a_scan_are_alike() -> None:
    rng = np.random.default_rng(1)
    rate, likeness, scans, cells = 0.1, 0.2, 20, 40
    spread = 1 / likeness - 1
    held = np.zeros(2)
    draws = 300
    for _ in range(draws):
        counts = rng.binomial(cells, rng.beta(rate * spread, (1 - rate) * spread, scans))
        over = interval_over_scans(counts.tolist(), [cells] * scans, 0.95)
        single = exact_interval(int(counts.sum()), cells * scans, 0.95)
        held += [low <= rate <= high for low, high in (over, single)]
    assert held[0] / draws > 0.9
    assert held[1] / draws < 0.7  # what counting cells would give
