# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals of virtual detectors: rings around the optic axis, and the deflection of the beam.

On the model's grid they are measured in the crystal's frame. On the detector itself they can be
measured before it is known how the crystal is turned: rings are the same in any frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

RINGS = ((0.0, 0.5), (0.5, 0.95), (0.95, 1.35), (1.35, 2.2))
"""Inner and outer radius of the virtual ring detectors [semi-angles]."""
_CENTRE_STEP = 0.25  # pixels to which centres are rounded
_FINER = 4  # points along a pixel that an edge of a ring cuts
_CHUNK = 1024  # patterns in single precision at a time


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
    inside = radius < RINGS[-1][1]
    weights = np.stack([*masks, x * inside, y * inside, inside], axis=-1).reshape(n * n, -1)
    sums = patterns.reshape(-1, n * n).astype(np.float32) @ weights.astype(np.float32)
    shares = sums[:, :-1] / np.maximum(sums[:, -1:], np.finfo(np.float32).tiny)
    return shares.reshape(*patterns.shape[:-2], -1).astype(np.float32)


def ring_signals_on_detector(
    patterns: NDArray[Any],
    centres: NDArray[np.floating],
    mrad_per_pixel: float,
    semiangle_mrad: float,
    bad: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Measure the signals of patterns as they were detected.

    Pixels that an edge of a ring cuts count by the share of their area. Bad pixels, and what lies
    beyond the detector, are left out: shares are of what was detected.

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
    good = np.ones(shape, bool) if bad is None else ~bad
    for number, place in enumerate(places):
        rounded = place * _CENTRE_STEP
        weights = _weights(shape, rounded, scale) * good[..., None]
        # only the lines that a ring reaches
        rows, columns = (np.flatnonzero(weights.any(axis=(axis, 2))) for axis in (1, 0))
        if not len(rows):
            continue
        window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        kept = weights[window].reshape(-1, weights.shape[-1]).astype(np.float32)
        chosen = usable[members.ravel() == number]
        for start in range(0, len(chosen), _CHUNK):
            part = chosen[start : start + _CHUNK]
            flat = patterns[part][:, window[0], window[1]].reshape(len(part), -1)
            sums = flat.astype(np.float32) @ kept
            lit = sums[:, -1] > 0
            shares = sums[lit, :-1] / sums[lit, -1:]
            off = (centres[part[lit]] - rounded) * scale
            shares[:, -2] -= off[:, 1]
            shares[:, -1] += off[:, 0]
            found[part[lit]] = shares
    return found


def _weights(shape: tuple[int, ...], centre: NDArray[np.float64], scale: float) -> Any:
    """Rings, x, y and all of them as weights of the pixels, (ky, kx, feature + 1)."""
    parts = (np.arange(_FINER) + 0.5) / _FINER - 0.5
    down, right = (
        ((np.arange(size)[:, None] + parts).ravel() - middle) * scale
        for size, middle in zip(shape, centre, strict=True)
    )
    radius = np.hypot(down[:, None], right)

    def share(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        split = mask.reshape(shape[0], _FINER, shape[1], _FINER)
        shares: NDArray[np.float64] = split.mean(axis=(1, 3))
        return shares

    masks = [share((low <= radius) & (radius < high)) for low, high in RINGS]
    inside = np.sum(masks, axis=0)
    y, x = ((np.arange(n) - c) * scale for n, c in zip(shape, centre, strict=True))
    return np.stack([*masks, x * inside, -y[:, None] * inside, inside], axis=-1)
