# SPDX-License-Identifier: GPL-3.0-or-later
"""Partial coherence: spread of the defocus as modes, a finite source as weights of positions."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

# A Gaussian's standard deviation as a fraction of its full width at half maximum
SIGMA_PER_FWHM = 1 / np.sqrt(8 * np.log(2))
_INCOHERENT_LOSS = 1e-4  # largest share of a wave's intensity that the modes leave out


def defocus_modes(
    angles_mrad: NDArray[np.float64], used: NDArray[np.bool_], wavelength: float, spread: float
) -> torch.Tensor:
    """Modes whose intensities add up to illumination with a spread of defocus.

    A Gaussian spread d of the defocus multiplies the interference of the waves k and k' by
    ``exp(-(pi wavelength d (k^2 - k'^2))^2 / 2)``. This mutual coherence W is positive
    semidefinite; a pivoted Cholesky decomposition W = L L^T (H. Harbrecht et al., Appl. Numer.
    Math. 62, 428 (2012)) needs as many columns, the modes, as the illumination has degrees of
    freedom, and replaces a sum over defoci.

    Parameters
    ----------
    angles_mrad : ndarray, shape (reduced, wave, 2)
        Angles to the optic axis of the waves of each reduced wave vector [mrad].
    used : ndarray, shape (reduced, wave)
        Which are no filling.
    wavelength : float
        Wavelength [Å].
    spread : float
        Standard deviation of the defocus [Å].

    Returns
    -------
    Tensor, shape (reduced, wave, mode), float32
        Real amplitudes; over the modes, their squares sum to 1 for each wave in use.
    """
    squares = torch.from_numpy(angles_mrad / 1e3 / wavelength).square().sum(-1)
    phase = np.pi * wavelength * spread
    mask = torch.from_numpy(used).to(torch.float64)
    rest = mask.clone()
    rows = torch.arange(len(rest))
    modes: list[torch.Tensor] = []
    while not modes or rest.max() > _INCOHERENT_LOSS:
        pivot = rest.argmax(1)
        apart = phase * (squares - squares[rows, pivot, None])
        column = torch.exp(-apart.square() / 2) * mask
        for mode in modes:
            column = column - mode * mode[rows, pivot, None]
        # where the decomposition is complete, nothing but rounding is left
        left = rest[rows, pivot]
        modes.append(column * torch.where(left > 1e-9, left.rsqrt(), 0.0)[:, None])
        rest = (rest - modes[-1].square()).clamp(min=0)
    found = torch.stack(modes, dim=-1)
    length = found.square().sum(-1, keepdim=True).sqrt()
    return (found / length.clamp(min=1e-12)).to(torch.float32)


def source_positions(span: tuple[int, int]) -> NDArray[np.float64]:
    """Probe positions that determine the patterns at all others.

    The intensity of a wave N G + r interferes waves of one reduced wave vector, which differ by
    lattice vectors: as a function of the probe position it repeats with the unit and is limited
    to the frequencies -span to span.

    Parameters
    ----------
    span : tuple of int
        Largest difference of two lattice vectors in the aperture along y and x.

    Returns
    -------
    ndarray, shape (n, 2)
        Fractions of the unit along y and x.
    """
    y, x = (np.arange(2 * most + 1) / (2 * most + 1) for most in span)
    return np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2)


def source_weights(
    fractions: NDArray[np.float64],
    span: tuple[int, int],
    size: tuple[float, float],
    fwhm: float,
) -> NDArray[np.float32]:
    """Weights of the patterns at `source_positions` in those with a Gaussian source.

    Trigonometric interpolation, each frequency damped by the source's Fourier transform
    ``exp(-2 (pi s G)^2)``, s its standard deviation: exact for any position and size.

    Parameters
    ----------
    fractions : ndarray, shape (position, 2)
        Probe positions as fractions of the unit along y and x.
    span : tuple of int
        As in `source_positions`.
    size : tuple of float
        Size of the unit along y and x [Å].
    fwhm : float
        Full width at half maximum of the source [Å].

    Returns
    -------
    ndarray, shape (position, n), float32
    """
    along = []
    for fraction, most, length in zip(fractions.T, span, size, strict=True):
        count = 2 * most + 1
        order = np.arange(-most, most + 1)
        damping = np.exp(-2 * (np.pi * SIGMA_PER_FWHM * fwhm * order / length) ** 2)
        offset = fraction[:, None] - np.arange(count) / count
        along.append(np.cos(2 * np.pi * offset[..., None] * order) @ damping / count)
    weights = along[0][:, :, None] * along[1][:, None]
    return weights.reshape(len(fractions), -1).astype(np.float32)
