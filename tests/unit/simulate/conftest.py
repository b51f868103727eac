# SPDX-License-Identifier: GPL-3.0-or-later
"""Small crystals for the simulation tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scattering_cases import DETECTOR, microscope

from polarstem.config.physics import Detector, Simulate
from polarstem.simulate.microscope.camera import Patterns
from polarstem.simulate.multislice.abtem_run import simulate_patterns
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.scattering_matrix.matrix import ScatteringMatrix
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.structures.build import build_specimen
from polarstem.structures.recipes import make_recipe
from polarstem.structures.variants import classes

CELLS = 3


@pytest.fixture(scope="session")
def crystal() -> Callable[..., Crystal]:
    """Make a KNN crystal of 3 x 3 cells, virtual A site, with a given class."""

    def make(class_name: str = "RM", **settings: Any) -> Crystal:
        phase = settings.setdefault("phase", "O")
        zone = settings.setdefault("zone_axis", (0, 0, 1))
        table = {c.name: c for c in classes(phase, zone)}
        recipe: dict[str, Any] = {
            "material": "KNN",
            "name": "test",
            "specimen_set": "test",
            "split": "train",
            "class_index": table[class_name].index,
            "class_name": class_name,
            "direction_deg": table[class_name].direction_deg,
            "variant": table[class_name].variants[0],
            "a_site": "virtual",
            "cells": (CELLS, CELLS),
            "thickness_nm": 4.0,
            "seed": 1,
        }
        return Crystal.of(build_specimen(make_recipe(**recipe | settings)))

    return make


@pytest.fixture(scope="session")
def settings() -> Simulate:
    """A microscope coarse enough for tests."""
    return Simulate.model_validate(
        {"pixels_per_cell": 24, "detector": {"pixels": 32, "mrad_per_pixel": 3.0}}
    )


@pytest.fixture(scope="session")
def simulate(settings: Simulate) -> Callable[..., Patterns]:
    """Simulate positions given as fractions of the central cell (x right, y up)."""

    def run(crystal: Crystal, fractions: Any, nm: Any = (4.0,), **changes: Any) -> Patterns:
        own = settings.model_copy(update=changes) if changes else settings
        cell = np.array(crystal.cell[:2])
        positions = (np.asarray(fractions, float) + CELLS // 2) * cell
        return simulate_patterns(crystal, positions, nm, own, seed=3)

    return run


@pytest.fixture(scope="session")
def matrix(crystal) -> ScatteringMatrix:
    """A polar crystal of 4 nm with tilts up to 4 mrad."""
    specimen = crystal("RU")
    return compute_scattering_matrix(
        specimen, [2.0, 4.0], microscope(), cells=(3, 3), margin_mrad=4.0
    )


@pytest.fixture(scope="session")
def eye(matrix) -> VirtualMicroscope:
    return VirtualMicroscope(matrix, Detector(**DETECTOR))
