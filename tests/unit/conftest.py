# SPDX-License-Identifier: GPL-3.0-or-later
"""A small library of patterns, and the crystals that it was measured from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest

LIBRARY = {
    "structure": {"material": "KNN", "phase": "O", "zone_axis": [0, 0, 1]},
    "simulate": {
        "energy_kv": 200.0,
        "semiangle_mrad": 20.0,
        "pixels_per_cell": 24,
        "detector": {"pixels": 20, "mrad_per_pixel": 4.0},
    },
    "thicknesses_nm": [4, 6, 8, 10, 12, 14],
    "tilt_mrad": 3.0,
    "tilt_step_mrad": 1.5,
    "cells": [4, 4],
    "configurations": 1,
    "positions": 4,
    "source_fwhm_angstrom": 0.75,
    "seed": 3,
}


@pytest.fixture(scope="session")
def library_recipe() -> Mapping[str, Any]:
    """Settings of `small_library`."""
    return LIBRARY


@pytest.fixture(scope="session")
def small_library(tmp_path_factory):
    """Patterns of 4 to 14 nm at tilts up to 3 mrad, one configuration of each crystal."""
    from polarstem.simulate.jobs.compute_library import write_library
    from polarstem.simulate.pattern_library import FILE_NAME, Library

    folder = tmp_path_factory.mktemp("small_library")
    write_library(folder / FILE_NAME, LIBRARY)
    return Library.open(folder)


@pytest.fixture(scope="session")
def column_matrix() -> Callable[..., Any]:
    """Scattering matrix of the library's crystal with a polar axis; other seeds are another."""
    import numpy as np

    from polarstem.config.physics import Simulate
    from polarstem.seeds import derive_seed
    from polarstem.simulate.potential.frozen_phonons import thermal_columns
    from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
    from polarstem.structures.variants import classes

    @cache
    def make(variant: tuple[int, int, int], seed: int = LIBRARY["seed"]) -> Any:
        simulate = Simulate.model_validate(LIBRARY["simulate"])
        polar = next(c for c in classes("O", (0, 0, 1)) if variant in c.variants)
        recipe = LIBRARY["structure"] | {
            "name": "column",
            "specimen_set": "library",
            "split": "all",
            "class_index": polar.index,
            "class_name": polar.name,
            "direction_deg": polar.direction_deg,
            "variant": list(variant),
            "a_site": "random",
            "cells": [1, 1],
            "thickness_nm": max(LIBRARY["thicknesses_nm"]) + 1.0,
            "seed": derive_seed(seed, f"library {variant}"),
        }
        [column] = thermal_columns(recipe, 1, 1.0)
        detector = simulate.detector
        return compute_scattering_matrix(
            column,
            LIBRARY["thicknesses_nm"],
            simulate,
            cells=(4, 4),
            margin_mrad=1e3 * np.tan(LIBRARY["tilt_mrad"] / 1e3),
            reach_mrad=1.15 * detector.pixels * detector.mrad_per_pixel / 2,
        )

    return make
