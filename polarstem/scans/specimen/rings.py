# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals of virtual detectors: rings around the optic axis, and the deflection of the beam.

On the model's grid they are measured in the crystal's frame. On the detector itself they can be
measured before it is known how the crystal is turned: rings are the same in any frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

RINGS = ((0.0, 0.5), (0.5, 0.95), (0.95, 1.35), (1.35, 2.2))
"""Inner and outer radius of the virtual ring detectors [semi-angles]."""
_CENTRE_STEP = 0.25  # pixels to which centres are rounded


def ring_signals(patterns: NDArray[np.floating], pixel_semiangles: float) -> NDArray[np.float32]:
    """Measure the signals of patterns on the model's grid.

    Parameters
    ----------
    patterns : ndarray, shape (..., ky, kx)
        In the crystal's frame, y down, the optic axis in the middle.
    pixel_semiangles : float
        Size of a pixel in units of the convergence semi-angle.

    Returns
    -------
    ndarray, shape (..., feature), float32
        Shares of the detected electrons in `RINGS`, and the mean angle along x (right) and y (up)
        in semi-angles.
    """
    n = patterns.shape[-1]
    along = (np.arange(n) - (n - 1) / 2) * pixel_semiangles
    x, y = np.meshgrid(along, -along)
    radius = np.hypot(x, y)
    masks = [(low <= radius) & (radius < high) for low, high in RINGS]
    weights = detector_weights(x, y, radius < RINGS[-1][1], masks)
    sums = patterns.reshape(-1, n * n).astype(np.float32) @ weights
    return _signals(sums).reshape(*patterns.shape[:-2], -1).astype(np.float32)


def detector_weights(
    x: NDArray[np.floating],
    y: NDArray[np.floating],
    inside: NDArray[Any],
    others: Sequence[NDArray[Any]],
) -> NDArray[np.float32]:
    """Weights of pixels by which a product of matrices measures what virtual detectors see.

    Parameters
    ----------
    x, y : ndarray
        Angles to the right and up.
    inside : ndarray
        Share of each pixel that counts.
    others : sequence of ndarray
        The same of other detectors.

    Returns
    -------
    ndarray, shape (pixel, 3 + len(others)), float32
        For the sum, the sums of x and y over it (see `centre_of_mass`), and the other detectors.
    """
    columns = [inside, x * inside, y * inside, *others]
    return np.stack([np.ravel(column) for column in columns], axis=1).astype(np.float32)


def centre_of_mass(sums: NDArray[np.floating]) -> NDArray[np.floating]:
    """Mean angles x and y (n, 2) by the first three of the sums (n, 3 or more); see above."""
    return sums[:, 1:3] / np.maximum(sums[:, :1], np.finfo(np.float32).tiny)


def _signals(sums: NDArray[np.floating]) -> NDArray[np.floating]:
    """Shares of the detectors and centres of mass, of sums by `detector_weights`."""
    shares = sums[:, 3:] / np.maximum(sums[:, :1], np.finfo(np.float32).tiny)
    return np.concatenate([shares, centre_of_mass(sums)], axis=1)


