# SPDX-License-Identifier: GPL-3.0-or-later
"""Detector binning, axis order and probe positions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polarstem.simulate.detector import binning_matrix, measure

from polarstem.errors import PolarstemError
from polarstem.simulate.microscope.camera import pixel_angles
from polarstem.simulate.microscope.probe_positions import probe_grid


@given(
    half=st.integers(1, 60),
    sample=st.floats(0.1, 5),
    pixels=st.integers(1, 80),
    pixel=st.floats(0.1, 5),
)
def test_binning_conserves_and_is_symmetric(half, sample, pixels, pixel):
    matrix = binning_matrix(2 * half + 1, sample, pixels, pixel)
    np.testing.assert_allclose(matrix, matrix[::-1, ::-1], atol=1e-6)
    reach = (np.abs(np.arange(-half, half + 1)) + 0.5) * sample
    inside = reach <= pixels * pixel / 2
    np.testing.assert_allclose(matrix.sum(0)[inside], 1, rtol=1e-5)
    assert matrix.sum(0).max() <= 1 + 1e-5
    assert matrix.min() >= 0


def test_even_samples_are_refused():
    with pytest.raises(ValueError, match="odd"):
        binning_matrix(4, 1.0, 4, 1.0)


def test_one_bright_sample_lands_where_it_should():
    """abTEM's kx (first axis) becomes the column, +ky (second axis) the upper row."""
    array = np.zeros((8, 8), np.float32)  # -Nyquist row first, zero angle at index 4
    array[4 + 2, 4 + 1] = 1.0  # kx = +2, ky = +1 samples
    image = measure(array, (1.0, 1.0), 7, 1.0)
    assert np.argwhere(image > 0.5).tolist() == [[3 - 1, 3 + 2]]
    assert image.sum() == pytest.approx(1)


def test_pixel_angles_are_centred():
    np.testing.assert_allclose(pixel_angles(4, 2.0), [-3, -1, 1, 3])
    np.testing.assert_allclose(pixel_angles(3, 1.5), [-1.5, 0, 1.5])


def test_rectangular_samples():
    """Unequal sampling along x and y still gives square pixels."""
    rng = np.random.default_rng(0)
    array = rng.random((2, 3, 21, 31)).astype(np.float32)
    image = measure(array, (1.5, 1.0), 40, 1.0)
    assert image.shape == (2, 3, 40, 40)
    np.testing.assert_allclose(image.sum((-1, -2)), array.sum((-1, -2)), rtol=1e-5)


def test_probe_grid_covers_the_central_cell():
    grid = probe_grid((4.0, 5.0), (6, 4), (5, 8), (1, 1), "centre", 0)
    assert grid.positions.shape == (40, 2)
    x, y = grid.positions.T
    assert ((x > 8) & (x < 12)).all()
    assert ((y > 5) & (y < 10)).all()
    rows = y.reshape(5, 8)
    assert (np.diff(rows[:, 0]) < 0).all()  # the first row is the top one
    np.testing.assert_allclose(grid.y, rows[0, 0] - rows[:, 0])
    np.testing.assert_allclose(grid.cell_x, (np.arange(8) + 0.5) / 8)
    # fraction from the A column: y down from a cell's upper edge, where an A column stands
    np.testing.assert_allclose(grid.cell_y, (10 - rows[:, 0]) / 5 % 1)


def test_random_offsets_stay_within_a_step():
    seen = set()
    for seed in range(20):
        grid = probe_grid((4.0, 4.0), (3, 3), (4, 4), (1, 1), "random", seed)
        assert 0 <= grid.cell_x[0] < 0.25
        assert 0 <= grid.cell_y[0] < 0.25
        seen.add(float(grid.cell_x[0]))
    assert len(seen) == 20


def test_a_scan_larger_than_the_field_is_refused():
    with pytest.raises(PolarstemError, match=r"7 cells along x, but the field has 6"):
        probe_grid((4.0, 4.0), (6, 6), (4, 4), (1, 7), "centre", 0)
