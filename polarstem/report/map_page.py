# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a map: one HTML file to look at every position of a scan, without a network."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from polarstem.files import atomic_path
from polarstem.maps.withheld import MEANINGS, Reason
from polarstem.report.embedding import embed, script_data, template, verbatim
from polarstem.report.figures import style
from polarstem.report.figures.maps import ANOMALY_CMAP, UNANSWERED, anomaly_range, field_range
from polarstem.report.map_files import FloatArray, MapFiles, read_map
from polarstem.simulate.pattern_library import FILE_NAME, Library

MOST_PATTERNS = 6000
"""Positions of a scan up to which the page holds their patterns, and not only those of cells."""
FIGURES = {
    "map": "Directions per probe position, and of the unit cells over the dark field.",
    "thickness_tilt": "How thickness and tilt were found from the position-averaged pattern.",
    "calibration": "The scan's calibration: mean pattern, centres, rotation and lattice.",
}
_MINUS = "\u2212"


def finish_map(folder: Path, model: Path | str) -> None:
    """Add figures and page to a map.

    Parameters
    ----------
    folder : path
        What `polarstem.maps.mapper.map_scan` has written.
    model : path
        The model's folder, with its library if it has one.
    """
    from polarstem.report.figures.maps import draw_map_figures

    library = Path(model) / FILE_NAME
    draw_map_figures(folder)
    write_map_page(folder, library if library.is_file() else None)


def write_map_page(folder: Path | str, library: Path | str | None = None) -> Path:
    """Write ``map.html`` into the folder of a map.

    Parameters
    ----------
    folder : path
        Folder with ``map.nc`` and ``summary.json``; figures that are there too are shown.
    library : path, optional
        Pattern library of the model, whose templates patterns are compared with. Without it they
        are compared with the mean patterns of the classes in the scan.

    Returns
    -------
    path
        The page.

    Raises
    ------
    PolarstemError
        If the folder holds no map, or the library is none.
    """
    folder = Path(folder)
    files = read_map(folder)
    with files.data:
        content = page_data(files, Library.open(library) if library is not None else None)
    page = template("map.html.j2", quantity=quantity).render(
        css=verbatim("report.css", "map.css"),
        script=verbatim("map.js"),
        data=script_data(content),
        summary=files.summary,
        scan=Path(files.summary["scan"]).name,
        stamp=files.stamp,
        names=dict(zip(files.names, files.class_directions.tolist(), strict=True)),
        figures={
            name: embed(folder / f"{name}.png") | {"alt": alt}
            for name, alt in FIGURES.items()
            if (folder / f"{name}.png").is_file()
        },
    )
    with atomic_path(folder / "map.html") as path:
        path.write_text(page, encoding="utf-8")
    return folder / "map.html"


def page_data(files: MapFiles, library: Library | None) -> dict[str, Any]:
    """Everything that the page's script shows, safe for JSON.

    Arrays are ``{"type", "shape", "data"}`` with the bytes in base64, little-endian. Probabilities
    are in 255ths. Patterns are in 255ths of the square root of their brightest pixel, which is
    exact where the noise of the counts is.
    """
    data = files.data
    positions = data["class_index"].size
    templates, origin = _templates(files, library)
    return {
        "shape": list(data["class_index"].shape),
        "step": list(files.step),
        "unit": files.unit,
        "classes": [
            {"name": name, "direction": None if np.isnan(angle) else angle, "colour": colour}
            for name, angle, colour in zip(
                files.names, files.class_directions.tolist(), _hex(files.class_directions),
                strict=True,
            )
        ],
        "unanswered": UNANSWERED,
        "reasons": [MEANINGS[reason] for reason in Reason],
        "wheel": _hex(np.arange(1.5, 360, 3)),
        "rotation": files.crystal_rotation_deg,
        "layers": {
            "confidence": _layer(style.SCORE_CMAP, 1 / len(files.names), 1.0),
            "anomaly": _layer(ANOMALY_CMAP, *anomaly_range(files)),
            "dark_field": _layer("gray", *field_range(files)),
        },
        "pattern_colours": _colours(style.PATTERN_CMAP),
        "mrad": _width(data["kx"].values) if "kx" in data else None,
        "threshold": data.attrs.get("anomaly_threshold"),
        "positions": _answers(files, "", "conformal_set")
        | {
            "dark_field": _packed(data["dark_field"].values, "<f4"),
            "cell": _packed(data["cell"].values, "<i4"),
            "cell_y": _packed(data["cell_y"].values, "<f4"),
            "cell_x": _packed(data["cell_x"].values, "<f4"),
            "pattern": (
                _patterns(data["pattern"].values)
                if "pattern" in data and positions <= MOST_PATTERNS
                else None
            ),
        },
        "cells": _answers(files, "cell_", "cell_set")
        | {
            "x": _packed(data["cell_centre_x"].values, "<f4"),
            "y": _packed(data["cell_centre_y"].values, "<f4"),
            "row": _packed(data["cell_row"].values, "<i4"),
            "column": _packed(data["cell_column"].values, "<i4"),
            "count": _packed(data["cell_count"].values, "<i4"),
            "pattern": _patterns(data["cell_pattern"].values) if "cell_pattern" in data else None,
            "side": files.cell_side,
        },
        "templates": templates,
        "template_origin": origin,
    }  # fmt: skip


