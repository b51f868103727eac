# SPDX-License-Identifier: GPL-3.0-or-later
"""What the comparison of a mean pattern with the library found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarstem.scans.sourced import Sourced


@dataclass(frozen=True)
class Elsewhere:
    """The best orientation of those that are another choice.

    Attributes
    ----------
    rotation_deg : float
        [degrees]
    residual : float
        As `PacbedFit.residual`, the least.
    better_by : float
        Residual of the orientation that was taken, less this one: positive where this one fits
        better.
    clearly : bool
        Whether chi squared prefers it beyond doubt (95 %).
    """

    rotation_deg: float
    residual: float
    better_by: float
    clearly: bool


@dataclass(frozen=True)
class PacbedFit:
    """A mean pattern compared with the library.

    Attributes
    ----------
    thickness : Sourced or None
        [nm], with its 95 % interval and with what was known of it. None where the pattern is not
        this crystal's, or shows none within its noise.
    measured_thickness : Sourced or None
        The same from the pattern alone.
    tilt : Sourced or None
        Beam tilt (x right, y up) in the frame of the crystal [mrad]; the interval is that of its
        length. None where there is no thickness.
    tilt_error : float
        Standard deviation of each component [mrad].
    rotation : Sourced
        Angle of the crystal's x axis on the upright detector, counter-clockwise [degrees], modulo
        `period_deg`. Its interval is the whole period where there is no thickness.
    period_deg : float
        90 along [001] and 180 along [110].
    thickness_nm : ndarray, shape (thickness,)
        Thicknesses that were compared [nm].
    residual : ndarray, shape (thickness,)
        Root of the weighted sum of squared deviations over that of the measured pattern.
    misfit : float
        What is left unexplained over what may be: up to 1 it is this crystal, beyond 1.25 not.
    is_crystal : bool or None
        Whether the pattern is that of the library's crystal, None where it cannot be told.
    about_crystal : str
        That in words.
    diffuse : float
        Share of the electrons that diffuse scattering took out of the crystal's pattern.
    elsewhere : Elsewhere or None
        The best of the other orientations; None where none was tried.
    deviations : ndarray
        What was fitted beside thickness and tilt, in the standard deviations and the order of
        `pacbed_model.PRIORS`.
    variance : float
        Mean of the weighted squared deviations of a pixel.
    measured, simulated : ndarray, shape (ky, kx)
        On the model's grid in the crystal's frame: fractions of the detected electrons.
    warnings : tuple of str
        Sentences, empty where all is well.
    """

    thickness: Sourced | None
    measured_thickness: Sourced | None
    tilt: Sourced | None
    tilt_error: float
    rotation: Sourced
    period_deg: float
    thickness_nm: NDArray[np.float64]
    residual: NDArray[np.float64]
    misfit: float
    is_crystal: bool | None
    about_crystal: str
    diffuse: float
    elsewhere: Elsewhere | None
    deviations: NDArray[np.float64]
    variance: float
    measured: NDArray[np.float64]
    simulated: NDArray[np.float64]
    warnings: tuple[str, ...]
