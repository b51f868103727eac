# SPDX-License-Identifier: GPL-3.0-or-later
"""Grid points of projected cells: even, and none that transforms are slow for."""

from __future__ import annotations

import math

import pytest

from polarstem.structures.cell_metric import cell_points


@pytest.mark.parametrize(
    ("pixels", "ratio", "expected"),
    [
        (40, 1.0, 40),
        (46, 1.0, 46),  # as asked for
        (32, math.sqrt(2), 48),  # not 46 = 2 x 23
        (40, math.sqrt(2), 56),
        (20, math.sqrt(2), 28),
        (40, 1.013, 40),
        (22, math.sqrt(2), 32),  # 31.1: not 31, which is odd
        (26, math.sqrt(2), 36),
    ],
)
def test_points_are_even_and_fast(pixels, ratio, expected):
    assert cell_points(pixels, 3.98 * ratio, 3.98) == expected


@pytest.mark.parametrize("pixels", range(8, 200, 2))
def test_no_cell_has_fewer_points_than_its_length_asks_for(pixels):
    found = cell_points(pixels, 5.63, 3.98)
    assert 0 <= found - 2 * round(pixels * 5.63 / 3.98 / 2) <= 14
    assert found % 2 == 0
    assert all(found % prime for prime in (17, 19, 23, 29, 31, 37, 41, 43, 47))
