# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences between models and between data domains, on simulated specimens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from polarstem.errors import PolarstemError
from polarstem.evaluate.compare import compare, compare_unpaired
from polarstem.evaluate.predictions import DomainPredictions
from polarstem.models.calibration import Calibration

PATTERNS = 50


def predicted(levels, seed=0, names="s", **run):
    """Two specimens of each class, each predicted right as often as its level says."""
    levels = np.broadcast_to(levels, 16)
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(16) % 8, PATTERNS)
    right = rng.random(16 * PATTERNS) < np.repeat(levels, PATTERNS)
    probability = np.full((16 * PATTERNS, 8), 0.05, "f4")
    probability[np.arange(len(truth)), np.where(right, truth, (truth + 4) % 8)] = 0.65
    zeros = np.zeros(len(truth))
    return DomainPredictions(
        run=dict(model="m", family="cnn", head="none", source="s", seed="0") | run,
        domain="d",
        class_names=[f"C{k}" for k in range(8)],
        class_directions=np.arange(8) * 45.0,
        probability=probability,
        class_index=truth,
        specimen=np.repeat(np.arange(16), PATTERNS),
        specimen_names=[f"{names}{i}" for i in range(16)],
        thickness=zeros,
        cell_y=zeros,
        cell_x=zeros,
        scan_y=zeros.astype(int),
        scan_x=zeros.astype(int),
        calibration=Calibration(),
    )


HARD = np.random.default_rng(1).uniform(0.2, 0.9, 16)  # specimens differ much


def test_pairs_see_what_the_spread_of_specimens_hides():
    better, worse = predicted(HARD + 0.1, 1), predicted(HARD, 2)
    paired = compare(better, worse, "accuracy", seed=3)
    assert paired.difference == pytest.approx(paired.first - paired.second)
    assert paired.difference == pytest.approx(0.1, abs=0.04)
    assert (paired.verdict, paired.paired, paired.n) == ("first", True, 16)
    unpaired = compare_unpaired(better, worse, "accuracy", seed=3)
    assert unpaired.difference == paired.difference
    assert unpaired.verdict == "undecided"
    assert unpaired.high - unpaired.low > 2 * (paired.high - paired.low)


def test_the_smaller_error_is_the_better_one():
    better, worse = predicted(0.9, 1), predicted(0.6, 2)
    assert compare(better, worse, "flip_rate").verdict == "first"
    assert compare(worse, better, "mean_angular_error").verdict == "second"
    assert compare(worse, better, "balanced_accuracy").verdict == "second"
    # of a size of sets, neither is better
    parts = [
        replace(p, calibration=Calibration(threshold=t)) for p, t in ((better, 0.99), (worse, 0.5))
    ]
    size = compare(*parts, "conformal_size")
    assert size.low > 0
    assert size.verdict == "undecided"


def test_interval_is_that_of_the_difference_of_means():
    first, second = predicted(HARD, 1), predicted(HARD, 2)
    a, b = ((p.predicted == p.class_index).reshape(16, PATTERNS).mean(1) for p in (first, second))
    found = compare(first, second, "accuracy", resamples=20_000)
    # within the classes, two specimens each: variance of a stratified mean
    per_class = (a - b).reshape(2, 8)
    error = np.sqrt((per_class.var(0, ddof=1) / 2).mean() / 8)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * error, rel=0.1)


def test_equal_models_are_called_unequal_as_rarely_as_stated():
    rng = np.random.default_rng(5)
    called = 0
    for trial in range(100):
        levels = rng.uniform(0.2, 0.9, 16)
        parts = [
            predicted(np.clip(levels + rng.normal(0, 0.05, 16), 0, 1), 10 + 2 * trial + side)
            for side in range(2)
        ]
        verdict = compare(*parts, "accuracy", resamples=300, confidence=0.9, seed=trial).verdict
        called += verdict != "undecided"
    assert called <= 20  # 10 expected, standard deviation 3


def test_seeds_are_averaged_and_their_spread_counts():
    first = [predicted(0.5 + 0.3 * (seed % 2), seed) for seed in range(4)]
    second = predicted(0.55, 9)
    found = compare(first, second, "accuracy")
    single = [compare(part, second, "accuracy") for part in first]
    assert found.difference == pytest.approx(np.mean([one.difference for one in single]))
    assert found.verdict == "undecided"  # though each of two seeds is surely better
    assert {one.verdict for one in single} >= {"first"}
    assert found.high - found.low > 2 * (single[1].high - single[1].low)


def test_what_cannot_be_compared_is_told():
    first, second = predicted(0.5), predicted(0.5, names="t", model="other")
    with pytest.raises(PolarstemError, match="different specimens"):
        compare(first, second, "accuracy")
    assert compare_unpaired(first, second, "accuracy").verdict == "undecided"
    with pytest.raises(PolarstemError, match="no 'cell_accuraci' of m trained on s"):
        compare(first, first, "cell_accuraci")
    with pytest.raises(PolarstemError, match="no 'abstained' of m"):
        compare(first, first, "abstained")
    with pytest.raises(PolarstemError, match="seeds of m"):
        compare([first, second], first, "accuracy")
