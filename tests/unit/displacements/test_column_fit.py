# SPDX-License-Identifier: GPL-3.0-or-later
"""Columns of one cell that repeats, from patterns to their displacements."""

from __future__ import annotations

import numpy as np
import pytest
from displaced_cases import raster

from polarstem.displacements.column_fit import BRIGHT, CELL_FEATURES, DARK, SITES, cell_columns
from polarstem.scans.specimen.rings import RINGS

PIXEL, SIDE = 0.25, 20  # semi-angles
MOVED = {"A": (0.011, -0.017), "B": (-0.02, 0.013), "O": (0.004, 0.021)}


def image(right: np.ndarray, up: np.ndarray, heights: dict[str, float]) -> np.ndarray:
    """Columns of a cell and of those around it; right and up from its middle."""
    told = np.full(right.shape, 0.2)
    for site, height in heights.items():
        for x, y in SITES[site]:
            for i, j in np.ndindex(5, 5):
                across = right - x - MOVED[site][0] - (i - 2)
                along = up - y - MOVED[site][1] - (j - 2)
                told += height * np.exp(-(across**2 + along**2) / (2 * 0.17**2))
    return told


def test_columns_of_a_cell_are_found_where_they_are() -> None:
    fractions = raster(9)
    right, up = fractions[:, 1] - 0.5, 0.5 - fractions[:, 0]
    along = (np.arange(SIDE) - (SIDE - 1) / 2) * PIXEL
    radius = np.hypot(*np.meshgrid(along, along))
    of_ring = {
        DARK: image(right, up, {"A": 0.05, "B": 0.1}),
        BRIGHT: image(right, up, {"A": -0.05, "B": -0.08, "O": -0.03}) + 0.2,
        0: np.zeros(len(right)),
    }
    of_ring[0] = 1 - of_ring[DARK] - of_ring[BRIGHT]  # every electron is somewhere
    patterns = np.zeros((len(right), SIDE, SIDE))
    for ring, share in of_ring.items():
        inside = (radius >= RINGS[ring][0]) & (radius < RINGS[ring][1])
        patterns += share[:, None, None] * inside / inside.sum()
    patterns[:, SIDE // 2 - 1, SIDE // 2] += 0.1  # of pixels in the middle: right, and up
    patterns[:, 9, -1] += 0.02
    patterns[:, 10, -1] += 0.02  # to the right
    patterns[:, 0, 9] += 0.01  # and up, beyond all rings
    patterns[:, 0, 10] += 0.01
    random = np.random.default_rng(0).permutation(len(right))
    found = dict(
        zip(CELL_FEATURES, cell_columns(patterns[random], fractions[random], PIXEL), strict=True)
    )
    for name, other in (("dark field B - A", "A"), ("bright field B - A", "A"),
                        ("bright field B - O", "O")):  # fmt: skip
        expected = np.subtract(MOVED["B"], MOVED[other])
        np.testing.assert_allclose(found[name], expected, atol=2e-3)
    assert found["Friedel pairs"] == pytest.approx([0.04 / 1.16, 0.02 / 1.16], rel=0.01)
    assert found["deflection"] == pytest.approx([0.1 / 1.1 * PIXEL / 2] * 2, rel=0.02)
