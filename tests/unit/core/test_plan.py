# SPDX-License-Identifier: GPL-3.0-or-later
"""The specimens that follow from a configuration."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from polarstem.config import Config, check, jobs, plan
from polarstem.config.examples import example_domains
from polarstem.structures.build import build_specimen
from polarstem.structures.recipes import make_recipe
from polarstem.structures.symmetry import IDENTITY, mirrored, turned

ROOT = Path(__file__).resolve().parents[3]
TINY = yaml.safe_load((ROOT / "tests" / "configs" / "plain.yaml").read_text(encoding="utf-8"))


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
        for settings in (jobs.structure_settings, jobs.simulation_settings):
            assert settings(before, specimen) == settings(after, new[name])


def test_paired_specimens_draw_as_those_they_are_paired_with() -> None:
    data = copy.deepcopy(TINY)
    data["structures"]["phase"] = "O"
    tiny = data["specimens"]["tiny"] | {"per_class": {"train": 2, "validation": 1, "test": 2}}
    defect = {"kind": "antisite_column", "site": "A"}
    broken = {"per_class": {"test": 2}, "thicknesses_nm": [5], "structures": {"defect": defect}}
    data["specimens"] |= {"tiny": tiny, "broken": broken | {"paired_with": "tiny"}, "own": broken}
    data["specimens"]["tiny_phonons"]["classes"] = ["RU"]
    config = check(data)
    whole = {s.name: s for s in plan.specimens_of(config, "tiny")}
    for specimen in plan.specimens_of(config, "broken"):
        twin = whole[specimen.name.replace("broken", "tiny")]
        for drawn in ("amplitude", "seed", "variant", "polar_class", "index"):
            assert getattr(specimen, drawn) == getattr(twin, drawn)
        assert jobs.structure_settings(config, specimen)["defect"] == defect
    for specimen in plan.specimens_of(config, "own"):
        twin = whole[specimen.name.replace("own", "tiny")]
        assert specimen.seed != twin.seed
        assert specimen.amplitude != twin.amplitude


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
    indices = [jobs.structure_settings(config, s)["class_index"] for s in specimens]
    assert indices == [0, 2]


def test_runs_are_listed_once_each() -> None:
    data = copy.deepcopy(TINY)
    data["train"]["runs"] *= 2
    data["train"]["seeds"] = [3, 1]
    runs = check(data).runs()
    assert len(runs) == len(set(runs)) == 10
    assert {seed for *_, seed in runs} == {1, 3}


@pytest.mark.parametrize(
    ("structures", "simulate", "engine", "why"),
    [
        ({}, {}, "scattering_matrix", "repeats in the plane"),
        ({"a_site": "ordered", "cells": [4, 2]}, {}, "scattering_matrix", "repeats in the plane"),
        # along x = [-110] rock-salt order repeats every cell
        (
            {"a_site": "ordered", "cells": [3, 4], "zone_axis": [1, 1, 0]},
            {},
            "scattering_matrix",
            "repeats",
        ),
        ({"a_site": "random"}, {}, "multislice", "A site is random"),
        ({"defect": {"kind": "vacancy_column"}}, {}, "multislice", "defect"),
        ({}, {"phonons": {"configurations": 2}}, "multislice", "atoms move"),
        ({}, {"engine": "multislice"}, "multislice", "asks for it"),
        ({}, {"engine": "scattering_matrix"}, "scattering_matrix", "repeats in the plane"),
    ],
)
def test_engine_is_the_matrix_where_one_describes_the_specimens(
    structures: dict[str, Any], simulate: dict[str, Any], engine: str, why: str
) -> None:
    data = copy.deepcopy(TINY)
    data["specimens"]["tiny"] |= {"structures": structures, "simulate": simulate}
    if "zone_axis" in structures:
        data["structures"]["zone_axis"] = structures["zone_axis"]
        del data["specimens"]["tiny_phonons"]["classes"]
    config = check(data)
    assert plan.engine_of(config, "tiny")[0] == engine
    assert why in plan.engine_of(config, "tiny")[1]
    settings = jobs.simulation_settings(config, plan.specimens_of(config, "tiny")[0])
    assert (settings["engine"], settings["engine_reason"]) == plan.engine_of(config, "tiny")
    assert ("turn" in settings) == (engine == "scattering_matrix")


def test_crystals_of_their_own_for_tests_and_two_for_each_other_amplitude() -> None:
    """O along [001]: 12 variants in eight classes."""
    config = config_with(
        structures={"phase": "O"}, per_class={"train": 4, "validation": 2, "test": 2}
    )
    specimens = plan.specimens_of(config, "tiny")
    tested = [s for s in specimens if s.split == "test"]
    others = [s for s in specimens if s.split != "test"]
    assert len({s.amplitude for s in tested}) == len(tested) == 16
    assert len({(s.split, s.index) for s in others}) == len({s.amplitude for s in others}) == 6
    assert all(0.8 <= s.amplitude <= 1.2 for s in specimens)
    # in plane and oblique; the sign along the beam cannot be seen
    served = {plan.crystal_of(config, s)[0] for s in specimens}
    assert {c.variant for c in served} == {(1, 1, 0), (1, 0, 1)}
    assert len(served) == len({c.name for c in served}) == 2 * 6 + 16
    compared = {plan.crystal_of(config, s)[0] for s in plan.limit_specimens(config)}
    assert len(compared) == 4, "the limit has two amplitudes of its own"
    assert set(plan.all_crystals(config)) == served | compared
    for specimen in specimens:
        crystal, turn = plan.crystal_of(config, specimen)
        image = turned(crystal.variant, turn, (0, 0, 1))
        assert specimen.variant in (image, mirrored(image, (0, 0, 1)))
        assert crystal.amplitude == specimen.amplitude


@pytest.mark.parametrize("engine", ["auto", "thermal_matrices"])
@pytest.mark.parametrize(
    ("slices", "axes"), [("planes", ("110", "101")), ("atoms", ("110", "101", "10m1"))]
)
def test_specimens_that_look_alike_share_their_crystals(
    slices: str, axes: tuple[str, ...], engine: str
) -> None:
    """Of one amplitude, or of one thermal motion; a third goes with planes as slices."""
    data = copy.deepcopy(TINY)
    data["structures"]["phase"] = "O"
    data["specimens"]["tiny_phonons"] = {
        "per_class": {"test": 4},
        "thicknesses_nm": [5],
        "structures": {"amplitude_spread": 0},
        "simulate": {"slices": slices},
    }
    if engine == "thermal_matrices":
        data["specimens"]["tiny_phonons"]["per_class"] = {"train": 4}
        data["specimens"]["tiny_phonons"]["simulate"] |= {
            "engine": engine,
            "phonons": {"configurations": 2},
        }
        data["domains"]["warm"]["specimens"] = "tiny"
        data["domains"]["warm"]["dose_electrons"] = 100
    config = check(data)
    names = {plan.crystal_of(config, s)[0].name for s in plan.specimens_of(config, "tiny_phonons")}
    if engine == "auto":
        assert names == {f"tiny_phonons-{axis}-1.000000" for axis in axes}
        assert names < {crystal.name for crystal in plan.all_crystals(config)}
    else:
        oblique = [axes[1 + number % 2] if len(axes) > 2 else axes[1] for number in range(4)]
        wanted = {f"110-train{n}" for n in range(4)} | {
            f"{a}-train{n}" for n, a in enumerate(oblique)
        }
        assert names == {f"tiny_phonons-{name}" for name in wanted}


@pytest.mark.parametrize("cells", [[2, 2], [4, 2]])
@pytest.mark.parametrize("a_site", ["virtual", "ordered"])
def test_without_displacements_all_classes_are_one_crystal(cells: list[int], a_site: str) -> None:
    """Atom by atom, without a turn; unequal axes of the phase tell the variants apart."""
    unpolar = {"phase": "O", "amplitude": 0.0, "cells": cells, "a_site": a_site}
    config = config_with(structures=unpolar)
    specimens = plan.specimens_of(config, "tiny")
    served = {plan.crystal_of(config, specimen) for specimen in specimens}
    assert len({specimen.variant for specimen in specimens}) > 4
    assert [turn for _, turn in served] == [IDENTITY]
    ((crystal, _),) = served
    alike = {"cells": cells, "thickness_nm": 1.0}
    made = build_specimen(make_recipe(**jobs.structure_settings(config, crystal) | alike))
    for specimen in specimens:
        recipe = make_recipe(**jobs.structure_settings(config, specimen) | alike)
        atoms = build_specimen(recipe)
        np.testing.assert_array_equal(atoms.positions, made.positions)
        np.testing.assert_array_equal(atoms.numbers, made.numbers)
        np.testing.assert_array_equal(atoms.cell, made.cell)
    stretched = config_with(structures=unpolar | {"metric": "phase"})
    axes = {plan.crystal_of(stretched, s)[0].variant for s in plan.specimens_of(stretched, "tiny")}
    assert len(axes) > 1


def test_a_field_of_unequal_sides_is_not_turned_on_its_side() -> None:
    config = config_with(structures={"phase": "T", "cells": [3, 2]})
    specimens = plan.specimens_of(config, "tiny")
    assert len({s.amplitude for s in specimens}) == 6
    # two variants for each of two amplitudes and of the limit's, and one for each test specimen
    assert len(plan.all_crystals(config)) == 10
    for specimen in specimens:
        _, turn = plan.crystal_of(config, specimen)
        assert turn[0][1] == turn[1][0] == 0


def test_amplitudes_are_those_of_the_structures() -> None:
    more = config_with(per_class={"train": 3, "validation": 1, "test": 2})
    settings = jobs.structure_settings(more, plan.specimens_of(more, "tiny")[0])
    assert settings["amplitude"] == plan.specimens_of(more, "tiny")[0].amplitude
    assert "amplitude_spread" not in settings


def test_more_specimens_leave_the_matrices_as_they_are() -> None:
    before, after = config_with(), config_with(per_class={"train": 1, "validation": 1, "test": 3})
    new = {c.name: c for c in plan.all_crystals(after)}
    for specimen in plan.specimens_of(before, "tiny"):
        crystal, _ = plan.crystal_of(before, specimen)
        assert jobs.matrix_settings(before, crystal) == jobs.matrix_settings(
            after, new[crystal.name]
        )


def test_matrix_depends_on_the_crystal_and_the_lens_alone() -> None:
    def settings(**simulate: Any) -> dict[str, Any]:
        data = copy.deepcopy(TINY)
        data["simulate"] |= simulate
        config = check(data)
        return jobs.matrix_settings(config, plan.all_crystals(config)[0])

    before = settings()
    assert settings(scan={"positions": [2, 2]}, aberrations={"C10": 5}, memory_mb=300) == before
    assert settings(detector={"pixels": 16})["simulate"]["detector"]["pixels"] == 16
    tilted = settings(tilt_mrad=[3, 4])
    assert tilted["margin_mrad"] == pytest.approx(5, rel=1e-4)
    tilted["margin_mrad"] = 0
    assert tilted == before


@pytest.mark.parametrize("settings", [jobs.structure_settings, jobs.simulation_settings])
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
    for crystal in plan.all_crystals(config):
        assert plain(jobs.matrix_settings(config, crystal))


def test_standard_benchmark_has_what_it_promises() -> None:
    config = check(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))
    trained = {d for s in config.used_sources() for d in config.domains_of(s)}
    tested = [config.domains[d].thicknesses_nm or () for d in config.evaluate.domains]
    thicknesses = {t for nm in tested for t in nm}
    seen = {t for d in trained for t in config.domains[d].thicknesses_nm}
    assert len([t for t in thicknesses if 10 <= t <= 50]) >= 4
    assert len(thicknesses - seen) >= 2
    families = {config.models[m].family for m in config.used_models()}
    classical = {"pca_knn", "linear", "template", "deflection"}
    assert families == {"timm", "cnn", "equivariant"} | classical
    emulated = config.domains[config.evaluate.experiment].specimens
    assert len(plan.specimens_of(config, emulated)) >= 24
    assert config.simulate_of(emulated).phonons.configurations >= 8
    factors = {config.domains[name].factor for name in config.evaluate.domains}
    assert {"tilt", "defocus", "dose", "psf", "rotation", "shift", "phonons"} <= factors
    phonons = {config.simulate_of(s).phonons.configurations > 0 for s in plan.used_sets(config)}
    assert phonons == {True, False}
    assert plan.engine_of(config, "ideal")[0] == "scattering_matrix"
    assert len(plan.all_crystals(config)) <= 120


def test_examples_come_from_domains_that_differ_in_thickness_alone() -> None:
    data = copy.deepcopy(TINY)
    data["specimens"]["tiny"]["thicknesses_nm"] = [5, 10, 15]
    data["domains"] |= {
        "tilted": {"specimens": "tiny", "thicknesses_nm": [10], "conditions": {"tilt_mrad": 2}},
        "dosed": {"specimens": "tiny", "thicknesses_nm": [10], "dose_electrons": 1e4},
        "unused": {"specimens": "tiny", "thicknesses_nm": [15]},
    }
    data["evaluate"]["domains"] += ["tilted", "dosed"]
    assert example_domains(check(data)) == ["thin", "thick"]
    data["evaluate"]["reference_domain"] = "dosed"
    assert example_domains(check(data)) == ["dosed"]
