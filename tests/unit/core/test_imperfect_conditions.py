# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions of specimens and scans that are not ideal: what is drawn, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from polarstem.config import check
from polarstem.config.check import ConfigError
from polarstem.config.experiment_conditions import SceneConditions, drawn_imperfections
from polarstem.config.jobs import structure_settings
from polarstem.config.map_jobs import scene_settings
from polarstem.config.model import Config, merge
from polarstem.config.plan import specimens_of
from polarstem.structures.recipes import make_recipe
from polarstem.structures.scenes.recipe import make_scene

ROOT = Path(__file__).parents[3]
TINY = ROOT / "tests" / "configs" / "tiny.yaml"
ALL = {
    "disorder": [0.5, 1.0],
    "octahedral_tilt_deg": [1, 4],
    "amorphous_nm": [0, 3],
    "amorphous_of": "carbon",
}


def checked(conditions: dict[str, Any], structures: dict[str, Any] | None = None) -> Config:
    """The smallest config with these conditions of its emulated specimens."""
    data = yaml.safe_load(TINY.read_text(encoding="utf-8"))
    emulated = data["specimens"]["tiny_emulated"]
    emulated["conditions"] = emulated["conditions"] | conditions
    emulated["structures"] = emulated["structures"] | (structures or {})
    return check(data)


def scened(conditions: dict[str, Any], **scene: Any) -> Config:
    data = yaml.safe_load(TINY.read_text(encoding="utf-8"))
    of = data["experiments"]["four_domains"]["scene"]
    changed = {"conditions": of["conditions"] | conditions, **scene}
    data["experiments"]["four_domains"]["scene"] = of | changed
    return check(data)


def test_each_specimen_draws_its_own_imperfections_within_their_ranges() -> None:
    conditions = SceneConditions.model_validate(ALL | {"wedge": [0.1, 0.3]})
    found = [drawn_imperfections(conditions, 1, f"specimen {n}") for n in range(400)]
    for key, (low, high) in (
        ("disorder", (0.5, 1)),
        ("octahedral_tilt_deg", (1, 4)),
        ("wedge", (0.1, 0.3)),
        ("wedge_deg", (0, 360)),
    ):
        values = np.array([f[key] for f in found])
        assert low <= values.min() < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < values.max() <= high
    sides = np.array([f["amorphous_nm"] for f in found])
    assert sides.mean() == pytest.approx(1.5, abs=0.15)
    assert abs(np.corrcoef(sides.T)[0, 1]) < 0.2, "each surface has its own"
    assert abs(np.corrcoef(sides[:, 0], [f["disorder"] for f in found])[0, 1]) < 0.2
    assert found[3] == drawn_imperfections(conditions, 1, "specimen 3")
    assert found[3] != drawn_imperfections(conditions, 2, "specimen 3")


def test_nothing_is_drawn_of_what_is_not_asked_for() -> None:
    assert drawn_imperfections(SceneConditions(), 1) == {}
    assert drawn_imperfections(SceneConditions(disorder=(1, 1)), 1) == {"disorder": 1.0}


def test_the_recipes_of_specimens_and_scenes_have_what_was_drawn() -> None:
    config = checked(ALL, {"cells": [4, 4]})
    recipes = [
        make_recipe(**structure_settings(config, plan))
        for plan in specimens_of(config, "tiny_emulated")
    ]
    assert all(0.5 <= r.disorder <= 1 and 1 <= r.octahedral_tilt_deg <= 4 for r in recipes)
    assert len({r.amorphous_nm for r in recipes}) == len(recipes) == 2
    assert {r.amorphous_of for r in recipes} == {"carbon"}
    config = scened(ALL | {"wedge": 0.2})
    scene = make_scene(scene_settings(config, "four_domains"))
    assert scene.wedge == 0.2
    assert 0.5 <= scene.disorder <= 1
    assert make_scene(scene_settings(config, "calm")).disorder == 0
    # others are as they were
    for plan in specimens_of(config, "tiny"):
        assert "disorder" not in structure_settings(config, plan)


def test_cells_of_tilted_crystals_are_made_even() -> None:
    field = {"cells": "auto"}
    assert checked({}, field).structures_of("tiny_emulated").cells == (3, 3)
    tilted = checked({"octahedral_tilt_deg": 2}, field)
    assert tilted.structures_of("tiny_emulated").cells == (4, 4)


