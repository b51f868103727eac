# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of made-up patterns, against simulations and sums done otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import poisson

from polarstem.evaluate.limit.bayes_accuracy import (
    bayes_right,
    class_information,
    electrons_needed,
    error_bound,
    mixture_bound,
)

REPEATS = 400


@pytest.fixture(scope="module")
def patterns() -> np.ndarray:
    """Patterns (class, thickness, position, pixel) whose classes differ by a quarter."""
    rng = np.random.default_rng(1)
    common = rng.gamma(2, size=(1, 3, 2, 40))
    own = 1 + 0.25 * rng.standard_normal((4, 3, 2, 40)).clip(-2, 2)
    values = common * own
    return (values / values.sum(-1, keepdims=True)).astype("f4")


def likelihoods(patterns: np.ndarray, counts: np.ndarray, dose: float) -> np.ndarray:
    """Log-likelihood (draw, class, thickness, position) of counts (draw, pixel)."""
    return poisson.logpmf(counts[:, None, None, None], dose * patterns).sum(-1)


@pytest.mark.parametrize("dose", [30.0, 150.0])
def test_right_guesses_are_those_of_a_maximum_likelihood_classifier(patterns, dose):
    found = bayes_right(patterns, 1, dose, REPEATS, seed=3)
    rng = np.random.default_rng(4)
    for position in range(2):
        right = np.zeros((3, 4, REPEATS))
        for true in range(4):
            counts = rng.poisson(dose * patterns[true, 1, position], (REPEATS, 40))
            score = likelihoods(patterns, counts, dose)
            guesses = (
                score[:, :, 1, position],
                logsumexp(score[..., position], axis=2),
                logsumexp(score, axis=(2, 3)),
            )
            right[:, true] = [guess.argmax(1) == true for guess in guesses]
        shares = right.mean((1, 2))
        error = 4 * np.sqrt(shares * (1 - shares) * 2 / (4 * REPEATS)) + 1e-3
        for share, name, allowed in zip(shares, found, error, strict=True):
            assert found[name][position] == pytest.approx(share, abs=allowed), name


def test_bounds_hold_and_tighten(patterns):
    information = class_information(patterns)
    templates = patterns.reshape(4, -1, 40)
    for dose in (100.0, 300.0, 1000.0):
        found = bayes_right(patterns, 0, dose, REPEATS, seed=5)
        slack = 3 * np.sqrt(0.25 / (4 * REPEATS))
        assert (1 - found["known"] <= error_bound(information, dose)[0] + slack).all()
        everywhere = [
            1 - bayes_right(patterns, t, dose, REPEATS, seed=t)["unknown"].mean() for t in range(3)
        ]
        assert np.mean(everywhere) <= mixture_bound(templates, dose) + slack
    assert error_bound(information, 1e4).max() < 1e-3
    # one template each: s = 1/2 is no better than the best exponent
    one = mixture_bound(templates[:, :1], 200.0)
    assert one >= error_bound(class_information(templates[:, :1]), 200.0)[0]


def test_what_is_unknown_costs_accuracy(patterns):
    found = bayes_right(patterns, 2, 12.0, 4000, seed=6)
    known, middle, unknown = (share.mean() for share in found.values())
    assert known > middle + 0.002 > unknown + 0.004


def test_needed_electrons_bring_the_error_to_one_per_cent(patterns):
    pair = patterns[:2, :1, :1]
    needed = electrons_needed(class_information(pair)[0, 1])
    error = 1 - bayes_right(pair, 0, float(needed[0, 0]), 20_000, seed=8)["known"][0]
    assert 0.001 < error <= 0.0115
    assert electrons_needed(np.zeros(1)) == np.inf


def test_classes_alike_are_guessed_at_chance(patterns):
    same = np.repeat(patterns[:1], 4, axis=0)
    assert bayes_right(same, 0, 1e3, 50, seed=9)["unknown"] == pytest.approx(0.25)
    information = class_information(same)
    assert (information[~np.eye(4, dtype=bool)] == 0).all()
    assert (np.diagonal(information) == np.inf).all()


def test_seed_decides(patterns):
    one, same, other = (bayes_right(patterns, 0, 50.0, 20, seed)["known"] for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()
