# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether intensities are linear, and where a detector is full."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.scans.calibration.counts import clipped, linearity

_Y, _X = np.indices((72, 72)) - 35.5
_APART = np.hypot(_Y, _X)


def means(pairs: int = 24) -> np.ndarray:
    """Shares of the beam of neighbouring positions, whose patterns differ by some per cent."""
    rng = np.random.default_rng(3)
    phase = rng.uniform(0, 6, (pairs, 1)) + np.array([0.0, 0.3])
    disc = 1 / (1 + np.exp((_APART - 17) / 0.7))
    wave = 1 + 0.3 * np.cos(_X / 4 + phase[..., None, None]) * np.sin(_Y / 5)
    shares = disc * wave + 0.08 * np.exp(-_APART / 15)
    return shares / shares.sum((2, 3), keepdims=True)


def counted(dose: float) -> np.ndarray:
    return np.random.default_rng(4).poisson(dose * means())


@pytest.mark.parametrize("dose", [3e2, 1e4, 1e5])
@pytest.mark.parametrize("gain", [1, 40, 37.3])
def test_counts_and_their_multiples_are_linear(dose, gain):
    found = linearity((gain * counted(dose)).astype(np.float32 if gain == 37.3 else np.uint32))
    assert found.linear
    assert found.unit == pytest.approx(gain, rel=0.1)


def stored(counts: np.ndarray, gamma: float | str) -> np.ndarray:
    values = np.log1p(counts) if gamma == "log" else counts.astype(float) ** gamma
    return (255 * values / values.max()).astype(np.uint8)


@pytest.mark.parametrize("dose", [3e2, 1e4, 1e5])
@pytest.mark.parametrize("gamma", [0.5, 0.45, "log"])
def test_powers_and_logarithms_are_told_with_their_name(dose, gamma):
    found = linearity(stored(counted(dose), gamma))
    assert found.linear is False
    assert "not linear" in found.sentence
    if gamma == "log":
        assert found.gamma == "log"
    else:
        assert found.gamma == pytest.approx(gamma, abs=0.05)


def test_floating_point_powers_are_told_by_their_values():
    found = linearity(np.sqrt(counted(3e4)).astype(np.float32))
    assert found.gamma == 0.5


@pytest.mark.parametrize("dose", [1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 3e7, 1e8])
@pytest.mark.parametrize("gamma", [1.0, 0.7, 0.5, "log"])
def test_nothing_wrong_is_ever_claimed(dose, gamma):
    found = linearity(stored(counted(dose), gamma))
    assert found.linear in (None, gamma == 1.0)


def test_too_few_electrons_tell_no_scale():
    """Where there are one or none, a square root is a multiple of the counts."""
    rng = np.random.default_rng(8)
    for dose in (50, 100, 300):
        counts = counted(dose)
        spread = counts * rng.uniform(0.6, 1.4, counts.shape)  # by a scintillator
        assert linearity(np.sqrt(spread).astype(np.float32)).linear is not True


def test_what_has_no_noise_tells_nothing():
    for values in (means(), np.sqrt(means())):
        found = linearity(values.astype(np.float32))
        assert found.linear is None
        assert "cannot be told" in found.sentence
    assert linearity(np.zeros((0, 2, 20, 20), np.uint16)).linear is None
    assert linearity(np.full((3, 2, 20, 20), 7, np.uint16)).linear is None


@pytest.mark.parametrize("dose", [3e3, 1e4, 1e5, 1e6])
@pytest.mark.parametrize("deviation", [10, 30])
def test_readout_noise_is_not_taken_for_a_square_root(dose, deviation):
    counts = 10 * counted(dose)
    rng = np.random.default_rng(5)
    values = np.rint(counts + rng.normal(2.5 * deviation, deviation, counts.shape)).clip(0)
    assert linearity(values.astype(np.uint16)).linear in (None, True)
    shown = np.rint(values / values.max() * 255)
    assert linearity(shown.astype(np.uint8)).linear in (None, True)


def test_a_full_detector_is_noticed_whatever_it_says():
    counts = counted(1e5)
    top = np.quantile(counts, 0.9)
    full = np.minimum(counts, top)
    for maximum in (None, 65535.0):
        share, value = clipped(full, maximum)
        assert value == top
        assert share == pytest.approx((full == top).sum() / (full > 0).sum())
    assert clipped(counts, None) == (0.0, None)
    assert clipped(counts, float(counts.max()))[1] == counts.max()
    few = np.repeat(np.arange(12), 30 * np.arange(12, 0, -1))
    assert clipped(few, None) == (0.0, None)
    for gamma in (1.0, 0.5, "log"):
        assert clipped(stored(counts, gamma), None) == (0.0, None)
