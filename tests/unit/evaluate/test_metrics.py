# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores against hand-made cases and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score

from polarstem.evaluate.scores import metrics

EIGHT = np.arange(8) * 45.0


def confusion(true, predicted, n=8):
    return confusion_matrix(true, predicted, labels=range(n))


@given(st.integers(0, 10_000), st.integers(2, 60), st.integers(2, 8))
def test_agrees_with_scikit_learn(seed, n, n_classes):
    rng = np.random.default_rng(seed)
    true, predicted = rng.integers(n_classes, size=(2, n))
    counts = confusion(true, predicted)
    present = np.unique(true)
    assert metrics.accuracy(counts, EIGHT) == pytest.approx(accuracy_score(true, predicted))
    recalls = [(predicted[true == k] == k).mean() for k in present]
    assert metrics.balanced_accuracy(counts, EIGHT) == pytest.approx(np.mean(recalls))
    if len(present) > 1 and set(predicted) <= set(true):
        expected = balanced_accuracy_score(true, predicted)
        assert metrics.balanced_accuracy(counts, EIGHT) == pytest.approx(expected)
    expected = f1_score(true, predicted, labels=present, average="macro", zero_division=0)
    assert metrics.macro_f1(counts, EIGHT) == pytest.approx(expected)


def test_angles_go_the_short_way_round():
    assert metrics.angular_difference(350, 10) == pytest.approx(20)
    assert metrics.angular_difference(0, 180) == 180
    assert metrics.angular_difference(-45, 315) == 0
    assert np.isnan(metrics.angular_difference(np.nan, 10))


def test_mean_angular_error_by_hand():
    # RM taken for RD is 45 degrees off across zero, RM for LM 180, MU right
    counts = confusion([0, 0, 2], [7, 4, 2])
    assert metrics.mean_angular_error(counts, EIGHT) == pytest.approx((45 + 180 + 0) / 3)


def test_random_guesses_are_90_degrees_off():
    counts = np.ones((8, 8))
    assert metrics.mean_angular_error(counts, EIGHT) == pytest.approx(90)
    assert metrics.flip_rate(counts, EIGHT) == pytest.approx(1 / 8)


def test_flip_is_the_opposite_direction_alone():
    assert metrics.flip_rate(confusion([0, 1, 7], [4, 5, 3]), EIGHT) == 1
    assert metrics.flip_rate(confusion([0, 0, 0, 0], [0, 3, 5, 4]), EIGHT) == 0.25


def test_flip_of_oblique_classes():
    # classes of <110> seen along [110]; opposite directions need not be exact to the digit
    oblique = np.array([0.0, 35.264, 144.736, 180.0, 215.26, 324.74])
    assert metrics.flip_rate(confusion([1, 2, 0], [4, 5, 3], 6), oblique) == 1
    assert metrics.flip_rate(confusion([1, 1], [3, 2], 6), oblique) == 0


def test_classes_along_the_beam_have_no_angle():
    directions = np.array([0.0, 180.0, np.nan])
    counts = confusion([0, 2, 0, 2], [1, 2, 2, 0], 3)
    assert metrics.flip_rate(counts, directions) == 1
    assert metrics.mean_angular_error(counts, directions) == 180
    assert metrics.accuracy(counts, directions) == 0.25


def test_a_class_absent_from_the_truth_is_not_averaged():
    counts = confusion([3, 3, 3, 3], [3, 3, 3, 0])
    assert metrics.balanced_accuracy(counts, EIGHT) == 0.75
    assert metrics.macro_f1(counts, EIGHT) == pytest.approx(2 * 0.75 / 1.75)


def test_scores_are_vectorised_over_leading_axes():
    stack = np.random.default_rng(0).integers(0, 9, size=(4, 5, 8, 8))
    for metric in metrics.METRICS.values():
        if metric.score is not None:
            scores = metric.score(stack, EIGHT)
            assert scores.shape == (4, 5)
            assert scores[2, 3] == pytest.approx(metric.score(stack[2, 3], EIGHT))
            assert np.all((scores >= 0) & (scores <= metric.upper))


def test_an_empty_confusion_has_no_score():
    assert np.isnan(metrics.accuracy(np.zeros((8, 8)), EIGHT))


def test_majority_vote_and_its_ties():
    predicted = [0, 0, 1, 1, 0, 2, 2, 2]
    probability = np.full((8, 3), 0.1)
    probability[2:4, 1] = 0.9  # scan 0 is tied, class 1 was surer
    probability[0:2, 0] = 0.5
    votes = metrics.majority_votes(predicted, probability, [0, 0, 0, 0, 1, 1, 1, 1], 2)
    assert votes.tolist() == [1, 2]


def test_probability_decides_only_among_the_tied():
    predicted = [0, 0, 1]
    probability = np.array([[0.4, 0.3, 0.3], [0.4, 0.3, 0.3], [0.0, 1.0, 0.0]])
    assert metrics.majority_votes(predicted, probability, [0, 0, 0], 1).tolist() == [0]
