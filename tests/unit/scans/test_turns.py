# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns and mirrors in the plane, of vectors, images and classes alike."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.scans.specimen.turns import PlaneTurn, apart, nearest
from polarstem.structures.symmetry import turns_of

ALL = [PlaneTurn.of(turn) for turn in turns_of((0, 0, 1))]
EIGHT = 45.0 * np.arange(8)


def test_all_eight_are_told_apart():
    assert len({(t.angle_deg, t.mirrored) for t in ALL}) == 8
    for turn, matrix in zip(ALL, turns_of((0, 0, 1)), strict=True):
        np.testing.assert_allclose(turn.matrix, matrix, atol=1e-12)


@pytest.mark.parametrize("second", ALL)
@pytest.mark.parametrize("first", ALL)
def test_products_and_inverses_are_those_of_the_matrices(first, second):
    np.testing.assert_allclose((second @ first).matrix, second.matrix @ first.matrix, atol=1e-12)
    np.testing.assert_allclose((first.inverse() @ first).matrix, np.eye(2), atol=1e-12)


@pytest.mark.parametrize("turn", ALL)
def test_an_image_turns_as_its_brightest_pixel(turn):
    image = np.zeros((5, 5))
    image[1, 4] = 1  # x = 2, y = 1
    row, column = np.argwhere(turn.images(image))[0]
    np.testing.assert_allclose(turn.vectors(np.array([2.0, 1.0])), [column - 2, 2 - row])


@pytest.mark.parametrize("turn", ALL)
def test_classes_turn_as_their_directions(turn):
    vectors = np.stack([np.cos(np.radians(EIGHT)), np.sin(np.radians(EIGHT))], axis=1)
    becomes = turn.classes(EIGHT)
    np.testing.assert_allclose(vectors[becomes], turn.vectors(vectors), atol=1e-9)


def test_classes_of_one_direction_keep_their_order_and_those_along_the_beam_their_place():
    directions = np.array([0.0, 0.0, 180.0, 180.0, np.nan])
    assert PlaneTurn(180.0).classes(directions).tolist() == [2, 3, 0, 1, 4]
    with pytest.raises(ValueError, match="leads out"):
        PlaneTurn(90.0).classes(directions)


def test_angles_repeat():
    assert apart(89, 1, 90) == pytest.approx(-2)
    assert apart(350, 10) == pytest.approx(-20)
    assert nearest(5, 170, 90) == pytest.approx(185)
