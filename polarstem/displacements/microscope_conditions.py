# SPDX-License-Identifier: GPL-3.0-or-later
"""What all patterns of a scan share and nobody knows exactly: tilt, thickness, optics, detector.

They are numbers in one vector, so that they can be fitted together. An aberration of two components
is c times the cosine and the sine of m times its angle, which is smooth at zero.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from polarstem.config.physics import Detector
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.microscope.optics import Optics

Conditions = NDArray[np.float64]
"""Values in the order of `NAMES`."""
_TWO = ("C12", "C21", "C23")
_COMPONENTS = tuple(f"{name}_{part}" for name in _TWO for part in ("cos", "sin"))
OF_OPTICS = {
    "tilt_x": 0.2,
    "tilt_y": 0.2,
    "C10": 4.0,
    **dict.fromkeys(_COMPONENTS[:2], 3.0),
    **dict.fromkeys(_COMPONENTS[2:], 40.0),
    "C30": 3e3,
}
"""Steps of derivatives by what changes the waves in the crystal."""
OF_CAMERA = {
    "camera_length": 0.005,
    "rotation": 0.5,
    "shift_right": 0.05,
    "shift_down": 0.05,
    "blur": 0.1,
}
"""Steps of derivatives by what changes the detector."""
_EXPECTED = {  # standard deviations
    "tilt_x": 1.0,
    "tilt_y": 1.0,
    "thickness": 1.0,
    "place_x": 0.15,
    "place_y": 0.15,
    "C10": 60.0,
    **dict.fromkeys(_COMPONENTS[:2], 20.0),
    **dict.fromkeys(_COMPONENTS[2:], 200.0),
    "C30": 2e4,
    "source": 0.25,
    "camera_length": 0.007,
    "rotation": 0.7,
    "shift_right": 0.15,
    "shift_down": 0.15,
    "blur": 0.2,
}
NAMES = tuple(_EXPECTED)
"""Of what is fitted; `MEANINGS` says what each is."""
MEANINGS = {
    "tilt_x": ("tilt of the beam to the right", "mrad"),
    "tilt_y": ("tilt of the beam upwards", "mrad"),
    "thickness": ("thickness", "nm"),
    "place_x": ("the probe is farther to the right than the map says by", "Å"),
    "place_y": ("the probe is farther up than the map says by", "Å"),
    "C10": ("C10, minus the defocus", "Å"),
    **{
        f"{name}_{part}": (f"{name}, times the {word} of {order} times its angle", "Å")
        for name, order in zip(_TWO, (2, 1, 3), strict=True)
        for part, word in (("cos", "cosine"), ("sin", "sine"))
    },
    "C30": ("C30", "Å"),
    "source": ("source, full width at half maximum", "Å"),
    "camera_length": ("angle of a pixel is larger than the map says, relative", "1"),
    "rotation": ("patterns are turned counter-clockwise by", "degrees"),
    "shift_right": ("patterns are shifted to the right by", "pixels"),
    "shift_down": ("patterns are shifted downwards by", "pixels"),
    "blur": ("point spread, standard deviation", "pixels"),
}
"""Each condition in words, and its unit."""
SPREADS = np.array(list(_EXPECTED.values()))
"""Standard deviations of what is expected beforehand: about zero, for tilt and thickness about what
the map measured, for source and point spread about `SOURCE_FWHM` and `BLUR`."""
_MOST = dict(zip(OF_CAMERA, (0.025, 2.0, 0.4, 0.4, 1.5), strict=True))
OF_CELL = slice(0, 5)
"""Tilt, thickness and place, which may change over a scan."""
CELL_SPREADS = np.array([0.3, 0.3, 0.4, 0.03, 0.03])
"""By how much they do, beyond what the map measured."""
SOURCE_FWHM = 0.8  # Å
BLUR = 0.3  # pixels
_LEAST_SOURCE = 0.1
_SIGNS = np.array([(1, turn, x, y, 1) for turn in (-1, 1) for x in (-1, 1) for y in (-1, 1)])


def at_start(tilt_mrad: NDArray[np.floating], thickness_nm: float) -> Conditions:
    """Conditions before anything is fitted."""
    found = np.zeros(len(NAMES))
    found[:3] = *tilt_mrad, thickness_nm
    found[NAMES.index("source")], found[NAMES.index("blur")] = SOURCE_FWHM, BLUR
    return found


def farther(conditions: Conditions, name: str, step: float) -> Conditions:
    """The same, but for one that is larger by a step."""
    found = conditions.copy()
    found[NAMES.index(name)] += step
    return found


def allowed(conditions: Conditions) -> Conditions:
    """The nearest ones that a source, a detector and the crystals that are kept can have."""
    found = conditions.copy()
    source = NAMES.index("source")
    found[source] = max(found[source], _LEAST_SOURCE)
    for name, most in _MOST.items():
        at = NAMES.index(name)
        found[at] = np.clip(found[at], 0.0 if name == "blur" else -most, most)
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


def camera_of(conditions: Conditions, detector: Detector) -> Camera:
    """The detector, as its calibration left it."""
    scale, rotation, right, down, blur = conditions[-len(OF_CAMERA) :].tolist()
    return Camera(
        detector.pixels,
        detector.mrad_per_pixel * (1 + scale),
        rotation_deg=rotation,
        shift_pixels=(right, down),
        psf_pixels=max(0.0, blur),
    )


def reach_of(detector: Detector) -> float:
    """Largest angle along an axis that `allowed` conditions, a step on, see [mrad]."""
    farthest = np.array(list(_MOST.values())) + np.array(list(OF_CAMERA.values()))
    ideal = [0.0] * (len(NAMES) - len(OF_CAMERA))
    cameras = [camera_of(np.array([*ideal, *farthest * sign]), detector) for sign in _SIGNS]
    return float(np.abs([camera.corners_mrad for camera in cameras]).max())
