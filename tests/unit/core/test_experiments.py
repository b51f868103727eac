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

TINY = Path(__file__).parents[2] / "configs" / "tiny.yaml"


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
            "walls": {"scene": {"kind": "wall_90", "simulate": {"detector": {"pixels": 64}}}},
        },
        defect_free=["calm"],
    )
    assert config.mapped() == ["mine", "other", "walls"]
    simulate = config.simulate_of_scene("walls")
    assert simulate.detector.pixels == 64
    assert simulate.detector.mrad_per_pixel == config.simulate.detector.mrad_per_pixel


def test_nothing_is_mapped_without_a_recommended_model() -> None:
    assert checked({"mine": {"scan": "scan.mib"}}, recommended=None).mapped() == []


@pytest.mark.parametrize(
    ("experiments", "evaluate", "words"),
    [
        ({"a": {}}, {}, "experiments.a: needs either `scan`"),
        ({"a": {"scan": "x", "scene": {"kind": "vortex"}}}, {}, "experiments.a: needs either"),
        ({"a": {"scan": "x", "sheet": {"stepnm": 1}}}, {}, "did you mean `step_nm`?"),
        ({"a": {"scene": {"kind": "wall_75"}}}, {}, "'wall_75' is not one of"),
        ({"a": {"scene": {"kind": "wall_90", "classes": ["UP"]}}}, {}, "'UP' is no class; known"),
        (
            {"a": {"scene": {"kind": "vortex", "simulate": {"energi_kv": 1}}}},
            {},
            "experiments.a.scene.simulate.energi_kv: unknown key",
        ),
        ({}, {"defect_free": ["calm"]}, "evaluate.defect_free: 'calm' is no experiment"),
        (
            {"a": {"scene": {"kind": "nb_antisite"}}},
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
