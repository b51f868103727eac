# SPDX-License-Identifier: GPL-3.0-or-later
"""Specimens that are polar in any direction: evenly, in their class, and built as they are told."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from polarstem.config import Config, check, jobs, load, plan
from polarstem.config.check import ConfigError
from polarstem.config.independence import independent_crystals
from polarstem.config.work import all_jobs
from polarstem.structures.build import build_specimen
from polarstem.structures.polar_mode import PolarMode
from polarstem.structures.recipes import make_recipe
from polarstem.structures.variants import classes

ROOT = Path(__file__).resolve().parents[3]
PLAIN = yaml.safe_load((ROOT / "tests" / "configs" / "plain.yaml").read_text(encoding="utf-8"))
FREE = {"polar_direction": "free", "amplitude": 0.7, "amplitude_spread": 0.9}


def config_of(per_class: dict[str, int], phase: str = "O", **changes: Any) -> Config:
    """The plain configuration and a set `free`, which is tested."""
    data = copy.deepcopy(PLAIN)
    data["structures"] |= {"phase": phase}
    if phase != "T":
        data["specimens"]["tiny_phonons"]["classes"] = ["RU"]
    structures = FREE | changes.pop("structures", {})
    data["specimens"]["free"] = {
        "per_class": per_class,
        "thicknesses_nm": [5],
        "structures": structures,
        **changes,
    }
    data["domains"]["free"] = {"specimens": "free"}
    data["evaluate"]["domains"] = [*data["evaluate"]["domains"], "free"]
    return check(data)


@pytest.mark.parametrize("phase", ["T", "O"])
def test_directions_are_unit_vectors_of_their_class(phase: str) -> None:
    config = config_of({"train": 3, "validation": 2, "test": 40}, phase)
    table = classes(phase, (0, 0, 1))
    half = 180 / len(table)
    beam = []
    for specimen in plan.specimens_of(config, "free"):
        assert specimen.direction is not None
        x, y, z = specimen.direction
        assert np.hypot(np.hypot(x, y), z) == pytest.approx(1, abs=1e-5)
        apart = np.degrees(np.arctan2(y, x)) - specimen.polar_class.direction_deg
        assert abs((apart + 180) % 360 - 180) <= half + 1e-3
        beam.append(z)
    # even over the sphere: the component along any axis is
    assert np.mean(np.abs(beam)) == pytest.approx(0.5, abs=0.06)
    seen = np.array([s.direction[:2] for s in plan.specimens_of(config, "free") if s.direction])
    np.testing.assert_allclose(np.abs(seen).mean(axis=0), 0.5, atol=0.06)
    np.testing.assert_allclose(seen.mean(axis=0), 0, atol=0.09)


def test_training_specimens_are_turns_of_few_crystals_and_test_ones_are_crystals() -> None:
    config = config_of({"train": 2, "validation": 1, "test": 2})
    crystals: dict[str, set[str]] = {}
    for specimen in plan.specimens_of(config, "free"):
        crystal, turn = plan.crystal_of(config, specimen)
        crystals.setdefault(specimen.split, set()).add(crystal.name)
        assert crystal.direction is not None
        assert specimen.direction is not None
        turned = np.array(turn) @ crystal.direction[:2]
        np.testing.assert_allclose(turned, specimen.direction[:2], atol=1e-9)
        assert crystal.amplitude == specimen.amplitude
    # two kinds of class, along an axis and along a diagonal
    assert {split: len(names) for split, names in crystals.items()} == {
        "train": 4,
        "validation": 2,
        "test": 16,
    }
    assert len(set.union(*crystals.values())) == 22
    assert len(set(independent_crystals(config)["free"].values())) == 16


def test_a_paired_set_points_where_its_pair_does() -> None:
    config = config_of({"train": 1, "test": 1})
    data = config.model_dump(mode="json")
    data["specimens"]["other"] = data["specimens"]["free"] | {"paired_with": "free"}
    data["domains"]["other"] = {"specimens": "other"}
    data["evaluate"]["domains"] = [*data["evaluate"]["domains"], "other"]
    both = check(data)
    first, second = (plan.specimens_of(both, name) for name in ("free", "other"))
    assert [s.direction for s in first] == [s.direction for s in second]
    assert len({s.direction for s in first}) == len(first)


def test_a_crystal_is_built_as_its_direction_says() -> None:
    config = config_of({"train": 1, "test": 1})
    for specimen in plan.specimens_of(config, "free"):
        atoms = build_specimen(make_recipe(**jobs.structure_settings(config, specimen)))
        full = PolarMode.of("KNN", "O").full_pm
        vector = np.array(atoms.info["polar_vector_pm"])
        np.testing.assert_allclose(
            vector, full * specimen.amplitude * np.array(specimen.direction), atol=1e-6
        )
        assert atoms.info["class_name"] == specimen.polar_class.name
        np.testing.assert_allclose(jobs.seen_vector(specimen), vector[:2] / full, atol=1e-9)


def test_vectors_of_classes_are_seen_as_long_as_their_projection() -> None:
    config = config_of(
        {"test": 1}, structures={"polar_direction": "class", "amplitude_spread": 0.1}
    )
    for specimen in plan.specimens_of(config, "free"):
        atoms = build_specimen(make_recipe(**jobs.structure_settings(config, specimen)))
        x, y = jobs.seen_vector(specimen)
        assert np.degrees(np.arctan2(y, x)) % 360 == pytest.approx(
            specimen.polar_class.direction_deg, abs=1e-6
        )
        length = specimen.amplitude * specimen.polar_class.projected_fraction
        assert np.hypot(x, y) == pytest.approx(length)
        assert "polar_vector_pm" not in atoms.info
    without = config_of({"test": 1}, structures={"amplitude": 0, "amplitude_spread": 0})
    assert {jobs.seen_vector(s) for s in plan.specimens_of(without, "free")} == {(0.0, 0.0)}
    assert {s.direction for s in plan.specimens_of(without, "free")} == {None}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"structures": {"amplitude": 1.0}}, "reaches 1.9 and may be 1.4 at most"),
        ({"structures": {"metric": "phase"}}, "belong to one direction; use metric: cubic"),
    ],
)
def test_what_no_crystal_can_be_is_told(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match="polar_direction") as error:
        config_of({"test": 1}, **changes)
    assert told in str(error.value)


def test_the_shipped_file_has_free_directions_and_is_counted() -> None:
    config = load(ROOT / "config.yaml", ROOT / "resources" / "vectors.yaml")
    section = config.evaluate.displacements
    assert section is not None
    truth = jobs.true_vectors(config)
    assert set(truth) == {*section.domains, *section.also}
    assert truth["emulated_free"] == truth["emulated_free_1e3"]
    assert len(truth["emulated_free"]) == 48
    lengths = np.array([amplitude for *_, amplitude in truth["emulated_free"].values()])
    assert lengths.min() < 0.1
    assert lengths.max() > 1.3
    assert {tuple(v) for v in truth["emulated_cubic"].values()} == {(0.0, 0.0, 0.0)}
    scans = {
        job.name: job.work["scans fitted"]
        for job in all_jobs(config)
        if job.rule == "fit_displacements"
    }
    assert scans == {
        **dict.fromkeys(("emulated_free", "emulated_free_1e4", "emulated_free_1e3"), 48),
        "emulated": 24,
        "emulated_cubic": 8,
    }
    maps = [job.name for job in all_jobs(config) if job.rule == "map_displacements"]
    assert maps == list(section.experiments) == ["reality_drift", "reality_all"]
    standard = load(ROOT / "config.yaml")
    assert jobs.true_vectors(standard) == {}
    assert not [job for job in all_jobs(standard) if "_displacements" in job.rule]


def test_the_reference_compares_classes() -> None:
    data = copy.deepcopy(PLAIN)
    data["structures"] |= FREE
    with pytest.raises(ConfigError, match="reference_domain compares classes"):
        check(data)


@pytest.mark.parametrize(
    ("section", "changed", "told"),
    [
        ({"domains": ["absent"]}, {}, "'absent' is not in domains"),
        ({"domains": ["thin"], "also": ["gone"]}, {}, "'gone' is not in domains"),
        ({"domains": ["thin"]}, {"recommended": None}, "set evaluate.recommended"),
        ({}, {}, "names neither domains nor experiments"),
        ({"also": ["thin"]}, {}, "stands beside domains"),
        ({"experiments": ["absent"]}, {}, "'absent' is no experiment that is mapped"),
    ],
)
def test_what_cannot_be_fitted_is_told(
    section: dict[str, Any], changed: dict[str, Any], told: str
) -> None:
    data = copy.deepcopy(PLAIN)
    data["evaluate"] |= {"displacements": section} | changed
    with pytest.raises(ConfigError) as error:
        check(data)
    assert told in str(error.value)


def test_maps_along_110_get_no_displacements() -> None:
    tiny = yaml.safe_load((ROOT / "tests" / "configs" / "tiny.yaml").read_text(encoding="utf-8"))
    tiny["structures"]["zone_axis"] = [1, 1, 0]
    tiny["evaluate"]["displacements"] = {"experiments": ["four_domains"]}
    with pytest.raises(ConfigError, match=r"were tested along \[0, 0, 1\] alone"):
        check(tiny)
