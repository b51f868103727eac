# SPDX-License-Identifier: GPL-3.0-or-later
"""Calibration against labels drawn from known probabilities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from polarstem.data.patterns import PatternSet
from polarstem.models.calibration import LEAST, Calibration, class_sets, mass_above
from polarstem.models.calibration_fit import calibrate, coverage_by_halves

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


def held(found, logs, labels, dose=None):
    """Which sets hold the truth, and which are one class."""
    sets = found.sets(found.apply(np.exp(logs), dose), dose)
    return sets[np.arange(len(labels)), labels], sets.sum(1) == 1


def test_conformal_sets_hold_nine_of_ten_truths():
    logs, labels = drawn(4000, 2)
    specimen = np.arange(4000).astype(str)
    found = calibrate(StandIn(), labelled(np.exp(logs), labels, specimen=specimen))
    covered, alone = held(found, *drawn(20_000, 3))
    # the threshold itself is from 4000 patterns: sqrt(0.9 * 0.1 / 4000) = 0.005
    assert covered.mean() == pytest.approx(0.9, abs=0.02)
    assert 0 < alone.mean() < 1


def scans_that_err_together(sizes, seed, sharp=3.0):
    """Log-probabilities that are the same all over a scan but for some noise.

    The smaller a scan, the less its answers are worth.
    """
    rng = np.random.default_rng(seed)
    shared, truth = drawn(len(sizes), seed, spread=1.0)
    scan = np.repeat(np.arange(len(sizes)), sizes)
    easy = sizes[scan] > np.median(sizes)
    best = np.where(easy[:, None], sharp * np.eye(8)[truth][scan], 0)
    logs = log_softmax(shared[scan] + best + 0.1 * rng.normal(size=(len(scan), 8)), axis=1)
    return logs, truth[scan], scan


def by_scan(values, scan):
    return (np.bincount(scan, values) / np.bincount(scan)).mean()


def test_scans_count_whatever_their_size():
    def draw(count, seed):
        sizes = np.random.default_rng(seed).permutation(np.repeat([4, 100], count // 2))
        return scans_that_err_together(sizes, seed)

    logs, labels, scan = draw(400, 0)
    patterns = labelled(np.exp(logs), labels, specimen=scan.astype(str))
    found = calibrate(StandIn(), patterns)
    new, truth, scan = draw(2000, 1)
    assert by_scan(held(found, new, truth)[0], scan) == pytest.approx(0.9, abs=0.05)
    # counted by pattern, the large scans decide
    alike = calibrate(StandIn(), labelled(np.exp(logs), labels))
    above = mass_above(alike.apply(np.exp(logs)))[np.arange(len(labels)), labels]
    other = replace(alike, threshold=float(np.quantile(above, 0.9)) + 1e-6)
    assert by_scan(held(other, new, truth)[0], scan) < 0.8


def test_few_scans_ask_for_more_than_their_own_share():
    """Of 12 scans that are right or wrong as a whole, 11 are 0.85 of what comes."""
    covered = []
    for seed in range(40):
        logs, labels, scan = scans_that_err_together(np.full(12, 50), seed)
        found = calibrate(StandIn(), labelled(np.exp(logs), labels, specimen=scan.astype(str)))
        new, truth, scan = scans_that_err_together(np.full(100, 5), 1000 + seed)
        covered.append(by_scan(held(found, new, truth)[0], scan))
    assert 0.88 < np.mean(covered) < 0.97


def test_one_scan_asks_for_the_least_certain_pattern():
    logs, labels = drawn(40, 4)
    found = calibrate(StandIn(), labelled(np.exp(logs), labels))
    above = mass_above(found.apply(np.exp(logs)))[np.arange(40), labels]
    assert found.threshold == pytest.approx(above.max(), abs=1e-5)
    covered, _ = held(found, logs, labels)
    assert covered.all()
    assert found.scans == 1


def test_accuracy_beyond_the_level_withholds_no_right_answer():
    """97 % right: a threshold that nine of ten truths reach would withhold 7 % of all."""
    rng = np.random.default_rng(8)
    truth = np.arange(4000) % 8
    first = np.where(rng.random(4000) < 0.97, truth, (truth + 1) % 8)
    logs = log_softmax(rng.uniform(3, 8, (4000, 1)) * np.eye(8)[first], axis=1)
    specimen = np.arange(4000).astype(str)
    found = calibrate(StandIn(), labelled(np.exp(logs), truth, specimen=specimen))
    covered, alone = held(found, logs, truth)
    assert alone[first == truth].mean() > 0.99
    assert covered.mean() == pytest.approx(0.97, abs=0.01)
    assert found.threshold == LEAST


def test_sets_by_hand():
    rows = [
        [0.6, 0.3, 0.1, 0.0],
        [0.4, 0.35, 0.2, 0.05],  # the first does not reach the threshold
        [0.3, 0.25, 0.25, 0.2],  # equally probable classes are in together
        [0.25, 0.25, 0.25, 0.25],
        [np.nan] * 4,
    ]
    expected = [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0]]
    np.testing.assert_array_equal(Calibration(threshold=0.55).sets(rows), expected)
    lowest = Calibration(cell_threshold=LEAST).cell_sets([[0.5, 0.5], [0.51, 0.49], [0.49, 0.3]])
    np.testing.assert_array_equal(lowest, [[1, 1], [1, 0], [1, 1]])
    unfitted = Calibration().sets(rows)
    np.testing.assert_array_equal(unfitted.sum(1), [1, 1, 1, 1, 0])


@given(st.floats(0.5, 1), st.integers(0, 100))
def test_flatter_probabilities_never_make_an_answer(threshold, seed):
    probability = np.random.default_rng(seed).dirichlet(np.full(8, 0.3), 50)
    sets = class_sets(probability, threshold)
    assert sets[np.arange(50), probability.argmax(1)].all()
    flat = class_sets(Calibration(2.0).apply(probability), threshold)
    assert (flat | ~sets).all()


def dosed(n, seed, positions=1, shared=0.0):
    """Scans whose model sees through noise that falls with the dose, and is too sure of it.

    The exaggeration is 3 at 1e3 electrons and 1 at 1e6: by a factor 3 ** (1 / 3) for ten times.
    """
    rng = np.random.default_rng(seed)
    decades = rng.uniform(3, 6, n)
    scan = np.repeat(np.arange(n), positions)
    truth = rng.integers(8, size=n)[scan]
    noise = rng.normal(size=(len(scan), 8)) + shared * rng.normal(size=(n, 8))[scan]
    signal = 0.6 * (decades[scan, None] - 2)
    observed = signal * np.eye(8)[truth] + noise
    factor = 3 ** ((6 - decades[scan, None]) / 3)
    logs = log_softmax(factor * signal * observed, axis=1)  # exact but for the factor
    return logs, truth, scan, 10 ** decades[scan]


def test_temperature_and_threshold_follow_the_dose():
    logs, labels, scan, dose = dosed(3000, 0)
    patterns = labelled(np.exp(logs), labels, specimen=scan.astype(str), dose=dose)
    found = calibrate(StandIn(), patterns)
    assert found.temperature == pytest.approx(3, rel=0.15)
    assert found.temperature_per_decade == pytest.approx(3 ** (-1 / 3), abs=0.07)
    assert (found.dose_low, found.dose_high) == pytest.approx((1e3, 1e6), rel=0.02)
    new, truth, _, dose = dosed(12_000, 1)
    covered, alone = held(found, new, truth, dose)
    for low in (3, 4, 5):
        here = (np.log10(dose) >= low) & (np.log10(dose) < low + 1)
        assert 0.85 < covered[here].mean() < 0.97
    assert alone[dose < 1e4].mean() < 0.3
    assert alone[dose > 1e5].mean() > 0.45
    # one temperature for all doses holds too little where it is dark
    flat = calibrate(StandIn(), labelled(np.exp(logs), labels, specimen=scan.astype(str)))
    assert held(flat, new, truth)[0][dose < 4e3].mean() < 0.85


def test_unknown_and_foreign_doses_are_taken_for_the_worst():
    logs, labels, scan, dose = dosed(600, 0)
    patterns = labelled(np.exp(logs), labels, specimen=scan.astype(str), dose=dose)
    found = calibrate(StandIn(), patterns)
    rows = np.exp(logs[:6])
    worst = found.apply(rows, np.full(6, found.dose_low))
    np.testing.assert_allclose(found.apply(rows), worst)
    foreign = np.array([1e7, np.nan, np.inf, 1e12, 0, 1e7])
    np.testing.assert_allclose(found.apply(rows, foreign), worst)
    assert (found.apply(rows, np.full(6, 30)).max(1) < worst.max(1)).all()
    assert (found.apply(rows, np.full(6, 1e5)).max(1) > worst.max(1)).all()
    near = [found.threshold * 0.999, 1 - found.threshold * 0.999]
    assert found.threshold_per_decade < 0
    alone = found.sets([near] * 3, [np.nan, 1e5, 1e9]).sum(1) == 1
    np.testing.assert_array_equal(alone, [False, True, False])
    np.testing.assert_array_equal(found.covers([100, 1e4, 1e8, np.nan]), [0, 1, 0, 0])
    assert not Calibration().covers([1e4]).any()


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
    sets = found.cell_sets(pooled)
    assert sets[np.arange(cells), truth].mean() > 0.9
    assert 0 < found.cell_power < 0.5


def cells_of(found, logs, truth, scan, dose, size):
    """Pooled answers of the first patterns of each scan: right, confidence, answered."""
    place = np.arange(len(scan)) % (len(scan) // (scan.max() + 1))
    cell = np.where(place < size, scan, -1)
    pooled = found.pool(found.apply(np.exp(logs), dose), cell, dose)
    labels = truth[np.unique(scan, return_index=True)[1]]
    alone = found.cell_sets(pooled, np.full(len(pooled), size)).sum(1) == 1
    return pooled.argmax(1) == labels, pooled.max(1), alone


def test_cells_are_as_sure_as_their_patterns_allow_and_hardly_ever_answered_wrong():
    logs, labels, scan, dose = dosed(600, 3, 36, shared=0.4)
    patterns = labelled(np.exp(logs), labels, specimen=scan.astype(str), dose=dose)
    found = calibrate(StandIn(), patterns)
    assert found.cell_positions == 36
    new = dosed(4000, 4, 36, shared=0.4)
    for size in (36, 9):
        right, confidence, alone = cells_of(found, *new, size)
        assert confidence.mean() == pytest.approx(right.mean(), abs=0.03)
        assert (alone & ~right).mean() < 0.02
        assert alone[right].mean() > 0.7
        dark = new[3][::36] < 1e4
        assert (alone & ~right)[dark].mean() < 0.04
    # none wrong of so many cells at the level alone would be chance
    at_level = replace(found, cell_threshold=LEAST, cell_threshold_per_halving=0.0)
    right, _, alone = cells_of(at_level, *new, 9)
    assert (alone & ~right).mean() > 0.03


def test_a_smaller_cell_is_less_sure_and_a_larger_one_no_surer():
    found = Calibration(cell_temperature=0.5, cell_positions=16.0, cell_power=0.5)
    probability = np.tile([0.5, 0.3, 0.2], (68, 1))
    cell = np.repeat([0, 1, 2], [4, 16, 48])
    four, sixteen, more = found.pool(probability, cell).max(1)
    power = np.array([0.5, 0.3, 0.2]) ** (1 / 1.0)  # 0.5 * (4 / 16) ** -0.5
    assert four == pytest.approx(power.max() / power.sum())
    assert more == pytest.approx(sixteen)
    assert sixteen > four
    sets = replace(found, cell_threshold=0.6, cell_threshold_per_halving=0.1)
    alone = sets.cell_sets([[0.75, 0.25]] * 4, [16, 8, 4, 64]).sum(1) == 1
    np.testing.assert_array_equal(alone, [True, True, False, True])


def test_the_other_half_of_the_scans_is_covered():
    logs, labels, scan = scans_that_err_together(np.full(200, 20), 11)
    patterns = labelled(np.exp(logs), labels, specimen=scan.astype(str))
    told = coverage_by_halves(np.exp(logs), patterns)
    assert told["coverage"] == pytest.approx(0.9, abs=0.05)
    assert 0 <= told["answered"] <= 1
    assert coverage_by_halves(np.exp(logs[:10]), patterns.select(np.arange(10))) == {}


def test_attributes_and_back():
    fitted = Calibration(1.5, 0.1, 0.8, 0.3, dose_low=1e3, scans=7.0)
    assert Calibration.from_mapping(fitted.attributes("x_"), "x_") == fitted
    assert Calibration.from_mapping({"other": 3}) == Calibration()
    model = StandIn()
    assert Calibration.of(model) == Calibration()
    model.info["calibration"] = fitted.attributes()
    assert Calibration.of(model) == fitted
    assert Calibration().apply(np.zeros((0, 8))).shape == (0, 8)
    assert Calibration(threshold=0.6).sets(np.zeros((0, 8))).shape == (0, 8)


def test_models_of_earlier_versions_answer_no_more_than_they_did():
    """Their sets held the classes that reach a threshold, each by itself."""
    rng = np.random.default_rng(0)
    probability = rng.dirichlet(np.full(8, 0.3), 500)
    for threshold in (0.05, 0.2, 0.5, 0.8):
        old = {"temperature": 2.0, "threshold": threshold, "cell_threshold": threshold}
        found = Calibration.from_mapping(old)
        assert found.temperature == 2.0
        before = (probability >= threshold).sum(1) == 1
        for sets in (found.sets(probability), found.cell_sets(probability)):
            assert (before | (sets.sum(1) != 1)).all()
