# SPDX-License-Identifier: GPL-3.0-or-later
"""Story, transfer, thickness and experiment: which numbers are drawn, and how many lines."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from polarstem.report.figures import transfer
from polarstem.report.figures.experiment import told_from_chance
from polarstem.report.figures.looks import colour_of, look_of, spread
from polarstem.report.figures.story import draw_story, story_scores
from polarstem.report.figures.transfer import draw_thickness, draw_transfer, transfer_matrix
from tests.unit.evaluate import synthetic_ladder as ladder


@pytest.fixture
def config():
    made = ladder.make_config()
    made["evaluate"]["recommended"] = {"model": "equivariant", "source": "random"}
    return made


def entry(value):
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def summary(config):
    found = {"chance": entry(0.125), "same_thickness.best": entry(0.9) | {"model": "cnn"}}
    for model in config["models"]:
        found[f"same_thickness.{model}"] = entry(ladder.SAME[model])
    for source, scores in ladder.EXPERIMENT.items():
        for model, value in scores.items():
            key = f"learning.emulated.balanced_accuracy.{model}.{source}"
            found[key] = entry(value)
    return found


def table():
    """Scores of every training on two data domains and a control, without intervals."""
    rows = []
    for source, scores in ladder.EXPERIMENT.items():
        for model, value in scores.items():
            for domain, nm in (
                ("static20", 1.0),
                ("static30", 0.9),
                ("emulated", value),
                ("cubic", 0),
            ):
                rows.append({
                    "model": model, "family": model, "head": "none", "source": source, "seed": 0,
                    "domain": domain, "metric": "balanced_accuracy", "value": nm, "low": np.nan,
                    "high": np.nan, "mean_low": np.nan, "mean_high": np.nan, "n": 4,
                })  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture
def metrics_csv(tmp_path):
    table().to_csv(tmp_path / "metrics.csv", index=False)
    return tmp_path / "metrics.csv"


def test_story_has_three_stages_for_each_network(config):
    scores = story_scores(summary(config), config)
    values = {model: [e and e["value"] for e in entries] for model, entries in scores.items()}
    assert values == {
        "cnn": [0.98, 0.25, 0.6],
        "equivariant": [0.99, 0.3, 0.8],
        "resnet18": [0.97, 0.2, None],
        "cnn_prototype": [0.97, 0.35, None],
    }
    assert list(values)[:2] == ["cnn", "equivariant"]  # the best by validation, the recommended
    config["models"]["cnn"]["shuffled_labels"] = True
    assert "cnn" not in story_scores(summary(config), config)


def test_story_tells_what_a_run_has(config, tmp_path):
    bare = {"chance": entry(0.125)}
    draw_story(bare, config, tmp_path / "none.svg")
    del config["evaluate"]["experiment"], config["evaluate"]["recommended"]
    draw_story(bare | {"same_thickness.cnn": entry(0.9)}, config, tmp_path / "one.csv")
    drawn = pd.read_csv(tmp_path / "one.csv")
    assert drawn["y"].tolist() == [0.9]
    assert drawn["x"].tolist() == ["ideal patterns"]


def test_transfer_has_a_row_for_each_training_and_no_controls(config, metrics_csv, tmp_path):
    matrix = transfer_matrix(metrics_csv, config)
    assert list(matrix.columns) == ["static20", "static30", "emulated"]
    sources = [source for _, source in matrix.index]
    assert sources == ["thin"] * 5 + ["several"] * 2 + ["random"] * 2
    assert matrix.loc[("equivariant", "random"), "emulated"] == 0.8
    draw_transfer(metrics_csv, config, 0.125, tmp_path / "t.csv")
    drawn = pd.read_csv(tmp_path / "t.csv")
    assert len(drawn) == matrix.size
    assert drawn["value"].to_numpy() == pytest.approx(matrix.to_numpy().ravel())
    assert set(drawn["x"]) == set(matrix.columns)


def test_thickness_has_six_lines_at_most_and_names_them(config, metrics_csv, tmp_path, monkeypatch):
    named = []
    monkeypatch.setattr(transfer, "label_ends", lambda _, ends, gap: named.extend(ends))
    draw_thickness(metrics_csv, config, 0.125, tmp_path / "t.csv")
    drawn = pd.read_csv(tmp_path / "t.csv")
    assert sorted(set(drawn["series"])) == sorted(name for _, name, _ in named)
    assert len(named) == 6
    assert drawn[drawn["x"] == 30]["y"].tolist() == [0.9] * 6


def test_names_stand_apart():
    heights = [0.1, 0.11, 0.5, 1.0, 1.0]
    places = spread(heights, 0.1, 0.0, 1.03)
    assert min(b - a for a, b in pairwise(places)) == pytest.approx(0.1)
    assert places[-1] <= 1.03
    assert places[2] == 0.5
    assert spread([0.5] * 3, 1.0, 0.0, 1.0)[0] >= 0.0


def test_families_share_a_colour_and_training_a_marker(config):
    config["evaluate"]["adaptation"] = [{"model": "cnn", "method": "symmetry", "name": None}]
    assert colour_of("cnn", config) == colour_of("cnn_prototype", config)
    assert colour_of("cnn_symmetry", config) == colour_of("cnn", config)
    assert colour_of("cnn", config) != colour_of("equivariant", config)
    looks = [look_of("cnn", source, config) for source in ("thin", "several", "random")]
    assert [look["marker"] for look in looks] == ["o", "s", "o"]
    assert [look.get("mfc") for look in looks] == ["white", None, None]
    assert looks[2]["ls"] == "-"


def test_models_are_told_from_chance_by_their_interval():
    rows = [("a", 0.3, 0.2), ("b", 0.14, 0.1), ("c", 0.2, np.nan), ("d", 0.2, 0.13)]
    scores = pd.DataFrame(rows, columns=["model", "value", "low"])
    told, others = told_from_chance(scores.assign(metric="balanced_accuracy"), 0.125)
    assert told["model"].tolist() == ["d", "a"]
    assert others["model"].tolist() == ["b", "c"]
