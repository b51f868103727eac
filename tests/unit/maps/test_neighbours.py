# SPDX-License-Identifier: GPL-3.0-or-later
"""What is compared between cells: splines read elsewhere, and quartiles of cells."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from polarstem.maps.anomaly import upper_quartiles
from polarstem.maps.neighbours import neighbourhood, read_splines


def test_splines_are_read_as_scipy_does_inside_and_beyond_the_rim():
    rng = np.random.default_rng(0)
    planes = [ndimage.spline_filter(plane, 3) for plane in rng.normal(size=(3, 14, 11))]
    places = np.indices((14, 11)) + rng.uniform(-6, 6, (2, 14, 11))
    found = np.empty((3, 14, 11))
    read_splines(np.array(planes), places, found)
    expected = [
        ndimage.map_coordinates(plane, places, order=3, prefilter=False, mode="nearest")
        for plane in planes
    ]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_quartiles_of_cells_are_those_of_numpy():
    rng = np.random.default_rng(1)
    values, cell = rng.normal(size=(20, 30)), rng.integers(-1, 9, (20, 30))
    values[rng.random(values.shape) < 0.2] = np.nan
    cell[cell == 5] = 7  # none is left in it
    values[cell == 3] = np.nan
    found = upper_quartiles(values, cell)
    for number in range(9):
        inside = values[(cell == number) & np.isfinite(values)]
        if len(inside):
            np.testing.assert_allclose(found[number], np.quantile(inside, 0.75))
        else:
            assert np.isnan(found[number])
    assert np.isnan(upper_quartiles(np.full((2, 2), np.nan), np.array([[0, 1], [1, -1]]))).all()


def test_threads_change_nothing():
    features = np.random.default_rng(2).normal(size=(24, 22, 3)).astype(np.float32)
    vectors = np.array([(5.3, 0.4), (-0.3, 5.1)])
    one, several = (neighbourhood(features, vectors, threads=n) for n in (1, 3))
    np.testing.assert_array_equal(one[0], several[0])
    np.testing.assert_array_equal(one[1], several[1])
