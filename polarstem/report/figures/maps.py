# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of a map: directions over a dark-field image, confidence, anomalies."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from polarstem.report.figures import style
from polarstem.report.figures.map_calibration import draw_calibration, draw_thickness_tilt
from polarstem.report.figures.map_parts import (
    outline_cells,
    placed,
    scale_bar,
    stamp,
    stamp_height,
)
from polarstem.report.map_files import FloatArray, MapFiles, read_map

NOTHING = (0.87, 0.87, 0.87)
UNANSWERED = 0.4  # how strong colours are where there is no answer
ANOMALY_CMAP = "inferno"
MAX_PNG_BYTES = 2_000_000  # no palette: the colours are what the figure is about
_SIDE = 2.65  # of a panel [inch]
_WHEEL, _LINE = 2.15, 0.14  # height of the wheel with its title, and of a line under it [inch]


def draw_map_figures(folder: Path | str) -> list[Path]:
    """Draw all figures of a map into its folder.

    Parameters
    ----------
    folder : path
        Folder with ``map.nc``, ``summary.json`` and ``diagnostics.nc``.

    Returns
    -------
    list of path
        ``map.png``, ``confidence.png``, ``anomaly.png``, ``thickness_tilt.png`` and
        ``calibration.png``.

    Raises
    ------
    PolarstemError
        If the folder holds no map.
    """
    drawings = {
        "map": draw_map,
        "confidence": draw_confidence,
        "anomaly": draw_anomaly,
        "thickness_tilt": draw_thickness_tilt,
        "calibration": draw_calibration,
    }
    files = read_map(folder)
    outputs = [Path(folder) / f"{name}.png" for name in drawings]
    with files.data:
        for draw, output in zip(drawings.values(), outputs, strict=True):
            draw(files, output)
    return outputs


def draw_map(found: MapFiles | xr.Dataset, output: Path | str) -> None:
    """Draw directions per position, arrows per cell over the dark field, and the wheel.

    Parameters
    ----------
    found : MapFiles or Dataset
        A map's files, or what `map_scan` gave.
    output : path
        PNG to write.
    """
    files, output = MapFiles.of(found), Path(output)
    lines = [*_convention(files), *_key(files)]
    width, height, top = _size(files)
    # the wheel and what stands under it may be taller than the maps
    count = sum(line.count("\n") + 1 for line in lines)
    height = max(height, _WHEEL + _LINE * count + top)
    with style.new_figure(width, height, top=top) as figure:
        stamp(figure, files.stamp)
        position, cells, key = figure.subplots(1, 3, width_ratios=(_SIDE, _SIDE, 1.7))
        position.imshow(direction_image(files), **placed(files))
        scale_bar(position, files)
        position.set_title("(a) direction, per probe position", loc="left")
        low, high = field_range(files)
        field = files.data["dark_field"].values
        cells.imshow(field, cmap="gray", vmin=low, vmax=high, **placed(files))
        scale_bar(cells, files)
        draw_arrows(cells, files, _SIDE)
        cells.set_title("(b) unit cells over the dark field", loc="left")
        style.draw_wheel(key, files.names, files.class_directions)
        key.set_title("direction in the scan", fontsize=8)
        _note(key, lines)
        style.save(figure, output, MAX_PNG_BYTES)


def draw_confidence(found: MapFiles | xr.Dataset, output: Path | str) -> None:
    """Draw the probability of the most probable class, per position and per cell."""
    files, output = MapFiles.of(found), Path(output)
    look = {"cmap": style.SCORE_CMAP, "vmin": 1 / len(files.names), "vmax": 1.0}
    _draw_score(files, output, "confidence", "confidence", look, "no answer", "cell_answered")


def draw_anomaly(found: MapFiles | xr.Dataset, output: Path | str) -> None:
    """Draw the anomaly score, per position and per cell, with the flagged cells hatched."""
    files, output = MapFiles.of(found), Path(output)
    low, high = anomaly_range(files)
    look = {"cmap": ANOMALY_CMAP, "vmin": low, "vmax": high}
    _draw_score(files, output, "anomaly", "anomaly score", look, "flagged", "cell_flagged")


def _draw_score(
    files: MapFiles,
    output: Path,
    name: str,
    label: str,
    look: Mapping[str, Any],
    mark: str,
    marked: str,
) -> None:
    """Maps of a value of positions and of cells, and how it is distributed."""
    width, height, top = _size(files)
    outline = files.data[marked].values.astype(bool) ^ (mark == "no answer")
    with style.new_figure(width, height + 0.3, top=top) as figure:
        stamp(figure, files.stamp)
        position, cells, chart = figure.subplots(1, 3, width_ratios=(_SIDE, _SIDE, 1.7))
        image = position.imshow(files.data[name].values, **placed(files), **look)
        cells.imshow(files.on_scan(f"cell_{name}"), **placed(files), **look)
        for axes, title in ((position, "(a) per probe position"), (cells, "(b) per unit cell")):
            axes.set_title(title, loc="left")
            axes.set_facecolor(NOTHING)
            scale_bar(axes, files)
        outline_cells(cells, files, outline)
        bar = figure.colorbar(image, ax=[position, cells], location="bottom", aspect=45, pad=0.04)
        bar.set_label(label)
        _draw_shares(chart, files, name, label, look)
        chart.set_title(f"hatched: {mark}\n({outline.sum()} of {outline.size} cells)", fontsize=8)
        style.save(figure, output, MAX_PNG_BYTES)


