# SPDX-License-Identifier: GPL-3.0-or-later
"""Intervals over specimens: their width, their coverage and degenerate cases."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.evaluate.scores.bootstrap import (
    SpecimenScores,
    bootstrap_metrics,
    resampling_weights,
)

EIGHT = np.arange(8) * 45.0


def scores(class_index, right, patterns=100):
    """Specimens with `right` of `patterns` right; errors are flips."""
    class_index, right = np.asarray(class_index), np.asarray(right)
    confusion = np.zeros((len(class_index), 8, 8), dtype=np.int64)
    rows = np.arange(len(class_index))
    confusion[rows, class_index, class_index] = right
    confusion[rows, class_index, (class_index + 4) % 8] += patterns - right
    voted = (right > patterns / 2).astype(np.int64)
    return SpecimenScores(class_index, confusion, voted, np.ones_like(voted), EIGHT)


def test_weights_keep_each_class_at_its_size():
    classes = np.array([0, 0, 0, 1, 1, 2, 3])
    weights = resampling_weights(classes, 400, np.random.default_rng(0))
    assert np.all(weights >= 0)
    for members in (classes == 0, classes == 1, classes >= 2):  # singletons are pooled
        assert weights[:, members].sum(1) == pytest.approx(members.sum())


def test_a_lone_singleton_keeps_its_weight():
    weights = resampling_weights(np.array([0, 0, 1]), 50, np.random.default_rng(0))
    assert np.all(weights[:, 2] == 1)


def test_variance_of_a_mean_is_unbiased():
    rng = np.random.default_rng(1)
    values = rng.normal(size=3)
    weights = resampling_weights(np.zeros(3, int), 200_000, rng)
    draws = weights @ values / weights.sum(1)
    assert draws.var() == pytest.approx(values.var(ddof=1) / 3, rel=0.02)


def test_value_is_that_of_the_whole_set():
    result = bootstrap_metrics(scores([0, 0, 1, 1], [100, 80, 60, 40]), 200, 0.95, 3)
    value, low, high = result["accuracy"]
    assert value == pytest.approx(0.7)
    assert low <= value <= high
    assert result["flip_rate"][0] == pytest.approx(0.3)
    assert result["majority_accuracy"][0] == pytest.approx(0.75)
    assert set(result) == {
        "accuracy", "balanced_accuracy", "macro_f1", "mean_angular_error", "flip_rate",
        "majority_accuracy",
    }  # fmt: skip


def test_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(5)
    classes = np.repeat(np.arange(8), 4)
    hits = 0
    for trial in range(200):
        level = np.clip(rng.normal(0.8, 0.06, size=32), 0, 1)
        sample = scores(classes, rng.binomial(100, level))
        _, low, high = bootstrap_metrics(sample, 300, 0.9, trial)["accuracy"]
        hits += low <= 0.8 <= high
    assert 0.84 <= hits / 200 <= 0.96


def test_perfect_specimens_give_no_width():
    assert bootstrap_metrics(scores([0, 0, 1], [100, 100, 100]), 100, 0.95, 0)["accuracy"] == (
        1.0,
        1.0,
        1.0,
    )


def test_a_single_specimen_has_no_interval():
    value, low, high = bootstrap_metrics(scores([3], [90]), 100, 0.95, 0)["accuracy"]
    assert value == pytest.approx(0.9)
    assert np.isnan(low)
    assert np.isnan(high)


def test_one_specimen_per_class_shows_the_spread_between_classes():
    value, low, high = bootstrap_metrics(
        scores(np.arange(8), [100, 100, 100, 100, 20, 20, 20, 20]), 500, 0.95, 0
    )["balanced_accuracy"]
    assert value == pytest.approx(0.6)
    assert low < 0.45
    assert high > 0.75


def test_same_seed_same_interval_and_wider_with_confidence():
    sample = scores([0, 0, 0, 1, 1, 1], [90, 70, 80, 60, 95, 50])
    first = bootstrap_metrics(sample, 300, 0.95, 1)
    assert first == bootstrap_metrics(sample, 300, 0.95, 1)
    assert first != bootstrap_metrics(sample, 300, 0.95, 2)
    narrow = bootstrap_metrics(sample, 300, 0.5, 1)["accuracy"]
    assert first["accuracy"][1] < narrow[1] < narrow[2] < first["accuracy"][2]
