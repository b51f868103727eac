# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations of mappers for other crystals and microscopes than the standard benchmark's."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml

from polarstem.config import check, laid_over, read_standard
from polarstem.config.error_budget import _window, accuracy_settings
from polarstem.config.estimate import seconds, wall_hours
from polarstem.config.map_jobs import scene_settings
from polarstem.config.mapper_plan import mapper_jobs, plan_sentences, settings_text
from polarstem.config.mapper_recipe import (
    CONTROL,
    DOMAINS,
    EFFORTS,
    EXPERIMENT,
    Request,
    mapper_config,
    mapper_settings,
)
from polarstem.config.plan import specimens_of_domain
from polarstem.config.scene_limits import window_shape
from polarstem.config.work import Job, all_jobs
from polarstem.errors import PolarstemError
from polarstem.structures.crystals import CRYSTALS, load_material
from polarstem.structures.scenes.recipe import make_scene

MATERIALS = yaml.safe_load(CRYSTALS.read_text(encoding="utf-8"))
CRYSTAL_PHASES = [(name, phase) for name in MATERIALS for phase in load_material(name).lattice]
BATIO3 = Request("BaTiO3", "T", 300, 21)


@pytest.mark.parametrize(("material", "phase"), CRYSTAL_PHASES)
@pytest.mark.parametrize(
    ("effort", "optics"), [("look", (300, 21)), ("default", (80, 35)), ("long", (200, 10))]
)
def test_every_crystal_has_a_mapper(material, phase, effort, optics):
    request = Request(material, phase, *optics, effort=effort)
    config = mapper_config(request)
    assert config.structures.material == material
    assert (config.simulate.energy_kv, config.simulate.semiangle_mrad) == optics
    # the same angles in semi-angles, of the model and of the scenes that calibrate it
    assert config.simulate.detector.pixels == 32
    assert config.simulate.detector.mrad_per_pixel == pytest.approx(optics[1] / 8)
    for name in config.evaluate.defect_free:
        seen = config.simulate_of_scene(name).detector
        assert seen.pixels * seen.mrad_per_pixel / optics[1] == pytest.approx(4.2, rel=1e-3)
    # one model on one stream, the standard benchmark's, of moving atoms alone
    standard = check(read_standard())
    assert [run[:2] for run in config.runs()] == [("equivariant", "varied")]
    assert config.streams()["varied"].specimens == ("thermal", "thermal_cubic")
    learned = [c.training_of("equivariant", "varied") for c in (config, standard)]
    assert learned[0].learning_rate == learned[1].learning_rate == 5e-3
    assert config.evaluate.recommended == standard.evaluate.recommended
    ours, theirs = (c.train.sources["varied"].conditions for c in (config, standard))
    assert ours == theirs
    assert config.mapped() == []
    assert set(config.experiments) == set(config.evaluate.defect_free) != set()


@pytest.mark.parametrize(("material", "phase"), CRYSTAL_PHASES)
@pytest.mark.parametrize("effort", ["default", "long"])
def test_along_110_anomalies_are_known_from_the_same_scenes(material, phase, effort):
    across, along = (
        mapper_config(Request(material, phase, 200, 24, zone, effort=effort))
        for zone in ((0, 0, 1), (1, 1, 0))
    )
    assert along.evaluate.defect_free == across.evaluate.defect_free != ()
    for name in along.evaluate.defect_free:
        scene = make_scene(scene_settings(along, name))
        assert scene.zone_axis == (1, 1, 0)
        assert (scene.material.formula, scene.phase) == (load_material(material).formula, phase)
        usual = make_scene(scene_settings(across, name))
        assert (scene.kind == usual.kind) or (scene.kind, usual.kind) == (
            *("wall_180", "wall_seen_90"),
        )


