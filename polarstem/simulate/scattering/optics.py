# SPDX-License-Identifier: GPL-3.0-or-later
"""The illumination: amplitude of each plane wave, and how far they are coherent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from polarstem.config.physics import ABERRATIONS
from polarstem.errors import PolarstemError
from polarstem.simulate.scattering.matrix import WaveGrid
from polarstem.structures.symmetry import IDENTITY, Turn, inverse

# A Gaussian's standard deviation as a fraction of its full width at half maximum
SIGMA_PER_FWHM = 1 / np.sqrt(8 * np.log(2))
_INCOHERENT_LOSS = 1e-4  # largest share of a wave's intensity that the modes leave out


@dataclass(frozen=True)
class Optics:
    """Settings of the illumination.

    Attributes
    ----------
    semiangle_mrad : float
        Convergence semi-angle [mrad].
    aberrations : mapping
        Polar coefficients by abTEM's names [Å; angles in rad]; defocus is -C10.
    tilt_mrad : tuple of float
        Beam tilt against the zone axis along x and y [mrad], with the sign of abTEM's
        ``Probe(tilt=...)``. The disc of waves moves over the crystal by
        ``tan(tilt) / wavelength``, aberrations and detector with it. It need not fall onto the
        field's reciprocal grid: the aperture is then sampled at shifted points.
    source_fwhm : float
        Full width at half maximum of the Gaussian source, in the specimen [Å].
    defocus_spread : float
        Standard deviation of the Gaussian spread of the defocus [Å].
    """

    semiangle_mrad: float
    aberrations: Mapping[str, float] = field(default_factory=dict)
    tilt_mrad: tuple[float, float] = (0.0, 0.0)
    source_fwhm: float = 0.0
    defocus_spread: float = 0.0

    @property
    def centre_mrad(self) -> NDArray[np.float64]:
        """Where the optic axis meets the crystal's reciprocal plane, along y and x [mrad]."""
        return 1e3 * np.tan(np.array(self.tilt_mrad[::-1]) / 1e3)

    def check(self, grid: WaveGrid) -> None:
        """Refuse what the computed waves do not cover.

        Raises
        ------
        PolarstemError
            If aperture or tilt are too large or an aberration is unknown.
        """
        if not 0 < self.semiangle_mrad <= grid.semiangle_mrad + 1e-9:
            raise PolarstemError(
                f"A convergence semi-angle of {self.semiangle_mrad:g} mrad is outside this "
                f"scattering matrix, which was computed up to {grid.semiangle_mrad:g} mrad; lower "
                "it or compute the matrix anew."
            )
        tilt = float(np.hypot(*self.centre_mrad))
        if tilt > grid.margin_mrad + 1e-9:
            raise PolarstemError(
                f"A tilt of {tilt:.3g} mrad is outside the margin of this scattering matrix, "
                f"which was computed for up to {grid.margin_mrad:g} mrad; lower it or compute the "
                "matrix anew with a larger margin."
            )
        for name in self.aberrations:
            if name not in ABERRATIONS:
                raise PolarstemError(f"{name!r} is no aberration; known: {', '.join(ABERRATIONS)}.")
        if self.source_fwhm < 0 or self.defocus_spread < 0:
            raise PolarstemError(
                f"Source size {self.source_fwhm:g} Å and defocus spread {self.defocus_spread:g} Å "
                "must be zero or positive; correct them."
            )


def aberration_phase(
    aberrations: Mapping[str, float],
    alpha: NDArray[np.float64],
    azimuth: NDArray[np.float64],
    wavelength: float,
) -> NDArray[np.float64]:
    """Aberration function chi; a wave's factor is exp(-i chi).

    Parameters
    ----------
    aberrations : mapping
        Polar coefficients C_nm and angles phi_nm by abTEM's names [Å, rad].
    alpha, azimuth : ndarray
        Angle to the optic axis [rad] and direction, counter-clockwise from +x [rad].
    wavelength : float
        Wavelength [Å].

    Returns
    -------
    ndarray
        2 pi / wavelength times the sum of C_nm alpha^(n+1) cos(m (azimuth - phi_nm)) / (n+1) [rad]
        (E. J. Kirkland, Advanced Computing in Electron Microscopy, 2nd ed., 2.5; as
        ``abtem.transfer.Aberrations``).
    """
    path = np.zeros(np.broadcast(alpha, azimuth).shape)
    for name, value in aberrations.items():
        if name.startswith("C"):
            n, m = int(name[1]), int(name[2])
            angle = aberrations.get(f"phi{n}{m}", 0.0)
            path = path + value * alpha ** (n + 1) * np.cos(m * (azimuth - angle)) / (n + 1)
    return 2 * np.pi / wavelength * path


def soft_aperture(
    angles: NDArray[np.float64], semiangle_mrad: float, mrad_per_sample: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Share of each sample that lies in the aperture, as ``abtem.transfer.soft_aperture``.

    Parameters
    ----------
    angles : ndarray, shape (..., 2)
        Angles to the optic axis along y and x [mrad].
    semiangle_mrad : float
        Radius of the aperture [mrad].
    mrad_per_sample : ndarray, shape (2,)
        Distance of two samples along y and x [mrad].
    """
    alpha = np.hypot(angles[..., 0], angles[..., 1])
    # with azimuth a: sqrt((dx cos a)^2 + (dy sin a)^2); any value does on the axis
    across = angles * mrad_per_sample
    width = np.hypot(across[..., 0], across[..., 1]) / np.where(alpha > 0, alpha, 1.0)
    width = np.where(alpha > 0, width, mrad_per_sample.min())
    share: NDArray[np.float64] = np.clip((semiangle_mrad - alpha) / width + 0.5, 0.0, 1.0)
    return share


def turned(vectors: NDArray[Any], turn: Turn) -> NDArray[Any]:
    """Turn vectors (y, x) along the last axis, as a crystal is turned."""
    flipped: NDArray[Any] = (vectors[..., ::-1] @ np.array(turn).T)[..., ::-1]
    return flipped


def incident_waves(
    grid: WaveGrid,
    indices: NDArray[np.int64],
    optics: Optics,
    turn: Turn = IDENTITY,
    used: NDArray[np.bool_] | None = None,
) -> NDArray[np.complex128]:
    """Amplitude of each plane wave of a probe at the origin.

    Parameters
    ----------
    grid : WaveGrid
        The computed waves.
    indices : ndarray, shape (..., 2)
        m of the waves: all of its ``indices``, in any order.
    optics : Optics
        Aperture, aberrations and tilt.
    turn : Turn
        By which the crystal is turned against the optics.
    used : ndarray of bool, shape (...), optional
        Which of `indices` are no filling.

    Returns
    -------
    ndarray, shape (...), complex128
        Their intensities sum to 1; zero for the filling.
    """
    step = grid.mrad_per_sample
    centre = turned(optics.centre_mrad, inverse(turn))
    angles = indices * step - centre
    share = soft_aperture(angles, optics.semiangle_mrad, step)
    if used is not None:
        share *= used
    waves: NDArray[np.complex128] = share / np.sqrt(np.square(share).sum()) + 0j
    if optics.aberrations:
        seen = turned(angles, turn)
        chi = aberration_phase(
            optics.aberrations,
            np.hypot(seen[..., 0], seen[..., 1]) / 1e3,
            np.arctan2(seen[..., 0], seen[..., 1]),
            grid.wavelength,
        )
        waves *= np.exp(-1j * chi)
    return waves


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
