# SPDX-License-Identifier: GPL-3.0-or-later
"""Angles that a detector and the conditions it is used under reach."""

from __future__ import annotations

import math
from collections.abc import Iterable

from polarstem.config.conditions import Conditions
from polarstem.config.physics import Detector, Simulate


def reach_of(detector: Detector, conditions: Conditions) -> float:
    """Largest angle along either axis that meets a detector under some of the conditions [mrad].

    Seen from the pattern a corner of the detector is shifted, drawn out by a symmetric matrix
    ``a + b M`` (M a mirror in any direction) and turned: along an axis u it lies at ``a u v``
    plus up to ``b |v|``.
    """
    half, shift = detector.pixels / 2, conditions.shift_pixels[1]
    # |cos| + |sin| of the angle, which is largest at 45 degrees and comes again every 90
    low, high = (angle - 45 for angle in conditions.rotation_deg)
    diagonal = math.ceil(low / 90) * 90 <= high
    aside = 0.0 if diagonal else min(abs((end + 45) % 90 - 45) for end in (low, high))
    across = math.sqrt(2) * half * math.cos(math.radians(aside))
    ratio = math.sqrt(1 + conditions.ellipticity[1])
    a, b = (ratio + 1 / ratio) / 2, (ratio - 1 / ratio) / 2
    far = a * (across + shift) + b * (math.sqrt(2) * half + shift)
    return far * detector.mrad_per_pixel * (1 + conditions.camera_length_error[1])


def edge_of(detector: Detector, conditions: Conditions) -> float:
    """Largest angle of the middle of a detector's edges under some of the conditions [mrad].

    Its corners reach beyond: a grid's band is round, and what lies there is next to nothing.
    """
    half = detector.pixels / 2 + conditions.shift_pixels[1]
    half *= math.sqrt(1 + conditions.ellipticity[1]) * (1 + conditions.camera_length_error[1])
    return half * detector.mrad_per_pixel


def reserve_mrad(simulate: Simulate, measured: Iterable[Conditions]) -> tuple[float, float]:
    """Room that scattering matrices need for what is measured on them.

    Parameters
    ----------
    simulate : Simulate
        Detector and set tilt.
    measured : iterable of Conditions
        All that they are measured under.

    Returns
    -------
    margin : float
        Largest tilt [mrad].
    reach : float
        Largest angle along the detector's axes, without the tilt [mrad].
    """
    # a tilted disc of waves moves by the tangent
    margin = math.hypot(*(1e3 * math.tan(t / 1e3) for t in simulate.tilt_mrad))
    detector = simulate.detector
    reach = detector.pixels * detector.mrad_per_pixel / 2
    for conditions in measured:
        # drawn tilts are added to the set one; tan(x)^2 + tan(y)^2 is largest along an axis
        tilt = math.hypot(*simulate.tilt_mrad) + conditions.tilt_mrad[1]
        margin = max(margin, 1e3 * math.tan(tilt / 1e3))
        reach = max(reach, reach_of(detector, conditions))
    return margin, reach
