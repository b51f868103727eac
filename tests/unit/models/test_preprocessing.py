# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import numpy as np
import pytest
import torch

from polarstem.models.options import PreprocessingOptions
from polarstem.models.preprocessing import FLOOR, LIMIT, Preprocessing


@pytest.fixture
def patterns() -> np.ndarray:
    rng = np.random.default_rng(0)
    # A large offset beside a small spread: sums of squares in float32 would lose it.
    return (100 + rng.normal(size=(103, 5, 7)) * rng.uniform(0.5, 2, (5, 7))).astype("f4")


def test_chunked_moments_equal_those_of_the_whole(patterns):
    scaling = Preprocessing((5, 7), PreprocessingOptions())
    scaling.fit(patterns, chunk=10)
    np.testing.assert_allclose(scaling.mean, patterns.astype(float).mean(0), rtol=1e-6)
    np.testing.assert_allclose(scaling.scale, patterns.astype(float).std(0), rtol=1e-5)
    scaled = scaling(torch.from_numpy(patterns)).numpy()
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(0), 1, rtol=1e-4)


def test_dark_pixels_are_not_blown_up(patterns):
    patterns[:, 0, 0] = 0
    patterns[::2, 0, 0] = 1e-6
    scaling = Preprocessing((5, 7), PreprocessingOptions())
    scaling.fit(patterns)
    assert scaling.scale[0, 0] == pytest.approx(FLOOR * patterns.std(0).mean(), rel=1e-3)
    stray = torch.full((1, 5, 7), 1e9)
    assert scaling(stray).max() == LIMIT


def test_constant_patterns_give_finite_values():
    same = np.full((4, 3, 3), 2.0, "f4")
    for name in ("standardise", "minmax", "none"):
        scaling = Preprocessing((3, 3), PreprocessingOptions(scaling=name))
        scaling.fit(same)
        assert torch.isfinite(scaling(torch.from_numpy(same))).all()


def test_minmax_spans_zero_to_one_and_forgets_gain(patterns):
    scaling = Preprocessing((5, 7), PreprocessingOptions(scaling="minmax"))
    scaled = scaling(torch.from_numpy(patterns))
    np.testing.assert_allclose(scaled.amin((1, 2)), 0)
    np.testing.assert_allclose(scaled.amax((1, 2)), 1)
    np.testing.assert_allclose(scaling(torch.from_numpy(patterns * 3 + 5)), scaled, atol=1e-4)


def test_sqrt_comes_first_and_takes_noise_below_zero():
    scaling = Preprocessing((1, 3), PreprocessingOptions(scaling="none", sqrt=True))
    assert scaling(torch.tensor([[[4.0, 9.0, -1.0]]])).tolist() == [[[2.0, 3.0, 0.0]]]


def test_input_is_left_alone(patterns):
    tensor = torch.from_numpy(patterns.copy())
    for name in ("standardise", "minmax", "none"):
        scaling = Preprocessing((5, 7), PreprocessingOptions(scaling=name))
        scaling.fit(patterns)
        scaling(tensor).zero_()
        np.testing.assert_array_equal(tensor, patterns)
