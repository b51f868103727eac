# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps that are wrong or too coarse, drift, line scans: what the lattice says of them."""

from __future__ import annotations

import numpy as np
import pytest
from lattice_scenes import CELL, STEP, apart, scene, templates

from polarstem.scans.specimen.lattice import find_lattice

TEMPLATES = templates()


def found_in(images, step=STEP, cell=CELL, rotation=7.3, like=TEMPLATES):
    return find_lattice(images, step, cell, rotation_deg=rotation + 3, templates=like)


@pytest.mark.parametrize("factor", [1.08, 0.85, 10.0, 0.1, 2.0, 0.5, 2**0.5])
@pytest.mark.parametrize("like", [TEMPLATES, None])
@pytest.mark.parametrize("rotation", [0.0, 7.3, 44.0])
def test_a_wrong_step_is_told_and_the_lattice_found(factor, like, rotation):
    images, y, x = scene(rotation)
    wrong = (STEP[0] * factor, STEP[1] * factor)
    lattice = found_in(images, wrong, rotation=rotation, like=like)
    assert lattice.found, lattice.sentence
    assert lattice.scale == pytest.approx((factor, factor), rel=0.01)
    assert lattice.implied_step_nm == pytest.approx(STEP, rel=0.01)
    assert "implies a step of 0.066" in lattice.sentence
    cells = lattice.cells(*y.shape)
    assert np.sqrt(np.mean(apart(cells.y, y) ** 2)) < 0.03
    assert np.sqrt(np.mean(apart(cells.x, x) ** 2)) < 0.03


def test_a_right_step_is_not_doubted():
    images, _, _ = scene()
    lattice = found_in(images)
    assert lattice.scale == pytest.approx((1, 1), abs=0.005)
    assert "implies" not in lattice.sentence
    assert "drift" not in lattice.sentence
    assert "implies" not in found_in(images, (STEP[0] * 1.025, STEP[1] * 1.025)).sentence


@pytest.mark.parametrize("factor", [2.0, 0.5, 1.2])
def test_a_step_may_be_wrong_along_one_axis(factor):
    images, y, _ = scene()
    lattice = found_in(images, (STEP[0] * factor, STEP[1]))
    assert lattice.found
    assert lattice.scale == pytest.approx((factor, 1), rel=0.01)
    assert "implies a step of 0.066" in lattice.sentence
    assert "drift" not in lattice.sentence
    assert lattice.rotation.value == pytest.approx(7.3, abs=0.5)
    assert np.sqrt(np.mean(apart(lattice.cells(*y.shape).y, y) ** 2)) < 0.03


def test_uniform_drift_is_told_as_a_shear_and_taken_out():
    images, y, x = scene(form=((1.03, 0.04), (0, 1)))
    lattice = found_in(images)
    height = 71 * STEP[0]
    assert lattice.drift_nm == pytest.approx((0.03 * height, 0.04 * height), abs=0.02)
    assert lattice.shear == pytest.approx(0.04 / 1.03, abs=0.003)
    assert lattice.rotation.value == pytest.approx(7.3, abs=0.3)
    assert f"drifted by +{lattice.drift_nm[0]:.2f} nm along y" in lattice.sentence
    cells = lattice.cells(*y.shape)
    assert np.sqrt(np.mean(apart(cells.y, y) ** 2)) < 0.03
    assert np.sqrt(np.mean(apart(cells.x, x) ** 2)) < 0.03


@pytest.mark.parametrize("step", [0.19, 0.2, 0.25, 0.3, 0.35, 0.45, 0.6])
@pytest.mark.parametrize("form", [((1, 0), (0, 1)), ((1.03, 0.03), (0, 1))])
@pytest.mark.parametrize("like", [TEMPLATES, None])
def test_an_alias_of_the_lattice_is_not_believed(step, form, like):
    """A scan too coarse for the lattice repeats, too: as a finer one of another lattice."""
    images, _, _ = scene(5.0, step=(step, step), form=form)
    lattice = found_in(images, (step, step), rotation=5.0, like=like)
    assert not lattice.found or lattice.scale == pytest.approx((1, 1), abs=0.05)
    assert lattice.sentence


def test_the_lattice_of_all_columns_is_not_taken_for_the_crystals():
    """Where both kinds of columns look alike, the cell seems smaller by the root of 2."""
    alike, _, _ = scene(other=1.0, width=0.07)
    unlike, _, _ = scene()
    for images, factor in ((alike, 1.0), (unlike, 0.5**0.5)):
        for like in (TEMPLATES, None):
            lattice = found_in(images, (STEP[0] * factor,) * 2, like=like)
            assert not lattice.found
            assert "both kinds of columns look alike" in lattice.sentence


