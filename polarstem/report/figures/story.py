# SPDX-License-Identifier: GPL-3.0-or-later
"""First figure of the report: ideal patterns, an experiment, and training on varied patterns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from polarstem.evaluate.scores.rungs import MOST_LINES, streams
from polarstem.evaluate.scores.tested_domains import reference_of
from polarstem.models import model_class
from polarstem.report.figures import style
from polarstem.report.figures.drawn_data import DECORATION
from polarstem.report.figures.looks import colour_of, label_ends

Config = Mapping[str, Any]
Entries = Mapping[str, Mapping[str, Any]]
NAME_GAP = 0.075
"""Least distance of two names, in accuracy."""


def story_scores(summary: Entries, config: Config) -> dict[str, list[Mapping[str, Any] | None]]:
    """Scores of each network at the three stages of the story.

    Parameters
    ----------
    summary : mapping
        The summary.
    config : mapping
        The resolved config.

    Returns
    -------
    dict of str to list of three entries
        Balanced accuracy per pattern, trained on the reference source and tested on its own
        conditions and on the experiment, and trained on the recommended source or, without it,
        the longest stream, and tested on the experiment; None where there is no such number. The
        best network on the reference and the recommended model come first; at most as many as a
        panel can show.
    """
    evaluate, sources = config["evaluate"], config["train"]["sources"]
    experiment, ideal = evaluate.get("experiment"), reference_of(config).source
    recommended = evaluate.get("recommended") or {}
    flowing = sorted(streams(config), key=lambda s: -sources[s].get("patterns", 0))
    varied = [s for s in dict.fromkeys([recommended.get("source"), *flowing]) if s in flowing]
    start = f"learning.{experiment}.balanced_accuracy"
    found: dict[str, list[Mapping[str, Any] | None]] = {}
    for model, settings in config["models"].items():
        if settings.get("shuffled_labels") or not model_class(settings["family"]).is_network:
            continue
        learned = [f"{start}.{model}.{s}" for s in varied if f"{start}.{model}.{s}" in summary]
        same, away = f"same_thickness.{model}", f"{start}.{model}.{ideal}"
        keys = (same, away, *learned[:1])
        entries = [_known(summary, key) for key in keys]
        if any(entries):
            found[model] = [*entries, None][:3]
    best = summary.get("same_thickness.best", {}).get("model")
    order = sorted(
        found, key=lambda m: (m not in (best, recommended.get("model")), found[m][2] is None)
    )
    return {model: found[model] for model in order[:MOST_LINES]}


def _known(summary: Entries, key: str) -> Mapping[str, Any] | None:
    entry = summary.get(key)
    return None if entry is None or entry["value"] is None else entry


def draw_story(summary: Entries, config: Config, output: Path | str | Sequence[Path | str]) -> None:
    """Draw how well networks do on ideal patterns, on the experiment, and after varied training.

    Parameters
    ----------
    summary : mapping
        The headline numbers.
    config : mapping
        The resolved config.
    output : path or paths
        PNG and SVG files.
    """
    scores = story_scores(summary, config)
    with style.new_figure(4.9, 3.1) as figure:
        axes = figure.subplots()
        if not scores:
            axes.axis("off")
            axes.text(0, 0.5, "This run has no network.")
            style.save(figure, output)
            return
        told = [i for i in range(3) if any(entries[i] for entries in scores.values())]
        axes.set(xlim=(-0.35, max(told) + 0.3), ylim=(0, 1.02), yticks=[0, 0.25, 0.5, 0.75, 1])
        for model, entries in scores.items():
            _draw_model(axes, entries, colour_of(model, config), model)
        cells = _cells(summary, config)
        ends = [
            (float(entry["value"]), model, colour_of(model, config))
            for model, entries in scores.items()
            if (entry := entries[max(told)]) is not None
        ]
        if cells is not None and 2 in told:
            colour = colour_of(config["evaluate"]["recommended"]["model"], config)
            _mark(axes, 2, cells, colour, "per unit cell", marker="D", ms=7)
            ends.append((cells["value"], f"{100 * cells['value']:.0f} % per unit cell", colour))
        label_ends(axes, ends, NAME_GAP, x=0.98)
        for i, entry in enumerate(_told(scores, summary, config)):
            if entry:
                text = f"{100 * entry['value']:.0f} %"
                aside = {"xytext": (-9, 0), "ha": "right"} if i == 2 else {"xytext": (9, 0)}
                axes.annotate(
                    text, (i, entry["value"]), textcoords="offset points", va="center",
                    fontsize=12, fontweight="bold", **aside,
                )  # fmt: skip
        chance = float(summary["chance"]["value"])
        axes.axhline(chance, color="0.45", lw=1, ls=":")
        axes.text(-0.33, chance + 0.01, "chance", va="bottom", color="0.35", fontsize=7.5)
        names = ("ideal patterns", "emulated\nexperiment", "the same, trained on\nvaried patterns")
        axes.set_xticks(told, [names[i] for i in told])
        axes.tick_params(axis="x", length=0)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes.set_ylabel("balanced accuracy per pattern")
        style.save(figure, output)


def _draw_model(
    axes: Axes, entries: Sequence[Mapping[str, Any] | None], colour: str, model: str
) -> None:
    places = [i for i, entry in enumerate(entries) if entry]
    values = [entry["value"] for entry in entries if entry]
    axes.plot(places, values, color=colour, lw=1, alpha=0.5, label=DECORATION)
    for i, entry in enumerate(entries):
        if entry:
            hollow = {} if i == 2 else {"mfc": "white"}
            _mark(axes, i, entry, colour, model, marker="o", ms=5.5, **hollow)


def _told(
    scores: Mapping[str, Sequence[Mapping[str, Any] | None]], summary: Entries, config: Config
) -> list[Mapping[str, Any] | None]:
    """The three scores in large letters: twice the best network, then the recommended model."""
    best: str = summary.get("same_thickness.best", {}).get("model", "")
    recommended: str = (config["evaluate"].get("recommended") or {}).get("model", "")
    return [scores[m][i] if m in scores else None for i, m in enumerate((best, best, recommended))]


def _mark(
    axes: Axes, x: float, entry: Mapping[str, Any], colour: str, name: str, **look: Any
) -> None:
    """A score with its interval, where it has one."""
    value = entry["value"]
    low, high = (value if entry[side] is None else entry[side] for side in ("low", "high"))
    error = [[max(0.0, value - low)], [max(0.0, high - value)]]
    axes.errorbar(
        x, value, error, color=colour, ls="", elinewidth=1, label=name, clip_on=False, zorder=3,
        **look,
    )  # fmt: skip


def _cells(summary: Entries, config: Config) -> Mapping[str, Any] | None:
    """Accuracy of the recommended model per unit cell of the experiment."""
    evaluate = config["evaluate"]
    chosen, experiment = evaluate.get("recommended"), evaluate.get("experiment")
    if not chosen or not experiment:
        return None
    key = f"learning.{experiment}.cell_accuracy.{chosen['model']}.{chosen['source']}"
    return _known(summary, key)
