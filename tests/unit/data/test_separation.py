# SPDX-License-Identifier: GPL-3.0-or-later
"""Distance of test crystals from training crystals, in patterns."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml

from polarstem.config import Config, check, jobs, load, plan
from polarstem.config.separation import separation_crystals, separation_settings, trained_sets
from polarstem.data.leakage import check_leakage
from polarstem.data.separation import nearest_of_each, nearest_training_crystals
from polarstem.errors import PolarstemError
from polarstem.evaluate.summary.scores_and_costs import leakage_entry
from polarstem.simulate.jobs.compute_scattering_matrix import compute_matrix

ROOT = Path(__file__).resolve().parents[3]
CONFIGS = ROOT / "tests" / "configs"
PLAIN = yaml.safe_load((CONFIGS / "plain.yaml").read_text(encoding="utf-8"))


def plain(**sections: Any) -> Config:
    """The plain configuration, some keys of its sections changed."""
    data = copy.deepcopy(PLAIN)
    for name, changes in sections.items():
        data[name] |= changes
    return check(data)


@pytest.fixture(scope="module")
def crystals(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Matrices of the plain configuration, and of a twin of its training crystal."""
    folder = tmp_path_factory.mktemp("separation")
    config = plain()
    settings = separation_settings(config)
    names = separation_crystals(config)
    matrices = {name: folder / f"{name}.nc" for name in names}
    for crystal in plan.all_crystals(config):
        if crystal.name in names:
            compute_matrix(matrices[crystal.name], jobs.matrix_settings(config, crystal))
    trained = next(s for s in plan.specimens_of(config, "tiny") if s.split == "train")
    crystal, _ = plan.crystal_of(config, trained)
    twin = replace(crystal, amplitude=crystal.amplitude + 3e-5)
    compute_matrix(folder / "twin.nc", jobs.matrix_settings(config, twin))
    return SimpleNamespace(
        settings=settings, matrices=matrices, twin=folder / "twin.nc", trained=crystal.name
    )


def test_crystals_of_the_design_are_far_enough(crystals: SimpleNamespace) -> None:
    found = nearest_training_crystals(crystals.settings, crystals.matrices)
    assert 0.1 < found["value"] < 0.3
    assert found["n"] == 4
    assert found["specimen_sets"]["tiny"]["value"] == found["value"]
    (name,) = {found["test"].replace("test", "train")}
    assert found["training"] == name
    assert found["not_compared"] == {
        "tiny_phonons": "multislice: its A site is random (structures.a_site)"
    }
    entry = leakage_entry(found)
    assert (entry["value"], entry["n"]) == (found["value"], 4)
    assert entry["unit"] == "of the class difference"
    assert found["test"] in entry["meaning"]
    assert found["training"] in entry["meaning"]


@pytest.mark.parametrize("name", ["RM", "MU", "LM", "MD"])
def test_a_twin_of_a_training_crystal_stops_the_run(
    crystals: SimpleNamespace, tmp_path: Path, name: str
) -> None:
    """Amplitudes that differ by 3e-5, as even draws had them; in any class that it is turned to."""
    specimen = f"tiny-{name}-test-0"
    (comparison,) = crystals.settings["comparisons"]
    (crystal,) = {m["crystal"] for m in comparison["tested"] if m["specimen"] == specimen}
    matrices = crystals.matrices | {crystal: crystals.twin}
    with pytest.raises(PolarstemError) as error:
        nearest_training_crystals(crystals.settings, matrices)
    told = str(error.value)
    assert told.startswith(f"Test specimen {specimen} is nearly the crystal of tiny-{name}-train-0")
    assert "less than the 0.1 of evaluate.crystal_separation" in told
    assert told.count(". ") == 0, "one sentence"
    found = nearest_training_crystals(crystals.settings | {"least": 0}, matrices)
    assert 0 < found["value"] < 1e-3
    same = crystals.matrices | {crystal: crystals.matrices[crystals.trained]}
    assert nearest_training_crystals(crystals.settings | {"least": 0}, same)["value"] == 0


def test_a_refusal_leaves_no_manifest(crystals: SimpleNamespace, tmp_path: Path) -> None:
    columns = {"split": [0], "pattern_hash": np.array([1], "u8"), "specimen_index": [0]}
    data = xr.Dataset({name: ("pattern", values) for name, values in columns.items()})
    data["class_index"] = ("pattern", [0])
    data = data.assign_coords({"class": [0]})
    data["class_name"] = ("class", np.array(["RM"], object))
    data["specimen_name"] = ("specimen", np.array(["tiny-RM-train-0"], object))
    data.attrs["data_domain"] = "thin"
    data.to_netcdf(tmp_path / "thin.nc")
    manifest = tmp_path / "manifest.json"
    near = crystals.settings | {"least": 0.9}
    with pytest.raises(PolarstemError, match="nearly the crystal of"):
        check_leakage([tmp_path / "thin.nc"], manifest, near, crystals.matrices)
    assert not manifest.exists()
    check_leakage([tmp_path / "thin.nc"], manifest, crystals.settings, crystals.matrices)
    found = json.loads(manifest.read_text(encoding="utf-8"))["nearest_training_crystal"]
    assert found == nearest_training_crystals(crystals.settings, crystals.matrices)


