# SPDX-License-Identifier: GPL-3.0-or-later
"""Figure of the ladder: accuracy against the severity of one changed condition at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from polarstem.evaluate.scores.rungs import FACTORS, Rung, contenders, rungs_of
from polarstem.evaluate.summary.headlines import HEADLINE, pool_seeds, read_metrics
from polarstem.report.figures import style
from polarstem.report.figures.looks import look_of

COLUMNS = 4


def draw_ladder(
    metrics_csv: Path | str,
    config: Mapping[str, Any],
    chance: float,
    output: Path | str | Sequence[Path | str],
) -> None:
    """Draw a panel for each factor, severities evenly spaced.

    Parameters
    ----------
    metrics_csv : path
        The table of scores.
    config : mapping
        The resolved config.
    chance : float
        Balanced accuracy of random guesses.
    output : path or paths
        PNG and SVG files.
    """
    table = read_metrics(metrics_csv)
    table = pool_seeds(table[table["metric"] == HEADLINE])
    scores = table.set_index(["model", "source", "domain"])
    runs = set(zip(table["model"], table["source"], strict=True))
    lines = [pair for pair in contenders(config) if pair in runs]
    factors = rungs_of(config)
    columns = min(COLUMNS, max(1, len(factors)))
    rows = max(1, -(-len(factors) // columns))
    legend_rows = -(-(len(lines) + 1) // 4)
    height = 0.35 + 1.62 * rows + 0.2 * legend_rows
    with style.new_figure(style.WIDTH_IN, height) as figure:
        grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
        for axes, (factor, rungs) in zip(grid.flat, factors.items(), strict=False):
            for model, source in lines:
                _draw_line(axes, scores, model, source, rungs, look_of(model, source, config))
            _label(axes, factor, rungs, chance)
        for axes in grid.flat[len(factors) :]:
            axes.axis("off")
        if not factors:
            grid[0, 0].text(0, 0.5, "This run tests a single condition.")
        handles = [
            Line2D([], [], label=f"{m}, trained on {s}", **look_of(m, s, config)) for m, s in lines
        ]
        handles.append(Line2D([], [], color="0.45", lw=1, ls=":", label="chance"))
        figure.legend(handles=handles, loc="outside lower center", ncols=3, columnspacing=1.2)
        figure.supylabel("balanced accuracy", fontsize=8.5)
        style.save(figure, output)


def _draw_line(
    axes: Axes,
    scores: pd.DataFrame,
    model: str,
    source: str,
    rungs: Sequence[Rung],
    look: Mapping[str, Any],
) -> None:
    """Draw one model with its intervals as a band; rungs without a score are left out."""
    keys = [(model, source, rung.domain) for rung in rungs]
    places = [i for i, key in enumerate(keys) if key in scores.index]
    found = scores.loc[[keys[i] for i in places]]
    name = f"{model}, trained on {source}"
    axes.plot(places, found["value"], clip_on=False, label=name, **look)
    low, high = (found[side].fillna(found["value"]) for side in ("low", "high"))
    axes.fill_between(places, low, high, color=look["color"], alpha=0.12, lw=0, label=name)


def _label(axes: Axes, factor: str, rungs: Sequence[Rung], chance: float) -> None:
    name, unit = FACTORS.get(factor, (factor.replace("_", " "), ""))
    axes.set_title(f"{name} [{unit}]" if unit else name, fontsize=8.5)
    axes.axhline(chance, color="0.45", lw=1, ls=":")
    base = next(i for i, rung in enumerate(rungs) if rung.base)
    axes.axvline(base, color="0.9", lw=9, zorder=0)
    axes.set_xticks(range(len(rungs)), [_severity(rung) for rung in rungs])
    axes.tick_params(axis="x", labelsize=7 if len(rungs) < 7 else 6)
    axes.set(ylim=(0, 1.02), yticks=[0, 0.5, 1], xlim=(-0.35, len(rungs) - 0.65))


def _severity(rung: Rung) -> str:
    """A severity in few characters; an unlimited dose is infinite."""
    if np.isinf(rung.severity):
        return "∞"
    size = abs(rung.severity)
    if size >= 1000 or 0 < size < 0.001:
        mantissa, exponent = f"{rung.severity:.0e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    return f"{rung.severity:g}".replace("-", "−")
