# SPDX-License-Identifier: GPL-3.0-or-later
"""Crystals that are left out, with all turned copies, and intervals that follow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_1samp

from polarstem.evaluate.scores.jackknife import crystals_of_part, leave_one_out
from polarstem.evaluate.scores.sample import Sample, average, combine, over_seeds

VALUES = np.array([0.9, 0.7, 0.8, 0.95, 0.6])


def mean_of(values, **options):
    """The mean of crystals of one stratum, as a sample."""
    n = len(values)
    draws = np.append(np.mean(values), [np.delete(values, i).mean() for i in range(n)])
    return Sample(draws, n, **options)


def test_copies_of_a_crystal_are_left_out_together():
    found = leave_one_out(["a", "b", "a", "b"], np.array([0, 0, 1, 1]))
    assert found.n == 2
    assert found.weights.tolist() == [[1, 1, 1, 1], [0, 2, 0, 2], [2, 0, 2, 0]]
    assert found.strata.tolist() == [[0, 0], [0, 0]]


def test_crystals_of_the_same_classes_take_over_the_weight():
    """Two crystals of the axes, three of the diagonals."""
    crystal = ["x", "y", "x", "y", "u", "v", "w"]
    found = leave_one_out(crystal, np.array([0, 0, 2, 2, 1, 1, 1]))
    assert found.n == 5
    assert len(np.unique(found.strata, axis=0)) == 2
    left = dict(zip(sorted(set(crystal)), found.weights[1:].tolist(), strict=True))
    assert left["x"] == [0, 2, 0, 2, 1, 1, 1]
    assert left["v"] == [1, 1, 1, 1, 1.5, 0, 1.5]


@pytest.mark.parametrize(
    ("class_index", "strata"),
    [
        ([0, 1, 2, 3], 1),  # all alone: pooled
        ([0, 0, 1, 2], 2),  # two alone: pooled
        ([0, 0, 1, 1, 1, 2], 2),  # one alone joins the smallest of the others
    ],
)
def test_lone_crystals_are_pooled(class_index, strata):
    found = leave_one_out([str(i) for i in range(len(class_index))], np.array(class_index))
    sizes = np.bincount(np.unique(found.strata[:, 1], return_inverse=True)[1])
    assert len(sizes) == strata
    assert sizes.min() > 1
    if len(class_index) == 6:
        assert found.strata[5].tolist() == found.strata[0].tolist()


def test_a_single_crystal_cannot_be_left_out():
    found = leave_one_out(["a", "a"], np.array([0, 1]))
    assert (found.n, found.weights.shape, len(found.strata)) == (1, (1, 2), 0)
    assert np.isnan(Sample(np.array([0.9]), 1).interval(0.95)).all()
    # nor do other crystals, or seeds, tell its spread
    assert np.isnan(Sample(np.array([0.9, 0.8, 0.7]), 1).interval(0.95)).all()


def test_unknown_specimens_are_crystals_of_their_own():
    known = {"d": {"s0": "a", "s1": "a"}}
    assert crystals_of_part(known, "d", ["s0", "s1", "s2"]) == ["a", "a", "s2"]
    assert crystals_of_part(None, "d", ["s0"]) == ["s0"]


def test_the_interval_of_a_difference_is_students():
    expected = ttest_1samp(VALUES, 0.0).confidence_interval(0.9)
    assert mean_of(VALUES).interval(0.9) == pytest.approx((expected.low, expected.high))


def added(*parts):
    """Draws of a sum of means, whose parts have the mean zero, and the part of each replicate."""
    draws, owner = [0.5], []
    for number, values in enumerate(parts):
        draws += [0.5 + np.delete(values, i).mean() - values.mean() for i in range(len(values))]
        owner += [number] * len(values)
    return np.array(draws), np.array(owner)


def test_crystals_and_seeds_add_their_variances():
    parts = VALUES[:3], np.array([0.9, 0.1])
    draws, owner = added(*parts)
    sources = np.stack([owner, 0 * owner], axis=1)
    error, freedom = Sample(draws, 5, sources).error()
    a, b = (x.var(ddof=1) / len(x) for x in parts)
    assert error == pytest.approx(np.sqrt(a + b))
    assert freedom == pytest.approx((a + b) ** 2 / (a**2 / 4 + b**2 / 3) - 2)
    assert freedom < 1.5
    # what did not change tells nothing of how well the rest is known
    still = np.concatenate([sources, np.full((20, 2), (2, 0))])
    assert Sample(np.append(draws, [0.5] * 20), 5, still).error() == (error, freedom)


def test_strata_that_show_no_spread_have_some():
    """Strata of one test set, of which one tells all of the variance."""
    draws, owner = added(VALUES[:3], *[np.zeros(3)] * 7)
    strata = np.stack([0 * owner, owner], axis=1)
    error, freedom = Sample(draws, 24, strata).error()
    assert error == pytest.approx(VALUES[:3].std(ddof=1) / np.sqrt(3))
    assert freedom == 8  # of 16, were they equal
    alike, owner = added(*[VALUES[:3]] * 8)
    assert Sample(alike, 24, np.stack([0 * owner, owner], axis=1)).error()[1] == 16


def test_scores_stay_between_their_bounds_and_are_skew():
    share = mean_of(VALUES, bounds=(0.0, 1.0))
    low, high = share.interval(0.95)
    assert 0 < low < share.value < high < 1
    assert share.value - low > high - share.value
    angle = mean_of(180 * VALUES, bounds=(0.0, 180.0)).interval(0.95)
    assert angle == pytest.approx((180 * low, 180 * high))
    loss = mean_of(VALUES, bounds=(0.0, np.inf))
    below, above = (loss.value / limit for limit in loss.interval(0.95))
    assert below * above == pytest.approx(1)


@pytest.mark.parametrize("right", [1.0, 0.0, 0.5])
def test_crystals_that_are_all_alike_leave_the_counting_error(right):
    sample = mean_of(np.full(4, right), bounds=(0.0, 1.0), counted=40)
    expected = binomtest(int(40 * right), 40).proportion_ci(0.95)
    assert sample.interval(0.95) == pytest.approx((expected.low, expected.high))
    assert replace(sample, counted=0).interval(0.95) == (right, right)


def test_one_wrong_answer_is_no_certainty():
    wrong = np.zeros(24)
    wrong[3] = 1 / 64
    low, high = mean_of(1 - wrong, bounds=(0.0, 1.0), counted=24 * 64).interval(0.95)
    assert 0.99 < low < 1 - wrong.mean() < high < 1


def test_a_spread_that_is_unknown_gives_no_interval():
    """Without one of the crystals the number has no value."""
    assert np.isnan(Sample(np.array([0.5, 0.4, np.nan]), 2).interval(0.95)).all()


def test_a_spread_beyond_all_bounds_gives_no_interval():
    loss = mean_of([1e-3, 9.0], bounds=(0.0, np.inf))
    assert np.isnan(loss.interval(0.95)).all(), "two crystals, nine thousand times apart"
    assert np.isfinite(mean_of([1.0, 1.2], bounds=(0.0, np.inf)).interval(0.95)).all()


def test_what_is_common_drops_out_of_a_difference():
    a, b = mean_of(VALUES), mean_of(VALUES - 0.1)
    low, high = combine(np.subtract, a, b).interval(0.95)
    assert (low, high) == pytest.approx((0.1, 0.1))
    assert combine(np.subtract, a, replace(b, n=2)).n == 2


def test_the_mean_of_scores_is_a_score():
    a, b = (mean_of(v, bounds=(0.0, 1.0), counted=10) for v in (VALUES, VALUES / 2))
    mean = average(a, b)
    assert (mean.bounds, mean.counted) == ((0.0, 1.0), 20)
    assert mean.value == pytest.approx(0.75 * VALUES.mean())
    assert average(a, replace(b, bounds=None)).bounds is None


def test_seeds_are_left_out_like_crystals():
    levels = [0.5, 0.6, 0.8]
    crystals = np.zeros((5, 2), int)
    draws, strata = over_seeds([mean_of(VALUES).draws + s for s in levels], crystals)
    assert draws[0] == pytest.approx(VALUES.mean() + np.mean(levels))
    assert draws[6:] == pytest.approx(VALUES.mean() + np.array([0.7, 0.65, 0.55]))
    assert strata.tolist() == [[0, 0]] * 5 + [[1, 0]] * 3
    error, _ = Sample(draws, 5, strata).error()
    assert error == pytest.approx(
        np.hypot(VALUES.std(ddof=1) / 5**0.5, np.std(levels, ddof=1) / 3**0.5)
    )
    single, same = over_seeds([mean_of(VALUES).draws], crystals)
    assert (len(single), len(same)) == (6, 5)