def test_missing_matrix_is_one_sentence(crystals: SimpleNamespace) -> None:
    with pytest.raises(PolarstemError, match=r"scattering matrix of crystal tiny-.* was not given"):
        nearest_training_crystals(crystals.settings, {})


def member(specimen: str, crystal: str) -> dict[str, Any]:
    _, name, _, index = specimen.split("-")
    return {
        "specimen": specimen,
        "class_name": name,
        "index": int(index),
        "crystal": crystal,
        "turn": [[1, 0], [0, 1]],
    }


def test_distances_by_hand() -> None:
    """Nearest in its own class; units from the class most alike; means over positions, crystals."""
    trained = [member(f"s-{c}-train-{n}", f"{n}") for c in "ABC" for n in (0, 1)]
    tested = [member(f"s-{c}-test-0", f"own{c}") for c in "AB"]
    comparison = {"set": "s", "thickness_nm": 20.0, "tested": tested, "trained": trained}
    values = {
        # two positions of two pixels each
        "s-A-train-0": [[0, 0], [0, 0]],
        "s-B-train-0": [[4, 0], [0, 4]],  # 4 from A
        "s-C-train-0": [[9, 9], [9, 9]],
        "s-A-train-1": [[0, 0], [1, 0]],
        "s-B-train-1": [[0, 8], [1, 8]],  # 8 from A: the unit of A is 6
        "s-C-train-1": [[9, 9], [9, 9]],
        "s-A-test-0": [[0, 0], [4, 0]],  # 2 from A-0, 1.5 from A-1
        "s-B-test-0": [[9, 9], [9, 9]],  # on C, which is another class
    }
    patterns = {name: np.array(value, np.float32) for name, value in values.items()}
    one, other = nearest_of_each(comparison, patterns)
    assert one["value"] == pytest.approx(1.5 / 6)
    assert (one["test"], one["training"]) == ("s-A-test-0", "s-A-train-1")
    # 14 from B-0 and 9.5 from B-1
    assert other["training"] == "s-B-train-1"
    assert other["value"] == pytest.approx(9.5 / 6)
    alone = [each for each in trained if each["class_name"] == "A"]
    assert nearest_of_each(comparison | {"trained": alone}, patterns) == []


def test_what_is_compared_has_a_thickness_and_a_microscope_in_common() -> None:
    def compared(**changes: Any) -> tuple[list[tuple[str, float]], dict[str, str]]:
        data = copy.deepcopy(PLAIN)
        data["specimens"]["other"] = {
            "per_class": {"test": 1},
            "thicknesses_nm": [4, 10],
            **changes,
        }
        data["domains"]["other"] = {"specimens": "other"}
        data["evaluate"]["domains"] = ["thin", "other"]
        found = separation_settings(check(data))
        pairs = [(each["set"], each["thickness_nm"]) for each in found["comparisons"]]
        return pairs, found["not_compared"]

    assert compared() == ([("tiny", 5.0), ("other", 10.0)], {})
    none = "no training set has its thickness and microscope"
    assert compared(thicknesses_nm=[4, 11]) == ([("tiny", 5.0)], {"other": none})
    wide = {"detector": {"mrad_per_pixel": 2.0}}
    assert compared(simulate=wide) == ([("tiny", 5.0)], {"other": none})
    for changes, why in (
        ({"structures": {"amplitude": 0}}, "no class"),
        ({"thicknesses_nm": {"between": [4, 9]}}, "thicknesses of its own"),
        ({"simulate": {"phonons": {"configurations": 2}}}, "multislice: its atoms move"),
    ):
        pairs, left_out = compared(**changes)
        assert pairs == [("tiny", 5.0)]
        assert why in left_out["other"]


def test_the_run_stops_at_the_bound_of_the_config() -> None:
    evaluate = PLAIN["evaluate"] | {"crystal_separation": 0.2}
    assert separation_settings(plain(evaluate=evaluate))["least"] == 0.2
    assert separation_settings(plain())["least"] == 0.1


@pytest.mark.parametrize(
    "path",
    [
        "config.yaml",
        "resources/presets/full.yaml",
        "resources/presets/paper.yaml",
        "tests/configs/tiny.yaml",
        "tests/configs/plain.yaml",
    ],
)
def test_the_run_has_the_matrices_that_are_compared(path: str) -> None:
    config = load(ROOT / path)
    assert set(separation_crystals(config)) <= {c.name for c in plan.all_crystals(config)}
    tested = {config.domains[name].specimens for name in config.evaluate.domains}
    settings = separation_settings(config)
    told = {each["set"] for each in settings["comparisons"]} | set(settings["not_compared"])
    assert told == tested


def test_crystals_of_streams_are_trained_on() -> None:
    config = load(ROOT / "config.yaml")
    assert trained_sets(config) == ["ideal", "still", "thermal", "thermal_cubic"]
    compared = {
        (each["set"], each["trained"][0]["specimen"].split("-")[0], each["thickness_nm"])
        for each in separation_settings(config)["comparisons"]
    }
    assert compared == {
        (tested, trained, 20.0)
        for tested in ("ideal", "weak", "stretched")
        for trained in ("ideal", "still")
    }