def ring_signals_on_detector(
    patterns: NDArray[Any],
    centres: NDArray[np.floating],
    mrad_per_pixel: float,
    semiangle_mrad: float,
    bad: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Measure the signals of patterns as they were detected.

    Pixels that an edge of a ring cuts count by about the share of their area. Bad pixels, and what
    lies beyond the detector, are left out: shares are of what was detected.

    Parameters
    ----------
    patterns : ndarray, shape (n, ky, kx)
        Of any real type.
    centres : ndarray, shape (n, 2)
        Row and column where the optic axis meets the detector; the middle of the first pixel is
        (0, 0) [pixels]. Rounded to a quarter of a pixel; moments are taken about the centre as
        it is given.
    mrad_per_pixel : float
        Angle that a pixel covers [mrad].
    semiangle_mrad : float
        Convergence semi-angle [mrad].
    bad : ndarray of bool, shape (ky, kx), optional
        Pixels to leave out.

    Returns
    -------
    ndarray, shape (n, len(RINGS) + 2), float32
        As `ring_signals`, but x points right and y up on the detector. A pattern without counts,
        or without a centre, has no numbers.
    """
    n, shape = len(patterns), patterns.shape[1:]
    scale = mrad_per_pixel / semiangle_mrad
    found = np.full((n, len(RINGS) + 2), np.nan, np.float32)
    centres = np.asarray(centres, float)
    usable = np.flatnonzero(np.isfinite(centres).all(axis=1))
    keys = np.rint(centres[usable] / _CENTRE_STEP).astype(np.int64)
    places, members = np.unique(keys, axis=0, return_inverse=True)
    common = patterns.dtype in (np.uint8, np.uint16) and patterns.dtype.isnative
    seen = patterns if common else patterns.astype(np.float32)  # each type is compiled
    dark = None if bad is None or not bad.any() else np.packbits(bad).tobytes()
    for number, place in enumerate(places):
        rounded = place * _CENTRE_STEP
        runs = _runs((shape[0], shape[1]), (float(rounded[0]), float(rounded[1])), scale, dark)
        chosen = usable[members.ravel() == number]
        sums = np.zeros((len(chosen), 3 + len(RINGS)))
        _measure(seen, chosen, *runs, sums)
        lit = sums[:, 0] > 0
        signals = _signals(sums[lit])
        off = (centres[chosen[lit]] - rounded) * scale
        signals[:, -2] -= off[:, 1]
        signals[:, -1] += off[:, 0]
        found[chosen[lit]] = signals
    return found


class _Runs(NamedTuple):
    """Pixels of the rings on a detector.

    Attributes
    ----------
    right, up : ndarray of float32
        Angles of the columns and rows [semi-angles].
    whole : ndarray of int32, shape (run, 4)
        Pixels side by side that lie in one ring alone: its number, their row, the first column
        and one past the last.
    cut : ndarray of int32, shape (pixel, 3)
        Pixels that the edge of a ring cuts: its number, row and column.
    shares : ndarray of float32, shape (pixel,)
        Of them in the ring, by how far their middle is from the edge.
    """

    right: NDArray[np.float32]
    up: NDArray[np.float32]
    whole: NDArray[np.int32]
    cut: NDArray[np.int32]
    shares: NDArray[np.float32]


@lru_cache(maxsize=32)  # many patterns have one centre
def _runs(
    shape: tuple[int, int], centre: tuple[float, float], scale: float, dark: bytes | None
) -> _Runs:
    """The rings about a centre, without pixels that are packed as bits."""
    down, right = (
        ((np.arange(n) - c) * scale).astype(np.float32) for n, c in zip(shape, centre, strict=True)
    )
    radius = np.hypot(down[:, None], right)

    def within(edge: float) -> NDArray[np.float32]:
        return np.clip((np.float32(edge) - radius) / np.float32(scale) + 0.5, 0, 1)

    whole, cut, shares = [], [], []
    for number, (low, high) in enumerate(RINGS):
        share = within(high) - within(low) if low else within(high)
        if dark is not None:
            bits = np.frombuffer(dark, np.uint8)
            share[np.unpackbits(bits, count=share.size).reshape(shape).astype(bool)] = 0
        ends = np.diff((share == 1).astype(np.int8), axis=1, prepend=0, append=0)
        (rows, first), (_, last) = np.nonzero(ends > 0), np.nonzero(ends < 0)
        whole.append(np.stack([np.full_like(rows, number), rows, first, last], axis=1))
        rows, columns = np.nonzero((share > 0) & (share < 1))
        cut.append(np.stack([np.full_like(rows, number), rows, columns], axis=1))
        shares.append(share[rows, columns])
    return _Runs(
        right,
        -down,
        np.concatenate(whole).astype(np.int32),
        np.concatenate(cut).astype(np.int32),
        np.concatenate(shares),
    )


@numba.njit(nogil=True, fastmath=True, cache=True)
def _measure(
    patterns: NDArray[Any],
    chosen: NDArray[np.int64],
    right: NDArray[np.float32],
    up: NDArray[np.float32],
    whole: NDArray[np.int32],
    cut: NDArray[np.int32],
    shares: NDArray[np.float32],
    sums: NDArray[np.float64],
) -> None:
    """Add up chosen patterns as by `detector_weights`."""
    for n in range(len(chosen)):
        pattern = patterns[chosen[n]]
        for run in range(len(whole)):
            ring, row = whole[run, 0], whole[run, 1]
            total, along = np.float32(0), np.float32(0)
            for column in range(whole[run, 2], whole[run, 3]):
                value = np.float32(pattern[row, column])
                total += value
                along += right[column] * value
            sums[n, 0] += total
            sums[n, 1] += along
            sums[n, 2] += up[row] * total
            sums[n, 3 + ring] += total
        for pixel in range(len(cut)):
            ring, row, column = cut[pixel, 0], cut[pixel, 1], cut[pixel, 2]
            value = shares[pixel] * np.float32(pattern[row, column])
            sums[n, 0] += value
            sums[n, 1] += right[column] * value
            sums[n, 2] += up[row] * value
            sums[n, 3 + ring] += value
