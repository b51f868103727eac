# SPDX-License-Identifier: GPL-3.0-or-later
"""Hot and dead pixels of a detector, and saturation, told from sums of patterns."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from polarstem.scans.calibration.gaps import gaps

_HOT_SIGMA = 6.0
_HOT_FACTOR = 2.0  # times its neighbours; less is gain
_DEAD_FACTOR = 0.1
_LEAST_EXPECTED = 5.0  # electrons of a pixel that is called dead
_NEVER = 1e-12  # a chance that no detector has pixels enough for
_FALSELY_DEAD = 1.0  # pixels expected on a whole detector
_AROUND = 7
_LEAST_LIT = 0.1  # of the blocks
_BLOCK = 16  # pixels along each side: most have no outlier
_RING = np.ones((3, 3), bool)
_RING[1, 1] = False


def bad_pixels(total: NDArray[np.floating], counts: bool) -> NDArray[np.bool_]:
    """Find pixels that count far more or far less than those around them.

    It is hot if it exceeds twice the third highest of its eight neighbours, and by six standard
    deviations of counting. It is dead if it has less than a tenth of both of two opposite
    neighbours, which no pixel at the rim of a disc has, where that cannot be chance: in the
    darkest parts that count, no more than one good pixel of the whole detector is expected to be
    taken for dead. Lines, clusters and holes are found too (see `gaps`).

    Parameters
    ----------
    total : ndarray, shape (ky, kx)
        Sum of patterns [counts, or any unit that is proportional to the intensity].
    counts : bool
        Whether the unit is electrons counted, or more for one electron, but never less.

    Returns
    -------
    ndarray of bool, shape (ky, kx)
    """
    total = total.astype(np.float32, copy=False)  # large detectors fill the memory
    unit = _unit(total, counts)
    if unit == 0:  # dark, or smooth: no pixel stands out by itself
        return gaps(total, 0.0) if total.any() else np.zeros(total.shape, bool)
    hot = _hot(total, unit)
    below = _between_opposites(total)
    # a neighbour is itself left to chance: the mean of many is not
    expected = scipy.ndimage.uniform_filter(total, _AROUND, mode="mirror")
    chance = np.exp(np.minimum(below, expected, out=expected) / -unit)
    del expected
    order = np.sort(chance[chance > _NEVER])
    number = int(np.searchsorted(np.cumsum(order, dtype=np.float64), _FALSELY_DEAD))
    limit = max(order[number - 1] if number else 0.0, _NEVER)
    limit = min(limit, np.exp(-_LEAST_EXPECTED))
    dead = (total < _DEAD_FACTOR * below) & (chance <= limit)
    found: NDArray[np.bool_] = hot | dead
    return found | gaps(total, unit)


def _hot(total: NDArray[np.floating], unit: float) -> NDArray[np.bool_]:
    """Above the third highest of the eight neighbours by more than counting explains."""
    above = scipy.ndimage.rank_filter(total, 5, footprint=_RING, mode="mirror")
    found: NDArray[np.bool_] = total > _HOT_FACTOR * above
    found &= total - above > _HOT_SIGMA * np.sqrt(unit * (above + unit))
    return found


def _between_opposites(image: NDArray[np.floating]) -> NDArray[np.floating]:
    """The lower of two opposite neighbours, for the pair of the four where it is highest."""
    wide = np.pad(image, 1, mode="reflect")
    rows, columns = image.shape

    def moved(down: int, right: int) -> NDArray[np.floating]:
        return wide[1 + down : 1 + down + rows, 1 + right : 1 + right + columns]

    highest = np.zeros(image.shape, image.dtype)
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        np.maximum(highest, np.minimum(moved(down, right), moved(-down, -right)), out=highest)
    return highest


def _unit(total: NDArray[np.floating], counts: bool) -> float:
    """Variance over mean between neighbours: what one electron adds; 0 if that is unknown.

    Structure of the pattern adds to it, outliers do not: it is the median over blocks of pixels.
    """
    # the sum of four neighbours less four times the middle has 4 + 16 times a pixel's variance
    ring = np.array([(0, 1, 0), (1, -4, 1), (0, 1, 0)])
    squared = scipy.ndimage.convolve(total, ring, mode="mirror")
    squared *= squared / 20
    variance, mean = _block_sums(squared), _block_sums(total)
    lit = mean > 0
    if lit.mean() < _LEAST_LIT:  # by outliers, perhaps
        return 1.0 if counts else 0.0
    unit = float(np.median(variance[lit] / mean[lit]))
    return max(unit, 1.0) if counts else unit


def _block_sums(image: NDArray[np.floating]) -> NDArray[np.floating]:
    starts = [np.arange(0, length, _BLOCK) for length in image.shape]
    sums: NDArray[np.floating] = np.add.reduceat(
        np.add.reduceat(image, starts[0]), starts[1], axis=1
    )
    return sums


def saturated_share(patterns: NDArray[Any], maximum: float | None) -> float:
    """Share of the lit values that are as high as the detector can count.

    Parameters
    ----------
    patterns : ndarray, shape (..., ky, kx)
        Counts.
    maximum : float, optional
        The highest count that can be stored; unknown: nothing saturates.

    Returns
    -------
    float
        Of the values above zero.
    """
    if maximum is None:
        return 0.0
    lit = int(np.count_nonzero(patterns))
    return int(np.count_nonzero(patterns >= maximum)) / lit if lit else 0.0
