# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotation between scan and detector: curl, its ambiguity, and what settles it."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.scans.calibration.rotation import scan_rotation
from polarstem.scans.specimen.handedness import handedness
from polarstem.simulate.pattern_library import Library

CELL = 12  # positions


def columns_of_atoms(rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Deflection (x, y up) towards columns of two kinds, and a dark field bright there."""
    field, bright = np.zeros((*rows.shape, 2)), np.zeros(rows.shape)
    for row, column, weight in ((0, 0, 1.0), (0.5, 0.5, 0.6)):
        y, x = ((p / CELL - at + 0.5) % 1 - 0.5 for p, at in ((rows, row), (columns, column)))
        bump = weight * np.exp(-(x**2 + y**2) / 0.03)
        bright += bump
        field += np.stack([-x * bump, y * bump], -1)
    return field, bright


def turned(field: np.ndarray, degrees: float) -> np.ndarray:
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return field @ np.array([(c, s), (-s, c)])


def tiles(noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    corners = rng.uniform(0, 100, (9, 2, 1, 1))
    rows, columns = corners.transpose(1, 0, 2, 3) + np.indices((6, 6))[:, None]
    field, bright = columns_of_atoms(rows, columns)
    return field + rng.normal(0, noise, field.shape), bright


@pytest.mark.parametrize("angle", [0.0, 33.0, -71.0, 150.0])
def test_angle_of_thin_crystals_is_found_with_its_sign(angle):
    field, bright = tiles(noise=0.004)
    found = scan_rotation(turned(field, angle), (1.0, 1.0), bright, thickness_nm=3)
    assert found.settled
    assert found.angle.value == pytest.approx(angle, abs=max(3 * found.error_deg, 1))
    assert found.error_deg < 5
    assert not found.transposed
    assert found.angles_deg[found.curl.argmin()] % 180 == pytest.approx(angle % 180, abs=4)


def test_sign_is_not_claimed_for_thick_crystals():
    field, bright = tiles()
    for thickness in (None, 20.0):
        found = scan_rotation(turned(-field, 33), (1.0, 1.0), bright, thickness)
        assert found.angle.value == pytest.approx(33, abs=2)  # not 213
        assert not found.settled
        assert "180" in found.angle.note


def test_rows_and_columns_of_unlike_steps():
    rows, columns = np.indices((24, 48))
    field, _ = columns_of_atoms(rows * 2.0, columns)
    found = scan_rotation(turned(field, 40), (2.0, 1.0))
    assert found.angle.value == pytest.approx(40, abs=1)
    assert scan_rotation(turned(field, 40), (1.0, 1.0)).contrast < found.contrast / 3


def test_transposed_detector_is_noticed():
    field, bright = tiles()
    mixed = turned(-field[..., ::-1], 25)
    assert scan_rotation(mixed, (1.0, 1.0), bright).transposed


def test_noise_tells_nothing():
    rng = np.random.default_rng(12)
    found = scan_rotation(rng.normal(size=(9, 6, 6, 2)))
    assert found.angle is None
    assert "do not tell" in found.sentence
    assert scan_rotation(np.zeros((1, 2, 2, 2))).angle is None


def invented_library() -> Library:
    """Patterns that lean towards the columns, and are brighter beyond the disc at these."""
    angle = np.arange(32) - 15.5
    rows, columns = np.indices((8, 8)) * CELL / 8
    field, bright = columns_of_atoms(rows, columns)
    x = angle - 40 * field[..., 0, None, None]
    y = -angle[:, None] - 40 * field[..., 1, None, None]
    cells = np.exp(-(x**2 + y**2) / 60) + 0.1 * bright[..., None, None]
    crystals = np.stack([cells, cells])[None].astype(np.float32)
    return Library(
        np.array([5.0, 10]), np.zeros((1, 2)), np.zeros((2, 1, 64, 64), np.float32),
        np.array([5.0, 10]), crystals, np.array([0]), (((1, 0), (0, 1)),), ("RM",),
        np.array([0.0]), 3.0, 24.0, (0, 0, 1),
    )  # fmt: skip


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_simulated_patterns_tell_turn_and_mirror(quarters, mirrored):
    library = invented_library()
    rng = np.random.default_rng(13)
    rows, columns = rng.integers(0, 8, (2, 300))
    patterns = library.templates(7.0)[0][rows, columns]
    if mirrored:
        patterns = patterns[:, :, ::-1]
    patterns = rng.poisson(20 * np.rot90(patterns, quarters, (1, 2)))
    places = (p / 8 + rng.uniform(-0.05, 0.05, 300) for p in (rows, columns))
    found = handedness(patterns, *places, library, 6.0)
    assert found.clear
    assert (found.turned_deg, found.mirrored) == (90 * quarters, mirrored)


def test_patterns_that_do_not_depend_on_the_place_tell_no_turn():
    rng = np.random.default_rng(14)
    found = handedness(
        rng.poisson(5, (300, 32, 32)), rng.random(300), rng.random(300), invented_library(), 6.0
    )
    assert not found.clear
