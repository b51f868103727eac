# SPDX-License-Identifier: GPL-3.0-or-later
"""What symmetry demands of the patterns, whatever the numbers are."""

from __future__ import annotations

import numpy as np
import pytest

# columns of the A and B cations, where the projected cubic crystal has a fourfold axis
FOURFOLD = [(0.0, 0.0), (0.5, 0.5)]
ANYWHERE = np.array([(0.13, 0.29), (0.5, 0.5), (0.31, 0.77)])


def relative(difference, reference):
    return np.abs(difference).sum() / np.abs(reference).sum()


def test_a_cubic_crystal_has_no_odd_asymmetry(crystal, simulate):
    patterns = simulate(crystal(amplitude=0.0), FOURFOLD).intensity[0]
    inverted = patterns[:, ::-1, ::-1]
    assert relative(patterns - inverted, patterns) < 1e-5


def test_a_polar_crystal_has_odd_asymmetry(crystal, simulate):
    patterns = simulate(crystal("RM"), FOURFOLD).intensity[0]
    assert relative(patterns - patterns[:, ::-1, ::-1], patterns) > 1e-3


def test_opposite_polarizations_are_mirror_images(crystal, simulate):
    """RM and LM are mirrored by x -> -x, which maps the A column onto itself."""
    right = simulate(crystal("RM", variant=(1, 0, 1)), ANYWHERE).intensity
    mirrored = ANYWHERE * (-1, 1)
    left = simulate(crystal("LM", variant=(-1, 0, 1)), mirrored).intensity
    assert relative(right - left[..., ::-1], right) < 1e-5


def test_opposite_polarizations_are_inverted(crystal, simulate):
    """An in-plane inversion turns RU into LD and every pattern by 180 degrees."""
    up = simulate(crystal("RU"), ANYWHERE).intensity
    down = simulate(crystal("LD"), -ANYWHERE).intensity
    assert relative(up - down[..., ::-1, ::-1], up) < 1e-5


@pytest.mark.parametrize(("before", "after"), [("RM", "MU"), ("RU", "LU"), ("LD", "RD")])
def test_turning_the_crystal_turns_pattern_and_class(crystal, simulate, before, after):
    """A quarter turn counter-clockwise (y up) is np.rot90 of a (ky down, kx) image."""
    first = crystal(before)
    turned_positions = np.stack([-ANYWHERE[:, 1], ANYWHERE[:, 0]], axis=1)
    patterns = simulate(first, ANYWHERE).intensity
    turned = simulate(crystal(after), turned_positions).intensity
    expected = np.rot90(patterns, k=1, axes=(-2, -1))
    assert relative(turned - expected, expected) < 1e-5
    # and the test can fail: the other sense of rotation is another pattern
    wrong = np.rot90(patterns, k=-1, axes=(-2, -1))
    assert relative(turned - wrong, wrong) > 1e-3


def test_tilt_turns_with_the_frame(crystal, simulate):
    cubic = crystal(amplitude=0.0)
    right = simulate(cubic, [(0.5, 0.5)], tilt_mrad=(5.0, 0.0)).intensity
    up = simulate(cubic, [(0.5, 0.5)], tilt_mrad=(0.0, 5.0)).intensity
    assert relative(up - np.rot90(right, 1, (-2, -1)), right) < 1e-5
    assert relative(up - right, right) > 1e-2
