# SPDX-License-Identifier: GPL-3.0-or-later
"""Figure of the time and memory that the stages took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from polarstem.report.figures import style


def stage_table(summary: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Collect the stages of a summary: rule, jobs, seconds and max_rss_mb (None if unsampled)."""
    rules = [key.split(".")[1] for key in summary if key.startswith("stages.")]
    return [
        {"rule": rule}
        | {
            name: summary.get(f"stages.{rule}.{name}", {}).get("value")
            for name in ("jobs", "seconds", "max_rss_mb")
        }
        for rule in dict.fromkeys(rules)
    ]


def draw_resources(
    summary: Mapping[str, Mapping[str, Any]], output: Path | str | Sequence[Path | str]
) -> None:
    """Draw seconds and peak memory of each stage.

    Parameters
    ----------
    summary : mapping
        The headline numbers, with ``stages.<rule>.seconds`` and ``.max_rss_mb``.
    output : path or paths
        PNG and SVG files.
    """
    stages = stage_table(summary)
    labels = [f"{s['rule']} ({s['jobs']:.0f} job{'s' * (s['jobs'] != 1)})" for s in stages]
    with style.new_figure(style.WIDTH_IN, 0.8 + 0.27 * max(2, len(stages))) as figure:
        time, memory = figure.subplots(1, 2, sharey=True)
        _bars(time, labels, [s["seconds"] for s in stages], style.MODEL_COLOURS[0], "s")
        _bars(memory, labels, [s["max_rss_mb"] for s in stages], style.MODEL_COLOURS[1], "MB")
        time.set_xlabel("time of all jobs, added up [s]")
        memory.set_xlabel("peak memory of one job [MB]")
        time.invert_yaxis()
        style.save(figure, output)


def _bars(
    axes: Axes, labels: Sequence[str], values: Sequence[float | None], colour: str, unit: str
) -> None:
    bars = axes.barh(labels, [value or 0 for value in values], color=colour, height=0.65)
    texts = ["not sampled" if value is None else f"{value:,.0f} {unit}" for value in values]
    axes.bar_label(bars, texts, padding=3, fontsize=7.5)
    axes.margins(x=0.22)
    axes.tick_params(axis="y", length=0)
