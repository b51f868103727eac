# SPDX-License-Identifier: GPL-3.0-or-later
"""All figures of the report in one call."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polarstem.logs import progress
from polarstem.report import FIGURES
from polarstem.report.figures.accuracy import draw_accuracy
from polarstem.report.figures.confusion import draw_confusion
from polarstem.report.figures.displacement_scores import draw_displacement_scores
from polarstem.report.figures.examples import draw_examples
from polarstem.report.figures.experiment import draw_experiment
from polarstem.report.figures.fair_comparison import draw_fair_comparison
from polarstem.report.figures.information import draw_information
from polarstem.report.figures.ladder import draw_ladder
from polarstem.report.figures.position import draw_position
from polarstem.report.figures.resources import draw_resources
from polarstem.report.figures.story import draw_story
from polarstem.report.figures.structure import draw_structure
from polarstem.report.figures.training import draw_training
from polarstem.report.figures.transfer import draw_thickness, draw_transfer
from polarstem.report.figures.vector_bound import draw_vector_bound


def draw_figures(
    *,
    structures: Sequence[Path | str],
    examples: Sequence[Path | str],
    model_dirs: Sequence[Path | str],
    predictions: Sequence[Path | str],
    metrics_csv: Path | str,
    confusion_nc: Path | str,
    summary_json: Path | str,
    information_nc: Path | str,
    config: Mapping[str, Any],
    output_dir: Path | str,
    vector_bound_nc: Path | str | None = None,
    displacements_json: Path | str | None = None,
) -> None:
    """Draw every figure in every format of `polarstem.report.FIGURES`.

    Parameters
    ----------
    structures : sequence of path
        Specimens of the reference domain's set, one per class (of more, the first of each class is
        drawn).
    examples : sequence of path
        Data sets of that set, one or more thicknesses in each.
    model_dirs : sequence of path
        All saved models, ``{model}/{source}/{seed}``.
    predictions : sequence of path
        All prediction files, ``{model}/{source}/{seed}.nc``.
    metrics_csv, confusion_nc, summary_json : path
        Tables and headline numbers.
    information_nc : path
        The information limit.
    config : mapping
        The resolved config.
    output_dir : path
        Folder of the figures, ``{name}.png``, ``{name}.svg`` and, of what is drawn, ``{name}.csv``.
    vector_bound_nc : path, optional
        The bound of displacements, where it was asked for.
    displacements_json : path, optional
        Fitted displacements beside the true ones, where they were asked for.
    """
    summary = json.loads(Path(summary_json).read_text(encoding="utf-8"))
    chance = float(summary["chance"]["value"])
    semiangle = float(config["simulate"]["semiangle_mrad"])
    outputs = {
        name: [Path(output_dir) / f"{name}.{suffix}" for suffix in formats]
        for name, formats in FIGURES.items()
    }
    draw = {
        "story": lambda to: draw_story(summary, config, to),
        "fair_comparison": lambda to: draw_fair_comparison(summary, model_dirs, config, to),
        "structure": lambda to: draw_structure(structures, to),
        "examples": lambda to: draw_examples(examples, semiangle, to),
        "accuracy": lambda to: draw_accuracy(summary, float(config["simulate"]["accuracy"]), to),
        "training": lambda to: draw_training(model_dirs, config, chance, to),
        "transfer": lambda to: draw_transfer(metrics_csv, config, chance, to),
        "ladder": lambda to: draw_ladder(metrics_csv, config, chance, to),
        "experiment": lambda to: draw_experiment(
            metrics_csv, predictions, model_dirs, config, chance, to
        ),
        "confusion": lambda to: draw_confusion(confusion_nc, config, to),
        "position": lambda to: draw_position(information_nc, predictions, config, to),
        "thickness": lambda to: draw_thickness(metrics_csv, config, chance, to),
        "information": lambda to: draw_information(information_nc, metrics_csv, config, to),
        "vector_bound": lambda to: draw_vector_bound(vector_bound_nc, config, to),
        "displacement_scores": lambda to: draw_displacement_scores(displacements_json, config, to),
        "resources": lambda to: draw_resources(summary, to),
    }
    for name, paths in progress(outputs.items(), len(outputs), "drawing"):
        draw[name](paths)
