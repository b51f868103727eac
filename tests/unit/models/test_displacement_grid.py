# SPDX-License-Identifier: GPL-3.0-or-later
"""The grid of displacements: means are kept, turns are turns, classes are sectors."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.models import displacement_grid as grid
from polarstem.models.group_network import Group

COMPASS = [0.0, 45.0, 90.0, 135.0, 180.0, 225.0, 270.0, 315.0]


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).uniform(-1.4, 1.4, (50, 2))


def density_of(vectors) -> np.ndarray:
    index, share = grid.shares(vectors)
    density = np.zeros((len(vectors), len(grid.nodes())))
    np.put_along_axis(density, index, share, axis=1)
    return density


def test_shares_keep_the_vector(vectors):
    index, share = grid.shares(vectors)
    np.testing.assert_allclose(share.sum(axis=1), 1)
    assert share.min() >= 0
    np.testing.assert_allclose((grid.nodes()[index] * share[..., None]).sum(1), vectors, atol=1e-12)
    # and stay on the grid beyond its edge
    index, share = grid.shares([[9.0, -9.0]])
    np.testing.assert_allclose(share[0] @ grid.nodes()[index[0]], [grid.REACH, -grid.REACH])


def test_a_vector_between_nodes_is_shared_by_its_neighbours():
    index, share = grid.shares([[0.25 * grid.STEP, 0.5 * grid.STEP]])
    places = grid.nodes()[index[0]] / grid.STEP
    np.testing.assert_allclose(places, [[0, 0], [1, 0], [0, 1], [1, 1]], atol=1e-12)
    np.testing.assert_allclose(share[0], [0.375, 0.125, 0.375, 0.125])


def test_images_are_turned_nodes():
    group = Group((8, 8), COMPASS)
    images = grid.images(group.matrices)
    assert images.shape == (8, len(grid.nodes()))
    for image, matrix in zip(images, group.matrices, strict=True):
        np.testing.assert_allclose(grid.nodes()[image], grid.nodes() @ matrix.T, atol=1e-12)


def test_a_class_is_the_sector_around_its_direction():
    sectors = grid.sectors(COMPASS)
    np.testing.assert_allclose(sectors.sum(axis=1), 1)
    places = grid.nodes()

    def sector(x, y):
        at = np.flatnonzero((np.abs(places - np.array([x, y]) * grid.STEP) < 1e-9).all(axis=1))
        return sectors[at[0]]

    np.testing.assert_allclose(sector(4, 0), np.eye(8)[0])
    np.testing.assert_allclose(sector(4, 3), np.eye(8)[1])  # 37 degrees
    np.testing.assert_allclose(sector(0, -5), np.eye(8)[6])
    np.testing.assert_allclose(sector(0, 0), np.full(8, 1 / 8))
    # three classes: 90 degrees lies as near to the first as to the second
    np.testing.assert_allclose(grid.sectors([45.0, 135.0, 270.0])[:, :2].sum(1).max(), 1)
    at = np.flatnonzero((np.abs(places - [0, 4 * grid.STEP]) < 1e-9).all(axis=1))
    np.testing.assert_allclose(grid.sectors([45.0, 135.0, 270.0])[at[0]], [0.5, 0.5, 0])


def test_moments_of_two_equal_peaks():
    vector = np.array([6, 3]) * grid.STEP
    found = grid.moments(density_of([vector, -vector]).mean(axis=0)[None])
    np.testing.assert_allclose(found.mean, 0, atol=1e-12)
    np.testing.assert_allclose(found.covariance[0], np.outer(vector, vector), atol=1e-12)
    np.testing.assert_allclose(found.p_polar, 1)
    short = grid.moments(density_of([[2 * grid.STEP, 0.0], [3 * grid.STEP, 0.0]]))
    np.testing.assert_allclose(short.p_polar, [0, 1])