def said(make: Any, *given: Any, **more: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        make(*given, **more)
    return str(caught.value)


def test_what_a_specimen_cannot_have_is_refused_before_the_first_job() -> None:
    text = said(checked, {"octahedral_tilt_deg": 2})  # of 3 x 3 cells
    assert "odd number of cells along x, 3, breaks the octahedral tilts" in text
    assert "use 4" in text
    # one cell of an emulated scan has one thickness
    assert "conditions.wedge: unknown key" in said(checked, {"wedge": 0.2})
    text = said(checked, {"disorder": 4})
    assert "must not be more than 3" in text
    assert "tiny_emulated" in text
    data = yaml.safe_load(TINY.read_text(encoding="utf-8"))
    data["train"]["sources"]["endless"]["conditions"]["disorder"] = 1
    assert "disorder" in said(check, data), "a stream measures ideal crystals"


def test_materials_without_static_disorder_and_slices_of_atoms_are_refused() -> None:
    assert "would need one for each atom; use `planes`" in said(
        scened, {"disorder": 1}, simulate={"slices": "atoms", "pixels_per_cell": 24}
    )
    data = yaml.safe_load(TINY.read_text(encoding="utf-8"))
    data["structures"]["material"] = "BaTiO3"
    data["specimens"]["tiny_emulated"]["conditions"]["disorder"] = 1
    assert "static_disorder_rms_angstrom, which BaTiO3 does not have" in said(check, data)


def test_margins_hold_the_windows_of_distorted_scans() -> None:
    scened({"drift": 0.04})
    text = said(scened, {"drift": 0.2, "row_jitter_angstrom": 2}, cells=[4, 12])
    assert "in a distorted scan; use " in text
    needed = int(text.split("in a distorted scan; use ")[1].split()[0].rstrip(".;"))
    scened({"drift": 0.2, "row_jitter_angstrom": 2}, cells=[4, 12], margin_cells=needed)


@pytest.fixture(scope="module")
def shipped() -> Config:
    standard = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    more = yaml.safe_load((ROOT / "resources" / "experiments.yaml").read_text(encoding="utf-8"))
    return check(merge(standard, more))


# factor: what the scene departs by
LADDER: dict[str, dict[str, Any]] = {
    "disorder": {"disorder": (1, 1)},
    "amorphous": {"amorphous_nm": (3, 3)},
    "octahedral": {"octahedral_tilt_deg": (4, 4)},
    "wedge": {"wedge": (0.35, 0.35)},
    "drift": {"drift": (0.04, 0.04), "row_jitter_angstrom": (0.25, 0.25)},
    "tilt": {"tilt_mrad": (5, 5)},
    "thin": {"thickness_nm": 6},
    "thick": {"thickness_nm": 50},
    "half": {"amplitude": 0.5},
}


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("factor", [*LADDER, "all"])
def test_the_ladder_of_reality_departs_in_one_thing_at_a_time(shipped, factor, sparse) -> None:
    name = f"{factor}_sparse" if sparse else factor
    experiment = shipped.experiments[f"reality_{name}"]
    assert experiment.reality == name
    scene = experiment.scene
    assert scene.kind == "four_domains"
    assert scene.positions_per_cell == (3 if sparse else 6)
    conditions = scene.conditions
    assert conditions.dose_electrons == ((1e4, 1e4) if sparse else (5e4, 5e4))
    usual = {"thickness_nm": 20, "amplitude": 1}
    departs = LADDER[factor] if factor != "all" else {}
    for key, values in departs.items():
        assert getattr(scene if key in usual else conditions, key) == values
    others = {k: v for of in LADDER.values() for k, v in of.items() if k not in departs}
    for key in others:
        found = getattr(scene if key in usual else conditions, key)
        same = found == usual.get(key, (0, 0))
        assert same == (factor != "all"), key


def test_two_of_the_ladder_belong_to_the_standard_run(shipped) -> None:
    standard = check(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))
    ours = {n: e for n, e in standard.experiments.items() if e.reality is not None}
    assert set(ours) == {"reality_drift", "reality_all"}
    for name, experiment in ours.items():
        assert experiment == shipped.experiments[name]


def test_all_scenes_of_the_ladder_are_drawn_apart(shipped) -> None:
    one, other = (
        make_scene(scene_settings(shipped, f"reality_all{end}")) for end in ("", "_sparse")
    )
    assert one.seed != other.seed
    assert one.amorphous_nm != other.amorphous_nm
