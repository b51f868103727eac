# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lattice of the wrong size or shape says about the step and the drift of a scan.

Rows of a scan are fast: within a row the beam goes along x as intended, but for the size of the
step. From row to row it may go too far along y, and wander along x. Then a place (y, x) of the
scan is (a y, k y + b x) on the crystal, and a, b and k follow from the metric of the lattice found
and that of the cell expected, whichever way the crystal is turned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_DRIFT = 1.1
"""Stretch of one axis against the other that drift may explain."""


def distortions(
    reciprocal: NDArray[np.float64], cell: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compare lattices with the one expected.

    Parameters
    ----------
    reciprocal : ndarray, shape (..., 2, 2)
        Columns: the reciprocal vectors of the cell's y and x, y (down) and x [1/nm].
    cell : ndarray, shape (2,)
        Expected edges along the crystal's y and x [nm].

    Returns
    -------
    scale : ndarray, shape (..., 2)
        Cell found over the one expected, along the scan's y and x.
    shear : ndarray, shape (...)
        Way along x for a way along y [nm/nm].
    """
    metric = np.einsum("...ij,j,...kj->...ik", reciprocal, np.square(cell), reciprocal)
    b = np.sqrt(metric[..., 1, 1])
    k = metric[..., 0, 1] / b
    a = np.sqrt(np.maximum(metric[..., 0, 0] - np.square(k), 1e-12))
    return 1 / np.stack([a, b], axis=-1), k / a


@dataclass(frozen=True)
class Distortion:
    """Size and shape of a scan.

    Attributes
    ----------
    scale : tuple of float
        Cell found over the one expected, along the scan's y and x.
    shear : float
        Way along x for a way along y.
    drift_nm : tuple of float
        Way along y and x beyond what was intended, from the first row to the last, if the step
        along x holds along y, too [nm].
    rotation_deg : float
        Of the crystal's x axis from the rows, counter-clockwise [degrees].
    """

    scale: tuple[float, float]
    shear: float
    drift_nm: tuple[float, float]
    rotation_deg: float

    @property
    def one_axis(self) -> bool:
        """Whether one axis is stretched by more than drift can: its step is wrong."""
        return bool(abs(np.log(self.scale[0] / self.scale[1])) > np.log(MOST_DRIFT))

    def implied_step_nm(self, step: NDArray[np.float64]) -> tuple[float, float]:
        """Distance of positions along y and x that gives the cell its size [nm]."""
        return float(step[0] / self.scale[0]), float(step[1] / self.scale[1])

    @classmethod
    def of(
        cls, reciprocal: NDArray[np.float64], cell: NDArray[np.float64], height_nm: float
    ) -> Distortion:
        """From a lattice, as `distortions`, in a scan of a height [nm]."""
        scale, shear = distortions(reciprocal, cell)
        a, b = 1 / scale
        k = float(shear * a)
        down = np.linalg.inv(reciprocal)[0] @ np.array([(a, k), (0.0, b)])
        return cls(
            (float(scale[0]), float(scale[1])),
            float(shear),
            (float(a - b) * height_nm, k * height_nm),
            float(np.rad2deg(np.arctan2(down[1], down[0]))),
        )
