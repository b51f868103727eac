# SPDX-License-Identifier: GPL-3.0-or-later
"""A mean pattern that can be read at any angle of a turned frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter

from polarstem.errors import PolarstemError

_HELD = 0.9  # share of the disc that must be on the detector
_SEEN = 0.9  # of what a value is read from


@dataclass(frozen=True)
class PatternImage:
    """A measured pattern that is read between its pixels.

    Attributes
    ----------
    values : ndarray, shape (ky, kx)
        Values or spline coefficients.
    mrad_per_pixel : float
        Size of a pixel [mrad].
    centre : tuple of float
        Row and column of the optic axis [pixels].
    box_mrad : float
        Side of the squares that are read [mrad].
    points : int
        Along such a side, at which it is read.
    seen : ndarray of bool, shape (ky, kx), or None
        Pixels that were measured; all where it is None.
    """

    values: NDArray[np.float64]
    mrad_per_pixel: float
    centre: tuple[float, float]
    box_mrad: float = 0.0
    points: int = 1
    seen: NDArray[np.bool_] | None = None

    @classmethod
    def of(
        cls,
        pattern: NDArray[np.floating | np.integer],
        mrad_per_pixel: float,
        centre: tuple[float, float] | None,
        seen: NDArray[np.bool_] | None = None,
    ) -> PatternImage:
        values = np.asarray(pattern, dtype=np.float64)
        if values.ndim != 2 or not np.isfinite(values).all() or not np.ptp(values) > 0:
            raise PolarstemError(
                f"No mean pattern to compare with the library: an array of shape {values.shape} "
                "with missing values or of one brightness; give one two-dimensional mean pattern."
            )
        rows, columns = values.shape
        middle = centre or ((rows - 1) / 2, (columns - 1) / 2)
        return cls(values, mrad_per_pixel, middle, seen=seen)

    def check(self, angles: NDArray[np.float64], semiangle_mrad: float) -> None:
        """Refuse an image that does not hold the central disc."""
        disc = angles[np.hypot(*np.moveaxis(angles, -1, 0)) < semiangle_mrad]
        # dead pixels are left out where patterns are compared
        share = float(replace(self, seen=None).sample(disc, 0.0)[1].mean())
        if share < _HELD:
            raise PolarstemError(
                f"The detector holds {100 * share:.0f} % of the central disc of "
                f"{semiangle_mrad:g} mrad only; check its mrad per pixel "
                f"({self.mrad_per_pixel:g}) and the centre {self.centre}."
            )

    def smoothed(self, mrad_per_pixel: float) -> PatternImage:
        """Spline coefficients that are read at a coarser resolution.

        A box w wide has the moment w^2 / 12. Points across it have all that its own pixels lack
        where these are a whole part of it, and count each electron once; a blur adds the rest.
        """
        points = max(1, int(mrad_per_pixel / self.mrad_per_pixel + 1e-6))
        moment = max(0.0, (mrad_per_pixel / points) ** 2 - self.mrad_per_pixel**2) / 12
        blurred = gaussian_filter(self.values, np.sqrt(moment) / self.mrad_per_pixel)
        coefficients = spline_filter(blurred, mode="nearest")
        return PatternImage(
            coefficients, self.mrad_per_pixel, self.centre, mrad_per_pixel, points, self.seen
        )

    def sample(
        self, angles: NDArray[np.float64], turn_deg: float
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Fractions of the intensity at angles (x, y up) of a turned frame; which are inside."""
        turn = np.deg2rad(turn_deg)
        x, y = np.moveaxis(angles.reshape(-1, 2), -1, 0) / self.mrad_per_pixel
        row, column = self._places(x, y, turn)
        limits = np.array(self.values.shape) - 0.5 + 1e-6
        inside = (row > -0.5 - 1e-6) & (row < limits[0]) & (column > -0.5 - 1e-6)
        inside &= column < limits[1]
        if self.seen is not None:
            here = np.stack([row, column])
            share = map_coordinates(self.seen.astype(float), here, order=1, mode="nearest")
            inside &= share > _SEEN
        along = (np.arange(self.points) + 0.5) / self.points - 0.5
        along *= self.box_mrad / self.mrad_per_pixel
        down, right = (part.ravel()[:, None] for part in np.meshgrid(along, along))
        places = self._places(x + right, y + down, turn)
        read = map_coordinates(self.values, places, mode="nearest", prefilter=False)
        values = np.where(inside, read.mean(axis=0), 0.0)
        return values / values.sum(), inside

    def _places(
        self, x: NDArray[np.float64], y: NDArray[np.float64], turn: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rows and columns of points of a turned frame [pixels]."""
        row = self.centre[0] - (np.sin(turn) * x + np.cos(turn) * y)
        column = self.centre[1] + np.cos(turn) * x - np.sin(turn) * y
        return row, column
