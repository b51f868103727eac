# SPDX-License-Identifier: GPL-3.0-or-later
"""abTEM's probes and patterns: how the aperture is sampled, and what a detector makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import abtem
import numpy as np
import torch
from abtem.core.backend import get_array_module
from numpy.typing import NDArray

from polarstem.config.physics import wavelength
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.microscope.optics import Optics, aberration_phase, soft_aperture
from polarstem.simulate.wave.plane_waves import spread_offsets


@dataclass(frozen=True)
class Sampling:
    """Where a field's reciprocal grid samples angles.

    Attributes
    ----------
    step_mrad : tuple of float
        Distance of two samples along x and y [mrad].
    offset : tuple of float
        Of all samples along x and y, see `spread_offsets` [samples].
    ensemble : int
        Number of such offsets that are averaged over.
    """

    step_mrad: tuple[float, float]
    offset: tuple[float, float] = (0.0, 0.0)
    ensemble: int = 1

    @classmethod
    def of(
        cls, lengths: NDArray[np.float64], energy_kv: float, number: int = 0, count: int = 1
    ) -> Sampling:
        """Sample a field of some lengths x and y [Å], for one of several configurations."""
        x, y = (1e3 * wavelength(energy_kv) / lengths[:2]).tolist()
        down, right = spread_offsets(count)[number].tolist()
        return cls((x, y), (right, down), count)

    @property
    def centre_mrad(self) -> NDArray[np.float64]:
        """Where the optic axis lies among the samples, x and y [mrad]."""
        return -np.array(self.offset) * self.step_mrad


class OffsetAperture(abtem.transfer.Aperture):
    """Aperture and aberrations of a probe whose samples are offset from the optic axis.

    Parameters
    ----------
    semiangle_cutoff : float
        Convergence semi-angle [mrad].
    offset : tuple of float
        Of the samples along x and y [samples].
    ensemble : int
        As in `Sampling`.
    aberrations : mapping, optional
        As in `Optics`.
    energy, extent, gpts, sampling
        As of abTEM's apertures.
    """

    def __init__(
        self,
        semiangle_cutoff: float,
        offset: tuple[float, float] = (0.0, 0.0),
        ensemble: int = 1,
        aberrations: Mapping[str, float] | None = None,
        energy: float | None = None,
        extent: Any = None,
        gpts: Any = None,
        sampling: Any = None,
    ) -> None:
        super().__init__(
            semiangle_cutoff, energy=energy, extent=extent, gpts=gpts, sampling=sampling
        )
        self.offset = offset
        self.ensemble = ensemble
        self.aberrations = dict(aberrations or {})

    def _evaluate_from_angular_grid(self, alpha: Any, phi: Any) -> Any:
        steps = np.array(self.angular_sampling)
        x, y = (
            (np.fft.fftfreq(n, 1 / n) + offset) * step
            for n, offset, step in zip(self._valid_gpts, self.offset, steps, strict=True)
        )
        angles = np.stack(np.meshgrid(y, x, indexing="xy"), axis=-1)
        box = steps[::-1] / np.sqrt(self.ensemble)
        share = soft_aperture(angles, float(self._max_semiangle_cutoff), box)
        chi = aberration_phase(
            self.aberrations,
            np.hypot(angles[..., 0], angles[..., 1]) / 1e3,
            np.arctan2(angles[..., 0], angles[..., 1]),
            float(self.wavelength),
        )
        waves = (share * np.exp(-1j * chi)).astype(np.complex64)
        return get_array_module(alpha).asarray(waves)


def probe_of(
    energy_kv: float, optics: Optics, defocus: float = 0.0, sampling: Sampling | None = None
) -> abtem.Probe:
    """abTEM's probe of an illumination.

    Parameters
    ----------
    energy_kv : float
        Energy of the electrons [keV].
    optics : Optics
        The illumination.
    defocus : float
        Increases its defocus [Å].
    sampling : Sampling, optional
        Of the field that it is for. abTEM tilts the crystal under a probe whose samples stay where
        they are; an offset is such a tilt, and the aperture moved back.
    """
    aberrations = dict(optics.aberrations)
    aberrations["C10"] = aberrations.get("C10", 0.0) - defocus
    if sampling is None or sampling.ensemble == 1:
        return abtem.Probe(
            energy=energy_kv * 1e3,
            semiangle_cutoff=optics.semiangle_mrad,
            tilt=optics.tilt_mrad,
            aberrations=aberrations,
        )
    moved = np.tan(np.array(optics.tilt_mrad) / 1e3) - sampling.centre_mrad / 1e3
    tilt_x, tilt_y = (1e3 * np.arctan(moved)).tolist()
    return abtem.Probe(
        energy=energy_kv * 1e3,
        aperture=OffsetAperture(
            optics.semiangle_mrad, sampling.offset, sampling.ensemble, aberrations
        ),
        tilt=(tilt_x, tilt_y),
    )


def centred(patterns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Drop the unpaired -Nyquist row and column, so that zero angle is in the middle.

    Parameters
    ----------
    patterns : ndarray, shape (..., kx, ky)
        Patterns of an FFT grid, frequencies ascending.
    """
    rows, columns = (1 - n % 2 for n in patterns.shape[-2:])
    return patterns[..., rows:, columns:]


def on_camera(
    patterns: NDArray[np.float32], sampling: Sampling, camera: Camera
) -> NDArray[np.float32]:
    """Turn abTEM's patterns into images of a detector.

    This is the one place where the axis order and handedness change: abTEM's arrays are
    (..., kx, ky) with y up, ours are (..., ky, kx) with y down.

    Parameters
    ----------
    patterns : ndarray, shape (pattern, kx, ky)
        Simulated intensities, frequencies ascending.
    sampling : Sampling
        Of the angles along kx and ky.
    camera : Camera
        The detector; its geometry alone is used.

    Returns
    -------
    ndarray, shape (pattern, ky, kx), float32
        Intensity per pixel, in the units of `patterns`.
    """
    patterns, steps = centred(patterns), sampling.step_mrad
    along = [
        (np.arange(n) - n // 2) * step for n, step in zip(patterns.shape[1:], steps, strict=True)
    ]
    samples = np.stack(np.meshgrid(*along, indexing="ij"), axis=-1).reshape(-1, 2)
    # far beyond the corners nothing falls onto the detector
    inside = np.hypot(*samples.T) < 1.1 * np.hypot(*camera.corners_mrad.T).max()
    boxes = np.diag(steps) / np.sqrt(sampling.ensemble)
    footprint = camera.footprint(samples[inside], boxes, centre=sampling.centre_mrad)
    intensity = np.ascontiguousarray(patterns.reshape(len(patterns), -1).T[inside])
    images = camera.project(torch.from_numpy(intensity), footprint)
    return np.asarray(images.numpy(), np.float32)
