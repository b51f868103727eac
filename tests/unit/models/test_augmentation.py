# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from polarstem.models.augmentation import (
    Augmentation,
    SquareSymmetry,
    gaussian_blur,
    paper_augmentation,
)
from polarstem.models.options import AugmentationOptions

EIGHT = np.arange(8) * 45.0


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def spots(directions: np.ndarray, size: int = 33) -> torch.Tensor:
    """One bright spot per pattern, in the given direction (ky down, so y up is minus)."""
    centre = (size - 1) / 2
    angle = np.deg2rad(directions)
    down, right = np.mgrid[:size, :size] - centre
    distance = np.hypot(
        right - 10 * np.cos(angle)[:, None, None], down + 10 * np.sin(angle)[:, None, None]
    )
    return torch.from_numpy(np.exp(-((distance / 2) ** 2)).astype("f4"))


def seen_directions(patterns: torch.Tensor) -> np.ndarray:
    """Direction of the centre of mass [degrees], measured without the code under test."""
    values = patterns.numpy()
    centre = (values.shape[1] - 1) / 2
    down, right = np.mgrid[: values.shape[1], : values.shape[2]] - centre
    return np.rad2deg(np.arctan2(-(values * down).sum((1, 2)), (values * right).sum((1, 2))))


@pytest.mark.parametrize(
    ("directions", "operations"),
    [
        (EIGHT, 8),
        (EIGHT[::2], 8),
        (EIGHT[1::2], 8),
        (np.array([0.0, 180.0]), 4),  # quarter turns leave the set
        (np.array([0, 55, 125, 180, 235, 305.0]), 4),
        (np.array([10.0, 200.0, 300.0]), 1),  # only the identity
    ],
)
def test_label_follows_the_spot_under_every_operation(directions, operations):
    symmetry = SquareSymmetry((33, 33), directions)
    assert len(symmetry.operations) == operations
    assert symmetry.operations[0] == (False, 0)
    labels = torch.arange(len(directions))
    for operation in range(operations):
        turned, new = symmetry.apply(operation, spots(directions), labels)
        error = (seen_directions(turned) - directions[new.numpy()] + 180) % 360 - 180
        np.testing.assert_allclose(error, 0, atol=0.05)
        assert sorted(new.tolist()) == labels.tolist()


def test_quarter_turn_is_two_classes_counter_clockwise():
    symmetry = SquareSymmetry((3, 3), EIGHT)
    right = torch.tensor([[[0, 0, 0], [0, 0, 1], [0, 0, 0]]])
    up, label = symmetry.apply(symmetry.operations.index((False, 1)), right, torch.tensor([0]))
    assert up.tolist() == [[[0, 1, 0], [0, 0, 0], [0, 0, 0]]]
    assert label.tolist() == [2]


def test_detector_that_is_not_square_keeps_its_shape():
    symmetry = SquareSymmetry((4, 6), EIGHT)
    assert len(symmetry.operations) == 4
    patterns, _ = symmetry(torch.rand(50, 4, 6), torch.zeros(50, dtype=torch.long), generator())
    assert patterns.shape == (50, 4, 6)


def test_batch_uses_all_operations_and_keeps_pattern_and_label_together():
    augment = Augmentation((33, 33), EIGHT, AugmentationOptions(symmetry=True))
    labels = torch.arange(800) % 8
    patterns = spots(EIGHT)[labels]
    before = patterns.clone()
    turned, new = augment(patterns, labels, generator())
    error = (seen_directions(turned) - EIGHT[new.numpy()] + 180) % 360 - 180
    np.testing.assert_allclose(error, 0, atol=0.05)
    # A class of the eight goes to any of the four with its parity, about equally often.
    counts = np.bincount(new[labels == 0], minlength=8)
    assert (counts[::2] > 10).all()
    assert counts[1::2].sum() == 0
    assert torch.equal(patterns, before)


def test_blur_equals_scipy_away_from_the_rim():
    patterns = torch.rand(3, 41, 47, generator=generator())
    sigma = torch.tensor([2.0, 3.0, 2.5])
    blurred = gaussian_blur(patterns, sigma)
    for pattern, width, result in zip(patterns, sigma, blurred, strict=True):
        expected = gaussian_filter(pattern.numpy(), float(width), truncate=6)
        np.testing.assert_allclose(result[16:-16, 16:-16], expected[16:-16, 16:-16], atol=2e-4)
    np.testing.assert_allclose(gaussian_blur(torch.ones(3, 41, 47), sigma), 1, rtol=1e-5)


def test_paper_augmentation_is_relative_to_each_patterns_range():
    patterns = torch.rand(200, 16, 16, generator=generator())
    result = paper_augmentation(patterns, generator(1))
    scaled = paper_augmentation(patterns * 1e-6, generator(1))
    torch.testing.assert_close(scaled, result * 1e-6, rtol=1e-4, atol=1e-9)
    assert result.min() >= 0


def test_paper_augmentation_changes_the_share_of_patterns_it_should():
    patterns = torch.rand(4000, 12, 12, generator=generator())
    result = paper_augmentation(patterns, generator(1))
    untouched = (result - patterns).abs().amax((1, 2)) < 1e-5
    assert untouched.float().mean() == pytest.approx(0.5 * 0.7 * 0.8, abs=0.03)


def test_same_generator_same_result():
    patterns, labels = torch.rand(20, 8, 8), torch.arange(20) % 8
    augment = Augmentation((8, 8), EIGHT, AugmentationOptions(paper=True, symmetry=True))
    first, second, other = (augment(patterns, labels, generator(seed)) for seed in (3, 3, 4))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], other[0])


def test_no_augmentation_changes_nothing():
    patterns, labels = torch.rand(4, 8, 8), torch.arange(4)
    result = Augmentation((8, 8), EIGHT, AugmentationOptions())(patterns, labels, generator())
    assert torch.equal(result[0], patterns)
    assert torch.equal(result[1], labels)
