# SPDX-License-Identifier: GPL-3.0-or-later
"""Amplitudes and compositions of crystals: gaps between splits, even draws, nothing that moves."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from polarstem.config import Config, check, jobs, plan
from polarstem.config.check import ConfigError
from polarstem.config.crystal_design import INNER, OUTER, mean_crystals
from polarstem.errors import PolarstemError
from polarstem.structures.build import build_specimen
from polarstem.structures.crystals import load_material
from polarstem.structures.recipes import make_recipe

ROOT = Path(__file__).resolve().parents[3]
PLAIN = yaml.safe_load((ROOT / "tests" / "configs" / "plain.yaml").read_text(encoding="utf-8"))
MANY = {"train": 6, "validation": 3, "test": 4}


def config_of(seed: int = 1, per_class: dict[str, int] = MANY, **structures: Any) -> Config:
    """The plain configuration with some keys of `structures` changed."""
    data = copy.deepcopy(PLAIN)
    data["seed"] = seed
    data["structures"] |= structures
    data["specimens"]["tiny"]["per_class"] = per_class
    return check(data)


def places(config: Config, name: str = "tiny") -> dict[str, np.ndarray]:
    """Where amplitudes and compositions lie in their ranges, from -1 to 1, for each split."""
    structures = config.structures_of(name)
    found: dict[str, list[tuple[float, float]]] = {split: [] for split in plan.SPLITS}
    for specimen in plan.specimens_of(config, name):
        amplitude = (specimen.amplitude - structures.amplitude) / structures.amplitude_spread
        share = 0.0
        if specimen.drawn_share is not None:
            share = (specimen.drawn_share - 0.5) / structures.composition_spread
        found[specimen.split].append((amplitude / structures.amplitude, share))
    return {split: np.array(values).reshape(-1, 2) for split, values in found.items()}


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**40), composition=st.booleans())
def test_a_gap_parts_test_crystals_from_all_others(seed: int, composition: bool) -> None:
    config = config_of(seed, composition_spread=0.1 if composition else 0)
    found = places(config)
    column = int(composition)
    learned = np.concatenate([found["train"], found["validation"]])[:, column]
    tested = found["test"][:, column]
    assert np.abs(tested).max() <= INNER + 1e-3
    assert np.abs(learned).min() >= OUTER - 1e-3
    assert np.abs(learned).max() <= 1 + 1e-3
    assert {-1, 1} == set(np.sign(learned)), "on both sides"
    if composition:  # the amplitude takes its whole range in every split
        for values in found.values():
            assert np.abs(values[:, 0]).max() > 0.35
            assert np.abs(values[:, 0]).max() <= 1


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**40))
def test_crystals_lie_evenly_and_none_meets_another(seed: int) -> None:
    found = places(config_of(seed, composition_spread=0.1))
    amplitudes = np.sort(found["test"][:, 0])
    assert len(amplitudes) == 16
    assert np.diff([-1, *amplitudes, 1]).max() < 0.5, "of a range of 2"
    scale = np.array([1, 20])  # the outer parts are a twentieth as wide as the range
    learned = np.unique(np.concatenate([found["train"], found["validation"]]), axis=0) * scale
    assert len(learned) == 9
    apart = np.linalg.norm(learned[:, None] - learned, axis=-1) + 9 * np.eye(9)
    assert apart.min() > 0.1, "training from validation crystals, too"


def test_test_specimens_have_crystals_of_their_own_and_others_share_them() -> None:
    config = config_of(composition_spread=0.1)
    drawn: dict[str, set[tuple[float, float | None]]] = {split: set() for split in plan.SPLITS}
    for specimen in plan.specimens_of(config, "tiny"):
        drawn[specimen.split].add((specimen.amplitude, specimen.drawn_share))
    assert [len(drawn[split]) for split in plan.SPLITS] == [6, 3, 16]


def test_more_specimens_move_no_other_and_other_sets_draw_others() -> None:
    few = config_of(per_class={"train": 1, "validation": 1, "test": 1}, composition_spread=0.1)
    many = {s.name: s for s in plan.all_specimens(config_of(composition_spread=0.1))}
    for specimen in plan.all_specimens(few):
        assert specimen == many[specimen.name]
    data = copy.deepcopy(PLAIN)
    data["specimens"]["more"] = copy.deepcopy(data["specimens"]["tiny"])
    config = check(data)
    one, other = ({s.amplitude for s in plan.specimens_of(config, n)} for n in ("tiny", "more"))
    assert not one & other
    again = config_of(seed=2, per_class={"train": 1, "validation": 1, "test": 1})
    assert not one & {s.amplitude for s in plan.specimens_of(again, "tiny")}


def test_an_order_of_cations_needs_no_gap() -> None:
    """Nor has it a composition to draw, which its order has exactly."""
    config = config_of(a_site="random", composition_spread=0.1)
    found = places(config)
    assert {s.drawn_share for s in plan.specimens_of(config, "tiny")} == {None}
    assert np.abs(found["train"][:, 0]).min() < OUTER / 2
    assert np.abs(found["test"][:, 0]).max() > 2 * INNER


def test_a_pair_draws_what_its_pair_draws() -> None:
    """Also where it needs no gap of its own."""
    data = copy.deepcopy(PLAIN)
    data["structures"]["composition_spread"] = 0.1
    paired = {"per_class": {"test": 1}, "thicknesses_nm": [5], "paired_with": "tiny"}
    defect = {"kind": "antisite_column", "site": "A"}
    data["specimens"] |= {
        "broken": paired | {"structures": {"defect": defect}},
        "shaken": paired | {"simulate": {"phonons": {"configurations": 2}}},
        "mixed": paired | {"structures": {"a_site": "random"}},
    }
    config = check(data)
    tested = [s for s in plan.specimens_of(config, "tiny") if s.split == "test"]
    amplitudes = [s.amplitude for s in tested]
    shares = [s.drawn_share for s in tested]
    for name in ("broken", "shaken", "mixed"):
        own = plan.specimens_of(config, name)
        assert [s.amplitude for s in own] == amplitudes
        assert [s.drawn_share for s in own] == ([None] * 4 if name == "mixed" else shares)


@pytest.mark.parametrize("composition", [0.0, 0.1])
def test_the_limit_stands_for_the_mean_over_the_test_crystals(composition: float) -> None:
    config = config_of(composition_spread=composition)
    (low, share), (high, other) = mean_crystals(config, "tiny", 4)
    assert share == other == (0.5 if composition else None)
    half = 0.2 * (1 if composition else INNER)
    even = 1 + half * np.linspace(-1, 1, 20001)
    for power in range(4):
        assert (low**power + high**power) / 2 == pytest.approx((even**power).mean(), rel=1e-5)
    assert mean_crystals(config, "tiny", 1) == [(1.0, share)]
    specimens = plan.limit_specimens(config)
    assert {(s.index, s.amplitude, s.drawn_share) for s in specimens} == {
        (0, low, share),
        (1, high, share),
    }
    names = ["RM", "MU", "LM", "MD"]
    assert [s.polar_class.name for s in specimens] == [name for name in names for _ in range(2)]


def test_composition_is_in_the_crystal_and_in_its_name() -> None:
    config = config_of(amplitude_spread=0, composition_spread=0.1)
    specimens = plan.specimens_of(config, "tiny")
    crystals = {plan.crystal_of(config, specimen)[0] for specimen in specimens}
    assert len(crystals) == len({crystal.name for crystal in crystals}) == 9 + 16
    crystal = next(iter(crystals))
    recipe = make_recipe(**jobs.matrix_settings(config, crystal)["structure"])
    share = crystal.drawn_share
    assert recipe.material.a_site == pytest.approx({"K": share, "Na": 1 - share}, abs=1e-9)
    atoms = build_specimen(recipe)
    assert atoms.info["virtual_a_site"] == recipe.material.a_site
    assert atoms.info["a_site_share"] == share


def test_shares_of_the_others_stay_in_proportion() -> None:
    knn = load_material("KNN")
    three = knn.model_copy(update={"a_site": {"K": 0.5, "Na": 0.3, "Li": 0.2}})
    assert three.with_share(0.6).a_site == pytest.approx({"K": 0.6, "Na": 0.24, "Li": 0.16})
    for material, share in ((knn, 1.0), (load_material("BaTiO3"), 0.5)):
        with pytest.raises(PolarstemError, match="cannot have a share of"):
            material.with_share(share)


@pytest.mark.parametrize(
    ("structures", "told"),
    [
        ({"material": "BaTiO3", "composition_spread": 0.1}, "BaTiO3 has one element on each"),
        (
            {"material": dict(a_site={"K": 0.2, "Na": 0.8}), "composition_spread": 0.3},
            "the share of K is 0.2 and must stay between 0 and 1",
        ),
    ],
)
def test_compositions_that_cannot_be_drawn(structures: dict[str, Any], told: str) -> None:
    if isinstance(structures["material"], dict):
        knn = load_material("KNN").model_dump(exclude_none=True)
        structures = structures | {"material": knn | structures["material"]}
    with pytest.raises(ConfigError) as error:
        config_of(**structures)
    assert any(
        p.startswith("structures.composition_spread (for specimens.tiny): is 0.") and told in p
        for p in error.value.problems
    )


def test_a_composition_is_enough_to_part_splits() -> None:
    config_of(amplitude_spread=0, composition_spread=0.1)
    with pytest.raises(ConfigError, match="or composition_spread to"):
        config_of(amplitude_spread=0)
