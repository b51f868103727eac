# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations whose material is two structure files, or whose polar axis is one of their own."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import yaml
from ase import Atoms

from polarstem import cli, own_mapper
from polarstem.config import check, jobs, load, plan
from polarstem.config.check import ConfigError
from polarstem.config.map_jobs import scene_settings
from polarstem.config.mapper_recipe import mapper_config, mapper_settings
from polarstem.config.model import Config
from polarstem.structures.build import build_specimen
from polarstem.structures.crystals import load_material
from polarstem.structures.polar_mode import displacements
from polarstem.structures.recipes import make_recipe
from polarstem.structures.scenes.build import build_scene
from polarstem.structures.scenes.recipe import make_scene
from polarstem.structures.symmetry import mirrored, turned
from polarstem.structures.templates import QUARTERS

ROOT = Path(__file__).resolve().parents[3]
TINY = yaml.safe_load((ROOT / "tests" / "configs" / "tiny.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """BaTiO3 without and with the displacements that the library has for T."""
    folder = tmp_path_factory.mktemp("structures")
    material = load_material("BaTiO3")
    cell = material.lattice["T"]
    lengths = np.array([cell.a, cell.a, cell.c])
    for name, shifts, edges in (
        ("parent", np.zeros((5, 3)), np.full(3, 4.0)),
        ("polar", displacements(material, "T", (0, 0, 1)), lengths),
    ):
        atoms = Atoms("BaTiO3", QUARTERS / 4 * edges + shifts, cell=edges, pbc=True)
        ase.io.write(folder / f"{name}.cif", atoms)
    return str(folder / "parent.cif"), str(folder / "polar.cif")


def tiny(material: Any, **structures: Any) -> dict[str, Any]:
    data: dict[str, Any] = copy.deepcopy(TINY)
    data["structures"] |= {"material": material} | structures
    for settings in [*data["specimens"].values(), *_scenes(data)]:
        if settings.get("conditions"):
            wider = {"source_fwhm_angstrom": [0.9, 1.0]}  # the cell is larger than that of KNN
            settings["conditions"] = settings["conditions"] | wider
    return data


def _scenes(data: dict[str, Any]) -> list[dict[str, Any]]:
    return [e["scene"] for e in data["experiments"].values() if "scene" in e]


def same_atoms(one: Atoms, other: Atoms) -> None:
    assert one.get_chemical_symbols() == other.get_chemical_symbols()
    np.testing.assert_allclose(one.cell[:], other.cell[:], atol=1e-3)
    np.testing.assert_allclose(one.positions, other.positions, atol=1e-3)


def test_a_pair_of_files_goes_the_way_of_a_name(files: tuple[str, str]) -> None:
    named = load_material("BaTiO3")
    given: dict[str, Any] = dict(zip(("parent", "polar"), files, strict=True))
    given["debye_waller_rms_angstrom"] = dict(named.debye_waller_rms_angstrom)
    one, other = check(tiny("BaTiO3")), check(tiny(given))
    assert isinstance(other.structures.material, dict)
    assert "parent" not in other.structures.material
    plans = [plan.all_specimens(config) for config in (one, other)]
    assert [p.name for p in plans[0]] == [p.name for p in plans[1]]
    for pair in zip(*plans, strict=True):
        recipes = [
            make_recipe(**jobs.structure_settings(config, each))
            for config, each in zip((one, other), pair, strict=True)
        ]
        same_atoms(*(build_specimen(recipe) for recipe in recipes))
    crystals = [plan.all_crystals(config) for config in (one, other)]
    assert len(crystals[0]) == len(crystals[1]) > 4  # matrices and thermal matrices
    for pair in zip(*crystals, strict=True):
        settings = [
            jobs.matrix_settings(config, each)
            for config, each in zip((one, other), pair, strict=True)
        ]
        assert settings[0]["simulate"] == settings[1]["simulate"]
        same_atoms(*(build_specimen(make_recipe(**s["structure"])) for s in settings))
    assert one.experiments
    for name in one.experiments:
        scenes = [make_scene(scene_settings(config, name)) for config in (one, other)]
        same_atoms(*(build_scene(scene) for scene in scenes))


def test_a_specimen_set_may_have_its_own_pair(files: tuple[str, str]) -> None:
    data = tiny("BaTiO3")
    data["specimens"]["tiny"]["structures"] = {
        "material": dict(zip(("parent", "polar"), files, strict=True))
    }
    config = check(data)
    assert config.material_of("tiny").born_charges is None
    assert config.material_of("tiny_phonons").born_charges


def test_wrong_pairs_are_problems_of_the_configuration(files: tuple[str, str]) -> None:
    cases = [
        ({"parent": files[0]}, "structures.material: a pair of structures needs the two files"),
        ({"parent": files[0], "polar": "no.cif"}, "structures.material: There is no structure"),
        ({"parent": files[1], "polar": files[0]}, "is polar itself"),
        (
            {"parent": files[0], "polar": files[1], "colour": 3},
            "structures.material (for specimens.tiny): The material from the config is not usable: "
            "colour: is no key here",
        ),
    ]
    for material, told in cases:
        with pytest.raises(ConfigError) as caught:
            check(tiny(material))
        assert any(told in problem for problem in caught.value.problems), caught.value.problems
    with pytest.raises(
        ConfigError, match="BaTiO3 has no lattice and template for phase R; it has T"
    ):
        check(tiny(dict(zip(("parent", "polar"), files, strict=True)), phase="R"))


COMMAND = ("model", "--energy-kv", "300", "--semiangle-mrad", "21", "--dry-run")


def test_a_mapper_of_two_files(
    files: tuple[str, str], tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(own_mapper, "limit_told", lambda request, threads: "limit")
    parts = ("--material-parent", files[0], "--material-polar", files[1])
    out = ("--out", str(tmp_path / "new"), "--cores", "2")
    assert cli.main([*COMMAND, *parts, *out]) == 0
    told = capsys.readouterr().out.splitlines()
    first, assumed = told[:2]
    assert first.startswith("A mapper for BaTiO3, phase T, beam along [0, 0, 1], 300 kV, 21 mrad,")
    assert "assumed: Ba 0.08 Å, Ti 0.08 Å, O 0.08 Å. They tell no Born charges" in assumed
    assert any("patterns, each seen" in line for line in told)
    request = own_mapper.request_for(
        material_parent=files[0], material_polar=files[1], energy_kv=300, semiangle_mrad=21
    )
    named = own_mapper.request_for(material="BaTiO3", phase="T", energy_kv=300, semiangle_mrad=21)
    one, other = (mapper_settings(each) for each in (request, named))
    assert isinstance(one["structures"].pop("material"), dict)
    other["structures"].pop("material")
    assert one == other
    path = tmp_path / "mapper.yaml"
    path.write_text(own_mapper.settings_of(request), encoding="utf-8")
    assert load(path) == mapper_config(request)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (("--material", "KNN", "--material-parent", "a.cif"), "KNN by --material and another by"),
        (("--material-parent", "a.cif"), "needs both --material-parent and --material-polar"),
    ],
)
def test_half_of_a_pair_is_asked_for(parts: Any, told: str, tmp_path: Path, capsys: Any) -> None:
    assert cli.main([*COMMAND, *parts, "--out", str(tmp_path / "new")]) == 1
    assert told in capsys.readouterr().err


def own_axis(phase: str, zone_axis: tuple[int, int, int] = (0, 0, 1)) -> Config:
    data = copy.deepcopy(TINY)
    data["structures"] |= {"phase": phase, "zone_axis": list(zone_axis)}
    for settings in data["specimens"].values():
        if "classes" in settings:
            settings["classes"] = "first"
        if settings.get("conditions"):
            settings["conditions"] = settings["conditions"] | {"source_fwhm_angstrom": [0.8, 1]}
    data["experiments"], data["evaluate"]["defect_free"] = {}, []
    return check(data)


@pytest.mark.parametrize("zone_axis", [(0, 0, 1), (1, 1, 0)])
@pytest.mark.parametrize(("phase", "number"), [("M113", {12, 14}), ("M013", {12, 10})])
def test_an_axis_of_ones_own_through_data_sets_and_streams(phase, number, zone_axis) -> None:
    config = own_axis(phase, zone_axis)
    table = plan.class_table(config)
    assert len(table) in number
    for specimen in plan.all_specimens(config):
        settings = jobs.structure_settings(config, specimen)
        recipe = make_recipe(**settings)
        assert recipe.class_name == table[recipe.class_index].name
        if plan.engine_of(config, specimen.specimen_set)[0] == "scattering_matrix":
            crystal, turn = plan.crystal_of(config, specimen)
            image = turned(crystal.variant, turn, zone_axis)
            assert specimen.variant in (image, mirrored(image, zone_axis))
    source = next(iter(config.streams()))
    names = [s["class_index"] for s in jobs.stream_settings(config, source)["specimens"]]
    assert set(names) == {-1, *range(len(table))}
    for crystal in plan.all_crystals(config):
        assert jobs.matrix_mb(config, crystal) > 0


def test_a_mapper_for_an_axis_of_ones_own() -> None:
    request = own_mapper.request_for(
        material="PbTiO3", phase="M113", energy_kv=200, semiangle_mrad=24, effort="look"
    )
    config = mapper_config(request)
    assert len(plan.class_table(config)) == 12
    assert config.evaluate.defect_free
