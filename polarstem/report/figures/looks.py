# SPDX-License-Identifier: GPL-3.0-or-later
"""How trained models look in every figure: colour is the family, marker and line the training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from polarstem.evaluate.scores.rungs import joint_sources, streams
from polarstem.report.figures import style

Config = Mapping[str, Any]
ON_STREAM: dict[str, Any] = {"marker": "o", "ls": "-", "lw": 1.8, "ms": 4.5}
ON_SEVERAL: dict[str, Any] = {"marker": "s", "ls": (0, (5, 1.5)), "lw": 1.1, "ms": 3.5}
ON_ONE: dict[str, Any] = {"marker": "o", "ls": (0, (2, 1.2)), "lw": 1.1, "ms": 3.5, "mfc": "white"}


def look_of(model: str, source: str, config: Config) -> dict[str, Any]:
    """Colour, marker and line of a model trained on a source."""
    return {"color": colour_of(model, config), **training_look(source, config)}


def training_look(source: str, config: Config) -> dict[str, Any]:
    """Full circles learned from a stream, squares from several thicknesses, hollow from one."""
    if source in streams(config):
        return ON_STREAM
    return ON_SEVERAL if source in joint_sources(config) else ON_ONE


def colour_of(model: str, config: Config) -> str:
    """Colour of a model's family; models fitted to scans keep that of the model they came from."""
    came_from = {
        entry["name"] or f"{entry['model']}_{entry['method']}": entry["model"]
        for entry in config["evaluate"].get("adaptation", ())
    }
    models = config["models"]
    family = {name: settings.get("family", name) for name, settings in models.items()}
    families = list(dict.fromkeys(family.values()))
    place = families.index(family[came_from.get(model, model)])
    return style.MODEL_COLOURS[place % len(style.MODEL_COLOURS)]


def label_ends(
    axes: Axes, ends: Sequence[tuple[float, str, str]], gap: float, x: float = 1.02
) -> None:
    """Write names beside the ends of lines, moved apart where they would overlap.

    Parameters
    ----------
    axes : Axes
        With its limits set.
    ends : sequence of (float, str, str)
        Height of each end in units of the axis, its name and its colour.
    gap : float
        Least distance of two names, in units of the axis.
    x : float
        Where names start, as a fraction of the panel's width.
    """
    if not ends:
        return
    ordered = sorted(ends, key=lambda end: end[0])
    places = spread([height for height, _, _ in ordered], gap, *sorted(axes.get_ylim()))
    across = axes.get_yaxis_transform()
    for place, (_, name, colour) in zip(places, ordered, strict=True):
        ink = style.ink_of(colour)
        axes.text(x, place, name, color=ink, transform=across, va="center", fontsize=7.5)


def spread(heights: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move ascending heights as little as keeps them a gap apart and, if they fit, in a range."""
    places: list[float] = []
    for height in heights:
        places.append(max(height, places[-1] + gap if places else low))
    ceiling = max(high, low + gap * (len(places) - 1))
    for i in reversed(range(len(places))):
        places[i] = min(places[i], ceiling)
        ceiling = places[i] - gap
    return places
