# SPDX-License-Identifier: GPL-3.0-or-later
"""The angle between scan and detector, from the deflection of the beam.

The mean deflection is, to first order, a gradient of the specimen's projected potential and
has no curl (Lazic et al., Ultramicroscopy 160, 265, 2016): the detector is turned until the
curl is least (Savitzky et al., Microsc. Microanal. 27, 712, 2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarstem.scans.sourced import Sourced

_GROUPS = 12  # left out one after the other for the standard error
_LEAST_CONTRAST = 1.3  # of squared divergence to squared curl
_LARGEST_ERROR_DEG = 10.0
THIN_NM = 5.0
"""Up to which the sign of the divergence is believed: about half an oscillation [nm]."""
_SURE = 3.0  # standard errors of the correlation that settles the 180 degrees


@dataclass(frozen=True)
class Rotation:
    """Scan-to-detector rotation.

    Attributes
    ----------
    angle : Sourced, optional
        By which the scan's x axis appears turned counter-clockwise on the detector [degrees];
        None if the deflections do not tell.
    error_deg : float
        Standard error [degrees].
    contrast : float
        Mean squared divergence over mean squared curl at that angle.
    transposed : bool
        Whether a transposed detector would fit better.
    settled : bool
        Whether the sign, 180 degrees, could be told.
    sentence : str
        What was found.
    angles_deg, curl, curl_transposed : ndarray, shape (angle,)
        Root mean square curl, relative to its mean over the angles, as stored and transposed.
    """

    angle: Sourced | None
    error_deg: float
    contrast: float
    transposed: bool
    settled: bool
    sentence: str
    angles_deg: NDArray[np.float64]
    curl: NDArray[np.float64]
    curl_transposed: NDArray[np.float64]


def scan_rotation(
    deflection: NDArray[np.float32],
    step_nm: tuple[float, float] = (1.0, 1.0),
    dark_field: NDArray[np.float32] | None = None,
    thickness_nm: float | None = None,
) -> Rotation:
    """Turn the detector until the deflections have least curl.

    Of the two angles, 180 degrees apart, in a thin crystal that one is right at which electrons
    are deflected towards the columns of atoms: the divergence is negative where the dark field
    is bright, or, without a dark field, has its tail on the negative side. In thicker crystals
    the electrons oscillate about the columns, and the divergence has either sign, by thickness
    and defocus: there the angle between -90 and 90 degrees is given, and not called settled.
    Comparison with simulated patterns settles it (see `polarstem.scans.specimen.handedness`).

    Parameters
    ----------
    deflection : ndarray, shape (..., ny, nx, 2)
        To the right and up on the upright detector [mrad or any unit], of one or more parts of
        the scan whose positions are neighbours; nan where nothing is known.
    step_nm : tuple of float
        Distance of rows and of columns [nm].
    dark_field : ndarray, shape (..., ny, nx), optional
        Intensity beyond the bright-field disc.
    thickness_nm : float, optional
        Highest thickness that the specimen may have [nm].

    Returns
    -------
    Rotation
    """
    angles = np.arange(-90.0, 90.0)
    divergence, curl = _derivatives(deflection, step_nm)
    known = np.isfinite(divergence) & np.isfinite(curl)
    if known.sum() < 2 * _GROUPS:
        unknown = np.full(len(angles), np.nan)
        sentence = "Too few neighbouring positions to tell the rotation of the detector."
        return Rotation(None, np.inf, 1.0, False, False, sentence, angles, unknown, unknown)
    moments = _moments(divergence[known], curl[known])
    # a transposed detector has x and y, down, exchanged
    other = _derivatives(-deflection[..., ::-1], step_nm)
    transposed = _moments(other[0][known], other[1][known])
    angle, contrast = _least_curl(moments)
    _, contrast_transposed = _least_curl(transposed)
    groups = np.arange(known.sum()) * _GROUPS // known.sum()
    left_out = np.array(
        [
            _least_curl(moments - _moments(divergence[known][part], curl[known][part]))[0]
            for part in (groups == group for group in range(_GROUPS))
        ]
    )
    apart = (left_out - angle + 90) % 180 - 90
    error = float(np.sqrt((_GROUPS - 1) / _GROUPS * np.square(apart).sum()))
    sign = _sign(divergence, curl, angle, known, dark_field)
    thin = thickness_nm is not None and thickness_nm <= THIN_NM
    settled = thin and abs(sign) > _SURE
    if settled and sign > 0:
        angle += 180
    angle = (angle + 180) % 360 - 180
    curves = [_curve(m, angles) for m in (moments, transposed)]
    better = contrast_transposed > 1.5 * contrast
    if contrast < _LEAST_CONTRAST or error > _LARGEST_ERROR_DEG:
        sentence = (
            f"The deflections do not tell the rotation of the detector (standard error "
            f"{error:.0f} degrees)."
        )
        found = None
    else:
        told = (
            "which of the two angles 180 degrees apart is told by the divergence, negative at atoms"
            if settled
            else "the divergence does not tell it from the one 180 degrees apart"
        )
        sentence = f"Least curl at {angle:.1f} degrees (standard error {error:.1f}, {told})."
        found = Sourced(
            angle,
            "degrees",
            "estimated",
            "least curl of the deflections" + ("" if settled else "; may be off by 180 degrees"),
            (angle - 1.96 * error, angle + 1.96 * error),
        )
    if better:
        sentence += " Transposed patterns would have less curl: check `detector_transpose`."
    return Rotation(found, error, contrast, better, settled, sentence, angles, *curves)


def _derivatives(
    deflection: NDArray[np.float32], step_nm: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Divergence and curl between the positions, shape (..., ny - 1, nx - 1)."""
    field = np.asarray(deflection, np.float64)
    along_x = np.diff(field, axis=-2) / step_nm[1]
    along_y = -np.diff(field, axis=-3) / step_nm[0]  # rows go down
    along_x = _between(along_x, -3)
    along_y = _between(along_y, -2)
    return along_x[..., 0] + along_y[..., 1], along_x[..., 1] - along_y[..., 0]


