# SPDX-License-Identifier: GPL-3.0-or-later
"""What all patterns of a scan share and nobody knows exactly: tilt, aberrations, thickness, source.

They are numbers in one vector, so that they can be fitted together. An aberration of two components
is c times the cosine and the sine of m times its angle, which is smooth at zero.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from polarstem.simulate.microscope.optics import Optics

Conditions = NDArray[np.float64]
"""Values in the order of `NAMES`."""
_TWO = ("C12", "C21", "C23")
_COMPONENTS = tuple(f"{name}_{part}" for name in _TWO for part in ("cos", "sin"))
NAMES = (
    *("tilt_x", "tilt_y", "thickness", "place_x", "place_y"),
    *("C10", *_COMPONENTS, "C30", "source"),
)
"""Tilt of the beam to the right and up [mrad], thickness [nm], by how much farther to the right and
up the probe is than the map says [Å], aberrations [Å], source FWHM [Å]."""
STEPS = np.array([0.2, 0.2, 0.25, 0.03, 0.03, 4.0, 3.0, 3.0, 40.0, 40.0, 40.0, 40.0, 3e3, 0.05])
"""By which derivatives are taken."""
SPREADS = np.array(
    [1.0, 1.0, 1.0, 0.15, 0.15, 60.0, 20.0, 20.0, 200.0, 200.0, 200.0, 200.0, 2e4, 0.25]
)
"""Standard deviations of what is expected beforehand: about zero, for tilt and thickness about what
the map measured, for the source about `SOURCE_FWHM`."""
OF_CELL = slice(0, 5)
"""Tilt, thickness and place, which may change over a scan."""
CELL_SPREADS = np.array([0.3, 0.3, 0.4, 0.03, 0.03])
"""By how much they do, beyond what the map measured."""
SOURCE_FWHM = 0.8  # Å
_LEAST_SOURCE = 0.1


def at_start(tilt_mrad: NDArray[np.floating], thickness_nm: float) -> Conditions:
    """Conditions before anything is fitted."""
    found = np.zeros(len(NAMES))
    found[:3] = *tilt_mrad, thickness_nm
    found[-1] = SOURCE_FWHM
    return found


def allowed(conditions: Conditions) -> Conditions:
    """The same with a source that is one."""
    found = conditions.copy()
    found[-1] = max(found[-1], _LEAST_SOURCE)
    return found


def within(conditions: Conditions, tilt_mrad: float) -> Conditions:
    """The same with a tilt that is no larger than this [mrad]."""
    found = conditions.copy()
    found[:2] *= min(1.0, tilt_mrad / max(math.hypot(*found[:2]), 1e-9))
    return found


def optics_of(conditions: Conditions, semiangle_mrad: float) -> Optics:
    """The illumination."""
    told = dict(zip(NAMES, conditions.tolist(), strict=True))
    aberrations = {"C10": told["C10"], "C30": told["C30"]}
    for name in _TWO:
        x, y = told[f"{name}_cos"], told[f"{name}_sin"]
        aberrations[name] = math.hypot(x, y)
        aberrations[f"phi{name[1:]}"] = math.atan2(y, x) / int(name[2])
    return Optics(
        semiangle_mrad, aberrations, (told["tilt_x"], told["tilt_y"]), max(0.0, told["source"])
    )
