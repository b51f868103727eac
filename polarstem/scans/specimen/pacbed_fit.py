# SPDX-License-Identifier: GPL-3.0-or-later
"""What the comparison of a mean pattern with the library found."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from polarstem.scans.sourced import Sourced


@dataclass(frozen=True)
class PacbedFit:
    """A mean pattern compared with the library.

    Attributes
    ----------
    thickness : Sourced
        [nm], with its 95 % interval.
    tilt : Sourced
        Beam tilt (x right, y up) in the frame of the crystal [mrad]; the interval is that of its
        length.
    tilt_error : float
        Standard deviation of each component [mrad].
    rotation : Sourced
        Angle of the crystal's x axis on the upright detector, counter-clockwise [degrees], modulo
        90 along [001] and 180 along [110].
    thickness_nm : ndarray, shape (thickness,)
        Thicknesses that were compared [nm].
    residual : ndarray, shape (thickness,)
        Root of the weighted sum of squared deviations over that of the measured pattern.
    measured, simulated : ndarray, shape (ky, kx)
        On the model's grid in the crystal's frame: fractions of the detected electrons.
    warnings : tuple of str
        Sentences, empty where all is well.
    """

    thickness: Sourced
    tilt: Sourced
    tilt_error: float
    rotation: Sourced
    thickness_nm: NDArray[np.float64]
    residual: NDArray[np.float64]
    measured: NDArray[np.float64]
    simulated: NDArray[np.float64]
    warnings: tuple[str, ...]

    def turned_to(self, rotation_deg: float, fold: int = 4) -> PacbedFit:
        """The same fit with another of the equal axes as the crystal's x axis.

        Parameters
        ----------
        rotation_deg : float
            About where on the detector that axis is to point [degrees].
        fold : int
            `Library.fold`.
        """
        period = 360 / fold
        steps = round((rotation_deg - self.rotation.value) / period)
        shift, quarters = steps * period, steps * 4 // fold
        x, y = self.tilt.value
        turn = np.deg2rad(shift)
        cosine, sine = float(np.cos(turn)), float(np.sin(turn))
        interval = self.rotation.interval
        return replace(
            self,
            # the frame turns by the shift, what is seen in it the other way
            tilt=replace(self.tilt, value=(cosine * x + sine * y, cosine * y - sine * x)),
            rotation=replace(
                self.rotation,
                value=self.rotation.value + shift,
                interval=interval and (interval[0] + shift, interval[1] + shift),
            ),
            measured=np.rot90(self.measured, -quarters),
            simulated=np.rot90(self.simulated, -quarters),
        )