def _between(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Means of neighbours."""
    values = np.moveaxis(values, axis, 0)
    return np.moveaxis((values[1:] + values[:-1]) / 2, 0, axis)


def _moments(divergence: NDArray[np.float64], curl: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of div^2, curl^2 and div curl, shape (3,)."""
    return np.array([divergence @ divergence, curl @ curl, divergence @ curl])


def _least_curl(moments: NDArray[np.float64]) -> tuple[float, float]:
    """Angle [degrees, modulo 180] of least curl, and divergence over curl, both squared, there.

    Turned back by an angle, the curl is ``cos(angle) curl - sin(angle) div``.
    """
    divergence, curl, both = moments
    half = np.arctan2(2 * both, divergence - curl) / 2
    mean = (divergence + curl) / 2
    swing = np.hypot((divergence - curl) / 2, both)
    return float(np.rad2deg(half)), float((mean + swing) / max(mean - swing, 1e-12 * mean, 1e-300))


def _curve(moments: NDArray[np.float64], angles: NDArray[np.float64]) -> NDArray[np.float64]:
    divergence, curl, both = moments
    cosine, sine = np.cos(np.deg2rad(angles)), np.sin(np.deg2rad(angles))
    squared = cosine**2 * curl + sine**2 * divergence - 2 * sine * cosine * both
    mean = max((divergence + curl) / 2, 1e-300)
    return np.sqrt(np.clip(squared, 0, None) / mean)


def _sign(
    divergence: NDArray[np.float64],
    curl: NDArray[np.float64],
    angle: float,
    known: NDArray[np.bool_],
    dark_field: NDArray[np.float32] | None,
) -> float:
    """How surely the divergence at this angle is of the wrong sign [standard errors]."""
    turned = np.cos(np.deg2rad(angle)) * divergence + np.sin(np.deg2rad(angle)) * curl
    turned = turned[known] - turned[known].mean()
    if not turned.any():
        return 0.0
    if dark_field is None:
        skewness = float((turned**3).mean() / (turned**2).mean() ** 1.5)
        return skewness / np.sqrt(6 / len(turned))
    bright = _between(_between(np.asarray(dark_field, np.float64), -1), -2)[known]
    bright = bright - bright.mean()
    if not bright.any():
        return 0.0
    correlation = float((bright * turned).sum() / np.sqrt((bright**2).sum() * (turned**2).sum()))
    return correlation * np.sqrt(len(turned))