def test_a_part_of_the_lattice_is_not_taken_where_the_step_is_wrong_too():
    """Vacuum with an edge hides the first coefficients beside it."""
    images, _, _ = scene(other=0.7)
    random = np.random.default_rng(1)
    images[:, 48:] = [0.2, 0.8, 0.01, 0.001, 0, 0] + 0.003 * random.normal(size=(72, 24, 6))
    for factor in (0.85, 1.2, 10.0):
        lattice = found_in(images, (STEP[0] * factor,) * 2)
        assert not lattice.found or lattice.scale == pytest.approx((factor, factor), rel=0.01)


def test_a_cell_that_is_doubled_a_little_is_not_taken():
    """Tilted octahedra make every second cell another: the cell of the columns is looked for."""
    images, y, _ = scene(doubled=0.5)
    lattice = found_in(images)
    assert lattice.found
    assert lattice.scale == pytest.approx((1, 1), rel=0.01)
    assert np.sqrt(np.mean(apart(lattice.cells(*y.shape).y, y) ** 2)) < 0.03
    other = found_in(images, (STEP[0] * 0.85,) * 2)
    assert not other.found or other.scale == pytest.approx((0.85, 0.85), rel=0.01)


@pytest.mark.parametrize(
    ("shape", "box"),
    [((1, 72), (1, 6)), ((3, 72), (3, 6)), ((72, 1), (6, 1)), ((3, 3), (3, 3)), ((1, 40), (1, 6))],
)
def test_line_scans_are_pooled_in_boxes_along_the_line(shape, box):
    images, _, _ = scene(shape=shape)
    lattice = found_in(images)
    assert not lattice.found
    assert f"{shape[0]} x {shape[1]} positions is too small" in lattice.sentence
    assert lattice.sentence.endswith(f"boxes of {box[0]} x {box[1]}.")
    cells = lattice.cells(*shape)
    counts = np.bincount(cells.index[cells.index >= 0])
    assert (counts == box[0] * box[1]).all()
    assert len(counts) == len(cells.centre) == (shape[0] // box[0]) * (shape[1] // box[1])
    assert np.isnan(cells.y).all()


def test_two_cells_are_too_few():
    images, _, _ = scene(shape=(12, 12))
    lattice = found_in(images)
    assert not lattice.found or lattice.scale == pytest.approx((1, 1), abs=0.06)


def test_without_a_cell_any_lattice_is_told():
    images, y, _ = scene()
    lattice = found_in(images, cell=None, like=None)
    assert lattice.found
    np.testing.assert_allclose(np.hypot(*lattice.vectors.T), 0.398, rtol=0.01)
    assert lattice.implied_step_nm is None
    assert np.isnan(lattice.scale).all()
    assert "modulo 90" in lattice.rotation.note
    cells = lattice.cells(*y.shape)
    assert np.sqrt(np.mean(apart(cells.y, y) ** 2)) < 0.03
    none = find_lattice(np.random.default_rng(0).normal(size=(40, 40, 6)), STEP, None)
    assert not none.found


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("factor", [0.1, 1.0, 10.0])
def test_vacuum_with_edges_and_lines_has_no_lattice(seed, factor):
    random = np.random.default_rng(seed)
    shape = [(72, 72), (24, 24), (16, 40), (128, 30)][seed % 4]
    images = np.array([0.25, 0.73, 0.02, 0.001, 0, 0]) + 0.003 * random.normal(size=(*shape, 6))
    if seed % 2:
        images[:, : shape[1] // 2] += 0.02
    if seed % 3 == 0:
        images += 0.01 * random.normal(size=(shape[0], 1, 6))
    if seed % 3 == 1:
        images += 0.01 * random.normal(size=(1, shape[1], 6))
    for like in (TEMPLATES, None):
        step = (STEP[0] * factor, STEP[1] * factor)
        assert not found_in(images, step, like=like).found


@pytest.mark.parametrize("electrons", [3000, 300, 100])
def test_few_electrons_are_enough(electrons):
    images, y, _ = scene(electrons=electrons)
    for factor in (1.0, 0.85) if electrons > 100 else (1.0,):
        lattice = found_in(images, (STEP[0] * factor,) * 2)
        assert lattice.found
        assert lattice.scale == pytest.approx((factor, factor), rel=0.01)
        assert np.sqrt(np.mean(apart(lattice.cells(*y.shape).y, y) ** 2)) < 0.03


def test_vacuum_beside_the_crystal_does_no_harm():
    images, y, _ = scene()
    random = np.random.default_rng(1)
    images[:, 48:] = [0.25, 0.73, 0.02, 0.001, 0, 0] + 0.003 * random.normal(size=(72, 24, 6))
    masked = images.copy()
    masked[:, 48:] = np.nan
    for kind in (images, masked):
        lattice = found_in(kind)
        assert lattice.found
        assert np.sqrt(np.mean(apart(lattice.cells(72, 72).y, y)[:, :48] ** 2)) < 0.03
        other = found_in(kind, (STEP[0] * 0.85,) * 2)
        assert not other.found or other.scale == pytest.approx((0.85, 0.85), rel=0.01)
