# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions drawn at random: illumination, detector and dose."""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from polarstem.config.conditions import Conditions
from polarstem.config.experiment_conditions import ExperimentConditions, SceneConditions
from polarstem.config.physics import Detector, Simulate
from polarstem.seeds import derive_seed
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.microscope.optics import Optics
from polarstem.structures.scenes.scan_frame import ScanFrame

# aberrations with a direction: symmetry, which limits the azimuth to one turn's share
_DIRECTED = {"astigmatism": ("C12", 2), "coma": ("C21", 1), "trefoil": ("C23", 3)}


@dataclass(frozen=True)
class Drawn:
    """One draw of the conditions.

    Attributes
    ----------
    optics : Optics
        The illumination.
    camera : Camera
        The detector.
    dose : float or None
        Electrons per pattern; None for no noise.
    drift : tuple of float
        Of the specimen under the scan, to the right and down, as `ScanFrame.drift`.
    row_jitter : float
        Standard deviation of the rows' shifts [Å].
    """

    optics: Optics
    camera: Camera
    dose: float | None
    drift: tuple[float, float] = (0.0, 0.0)
    row_jitter: float = 0.0

    def over(self, frame: ScanFrame, seed: int) -> ScanFrame:
        """Where the probes of a scan come to lie; the seed is that of its specimen."""
        return frame.distorted(self.drift, self.row_jitter, derive_seed(seed, "row jitter"))

    def exposed(
        self, patterns: NDArray[np.float32], seed: int, dose: float | None = None
    ) -> NDArray[np.float32]:
        """What the detector makes of patterns that have met it, as a fraction of the beam.

        Parameters
        ----------
        patterns : ndarray, shape (..., ky, kx)
            Expected fractions of the incident beam.
        seed : int
            Seed of the noise.
        dose : float, optional
            Another dose than the drawn one [electrons per pattern].
        """
        dose = dose or self.dose
        images = self.camera.expose(torch.from_numpy(patterns.copy()), dose, seed).numpy()
        return np.asarray(images if dose is None else images / dose, np.float32)

    def described(self) -> dict[str, Any]:
        """All values as plain numbers, for a file's attributes."""
        camera, optics = self.camera, self.optics
        return {
            "tilt_mrad": list(optics.tilt_mrad),
            "aberrations": dict(optics.aberrations),
            "source_fwhm_angstrom": optics.source_fwhm,
            "defocus_spread_angstrom": optics.defocus_spread,
            "mrad_per_pixel": camera.mrad_per_pixel,
            "rotation_deg": camera.rotation_deg,
            "ellipticity": camera.ellipticity,
            "ellipticity_deg": camera.ellipticity_deg,
            "shift_pixels": list(camera.shift_pixels),
            "psf_pixels": camera.psf_pixels,
            "background": camera.background,
            "dead_pixels": 0 if camera.dead is None else int(camera.dead.sum()),
            "dose_electrons": self.dose,
            "drift": list(self.drift),
            "row_jitter_angstrom": self.row_jitter,
        }


def drawn_for(conditions: Mapping[str, Any], simulate: Simulate, *seed: object) -> Drawn:
    """Draw for what a seed stands for, from a config section as plain values."""
    random = np.random.default_rng(derive_seed(*seed, "conditions"))
    return draw(SceneConditions.model_validate(conditions), simulate, random)


def draw(conditions: Conditions, simulate: Simulate, random: np.random.Generator) -> Drawn:
    """Draw from the ranges; every value takes the same share of the generator's numbers.

    Parameters
    ----------
    conditions : Conditions
        The ranges.
    simulate : Simulate
        Semi-angle, detector, and the aberrations and tilt that the drawn ones are added to.
    random : Generator
        Source of the draws.

    Returns
    -------
    Drawn
    """

    def one(name: str) -> float:
        low, high = getattr(conditions, name)
        return float(low + (high - low) * random.random())

    def azimuth() -> float:
        return float(2 * math.pi * random.random())

    # even over the area of a ring
    low, high = conditions.tilt_mrad
    tilt, towards = math.sqrt(low**2 + (high**2 - low**2) * random.random()), azimuth()
    aberrations = dict(simulate.aberrations)
    aberrations["C10"] = aberrations.get("C10", 0.0) - one("defocus_angstrom")
    aberrations["C30"] = aberrations.get("C30", 0.0) + one("spherical_angstrom")
    for name, (coefficient, symmetry) in _DIRECTED.items():
        size, angle = one(f"{name}_angstrom"), azimuth() / symmetry
        if size:
            direction = f"phi{coefficient[1:]}"
            if aberrations.get(coefficient):
                # C cos(m (azimuth - phi)) is the projection of C exp(i m phi): sums of vectors
                total = cmath.rect(size, symmetry * angle) + cmath.rect(
                    aberrations[coefficient], symmetry * aberrations.get(direction, 0.0)
                )
                size, angle = abs(total), cmath.phase(total) / symmetry
            aberrations |= {coefficient: size, direction: angle}
    optics = Optics(
        simulate.semiangle_mrad,
        {name: value for name, value in aberrations.items() if value},
        (
            simulate.tilt_mrad[0] + tilt * math.cos(towards),
            simulate.tilt_mrad[1] + tilt * math.sin(towards),
        ),
        one("source_fwhm_angstrom"),
        one("defocus_spread_angstrom"),
    )
    camera = _camera(conditions, simulate.detector, one, azimuth, random)
    dose, share = None, random.random()
    if conditions.dose_electrons is not None:
        least, most = conditions.dose_electrons
        dose = float(least * (most / least) ** share)
    if not isinstance(conditions, ExperimentConditions):
        return Drawn(optics, camera, dose)
    drift, towards = one("drift"), azimuth()
    across = drift * math.cos(towards), drift * math.sin(towards)
    return Drawn(optics, camera, dose, across, one("row_jitter_angstrom"))


def _camera(
    conditions: Conditions, detector: Detector, one: Any, azimuth: Any, random: np.random.Generator
) -> Camera:
    shift, towards = one("shift_pixels"), azimuth()
    shape = (detector.pixels, detector.pixels)
    gains, faults = random.standard_normal(shape), random.random(shape)
    spread, dead = one("gain_spread"), one("dead_fraction")
    return Camera(
        detector.pixels,
        detector.mrad_per_pixel * (1 + one("camera_length_error")),
        rotation_deg=one("rotation_deg"),
        ellipticity=one("ellipticity"),
        ellipticity_deg=math.degrees(azimuth()) / 2,
        shift_pixels=(shift * math.cos(towards), shift * math.sin(towards)),
        psf_pixels=one("psf_pixels"),
        background=one("background"),
        gain=(1 + spread * gains).clip(0).astype(np.float32) if spread else None,
        dead=faults < dead if dead else None,
    )
