# SPDX-License-Identifier: GPL-3.0-or-later
"""The detector grid: simulated intensities summed into pixels of a set angular size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Patterns:
    """Diffraction patterns of one specimen.

    Attributes
    ----------
    intensity : ndarray, shape (thickness, position, ky, kx), float32
        Fraction of the incident beam in each detector pixel.
    total : ndarray, shape (thickness, position), float32
        Fraction of the incident beam in the whole simulated range of angles.
    """

    intensity: NDArray[np.float32]
    total: NDArray[np.float32]


def pixel_angles(pixels: int, mrad_per_pixel: float) -> NDArray[np.float64]:
    """Angles of the pixel centres, symmetric about the optic axis, shape (pixels,) [mrad]."""
    centred_index = np.arange(pixels, dtype=np.float64) - (pixels - 1) / 2
    return centred_index * mrad_per_pixel


def box_overlap(
    centres: NDArray[np.float64], width: float, pixels: int, mrad_per_pixel: float
) -> NDArray[np.float32]:
    """Fraction of each box that falls into each detector pixel.

    Parameters
    ----------
    centres : ndarray, shape (samples,)
        Middle of each box [mrad].
    width : float
        Width of a box [mrad].
    pixels : int
        Number of detector pixels; zero angle is in their middle.
    mrad_per_pixel : float
        Size of a pixel [mrad].

    Returns
    -------
    ndarray, shape (pixels, samples)
        Weights in [0, 1]; a column sums to 1 where the box lies within the detector.
    """
    edges = (np.arange(pixels + 1) - pixels / 2) * mrad_per_pixel
    high, low = centres + width / 2, centres - width / 2
    overlap = np.minimum(edges[1:, None], high) - np.maximum(edges[:-1, None], low)
    return (np.clip(overlap, 0, None) / width).astype(np.float32)


def binning_matrix(
    samples: int, mrad_per_sample: float, pixels: int, mrad_per_pixel: float
) -> NDArray[np.float32]:
    """Fraction of each simulated sample that falls into each detector pixel.

    A sample stands for a box as wide as the distance of two samples, so intensity is
    conserved whatever the ratio of the two grids, and inversion symmetry is exact.

    Parameters
    ----------
    samples : int
        Number of simulated samples along one axis: odd, zero angle in the middle.
    mrad_per_sample : float
        Distance of two samples [mrad].
    pixels : int
        Number of detector pixels; the axis passes through their middle.
    mrad_per_pixel : float
        Size of a pixel [mrad].

    Returns
    -------
    ndarray, shape (pixels, samples)
        Weights in [0, 1]; a column sums to 1 where the sample lies within the detector.
    """
    if samples % 2 == 0:
        raise ValueError(f"the samples must be centred on zero: odd number needed, got {samples}")
    centres = (np.arange(samples, dtype=np.float64) - samples // 2) * mrad_per_sample
    return box_overlap(centres, mrad_per_sample, pixels, mrad_per_pixel)


def centred(patterns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Drop the unpaired -Nyquist row and column, so that zero angle is in the middle.

    Parameters
    ----------
    patterns : ndarray, shape (..., kx, ky)
        Patterns of an FFT grid, shifted so that frequencies ascend.
    """
    rows, columns = (1 - n % 2 for n in patterns.shape[-2:])
    return patterns[..., rows:, columns:]


def measure(
    patterns: NDArray[np.float32],
    mrad_per_sample: tuple[float, float],
    pixels: int,
    mrad_per_pixel: float,
) -> NDArray[np.float32]:
    """Turn abTEM's patterns into detector images.

    This is the one place where the axis order and handedness change: abTEM's arrays are
    (..., kx, ky) with y up, ours are (..., ky, kx) with y down.

    Parameters
    ----------
    patterns : ndarray, shape (..., kx, ky)
        Simulated intensities, frequencies ascending.
    mrad_per_sample : tuple of float
        Distance of two samples along kx and ky [mrad].
    pixels, mrad_per_pixel
        The detector's size along each side and the size of a pixel [mrad].

    Returns
    -------
    ndarray, shape (..., pixels, pixels)
        Intensity per pixel, in the units of `patterns`.
    """
    patterns = centred(patterns)
    along_x = binning_matrix(patterns.shape[-2], mrad_per_sample[0], pixels, mrad_per_pixel)
    along_y = binning_matrix(patterns.shape[-1], mrad_per_sample[1], pixels, mrad_per_pixel)
    return np.ascontiguousarray((along_y[::-1] @ np.swapaxes(patterns, -1, -2)) @ along_x.T)
