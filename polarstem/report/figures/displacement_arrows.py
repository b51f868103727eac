# SPDX-License-Identifier: GPL-3.0-or-later
"""Figure of displacements: arrows with a key in picometres, and how long and how sure they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from polarstem.report.figures import style
from polarstem.report.figures.map_parts import stamp, stamp_height
from polarstem.report.map_files import stamp_text


def draw_displacements(data: xr.Dataset, output: Path) -> None:
    """Draw the displacement of each unit cell.

    Parameters
    ----------
    data : Dataset
        See `polarstem.displacements.displacement_map.measure_displacements`.
    output : path
        PNG to write.
    """
    told = data["reason"].values == 0
    ux, uy = data["ux"].values, data["uy"].values
    text = stamp_text(data.attrs.get("forced"))
    room = stamp_height(text)
    with style.new_figure(style.WIDTH_IN, 3.0 + room, top=room) as figure:
        stamp(figure, text)
        arrows, lengths = figure.subplots(1, 2, width_ratios=(1.25, 1))
        _draw_arrows(arrows, data, told)
        sigma = float(np.sqrt(np.nanmean((data["sigma_x"] ** 2 + data["sigma_y"] ** 2) / 2)))
        lengths.plot(ux[told], uy[told], ".", ms=4, color=style.MODEL_COLOURS[0], alpha=0.7)
        full = float(data.attrs["full_vector_pm"])
        around = np.linspace(0, 2 * np.pi, 181)
        lengths.plot(full * np.cos(around), full * np.sin(around), color=style.NO_DIRECTION, lw=0.8)
        lengths.annotate(
            f"template, {full:.1f} pm", (0, full), (3, 3), textcoords="offset points", ha="left",
            va="bottom", color=style.NO_DIRECTION,
        )  # fmt: skip
        lengths.axhline(0, color=style.NO_DIRECTION, lw=0.5)
        lengths.axvline(0, color=style.NO_DIRECTION, lw=0.5)
        limit = 1.25 * max(full, float(np.nanmax(np.hypot(ux, uy), initial=0.0)))
        lengths.set(
            xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal",
            xlabel="to the right [pm]", ylabel="upwards [pm]",
        )  # fmt: skip
        lengths.set_title(f"(b) one standard deviation: {sigma:.1f} pm", loc="left")
        style.save(figure, output)


def _draw_arrows(axes: Axes, data: xr.Dataset, told: NDArray[np.bool_]) -> None:
    """Arrows centred on their cells, coloured by direction; dots where nothing is told."""
    x, y = data["centre_x"].values, data["centre_y"].values
    ux, uy = data["ux"].values, data["uy"].values
    full = float(data.attrs["full_vector_pm"])
    pairs = np.hypot(x[:, None] - x, y[:, None] - y) + np.where(np.eye(len(x), dtype=bool), 9e9, 0)
    side = float(np.median(pairs.min(1))) if len(x) > 1 else 1.0
    colours = style.direction_colour(np.degrees(np.arctan2(uy[told], ux[told])))
    drawn = axes.quiver(
        x[told], y[told], ux[told], uy[told], color=colours, pivot="mid", angles="uv",
        scale_units="x", scale=1.1 * full / side, width=0.006, headwidth=3.5, headlength=4,
        headaxislength=3.6, edgecolor="black", linewidth=0.2,
    )  # fmt: skip
    axes.plot(x[~told], y[~told], "x", ms=3, color=style.NO_DIRECTION)
    axes.quiverkey(drawn, 0.86, 1.06, full, f"{full:.0f} pm", labelpos="E", color="black")
    edge = 0.7 * side
    axes.set(
        xlim=(x.min() - edge, x.max() + edge), ylim=(y.max() + edge, y.min() - edge),
        aspect="equal", xlabel="x [nm]", ylabel="y [nm]",
    )  # fmt: skip
    axes.set_title(f"(a) {told.sum()} of {len(told)} cells", loc="left")
