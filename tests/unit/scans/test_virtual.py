# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual experiments as files: what a reader finds is what was scanned, however it is stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError
from polarstem.scans import virtual
from polarstem.scans.files.readers import open_scan
from polarstem.scans.sheet import load_sheet
from polarstem.scans.virtual import write_scene
from polarstem.structures.build import build_specimen, write_specimen
from polarstem.structures.scenes.build import build_scene
from polarstem.structures.scenes.recipe import make_scene
from tests.unit.tetragonal import tetragonal_recipe

SETTINGS: dict[str, Any] = {
    "simulate": {
        "accuracy": 0.1,
        "pixels_per_cell": 16,
        "detector": {"pixels": 24, "mrad_per_pixel": 2.6},
    },
    "conditions": {"dose_electrons": 2e4, "tilt_mrad": [1, 1], "rotation_deg": [0.5, 0.5]},
    "positions_per_cell": 4,
    "detector_rotation_deg": 0.0,
    "stored": {},
    "seed": 9,
}


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    settings = {"kind": "four_domains", "name": "four", "material": "KNN", "thickness_nm": 0.8}
    recipe = make_scene(settings | {"cells": [3, 2], "margin_cells": 3, "seed": 1})
    write_specimen(build_scene(recipe), tmp_path / "four.xyz")
    return tmp_path / "four.xyz"


def written(scene: Path, name: str, **changes: Any) -> tuple[np.ndarray, Any]:
    """Patterns as the reader sets them upright, and the opened scan."""
    output = scene.parent / name
    write_scene(scene, output, output.with_suffix(".truth.nc"), SETTINGS | changes)
    scan = open_scan(output, load_sheet(output.with_suffix(".yaml")))
    return scan.read(np.arange(96)), scan


def test_a_scene_is_read_back_calibrated(scene):
    patterns, scan = written(scene, "plain.hspy")
    assert scan.shape == (8, 12, 24, 24)
    assert patterns.dtype == np.uint16
    # nearly all of the dose falls onto the detector
    assert patterns.sum(axis=(1, 2)).mean() == pytest.approx(2e4, rel=0.05)
    assert scan.step_nm.value == pytest.approx((0.0996, 0.0996), rel=1e-3)
    assert (scan.energy_kv.value, scan.semiangle_mrad.value) == (200, 24)
    assert scan.mrad_per_pixel.value == 2.6
    with xr.open_dataset(scene.parent / "plain.truth.nc") as truth:
        assert truth["class_index"].shape == (8, 12)
        drawn = json.loads(truth.attrs["conditions"])
        assert drawn["rotation_deg"] == pytest.approx(0.5)
        tilt = [float(truth[f"tilt_{axis}"][3, 4]) for axis in "xy"]
        assert tilt == pytest.approx(drawn["tilt_mrad"])
        assert np.hypot(*tilt) == pytest.approx(1.0)


def test_a_scene_along_110_says_so_in_its_sheet(tmp_path):
    settings = {"kind": "single_domain", "name": "one", "material": "KNbO3", "thickness_nm": 0.6}
    recipe = make_scene(settings | {"zone_axis": [1, 1, 0], "cells": [2, 3], "margin_cells": 3})
    write_specimen(build_scene(recipe), tmp_path / "one.xyz")
    output = tmp_path / "one.hspy"
    write_scene(tmp_path / "one.xyz", output, tmp_path / "one.nc", SETTINGS)
    sheet = load_sheet(output.with_suffix(".yaml"))
    assert sheet.zone_axis == (1, 1, 0)
    scan = open_scan(output, sheet)
    assert scan.shape == (12, 11, 24, 24)
    down, right = scan.step_nm.value
    assert down == right == pytest.approx(recipe.lengths[1] / 40)
    with xr.open_dataset(tmp_path / "one.nc") as truth:
        assert json.loads(truth.attrs["class_names"]) == [c.name for c in recipe.table]


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("raw.mib", {}),
        ("turned.hspy", {"scan_transpose": True, "detector_flip_y": True}),
        ("flipped.mib", {"scan_flip_x": True, "detector_transpose": True}),
    ],
)
def test_however_it_is_stored_the_sheet_sets_it_upright(scene, name, stored):
    plain, _ = written(scene, "plain.hspy")
    found, scan = written(scene, name, stored=stored)
    assert scan.shape == (8, 12, 24, 24)
    assert np.array_equal(found, plain)


def test_a_turned_detector_shows_the_turned_pattern(scene):
    plain, _ = written(scene, "plain.hspy")
    found, _ = written(scene, "turned.hspy", detector_rotation_deg=90.0)
    mean, turned = (p.mean(axis=0) for p in (plain, found))
    differences = [np.abs(np.rot90(mean, k) - turned).sum() / mean.sum() for k in range(4)]
    assert np.argmin(differences) == 1  # counter-clockwise
    assert differences[1] < 0.7 * min(differences[k] for k in (0, 2, 3))
    sheet = load_sheet(scene.parent / "turned.yaml")
    assert isinstance(sheet, Sheet)
    assert sheet.detector_rotation_deg == 90


def test_the_tilt_of_a_ramp_is_in_the_truth(scene, monkeypatch):
    recipe = make_scene(
        {"kind": "tilt_ramp", "name": "r", "material": "KNN", "thickness_nm": 0.8, "cells": [2, 2]}
    )
    write_specimen(build_scene(recipe), scene)
    given: list[Any] = []

    def scan(*args: Any, **_: Any) -> np.ndarray:
        given.append(args[-1])
        return np.full((8, 8, 24, 24), 1 / 576, np.float32)

    monkeypatch.setattr(virtual, "scan_scene", scan)
    write_scene(scene, scene.parent / "ramp.hspy", scene.parent / "ramp.nc", SETTINGS)
    with xr.open_dataset(scene.parent / "ramp.nc") as truth:
        assert truth["tilt_x"].values[5] == pytest.approx(np.linspace(-2.5, 2.5, 8))
        assert given[0][:, 0] == pytest.approx(truth["tilt_x"].values[0])


def test_what_cannot_be_written_is_refused(scene):
    out, truth = scene.parent / "x.hspy", scene.parent / "x.nc"
    with pytest.raises(PolarstemError, match=r"\.hspy or \.mib, not x\.tif"):
        write_scene(scene, out.with_suffix(".tif"), truth, SETTINGS)
    with pytest.raises(PolarstemError, match="dose_electrons"):
        write_scene(scene, out, truth, SETTINGS | {"conditions": {}})
    write_specimen(build_specimen(tetragonal_recipe(thickness_nm=1.0)), scene)
    with pytest.raises(PolarstemError, match="is no scene"):
        write_scene(scene, out, truth, SETTINGS)
    assert not out.exists()
    assert not truth.exists()
