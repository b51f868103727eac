# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts of a virtual scan: whole numbers that neither lose electrons nor the pixels' gains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polarstem.config.physics import Simulate
from polarstem.scans.files.readers import open_scan
from polarstem.scans.sheet import load_sheet
from polarstem.scans.virtual import write_scene
from polarstem.simulate.microscope.drawn_conditions import drawn_for
from polarstem.structures.build import write_specimen
from polarstem.structures.scenes.build import build_scene
from polarstem.structures.scenes.recipe import make_scene

SIMULATE = {"pixels_per_cell": 20, "detector": {"pixels": 24, "mrad_per_pixel": 3.2}}
SEED = 9


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    settings = {"kind": "single_domain", "name": "one", "material": "KNN", "thickness_nm": 0.8}
    recipe = make_scene(settings | {"cells": [2, 2], "margin_cells": 3, "seed": 1})
    write_specimen(build_scene(recipe), tmp_path / "one.xyz")
    return tmp_path / "one.xyz"


def counted(scene: Path, **conditions: Any) -> np.ndarray:
    output = scene.parent / "x.hspy"
    settings = {
        "simulate": SIMULATE,
        "conditions": conditions,
        "positions_per_cell": 8,
        "detector_rotation_deg": 0.0,
        "stored": {},
        "seed": SEED,
    }
    write_scene(scene, output, output.with_suffix(".truth.nc"), settings)
    patterns = open_scan(output, load_sheet(output.with_suffix(".yaml"))).read(np.arange(256))
    assert patterns.dtype == np.uint16
    return patterns


@pytest.mark.parametrize(("dose", "spread"), [(1e3, 0.1), (1e4, 0.02), (1e5, 0.1)])
def test_gain_loses_no_electrons_and_shows(scene, dose, spread):
    plain = counted(scene, dose_electrons=dose)
    # nearly all of the beam falls onto this detector
    assert plain.sum() == pytest.approx(dose * len(plain), rel=0.01)
    conditions = {"dose_electrons": dose, "gain_spread": spread}
    found = counted(scene, **conditions)
    drawn = drawn_for(conditions, Simulate.model_validate(SIMULATE), SEED)
    gain = drawn.camera.gain
    assert gain is not None
    electrons = plain.sum(axis=0, dtype=np.float64)  # the same ones, before the gain
    expected = (electrons * gain).sum()
    # rounding up or down adds at most a quarter to the variance of each count
    noise = np.sqrt(found.size) / 2
    assert found.sum(dtype=np.float64) == pytest.approx(expected, abs=5 * noise)
    assert expected == pytest.approx(dose * len(plain), rel=0.02)
    # each pixel keeps its gain, however few electrons it counts
    change = found.sum(axis=0, dtype=np.float64) - electrons
    slope = (change * (gain - 1)).sum() / (electrons * (gain - 1) ** 2).sum()
    assert slope == pytest.approx(1, abs=0.05)


def test_counts_without_gain_are_the_counted_ones(scene):
    """What is whole already stays, to the last electron."""
    first, again = (counted(scene, dose_electrons=1e3) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.sum() == pytest.approx(1e3 * len(first), abs=5 * np.sqrt(1e3 * len(first)) + 2560)
