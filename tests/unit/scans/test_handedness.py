# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns and mirrors of the detector, found again in scans whose positions meet few places."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from polarstem.scans.specimen.handedness import handedness
from polarstem.simulate.pattern_library import turned_images
from polarstem.structures.symmetry import turns_of

SQUARE = turns_of((0, 0, 1))
THICKNESS = 9.0  # nm


@pytest.fixture(scope="module")
def scan(small_library):
    """Patterns of a scan with two domains, and the place of each in the cell."""
    templates = small_library.templates(THICKNESS)
    size = templates.shape[1]

    def make(shape, per_cell, electrons, seed=0):
        rows, columns = np.indices(shape)
        y, x = ((place / per_cell + off) % 1 for place, off in ((rows, 0.03), (columns, 0.05)))
        domain = np.where(columns < shape[1] // 2, 0, len(templates) // 2)
        at = (np.rint(place * size).astype(int) % size for place in (y, x))
        patterns = electrons * templates[(domain, *at)].clip(0)
        counts = np.random.default_rng(seed).poisson(patterns).reshape(-1, *patterns.shape[2:])
        return counts.astype(np.float32), y.ravel(), x.ravel()

    return make


@pytest.mark.parametrize("turn", SQUARE)
@pytest.mark.parametrize(
    ("columns", "per_cell"), [(72, 6), (72, 8), (60, 6), (64, 8), (96, 8), (128, 4)]
)
def test_every_turn_and_mirror_is_found_at_commensurate_steps(
    scan, small_library, turn, columns, per_cell
):
    patterns, y, x = scan((24, columns), per_cell, 300)
    found = handedness(turned_images(patterns, turn), y, x, small_library, 11.0)
    assert found.clear
    np.testing.assert_array_equal(found.turn, turn)
    assert found.mirrored == (np.linalg.det(turn) < 0)
    assert found.margin > 4 * found.margin_error


def test_a_regular_choice_is_not_made_of_many_positions(scan, small_library):
    """Every sixth position of 72 columns with six per cell is at one column of the cell."""
    patterns, y, x = scan((500, 72), 6, 3)
    found = handedness(turned_images(patterns, ((-1, 0), (0, -1))), y, x, small_library, 11.0)
    assert len(patterns) == 6 * 6000
    assert found.clear
    assert (found.turned_deg, found.mirrored) == (180, False)


def test_the_angle_is_counter_clockwise_after_the_mirror(scan, small_library):
    patterns, y, x = scan((24, 72), 6, 300)
    turned = np.rot90(patterns[:, :, ::-1], 1, (1, 2))  # mirrored, then a quarter to the left
    found = handedness(turned, y, x, small_library, THICKNESS)
    assert (found.turned_deg, found.mirrored) == (90, True)
    np.testing.assert_array_equal(found.turn, [(0, -1), (-1, 0)])


@pytest.mark.parametrize("turn", SQUARE)
def test_too_few_electrons_tell_no_turn(scan, small_library, turn):
    for seed in range(3):
        patterns, y, x = scan((24, 24), 6, 0.1, seed)
        found = handedness(turned_images(patterns, turn), y, x, small_library, THICKNESS)
        assert not found.clear
        assert "too little to tell" in found.sentence


def test_two_positions_per_cell_on_its_mirrors_tell_no_turn(scan, small_library):
    patterns, y, x = scan((48, 48), 2, 1000)
    y, x = y - 0.03, x - 0.05
    assert not handedness(patterns, y, x, small_library, THICKNESS).clear


def test_a_margin_that_one_band_makes_is_not_clear(scan, small_library):
    """Bands of other crystals disagree: the margin of all is no more than their scatter."""
    patterns, y, x = scan((48, 48), 6, 300)
    mixed = patterns.copy()
    for band in range(0, 4, 2):
        rows = slice(band * 12 * 48, (band + 1) * 12 * 48)
        mixed[rows] = turned_images(patterns[rows], ((-1, 0), (0, -1)))
    rows = slice(0, 4 * 48)
    mixed[rows] = patterns[rows]
    found = handedness(mixed, y, x, small_library, THICKNESS)
    assert not found.clear
    assert found.margin_error > 0.02


def test_vacuum_is_left_out(scan, small_library):
    patterns, y, x = scan((24, 72), 6, 300)
    vacuum = np.zeros((24, 72), bool)
    vacuum[:, 36:] = True
    lit = patterns.copy()
    # nothing but an edge that a place of the cell always sees
    lit[vacuum.ravel()] = 1000 * turned_images(patterns, ((-1, 0), (0, -1)))[vacuum.ravel()]
    found = handedness(lit, y, x, small_library, THICKNESS, vacuum.ravel())
    assert found.clear
    assert found.turned_deg == 0
    assert handedness(lit, y, x, small_library, THICKNESS).turned_deg == 180
    none = handedness(lit, y, x, small_library, THICKNESS, np.ones(len(lit), bool))
    assert not none.clear


def test_along_110_only_half_turns_and_mirrors_are_compared(scan, small_library):
    library = replace(small_library, zone_axis=(1, 1, 0))
    patterns, y, x = scan((24, 72), 6, 300)
    half = handedness(patterns[:, ::-1, ::-1], y, x, library, THICKNESS)
    assert half.turns_deg.tolist() == [0, 180, 0, 180]
    assert half.mirrors.tolist() == [False, True, True, False]
    assert half.clear
    assert (half.turned_deg, half.mirrored) == (180, False)
    for turn in turns_of((1, 1, 0)):
        found = handedness(turned_images(patterns, turn), y, x, library, THICKNESS)
        np.testing.assert_array_equal(found.turn, turn)
