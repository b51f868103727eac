# SPDX-License-Identifier: GPL-3.0-or-later
"""Atoms that stand at the same places of a lattice."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

TOLERANCE = 1e-3
"""Distance within which two positions are the same [Å]."""


def wrapped(positions: ArrayLike, size: ArrayLike) -> NDArray[np.float64]:
    """Fold positions into one cell of the plane.

    Parameters
    ----------
    positions : array_like, shape (atom, 3)
        x, y and z [Å].
    size : array_like, shape (2,) or more
        Of the cell along x and y [Å].
    """
    folded = np.array(positions, dtype=float)
    box = np.asarray(size, dtype=float)[:2]
    folded[:, :2] %= box
    # of a tiny negative number the remainder is rounded up to the edge itself
    folded[:, :2] = np.where(folded[:, :2] >= box, 0.0, folded[:, :2])
    return folded


def partners(positions: ArrayLike, places: ArrayLike, size: ArrayLike) -> NDArray[np.int64] | None:
    """Find the place that each atom stands at, in a lattice that repeats along x and y.

    Parameters
    ----------
    positions, places : array_like, shapes (atom, 3) and (place, 3)
        x, y and z [Å].
    size : array_like, shape (2,) or more
        Period along x and y [Å].

    Returns
    -------
    ndarray of int, shape (atom,), or None
        Number of the nearest place; None where some atom has none within `TOLERANCE`.
    """
    tree = cKDTree(wrapped(places, size), boxsize=[*np.asarray(size, dtype=float)[:2], 0])
    distance, partner = tree.query(wrapped(positions, size), distance_upper_bound=TOLERANCE)
    return np.asarray(partner, dtype=np.int64) if np.isfinite(distance).all() else None


def first_of_each(positions: ArrayLike, size: ArrayLike) -> NDArray[np.int64]:
    """Keep one atom, the first, of those that the lattice puts at one place."""
    folded = wrapped(positions, size)
    tree = cKDTree(folded, boxsize=[*np.asarray(size, dtype=float)[:2], 0])
    twins = tree.query_pairs(TOLERANCE, output_type="ndarray")
    return np.setdiff1d(np.arange(len(folded)), twins.max(axis=1))
