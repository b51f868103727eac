# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers behind a figure, read back from what was drawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import PolyCollection, QuadMesh
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

COLUMNS = ("panel", "series", "x", "y", "low", "high", "value")
MOST_PIXELS = 4096
"""Larger images are pictures, not tables."""
DECORATION = "_"
"""Label of lines that only guide the eye."""

Row = dict[str, Any]


def drawn_data(figure: Figure) -> pd.DataFrame:
    """Collect the points, bars, bands and tiles of a figure.

    Parameters
    ----------
    figure : Figure
        A figure that is drawn.

    Returns
    -------
    DataFrame
        A row for each: ``panel`` (title of the axes), ``series`` (label of what was drawn), ``x``
        and ``y`` in the units of the axes (or the name that stands there), ``low`` and ``high`` of
        an interval, and ``value`` of a tile. Columns that nothing fills are left out.
    """
    rows = []
    panels: list[Any] = [
        axes for axes in figure.axes if axes.get_label() != "<colorbar>" and axes.axison
    ]
    for number, axes in enumerate(panels, 1):
        title = next(filter(None, map(axes.get_title, ("center", "left", "right"))), "")
        panel = {"panel": " ".join(title.split()) or f"panel {number}"}
        rows += [panel | row for row in _rows(axes)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.dropna(axis="columns", how="all") if len(table) else table


def _rows(axes: Any) -> Iterator[Row]:
    """Points, bars, bands and tiles of a panel."""
    names = {"x": _names(axes.xaxis), "y": _names(axes.yaxis)}

    def row(series: Any, x: float, y: float, **more: float) -> Row:
        label = str(series or "")
        places = {"x": _named(x, names["x"]), "y": _named(y, names["y"])}
        return {"series": "" if label.startswith("_") else label, **places, **more}

    taken: set[int] = set()
    for container in axes.containers:
        if _is(container, ErrorbarContainer):
            line, caps, bars = container.lines
            taken |= {id(line), *map(id, caps), *map(id, bars)}
            along = 0 if container.has_xerr else 1
            spans = [path.vertices[:, along] for path in bars[0].get_paths()] if bars else []
            for place, (x, y) in enumerate(zip(*line.get_data(), strict=True)):
                ends = spans[place] if place < len(spans) else (np.nan, np.nan)
                yield row(container.get_label(), x, y, low=ends[0], high=ends[1])
        elif _is(container, BarContainer):
            for bar in container.patches:
                flat = container.orientation == "horizontal"
                centre = bar.get_y() + bar.get_height() / 2, bar.get_x() + bar.get_width()
                upright = bar.get_x() + bar.get_width() / 2, bar.get_y() + bar.get_height()
                x, y = (centre[1], centre[0]) if flat else upright
                yield row(container.get_label(), x, y)
    for line in axes.lines:
        if id(line) not in taken and line.get_label() != DECORATION and _in_data(line, axes):
            for x, y in zip(*line.get_data(), strict=True):
                yield row(line.get_label(), x, y)
    for collection in axes.collections:
        if _is(collection, QuadMesh):
            values: Any = np.ma.filled(np.ma.asarray(collection.get_array(), float), np.nan)
            corners = collection.get_coordinates()
            yield from _tiles(row, corners[0, :, 0], corners[:, 0, 1], values)
        elif _is(collection, PolyCollection) and _in_data(collection, axes):
            for path in collection.get_paths():
                for x in np.unique(path.vertices[:, 0]):
                    heights = path.vertices[path.vertices[:, 0] == x, 1]
                    label = collection.get_label()
                    yield row(label, x, np.nan, low=heights.min(), high=heights.max())
    for image in axes.images:
        values = np.ma.filled(np.ma.asarray(image.get_array(), float), np.nan)
        if values.ndim == 2 and values.size <= MOST_PIXELS:
            left, right, bottom, top = image.get_extent()
            up = image.origin == "lower"
            x = np.linspace(left, right, values.shape[1] + 1)
            y = np.linspace(*((bottom, top) if up else (top, bottom)), values.shape[0] + 1)
            yield from _tiles(row, x, y, values)


def _is(artist: object, kind: type) -> bool:
    """Whether something is of a kind, without what matplotlib's types say of the kind's arrays."""
    return isinstance(artist, kind)


def _tiles(row: Any, x: np.ndarray, y: np.ndarray, values: np.ndarray) -> Iterator[Row]:
    """A row for each tile that has a value, at its centre."""
    values = values.reshape(len(y) - 1, len(x) - 1)
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            yield row("", (x[j] + x[j + 1]) / 2, (y[i] + y[i + 1]) / 2, value=value)


def _in_data(artist: Line2D | PolyCollection, axes: Axes) -> bool:
    """Whether something stands in units of both axes; lines across a panel do not."""
    offset = isinstance(artist, PolyCollection)
    return bool(artist.get_transform() == axes.transData) or (
        offset and artist.get_transform().contains_branch(axes.transData)
    )


def _names(axis: Axis) -> dict[float, str]:
    """Names along an axis whose ticks, one apart, bear something else than their numbers."""
    texts = [" ".join(label.get_text().split()) for label in axis.get_ticklabels()]
    names = dict(zip(map(float, axis.get_ticklocs()), texts, strict=False))
    numbered = all(text.replace("\u2212", "-") == f"{place:g}" for place, text in names.items())
    return {} if numbered or not np.allclose(np.diff(list(names)), 1) else names


def _named(place: float, names: dict[float, str]) -> float | str:
    """The name at a place, of which points may stand a little aside."""
    near = min(names, key=lambda other: abs(other - place), default=np.inf)
    return names[near] if abs(near - place) <= 0.4 else float(place)
