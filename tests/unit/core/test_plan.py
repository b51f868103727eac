# SPDX-License-Identifier: GPL-3.0-or-later
"""The specimens that follow from a configuration."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from polarstem.config import Config, check, plan

ROOT = Path(__file__).resolve().parents[3]
TINY = yaml.safe_load((ROOT / "tests" / "configs" / "tiny.yaml").read_text(encoding="utf-8"))


def config_with(**changes: Any) -> Config:
    """The tiny configuration with the specimen set `tiny` changed."""
    data = copy.deepcopy(TINY)
    data["structures"] |= changes.pop("structures", {})
    if data["structures"]["phase"] != "T":
        data["specimens"]["tiny_phonons"]["classes"] = ["RU"]
    data["specimens"]["tiny"] |= changes
    return check(data)


def test_names_say_set_class_split_and_index() -> None:
    config = config_with(per_class={"train": 2, "validation": 1, "test": 1})
    names = [specimen.name for specimen in plan.specimens_of(config, "tiny")]
    assert names[:4] == [
        "tiny-RM-train-0",
        "tiny-RM-train-1",
        "tiny-RM-validation-0",
        "tiny-RM-test-0",
    ]
    assert len(names) == len(set(names)) == 16
    for specimen in plan.all_specimens(config):
        index = specimen.name.rsplit("-", 1)[1]
        parts = (specimen.specimen_set, specimen.polar_class.name, specimen.split, index)
        assert specimen.name == "-".join(parts)


def test_every_class_stands_in_every_split() -> None:
    config = config_with(per_class={"train": 3, "validation": 1, "test": 2})
    counts = Counter((s.polar_class.name, s.split) for s in plan.specimens_of(config, "tiny"))
    for name in ("RM", "MU", "LM", "MD"):
        assert [counts[name, split] for split in plan.SPLITS] == [3, 1, 2]


def test_variants_take_turns() -> None:
    config = config_with(
        structures={"phase": "O"}, per_class={"train": 2, "validation": 2, "test": 2}
    )
    specimens = plan.specimens_of(config, "tiny")
    for polar_class in plan.class_table(config):
        own = [s for s in specimens if s.polar_class == polar_class]
        for split in plan.SPLITS:
            used = {s.variant for s in own if s.split == split}
            assert used == set(polar_class.variants), (polar_class.name, split)


def test_seeds_differ_and_do_not_depend_on_the_others() -> None:
    few = {s.name: s.seed for s in plan.all_specimens(config_with())}
    more = plan.all_specimens(config_with(per_class={"train": 3, "validation": 1, "test": 2}))
    assert len({s.seed for s in more}) == len(more)
    for specimen in more:
        assert few.get(specimen.name, specimen.seed) == specimen.seed


def test_more_test_specimens_leave_the_others_as_they_are() -> None:
    before, after = config_with(), config_with(per_class={"train": 1, "validation": 1, "test": 3})
    old = {s.name: s for s in plan.all_specimens(before)}
    new = {s.name: s for s in plan.all_specimens(after)}
    for name, specimen in old.items():
        for settings in (plan.structure_settings, plan.simulation_settings):
            assert settings(before, specimen) == settings(after, new[name])


def test_only_sets_in_use_are_planned() -> None:
    data = copy.deepcopy(TINY)
    data["evaluate"]["domains"] = ["thin", "thick"]
    config = check(data)
    assert plan.used_sets(config) == ["tiny"]
    assert config.used_domains() == ["thin", "thick"]


def test_class_table_is_that_of_the_configuration_for_a_part_of_it() -> None:
    config = check(TINY)
    specimens = plan.specimens_of(config, "tiny_phonons")
    assert [s.polar_class.name for s in specimens] == ["RM", "LM"]
    indices = [plan.structure_settings(config, s)["class_index"] for s in specimens]
    assert indices == [0, 2]


def test_runs_are_listed_once_each() -> None:
    data = copy.deepcopy(TINY)
    data["train"]["runs"] *= 2
    data["train"]["seeds"] = [3, 1]
    runs = check(data).runs()
    assert len(runs) == len(set(runs)) == 10
    assert {seed for *_, seed in runs} == {1, 3}


@pytest.mark.parametrize("settings", [plan.structure_settings, plan.simulation_settings])
def test_settings_are_plain(settings: Any) -> None:
    """Snakemake compares them as text: no tuples, sets or objects."""
    config = check(TINY)

    def plain(value: object) -> bool:
        if isinstance(value, dict):
            return all(isinstance(k, str) and plain(v) for k, v in value.items())
        if isinstance(value, list):
            return all(map(plain, value))
        return value is None or type(value) in (str, int, float, bool)

    for specimen in plan.all_specimens(config):
        assert plain(settings(config, specimen))


def test_standard_benchmark_has_what_it_promises() -> None:
    config = check(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))
    trained = {d for s in config.used_sources() for d in config.train.sources[s]}
    thicknesses = {t for d in config.evaluate.domains for t in config.domains[d].thicknesses_nm}
    seen = {t for d in trained for t in config.domains[d].thicknesses_nm}
    assert len([t for t in thicknesses if 10 <= t <= 50]) >= 4
    assert len(thicknesses - seen) >= 2
    families = {config.models[m].family for m in config.used_models()}
    assert families == {"timm", "cnn", "pca_knn"}
    phonons = {config.simulate_of(s).phonons.configurations > 0 for s in plan.used_sets(config)}
    assert phonons == {True, False}
