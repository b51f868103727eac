# SPDX-License-Identifier: GPL-3.0-or-later
"""The limit of real patterns: geometry, symmetry, orders of magnitude, and the file."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from polarstem.config import check, jobs, load, plan
from polarstem.config.limit import ideal_domains, limit_crystals, limit_settings
from polarstem.config.physics import Detector, Simulate
from polarstem.errors import PolarstemError
from polarstem.evaluate.efficiency import read_information
from polarstem.evaluate.information import class_information, electrons_needed
from polarstem.evaluate.limit import class_patterns, compute_information
from polarstem.simulate.jobs.compute_scattering_matrix import compute_matrix
from polarstem.simulate.jobs.measure_patterns import measure_specimen
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.structures.build import build_specimen, write_specimen
from polarstem.structures.recipes import make_recipe

ROOT = Path(__file__).parents[3]
RECIPE = {
    **{"material": "KNN", "zone_axis": (0, 0, 1), "a_site": "virtual", "thickness_nm": 30.0},
    **{"name": "test", "specimen_set": "test", "split": "test", "seed": 1, "cells": (1, 1)},
    **{"class_index": 0, "class_name": "RM", "direction_deg": 0.0},
}


def electrons_between_signs(matrix, crystal, nm):
    """Electrons for 1 % error between +x and -x, at 6 x 6 positions in the cell."""
    eye = VirtualMicroscope(matrix, Detector(pixels=50, mrad_per_pixel=2.2))
    both = [
        eye.measure(in_the_cell(crystal), nm, Optics(20.0), turn=((sign, 0), (0, 1)))
        for sign in (1, -1)
    ]
    patterns = np.stack([images.flatten(2).numpy() for images in both])
    return electrons_needed(class_information(patterns)[0, 1])


def in_the_cell(crystal):
    cell = np.arange(6) / 6 * crystal.cell[0]
    return np.stack(np.meshgrid(cell, cell), axis=-1).reshape(-1, 2)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The tiny config, its matrices, and the limit computed from them."""
    folder = tmp_path_factory.mktemp("limit")
    config = load(ROOT / "tests" / "configs" / "plain.yaml")
    matrices = []
    for crystal in plan.all_crystals(config):
        if crystal.name in limit_crystals(config):
            matrices.append(folder / f"{crystal.name}.nc")
            compute_matrix(matrices[-1], jobs.matrix_settings(config, crystal))
    settings = limit_settings(config)
    compute_information(matrices, settings, folder / "information.nc")
    return SimpleNamespace(config=config, matrices=matrices, settings=settings, folder=folder)


@pytest.mark.parametrize("name", ["RM", "MU"])
def test_patterns_are_those_of_the_specimens(tiny, tmp_path, name):
    """A scan of the specimen with its grid in the middle of the bins gives the same patterns."""
    specimen = next(s for s in plan.all_specimens(tiny.config) if s.name == f"tiny-{name}-test-0")
    recipe = jobs.structure_settings(tiny.config, specimen)
    write_specimen(build_specimen(make_recipe(**recipe)), tmp_path / "s.xyz")
    settings = jobs.simulation_settings(tiny.config, specimen)
    settings["simulate"]["scan"]["offset"] = "centre"
    measure_specimen(tmp_path / "s.xyz", tiny.matrices[0], tmp_path / "s.nc", settings)
    with xr.open_dataset(tmp_path / "s.nc") as simulation:
        expected = simulation["intensity"].values
    group = tiny.settings["groups"][0]
    (member,) = [m for m in group if m["class_name"] == name]
    paths = {path.stem: path for path in tiny.matrices}
    found = class_patterns([member], paths, tiny.settings)[0]
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-4, atol=1e-8)


def test_map_has_the_symmetry_of_the_cell(tiny):
    data = read_information(tiny.folder / "information.nc")
    for name in ("electrons", "electrons_opposite"):
        needed = data[name].values
        for other in (needed[:, ::-1], needed[:, :, ::-1], needed.swapaxes(1, 2)):
            np.testing.assert_allclose(other, needed, rtol=2e-3)
        assert needed.max() > 1.5 * needed.min()
    # a single class has one mirror only: up and down for RM, which points right
    right = data["chernoff"].sel(true="RM", other="LM").isel(group=0).values
    np.testing.assert_allclose(right[:, ::-1], right, rtol=2e-3)
    assert np.abs(right[:, :, ::-1] / right - 1).max() < 2e-3  # of the pair, both mirrors
    alike = data["chernoff"].sel(true="RM", other="MU").isel(group=0).values
    assert np.abs(alike[:, ::-1] / alike - 1).max() > 0.01


