# SPDX-License-Identifier: GPL-3.0-or-later
"""Detector and beam of a scan, as a calibration found them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polarstem.scans.calibration.centre import Plane
from polarstem.scans.calibration.counts import Linearity
from polarstem.scans.calibration.disc import mended
from polarstem.scans.calibration.resample import Resampler
from polarstem.scans.calibration.steps import Step
from polarstem.scans.sourced import Sourced
from polarstem.scans.specimen.rings import RINGS, ring_signals_on_detector
from polarstem.scans.specimen.vacuum import LEAST_COVERED, OUTERMOST, vacuum_mask

_MEASURED = 0.5  # of a pixel: less is filled from its neighbours
_COVERED = 0.98  # of a model's grid


@dataclass(frozen=True, eq=False)
class Calibration:
    """Detector and beam of a scan.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns of the scan and of the patterns.
    plane : Plane
        Centres of the patterns.
    settings : dict of str to Sourced
        ``mrad_per_pixel``, ``semiangle_mrad``, ``centre``, ``ellipticity`` and
        ``ellipticity_deg``; ``disc_radius_pixels``, ``detector_rotation_deg``,
        ``dose_electrons`` and ``dose_per_square_angstrom`` if known.
    bad : ndarray of bool, shape (ky, kx)
        Pixels that are left out.
    parts : ndarray of float32, shape (part, ky, kx)
        Mean patterns of parts of the scan, without vacuum where there is anything else.
    part_centres : ndarray, shape (part, 2)
        Their centres [pixels].
    part_counts : ndarray of int, shape (part,)
        Positions in each.
    linearity : Linearity or None
        Whether intensities are linear; None if that was not looked at.
    vacuum_share : float
        Of the sample; nan if it was not looked for.
    steps : tuple of Step
        What was done.
    warnings : tuple of str
        What a user should know.
    """

    shape: tuple[int, ...]
    plane: Plane
    settings: dict[str, Sourced]
    bad: NDArray[np.bool_]
    parts: NDArray[np.float32]
    part_centres: NDArray[np.float64]
    part_counts: NDArray[np.int64]
    linearity: Linearity | None = None
    vacuum_share: float = float("nan")
    steps: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def mrad_per_pixel(self) -> float:
        """Angle per detector pixel [mrad]."""
        return float(self.settings["mrad_per_pixel"].value)

    @property
    def detector_rotation(self) -> Sourced | None:
        """By which the scan's x axis appears turned counter-clockwise on the detector."""
        return self.settings.get("detector_rotation_deg")

    @cached_property
    def mean(self) -> NDArray[np.floating]:
        """Mean pattern of the specimen on the detector, bad pixels mended, shape (ky, kx)."""
        mean = np.average(self.parts, axis=0, weights=self.part_counts)
        return mended(mean, self.bad)

    def centres(self, index: ArrayLike) -> NDArray[np.float64]:
        """Centres of patterns, shape (n, 2) [pixels].

        Parameters
        ----------
        index : array_like of int, shape (n,)
            Positions, counted along the rows of the upright scan.
        """
        return self.plane.at(*np.divmod(np.asarray(index), self.shape[1]))

    def ring_signals(self, index: ArrayLike, patterns: NDArray[np.generic]) -> NDArray[np.float32]:
        """Signals of patterns at positions (n,) on the detector, shape (n, signal)."""
        semiangle = float(self.settings["semiangle_mrad"].value)
        return ring_signals_on_detector(
            patterns, self.centres(index), self.mrad_per_pixel, semiangle, self.bad
        )

    def vacuum(
        self, ring_shares: NDArray[np.floating], thinnest_share: float | None = None
    ) -> NDArray[np.bool_] | None:
        """Where there is no specimen (see `vacuum_mask`); None where the detector does not tell.

        Parameters
        ----------
        ring_shares : ndarray, shape (ny, nx, ring or more)
            As `ring_signals` gives them.
        thinnest_share : float, optional
            Of the electrons in the outermost ring, of the thinnest crystal that is looked for.
        """
        covered = self._outermost_covered
        if covered < LEAST_COVERED:
            return None
        electrons = self.settings.get("dose_electrons")
        dose = 1e9 if electrons is None else float(electrons.value)
        return vacuum_mask(ring_shares, dose, thinnest_share, covered)

    @cached_property
    def _outermost_covered(self) -> float:
        """Share of the outermost ring that good pixels cover."""
        pixel = self.mrad_per_pixel / float(self.settings["semiangle_mrad"].value)
        return _covered(~self.bad, np.array(self.settings["centre"].value), 1 / pixel)

    def resampler(self, turned_deg: float, pixels: int, mrad_per_pixel: float) -> Resampler:
        """A resampler to a model's grid.

        Parameters
        ----------
        turned_deg : float
            By which what shall lie along the grid's x axis appears turned counter-clockwise on
            the detector [degrees]: detector rotation plus crystal rotation.
        pixels : int
            Of the grid, along each side.
        mrad_per_pixel : float
            Of the grid [mrad].

        Returns
        -------
        Resampler
            To be called with patterns and their `centres`.
        """
        return Resampler(
            (self.shape[2], self.shape[3]),
            self.mrad_per_pixel,
            pixels,
            mrad_per_pixel,
            turned_deg,
            float(self.settings["ellipticity"].value),
            float(self.settings["ellipticity_deg"].value),
            self.bad if self.bad.any() else None,
        )

    def unseen(self, turned_deg: float, pixels: int, mrad_per_pixel: float) -> list[str]:
        """Warnings where a grid reaches to angles that the detector does not cover.

        Parameters
        ----------
        turned_deg, pixels, mrad_per_pixel
            As for `resampler`.
        """
        share = 1 - self._shares(turned_deg, pixels, mrad_per_pixel).mean()
        if share <= 1 - _COVERED:
            return []
        return [
            f"{share:.0%} of the angles that the model looks at lie beyond the detector, or on bad "
            "pixels; they are filled from the nearest that do not."
        ]

    def seen(self, turned_deg: float, pixels: int, mrad_per_pixel: float) -> NDArray[np.bool_]:
        """Pixels of a grid that are measured by half or more, shape (pixels, pixels)."""
        return self._shares(turned_deg, pixels, mrad_per_pixel) >= _MEASURED

    def _shares(self, turned_deg: float, pixels: int, mrad_per_pixel: float) -> NDArray[np.float64]:
        """Share of each pixel of a grid that good pixels of the detector see."""
        middle = np.array(self.settings["centre"].value, float)
        return self.resampler(turned_deg, pixels, mrad_per_pixel).covered(middle)

    def mean_pattern(
        self, turned_deg: float, pixels: int, mrad_per_pixel: float
    ) -> NDArray[np.float64]:
        """Mean pattern of the specimen on a grid (see `resampler`), shape (pixels, pixels)."""
        images = self.resampler(turned_deg, pixels, mrad_per_pixel)(self.parts, self.part_centres)
        mean: NDArray[np.float64] = np.average(
            images.astype(np.float64), axis=0, weights=self.part_counts
        )
        return mean


def _covered(good: NDArray[np.bool_], centre: NDArray[np.float64], radius: float) -> float:
    """Share of the outermost ring that good pixels cover."""
    down, right = (np.arange(n) - c for n, c in zip(good.shape, centre, strict=True))
    apart = np.hypot(down[:, None], right) / radius
    low, high = RINGS[OUTERMOST]
    seen = int((good & (low <= apart) & (apart < high)).sum())
    return seen / (np.pi * (high**2 - low**2) * radius**2)
