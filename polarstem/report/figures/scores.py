# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of the scores: transfer matrices, confusion matrices, accuracy over thickness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from polarstem.evaluate.scores.rungs import is_rung, panel_models
from polarstem.evaluate.scores.tested_domains import Reference, reference_of, thickness_of
from polarstem.evaluate.summary.headlines import HEADLINE, pool_seeds, read_metrics
from polarstem.files import open_netcdf
from polarstem.report.figures import style

Outputs = Path | str | Sequence[Path | str]
COLUMNS = 3


def draw_transfer(
    metrics_csv: Path | str, config: Mapping[str, Any], chance: float, output: Outputs
) -> None:
    """Draw what each model scores when trained on one source and tested on each data domain.

    Rungs of the ladder have a figure of their own.

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
    table = table[table["metric"] == HEADLINE]
    tested = set(table["domain"])
    domains = [d for d in config["evaluate"]["domains"] if d in tested and not is_rung(config, d)]
    sources = {
        model: [s for s in config["train"]["sources"] if s in set(part["source"])]
        for model, part in table.groupby("model", sort=False)
    }
    # models with as many sources stand side by side
    models = sorted(sources, key=lambda model: -len(sources[model]))
    columns = min(COLUMNS if len(domains) <= 8 else 2, len(models))
    rows = [models[i : i + columns] for i in range(0, len(models), columns)]
    tall = [max(len(sources[model]) for model in row) for row in rows]
    height = sum(0.36 + 0.3 * max(2, n) for n in tall) + 0.95
    with style.new_figure(style.WIDTH_IN, height) as figure:
        grid = figure.subplots(len(rows), columns, squeeze=False, sharex=True, height_ratios=tall)
        for axes, model in zip(grid.flat, models, strict=False):
            part = table[table["model"] == model]
            matrix = part.pivot_table(index="source", columns="domain", values="value")
            _heat_map(axes, matrix.reindex(index=sources[model], columns=domains))
            axes.set_title(model)
            for y, source in enumerate(sources[model]):
                for x, domain in enumerate(domains):
                    members = config["train"]["sources"][source]
                    if not isinstance(members, Mapping) and domain in members:
                        box = Rectangle((x, y), 1, 1, fill=False, ec="black", lw=1.4, clip_on=False)
                        axes.add_patch(box)
            axes.tick_params(axis="x", rotation=45 if max(map(len, domains)) > 3 else 0)
            axes.tick_params(axis="y", rotation=0)
            axes.tick_params(axis="both", length=0)
            for label in axes.get_xticklabels():
                label.set(ha="right", rotation_mode="anchor", fontsize=7)
        for axes in grid.flat[len(models) :]:
            axes.axis("off")
        for axes in grid.flat[max(0, len(models) - columns) : len(models)]:
            axes.tick_params(labelbottom=True)
        figure.supxlabel("tested on (data domain)", fontsize=8.5)
        figure.supylabel("trained on (source)", fontsize=8.5)
        bar = figure.colorbar(
            grid.flat[0].collections[0], ax=grid, fraction=0.03, pad=0.015, aspect=18
        )
        bar.set_label("balanced accuracy")
        bar.set_ticks([0, chance, 0.5, 1], labels=["0", f"{chance:.2g} chance", "0.5", "1"])
        style.save(figure, output)


def _heat_map(axes: Axes, matrix: pd.DataFrame) -> None:
    sns.heatmap(
        matrix,
        ax=axes,
        vmin=0,
        vmax=1,
        cmap=style.SCORE_CMAP,
        cbar=False,
        linewidths=0.8,
        linecolor="white",
        mask=matrix.isna(),
    )
    values = matrix.to_numpy(dtype=float)
    size = 7.5 if values.shape[1] <= 8 else 6.5
    for (y, x), value in np.ndenumerate(values):
        text = "–" if np.isnan(value) else f"{100 * value:.0f}"
        ink = "black" if np.isnan(value) else style.ink_on(value)
        axes.text(x + 0.5, y + 0.5, text, ha="center", va="center", color=ink, fontsize=size)
    axes.set(xlabel="", ylabel="")


def draw_confusion(confusion_nc: Path | str, config: Mapping[str, Any], output: Outputs) -> None:
    """Draw confusion matrices in angular order: conditions down, models across.

    The conditions are the reference domain and the thicknesses around it that were not trained
    on; if there are none, the other data domains. Seeds are added up.
    """
    reference = reference_of(config)
    with open_netcdf(confusion_nc, "confusion") as file:
        data = file.sel(run=file["source"].values == reference.source).load()
    evaluated = set(data["domain"].values)
    domains = [d for d in shown_domains(config, reference) if d in evaluated]
    models = panel_models(config, list(dict.fromkeys(str(m) for m in data["model"].values)))
    names, directions = [str(n) for n in data["true"].values], data["class_direction"].values
    side = max(0.95, min(1.6, (style.WIDTH_IN - 1.3) / len(models)))
    width, height = max(4.8, 1.3 + side * len(models)), 0.6 + len(domains) * (side + 0.03)
    with style.new_figure(width, height, gap=0.03) as figure:
        grid = figure.subplots(len(domains), len(models), squeeze=False, sharex="col", sharey="row")
        for y, domain in enumerate(domains):
            for x, model in enumerate(models):
                axes = grid[y, x]
                counts = _counts(data, model, domain)
                total = counts.sum(1, keepdims=True)
                share = np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0)
                image = axes.imshow(share, vmin=0, vmax=1, cmap=style.SCORE_CMAP)
                _class_ticks(axes, names, directions)
                axes.spines[["top", "right"]].set_visible(True)
                if y == 0:
                    axes.set_title(model, fontsize=8)
                if x == 0:
                    axes.set_ylabel(f"{domain_title(config, domain)}true", labelpad=2)
                if y == len(domains) - 1:
                    axes.set_xlabel("predicted", labelpad=2)
        bar = figure.colorbar(image, ax=grid, fraction=0.035, pad=0.02, aspect=30)
        bar.set_label("fraction of the true class")
        style.save(figure, output)


def shown_domains(config: Mapping[str, Any], reference: Reference, most: int = 4) -> list[str]:
    """Choose the reference domain and the untrained thicknesses nearest to it.

    Without such thicknesses, other data domains are taken.
    """
    others = list(reference.other.items())
    if reference.thickness is not None:
        centre = reference.thickness
        others.sort(key=lambda item: abs(item[0] - centre))
    chosen = [domain for _, domain in sorted(others[: most - 1])]
    if not chosen:
        rest = [d for d in config["evaluate"]["domains"] if d != reference.domain]
        chosen = rest[: most - 1]
    return [reference.domain, *chosen]


def domain_title(config: Mapping[str, Any], domain: str) -> str:
    """Start of an axis label: a data domain and, if it has just one, its thickness."""
    thickness = thickness_of(config, domain)
    return f"{domain}\n" if thickness is None else f"{domain}\n{thickness:g} nm, "


def _counts(data: xr.Dataset, model: str, domain: str) -> np.ndarray:
    rows = (data["model"].values == model) & (data["domain"].values == domain)
    return data["confusion"].values[rows].sum(0)


def _class_ticks(axes: Axes, names: Sequence[str], directions: np.ndarray) -> None:
    ticks = range(len(names))
    axes.set_xticks(ticks, names, rotation=90, fontsize=6)
    axes.set_yticks(ticks, names, fontsize=6)
    axes.tick_params(length=0, pad=2)
    colours = style.direction_colour(directions)
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        for label, colour in zip(labels, colours, strict=False):
            box = {"boxstyle": "round,pad=0.15", "fc": (*colour, 0.45), "ec": "none"}
            label.set_bbox(box)


def draw_thickness(
    metrics_csv: Path | str, config: Mapping[str, Any], chance: float, output: Outputs
) -> None:
    """Draw the reference source's balanced accuracy over the thickness of the test specimens."""
    reference = reference_of(config)
    table = pool_seeds(read_metrics(metrics_csv))
    table = table[(table["metric"] == HEADLINE) & (table["source"] == reference.source)]
    at = {domain: nm for nm, domain in reference.other.items()}
    if reference.thickness is not None:
        at[reference.domain] = reference.thickness
    table = table[table["domain"].isin(list(at))].copy()
    table["thickness"] = [at[domain] for domain in table["domain"]]
    models = list(dict.fromkeys(read_metrics(metrics_csv)["model"]))
    spread = max(at.values(), default=1.0) - min(at.values(), default=0.0)
    with style.new_figure(5.6, 3.1) as figure:
        axes = figure.subplots()
        drawn = [m for m in models if m in set(table["model"])]
        for i, model in enumerate(drawn):
            part = table[table["model"] == model].sort_values("thickness")
            # the models are set apart a little so that their intervals do not hide each other
            shift = (i - (len(drawn) - 1) / 2) * 0.008 * max(spread, 1.0)
            value = part["value"].to_numpy()
            low, high = part["low"].fillna(part["value"]), part["high"].fillna(part["value"])
            error = np.clip([value - low, high - value], 0, None)
            look = style.model_styles(models)[model]
            axes.errorbar(
                part["thickness"] + shift,
                value,
                error,
                label=model,
                capsize=2,
                elinewidth=1,
                **look,
            )
        axes.axhline(chance, color="0.45", lw=1, ls=":")
        axes.text(1.0, chance, " chance", transform=axes.get_yaxis_transform(), va="center")
        for nm in reference.trained:
            axes.axvline(nm, color="0.85", lw=7, zorder=0)
            axes.text(nm, 1.04, "trained", ha="center", va="bottom", color="0.3", fontsize=7.5)
        axes.set(xlabel="thickness of the test specimens [nm]", ylabel="balanced accuracy")
        axes.set(ylim=(0, 1.03), xticks=sorted(set(at.values())))
        percent = f"{float(config['evaluate']['confidence']):.0%}"
        axes.legend(
            loc="center left",
            bbox_to_anchor=(1.02, 0.6),
            title=f"trained on {reference.source}\n{percent} intervals",
        )
        style.save(figure, output)
