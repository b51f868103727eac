# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of displacements and its page: every unit cell, its ellipse, walls across lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.displacements.displacement_files import write_displacements
from polarstem.displacements.displacement_map import said
from polarstem.displacements.microscope_conditions import MEANINGS
from polarstem.displacements.verdicts import UNTOLD_MEANINGS
from polarstem.files import atomic_path
from polarstem.report.embedding import script_data, template, verbatim
from polarstem.report.figures import style
from polarstem.report.figures.displacement_arrows import draw_displacements
from polarstem.report.map_files import stamp_text

PAGE_FILE = "displacements.html"
_MINUS = "\u2212"
_VALUES = ("ux", "uy", "sigma_x", "sigma_y", "correlation", "p_polar", "polarization", "misfit")
_DIGITS = 6  # significant ones


def write_displacement_folder(data: xr.Dataset, folder: Path | str) -> None:
    """Write all files of displacements, a figure and a page into a new folder.

    Parameters
    ----------
    data : Dataset
        See `polarstem.displacements.displacement_map.measure_displacements`.
    folder : path
        Is there complete or not at all.
    """
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        write_displacements(data, temporary)
        draw_displacements(data, temporary / "displacements.png")
        write_displacement_page(data, temporary)


def write_displacement_page(data: xr.Dataset, folder: Path | str) -> Path:
    """Write ``displacements.html``, which holds all it shows and needs no network.

    Parameters
    ----------
    data : Dataset
        See `polarstem.displacements.displacement_map.measure_displacements`.
    folder : path
        Folder that exists.

    Returns
    -------
    path
        The page.
    """
    conditions = json.loads(data.attrs.get("conditions", "{}"))
    page = template("displacements.html.j2").render(
        css=verbatim("report.css", "map.css", "displacements.css"),
        script=verbatim("wall.js", "displacements.js"),
        data=script_data(page_data(data)),
        scan=Path(data.attrs.get("scan", "a scan")).name,
        model=data.attrs.get("model", ""),
        said=said(data),
        stamp=stamp_text(data.attrs.get("forced")),
        full=float(data.attrs["full_vector_pm"]),
        conditions=[
            (text, f"{conditions[name]:.3g}".replace("-", _MINUS), unit)
            for name, (text, unit) in MEANINGS.items()
            if name in conditions
        ],
    )
    output = Path(folder) / PAGE_FILE
    with atomic_path(output) as path:
        path.write_text(page, encoding="utf-8")
    return output


def page_data(data: xr.Dataset) -> dict[str, Any]:
    """What the page's script draws, safe for JSON: a list for each quantity of the cells."""
    x, y = data["centre_x"].values.astype(float), data["centre_y"].values.astype(float)
    values = {name: _short(data[name].values) for name in _VALUES}
    direction = np.degrees(np.arctan2(data["uy"].values, data["ux"].values))
    return {
        "cells": {"x": _short(x), "y": _short(y), "reason": data["reason"].values.tolist()}
        | {"row": data["row"].values.tolist(), "column": data["column"].values.tolist()}
        | {"colour": _hex(direction)}
        | values,
        "side": cell_side(x, y),
        "lattice": _lattice(data, x, y),
        "full": float(data.attrs["full_vector_pm"]),
        "reasons": list(UNTOLD_MEANINGS.values()),
        "wheel": _hex(np.arange(5.0, 360, 10)),
        "levels": [
            matplotlib.colors.to_hex(c)
            for c in matplotlib.colormaps[style.SCORE_CMAP](np.linspace(0, 1, 64))
        ],
    }


def cell_side(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Distance between the middles of neighbouring cells; 1 of a single cell."""
    apart = np.hypot(x[:, None] - x, y[:, None] - y)
    np.fill_diagonal(apart, np.inf)
    return float(np.median(apart.min(1))) if len(x) > 1 else 1.0


def _lattice(data: xr.Dataset, x: NDArray[np.float64], y: NDArray[np.float64]) -> list[list[float]]:
    """x and y of a step along the columns and along the rows; upright where cells do not tell."""
    numbers = np.stack([data[name].values for name in ("column", "row")], axis=1).astype(float)
    numbers -= numbers.mean(0)
    if np.linalg.matrix_rank(numbers) < 2:
        return (cell_side(x, y) * np.eye(2)).tolist()
    steps: list[list[float]] = np.linalg.lstsq(
        numbers, np.stack([x - x.mean(), y - y.mean()], axis=1), rcond=None
    )[0].tolist()
    return steps


def _short(values: NDArray[Any]) -> list[float | None]:
    return [
        float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None for value in values.tolist()
    ]


def _hex(directions_deg: NDArray[np.float64]) -> list[str]:
    return [matplotlib.colors.to_hex(c) for c in style.direction_colour(directions_deg)]
