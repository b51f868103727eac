# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import numpy as np
import pytest
import torch

from polarstem.models.augmentation import SquareSymmetry
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
    np.testing.assert_allclose(scaling.mean[0], patterns.astype(float).mean(0), rtol=1e-6)
    np.testing.assert_allclose(scaling.scale[0], patterns.astype(float).std(0), rtol=1e-5)
    scaled = scaling(torch.from_numpy(patterns)).numpy()
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(0), 1, rtol=1e-4)


def test_dark_pixels_are_not_blown_up(patterns):
    patterns[:, 0, 0] = 0
    patterns[::2, 0, 0] = 1e-6
    scaling = Preprocessing((5, 7), PreprocessingOptions())
    scaling.fit(patterns)
    assert scaling.scale[0, 0, 0] == pytest.approx(FLOOR * patterns.std(0).mean(), rel=1e-3)
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
    np.testing.assert_allclose(scaled.amin((1, 2, 3)), 0)
    np.testing.assert_allclose(scaled.amax((1, 2, 3)), 1)
    np.testing.assert_allclose(scaling(torch.from_numpy(patterns * 3 + 5)), scaled, atol=1e-4)


def test_sqrt_comes_first_and_takes_noise_below_zero():
    scaling = Preprocessing((1, 3), PreprocessingOptions(scaling="none", sqrt=True))
    assert scaling(torch.tensor([[[4.0, 9.0, -1.0]]])).tolist() == [[[[2.0, 3.0, 0.0]]]]


def test_input_is_left_alone(patterns):
    tensor = torch.from_numpy(patterns.copy())
    for name in ("standardise", "minmax", "none"):
        scaling = Preprocessing((5, 7), PreprocessingOptions(scaling=name))
        scaling.fit(patterns)
        scaling(tensor).zero_()
        np.testing.assert_array_equal(tensor, patterns)


@pytest.mark.parametrize("shape", [(4, 6), (5, 7)])
def test_even_and_odd_parts_are_those_of_inversion_through_the_beam(shape):
    """Written out by scattering angle, for a beam on a pixel and for one between pixels."""
    rng = np.random.default_rng(1)
    pattern = rng.random(shape)
    ky, kx = (np.arange(size) - (size - 1) / 2 for size in shape)
    value = {(y, x): pattern[i, j] for i, y in enumerate(ky) for j, x in enumerate(kx)}
    even = [[value[y, x] + value[-y, -x] for x in kx] for y in ky]
    odd = [[value[y, x] - value[-y, -x] for x in kx] for y in ky]
    scaling = Preprocessing(shape, PreprocessingOptions(scaling="none", parity="even_odd"))
    images = scaling(torch.tensor(pattern).float().unsqueeze(0)).numpy()
    np.testing.assert_allclose(images, [[even, odd]], atol=1e-6)


def test_the_odd_part_is_scaled_by_itself_and_vanishes_with_the_polarity(patterns):
    """Small beside the even part as it is, each part gets a spread of one."""
    scaling = Preprocessing((5, 7), PreprocessingOptions(parity="even_odd"))
    symmetric = patterns + patterns[:, ::-1, ::-1]
    noise = np.random.default_rng(2).normal(size=patterns.shape)
    scaling.fit((symmetric + 0.01 * noise).astype("f4"))
    scaled = scaling(torch.from_numpy((symmetric + 0.01 * noise).astype("f4"))).numpy()
    spread = scaled.std(0)
    assert spread[1, 2, 3] == 0  # its own inverse
    spread[1, 2, 3] = 1
    np.testing.assert_allclose(spread, 1, rtol=1e-3)
    plain = Preprocessing((5, 7), PreprocessingOptions(scaling="none", parity="even_odd"))
    assert plain(torch.from_numpy(symmetric))[:, 1].abs().max() == 0


@pytest.mark.parametrize("scaling", ["standardise", "minmax", "none"])
def test_both_parts_turn_with_the_pattern(scaling):
    """So that patterns that are turned in training mean the same in both channels."""
    rng = np.random.default_rng(3)
    symmetry = SquareSymmetry((6, 6), [45.0 * k for k in range(8)])
    stored = torch.tensor(rng.random((40, 6, 6))).float()
    label = torch.zeros(40, dtype=torch.long)
    every = torch.cat([symmetry.apply(number, stored, label)[0] for number in range(8)])
    parts = Preprocessing((6, 6), PreprocessingOptions(scaling=scaling, parity="even_odd"))
    parts.fit(every.numpy())
    images = parts(stored)
    assert images.shape == (40, 2, 6, 6)
    for number in range(8):
        turned = symmetry.apply(number, stored, label)[0]
        for channel in range(2):
            expected = symmetry.apply(number, images[:, channel], label)[0]
            torch.testing.assert_close(parts(turned)[:, channel], expected, atol=1e-4, rtol=1e-4)
