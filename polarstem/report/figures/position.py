# SPDX-License-Identifier: GPL-3.0-or-later
"""Figure of the accuracy over probe positions in the unit cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from polarstem.evaluate.scores.rungs import panel_models
from polarstem.evaluate.scores.tested_domains import reference_of
from polarstem.files import open_netcdf
from polarstem.report.figures import style
from polarstem.report.figures.scores import domain_title, shown_domains
from polarstem.structures.build import projected_basis
from polarstem.structures.templates import SITES

COLUMN_STYLE: dict[str, dict[str, Any]] = {
    "A": {"marker": "o", "s": 34, "fc": "#E69F00"},
    "B": {"marker": "s", "s": 28, "fc": "#0072B2"},
    "O": {"marker": "o", "s": 12, "fc": "#D55E00"},
}


def draw_position(
    confusion_nc: Path | str,
    config: Mapping[str, Any],
    output: Path | str | Sequence[Path | str],
) -> None:
    """Draw accuracy maps over the unit cell: data domains down, models across.

    The reference domain and the nearest thickness that was not trained on; seeds are added up.
    """
    reference = reference_of(config)
    with open_netcdf(confusion_nc, "confusion") as file:
        data = file.sel(run=file["source"].values == reference.source).load()
    models = panel_models(config, list(dict.fromkeys(str(m) for m in data["model"].values)))
    evaluated = set(data["domain"].values)
    domains = [d for d in shown_domains(config, reference, most=2) if d in evaluated]
    columns = column_positions(config["structures"]["zone_axis"])
    tall = 1 / np.sqrt(2) if list(config["structures"]["zone_axis"]) == [1, 1, 0] else 1.0
    side = max(0.95, min(1.6, (style.WIDTH_IN - 1.4) / len(models)))
    width, height = max(4.8, 1.4 + side * len(models)), 0.9 + len(domains) * (side * tall + 0.12)
    with style.new_figure(width, height, gap=0.06) as figure:
        grid = figure.subplots(len(domains), len(models), squeeze=False, sharex="col", sharey="row")
        for y, domain in enumerate(domains):
            for x, model in enumerate(models):
                axes = grid[y, x]
                image = axes.imshow(
                    _accuracy(data, model, domain),
                    extent=(0, 1, 1, 0),
                    vmin=0,
                    vmax=1,
                    cmap=style.SCORE_CMAP,
                    aspect=tall,
                    interpolation="nearest",
                )
                overlay_columns(axes, columns)
                axes.set_facecolor("0.85")
                axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])
                axes.set_yticks([0, 0.5, 1], ["0", "½", "1"])
                if y == 0:
                    axes.set_title(model, fontsize=8)
                if x == 0:
                    axes.set_ylabel(f"{domain_title(config, domain)}y [cell]")
                if y == len(domains) - 1:
                    axes.set_xlabel("x [cell]")
        bar = figure.colorbar(image, ax=grid, fraction=0.04, pad=0.02, aspect=22)
        bar.set_label("accuracy")
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
        style.save(figure, output)


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


def _accuracy(data: xr.Dataset, model: str, domain: str) -> np.ndarray:
    rows = (data["model"].values == model) & (data["domain"].values == domain)
    right = data["position_right"].values[rows].sum(0)
    count = data["position_count"].values[rows].sum(0)
    return np.divide(right, count, out=np.full(count.shape, np.nan), where=count > 0)
