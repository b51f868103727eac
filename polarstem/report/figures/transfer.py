# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of how far models carry: the transfer matrix, and accuracy over thickness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from polarstem.evaluate.scores.rungs import contenders, is_rung
from polarstem.evaluate.scores.tested_domains import reference_of
from polarstem.evaluate.summary.headlines import HEADLINE, pool_seeds, read_metrics
from polarstem.report.figures import style
from polarstem.report.figures.looks import colour_of, label_ends, look_of

Outputs = Path | str | Sequence[Path | str]
Config = Mapping[str, Any]
ROW_IN = 0.185
NAME_GAP = 0.07
"""Least distance of two names, in accuracy."""


def draw_transfer(metrics_csv: Path | str, config: Config, chance: float, output: Outputs) -> None:
    """Draw what each model scores when trained on one source and tested on each data domain.

    Rungs of the ladder have a figure of their own, and controls have no right answer.

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
    matrix = transfer_matrix(metrics_csv, config)
    sources = matrix.index.get_level_values("source")
    width = max(4.6, min(style.WIDTH_IN, 2.9 + 0.31 * matrix.shape[1]))
    with style.new_figure(width, 1.15 + ROW_IN * max(3, len(matrix))) as figure:
        axes = figure.subplots()
        _heat_map(axes, matrix)
        for y, (model, source) in enumerate(matrix.index):
            axes.get_yticklabels()[y].set_color(style.ink_of(colour_of(model, config)))
            members = config["train"]["sources"][source]
            for x, domain in enumerate(matrix.columns):
                if not isinstance(members, Mapping) and domain in members:
                    box = Rectangle((x, y), 1, 1, fill=False, ec="black", lw=1.3, zorder=4)
                    box.set_clip_on(False)
                    axes.add_patch(box)
        across = axes.get_yaxis_transform()
        for source in dict.fromkeys(sources):
            rows = np.flatnonzero(sources == source)
            middle = (rows[0] + rows[-1] + 1) / 2
            axes.text(1.015, middle, source, transform=across, va="center", fontsize=7.5)
            if rows[0]:
                axes.axhline(rows[0], color="white", lw=2.5)
        axes.set_xlabel("tested on (data domain)")
        axes.text(1.015, -0.12, "trained on", transform=across, va="bottom", fontsize=8.5)
        bar = figure.colorbar(
            axes.collections[0], ax=axes, location="bottom", fraction=0.03, pad=0.02, aspect=40
        )
        bar.set_label("balanced accuracy [%]")
        bar.set_ticks([chance, 0.5, 1], labels=[f"chance {100 * chance:.3g}", "50", "100"])
        style.save(figure, output)


def transfer_matrix(metrics_csv: Path | str, config: Config) -> pd.DataFrame:
    """Balanced accuracy of every model and source (rows) on every data domain (columns).

    Rows go by source, single thicknesses first and streams last, in the order of the config.
    """
    table = read_metrics(metrics_csv)
    table = table[table["metric"] == HEADLINE]
    tested, controls = set(table["domain"]), config["evaluate"].get("controls") or ()
    domains = [
        domain
        for domain in config["evaluate"]["domains"]
        if domain in tested and domain not in controls and not is_rung(config, domain)
    ]
    matrix = table.pivot_table(index=["model", "source"], columns="domain", values="value")
    models = list(dict.fromkeys(table["model"]))
    rows = [(m, s) for s in config["train"]["sources"] for m in models if (m, s) in matrix.index]
    return matrix.reindex(index=pd.MultiIndex.from_tuples(rows, names=["model", "source"]),
                          columns=domains)  # fmt: skip


def _heat_map(axes: Axes, matrix: pd.DataFrame) -> None:
    names = [model for model, _ in matrix.index]
    sns.heatmap(
        matrix,
        ax=axes,
        vmin=0,
        vmax=1,
        cmap=style.SCORE_CMAP,
        cbar=False,
        linewidths=0.6,
        linecolor="white",
        mask=matrix.isna(),
        xticklabels=True,
        yticklabels=names,
    )
    for (y, x), value in np.ndenumerate(matrix.to_numpy(dtype=float)):
        text = "–" if np.isnan(value) else f"{100 * value:.0f}"
        ink = "black" if np.isnan(value) else style.ink_on(value)
        axes.text(x + 0.5, y + 0.5, text, ha="center", va="center", color=ink, fontsize=7)
    axes.set(xlabel="", ylabel="")
    axes.tick_params(axis="both", length=0, labelsize=7.5)
    axes.tick_params(axis="y", rotation=0)
    axes.tick_params(axis="x", rotation=45)
    for label in axes.get_xticklabels():
        label.set(ha="right", rotation_mode="anchor")


def draw_thickness(metrics_csv: Path | str, config: Config, chance: float, output: Outputs) -> None:
    """Draw balanced accuracy over the thickness of the test specimens, of a few models.

    Those of `polarstem.evaluate.scores.rungs.contenders`.

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
    reference = reference_of(config)
    table = pool_seeds(read_metrics(metrics_csv))
    at = {domain: nm for nm, domain in reference.other.items()}
    if reference.thickness is not None:
        at[reference.domain] = reference.thickness
    table = table[(table["metric"] == HEADLINE) & table["domain"].isin(list(at))].copy()
    table["thickness"] = [at[domain] for domain in table["domain"]]
    runs = set(zip(table["model"], table["source"], strict=True))
    with style.new_figure(5.8, 3.0) as figure:
        axes = figure.subplots()
        axes.set(ylim=(0, 1.03), xticks=sorted(set(at.values())))
        ends = []
        for model, source in (run for run in contenders(config) if run in runs):
            part = table[(table["model"] == model) & (table["source"] == source)]
            part = part.sort_values("thickness")
            value = part["value"].to_numpy()
            low, high = part["low"].fillna(part["value"]), part["high"].fillna(part["value"])
            error = np.clip([value - low, high - value], 0, None)
            look, name = look_of(model, source, config), f"{model}, on {source}"
            axes.errorbar(
                part["thickness"], value, error, label=name, capsize=2, elinewidth=0.8, **look
            )
            ends.append((float(value[-1]), name, look["color"]))
        label_ends(axes, ends, NAME_GAP)
        axes.axhline(chance, color="0.45", lw=1, ls=":")
        axes.text(0, chance, " chance", transform=axes.get_yaxis_transform(), va="bottom", size=7)
        for nm in reference.trained:
            axes.axvline(nm, color="0.9", lw=9, zorder=0)
            text = f"{reference.source}\nis trained here"
            axes.text(nm, 1.04, text, ha="center", va="bottom", color="0.3", fontsize=7)
        axes.set(xlabel="thickness of the test specimens [nm]", ylabel="balanced accuracy")
        style.save(figure, output)
