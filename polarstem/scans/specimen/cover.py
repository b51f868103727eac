# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the positions of a scan cover the unit cell evenly, as a position average needs.

The pattern at a place r in the cell is a sum over g of waves exp(2 pi i g.r), and the mean over
positions holds each of them times the mean of exp(2 pi i g.r). The position average is g = 0 alone;
what positions leave of the other orders is mixed in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ORDERS = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0))
"""g (y, x) whose waves in the pattern are strong enough to matter."""
EVEN = 0.1
"""`uneven_cover` up to which a mean is a position average.

With means over the templates of KNN (24 mrad, 9 to 41 nm) the thickness was wrong by 0.1 nm (root
mean square) at a cover of 0, by 0.2 to 0.3 nm (1.0 at most) up to 0.1, by 0.2 to 0.6 nm (1.4) at
0.13 to 0.22, and by 5 to 13 nm from 0.67 on. A step of a third of a cell, which leaves the third
orders alone, gave 0.3 nm: they need not be held against a scan.
"""


def uneven_cover(
    fractions_yx: NDArray[np.floating], weights: NDArray[np.floating] | None = None
) -> float:
    """Tell how far a mean over positions is from a mean over the cell.

    Parameters
    ----------
    fractions_yx : ndarray, shape (n, 2)
        Places in the cell as fractions of its edges.
    weights : ndarray, shape (n,), optional
        With which the positions are averaged; by default all alike.

    Returns
    -------
    float
        The largest absolute mean of exp(2 pi i g.r) over `ORDERS`: 0 for an even cover, 1 for one
        place.
    """
    places = np.asarray(fractions_yx, dtype=np.float64).reshape(-1, 2)
    if not len(places):
        return 1.0
    waves = np.exp(2j * np.pi * places @ np.array(ORDERS).T)
    return float(np.abs(np.average(waves, axis=0, weights=weights)).max())


def even_weights(fractions_yx: NDArray[np.floating], bins: int) -> NDArray[np.float64] | None:
    """Weigh positions so that their mean covers the cell evenly.

    Parameters
    ----------
    fractions_yx : ndarray, shape (n, 2)
        Places in the cell as fractions of its edges.
    bins : int
        Parts of the cell along each edge; each counts as much, however many positions it holds.

    Returns
    -------
    ndarray, shape (n,) or None
        Their mean is 1. None where a part holds no position, or the weighted cover is still more
        uneven than `EVEN`.
    """
    places = np.asarray(fractions_yx, dtype=np.float64).reshape(-1, 2)
    # a position on the edge of two parts must not go to either by rounding
    row, column = np.moveaxis(np.floor((places % 1) * bins + 1e-6).astype(int) % bins, -1, 0)
    part = row * bins + column
    held = np.bincount(part, minlength=bins * bins)
    if not held.all():
        return None
    weights: NDArray[np.float64] = len(places) / (bins * bins * held[part])
    return weights if uneven_cover(places, weights) <= EVEN else None
