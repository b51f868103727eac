# SPDX-License-Identifier: GPL-3.0-or-later
"""Figure that separates data from architecture: models on ideal patterns and on the stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from polarstem.evaluate.summary.fair_table import IDEAL, VARIED, fair_rows, fair_sources
from polarstem.evaluate.summary.headlines import HISTORY
from polarstem.evaluate.summary.scores_and_costs import patterns_seen
from polarstem.report.figures import style
from polarstem.report.figures.drawn_data import DECORATION
from polarstem.report.figures.looks import colour_of, label_ends

ROW_IN = 0.3
SIZES = {IDEAL: 5.5, VARIED: 6.5}  # points
OTHER_SIZE = 4.0  # of streams of another length


def draw_fair_comparison(
    summary: Mapping[str, Any],
    model_dirs: Sequence[Path | str],
    config: Mapping[str, Any],
    output: Path | str | Sequence[Path | str],
) -> None:
    """Draw the score on the experiment by training data, and how it was learned.

    Parameters
    ----------
    summary : mapping
        The summary, with the keys of `polarstem.evaluate.summary.fair_table.fair_entries`.
    model_dirs : sequence of path
        Saved models, ``{model}/{source}/{seed}``; those without a history have no curve.
    config : mapping
        The resolved config.
    output : path or paths
        PNG and SVG files.
    """
    rows = fair_rows(summary, config)
    with style.new_figure(style.WIDTH_IN, max(2.7, 1.2 + ROW_IN * len(rows))) as figure:
        scores, by_patterns, by_minutes = figure.subplots(1, 3, width_ratios=(1.7, 1, 1))
        if not rows:
            for axes in (scores, by_patterns, by_minutes):
                axes.axis("off")
            text = "No model was trained both on ideal patterns and on the recommended source."
            scores.text(0, 0.5, text)
            style.save(figure, output)
            return
        chance = float(summary["chance"]["value"])
        _draw_scores(scores, rows, summary, config)
        _draw_learning((by_patterns, by_minutes), rows, model_dirs, config)
        scores.axvline(chance, color="0.45", lw=1, ls=":")
        scores.text(chance, len(rows) - 0.42, " chance", va="top", fontsize=7)
        for axes in (by_patterns, by_minutes):
            axes.axhline(chance, color="0.45", lw=1, ls=":")
        style.save(figure, output)


def _draw_scores(
    axes: Axes,
    rows: Sequence[Mapping[str, Any]],
    summary: Mapping[str, Any],
    config: Mapping[str, Any],
) -> None:
    """Draw a line per model, from ideal patterns (hollow) to the whole stream (full)."""
    columns = fair_sources(config)
    for y, row in enumerate(reversed(rows)):
        colour = colour_of(row["model"], config)
        found = {column: summary[key] for column, key in row["keys"].items()}
        found = {column: score for column, score in found.items() if score["value"] is not None}
        values = [score["value"] for score in found.values()]
        if values:
            axes.plot(
                [min(values), max(values)],
                [y, y],
                color="0.8",
                lw=4,
                solid_capstyle="butt",
                label=DECORATION,
            )
        for place, (column, score) in enumerate(found.items()):
            height = y + 0.16 * (place - (len(found) - 1) / 2)
            if score["low"] is not None:
                axes.plot(
                    [score["low"], score["high"]],
                    [height] * 2,
                    color=colour,
                    lw=1,
                    label="interval",
                )
            axes.plot(
                score["value"], height, clip_on=False, zorder=3,
                label=f"trained on {columns[column]}", **_mark(column) | {"color": colour},
            )  # fmt: skip
    axes.set_yticks(range(len(rows)), [row["model"] for row in reversed(rows)])
    domain = config["evaluate"]["experiment"]
    axes.set(xlim=(0, 1), ylim=(-0.6, len(rows) - 0.4))
    axes.set_xlabel(f"balanced accuracy per pattern on {domain}")
    handles = [
        Line2D([], [], label=source, color="0.3", **_mark(column))
        for column, source in columns.items()
        if any(column in row["keys"] for row in rows)
    ]
    axes.legend(
        handles=handles, title="trained on", title_fontsize=9, alignment="left", loc="lower left",
        bbox_to_anchor=(0, 1), ncols=len(handles), handletextpad=0.1, columnspacing=0.9,
        borderpad=0, borderaxespad=0.2,
    )  # fmt: skip
    axes.grid(axis="x", color="0.9", lw=0.6)
    axes.set_axisbelow(True)


def _mark(column: str) -> dict[str, Any]:
    """Marker of a column: hollow for ideal patterns, small for streams of another length."""
    hollow = {"mfc": "white"} if column == IDEAL else {}
    return {"marker": "o", "ls": "", "ms": SIZES.get(column, OTHER_SIZE), **hollow}


def _draw_learning(
    panels: tuple[Axes, Axes],
    rows: Sequence[Mapping[str, Any]],
    model_dirs: Sequence[Path | str],
    config: Mapping[str, Any],
) -> None:
    """Draw validation accuracy on the streams over patterns seen, and over minutes."""
    columns = fair_sources(config)
    streams = {source: column for column, source in columns.items() if column != IDEAL}
    compared = {row["model"] for row in rows}
    ends: dict[str, tuple[float, str, str]] = {}
    for folder in map(Path, model_dirs):
        model, source = folder.parts[-3:-1]
        if model not in compared or source not in streams or not (folder / HISTORY).is_file():
            continue
        epochs = pd.read_csv(folder / HISTORY)
        seen = np.arange(1, len(epochs) + 1) / len(epochs) * patterns_seen(folder)
        whole = streams[source] == VARIED
        look: dict[str, Any] = {"color": colour_of(model, config), "lw": 1.6 if whole else 1.0}
        for axes, x in zip(panels, (seen, epochs["seconds"].cumsum() / 60), strict=True):
            name = f"{model}, on {source}"
            axes.plot(x, epochs["validation_accuracy"], label=name, **look)
            end: dict[str, Any] = {"marker": "o", "ms": SIZES[VARIED] if whole else OTHER_SIZE}
            axes.plot(
                [np.asarray(x)[-1]],
                epochs["validation_accuracy"].iloc[-1:],
                **look | end | {"label": DECORATION},
            )
        if whole or model not in ends:
            ends[model] = (float(epochs["validation_accuracy"].iloc[-1]), model, look["color"])
    for axes, label in zip(panels, ("patterns seen", "minutes of training"), strict=True):
        axes.set(xscale="log", ylim=(0, 1), xlabel=label)
        axes.xaxis.set_minor_formatter(NullFormatter())
    panels[0].set_ylabel("accuracy on validation patterns")
    panels[1].set_yticklabels([])
    label_ends(panels[1], list(ends.values()), 0.08)
    panels[0].set_title("learning curves", loc="left")
    if not panels[0].lines:
        panels[0].text(0.5, 0.5, "no network", transform=panels[0].transAxes, ha="center")
