# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals of virtual detectors: rings around the optic axis, and the deflection of the beam.

On the model's grid they are measured in the crystal's frame. On the detector itself they can be
measured before it is known how the crystal is turned: rings are the same in any frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

RINGS = ((0.0, 0.5), (0.5, 0.95), (0.95, 1.35), (1.35, 2.2))
"""Inner and outer radius of the virtual ring detectors [semi-angles]."""
_CENTRE_STEP = 0.25  # pixels to which centres are rounded
_CHUNK_BYTES = 8e6  # of patterns in single precision at a time


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
    return _signals(sums).reshape(*patterns.shape[:-2], -1)


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


def centre_of_mass(sums: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean angles x and y (n, 2) by the first three of the sums (n, 3 or more); see above."""
    mean = sums[:, 1:3] / np.maximum(sums[:, :1], np.finfo(np.float32).tiny)
    return np.asarray(mean, np.float32)


def _signals(sums: NDArray[np.float32]) -> NDArray[np.float32]:
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
    for number, place in enumerate(places):
        rounded = place * _CENTRE_STEP
        window, kept = _weights(shape, (float(rounded[0]), float(rounded[1])), scale)
        if not kept.any():
            continue
        dark = None if bad is None else bad[window].ravel()
        chosen = usable[members.ravel() == number]
        step = max(1, int(_CHUNK_BYTES / (4 * len(kept))))
        for start in range(0, len(chosen), step):
            part = chosen[start : start + step]
            seen = patterns[:, window[0], window[1]][_run(part)]
            flat = seen.astype(np.float32).reshape(len(part), -1)
            if dark is not None:
                flat[:, dark] = 0
            sums = flat @ kept
            lit = sums[:, 0] > 0
            signals = _signals(sums[lit])
            off = (centres[part[lit]] - rounded) * scale
            signals[:, -2] -= off[:, 1]
            signals[:, -1] += off[:, 0]
            found[part[lit]] = signals
    return found


def _run(index: NDArray[np.int64]) -> NDArray[np.int64] | slice:
    """The same as a slice, which copies nothing, where it is one."""
    first, last = int(index[0]), int(index[-1])
    return slice(first, last + 1) if last - first == len(index) - 1 else index


@lru_cache(maxsize=1)  # many patterns have one centre
def _weights(
    shape: tuple[int, ...], centre: tuple[float, float], scale: float
) -> tuple[tuple[slice, slice], NDArray[np.float32]]:
    """Window of the pixels that a ring reaches, and their `detector_weights` for the rings.

    A pixel that an edge cuts counts by how far its middle is from it.
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

    def within(edge: float) -> NDArray[np.float32]:
        return np.clip((edge - radius) / np.float32(scale) + 0.5, 0, 1) if edge else 0 * radius

    rings = [within(high) - within(low) for low, high in RINGS]
    return window, detector_weights(right, -down[:, None], np.sum(rings, axis=0), rings)
