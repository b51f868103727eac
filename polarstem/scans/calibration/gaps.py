# SPDX-License-Identifier: GPL-3.0-or-later
"""Dead lines between the chips of a detector, and what a beam stop or a shutter covers."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

WIDEST = 8
"""Pixels across the widest line that is looked for."""
_DARK = 0.1  # of what is on both sides
_ALONG = 0.8  # of the lit pixels along a line are dark on it
_AWAY = 6  # pixels on both sides of a line that are its witnesses
_FEWEST = 8  # lit pixels along a line
_LEAST_EXPECTED = 5.0  # electrons beside a dark pixel, unless chance makes it dark
_SMOOTHED, _SURE = 9, 6.0  # pixels along a line, and standard deviations of its counts
_HOT = 4.0  # times its surroundings, which no wide pixel is
_WIDE_PIXELS = 1.25  # pixels beside a line count so much more, or less: they are as wide
_SMALLEST_HOLE = 9, 5e-5  # pixels, and of the detector
_LARGEST_HOLE = 0.4  # of the detector
_HOLE = 0.02  # of what is around it
_LEVELS = (0.0, 0.002)  # of the bright level, below which a hole may be
_LIT_RIM = 0.6  # of the rim of a hole


def gaps(total: NDArray[np.floating], unit: float) -> NDArray[np.bool_]:
    """Find lines and areas of a detector that are dark for no reason of the pattern's.

    A line is dark over its whole length wherever it is lit on either side of it, or reads the same
    value everywhere; what lies between two discs does neither. Pixels beside a line that count a
    quarter more or less than those around them, as the wide ones between chips do, belong to it.
    An area is a hole if it counts next to nothing, ends abruptly in lit ones and holds no corner
    of the detector, as the dark around a pattern does.

    Parameters
    ----------
    total : ndarray, shape (ky, kx)
        Sum of patterns.
    unit : float
        Of one electron in it, 0 if the sum has no noise.

    Returns
    -------
    ndarray of bool, shape (ky, kx)
    """
    least = max(_LEAST_EXPECTED * unit, float(np.finfo(float).tiny))
    found = np.zeros(total.shape, bool)
    found[_lines(total, least)] = True
    found[:, _lines(total.T, least)] = True
    return found | _holes(total, found, least)


def _lines(total: NDArray[np.floating], least: float) -> NDArray[np.bool_]:
    """Which rows are dead, shape (row,)."""
    rows = len(total)
    dead = np.zeros(rows, bool)
    sums = total.sum(1)
    for first in range(1, rows - 1):
        before = sums[max(0, first - 3) : first].max()
        if sums[first] > 0.5 * before:
            continue
        for width in range(1, min(WIDEST, rows - 1 - first) + 1):
            if _is_dead(total, first, width, least):
                dead[first : first + width] = True
                break
    beside = np.zeros(rows, bool)
    edges = np.flatnonzero(np.diff(np.r_[False, dead, False].astype(int)))
    for first, last in edges.reshape(-1, 2):  # rows first to last - 1 are dead
        if first >= 2 and last + 1 < rows:
            sides = scipy.ndimage.uniform_filter1d(total[[first - 2, last + 1]], _SMOOTHED, axis=1)
            lit = sides.min(0) > least / 5
            high, low = sides.max(0)[lit].sum(), sides.min(0)[lit].sum()
            for row in (first - 1, last):
                near = np.minimum(total[row], _HOT * sides.max(0))[lit].sum()
                wide = near > _WIDE_PIXELS * high or near < low / _WIDE_PIXELS
                sure = abs(near - (high + low) / 2) > _SURE * np.sqrt(least / 5 * high)
                beside[row] |= wide and sure and lit.sum() >= _FEWEST
    found: NDArray[np.bool_] = dead | beside
    return found


def _is_dead(total: NDArray[np.floating], first: int, width: int, least: float) -> bool:
    # not the very next ones, which may be wide or half covered
    above = total[max(0, first - 2)]
    below = total[min(len(total) - 1, first + width + 1)]
    around = np.maximum(
        total[max(0, first - _AWAY) : max(1, first - 1)].max(0),
        total[min(len(total) - 1, first + width + 1) : first + width + _AWAY].max(0),
    )
    inside = total[first : first + width].max(0)
    lit = around > max(least, 0.02 * float(np.quantile(around, 0.95)))
    both = lit & (np.minimum(above, below) > least)
    dark = both & (inside < _DARK * np.minimum(above, below))
    if dark.sum() < max(_FEWEST, _ALONG * both.sum()):
        return False
    # where the pattern is lit on one side only it is no witness, but for the line being constant
    constant = np.ptp(total[first : first + width]) == 0
    return bool(constant or dark.sum() >= _ALONG * lit.sum())


def _holes(
    total: NDArray[np.floating], lines: NDArray[np.bool_], least: float
) -> NDArray[np.bool_]:
    bright = total[total > total.mean()]
    level = float(np.median(bright)) if len(bright) else 0.0
    found = np.zeros(total.shape, bool)
    for share in _LEVELS:
        labels, count = scipy.ndimage.label((total <= share * level) & ~lines)
        if count == 0:
            continue
        sizes = np.zeros(count + 1, np.int64)
        for rows in np.array_split(labels, max(1, len(labels) // 64)):
            sizes += np.bincount(rows.ravel(), minlength=count + 1)
        at_corners = np.unique(labels[[0, 0, -1, -1], [0, -1, 0, -1]])
        boxes = scipy.ndimage.find_objects(labels)
        least_size = max(_SMALLEST_HOLE[0], _SMALLEST_HOLE[1] * total.size)
        for number in np.flatnonzero(sizes >= least_size):
            large = sizes[number] > _LARGEST_HOLE * total.size
            if number == 0 or large or number in at_corners:
                continue
            window = tuple(
                slice(max(0, part.start - 3), part.stop + 3) for part in boxes[number - 1]
            )
            inside = labels[window] == number
            if _ends_abruptly(total[window], inside, lines[window], least):
                found[window] |= scipy.ndimage.binary_dilation(inside)
    return found


def _ends_abruptly(
    total: NDArray[np.floating],
    inside: NDArray[np.bool_],
    lines: NDArray[np.bool_],
    least: float,
) -> bool:
    """Whether it is lit two pixels from the rim of an area, almost all around it."""
    near = scipy.ndimage.binary_dilation(inside)
    around = scipy.ndimage.binary_dilation(near) & ~near & ~lines
    if around.sum() < _FEWEST:
        return False
    wanted = max(least, float(total[inside].mean()) / _HOLE)
    return bool((total[around] > wanted).mean() > _LIT_RIM)
