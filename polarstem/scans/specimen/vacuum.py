# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the beam met no specimen: next to nothing is scattered far beyond the disc."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from numpy.typing import ArrayLike, NDArray

from polarstem.scans.specimen.rings import RINGS

OUTERMOST = len(RINGS) - 1
"""The ring that is asked: at its angles neither blur nor aberrations put electrons of the disc."""
VACUUM_SHARE = 0.0065
"""Share of the electrons in the outermost ring below which there is no specimen: a quarter of what
4 nm of a perovskite (KNN, 200 kV, 20 mrad) scatter there, which is 2.6 %."""
_OF_THINNEST = 0.3  # of what the thinnest crystal of a library scatters there
LEAST_COVERED = 0.15
"""Of the outermost ring, seen by the detector: less does not tell vacuum."""
_ENOUGH = 25.0  # electrons expected at the threshold: a standard error of a fifth
_SIZES = (3, 5, 9, 17, 33, 65)  # positions along a square that is looked at together


def vacuum_threshold(thinnest_share: float | None = None) -> float:
    """Share in the outermost ring that separates vacuum from specimen.

    Parameters
    ----------
    thinnest_share : float, optional
        What the thinnest crystal that is looked for has there, as of a library; without one
        `VACUUM_SHARE` is taken.
    """
    return VACUUM_SHARE if thinnest_share is None else _OF_THINNEST * thinnest_share


def vacuum_mask(
    ring_shares: NDArray[np.floating],
    electrons: ArrayLike,
    thinnest_share: float | None = None,
    covered: float = 1.0,
) -> NDArray[np.bool_]:
    """Tell where there is no specimen.

    Of each position and those around it, as many as it takes to count enough electrons, and three
    by three at least: a single position does not differ from all of its neighbours. A film that
    is amorphous scatters as a crystal does, and is no vacuum.

    Parameters
    ----------
    ring_shares : ndarray, shape (ny, nx, ring or more)
        Shares of the electrons in `RINGS`, as `ring_signals_on_detector` gives them; nan where
        nothing was measured.
    electrons : array_like, shape (ny, nx) or ()
        Electrons in all rings, of a pattern.
    thinnest_share : float, optional
        See `vacuum_threshold`.
    covered : float
        Share of the outermost ring that the detector covers: what is seen is scaled up by it.

    Returns
    -------
    ndarray of bool, shape (ny, nx)
        False where nothing is known.
    """
    threshold = vacuum_threshold(thinnest_share)
    share = np.asarray(ring_shares[..., OUTERMOST], np.float64) / covered
    known = np.isfinite(share)
    weight = np.where(known, np.broadcast_to(np.asarray(electrons, np.float64), share.shape), 0.0)
    scattered = np.where(known, share, 0.0) * weight
    found = np.zeros(share.shape, bool)
    left = known & (weight > 0)
    for size in _SIZES:
        counted, total = (
            scipy.ndimage.uniform_filter(part, size, mode="constant") * size**2
            for part in (scattered, weight)
        )
        last = size == _SIZES[-1] or size > 2 * max(share.shape)
        enough = left & (total * threshold >= _ENOUGH)
        # where even the whole neighbourhood is too dim, a specimen is assumed
        found |= enough & (counted < threshold * total)
        left = left & ~enough
        if last or not left.any():
            break
    # what a square that reaches across the edge has mixed: patches as small as itself go
    inside = scipy.ndimage.median_filter(found.astype(np.uint8), 3, mode="nearest") > 0
    return np.where(known & _dense(known), inside, found) & known


def _dense(known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Positions almost all of whose neighbours were measured."""
    share = scipy.ndimage.uniform_filter(known.astype(np.float64), 3, mode="nearest")
    dense: NDArray[np.bool_] = share > 0.85
    return dense
