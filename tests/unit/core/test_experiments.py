# SPDX-License-Identifier: GPL-3.0-or-later
"""The experiments of a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from polarstem.config import check
from polarstem.config.check import ConfigError
from polarstem.config.model import Config

DOSE = {"dose_electrons": 1e5}
MOVING = {"phonons": {"configurations": 2}}
WIDE = {"detector": {"pixels": 64}, "pixels_per_cell": 32}
COARSE = {"pixels_per_cell": 10, "detector": {"pixels": 10, "mrad_per_pixel": 4.0}}
TINY = Path(__file__).parents[2] / "configs" / "tiny.yaml"


def source(low: float, high: float) -> dict[str, Any]:
    return {"source_fwhm_angstrom": [low, high]}


SPREAD = {**DOSE, **source(0.9, 0.9), "defocus_spread_angstrom": [0, 30]}


def checked(experiments: dict[str, Any], **evaluate: Any) -> Config:
    data = yaml.safe_load(TINY.read_text(encoding="utf-8"))
    data["evaluate"] |= {"defect_free": [], **evaluate}
    return check(data | {"experiments": experiments})


def test_files_and_scenes_are_mapped_but_not_what_calibrates() -> None:
    config = checked(
        {
            "mine": {"scan": "scan.mib", "sheet": {"step_nm": 0.05, "off": ["tilt"]}},
            "other": {"scan": "scan.mib", "sheet": "scan.yaml"},
            "calm": {"scene": {"kind": "single_domain"}},
            "walls": {"scene": {"kind": "wall_90", "simulate": {"detector": {"pixels": 24}}}},
        },
        defect_free=["calm"],
    )
    assert config.mapped() == ["mine", "other", "walls"]
    simulate = config.simulate_of_scene("walls")
    assert simulate.detector.pixels == 24
    assert simulate.detector.mrad_per_pixel == config.simulate.detector.mrad_per_pixel


def test_two_configurations_sample_a_spread_of_defocus() -> None:
    scene = {"kind": "vortex", "margin_cells": 6, "conditions": SPREAD, "simulate": MOVING}
    assert checked({"a": {"scene": scene}}).mapped() == ["a"]


def test_nothing_is_mapped_without_a_recommended_model() -> None:
    assert checked({"mine": {"scan": "scan.mib"}}, recommended=None).mapped() == []


@pytest.mark.parametrize(
    ("experiments", "evaluate", "words"),
    [
        ({"a": {}}, {}, "experiments.a: needs either `scan`"),
        ({"a": {"scan": "x", "scene": {"kind": "vortex"}}}, {}, "experiments.a: needs either"),
        ({"a": {"scan": "x", "sheet": {"stepnm": 1}}}, {}, "did you mean `step_nm`?"),
        ({"a": {"scene": {"kind": "wall_75"}}}, {}, "'wall_75' is not one of"),
        (
            {"a": {"scene": {"kind": "wall_90", "classes": ["UP"]}}},
            {},
            "experiments.a.scene: Scene a (wall_90): class UP is not one of RM, MU, LM, MD",
        ),
        (
            {"a": {"scene": {"kind": "wall_60"}}},
            {},
            "phase T has walls of 90 and 180 degrees; choose wall_180, wall_90, wall_inclined",
        ),
        (
            {"a": {"scene": {"kind": "wall_90", "classes": ["RM", "LM"]}}},
            {},
            "RM and LM are not 90 degrees apart; choose RM with MU or MD",
        ),
        ({"a": {"scene": {"kind": "vortex", "cells": [2, 4]}}}, {}, "scene.cells[0]: 2: "),
        (
            {"a": {"scene": {"kind": "b_antisite", "columns": 500}}},
            {},
            "500 defective columns do not fit evenly on 12 x 12 cells; ask for 144 at most",
        ),
        (
            {"a": {"scene": {"kind": "vortex", "conditions": {"source_fwhm_angstrom": 0.9}}}},
            {},
            "experiments.a.scene.conditions.dose_electrons: is null",
        ),
        (
            {"a": {"scene": {"kind": "vortex", "conditions": {**DOSE, **source(0.7, 1)}}}},
            {},
            "source_fwhm_angstrom: is 0.7 Å at the least, but only a source of 0.80 Å or more",
        ),
        (
            {"a": {"scene": {"kind": "vortex", "conditions": {**DOSE, **source(0, 1)}}}},
            {},
            "source_fwhm_angstrom: is 0 Å at the least",
        ),
        (
            {"a": {"scene": {"kind": "vortex", "conditions": DOSE, "simulate": MOVING}}},
            {},
            "source_fwhm_angstrom: is 0 Å at the least",
        ),
        (
            {"a": {"scene": {"kind": "vortex", "margin_cells": 6, "conditions": SPREAD}}},
            {},
            "experiments.a.scene.conditions.defocus_spread_angstrom: is sampled by the thermal "
            "configurations, but simulate.phonons.configurations is 0",
        ),
        (
            {
                "a": {
                    "scene": {
                        "kind": "vortex",
                        "margin_cells": 6,
                        "conditions": SPREAD,
                        "simulate": {"phonons": {"configurations": 1}},
                    }
                }
            },
            {},
            "but simulate.phonons.configurations is 1; use 8, say",
        ),
        (
            {
                "a": {
                    "scene": {
                        "kind": "vortex",
                        "conditions": {**DOSE, **source(1, 7)},
                        "simulate": {"accuracy": 0.03},
                    }
                }
            },
            {},
            "margin_cells: 4 cells around the scan do not hold the windows of 5 cells that probes "
            "go through, with a source of 7 Å; use 5",
        ),
        (
            {"a": {"scene": {"kind": "vortex", "simulate": WIDE}}},
            {},
            "experiments.a.scene.simulate: the detector reaches 96.0 mrad, but 32 pixels per cell "
            "hold angles up to 67.1 mrad only; set pixels_per_cell to 46 or more",
        ),
        (
            {"a": {"scene": {"kind": "vortex", "simulate": COARSE}}},
            {},
            "the aperture reaches 24.0 mrad, but 10 pixels per cell hold angles up to 21.0 mrad "
            "only; set pixels_per_cell to 12 or more",
        ),
        (
            {"a": {"scene": {"kind": "vortex", "simulate": {"energi_kv": 1}}}},
            {},
            "experiments.a.scene.simulate.energi_kv: unknown key",
        ),
        ({}, {"defect_free": ["calm"]}, "evaluate.defect_free: 'calm' is no experiment"),
        (
            {"a": {"scene": {"kind": "b_antisite"}}},
            {"defect_free": ["a"]},
            "'a' is not a virtual experiment without defects",
        ),
    ],
)
def test_what_does_not_fit_is_told(
    experiments: dict[str, Any], evaluate: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        checked(experiments, **evaluate)
    assert words in str(raised.value)
    assert len(raised.value.problems) == 1


def test_every_condition_has_its_words():
    """All that can be drawn is told in the report and on the card."""
    from polarstem.config.experiment_conditions import SceneConditions
    from polarstem.evaluate.scores.tested_domains import conditions_in_words

    ranges = {
        name: [0.5, 1.0]
        for name, field in SceneConditions.model_fields.items()
        if isinstance(field.default, tuple) or name == "dose_electrons"
    }
    told = conditions_in_words(ranges | {"amorphous_of": "carbon"})
    assert len(told) == len(ranges)
