# SPDX-License-Identifier: GPL-3.0-or-later
"""Figure of the error budget: what grid, field and so on cost, beside the signal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from polarstem.report.figures import style

COSTS = {
    "grid": "grid",
    "field": "field",
    "window": "window of a scene",
    "slices": "planes as slices",
    "phonons": "thermal configurations",
}
SIGNALS = {"signal": "+P against −P", "signal_cubic": "polar against cubic"}
_ASKED = [COSTS[name] for name in ("grid", "field", "window")]
_COST, _SIGNAL = style.MODEL_COLOURS[0], style.MODEL_COLOURS[1]


def draw_accuracy(
    summary: Mapping[str, Mapping[str, Any]],
    accuracy: float,
    output: Path | str | Sequence[Path | str],
) -> None:
    """Draw the error budget of a run.

    Parameters
    ----------
    summary : mapping
        The headline numbers, with ``accuracy.*``.
    accuracy : float
        What grid and field were asked for (`simulate.accuracy`).
    output : path or paths
        PNG and SVG files.
    """
    rows = [
        (label, colour, summary[f"accuracy.{name}"])
        for labels, colour in ((COSTS, _COST), (SIGNALS, _SIGNAL))
        for name, label in labels.items()
        if summary.get(f"accuracy.{name}", {}).get("value") is not None
    ]
    if not rows:
        style.save_sentence("No error budget was measured.", output)
        return
    shown = [100 * max(entry["value"], *entry["by_thickness"]) for _, _, entry in rows]
    least = min([100 * accuracy, *(x for x in shown if x > 0)])
    left = 10.0 ** np.floor(np.log10(least / 3))
    right = 1.3 * max([*shown, 100 * accuracy])
    with style.new_figure(style.WIDTH_IN, 1.05 + 0.27 * len(rows)) as figure:
        axes = figure.subplots()
        for row, (_, colour, entry) in enumerate(rows):
            _bar(axes, row, colour, entry, left)
        asked = [row for row, (label, _, _) in enumerate(rows) if label in _ASKED]
        if asked:
            ends = [min(asked) - 0.45, max(asked) + 0.45]
            axes.plot([100 * accuracy] * 2, ends, color="0.25", lw=1.2, ls="--")
        axes.set(xscale="log", xlim=(left, right), xlabel="change of patterns, relative L1 [%]")
        axes.set_yticks(range(len(rows)), [label for label, _, _ in rows])
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
        axes.invert_yaxis()
        handles = [
            Patch(color=_COST, label="what the simulation costs"),
            Patch(color=_SIGNAL, label="what there is to see"),
            Line2D([], [], color="0.25", marker="o", ms=3, ls="", mfc="white", label="thicknesses"),
            Line2D([], [], color="0.25", lw=1.2, ls="--", label="asked for"),
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=4)
        style.save(figure, output)


def _bar(axes: Any, row: int, colour: str, entry: Mapping[str, Any], left: float) -> None:
    value = 100 * entry["value"]
    if value > left:
        axes.barh(row, value - left, left=left, color=colour, height=0.62, alpha=0.85)
        low, high = (100 * entry[side] for side in ("low", "high"))
        axes.plot([max(low, left), high], [row, row], "-k", lw=1.2)
        single = np.array([100 * x for x in entry["by_thickness"]])
        seen = single[single > left]
        axes.plot(seen, np.full(len(seen), row), "o", color="0.25", ms=3, mfc="white", mew=0.8)
    digits = f"{value:.2g}" if value < 10 else f"{value:.0f}"
    text = f"{digits} %" if value else "exactly 0"
    aside = axes.get_yaxis_transform()
    axes.text(1.02, row, text, transform=aside, va="center", clip_on=False)
