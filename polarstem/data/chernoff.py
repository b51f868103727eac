# SPDX-License-Identifier: GPL-3.0-or-later
"""How many electrons it takes to tell two patterns apart: Chernoff information."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_FLOOR = 1e-30  # of the beam: keeps logarithms finite where a pixel stays dark
_STEPS = 40  # bisections alone would leave 1e-12
_CLOSE = 1e-4  # on the exponent s; the information is off by its square


def chernoff_information(p: ArrayLike, q: ArrayLike) -> NDArray[np.float64]:
    """Chernoff information between counted patterns, per incident electron.

    With N electrons, pixels count independently and Poisson-distributed with means N p or N q. Of
    the two, equally probable beforehand, the better guess is wrong with a probability of at most
    ``exp(-N C) / 2``, and no guess makes the exponent of its error larger than C as N grows:
    ``C = max over s in [0, 1] of sum(s p + (1 - s) q - p^s q^(1 - s))`` (H. Chernoff, Ann. Math.
    Stat. 23, 493 (1952); T. M. Cover and J. A. Thomas, Elements of Information Theory, 11.9).

    Parameters
    ----------
    p, q : array_like, shapes that broadcast to (..., pixel)
        Expected fractions of the beam in each pixel, not negative.

    Returns
    -------
    ndarray, shape (...)
        C [1 per electron]; zero for equal patterns.

    Notes
    -----
    The sum is concave in s, and zero at both ends: Newton's steps find its top, halvings of the
    bracket stand in where a step leaves it.
    """
    p, q = (np.maximum(np.asarray(each, dtype=np.float64), _FLOOR) for each in (p, q))
    ratio = np.log(p) - np.log(q)
    p, q = np.broadcast_arrays(p, q)
    tilt = (p - q).sum(-1)
    low, high = np.zeros(tilt.shape), np.ones(tilt.shape)
    s = np.full(tilt.shape, 0.5)
    best = np.zeros(tilt.shape)
    for _ in range(_STEPS):
        mixed = np.exp(s[..., None] * ratio)
        mixed *= q
        best = np.maximum(best, q.sum(-1) + s * tilt - mixed.sum(-1))
        mixed *= ratio
        slope = tilt - mixed.sum(-1)
        mixed *= ratio
        curvature = mixed.sum(-1)
        low, high = np.where(slope > 0, s, low), np.where(slope > 0, high, s)
        step = np.divide(slope, curvature, out=np.zeros(s.shape), where=curvature > 0)
        inside = (s + step > low) & (s + step < high)
        moved = np.where(inside | (slope == 0), s + step, (low + high) / 2)
        change, s = np.abs(moved - s).max(initial=0), moved
        if change < _CLOSE:
            break
    return best