def quantity(entry: Mapping[str, Any]) -> str:
    """A value with its unit and interval as the table of settings shows it."""
    unit = {"1": "", "degrees": "°", "deg": "°"}.get(entry["unit"] or "1", f"\u00a0{entry['unit']}")
    text = _text(entry["value"]) + unit
    if entry.get("interval"):
        text += f" ({_text(entry['interval'], ' to ')}{unit})"
    return text


def _width(angles: FloatArray) -> float:
    """Width of a pattern from the angles of its pixels [mrad]."""
    return float(abs(angles[-1] - angles[0]) * len(angles) / (len(angles) - 1))


def _text(value: Any, between: str = ", ") -> str:
    if isinstance(value, list):
        return between.join(_text(part) for part in value)
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, int | float):
        text = f"{value}" if isinstance(value, int) else f"{value:.4g}"
        return text.replace("-", _MINUS)
    return str(value)


def _answers(files: MapFiles, prefix: str, members: str) -> dict[str, Any]:
    data = files.data
    probability = np.nan_to_num(data[f"{prefix}probability"].values)
    return {
        "probability": _packed(np.rint(255 * probability), "u1"),
        "class": _packed(data[f"{prefix}class_index"].values, "<i2"),
        "set": _packed(data[members].values, "<u2"),
        "answered": _packed(data[f"{prefix}answered"].values, "u1"),
        "withheld": _packed(_reasons(data, prefix), "u1"),
        "flagged": _packed(data[f"{prefix}flagged"].values, "u1"),
        "anomaly": _packed(data[f"{prefix}anomaly"].values, "<f4"),
    }


def _reasons(data: xr.Dataset, prefix: str) -> NDArray[np.integer]:
    """Why there is no answer; of maps of earlier versions, that there is none."""
    if f"{prefix}withheld" in data:
        return np.asarray(data[f"{prefix}withheld"].values)
    answered = data[f"{prefix}answered"].values
    return np.where(answered, Reason.ANSWERED, Reason.AMBIGUOUS)


def _templates(files: MapFiles, library: Library | None) -> tuple[dict[str, Any] | None, str]:
    """Patterns of all classes (class, cell_y, cell_x, ky, kx), and what they are."""
    thickness = (files.summary.get("thickness_nm") or {}).get("value")
    if library is not None and thickness is not None:
        found = library.templates(float(thickness))
        order = [library.class_names.index(name) for name in files.names]
        return _patterns(found[order]), f"simulated at {float(thickness):.1f}\u00a0nm"
    if "cell_pattern" not in files.data or not files.data.sizes["cell"]:
        return None, ""
    patterns, index = (files.data[f"cell_{n}"].values for n in ("pattern", "class_index"))
    means = np.zeros((len(files.names), 1, 1, *patterns.shape[1:]))
    for number in np.unique(index[index >= 0]):
        means[number] = patterns[index == number].mean(0)
    return _patterns(means), "mean pattern of the class in this scan"


def _patterns(patterns: ArrayLike) -> dict[str, Any]:
    """Patterns (..., ky, kx) as bytes, each with its brightest pixel."""
    values = np.nan_to_num(np.maximum(np.asarray(patterns, np.float32), 0))
    brightest = values.max(axis=(-2, -1), keepdims=True)
    shares = np.divide(values, brightest, out=np.zeros_like(values), where=brightest > 0)
    packed = _packed(np.rint(255 * np.sqrt(shares)), "u1")
    return packed | {"brightest": _packed(brightest, "<f4")}


def _packed(values: ArrayLike, kind: str) -> dict[str, Any]:
    array: NDArray[Any] = np.asarray(values).astype(kind)
    data = base64.b64encode(array.tobytes()).decode("ascii")
    return {"type": kind[-2:], "shape": list(array.shape), "data": data}


def _layer(cmap: str, low: float, high: float) -> dict[str, Any]:
    return {"colours": _colours(cmap), "low": low, "high": high}


def _colours(cmap: str) -> dict[str, Any]:
    """Red, green and blue of 256 levels of a colour map."""
    levels = matplotlib.colormaps[cmap](np.linspace(0, 1, 256))[:, :3]
    return _packed(np.rint(255 * levels), "u1")


def _hex(directions_deg: FloatArray) -> list[str]:
    return [matplotlib.colors.to_hex(c) for c in style.direction_colour(directions_deg)]
