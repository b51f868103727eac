# SPDX-License-Identifier: GPL-3.0-or-later
"""A mean pattern that can be read at any angle of a turned frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter

from polarstem.errors import PolarstemError

_HELD = 0.9  # share of the disc that must be on the detector


@dataclass(frozen=True)
class PatternImage:
    """A measured pattern: values or spline coefficients, size of a pixel and place of the axis."""

    values: NDArray[np.float64]
    mrad_per_pixel: float
    centre: tuple[float, float]

    @classmethod
    def of(
        cls,
        pattern: NDArray[np.floating | np.integer],
        mrad_per_pixel: float,
        centre: tuple[float, float] | None,
    ) -> PatternImage:
        values = np.asarray(pattern, dtype=np.float64)
        if values.ndim != 2 or not np.isfinite(values).all() or not np.ptp(values) > 0:
            raise PolarstemError(
                f"No mean pattern to compare with the library: an array of shape {values.shape} "
                "with missing values or of one brightness; give one two-dimensional mean pattern."
            )
        rows, columns = values.shape
        return cls(values, mrad_per_pixel, centre or ((rows - 1) / 2, (columns - 1) / 2))

    def check(self, angles: NDArray[np.float64], semiangle_mrad: float) -> None:
        """Refuse an image that does not hold the central disc."""
        disc = angles[np.hypot(*np.moveaxis(angles, -1, 0)) < semiangle_mrad]
        share = float(self.sample(disc, 0.0)[1].mean())
        if share < _HELD:
            raise PolarstemError(
                f"The detector holds {100 * share:.0f} % of the central disc of "
                f"{semiangle_mrad:g} mrad only; check its mrad per pixel "
                f"({self.mrad_per_pixel:g}) and the centre {self.centre}."
            )

    def smoothed(self, mrad_per_pixel: float) -> PatternImage:
        """Spline coefficients at a coarser resolution: a box w wide has the moment w^2 / 12."""
        moment = max(0.0, mrad_per_pixel**2 - self.mrad_per_pixel**2) / 12
        blurred = gaussian_filter(self.values, np.sqrt(moment) / self.mrad_per_pixel)
        return PatternImage(
            spline_filter(blurred, mode="nearest"), self.mrad_per_pixel, self.centre
        )

    def sample(
        self, angles: NDArray[np.float64], turn_deg: float
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Fractions of the intensity at angles (x, y up) of a turned frame; which are inside."""
        turn = np.deg2rad(turn_deg)
        x, y = np.moveaxis(angles.reshape(-1, 2), -1, 0) / self.mrad_per_pixel
        row = self.centre[0] - (np.sin(turn) * x + np.cos(turn) * y)
        column = self.centre[1] + np.cos(turn) * x - np.sin(turn) * y
        limits = np.array(self.values.shape) - 0.5 + 1e-6
        inside = (row > -0.5 - 1e-6) & (row < limits[0]) & (column > -0.5 - 1e-6)
        inside &= column < limits[1]
        values = map_coordinates(self.values, (row, column), mode="nearest", prefilter=False)
        values = np.where(inside, values, 0.0)
        return values / values.sum(), inside
