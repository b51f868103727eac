# SPDX-License-Identifier: GPL-3.0-or-later
"""A small scan over four domains of a tetragonal crystal, and a model without learning for it.

The domains meet without walls of their own: each position's pattern is that of its domain alone,
measured from the scattering matrix of one of them by turns of the crystal.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarstem.config.physics import Simulate
from polarstem.data.patterns import PatternSet
from polarstem.models import FitJob, create
from polarstem.models.base import Model
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.structures.build import build_specimen
from tests.unit.tetragonal import tetragonal_recipe

NAMES = ["RM", "MU", "LM", "MD"]
ENERGY_KV, SEMIANGLE_MRAD, NM = 200.0, 16.0, 8.0
PIXELS, MRAD_PER_PIXEL = 20, 2.4
DETECTOR, DETECTOR_MRAD = 60, 1.1
STEPS = 6  # positions along a cell
_REACH = Simulate.model_validate(
    {
        "pixels_per_cell": 24,
        "semiangle_mrad": SEMIANGLE_MRAD,
        "detector": {"pixels": 24, "mrad_per_pixel": 3.9},
    }
)
_QUARTER = np.array([[0, -1], [1, 0]])


@cache
def _microscope() -> VirtualMicroscope:
    recipe = tetragonal_recipe(thickness_nm=NM, amplitude=1.5)
    crystal = Crystal.of(build_specimen(recipe))
    matrix = compute_scattering_matrix(crystal, [NM], _REACH, cells=(2, 2))
    return VirtualMicroscope(matrix, Camera(DETECTOR, DETECTOR_MRAD))


def cell_angstrom() -> float:
    """Size of the projected cell [Å]."""
    return float(_microscope().matrix.grid.size[0])


def _measure(places: NDArray[Any], quarters: int, camera: Camera) -> NDArray[np.float32]:
    turn = np.linalg.matrix_power(_QUARTER, quarters).tolist()
    turn = (tuple(turn[0]), tuple(turn[1]))
    optics = Optics(SEMIANGLE_MRAD, source_fwhm=0.8)
    found: NDArray[np.float32] = (
        _microscope().measure(places, [NM], optics, turn=turn, camera=camera)[0].numpy()
    )
    return found


def scan(
    cells: int = 7,
    detector_rotation_deg: float = 0.0,
    crystal_rotation_deg: float = 0.0,
    dose: float = 3e4,
    seed: int = 0,
) -> tuple[NDArray[np.uint16], NDArray[np.int64], float]:
    """Counts (ny, nx, ky, kx), the class of each position (ny, nx), and the step [nm].

    Quadrants of the scan, from the upper left clockwise: right, up, left and down in the crystal's
    frame.
    """
    size, n = cell_angstrom(), cells * STEPS
    step = size / STEPS
    along = (np.arange(n) - (n - 1) / 2) * step
    right, up = np.meshgrid(along, -along)
    angle = np.radians(crystal_rotation_deg)
    turned = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    places = np.stack([right.ravel(), up.ravel()], axis=1) @ turned.T + size / 4
    truth = np.where(up > 0, np.where(right < 0, 0, 1), np.where(right > 0, 2, 3)).ravel()
    camera = Camera(DETECTOR, DETECTOR_MRAD, detector_rotation_deg + crystal_rotation_deg)
    counts = np.empty((n * n, DETECTOR, DETECTOR), np.uint16)
    rng = np.random.default_rng(seed)
    for quarters in range(4):
        members = np.flatnonzero(truth == quarters)
        counts[members] = rng.poisson(dose * _measure(places[members], quarters, camera))
    shape = (n, n)
    return counts.reshape(*shape, DETECTOR, DETECTOR), truth.reshape(shape), step / 10


@cache
def model() -> Model:
    """A linear model, trained on the same crystal and sure of its answers."""
    along = (np.arange(STEPS * 2) + 0.5) / (STEPS * 2) * cell_angstrom()
    places = np.stack(np.meshgrid(along, along[::-1]), axis=-1).reshape(-1, 2)
    camera = Camera(PIXELS, MRAD_PER_PIXEL)
    patterns = np.concatenate([_measure(places, quarters, camera) for quarters in range(4)])
    labels = np.repeat(np.arange(4), len(places))
    counts = np.random.default_rng(1).poisson(3e4 * patterns).astype(np.float32)
    counts /= counts.sum((1, 2), keepdims=True)
    known = PatternSet.from_arrays(counts, labels, NAMES, np.arange(4) * 90.0)
    fitted = create("linear", {}, NAMES, known.class_directions)
    fitted.fit(known, known, FitJob(Path(), seed=0))
    fitted.info["calibration"] = {"threshold": 0.3, "cell_threshold": 0.3}
    fitted.info["trained_for"] = {
        "energy_kv": ENERGY_KV,
        "semiangle_mrad": SEMIANGLE_MRAD,
        "pixels": PIXELS,
        "mrad_per_pixel": MRAD_PER_PIXEL,
        "material": "KNN",
        "phase": "T",
        "zone_axis": [0, 0, 1],
        "cell_angstrom": [cell_angstrom()] * 2,
        "pixels_per_cell": 24,
        "thickness_nm": [NM, NM],
        "conditions": None,  # of a model that learned on data sets
    }
    return fitted
