# SPDX-License-Identifier: GPL-3.0-or-later
"""What mixed B sites mean for engines, drawn compositions, independence and the report."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from mixed_materials import knn_with_tantalum

from polarstem.config import Config, check, jobs, plan
from polarstem.config.check import ConfigError
from polarstem.config.independence import independent_crystals
from polarstem.report.describe import simulation_rows
from polarstem.structures.recipes import make_recipe

ROOT = Path(__file__).resolve().parents[3]
PLAIN = yaml.safe_load((ROOT / "tests" / "configs" / "plain.yaml").read_text(encoding="utf-8"))


def one_a_element(share: float = 0.25) -> dict[str, Any]:
    """Only the B site is mixed."""
    material = knn_with_tantalum(share) | {"a_site": {"K": 1.0}}
    for key in ("born_charges", "debye_waller_rms_angstrom", "static_disorder_rms_angstrom"):
        del material[key]["Na"]
    return material


def config_of(**structures: Any) -> Config:
    data = copy.deepcopy(PLAIN)
    data["structures"] |= {"material": one_a_element()} | structures
    data["specimens"]["tiny"]["per_class"] = {"train": 2, "validation": 1, "test": 4}
    return check(data)


@pytest.mark.parametrize(
    ("structures", "engine", "why"),
    [
        ({}, "scattering_matrix", "repeats"),
        ({"b_site": "virtual"}, "scattering_matrix", "repeats"),
        ({"b_site": "random"}, "multislice", "its B site is random (structures.b_site)"),
        ({"b_site": "random", "material": "KNN"}, "scattering_matrix", "repeats"),
        ({"a_site": "random"}, "multislice", "its A site is random (structures.a_site)"),
    ],
)
def test_engine_knows_whether_b_cations_repeat(
    structures: dict[str, Any], engine: str, why: str
) -> None:
    found, reason = plan.engine_of(config_of(**structures), "tiny")
    assert found == engine
    assert why in reason


def test_composition_is_drawn_on_the_site_that_is_mixed() -> None:
    config = config_of(composition_spread=0.1, amplitude_spread=0)
    specimens = plan.specimens_of(config, "tiny")
    shares = {s.drawn_share for s in specimens}
    assert len(shares) == 2 + 1 + 16
    assert all(0.65 <= share <= 0.85 for share in shares if share is not None)
    crystal, _ = plan.crystal_of(config, specimens[0])
    recipe = make_recipe(**jobs.matrix_settings(config, crystal)["structure"])
    share = crystal.drawn_share
    assert share is not None
    assert recipe.material.b_site == pytest.approx({"Nb": share, "Ta": 1 - share}, abs=1e-9)
    assert recipe.material.a_site == {"K": 1.0}
    assert len(set(independent_crystals(config)["thin"].values())) == 16


def test_no_composition_is_drawn_for_b_cations_at_random() -> None:
    """Each order has it exactly, is a crystal of its own and needs no spread."""
    config = config_of(composition_spread=0.1, amplitude_spread=0, b_site="random")
    assert {s.drawn_share for s in plan.specimens_of(config, "tiny")} == {None}
    found = independent_crystals(config)["thin"]
    assert set(found) == set(found.values())


def test_a_spread_beyond_the_share_is_told() -> None:
    with pytest.raises(ConfigError, match=r"the share of Nb is 0\.95 and must stay"):
        config_of(material=one_a_element(0.05), composition_spread=0.1)


@pytest.mark.parametrize(
    ("structures", "words"),
    [
        ({"composition_spread": 0.1}, "A site averaged, B site averaged ± 10 at%, displ"),
        ({"b_site": "random"}, "A site averaged, B site at random, displ"),
        ({"material": "KNN", "composition_spread": 0.1}, "A site averaged ± 10 at%, displ"),
    ],
)
def test_report_names_the_order_on_mixed_sites(structures: dict[str, Any], words: str) -> None:
    config = config_of(**structures).model_dump(mode="json")
    assert words in dict(simulation_rows(config))["Crystal"]