def _draw_shares(
    axes: Axes, files: MapFiles, name: str, label: str, look: Mapping[str, Any]
) -> None:
    """Histograms of the positions and of the cells, as shares of each."""
    edges = np.linspace(look["vmin"], look["vmax"], 31)
    for values, colour, who in (
        (files.data[name].values.ravel(), style.MODEL_COLOURS[0], "positions"),
        (files.data[f"cell_{name}"].values, style.MODEL_COLOURS[1], "unit cells"),
    ):
        inside = np.clip(values[np.isfinite(values)], edges[0], edges[-1])
        if inside.size:
            weights = np.full(inside.size, 100 / inside.size)
            axes.hist(
                inside, edges.tolist(), weights=weights, histtype="step", color=colour, label=who
            )
    threshold = files.data.attrs.get(f"{name}_threshold")
    if threshold is not None:
        axes.axvline(threshold, color="0.3", lw=0.9, ls=":", label="threshold")
    axes.set(xlabel=label, ylabel="share [%]")
    axes.legend(loc="best", handlelength=1.2)


def anomaly_range(files: MapFiles) -> tuple[float, float]:
    """Scores between which the colours of the anomaly map change; the threshold is among them."""
    score = np.concatenate([files.data[n].values.ravel() for n in ("anomaly", "cell_anomaly")])
    low, high = _percentiles(score, 1)
    limit = files.data.attrs.get("anomaly_threshold", -math.inf)
    return low, max(high, 1.1 * limit, low + 1e-9)


def field_range(files: MapFiles) -> tuple[float, float]:
    """Fractions of the beam between which the dark-field image goes from black to white."""
    return _percentiles(files.data["dark_field"].values, 0.5)


def direction_image(files: MapFiles) -> FloatArray:
    """Colours of the directions (y, x, 3): pale where the model is unsure, more so without answer.

    Positions where nothing was measured are grey.
    """
    data = files.data
    guess = 1 / len(files.names)
    sure = np.clip((data["confidence"].values - guess) / (1 - guess), 0, 1)[..., None]
    answered = data["answered"].values.astype(bool)[..., None]
    strength = (0.25 + 0.75 * sure) * np.where(answered, 1, UNANSWERED)
    colour = 1 - strength * (1 - style.direction_colour(data["direction"].values))
    return np.where((data["class_index"].values >= 0)[..., None], colour, NOTHING)


def draw_arrows(axes: Axes, files: MapFiles, width: float, ink: str | None = None) -> None:
    """Draw the arrows of the cells, and hatch those that are flagged.

    Cells without an answer get a grey diamond, those along the beam a disc. `width` is that of
    the axes [inch]; `ink` the colour of the arrows, which is else that of their direction.
    """
    data = files.data
    x, y, direction, confidence = (
        data[f"cell_{n}"].values for n in ("centre_x", "centre_y", "direction", "confidence")
    )
    answered = data["cell_answered"].values.astype(bool)
    side = files.cell_side
    size = side / (files.edges[1] - files.edges[0]) * width * 72  # of a cell [points]
    dots: dict[str, Any] = {"s": (0.2 * size) ** 2, "lw": 0.4, "ec": "black", "zorder": 3}
    axes.scatter(x[~answered], y[~answered], fc=NOTHING, marker="D", **dots)
    beam = answered & np.isnan(direction)
    axes.scatter(x[beam], y[beam], fc=style.NO_DIRECTION, marker="o", **dots)
    shown = answered & ~beam
    angle, length = np.radians(direction[shown]), side * (0.5 + 0.4 * confidence[shown])
    axes.quiver(
        x[shown], y[shown], length * np.cos(angle), length * np.sin(angle),
        color=ink or style.direction_colour(direction[shown]), edgecolor="black", linewidth=0.35,
        pivot="mid", scale_units="x", units="x", scale=1, width=0.12 * side,
        headwidth=3.2, headlength=3, headaxislength=2.8, minlength=0, zorder=3,
    )  # fmt: skip
    outline_cells(axes, files, data["cell_flagged"].values.astype(bool))


def _size(files: MapFiles) -> tuple[float, float, float]:
    """Width and height of a figure of two maps and a key, and the stamp's share of it [inch]."""
    left, right, bottom, top = files.edges
    tall = _SIDE * min(max((bottom - top) / (right - left), 0.62), 2.2)
    room = stamp_height(files.stamp)
    return style.WIDTH_IN, tall + 0.55 + room, room


def _convention(files: MapFiles) -> list[str]:
    return [
        style.CONVENTION.replace(", ", ",\n", 1),
        f"crystal's x axis at {files.crystal_rotation_deg:.1f}°".replace("-", "\u2212"),
    ]


def _key(files: MapFiles) -> list[str]:
    answered = files.data["cell_answered"].values.astype(bool)
    lines = [
        "pale: unsure, palest: no answer",
        f"{answered.sum()} of {answered.size} cells answered",
    ]
    withheld = files.summary.get("withheld") or {}
    if withheld and answered.sum() < answered.size / 2:
        why = max(withheld, key=lambda reason: withheld[reason])
        lines += textwrap.wrap(f"most of the others: {why}", 34)
    if files.data["cell_flagged"].values.any():
        lines.append("hatched: flagged as anomalous")
    return lines


def _note(axes: Axes, lines: list[str]) -> None:
    axes.text(
        0.5, 0, "\n".join(lines), ha="center", va="top", fontsize=7, color="0.25",
        transform=axes.transAxes, linespacing=1.35,
    )  # fmt: skip
    axes.set_anchor("N")  # room below


def _percentiles(values: FloatArray, share: float) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    low, high = np.percentile(known, [share, 100 - share])
    return float(low), float(high)