def test_file_says_what_it_holds(tiny):
    data = read_information(tiny.folder / "information.nc")
    assert dict(data.sizes) == {
        **{"group": 1, "thickness": 2, "true": 4, "other": 4, "cell_y": 6, "cell_x": 6},
        **{"knowledge": 3, "dose": len(tiny.settings["doses"])},
    }
    assert {"title", "assumptions", "seed"} <= set(data.attrs)
    for name in data.variables:
        assert {"units", "long_name"} <= set(data[name].attrs), name
    mean = data["accuracy"].mean(("cell_y", "cell_x"))
    assert (mean.diff("dose") > -0.02).all()
    assert (mean > 0.25).all()
    certain = data["drawn"] == 0
    assert certain.any()
    assert not certain.all()
    assert (data["accuracy"].where(certain, 1) == 1).all()
    # the information says the same as the accuracy: less of it, less often right
    dose = data.sel(dose=100, knowledge="known")["accuracy"].values.ravel()
    assert np.corrcoef(dose, np.log(data["electrons"].values.ravel()))[0, 1] < -0.7


def test_missing_matrix_is_one_sentence(tiny, tmp_path):
    with pytest.raises(PolarstemError, match="scattering matrix of crystal tiny-"):
        compute_information([], tiny.settings, tmp_path / "i.nc")
    assert not list(tmp_path.iterdir())


def test_specimens_that_do_not_repeat_have_no_limit(tiny, tmp_path):
    raw = json.loads(tiny.config.model_dump_json())
    raw["structures"]["a_site"] = "random"
    config = check(raw)
    assert limit_crystals(config) == []
    compute_information([], limit_settings(config), tmp_path / "i.nc")
    assert read_information(tmp_path / "i.nc") is None


def test_ideal_domains_differ_in_thickness_or_dose_alone():
    domains = {
        "base": {"specimens": "a", "thicknesses_nm": [20], "dose_electrons": None},
        "thick": {"specimens": "a", "thicknesses_nm": [30], "factor": "thickness", "severity": 30},
        "counted": {"specimens": "a", "thicknesses_nm": [20], "dose_electrons": 1e4},
        "dose_100": {
            **{"specimens": "a", "thicknesses_nm": [20], "factor": "dose", "severity": 100},
            "conditions": {"dose_electrons": 100},
        },
        "tilt_1": {"specimens": "a", "thicknesses_nm": [20], "factor": "tilt", "severity": 1},
        "hidden": {"specimens": "a", "thicknesses_nm": [20], "conditions": {"tilt_mrad": 1}},
        "mixed": {"specimens": "a", "thicknesses_nm": [20, 30], "dose_electrons": None},
        "all": {"specimens": "a", "thicknesses_nm": None},
        "other": {"specimens": "b", "thicknesses_nm": [20], "dose_electrons": None},
        "untested": {"specimens": "a", "thicknesses_nm": [10], "dose_electrons": None},
    }
    config = {
        "specimens": {"a": {"thicknesses_nm": [10, 20, 30]}},
        "domains": domains,
        "evaluate": {
            "reference_domain": "base",
            "domains": [name for name in domains if name != "untested"],
        },
    }
    assert ideal_domains(config) == {
        "base": (20, None),
        "thick": (30, None),
        "counted": (20, 1e4),
        "dose_100": (20, 100),
    }


@pytest.mark.slow
def test_orders_of_magnitude_of_a_tetragonal_crystal():
    """Electrons to tell +x from -x at 20 mrad and 200 kV, as computed with abTEM.

    With 36 positions in the cell and a detector up to 55 mrad: median 1390, 370, 178, 131 at
    5, 10, 20 and 30 nm for a similar template with potassium on the A site; fewest near the B
    column, most on the A column.

    Which column needs more is told by converged numbers: 527, 697, 506, 629 on the A column and
    532, 239, 295, 224 on the B column at 80 pixels per cell. At 5 nm they are alike.
    """
    nm = [5.0, 10.0, 20.0, 30.0]
    simulate = Simulate.model_validate(
        {
            "semiangle_mrad": 20,
            "pixels_per_cell": 64,
            "detector": {"pixels": 50, "mrad_per_pixel": 2.2},
        }
    )
    crystal = Crystal.build(RECIPE | {"phase": "T", "variant": (1, 0, 0)})
    matrix = compute_scattering_matrix(crystal, nm, simulate, cells=(6, 6))
    needed = electrons_between_signs(matrix, crystal, nm)
    for found, expected in (
        (np.median(needed, axis=1), (1390, 370, 178, 131)),
        (needed.max(1), (3982, 1238, 716, 413)),
        (needed.min(1), (113, 94, 79, 43)),
    ):
        ratio = found / expected
        assert (ratio > 1 / 3).all(), ratio
        assert (ratio < 3).all(), ratio
    # the A column stands at the origin, the B column in the middle
    a_column, b_column = needed[:, 0], needed[:, 21]
    np.testing.assert_allclose(a_column, (527, 697, 506, 629), rtol=0.05)
    np.testing.assert_allclose(b_column, (532, 239, 295, 224), rtol=0.05)
    assert (a_column[1:] > 1.5 * b_column[1:]).all()
    assert (needed[2:].argmax(1) == 0).all(), "thick crystals tell least on the A column"
