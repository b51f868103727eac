# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows that lie beside where they should, found again and taken out."""

from __future__ import annotations

import numpy as np
import pytest
from lattice_scenes import CELL, STEP, apart, scene, templates

from polarstem.scans.specimen.lattice import find_lattice

TEMPLATES = templates()
SHEARED = ((1.0, 0.04), (0, 1))


def jitter(rms, seed, rows=72):
    """Displacements [nm] without a constant and a slope, which belong to the lattice."""
    values = np.random.default_rng(seed).normal(0, rms, (rows, 2))
    return values - line(values)


def line(values):
    rows = np.arange(len(values))
    return np.stack([np.polyval(np.polyfit(rows, v, 1), rows) for v in values.T], axis=1)


def rms_angstrom(values):
    return 10 * np.sqrt(np.square(values).mean(axis=0))


@pytest.mark.parametrize(
    ("rotation", "electrons"), [(0.0, 3e4), (7.3, 3e4), (45.0, 3e4), (0.0, 1e3), (7.3, 1e3)]
)
@pytest.mark.parametrize("form", [((1, 0), (0, 1)), SHEARED])
def test_jitter_of_a_quarter_angstrom_is_found_in_a_sheared_scan(rotation, form, electrons):
    truth = jitter(0.025, seed=round(rotation))
    images, y, x = scene(rotation, form=form, rows=truth, electrons=electrons)
    lattice = find_lattice(images, STEP, CELL, rotation_deg=rotation, templates=TEMPLATES)
    found = lattice.row_shift_nm
    assert (rms_angstrom(found - line(found) - truth) < 0.1).all()
    assert "Rows lie 0.2" in lattice.sentence
    cells = lattice.cells(*y.shape)
    assert np.sqrt(np.mean(apart(cells.y, y) ** 2)) < 0.03
    assert np.sqrt(np.mean(apart(cells.x, x) ** 2)) < 0.03


@pytest.mark.parametrize("electrons", [3e4, 1e3, 100])
def test_rows_that_lie_right_are_left_there(electrons):
    for rotation in (0.0, 7.3, 45.0):
        images, _, _ = scene(rotation, electrons=electrons)
        lattice = find_lattice(images, STEP, CELL, rotation_deg=rotation, templates=TEMPLATES)
        assert (rms_angstrom(lattice.row_shift_nm) < 0.035).all()
        assert "Rows lie" not in lattice.sentence


def test_drift_that_bends_the_lattice_is_followed():
    along = np.linspace(0, 1, 72)
    bend = 0.15 * np.stack([np.sin(5 * along), np.cos(4 * along)], axis=1)  # 3 Å each
    images, y, x = scene(rows=bend)
    lattice = find_lattice(images, STEP, CELL, rotation_deg=7.0, templates=TEMPLATES)
    cells = lattice.cells(*y.shape)
    assert np.sqrt(np.mean(apart(cells.y, y) ** 2)) < 0.03
    assert np.sqrt(np.mean(apart(cells.x, x) ** 2)) < 0.03


def test_cells_follow_the_rows():
    truth = jitter(0.04, seed=3)
    images, _, _ = scene(rows=truth)
    lattice = find_lattice(images, STEP, CELL, rotation_deg=7.0, templates=TEMPLATES)
    cells = lattice.cells(72, 72)
    rows, columns = np.indices((72, 72))
    for number in range(0, len(cells.centre), 17):
        inside = cells.index == number
        mean = np.array([rows[inside].mean() * STEP[0], columns[inside].mean() * STEP[1]])
        np.testing.assert_allclose(cells.centre[number], mean, atol=0.08)


def test_too_few_rows_are_not_fitted():
    images, _, _ = scene(shape=(7, 200), step=(0.15, 0.0664))
    lattice = find_lattice(images, (0.15, 0.0664), CELL, rotation_deg=7.0, templates=TEMPLATES)
    assert lattice.row_shift_nm is None or not lattice.row_shift_nm.any()
