# SPDX-License-Identifier: GPL-3.0-or-later
"""The ladder read from a config: rungs, their base, and which models climb it."""

from __future__ import annotations

import math

import yaml

from polarstem.config.model import Config
from polarstem.evaluate.scores.rungs import (
    contenders,
    is_rung,
    joint_sources,
    panel_models,
    rungs_of,
    streams,
)
from tests.conftest import ROOT
from tests.unit.evaluate import synthetic_ladder as ladder


def severities(config, factor):
    return [(rung.severity, rung.base) for rung in rungs_of(config)[factor]]


def test_the_base_stands_among_the_rungs_of_every_factor():
    config = ladder.make_config()
    assert list(rungs_of(config)) == ["thickness", "tilt", "dose", "shift"]
    assert severities(config, "tilt") == [(0, True), (1, False), (3, False)]
    assert severities(config, "dose") == [(300, False), (1e6, False), (math.inf, True)]
    thickness = [(10, False), (20, True), (30, False), (50, False)]
    assert severities(config, "thickness") == thickness
    assert all(
        r.domain == "static20" for rungs in rungs_of(config).values() for r in rungs if r.base
    )


def test_a_ladder_of_the_config_becomes_rungs():
    settings = yaml.safe_load((ROOT / "tests/configs/plain.yaml").read_text())
    settings["ladder"] = {"base": "thin", "tilt": [2, 0.5], "defocus": [-50, 50]}
    config = Config.model_validate(settings).model_dump(mode="json")
    assert severities(config, "tilt") == [(0, True), (0.5, False), (2, False)]
    assert severities(config, "defocus") == [(-50, False), (0, True), (50, False)]
    assert [d for d in config["evaluate"]["domains"] if not is_rung(config, d)] == [
        *settings["evaluate"]["domains"]
    ]


def test_neutral_values_that_are_not_zero():
    config = ladder.make_config()
    config["domains"]["cubic"] |= {"factor": "amplitude", "severity": 0.0}
    assert severities(config, "amplitude") == [(0, False), (1, True)]


def test_sources_and_contenders():
    config = ladder.make_config()
    assert streams(config) == ["random"]
    assert joint_sources(config) == ["several"]
    config["train"]["sources"]["without"] = ["static10", "static30", "static50"]
    config["train"]["sources"]["most"] = ["static10", "static20", "static30", "static50"]
    assert joint_sources(config) == ["most", "several"]  # those that hold the reference thickness
    assert contenders(config) == [
        ("resnet18", "thin"),
        ("cnn", "thin"),  # not cnn_prototype, of the same family
        ("cnn", "random"),
        ("equivariant", "thin"),
        ("equivariant", "random"),
        ("pca_knn", "thin"),
    ]


def test_of_many_lines_six_are_drawn_and_none_is_chosen_by_its_score():
    config = ladder.make_config()
    stream = config["train"]["sources"]["random"]
    config["train"]["sources"]["brief"] = stream | {"patterns": 10}
    config["evaluate"]["recommended"] = {"model": "equivariant", "source": "random"}
    config["models"]["linear"] = {"family": "linear"}
    config["train"]["runs"] += [
        {"models": ["cnn", "equivariant", "resnet18"], "sources": ["brief"]},
        {"models": ["linear", "resnet18"], "sources": ["thin", "random"]},
    ]
    assert contenders(config) == [
        ("resnet18", "thin"),
        ("resnet18", "random"),  # the longer of its streams
        ("cnn", "thin"),
        ("equivariant", "thin"),
        ("equivariant", "random"),  # recommended
        ("pca_knn", "thin"),
    ]


def test_many_models_are_shown_by_the_first_of_each_family():
    config = ladder.make_config()
    few = ["cnn", "cnn_prototype", "pca_knn"]
    assert panel_models(config, few) == few
    many = [*few, "resnet18", "equivariant", *(f"cnn_{k}" for k in range(5))]
    assert panel_models(config, many) == ["cnn", "pca_knn", "resnet18", "equivariant"]