def test_the_error_budget_along_110_has_the_windows_of_its_scenes():
    config = mapper_config(Request("KNN", "O", 200, 8, (1, 1, 0)))
    window = accuracy_settings(config)["window"]
    scene = make_scene(scene_settings(config, window["experiment"]))
    simulate = config.simulate_of_scene(window["experiment"])
    x, y = window_shape(simulate, scene.lengths, scene.thickness_nm)
    assert window["cells"] == [x, y]
    assert x < y
    # as wide as the windows with their offsets act, along both edges
    least = [2 * cells * window["offsets"] ** 0.5 for cells in (x, y)]
    assert all(w >= least_ for w, least_ in zip(window["wide"], least, strict=True))
    # the run's own field serves where it is as wide along both
    wide = [math.ceil(n) for n in least]
    for given, taken in (([99, 99], [99, 99]), ([99, wide[1] // 2], wide)):
        assert _window(config, simulate, [20.0], given)["wide"] == taken


def test_the_text_says_the_same_and_more():
    for request in (BATIO3, Request("KNN", "O", 200, 24, (1, 1, 0), "look")):
        part = mapper_settings(request)
        text = settings_text(request, part)
        assert yaml.safe_load(text) == part
        assert "energy_kv: 300 # kV" in text or request is not BATIO3
        assert max(map(len, text.splitlines())) <= 130
        check(laid_over(read_standard(), yaml.safe_load(text)))


def test_what_a_crystal_does_not_have_is_left_out():
    # one element on the A site, a cell above 4 Å, and no static disorder known
    long = mapper_settings(Request("BaTiO3", "T", 300, 21, effort="long"))
    assert long["structures"]["composition_spread"] == 0
    assert "calm_cluster" not in long["evaluate"]["defect_free"]
    assert long["experiments"]["calm_cluster"] is None
    conditions = long["experiments"]["calm_imperfect"]["scene"]["conditions"]
    assert conditions == {"source_fwhm_angstrom": [0.81, 1.0], "disorder": 0}
    source = long["specimens"]["emulated"]["conditions"]["source_fwhm_angstrom"]
    assert source == [0.51, 1.0]
    knn = mapper_settings(Request("KNN", "T", 300, 21, effort="long"))
    assert "composition_spread" not in knn["structures"]
    assert "calm_cluster" in knn["evaluate"]["defect_free"]
    assert "conditions" not in knn["experiments"]["calm_imperfect"]["scene"]


def test_fields_and_margins_grow_where_the_optics_need_them():
    wide = mapper_settings(Request("KNN", "O", 300, 4))
    assert wide["specimens"]["emulated"]["structures"] == {"cells": "auto"}
    assert wide["experiments"]["calm"]["scene"]["margin_cells"] == 7
    usual = mapper_settings(Request("KNN", "O", 200, 24))
    assert "structures" not in usual["specimens"]["emulated"]
    assert "margin_cells" not in usual["experiments"]["calm"]["scene"]


@pytest.mark.parametrize(
    ("reach", "pixel", "detector"),
    [
        (None, None, {"pixels": 32, "mrad_per_pixel": 2.625}),
        (60.0, 0.5, {"pixels": 32, "mrad_per_pixel": 2.625}),
        (32.0, 0.5, {"pixels": 32, "mrad_per_pixel": 2.0}),
        (32.0, 4.0, {"pixels": 16, "mrad_per_pixel": 4.0}),
        (60.0, 4.0, {"pixels": 20, "mrad_per_pixel": 4.2}),
    ],
)
def test_the_detector_sees_no_further_and_no_finer_than_the_scans(reach, pixel, detector):
    request = Request("BaTiO3", "T", 300, 21, reach_mrad=reach, pixel_mrad=pixel)
    assert mapper_settings(request)["simulate"]["detector"] == detector
    mapper_config(request)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"material": "BaTi03"}, "There is no material 'BaTi03'.*did you mean BaTiO3"),
        (
            {"material": "PbTiO3", "phase": "R"},
            "PbTiO3 has no lattice and template for phase R; it has T",
        ),
        ({"energy_kv": 3}, "No mapper can be made: energy_kv: 3: should be greater than or equal"),
        ({"semiangle_mrad": 0}, "semiangle_mrad: 0: should be greater than 0"),
        ({"zone_axis": (1, 1, 1)}, r"zone_axis: \[1, 1, 1\]: must be \[0, 0, 1\] or \[1, 1, 0\]"),
        ({"effort": "great"}, "no effort 'great'; choose one of look, short, default, long"),
        # wavelength over lattice constant: 1.9687 pm / 4.0086 Å = 4.911 mrad
        ({"semiangle_mrad": 2.45}, "lie 4.9 mrad apart and do not overlap.*angle above 2.5 mrad"),
        ({"reach_mrad": 20.0}, "sees to 20 mrad from its middle, less than the disc of 21 mrad"),
        ({"pixel_mrad": 12.0}, "pixels of 12 mrad leave 6 across the pattern"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(changes: dict[str, Any], told: str):
    usual = {"material": "BaTiO3", "phase": "T", "energy_kv": 300, "semiangle_mrad": 21}
    with pytest.raises(PolarstemError, match=told) as error:
        mapper_settings(Request(**(usual | changes)))
    assert "\n" not in str(error.value)


def test_discs_that_just_overlap_have_a_mapper():
    assert mapper_settings(Request("BaTiO3", "T", 300, 2.46))["evaluate"]["defect_free"]


def of_rule(planned: list[Job], rule: str) -> list[Job]:
    return [job for job in planned if job.rule == rule]


LONGER = {("BaTiO3", "O"): 21, ("BaTiO3", "R"): 19, ("BiFeO3", "R"): 18}  # min; finer grids


@pytest.mark.parametrize(("material", "phase"), CRYSTAL_PHASES)
def test_the_default_takes_a_quarter_of_an_hour_on_two_cores(material, phase):
    planned = mapper_jobs(mapper_config(Request(material, phase, 300, 21)))
    assert 60 * wall_hours(planned, 2) < LONGER.get((material, phase), 15)
    assert max(job.memory_mb for job in planned) <= 4000


def test_no_report_is_made():
    config = mapper_config(BATIO3)
    planned = mapper_jobs(config)
    left_out = {job.rule for job in all_jobs(config)} - {job.rule for job in planned}
    assert left_out == {
        *("build_structures", "compute_metrics", "answer_claims", "draw_figures"),
        "measure_accuracy",
    }
    assert sum(map(seconds, planned)) < sum(map(seconds, all_jobs(config)))
    assert not of_rule(planned, "compute_vector_bound")
    assert len(of_rule(planned, "simulate_scene")) == 3
    # ten polar crystals to learn from and two to choose by, and four and one without polarization
    assert len(of_rule(planned, "compute_thermal_matrices")) == 17
    # and no more where classes are turns of two crystals
    of_two = mapper_jobs(mapper_config(Request("KNN", "O", 300, 21)))
    assert len(of_rule(of_two, "compute_thermal_matrices")) == 17


def test_efforts_differ_in_what_is_learned_and_tested():
    told = {e: list(plan_sentences(mapper_config(Request("KNN", "R", 200, 24, effort=e)), 2))
            for e in EFFORTS}  # fmt: skip
    assert (
        "learns from 328,000 patterns, each seen 4 times (1,312,000 in all)" in told["default"][1]
    )
    assert "of 10 polar and 4 unpolar crystals; 2 polar and 1 unpolar" in told["default"][1]
    assert "tested on 12 crystals of an emulated experiment, 4 under known" in told["default"][2]
    assert "and 3 without polarization" in told["default"][2]
    assert "on 2 cores" in told["default"][0]
    assert "820,000 patterns" in told["long"][1]
    assert "tested on 24 crystals" in told["long"][2]
    assert "98,400 patterns" in told["short"][1]
    assert "6 polar and 4 unpolar" in told["short"][1]
    assert "16,400 patterns" in told["look"][1]
    config = mapper_config(BATIO3)
    assert config.evaluate.domains == DOMAINS
    assert len(specimens_of_domain(config, EXPERIMENT)) == 12
    assert {s.polar_class.name for s in specimens_of_domain(config, CONTROL)} == {"RM"}
