# SPDX-License-Identifier: GPL-3.0-or-later
"""The illumination: amplitude of each plane wave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from polarstem.config.physics import ABERRATIONS
from polarstem.errors import PolarstemError
from polarstem.simulate.wave.plane_waves import WaveGrid, turned
from polarstem.structures.symmetry import IDENTITY, Turn, inverse


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
        Range of angles along y and x that a sample stands for [mrad].
    """
    alpha = np.hypot(angles[..., 0], angles[..., 1])
    # with azimuth a: sqrt((dx cos a)^2 + (dy sin a)^2); any value does on the axis
    across = angles * mrad_per_sample
    width = np.hypot(across[..., 0], across[..., 1]) / np.where(alpha > 0, alpha, 1.0)
    width = np.where(alpha > 0, width, mrad_per_sample.min())
    share: NDArray[np.float64] = np.clip((semiangle_mrad - alpha) / width + 0.5, 0.0, 1.0)
    return share


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
    centre = turned(optics.centre_mrad, inverse(turn))
    angles = grid.angles(indices) - centre
    share = soft_aperture(angles, optics.semiangle_mrad, grid.mrad_per_box)
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
