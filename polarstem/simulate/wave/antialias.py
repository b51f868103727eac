# SPDX-License-Identifier: GPL-3.0-or-later
"""The band of a grid: abTEM's anti-aliasing aperture, and transmission functions behind it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len

from polarstem.config.physics import wavelength

# abTEM's anti-aliasing aperture, as fractions of the sampling frequency (abtem.yaml)
_CUTOFF, _TAPER = 1 / 3, 0.01
_REST = 510.99895  # energy of an electron at rest [keV] (CODATA 2018)


def antialias(frequency: NDArray[np.float64], sampling: float) -> NDArray[np.float64]:
    """Evaluate abTEM's tapered anti-aliasing aperture at any spatial frequency.

    Parameters
    ----------
    frequency : ndarray
        Absolute spatial frequency [1/Å].
    sampling : float
        The coarser of the grid's two samplings [Å].

    Returns
    -------
    ndarray
        1 below, 0 above two thirds of the Nyquist frequency, a raised cosine between
        (``abtem.antialias.antialias_aperture`` of abTEM 1.0.11).
    """
    cutoff, taper = _CUTOFF / sampling, _TAPER / sampling
    return 0.5 * (1 + np.cos(np.pi * np.clip((frequency - cutoff + taper) / taper, 0, 1)))


def antialias_angle(sampling: float, wavelength: float) -> float:
    """Angle beyond which the anti-aliasing aperture lets nothing pass [mrad]."""
    return 1e3 * wavelength * _CUTOFF / sampling


def interaction(energy_kv: float) -> float:
    """Phase of electrons behind a projected potential [1/(V Å)].

    E. J. Kirkland, Advanced Computing in Electron Microscopy, 2nd ed., eq. 5.6.
    """
    relativistic = (_REST + energy_kv) / (2 * _REST + energy_kv)
    return 2 * math.pi * relativistic / (wavelength(energy_kv) * energy_kv * 1e3)


def transform_size(points: int) -> int:
    """Grid points for fast transforms: a multiple of 8 without other factors than 2, 3 and 5.

    With MKL 48 points take less time than 42, and 64 less than 56 (``benchmarks/propagation.py``).
    """
    fast: int = next_fast_len(-(-points // 8), real=True)
    return 8 * fast


def transmission(
    potentials: NDArray[np.float32], size: tuple[float, float], energy_kv: float
) -> NDArray[np.complex64]:
    """Transmission function of each slice behind the anti-aliasing aperture.

    Parameters
    ----------
    potentials : ndarray, shape (slices, x, y)
        Projected potentials [V Å].
    size : tuple of float
        Size of the grid along x and y [Å].
    energy_kv : float
        Energy of the electrons [keV].

    Returns
    -------
    ndarray, shape (slices, y, x), complex64
        On a grid whose transforms are fast, and no finer than that takes: the aperture leaves
        nothing that a finer one would change.
    """
    phase = np.exp(1j * interaction(energy_kv) * potentials.astype(np.float64))
    x, y = potentials.shape[1:]
    return band_limited(phase, size, (x, y))


def band_limited(
    waves: NDArray[np.complex128], size: tuple[float, float], points: tuple[int, int]
) -> NDArray[np.complex64]:
    """Transmission functions behind the anti-aliasing aperture of a grid.

    Parameters
    ----------
    waves : ndarray, shape (slices, x, y)
        On that grid or a finer one.
    size : tuple of float
        Size of the grid along x and y [Å].
    points : tuple of int
        Its points along them.

    Returns
    -------
    ndarray, shape (slices, y, x), complex64
        As `transmission`.
    """
    sampling = [length / n for length, n in zip(size, points, strict=True)]
    kx, ky = (np.fft.fftfreq(n, d) for n, d in zip(points, sampling, strict=True))
    aperture = antialias(np.hypot(kx[:, None], ky), max(sampling))
    x, y = (np.fft.fftfreq(n, 1 / n).astype(int) for n in points)
    kept = np.fft.fft2(waves, norm="forward")[:, x[:, None], y] * aperture
    finer = [transform_size(n) for n in points]
    padded = np.zeros((len(waves), *finer), np.complex128)
    padded[:, x[:, None], y] = kept
    limited = np.fft.ifft2(padded, norm="forward")
    return np.ascontiguousarray(limited.swapaxes(1, 2)).astype(np.complex64)
