# SPDX-License-Identifier: GPL-3.0-or-later
"""Figure of fitted displacements beside the true ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from polarstem.evaluate.scores.vector_scores import ANGLES, CHANCE_NM
from polarstem.report.figures import style


def draw_displacement_scores(
    displacements_json: Path | str | None,
    config: Mapping[str, Any],
    output: Path | str | Sequence[Path | str],
) -> None:
    """Draw how near fitted displacements of test specimens are to the true ones.

    Parameters
    ----------
    displacements_json : path, optional
        From `polarstem.evaluate.scores.vector_scores.score_displacements`.
    config : mapping
        The resolved config.
    output : path or paths
        PNG and SVG files.
    """
    if displacements_json is None:
        style.save_sentence("No displacements were fitted (evaluate.displacements).", output)
        return
    told = json.loads(Path(displacements_json).read_text(encoding="utf-8"))
    chosen = config["evaluate"]["displacements"]["domains"]
    chance = told["scores"].get("vector.chance_pm", {}).get("value")
    cells = _table([row for row in told["cells"] if row["domain"] in chosen], chance or 0.0)
    unit = float(told["template_pm"])
    with style.new_figure(style.WIDTH_IN, 2.7) as figure:
        left, middle, right = figure.subplots(1, 3)
        _beside_truth(left, cells, unit)
        _errors(middle, cells)
        _angles(right, cells, unit)
        style.save(figure, output)


def _table(rows: Sequence[Mapping[str, Any]], chance_pm: float) -> pd.DataFrame:
    """A row for each cell with a displacement."""
    found = [
        {
            "scan": f"{row['domain']} {row['specimen']}",
            "thickness": row["thickness_nm"],
            **dict(zip(("true_x", "true_y"), row["true_pm"], strict=True)),
            **dict(zip(("found_x", "found_y"), row["found_pm"], strict=True)),
            "sigma": np.sqrt(
                np.mean(row["variance_pm2"]) + chance_pm**2 * CHANCE_NM / row["thickness_nm"]
            ),
        }
        for row in rows
        if row["found_pm"] is not None
    ]
    names = ["scan", "thickness", "true_x", "true_y", "found_x", "found_y", "sigma"]
    return pd.DataFrame(found, columns=names)


def _beside_truth(axes: Axes, cells: pd.DataFrame, unit: float) -> None:
    limit = 1.5 * unit
    axes.plot([-limit, limit], [-limit, limit], color="0.6", lw=0.8)
    for axis, label, colour in (
        ("x", "to the right", style.MODEL_COLOURS[0]),
        ("y", "upwards", style.MODEL_COLOURS[1]),
    ):
        axes.plot(
            cells[f"true_{axis}"], cells[f"found_{axis}"], ".", ms=3, color=colour, label=label
        )
    axes.set(
        xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xlabel="true [pm]",
        ylabel="fitted [pm]",
    )  # fmt: skip
    axes.set_title(f"(a) {len(cells)} unit cells", loc="left")
    axes.legend(loc="upper left", handletextpad=0.2)


def _errors(axes: Axes, cells: pd.DataFrame) -> None:
    """Error of a component, of each specimen, and what is told of it."""
    square = (
        (cells[["found_x", "found_y"]].values - cells[["true_x", "true_y"]].values) ** 2
    ).mean(1)
    scans = cells.assign(square=square, told=cells["sigma"] ** 2).groupby("scan")
    means = scans[["thickness", "square", "told"]].mean()
    axes.plot(
        means["thickness"], np.sqrt(means["square"]), "o", ms=3, color=style.MODEL_COLOURS[0],
        label="error",
    )  # fmt: skip
    axes.plot(
        means["thickness"], np.sqrt(means["told"]), "_", ms=6, color="black",
        label="standard deviation told",
    )  # fmt: skip
    axes.set(xlabel="thickness [nm]", ylabel="error of a component [pm]")
    axes.set_ylim(bottom=0)
    axes.set_title("(b) each specimen", loc="left")
    axes.legend(handletextpad=0.2)


def _angles(axes: Axes, cells: pd.DataFrame, unit: float) -> None:
    true, found = (np.arctan2(cells[f"{name}_y"], cells[f"{name}_x"]) for name in ("true", "found"))
    apart = np.abs((np.degrees(found - true) + 180) % 360 - 180)
    length = np.hypot(cells["true_x"], cells["true_y"]) / unit
    axes.semilogy(length, apart.clip(lower=0.05), ".", ms=3, color=style.MODEL_COLOURS[0])
    for low, high in ANGLES.values():
        axes.axvspan(low, high, color="0.93", lw=0, zorder=0)
    axes.set(xlabel="true length / template", ylabel="error of the angle [degrees]")
    axes.set_title("(c) directions", loc="left")
