# SPDX-License-Identifier: GPL-3.0-or-later
"""What the figures of a map share: its frame, scale bar, outlines and the stamp."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory
from numpy.typing import NDArray

from polarstem.report.map_files import MapFiles

WARNING = "#B00020"


def placed(files: MapFiles) -> dict[str, Any]:
    """How `imshow` puts an array of the scan at its place, without smoothing."""
    return {"extent": files.edges, "interpolation": "nearest"}


def scale_bar(axes: Axes, files: MapFiles) -> None:
    """Draw a bar of a round length, about a quarter of the width, beneath a map without ticks."""
    left, right, bottom, top = files.edges
    width = right - left
    decade = 10 ** math.floor(math.log10(0.2501 * width))
    length = max(n * decade for n in (1, 2, 5) if n * decade <= 0.2501 * width)
    place = blended_transform_factory(axes.transData, axes.transAxes)
    axes.plot(
        [left, left + length], [-0.045, -0.045], color="black", lw=2.5, solid_capstyle="butt",
        transform=place, clip_on=False,
    )  # fmt: skip
    axes.annotate(
        f"{length:g} {files.unit}", (left + length, -0.045), (4, 0), xycoords=place,
        textcoords="offset points", ha="left", va="center",
    )  # fmt: skip
    axes.set(xticks=[], yticks=[], xlim=(left, right), ylim=(bottom, top))
    axes.spines[["top", "right"]].set_visible(True)


def outline_cells(axes: Axes, files: MapFiles, chosen: NDArray[np.bool_]) -> None:
    """Hatch cells, and draw a line around groups of them along the edges of their positions."""
    inside = np.append(chosen, False)[files.data["cell"].values]
    (dy, dx), (left, _, _, top) = files.step, files.edges
    every = max(1, round(files.cell_side / dx / 2))
    row, column = np.nonzero(inside & (np.add(*np.indices(inside.shape)) % every == 0))
    low = np.stack([left + column * dx, top + (row + 1) * dy], axis=1)
    diagonals = list(np.stack([low, low + np.array([dx, -dy])], axis=1))
    for colour, width in (("black", 2.0), ("white", 0.9)):
        strokes = LineCollection(diagonals, colors=colour, linewidths=0.6 * width)
        axes.add_collection(strokes, autolim=False)
        draw_edges(axes, files, inside, colour, width)


def draw_edges(
    axes: Axes, files: MapFiles, labels: NDArray[np.generic], colour: str, width: float
) -> None:
    """Draw lines between probe positions of different labels (y, x)."""
    (dy, dx), (left, _, _, top) = files.step, files.edges
    # only groups of True are closed along the edge of the scan
    padded = np.pad(labels, 1) if labels.dtype == bool else np.pad(labels, 1, mode="edge")
    lines = []
    for row, column in np.argwhere(padded[1:] != padded[:-1]):
        x, y = left + (column - 1) * dx, top + row * dy
        lines.append([(x, y), (x + dx, y)])
    for row, column in np.argwhere(padded[:, 1:] != padded[:, :-1]):
        x, y = left + column * dx, top + (row - 1) * dy
        lines.append([(x, y), (x, y + dy)])
    shown = LineCollection(lines, colors=colour, linewidths=width, capstyle="projecting")
    axes.add_collection(shown, autolim=False)


def stamp(figure: Figure, text: str) -> None:
    """Say at the top of a figure that the map was made against the checks, if there is a text."""
    if text:
        figure.text(
            0.5, 1 - 0.06 / figure.get_figheight(), text, ha="center", va="top",
            color="white", weight="bold", wrap=True,
            bbox={"fc": WARNING, "ec": "none", "boxstyle": "square,pad=0.35"},
        )  # fmt: skip


def stamp_height(text: str) -> float:
    """Room that the stamp takes above a figure [inch]."""
    return 0.4 if text else 0.0
