# SPDX-License-Identifier: GPL-3.0-or-later
"""Figure of the emulated experiment: scores, confidence, and how they were learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from polarstem.evaluate.scores.predictions import read_predictions
from polarstem.evaluate.scores.rungs import contenders, joint_sources, streams
from polarstem.evaluate.summary.headlines import HEADLINE, HISTORY, pool_seeds, read_metrics
from polarstem.report.figures import style
from polarstem.report.figures.looks import ON_STREAM, colour_of, look_of

CELL = "cell_accuracy"
CONFIDENCE_BINS = 10

Runs = Mapping[tuple[str, str], tuple[NDArray[np.float64], NDArray[np.bool_]]]


def draw_experiment(
    metrics_csv: Path | str,
    predictions: Sequence[Path | str],
    model_dirs: Sequence[Path | str],
    config: Mapping[str, Any],
    chance: float,
    output: Path | str | Sequence[Path | str],
) -> None:
    """Draw scores, and confidence and learning of some models, on the experiment.

    Models that are told from chance have a row each, all others one together. Runs without an
    emulated experiment show the reference data domain.

    Parameters
    ----------
    metrics_csv : path
        The table of scores.
    predictions : sequence of path
        Prediction files, ``{model}/{source}/{seed}.nc``.
    model_dirs : sequence of path
        Saved models, ``{model}/{source}/{seed}``.
    config : mapping
        The resolved config.
    chance : float
        Accuracy of random guesses.
    output : path or paths
        PNG and SVG files.
    """
    domain = config["evaluate"].get("experiment") or config["evaluate"]["reference_domain"]
    table = read_metrics(metrics_csv)
    table = pool_seeds(table[table["domain"] == domain])
    shown = shown_sources(config)
    table = table[table["source"].isin(shown) & table["metric"].isin([HEADLINE, CELL])]
    told, others = told_from_chance(table, chance)
    rows = max(1, len(told) + bool(len(others)))
    answers = confidences(predictions, contenders(config), domain)
    with style.new_figure(style.WIDTH_IN, 3.25 + 0.21 * rows) as figure:
        ratios = (0.21 * rows + 0.6, 2.65)
        parts: Any = figure.subfigures(2, 1, height_ratios=ratios)
        top, bottom = parts
        _draw_scores(top.subplots(), table, told, others, config, chance)
        reliability, risk, learning = bottom.subplots(1, 3)
        for run, (confidence, right) in answers.items():
            look = look_of(*run, config) | {"label": f"{run[0]}, trained on {run[1]}"}
            _draw_reliability(reliability, confidence, right, look)
            _draw_risk(risk, right[np.argsort(-confidence, kind="stable")], look)
        reliability.plot([0, 1], [0, 1], color="0.6", lw=1, zorder=0)
        reliability.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy")
        reliability.set_title("reliability")
        risk.set(xlim=(0, 1), ylim=(0, 1), xlabel="coverage", ylabel="error of those answered")
        risk.set_title("risk and coverage")
        _draw_learning(learning, model_dirs, config, chance)
        lines, names = reliability.get_legend_handles_labels()
        if lines:
            bottom.legend(lines, names, loc="outside lower center", ncols=3, columnspacing=1.2)
        style.save(figure, output)


def told_from_chance(table: pd.DataFrame, chance: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores whose interval lies above chance, worst first, and all others."""
    scores = table[table["metric"] == HEADLINE].sort_values("value", kind="stable")
    above = scores["low"] > chance
    return scores[above], scores[~above]


def shown_sources(config: Mapping[str, Any]) -> list[str]:
    """Training sources that stand in the experiment's table: reference, joint ones, streams."""
    reference = config["evaluate"]["reference_source"]
    return list(dict.fromkeys([reference, *joint_sources(config), *streams(config)]))


def confidences(
    predictions: Sequence[Path | str], runs: Sequence[tuple[str, str]], domain: str
) -> Runs:
    """Confidence of some models, and whether they were right.

    Returns
    -------
    dict of (model, source) to (confidence, right), each of shape (patterns,)
        Training seeds one after another; models without predictions are left out.
    """
    parts: dict[tuple[str, str], list[Any]] = {}
    for path in map(Path, predictions):
        model, source = path.parts[-3:-1]
        if (model, source) in runs:
            parts.setdefault((model, source), []).extend(read_predictions(path, only=(domain,)))
    return {
        run: (
            np.concatenate([p.probability.max(1).astype(float) for p in found]),
            np.concatenate([p.predicted == p.class_index for p in found]),
        )
        for run, found in parts.items()
        if found
    }


