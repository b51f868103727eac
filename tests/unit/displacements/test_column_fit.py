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
    # reflections of a spacing of 4 pixels: 1 0 to the right, 0 1 upwards
    for weight, rows, columns in (
        (0.02, slice(9, 11), slice(13, 15)),
        (0.01, slice(5, 7), slice(9, 11)),
    ):
        patterns[:, rows, columns] += weight / 4
    random = np.random.default_rng(0).permutation(len(right))
    found = dict(
        zip(
            CELL_FEATURES,
            cell_columns(patterns[random], fractions[random], PIXEL, (4.0, 4.0)),
            strict=True,
        )
    )
    for name, other in (("dark field B - A", "A"), ("bright field B - A", "A"),
                        ("bright field B - O", "O")):  # fmt: skip
        expected = np.subtract(MOVED["B"], MOVED[other])
        np.testing.assert_allclose(found[name], expected, atol=2e-3)
    right, up = found["Friedel pairs 1 0"]
    assert 0 < up < right
    assert right == pytest.approx(2 * up, rel=0.02)
    assert found["Friedel pairs 2 0"] == pytest.approx(0, abs=1e-6)
    expected = np.array([0.1 / 2 + 0.02 * 4, 0.1 / 2 + 0.01 * 4]) * PIXEL / 1.13
    np.testing.assert_allclose(found["deflection"], expected, rtol=1e-3)
