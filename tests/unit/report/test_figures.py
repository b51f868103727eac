# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures: what they show, their files, and configs at the edge."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from polarstem.errors import PolarstemError
from polarstem.evaluate.scores.tables import compute_metrics
from polarstem.evaluate.summary.headlines import summarise_results
from polarstem.report import FIGURES
from polarstem.report.figures import style
from polarstem.report.figures.draw import draw_figures
from polarstem.report.figures.position import column_positions
from polarstem.report.figures.resources import draw_resources
from polarstem.report.figures.structure import draw_structure, project_cell
from polarstem.structures.build import read_specimen
from tests.unit.evaluate import synthetic_results as synthetic

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
CVD = {
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
}


def test_every_figure_in_every_format_small_and_visible(drawn):
    for name, formats in FIGURES.items():
        for suffix in formats:
            path = drawn.figures / f"{name}.{suffix}"
            assert path.stat().st_size < 300_000, path
            if suffix == "svg":
                assert ElementTree.parse(path).getroot().tag.endswith("svg")
                continue
            if suffix == "csv":
                assert path.read_text().startswith("panel,series")
                continue
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("L"))
                assert image.width / image.info["dpi"][0] <= 12
            assert pixels.std() > 10
            # nothing is cut off: the outermost pixels are paper
            edge = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
            assert min(side.min() for side in edge) > 200, path
    assert not plt.get_fignums()


def test_figures_are_reproducible(drawn, tmp_path):
    for name in ("a", "b"):
        draw_resources(drawn.summary, [tmp_path / f"{name}.png", tmp_path / f"{name}.svg"])
    for suffix in ("png", "svg"):
        a, b = (tmp_path / f"{name}.{suffix}" for name in "ab")
        assert a.read_bytes() == b.read_bytes()


def test_direction_colours_are_cyclic_and_told_apart_by_the_colour_blind():
    assert style.direction_colour(0.0) == pytest.approx(style.direction_colour(360.0))
    wheel = style.direction_colour(np.arange(0, 361, 1.0))
    assert np.abs(np.diff(wheel, axis=0)).max() < 0.05
    assert style.direction_colour(np.nan) == pytest.approx([128 / 255] * 3)
    linear = style.direction_colour(synthetic.DIRECTIONS) ** 2.2
    for matrix in (np.eye(3), *map(np.array, CVD.values())):
        seen = np.clip(linear @ matrix.T, 0, 1) ** (1 / 2.2)
        distance = np.linalg.norm(seen[:, None] - seen[None], axis=-1)
        assert distance[~np.eye(8, dtype=bool)].min() > 0.12


def test_projected_cell_has_the_template_shifts(drawn):
    cells = {
        read_specimen(path).info["class_name"]: project_cell(read_specimen(path))
        for path in drawn.structures
    }
    right, left = cells["RM"], cells["LM"]
    assert right.labels == {"A": "K/Na", "B": "Nb", "O": "O"}
    assert sorted(right.kinds) == ["A", "B", "O", "O", "O"]
    b = right.kinds.index("B")
    assert right.shift[b, 0] > 0  # Nb moves along P, oxygen against it
    assert right.shift[[k == "O" for k in right.kinds], 0].mean() < 0
    assert right.shift == pytest.approx(-left.shift, abs=1e-6)
    up = cells["MU"]
    assert up.shift[b, 1] == pytest.approx(right.shift[b, 0], abs=1e-6)


def test_columns_of_both_zone_axes():
    square = column_positions((0, 0, 1))
    assert square["A"].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert square["B"].tolist() == [[0.5, 0.5]]
    assert len(square["O"]) == 4
    oblong = column_positions((1, 1, 0))
    assert [0, 0] in oblong["A"].tolist()
    assert [0.5, 0] in oblong["A"].tolist()
    assert [0, 0.5] in oblong["B"].tolist()


def test_smallest_run_still_draws(drawn, tmp_path):
    """One model without history, one class table, one domain, one specimen per class."""
    config = synthetic.make_config(test_specimens=1)
    config["models"] = {"pca_knn": config["models"]["pca_knn"]}
    config["train"]["runs"] = [{"models": ["pca_knn"], "sources": ["thin"]}]
    config["train"]["sources"].pop("mixed")
    config["evaluate"]["domains"] = ["static20"]
    predictions = synthetic.write_predictions(tmp_path / "p", config, positions=1)
    compute_metrics(predictions, tmp_path / "m.csv", tmp_path / "c.nc")
    (tmp_path / "models" / "pca_knn" / "thin" / "0").mkdir(parents=True)
    models = [tmp_path / "models" / "pca_knn" / "thin" / "0"]
    summary = tmp_path / "s.json"
    summarise_results(
        tmp_path / "m.csv", tmp_path / "c.nc", config, tmp_path, summary, model_dirs=models
    )
    assert "same_thickness.best" not in json.loads(summary.read_text())
    draw_figures(
        structures=drawn.structures[:2],
        examples=drawn.examples[1:2],
        model_dirs=models,
        predictions=predictions,
        metrics_csv=tmp_path / "m.csv",
        confusion_nc=tmp_path / "c.nc",
        summary_json=summary,
        information_nc=synthetic.write_information(tmp_path / "i.nc", groups=0),
        config=config,
        output_dir=tmp_path / "figures",
    )
    assert len(list((tmp_path / "figures").iterdir())) == sum(map(len, FIGURES.values()))


def test_missing_specimen_file_is_one_sentence(tmp_path):
    with pytest.raises(PolarstemError, match="no specimen file"):
        draw_structure([tmp_path / "no.xyz"], tmp_path / "s.png")
