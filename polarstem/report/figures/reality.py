# SPDX-License-Identifier: GPL-3.0-or-later
"""Figure of the ladder of reality: what maps are worth where crystals are not ideal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from polarstem.evaluate.map_scores.reality_ladder import (
    CANNOT_TELL,
    DENSE_BOUNDS,
    MET,
    MISSED,
    SPARSE_BOUNDS,
)
from polarstem.report.figures import style
from polarstem.report.reality_panel import RealityRow, reality_rows, scanned

_ROW = 0.37  # height of a row [inch]
_FREE = "0.25"
_COLOURS = {MET: style.MODEL_COLOURS[0], MISSED: style.MODEL_COLOURS[1], CANNOT_TELL: "0.5"}
_BAND = "#f3f1ed"
_HIGH = ("right_of_answered", "answered")  # better the nearer to 100 %
# score: title, axis label, factor of its values
_PANELS = {
    "right_of_answered": ("right among\nanswered", "%", 100.0),
    "answered": ("answered", "%", 100.0),
    "sound_flagged": ("sound cells\nflagged", "%", 100.0),
    "thickness_error_nm": ("thickness\noff by", "nm", 1.0),
    "tilt_error_mrad": ("tilt\noff by", "mrad", 1.0),
}


def draw_reality(
    summary: Mapping[str, Mapping[str, Any]], output: Path | str | Sequence[Path | str]
) -> None:
    """Draw a row for each factor; sparse scans stand beside dense ones.

    Parameters
    ----------
    summary : mapping
        ``maps.reality.<factor>.<score>`` of `polarstem.evaluate.map_scores.reality_ladder`.
    output : path or paths
        PNG and SVG files.
    """
    rows = reality_rows(summary)
    there = [s for s in (False, True) if any(_numbers(row, s) for row in rows)]
    widths = [*([0.78] * len(there)), 0.9, 0.9, 0.85, 0.7, 0.7]
    height = 1.25 + _ROW * max(1, len(rows))
    with style.new_figure(style.WIDTH_IN, height) as figure:
        grid = figure.subplots(1, len(widths), width_ratios=widths, sharey=True, squeeze=False)[0]
        for axes in grid:
            _lay_rows(axes, rows)
        for axes, sparse in zip(grid, there, strict=False):
            _write_wrong(axes, rows, sparse)
        if len(there) == 1:
            grid[0].set_title("confidently\nwrong", fontsize=8, fontweight="bold")
        else:
            heading = grid[0].annotate(
                "confidently wrong", (1.05, 1), xycoords="axes fraction", xytext=(0, 14),
                textcoords="offset points", ha="center", va="bottom", fontsize=8, weight="bold",
            )  # fmt: skip
            heading.set_in_layout(False)  # it stands beside titles of two lines
        for axes, (score, look) in zip(grid[len(there) :], _PANELS.items(), strict=True):
            _draw_score(axes, rows, there, score, *look)
        grid[0].set_yticks(range(len(rows)), [row.label for row in rows])
        for tick, row in zip(grid[0].get_yticklabels(), rows, strict=True):
            tick.set_fontweight("bold" if row.factor == "all" else "normal")
        _legend(figure, rows, there)
        style.save(figure, output)


def _lay_rows(axes: Axes, rows: Sequence[RealityRow]) -> None:
    """Bands for the eye, and a line above what is all of them together."""
    axes.set_ylim(len(rows) - 0.5, -0.5)
    for number, row in enumerate(rows):
        if number % 2 == 0:
            axes.axhspan(number - 0.5, number + 0.5, color=_BAND, lw=0, zorder=0)
        if row.factor == "all" and number:
            axes.axhline(number - 0.5, color="0.35", lw=0.8, zorder=1)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _write_wrong(axes: Axes, rows: Sequence[RealityRow], sparse: bool) -> None:
    """The number that matters most, in the largest letters; of how many stands below it."""
    axes.set_title("sparse" if sparse else "dense", fontsize=8)
    axes.set(xlim=(0, 1), xticks=[])
    axes.spines["bottom"].set_visible(False)
    for number, row in enumerate(rows):
        entry = _numbers(row, sparse).get("confidently_wrong")
        if entry is None or entry["value"] is None:
            axes.text(0.5, number, "–", ha="center", va="center", color="0.5")
            continue
        percent = 100 * entry["value"]
        digits = 0 if percent == 0 or percent >= 10 else 1
        axes.text(
            0.5, number - 0.1, f"{percent:.{digits}f} %", ha="center", va="center",
            fontsize=14, fontweight="bold", color=_COLOURS[entry["verdict"]],
        )  # fmt: skip
        count = f"{round(entry['value'] * entry['n'])} of {entry['n']}"
        if entry["scans"] > 1:
            count += f", {entry['scans']} scans"
        axes.text(0.5, number + 0.33, count, ha="center", va="center", fontsize=5.5, color="0.3")


def _draw_score(
    axes: Axes,
    rows: Sequence[RealityRow],
    there: Sequence[bool],
    score: str,
    title: str,
    unit: str,
    factor: float,
) -> None:
    axes.set_title(title, fontsize=8)
    axes.set_xlabel(unit, labelpad=1)
    told, ends = [0.0 if score not in _HIGH else 100.0], [0.1]
    for sparse in there:
        shift = 0.0 if len(there) == 1 else 0.17 if sparse else -0.17
        for number, row in enumerate(rows):
            entry = _numbers(row, sparse).get(score)
            if entry is not None and entry["value"] is not None:
                told.append(factor * entry["value"])
                ends.append(factor * (entry["high"] or entry["value"]))
                _mark(axes, entry, number + shift, sparse, factor)
        bound = (SPARSE_BOUNDS if sparse else DENSE_BOUNDS).get(score)
        if bound is not None:
            told.append(factor * bound.limit)
            axes.axvline(factor * bound.limit, color="0.35", lw=0.9, ls=":" if sparse else "-")
    if score in _HIGH:
        low = max(0.0, 10 * np.floor((min(told) - 1) / 10))
        axes.set_xlim(low, 100 + 0.03 * (100 - low))
        axes.set_xticks([low, (low + 100) / 2, 100])
    else:
        most = max([*told, *ends])
        axes.set_xlim(-0.03 * most, 1.08 * most)
        axes.locator_params(axis="x", nbins=3)
    axes.tick_params(axis="x", labelsize=7)


def _mark(axes: Axes, entry: Mapping[str, Any], height: float, sparse: bool, factor: float) -> None:
    """A number with its interval, open where the scan is sparse."""
    colour = _COLOURS.get(entry.get("verdict", ""), _FREE)
    if entry["low"] is not None and entry["high"] is not None:
        ends = factor * entry["low"], factor * entry["high"]
        axes.plot(ends, [height] * 2, color=colour, lw=1, alpha=0.55, zorder=2)
    axes.plot(
        factor * entry["value"], height, color=colour, marker="s" if sparse else "o", ms=4,
        mfc="white" if sparse else colour, mew=1.1, zorder=3, clip_on=False,
    )  # fmt: skip


def _legend(figure: Figure, rows: list[RealityRow], there: Sequence[bool]) -> None:
    scans, bounds = [], []
    for sparse in there:
        name = "sparse" if sparse else "dense"
        scans.append(
            Line2D(
                [], [], color=_FREE, marker="s" if sparse else "o", ls="", ms=4, mew=1.1,
                mfc="white" if sparse else _FREE, label=f"{name}: {scanned(rows, sparse)}",
            )
        )  # fmt: skip
        bound = f"bound, {name}" if len(there) > 1 else "bound"
        bounds.append(Line2D([], [], color="0.35", lw=0.9, ls=":" if sparse else "-", label=bound))
    verdicts = [Line2D([], [], color=c, lw=4, label=word) for word, c in _COLOURS.items()]
    figure.legend(handles=[*scans, *bounds], loc="outside lower center", ncols=2)
    figure.legend(handles=verdicts, loc="outside upper center", ncols=3)


def _numbers(row: RealityRow, sparse: bool) -> Mapping[str, Mapping[str, Any]]:
    return row.sparse if sparse else row.dense
