# SPDX-License-Identifier: GPL-3.0-or-later
"""Displaced crystals of a thin specimen on a coarse grid, simulated once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from displaced_cases import TRAINED_FOR

from polarstem.displacements.displaced_crystals import DisplacedCrystals
from polarstem.displacements.microscope_conditions import (
    Conditions,
    camera_of,
    optics_of,
    reach_of,
)
from polarstem.scans.specimen.diffuse_halos import DiffuseHalos
from polarstem.simulate.potential.displaced_crystal import displaced_crystal
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix


@pytest.fixture(scope="package")
def crystals() -> DisplacedCrystals:
    return DisplacedCrystals(TRAINED_FOR, (7.0, 9.0), 1.5, 2)


@pytest.fixture(scope="package")
def halos() -> Any:
    return DiffuseHalos(TRAINED_FOR["pixels"], TRAINED_FOR["mrad_per_pixel"])


@pytest.fixture(scope="package")
def directly(crystals: DisplacedCrystals) -> Any:
    """Patterns of a crystal that is built for its displacement, at fractions (y down, x)."""
    structure = {key: TRAINED_FOR[key] for key in ("material", "phase", "zone_axis")}
    nm = float(crystals.thickness_nm[2])

    def measured(
        shift_pm: tuple[float, float], fractions: np.ndarray, conditions: Conditions
    ) -> np.ndarray:
        matrix = compute_scattering_matrix(
            displaced_crystal(structure, (*shift_pm, 0.0)),
            [nm],
            crystals.simulate,
            cells=crystals.cells,
            reach_mrad=reach_of(crystals.simulate.detector),
            margin_mrad=1.5,
            thermal_scale=1.0,
            mean_wave=True,
            threads=2,
        )
        eye = VirtualMicroscope(matrix, crystals.simulate.detector)
        places = np.stack([fractions[:, 1], -fractions[:, 0]], axis=1) * crystals.cell
        optics = optics_of(conditions, TRAINED_FOR["semiangle_mrad"])
        camera = camera_of(conditions, crystals.simulate.detector)
        return eye.measure(places, [nm], optics, camera=camera).numpy()[0].reshape(len(places), -1)

    return measured
