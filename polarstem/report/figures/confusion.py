# SPDX-License-Identifier: GPL-3.0-or-later
"""Figure of the confusion matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from polarstem.evaluate.scores.rungs import panel_models
from polarstem.evaluate.scores.tested_domains import Reference, reference_of, thickness_of
from polarstem.files import open_netcdf
from polarstem.report.figures import style


def draw_confusion(
    confusion_nc: Path | str, config: Mapping[str, Any], output: Path | str | Sequence[Path | str]
) -> None:
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
