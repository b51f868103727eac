# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals of virtual detectors: rings around the optic axis, and the deflection of the beam.

On the model's grid they are measured in the crystal's frame. On the detector itself they can be
measured before it is known how the crystal is turned: rings are the same in any frame.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

RINGS = ((0.0, 0.5), (0.5, 0.95), (0.95, 1.35), (1.35, 2.2))
"""Inner and outer radius of the virtual ring detectors [semi-angles]."""
_CENTRE_STEP = 0.25  # pixels to which centres are rounded
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
    for number, place in enumerate(places):
        rounded = place * _CENTRE_STEP
        window, kept = _weights(shape, (float(rounded[0]), float(rounded[1])), scale)
        if not kept.any():
            continue
        dark = None if bad is None else bad[window].ravel()
        chosen = usable[members.ravel() == number]
        for start in range(0, len(chosen), _CHUNK):
            part = chosen[start : start + _CHUNK]
            flat = patterns[part][:, window[0], window[1]].reshape(len(part), -1)
            flat = flat.astype(np.float32)
            if dark is not None:
                flat[:, dark] = 0
            sums = flat @ kept
            lit = sums[:, -1] > 0
            shares = sums[lit, :-1] / sums[lit, -1:]
            off = (centres[part[lit]] - rounded) * scale
            shares[:, -2] -= off[:, 1]
            shares[:, -1] += off[:, 0]
            found[part[lit]] = shares
    return found


@lru_cache(maxsize=1)  # many patterns have one centre
def _weights(
    shape: tuple[int, ...], centre: tuple[float, float], scale: float
) -> tuple[tuple[slice, slice], NDArray[np.float32]]:
    """Window of the pixels that a ring reaches, and rings, x, y and all of them as their weights.

    Shape (pixel, feature + 1). A pixel that an edge cuts counts by how far its middle is from it.
    """
    reach = RINGS[-1][1] / scale + 1
    spans = [
        (max(0, int(np.floor(c - reach))), min(n, int(np.ceil(c + reach)) + 1))
        for n, c in zip(shape, centre, strict=True)
    ]
    window = (slice(*spans[0]), slice(*spans[1]))
    down, right = (
        ((np.arange(*span) - c) * scale).astype(np.float32)
        for span, c in zip(spans, centre, strict=True)
    )
    radius = np.hypot(down[:, None], right)
    kept = np.zeros((*radius.shape, len(RINGS) + 3), np.float32)

    def within(edge: float) -> NDArray[np.float32]:
        return np.clip((edge - radius) / np.float32(scale) + 0.5, 0, 1) if edge else 0 * radius

    for number, (low, high) in enumerate(RINGS):
        kept[..., number] = within(high) - within(low)
    kept[..., -1] = kept[..., : len(RINGS)].sum(-1)
    kept[..., -3] = right * kept[..., -1]
    kept[..., -2] = -down[:, None] * kept[..., -1]
    return window, kept.reshape(-1, kept.shape[-1])
