# SPDX-License-Identifier: GPL-3.0-or-later
"""The plane of polar displacements as a square grid, and densities on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polarstem.models.augmentation import circular_distance

HALF = 16
"""Nodes on each side of the middle."""
REACH = 1.5
"""Coordinate of the last node, over the length of the template's polar vector."""
STEP = REACH / HALF
POLAR = 0.25
"""Shortest vector that is called polar, over the length of the template's."""

Floats = NDArray[np.float64]


def nodes() -> Floats:
    """Coordinates of the nodes, to the right and up, over the template's length; shape (n, 2)."""
    line = STEP * np.arange(-HALF, HALF + 1)
    y, x = np.meshgrid(line, line, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1)


def images(matrices: Floats) -> NDArray[np.int64]:
    """The node that each becomes by an operation, shape (operation, node).

    Parameters
    ----------
    matrices : ndarray, shape (operation, 2, 2)
        Turns and mirrors of the square that act on vectors (x, y), y up.
    """
    turned = np.rint(nodes() @ matrices.swapaxes(1, 2) / STEP).astype(np.int64) + HALF
    return np.asarray(turned[..., 1] * (2 * HALF + 1) + turned[..., 0])


def shares(vectors: ArrayLike) -> tuple[NDArray[np.int64], Floats]:
    """The four nodes around each vector and their bilinear shares; both of shape (n, 4).

    Their mean is the vector, or the nearest point of the grid beyond its edge.
    """
    place = np.asarray(vectors, float) / STEP + HALF
    place = np.clip(place, 0, 2 * HALF)
    first = np.minimum(place.astype(np.int64), 2 * HALF - 1)
    rest = place - first
    x, y = first.T
    u, v = rest.T
    row = 2 * HALF + 1
    index = np.stack([y * row + x, y * row + x + 1, (y + 1) * row + x, (y + 1) * row + x + 1], 1)
    share = np.stack([(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v], axis=1)
    return index, share


def sectors(directions: Sequence[float]) -> Floats:
    """Share of each node that belongs to each class, shape (node, class).

    A node belongs to the class whose direction is nearest to its own; in the middle between two
    to both, and at zero to all alike.
    """
    places = nodes()
    angle = np.degrees(np.arctan2(places[:, 1], places[:, 0]))
    apart = circular_distance(angle[:, None], np.asarray(directions, float))
    nearest = apart < apart.min(axis=1, keepdims=True) + 1e-6
    nearest[np.hypot(*places.T) < STEP / 2] = True
    return nearest / nearest.sum(axis=1, keepdims=True)


class Moments(NamedTuple):
    """What a density says of the vector.

    Attributes
    ----------
    mean : ndarray, shape (n, 2)
        To the right and up, over the length of the template's.
    covariance : ndarray, shape (n, 2, 2)
        In units of its square.
    p_polar : ndarray, shape (n,)
        Probability of a vector of `POLAR` or longer.
    """

    mean: Floats
    covariance: Floats
    p_polar: Floats


def moments(density: ArrayLike) -> Moments:
    """Mean, covariance and probability to be polar of densities on the nodes, shape (n, node)."""
    weights, places = np.asarray(density, float), nodes()
    mean = weights @ places
    products = places[:, :, None] * places[:, None, :]
    second = np.tensordot(weights, products, axes=1)
    covariance = second - mean[:, :, None] * mean[:, None, :]
    long = np.hypot(*places.T) >= POLAR
    return Moments(mean, covariance, weights[:, long].sum(axis=1))
