# SPDX-License-Identifier: GPL-3.0-or-later
"""The patterns of a specimen from the scattering matrix of a crystal that it is a turn of."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from abtem.core.energy import energy2wavelength

from polarstem.cli import main
from polarstem.config import check, jobs, load, plan
from polarstem.config.docs import write_resolved
from polarstem.config.physics import wavelength
from polarstem.errors import PolarstemError
from polarstem.simulate.jobs.compute_scattering_matrix import compute_matrix
from polarstem.simulate.jobs.measure_patterns import measure_specimen, same_crystal
from polarstem.simulate.jobs.simulate_patterns import simulate_specimen
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.potential.repeating_unit import repeating_unit
from polarstem.simulate.scattering_matrix.matrix import ScatteringMatrix
from polarstem.simulate.wave.plane_waves import WaveGrid
from polarstem.structures.build import build_specimen, write_specimen
from polarstem.structures.recipes import make_recipe
from polarstem.structures.symmetry import IDENTITY

ROOT = Path(__file__).resolve().parents[3]
OF_THE_FILE = ("checksum", "written_as")
SIMULATE = {
    "pixels_per_cell": 24,
    "scan": {"positions": [2, 3], "cells": [1, 2], "offset": "random"},
    "detector": {"pixels": 16, "mrad_per_pixel": 5.0},
    "aberrations": {"C10": 40, "C12": 25, "phi12": 0.4},
}


@pytest.fixture(scope="module")
def config():
    """Make a configuration of one specimen set `ideal` that is only tested."""
    tiny = load(ROOT / "tests" / "configs" / "plain.yaml")

    def make(tilt_mrad=(0, 0), **structures: Any):
        data = copy.deepcopy(tiny.model_dump(mode="json"))
        data["specimens"] = {
            "ideal": {
                "per_class": {"train": 1, "validation": 1, "test": 1},
                "thicknesses_nm": [4, 2],
            }
        }
        data["domains"] = {"thin": {"specimens": "ideal", "thicknesses_nm": [2]}}
        data["train"] |= {"sources": {"thin": ["thin"]}}
        data["train"]["runs"] = [{"models": ["tiny_cnn"], "sources": ["thin"]}]
        data["evaluate"] |= {"domains": ["thin"]}
        data["structures"] |= {"cells": [4, 4], **structures}
        data["simulate"] = {**SIMULATE, "tilt_mrad": list(tilt_mrad)}
        return check(data)

    return make


def build(settings, path):
    write_specimen(build_specimen(make_recipe(**settings)), path)
    return path


def turned_specimen(made):
    """The first specimen that is not itself the crystal of its matrix, with both."""
    for specimen in plan.all_specimens(made):
        crystal, turn = plan.crystal_of(made, specimen)
        if turn != IDENTITY and turn[0][0] == 0:
            return specimen, crystal
    raise AssertionError


@pytest.mark.parametrize(
    "structures",
    [
        pytest.param({"phase": "O"}, id="virtual"),
        pytest.param({"phase": "T", "a_site": "ordered"}, id="ordered"),
        # the turn exchanges the unequal sides of the cell
        pytest.param({"phase": "O", "metric": "phase"}, id="metric"),
    ],
)
def test_engines_agree(config, structures, tmp_path):
    made = config(**structures)
    specimen, crystal = turned_specimen(made)
    structure = build(jobs.structure_settings(made, specimen), tmp_path / "x.xyz")
    settings = jobs.simulation_settings(made, specimen)
    assert settings["engine"] == "scattering_matrix"
    matrix, ours, theirs = (tmp_path / name for name in ("matrix.nc", "ours.nc", "theirs.nc"))
    compute_matrix(matrix, jobs.matrix_settings(made, crystal))
    measure_specimen(structure, matrix, ours, settings)
    simulate_specimen(structure, theirs, settings)
    with xr.open_dataset(ours) as a, xr.open_dataset(theirs) as b:
        difference = np.abs(a["intensity"] - b["intensity"]).sum() / b["intensity"].sum()
        assert float(difference) < 5e-5
        np.testing.assert_allclose(a["total_fraction"], b["total_fraction"], atol=1e-5)
        np.testing.assert_allclose(a["detected_fraction"], b["detected_fraction"], atol=1e-5)
        assert float(b["intensity"].std()) > 1e-4
        assert list(a.variables) == list(b.variables)
        xr.testing.assert_equal(a.coords.to_dataset(), b.coords.to_dataset())
        xr.testing.assert_allclose(a["exit_thickness"], b["exit_thickness"])
        for name in a.variables:
            assert a[name].attrs == b[name].attrs
            assert (a[name].dims, a[name].dtype) == (b[name].dims, b[name].dtype)
        assert (a.attrs["engine"], b.attrs["engine"]) == ("scattering_matrix", "multislice")
        for name in (a.attrs.keys() | b.attrs.keys()) - {"engine", *OF_THE_FILE}:
            np.testing.assert_array_equal(a.attrs[name], b.attrs[name])
    assert ScatteringMatrix.load(matrix).settings == jobs.matrix_settings(made, crystal)
    assert ScatteringMatrix.load(matrix).array.nbytes == pytest.approx(
        jobs.matrix_mb(made, crystal) * 1e6, rel=0.3
    )


def test_sizes_asked_for_are_those_of_the_standard_matrices():
    """Of the larger ones, counted wave by wave: 11 x 11 cells, 200 MB."""
    standard = load(ROOT / "config.yaml")
    sizes = {}
    for crystal in plan.all_crystals(standard):
        settings = jobs.matrix_settings(standard, crystal)
        if "phonons" in settings["simulate"]:
            continue
        simulate, (nx, ny) = settings["simulate"], settings["cells"]
        x, y, _ = Crystal.build(settings["structure"]).cell
        grid = WaveGrid(
            size=(y, x),
            units=(ny, nx),
            energy_kv=simulate["energy_kv"],
            semiangle_mrad=simulate["semiangle_mrad"],
            margin_mrad=settings["margin_mrad"],
            reach_mrad=settings["reach_mrad"] + settings["margin_mrad"],
        )
        sizes[crystal.name] = grid.predicted_mb(len(settings["thicknesses_nm"]))
        asked = jobs.matrix_mb(standard, crystal)
        assert asked == pytest.approx(sizes[crystal.name], rel=0.15), crystal.name
    assert max(sizes.values()) > 150


def test_tilt_is_that_of_the_other_engine(config, tmp_path):
    """In the laboratory, not of the crystal that is turned; it falls between the samples."""
    made = config(phase="T", tilt_mrad=(6.0, -2.0))
    specimen, crystal = turned_specimen(made)
    structure = build(jobs.structure_settings(made, specimen), tmp_path / "x.xyz")
    settings = jobs.simulation_settings(made, specimen)
    matrix, ours, theirs = (tmp_path / name for name in ("matrix.nc", "ours.nc", "theirs.nc"))
    compute_matrix(matrix, jobs.matrix_settings(made, crystal))
    simulate_specimen(structure, theirs, settings)
    differences = []
    for tilt in ((6.0, -2.0), (2.0, 6.0), (0.0, 0.0)):
        measure_specimen(
            structure,
            matrix,
            ours,
            {**settings, "simulate": {**settings["simulate"], "tilt_mrad": list(tilt)}},
        )
        with xr.open_dataset(ours) as a, xr.open_dataset(theirs) as b:
            difference = np.abs(a["intensity"] - b["intensity"]).sum() / b["intensity"].sum()
            differences.append(float(difference))
    assert differences[0] < 0.015
    assert min(differences[1:]) > 5 * differences[0]


def test_another_crystal_is_refused(config, tmp_path):
    made = config(phase="T")
    specimen, crystal = turned_specimen(made)
    matrix = tmp_path / "matrix.nc"
    compute_matrix(matrix, jobs.matrix_settings(made, crystal))
    settings = jobs.simulation_settings(made, specimen)
    structure = jobs.structure_settings(made, specimen)
    right = build(structure, tmp_path / "right.xyz")
    larger = build(structure | {"amplitude": 1.3}, tmp_path / "larger.xyz")
    ordered = build(structure | {"a_site": "ordered"}, tmp_path / "ordered.xyz")
    output = tmp_path / "out" / "test.nc"
    for path, turn in ((larger, settings["turn"]), (right, IDENTITY), (ordered, settings["turn"])):
        with pytest.raises(PolarstemError, match=f"{path.name} is not the crystal that .*matrix"):
            measure_specimen(path, matrix, output, settings | {"turn": turn})
    assert not output.parent.exists()


def test_command_line_takes_the_same_engine(config, tmp_path):
    made = config(phase="T", cells=[2, 2])
    path = tmp_path / "config.yaml"
    write_resolved(made.model_dump(mode="json"), path)
    specimen, crystal = turned_specimen(made)
    structure, output = tmp_path / "x.xyz", tmp_path / "x.nc"
    words = ["--config", str(path), "--output"]
    assert main(["build", specimen.name, *words, str(structure)]) == 0
    assert main(["simulate", str(structure), *words, str(output)]) == 0
    matrix, wanted = tmp_path / "matrix.nc", tmp_path / "wanted.nc"
    compute_matrix(matrix, jobs.matrix_settings(made, crystal))
    measure_specimen(structure, matrix, wanted, jobs.simulation_settings(made, specimen))
    with xr.open_dataset(output) as a, xr.open_dataset(wanted) as b:
        for data in (a, b):
            data.attrs = {name: v for name, v in data.attrs.items() if name not in OF_THE_FILE}
        xr.testing.assert_identical(a, b)


@pytest.mark.parametrize("energy_kv", [30, 80, 200, 300])
def test_wavelength_is_that_of_abtem(energy_kv):
    assert wavelength(energy_kv) == pytest.approx(energy2wavelength(energy_kv * 1e3), rel=1e-6)


def test_order_and_average_are_different_crystals(config):
    made = config(phase="T")
    recipe = jobs.structure_settings(made, plan.all_specimens(made)[0]) | {"cells": [2, 2]}
    virtual = repeating_unit(Crystal.build(recipe))
    ordered = repeating_unit(Crystal.build(recipe | {"a_site": "ordered"}))
    quarter = ((0, -1), (1, 0))
    for flat in (True, False):
        assert same_crystal(ordered, IDENTITY, ordered, flat)
        assert same_crystal(virtual, IDENTITY, virtual, flat)
        assert not same_crystal(virtual, IDENTITY, ordered, flat)
        assert not same_crystal(ordered, quarter, ordered, flat), "it is polar"


def test_one_matrix_serves_both_signs_along_the_beam(config, tmp_path):
    """With planes as slices [101] and [10-1] have the same patterns, to the last bit."""
    made = config(phase="O", amplitude_spread=0.2, cells=[2, 2])
    specimens = plan.specimens_of(made, "ideal")
    down = next(s for s in specimens if s.variant[2] < 0)
    up = replace(down, variant=(*down.variant[:2], 1))
    crystal, turn = plan.crystal_of(made, down)
    assert (crystal, turn) == plan.crystal_of(made, up)
    matrix = tmp_path / "matrix.nc"
    compute_matrix(matrix, jobs.matrix_settings(made, crystal))
    settings = jobs.simulation_settings(made, down)
    measured = {}
    for name, specimen in (("up", up), ("down", down)):
        structure = build(jobs.structure_settings(made, specimen), tmp_path / f"{name}.xyz")
        measure_specimen(structure, matrix, tmp_path / "ours.nc", settings)
        simulate_specimen(structure, tmp_path / "theirs.nc", settings)
        with (
            xr.open_dataset(tmp_path / "ours.nc") as a,
            xr.open_dataset(tmp_path / "theirs.nc") as b,
        ):
            difference = np.abs(a["intensity"] - b["intensity"]).sum() / b["intensity"].sum()
            assert float(difference) < 2e-4
            measured[name] = b["intensity"].values
    np.testing.assert_array_equal(measured["up"], measured["down"])
    atoms = settings | {"simulate": settings["simulate"] | {"slices": "atoms"}}
    with pytest.raises(PolarstemError, match="is not the crystal"):
        measure_specimen(tmp_path / "down.xyz", matrix, tmp_path / "no.nc", atoms)
