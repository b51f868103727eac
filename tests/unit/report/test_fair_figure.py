# SPDX-License-Identifier: GPL-3.0-or-later
"""The figure that separates data from architecture shows what the summary holds."""

from __future__ import annotations

import json

import numpy as np
import pytest

from polarstem.report.figures import fair_comparison
from polarstem.report.figures.fair_comparison import draw_fair_comparison

MODELS = ["cnn", "wide"]
HISTORY = "epoch,validation_accuracy,seconds\n1,0.2,60\n2,0.3,60\n3,0.5,120\n"


@pytest.fixture
def figure(tmp_path, monkeypatch):
    """The figure of two models on ideal patterns, of which one saw the whole stream."""
    stream = {"specimens": ["warm"], "conditions": {}, "patterns": 800}
    config = {
        "models": {name: {} for name in MODELS},
        "train": {"sources": {"thin": ["t20"], "brief": stream, "whole": stream}},
        "evaluate": {
            "experiment": "emulated",
            "reference_source": "thin",
            "recommended": {"model": "wide", "source": "whole"},
        },
    }
    scores = {"cnn.ideal": 0.1, "cnn.brief": 0.3, "wide.ideal": 0.2, "wide.varied": 0.8}
    summary = {
        f"learning.fair.{key}": {"value": v, "low": v - 0.05, "high": v + 0.1}
        for key, v in scores.items()
    } | {"chance": {"value": 0.125}}
    folders = []
    for model, source in (("cnn", "thin"), ("cnn", "brief"), ("wide", "whole")):
        folders.append(tmp_path / model / source / "0")
        folders[-1].mkdir(parents=True)
        about = {"training_patterns": 300, "stream": {"uses_of_each": 4}}
        (folders[-1] / "model.json").write_text(json.dumps(about))
        (folders[-1] / "history.csv").write_text(HISTORY)
    kept = []
    monkeypatch.setattr(fair_comparison.style, "save", lambda figure, _: kept.append(figure))
    draw_fair_comparison(summary, folders, config, tmp_path / "figure.svg")
    return kept[0]


def test_scores_stand_beside_their_models_hollow_for_ideal_patterns(figure):
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cnn", "wide"]
    marks = {
        (round(float(line.get_ydata()[0])), float(line.get_xdata()[0])): line.get_mfc() == "white"
        for line in axes.lines
        if line.get_marker() == "o"
    }
    assert marks == {(0, 0.1): True, (0, 0.3): False, (1, 0.2): True, (1, 0.8): False}
    bounds = {tuple(map(float, line.get_xdata())) for line in axes.lines if line.get_lw() == 1}
    assert {tuple(np.round(pair, 9)) for pair in bounds} >= {(0.05, 0.2), (0.75, 0.9)}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["thin", "brief", "whole"]


def test_learning_goes_by_patterns_seen_and_by_minutes_on_streams_alone(figure):
    for axes, x in zip(figure.axes[1:], ([400, 800, 1200], [1, 2, 4]), strict=True):
        curves = [line for line in axes.lines if len(line.get_xdata()) == 3]
        assert len(curves) == 2  # that on ideal patterns is not among them
        for line in curves:
            assert line.get_xdata() == pytest.approx(x)
            assert line.get_ydata() == pytest.approx([0.2, 0.3, 0.5])
