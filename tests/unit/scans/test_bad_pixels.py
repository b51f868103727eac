# SPDX-License-Identifier: GPL-3.0-or-later
"""Hot and dead pixels, on invented and on measured patterns."""

from __future__ import annotations

import numpy as np
import pytest
from measured_files import gold, merlin

from polarstem.scans.calibration.pixels import bad_pixels, saturated_share


def disc(level: float, background: float) -> np.ndarray:
    rows, columns = np.indices((160, 160))
    return np.where(np.hypot(rows - 80.3, columns - 76.8) < 51.4, level, background)


@pytest.mark.parametrize("level", [0.003, 0.1, 1.0, 3.0, 30.0, 1e4])
@pytest.mark.parametrize("gain", [1, 40])
def test_counting_statistics_are_not_taken_for_faults(level, gain):
    for pattern in (np.full((160, 160), level), disc(level, level / 20)):
        counts = gain * np.random.default_rng(5).poisson(pattern).astype(float)
        assert bad_pixels(counts, counts=True).sum() <= 8  # of 25,600


@pytest.mark.parametrize("gain", [1.0, 40.0, 1e-7])
def test_planted_faults_are_found(gain):
    counts = np.random.default_rng(6).poisson(disc(60, 20)).astype(float)
    dead = np.array([(100, 100), (100, 101), (101, 100), (90, 60), (30, 150), (0, 17)])
    hot = np.array([(80, 80), (140, 40), (141, 41), (159, 159), (20, 20)])
    counts[tuple(dead.T)] = 0
    counts[tuple(hot.T)] = 5000
    counts[:, 77] = 0
    found = bad_pixels(counts * gain, counts=gain >= 1)
    planted = np.zeros_like(found)
    planted[tuple(dead.T)] = planted[tuple(hot.T)] = planted[:, 77] = True
    assert not (planted & ~found).any()
    assert (found & ~planted).sum() <= 3


def test_sparse_counts_hide_dead_pixels_but_not_hot_ones():
    counts = np.random.default_rng(7).poisson(0.05, (256, 256)).astype(float)
    counts[52, 39] = 60
    found = bad_pixels(counts, counts=True)
    assert found[52, 39]
    assert found.sum() <= 2


def test_dead_pixels_of_a_medipix():
    total = gold().sum((0, 1)).astype(float)
    found = bad_pixels(total, counts=True)
    assert (total == 0).sum() == 16
    assert found[total == 0].all()
    assert found.sum() <= 20  # two more that count a third of what their neighbours do


def test_hot_pixel_of_a_merlin():
    for name, row in (
        ("002_merlin_test_roi_sig256x128", 88),
        ("003_merlin_test_roi_sig256x64", 24),
    ):
        total = merlin(name).sum((0, 1)).astype(float)
        found = bad_pixels(total, counts=True)
        assert found[row, 52]
        assert found.sum() <= 3


def test_saturation_is_a_share_of_what_is_lit():
    counts = np.array([0, 0, 1, 63])
    assert saturated_share(counts, 63) == 0.5
    assert saturated_share(counts, None) == 0
    assert saturated_share(np.zeros(4), 63) == 0
    assert saturated_share(merlin("001_4x2_6bit"), 63) > 0.03
