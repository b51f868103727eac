# SPDX-License-Identifier: GPL-3.0-or-later
"""Figure of the information limit: maps over the cell, and accuracy against dose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from polarstem.evaluate.limit.efficiency import bayes_accuracy, covered_domains, read_information
from polarstem.evaluate.scores.rungs import contenders
from polarstem.evaluate.scores.tested_domains import reference_of
from polarstem.evaluate.summary.headlines import HEADLINE, pool_seeds, read_metrics
from polarstem.report.figures import style
from polarstem.report.figures.looks import look_of
from polarstem.report.figures.position import column_positions, overlay_columns

MOST_MAPS = 4
_LINES = {"known": "-", "thickness_unknown": "--", "unknown": ":"}
_WHAT = {
    "known": "thickness and position known",
    "thickness_unknown": "thickness unknown",
    "unknown": "thickness and position unknown",
}


def draw_information(
    information_nc: Path | str,
    metrics_csv: Path | str,
    config: Mapping[str, Any],
    output: Path | str | Sequence[Path | str],
) -> None:
    """Draw what a pattern can say of its class at most, and how near the models come.

    Parameters
    ----------
    information_nc : path
        The information limit.
    metrics_csv : path
        The table of scores.
    config : mapping
        The resolved config.
    output : path or paths
        PNG and SVG files.
    """
    information = read_information(information_nc)
    if information is None:
        style.save_sentence("No limit: the reference specimens do not repeat in the plane.", output)
        return
    thicknesses = information["thickness"].values
    count = min(MOST_MAPS, len(thicknesses))
    chosen = thicknesses[np.linspace(0, len(thicknesses) - 1, count).round().astype(int)]
    with style.new_figure(style.WIDTH_IN, 5.3) as figure:
        grid = figure.add_gridspec(2, 2 * count, height_ratios=(1, 1.35))
        upper = [figure.add_subplot(grid[0, 2 * i : 2 * i + 2]) for i in range(count)]
        _maps(figure, upper, information.sel(thickness=chosen), config)
        left = figure.add_subplot(grid[1, :count])
        _limits(left, information)
        right = figure.add_subplot(grid[1, count:], sharey=left)
        _models(right, information, metrics_csv, config)
        figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=4)
        figure.legend(*upper[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
        style.save(figure, output)


def _maps(
    figure: Figure, grid: Sequence[Axes], information: xr.Dataset, config: Mapping[str, Any]
) -> None:
    """Electrons needed over the cell, all thicknesses on one scale."""
    needed = information["electrons"].values
    finite = needed[np.isfinite(needed)]
    least, most = (finite.min(), finite.max()) if finite.size else (1.0, 10.0)
    zone = config["structures"]["zone_axis"]
    tall = 1 / np.sqrt(2) if list(zone) == [1, 1, 0] else 1.0
    for axes, values, thickness in zip(grid, needed, information["thickness"].values, strict=True):
        image = axes.imshow(
            values,
            extent=(0, 1, 1, 0),
            norm=LogNorm(least, most),
            cmap=style.SCORE_CMAP + "_r",
            aspect=tall,
            interpolation="nearest",
        )
        axes.set_facecolor("0.85")
        overlay_columns(axes, column_positions(zone))
        axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])
        axes.set_yticks([0, 0.5, 1], ["0", "½", "1"] if axes is grid[0] else [""] * 3)
        axes.set(title=f"{thickness:g} nm", xlabel="x [cell]")
    grid[0].set_ylabel("y [cell]")
    steps = np.outer(10.0 ** np.arange(8), (1, 2, 5)).ravel()
    inside = steps[(steps >= least) & (steps <= most)]
    bar = figure.colorbar(image, ax=list(grid), fraction=0.05, pad=0.02, aspect=18)
    bar.set_label("electrons for 1 % error")
    bar.set_ticks(list(inside), labels=[f"{step:,.0f}" for step in inside])
    bar.minorticks_off()


def _limits(axes: Axes, information: xr.Dataset) -> None:
    """Accuracy of the Bayes classifier over dose: a colour for each thickness."""
    thicknesses = information["thickness"].values
    colours = mpl.colormaps["plasma"](np.linspace(0, 0.9, len(thicknesses)))
    mean = information["accuracy"].mean(("cell_y", "cell_x"))
    dose = information["dose"].values
    for thickness, colour in zip(thicknesses, colours, strict=True):
        for knowledge, line in _LINES.items():
            values = mean.sel(thickness=thickness, knowledge=knowledge).values
            axes.plot(dose, values, line, color=colour, lw=1.1)
    handles = [Line2D([], [], color=colour, lw=2) for colour in colours]
    handles += [Line2D([], [], color="0.3", ls=line, lw=1.1) for line in _LINES.values()]
    names = [*(f"{thickness:g} nm" for thickness in thicknesses), *_WHAT.values()]
    above_chance = (1, 1 / information.sizes["true"])
    axes.legend(handles, names, loc="lower right", bbox_to_anchor=above_chance, fontsize=6.5)
    _dose_axes(axes, information)
    axes.set_ylabel("accuracy")
    axes.set_title("limit of any model", fontsize=8.5)


def _models(
    axes: Axes, information: xr.Dataset, metrics_csv: Path | str, config: Mapping[str, Any]
) -> None:
    """Models on the data domains of a dose, beside the limit at the reference thickness."""
    reference = reference_of(config)
    covered = covered_domains(information, config)
    thickness = covered[reference.domain][0] if reference.domain in covered else None
    _dose_axes(axes, information)
    if thickness is None:
        axes.set_title("the reference has several thicknesses", fontsize=8.5)
        return
    at = {d: dose for d, (t, dose) in covered.items() if dose is not None and t == thickness}
    doses = information["dose"].values
    limit = [bayes_accuracy(information, thickness, dose)[0] for dose in doses]
    axes.fill_between(doses, limit, 1, color="0.9", lw=0)
    axes.plot(doses, limit, "-k", lw=1.2, label="limit, all known")
    table = pool_seeds(read_metrics(metrics_csv))
    table = table[(table["metric"] == HEADLINE) & table["domain"].isin(list(at))].copy()
    table["dose"] = [at[domain] for domain in table["domain"]]
    runs = set(zip(table["model"], table["source"], strict=True))
    # by the config, not by what serves a model best on these very patterns
    for model, source in (pair for pair in contenders(config) if pair in runs):
        part = table[(table["model"] == model) & (table["source"] == source)].sort_values("dose")
        low, high = part["low"].fillna(part["value"]), part["high"].fillna(part["value"])
        error = np.clip([part["value"] - low, high - part["value"]], 0, None)
        look = look_of(model, source, config) | {"label": f"{model} ({source})", "ms": 4}
        axes.errorbar(part["dose"], part["value"], error, capsize=2, elinewidth=1, **look)
    axes.set_title(f"models at {thickness:g} nm", fontsize=8.5)


def _dose_axes(axes: Axes, information: xr.Dataset) -> None:
    chance = 1 / information.sizes["true"]
    axes.axhline(chance, color="0.45", lw=1, ls=":")
    across = axes.get_yaxis_transform()
    axes.text(0.98, chance, "chance", transform=across, ha="right", va="top", size=6.5)
    axes.set(xscale="log", ylim=(0, 1.03), xlabel="electrons per pattern")
