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
    telling_conditions,
)
from polarstem.evaluate.scores.rungs import contenders
from polarstem.report.figures import style
from polarstem.report.figures.looks import look_of
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

    A column for each data domain of the reference's thickness and of a dose at which the limit
    depends on the place in the cell, see `telling_conditions`: maps of the limit and of the
    recommended model (else the first there is), and all `contenders` at positions sorted by the
    electrons that they need.

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
    found: dict[Condition, dict[Run, GroupedAccuracy]] = {}
    if information is not None:
        for condition in telling_conditions(information, config):
            of_runs = accuracy_by_group(
                information, condition, predictions, config, shown_runs(config)
            )
            found |= {condition: of_runs} if of_runs else {}
    if information is None or not found:
        style.save_sentence(
            "No data domain has the limit's own conditions and a dose that matters.", output
        )
        return
    width = style.WIDTH_IN if len(found) > 1 else 5.6
    with style.new_figure(width, 4.4) as figure:
        grid = figure.add_gridspec(2, 2 * len(found), height_ratios=(1.15, 1.4), wspace=0.02)
        maps: list[Axes] = []
        charts: list[Axes] = []
        for column, (condition, of_runs) in enumerate(found.items()):
            maps += [figure.add_subplot(grid[0, 2 * column + i]) for i in (0, 1)]
            image = _draw_maps(maps[-2:], information, condition, of_runs, config)
            first = charts[0] if charts else None
            place = grid[1, 2 * column : 2 * column + 2]
            charts.append(figure.add_subplot(place, sharey=first))
            _draw_groups(charts[-1], information, condition, of_runs, config)
        charts[0].set_ylabel("accuracy")
        maps[0].set_yticks([0, 0.5, 1], ["0", "½", "1"])
        maps[0].set_ylabel("y [cell]")
        bar = figure.colorbar(image, ax=maps, aspect=12, fraction=0.03, pad=0.01, shrink=0.75)
        bar.set_label("accuracy")
        lines, names = charts[0].get_legend_handles_labels()
        columns, of_columns = maps[0].get_legend_handles_labels()
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


def _draw_maps(
    panels: Sequence[Axes],
    information: xr.Dataset,
    condition: Condition,
    found: Mapping[Run, GroupedAccuracy],
    config: Mapping[str, Any],
) -> AxesImage:
    """Accuracy of the limit and of a model over the cell, on one scale."""
    limit = information["accuracy"].sel(
        thickness=condition.thickness, dose=condition.dose, knowledge="known"
    )
    (model, source), accuracy = next(iter(found.items()))
    zone = list(config["structures"]["zone_axis"])
    for axes, values, title in (
        (panels[0], limit.values, "limit"),
        (panels[1], accuracy.over_cell, f"{model}\n({source})"),
    ):
        image = axes.imshow(
            values,
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
        axes.set_yticks([0, 0.5, 1], [""] * 3)
        axes.set_xlabel("x [cell]")
        axes.set_title(title, fontsize=7)
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
    for (model, source), accuracy in found.items():
        low, high = (
            np.where(np.isfinite(side), side, accuracy.value)
            for side in (accuracy.low, accuracy.high)
        )
        error = np.clip([accuracy.value - low, high - accuracy.value], 0, None)
        look = look_of(model, source, config) | {"label": f"{model}, trained on {source}"}
        axes.errorbar(needed, accuracy.value, error, capsize=2, elinewidth=1, **look)
    axes.axhline(1 / information.sizes["true"], color="0.45", lw=1, ls=":", label="chance")
    axes.set(xscale="log", ylim=(0, 1.03))
    axes.set_xlabel("electrons needed at the position", fontsize=7.5)
    axes.set_title(f"{condition.thickness:g} nm, {condition.dose:,.0f} electrons", fontsize=8)
    steps = np.outer(10.0 ** np.arange(9), (1, 2, 5)).ravel()
    left, right = axes.get_xlim()
    inside = steps[(steps >= left) & (steps <= right)]
    axes.set_xticks(inside, [f"{step:,.0f}" for step in inside])
    axes.minorticks_off()


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
