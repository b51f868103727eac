# SPDX-License-Identifier: GPL-3.0-or-later
"""Calibration against labels drawn from known probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from polarstem.data.patterns import PatternSet
from polarstem.models.calibration import Calibration, calibrate

NAMES, DIRECTIONS = [f"C{k}" for k in range(8)], np.arange(8) * 45.0
ANSWERS = 8  # a pattern of the stand-in's sets holds its answer


class StandIn:
    """A model that reads its answer from the pattern."""

    def __init__(self):
        self.info = {}

    def predict_proba(self, patterns):
        return patterns[:, 0, :ANSWERS]


def labelled(probability, labels, **columns):
    patterns = np.asarray(probability, "f4")[:, None]
    return PatternSet.from_arrays(patterns, labels, NAMES, DIRECTIONS, **columns)


def drawn(n, seed, spread=1.5):
    """Log-probabilities (n, 8), and labels drawn from them."""
    rng = np.random.default_rng(seed)
    logs = log_softmax(spread * rng.normal(size=(n, 8)), axis=1)
    labels = (np.exp(logs).cumsum(1) < rng.random((n, 1))).sum(1).clip(max=7)
    return logs, labels


def nll(probability, labels):
    return -np.log(probability[np.arange(len(labels)), labels]).mean()


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_an_exaggerated_model_is_brought_back_to_the_truth(factor):
    logs, labels = drawn(8000, 0)
    found = calibrate(StandIn(), labelled(softmax(factor * logs, axis=1), labels))
    assert found.temperature == pytest.approx(factor, rel=0.1)
    assert found.guesses == 0
    again = found.apply(softmax(factor * logs, axis=1))
    assert again == pytest.approx(np.exp(logs), abs=0.05)


def test_votes_that_rule_the_truth_out_get_a_share_of_guesses():
    rng = np.random.default_rng(1)
    logs, labels = drawn(4000, 1, spread=1.0)
    votes = rng.multinomial(5, np.exp(logs)) / 5
    assert (votes[np.arange(4000), labels] == 0).any()
    found = calibrate(StandIn(), labelled(votes, labels))
    assert 0.1 < found.guesses < 0.9
    fitted = found.apply(votes)
    assert fitted.sum(1) == pytest.approx(1)
    assert nll(fitted, labels) < np.log(8)  # better than guessing, where the votes are infinite
    confidence, right = fitted.max(1), fitted.argmax(1) == labels
    sure = confidence > np.median(confidence)
    assert right[sure].mean() == pytest.approx(confidence[sure].mean(), abs=0.05)


def test_no_error_is_no_certainty():
    labels = np.arange(400) % 8
    logs = log_softmax(12.0 * np.eye(8)[labels] + np.random.default_rng(0).random((400, 8)), axis=1)
    found = calibrate(StandIn(), labelled(np.exp(logs), labels))
    assert found.temperature > 1
    assert 1e-3 < 1 - found.apply(np.exp(logs)).max(1).mean() < 0.1


@given(st.floats(0.05, 20), st.floats(0, 0.9), st.integers(0, 100))
def test_the_most_probable_class_stays(temperature, guesses, seed):
    given_ = np.random.default_rng(seed).dirichlet(np.full(8, 0.3), 20)
    fitted = Calibration(temperature, guesses).apply(given_)
    assert fitted.sum(1) == pytest.approx(1)
    assert fitted.max(1) == pytest.approx(fitted[np.arange(20), given_.argmax(1)])


def test_conformal_sets_hold_nine_of_ten_truths():
    logs, labels = drawn(4000, 2)
    found = calibrate(StandIn(), labelled(np.exp(logs), labels))
    logs, labels = drawn(20_000, 3)
    own = found.apply(np.exp(logs))[np.arange(20_000), labels]
    # the threshold itself is from 4000 patterns: sqrt(0.9 * 0.1 / 4000) = 0.005
    assert (own >= found.threshold).mean() == pytest.approx(0.9, abs=0.02)


def test_few_patterns_ask_for_the_least_certain():
    logs, labels = drawn(8, 4)
    found = calibrate(StandIn(), labelled(np.exp(logs), labels))
    own = found.apply(np.exp(logs).astype("f4"))[np.arange(8), labels]
    assert found.threshold == pytest.approx(own.min(), rel=1e-5)
    assert found.threshold < own.min()
    assert found.cell_threshold is None  # 8 positions are no cell


def test_cells_pool_by_the_mean_logarithm():
    logs, _ = drawn(12, 5)
    cell = np.array([0, 0, 0, 0, 1, 1, 1, 1, -1, -1, 1, 0])
    means = np.array([logs[cell == k].mean(0) for k in (0, 1)])
    found = Calibration(cell_temperature=0.5).pool(np.exp(logs), cell)
    assert found == pytest.approx(softmax(means / 0.5, axis=1))


def test_patterns_of_a_cell_that_err_together_are_not_counted_as_independent():
    rng, cells, each = np.random.default_rng(6), 400, 40
    shared, truth = drawn(cells, 6)
    logs = log_softmax(np.repeat(shared, each, axis=0) + rng.normal(size=(cells * each, 8)), axis=1)
    specimen = np.repeat([f"s{i}" for i in range(cells)], each)
    patterns = labelled(np.exp(logs), np.repeat(truth, each), specimen=specimen)
    found = calibrate(StandIn(), patterns)
    cell = np.repeat(np.arange(cells), each)
    pooled = found.pool(found.apply(np.exp(logs)), cell)
    assert nll(pooled, truth) < nll(np.exp(shared), truth) + 0.1  # the best there is
    independent = softmax(np.array([part.sum(0) for part in np.split(logs, cells)]), axis=1)
    assert nll(pooled, truth) < nll(np.maximum(independent, 1e-12), truth) - 0.5
    own = pooled[np.arange(cells), truth]
    assert (own >= found.cell_threshold).mean() == pytest.approx(0.9, abs=0.01)


def test_attributes_and_back():
    fitted = Calibration(1.5, 0.1, 0.8, 0.3)
    assert Calibration.from_mapping(fitted.attributes("x_"), "x_") == fitted
    assert Calibration.from_mapping({"other": 3}) == Calibration()
    model = StandIn()
    assert Calibration.of(model) == Calibration()
    model.info["calibration"] = fitted.attributes()
    assert Calibration.of(model) == fitted
    assert Calibration().apply(np.zeros((0, 8))).shape == (0, 8)
