# SPDX-License-Identifier: GPL-3.0-or-later
"""Figure of the place in the unit cell: what patterns can say there, and what models make of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from polarstem.evaluate.limit.efficiency import read_information
from polarstem.evaluate.limit.over_cell import (
    Condition,
    GroupedAccuracy,
    Run,
    accuracy_by_group,
    electrons_at,
    groups_of_positions,
    limit_by_group,
    telling_condition,
)
from polarstem.evaluate.scores.metrics import FloatArray
from polarstem.evaluate.scores.rungs import contenders
from polarstem.report.figures import style
from polarstem.report.figures.ladder import stroke
from polarstem.structures.build import projected_basis
from polarstem.structures.templates import SITES

COLUMN_STYLE: dict[str, dict[str, Any]] = {
    "A": {"marker": "o", "s": 34, "fc": "#E69F00"},
    "B": {"marker": "s", "s": 28, "fc": "#0072B2"},
    "O": {"marker": "o", "s": 12, "fc": "#D55E00"},
}


def draw_position(
    information_nc: Path | str,
    predictions: Sequence[Path | str],
    config: Mapping[str, Any],
    output: Path | str | Sequence[Path | str],
) -> None:
    """Draw the limit and models over the cell, under the limit's own conditions.

    That is the data domain of the reference's thickness and of that dose at which the limit depends
    most on the place in the cell. Two maps, of the limit and of the recommended model (else the
    first there is), and all `contenders` at positions sorted by the electrons that they need.

    Parameters
    ----------
    information_nc : path
        The information limit.
    predictions : sequence of path
        All prediction files, ``{model}/{source}/{seed}.nc``.
    config : mapping
        The resolved config.
    output : path or paths
        PNG file.
    """
    information = read_information(information_nc)
    condition = None if information is None else telling_condition(information, config)
    found = {}
    if information is not None and condition is not None:
        runs = shown_runs(config)
        found = accuracy_by_group(information, condition, predictions, config, runs)
    if information is None or condition is None or not found:
        with style.new_figure(5.0, 0.8) as figure:
            text = "No data domain has the limit's own conditions, a dose among them."
            figure.text(0.5, 0.5, text, ha="center", va="center")
            style.save(figure, output)
        return
    shown = next(run for run in shown_runs(config) if run in found)
    limit = information["accuracy"].sel(
        thickness=condition.thickness, dose=condition.dose, knowledge="known"
    )
    with style.new_figure(style.WIDTH_IN, 3.0) as figure:
        left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.6))
        _draw_map(left, limit.values, "limit, all known", config)
        image = _draw_map(
            middle, found[shown].over_cell, "{}\ntrained on {}".format(*shown), config
        )
        left.set_ylabel("y [cell]")
        bar = figure.colorbar(image, ax=[left, middle], fraction=0.05, pad=0.03, shrink=0.8)
        bar.set_label("accuracy")
        _draw_groups(right, information, condition, found, config)
        right.set_title(f"{condition.thickness:g} nm, {condition.dose:g} electrons", fontsize=8.5)
        columns, of_columns = left.get_legend_handles_labels()
        lines, names = right.get_legend_handles_labels()
        figure.legend(
            [*lines, *columns], [*names, *of_columns], loc="outside lower center", ncols=3,
            fontsize=7, columnspacing=1.2,
        )  # fmt: skip
        style.save(figure, output)


def shown_runs(config: Mapping[str, Any]) -> list[Run]:
    """The recommended model, then the other `contenders`."""
    chosen = config["evaluate"].get("recommended") or {}
    first = [(chosen["model"], chosen["source"])] if chosen else []
    return list(dict.fromkeys([*first, *contenders(config)]))


def _draw_map(axes: Axes, accuracy: FloatArray, title: str, config: Mapping[str, Any]) -> AxesImage:
    zone = list(config["structures"]["zone_axis"])
    image = axes.imshow(
        accuracy,
        extent=(0, 1, 1, 0),
        vmin=0,
        vmax=1,
        cmap=style.SCORE_CMAP,
        aspect=1 / np.sqrt(2) if zone == [1, 1, 0] else 1.0,
        interpolation="nearest",
    )
    overlay_columns(axes, column_positions(zone))
    axes.set_facecolor("0.85")
    axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])
    axes.set_yticks([0, 0.5, 1], ["0", "½", "1"])
    axes.set_xlabel("x [cell]")
    axes.set_title(title, fontsize=8)
    return image


def _draw_groups(
    axes: Axes,
    information: xr.Dataset,
    condition: Condition,
    found: Mapping[Run, GroupedAccuracy],
    config: Mapping[str, Any],
) -> None:
    """Accuracy where patterns need few electrons and where they need many, beside the limit."""
    electrons = electrons_at(information, condition)
    group = groups_of_positions(electrons)
    needed = [float(np.median(electrons.ravel()[group == i])) for i in range(group.max() + 1)]
    known = limit_by_group(information, condition)
    axes.fill_between(needed, known, 1, color="0.9", lw=0)
    axes.plot(needed, known, "-k", lw=1.2, label="limit, all known")
    unknown = limit_by_group(information, condition, "unknown")
    axes.plot(needed, unknown, "--k", lw=1, label="limit, thickness and position unknown")
    looks = style.model_styles(list(dict.fromkeys(model for model, _ in found)))
    for (model, source), accuracy in found.items():
        low, high = (
            np.where(np.isfinite(side), side, accuracy.value)
            for side in (accuracy.low, accuracy.high)
        )
        error = np.clip([accuracy.value - low, high - accuracy.value], 0, None)
        look = looks[model] | stroke(source, config) | {"label": f"{model}, trained on {source}"}
        axes.errorbar(needed, accuracy.value, error, capsize=2, elinewidth=1, **look)
    axes.axhline(1 / information.sizes["true"], color="0.45", lw=1, ls=":", label="chance")
    axes.set(xscale="log", ylim=(0, 1.03), ylabel="accuracy")
    steps = np.outer(10.0 ** np.arange(9), (1, 2, 3, 5)).ravel()
    inside = steps[(steps >= min(needed)) & (steps <= max(needed))]
    axes.set_xticks(inside, [f"{step:,.0f}" for step in inside])
    axes.minorticks_off()
    axes.set_xlabel("electrons for 1 % error at the position")


def column_positions(zone_axis: Sequence[int]) -> dict[str, np.ndarray]:
    """Atom columns in the projected cell of the undisplaced crystal.

    Returns
    -------
    dict of str to ndarray, shape (n, 2)
        (x, y) of the A, B and O columns as fractions of the cell, y down, repeated on its edges.
        Columns that hold B and O, or A and O, count as B or A.
    """
    site, quarters = projected_basis(tuple(zone_axis))  # type: ignore[arg-type]
    kinds = np.array([SITES[s][0] for s in site])
    taken: set[tuple[int, int]] = set()
    found = {}
    for kind in "BAO":
        places = {(int(x), int(-y % 4)) for x, y, _ in quarters[kinds == kind]} - taken
        taken |= places
        edges = [(x + dx, y + dy) for x, y in places for dx in (0, 4) for dy in (0, 4)]
        inside = [place for place in edges if max(place) <= 4]
        found[kind] = np.array(sorted(inside), dtype=float).reshape(-1, 2) / 4
    return found


def overlay_columns(axes: Axes, columns: Mapping[str, np.ndarray]) -> None:
    """Mark the atom columns of `column_positions`, each kind with a label for the legend."""
    for kind in "ABO":
        x, y = columns[kind].T
        axes.scatter(
            x, y, ec="white", lw=0.8, clip_on=False, zorder=3, label=f"{kind} column",
            **COLUMN_STYLE[kind],
        )  # fmt: skip
    axes.set(xlim=(0, 1), ylim=(1, 0))