def _draw_scores(
    axes: Axes,
    table: pd.DataFrame,
    told: pd.DataFrame,
    others: pd.DataFrame,
    config: Mapping[str, Any],
    chance: float,
) -> None:
    """Draw a row per model, best at the top: patterns full, unit cells hollow."""
    first = 1 if len(others) else 0
    keys = list(zip(told["model"], told["source"], strict=True))
    for y, (model, source) in enumerate(keys, first):
        here = table[(table["model"] == model) & (table["source"] == source)]
        for row in here.to_dict("records"):
            full = row["metric"] == HEADLINE
            place = y + (0.13 if full else -0.13)
            colour = colour_of(model, config)
            bounds = [row["value"] if np.isnan(row[k]) else row[k] for k in ("low", "high")]
            error = np.abs(np.array([bounds]).T - row["value"])
            axes.errorbar(
                row["value"], place, xerr=error, elinewidth=1.2 if full else 0.8,
                marker=ON_STREAM["marker"] if full else "D", ms=4.5, ls="", color=colour,
                mfc=colour if full else "white", clip_on=False,
                label="per pattern" if full else "per unit cell",
            )  # fmt: skip
    names = [f"{m}, trained on {s}" for m, s in keys]
    if len(others):
        axes.plot(others["value"], np.zeros(len(others)), "|", color="0.35", ms=7, label="others")
        names = [f"{len(others)} others, none surely above chance", *names]
    axes.set_yticks(range(len(names)), names, fontsize=7.5)
    axes.axvline(chance, color="0.45", lw=1, ls=":")
    axes.text(chance, 1.0, "chance", transform=axes.get_xaxis_transform(), ha="center", fontsize=7)
    axes.set(xlim=(0, 1), ylim=(-0.6, max(1, len(names)) - 0.4))
    cells = "; diamonds: accuracy per unit cell" if (table["metric"] == CELL).any() else ""
    axes.set_xlabel(f"balanced accuracy per pattern{cells}")
    axes.grid(axis="x", color="0.9", lw=0.6)
    axes.set_axisbelow(True)


def _draw_reliability(
    axes: Axes, confidence: NDArray[np.float64], right: NDArray[np.bool_], look: Mapping[str, Any]
) -> None:
    from sklearn.calibration import calibration_curve  # which takes seconds

    share, mean = calibration_curve(
        right, np.clip(confidence, 0, 1), n_bins=CONFIDENCE_BINS, strategy="uniform"
    )
    axes.plot(mean, share, **look)


def _draw_risk(axes: Axes, right: NDArray[np.bool_], look: Mapping[str, Any]) -> None:
    """Draw the error of the most confident patterns; the first per cent are too few to say."""
    count = np.arange(1, len(right) + 1)
    risk = np.cumsum(~right) / count
    kept = np.unique(np.linspace(len(right) // 100, len(right) - 1, 100).astype(int))
    style_of_line = {key: value for key, value in look.items() if key not in ("marker", "ms")}
    axes.plot(count[kept] / len(right), risk[kept], **style_of_line)


def _draw_learning(
    axes: Axes,
    model_dirs: Sequence[Path | str],
    config: Mapping[str, Any],
    chance: float,
) -> None:
    """Draw validation accuracy over training time, of the networks among the contenders.

    Those that learn from a stream, if there are any.
    """
    drawn = contenders(config)
    histories = {
        folder: (folder.parts[-3], folder.parts[-2])
        for folder in map(Path, model_dirs)
        if (folder / HISTORY).is_file() and (folder.parts[-3], folder.parts[-2]) in drawn
    }
    flowing = [source for source in streams(config) if source in {s for _, s in histories.values()}]
    sources = flowing or [config["evaluate"]["reference_source"]]
    for folder, (model, source) in histories.items():
        if source in sources:
            epochs = pd.read_csv(folder / HISTORY)
            minutes = epochs["seconds"].cumsum() / 60
            look = look_of(model, source, config) | {"ms": 3, "label": f"{model}, on {source}"}
            axes.plot(minutes, epochs["validation_accuracy"], **look)
    axes.axhline(chance, color="0.45", lw=1, ls=":")
    axes.set(ylim=(0, 1), xlabel="training time [min]", ylabel="validation accuracy")
    axes.set_title("learning on streams" if flowing else f"learning from {sources[0]}")
    if not histories:
        axes.text(0.5, 0.5, "no network", transform=axes.transAxes, ha="center")
