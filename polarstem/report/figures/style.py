# SPDX-License-Identifier: GPL-3.0-or-later
"""What all figures share: fonts, colours, the colour wheel of directions, and saving."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import ArrayLike, NDArray

from polarstem.files import atomic_path
from polarstem.report.figures.drawn_data import drawn_data

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Wedge
from PIL import Image

WIDTH_IN = 7.2  # two columns of a journal
DPI = 200
MAX_PNG_BYTES = 300_000
CONVENTION = "0° = right, counter-clockwise, y up"

# Okabe and Ito's colours, told apart by colour-blind readers; markers tell them apart in grey.
MODEL_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#444444")
MODEL_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
SCORE_CMAP = "viridis"
SIGNED_CMAP = "RdBu_r"
PATTERN_CMAP = "magma"
NO_DIRECTION = "#808080"

_RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "lines.linewidth": 1.5,
    "lines.markersize": 5,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "polarstem",  # the same figure gives the same file
    "svg.fonttype": "path",
}


@contextmanager
def new_figure(
    width: float, height: float, gap: float | None = None, top: float = 0.0
) -> Iterator[Figure]:
    """Yield a figure of a size [inch] in the common style; it is closed afterwards.

    `gap` is for grids of images: the space between them [inch], to which they close up.
    `top` keeps room above all axes [inch].
    """
    with plt.rc_context(_RC):
        margin = 0.05 / width  # boxes around texts reach out of the layout
        room = (margin, 0, 1 - 2 * margin, 1 - top / height)
        layout = ConstrainedLayoutEngine(compress=gap is not None, rect=room)
        if gap is not None:
            layout.set(w_pad=gap, h_pad=gap, wspace=0, hspace=0)
        figure = plt.figure(figsize=(width, height), layout=layout)
        try:
            yield figure
        finally:
            plt.close(figure)


def save(
    figure: Figure,
    outputs: Path | str | Sequence[Path | str],
    max_bytes: int = MAX_PNG_BYTES,
) -> None:
    """Write a figure to one or more files by suffix: PNG, SVG, or CSV for what is drawn.

    A PNG above `max_bytes` is reduced to a palette and then in resolution until it fits.
    """
    figure.set_dpi(DPI)  # texts are as wide as they will be drawn
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once, not again for every format
    for output in [outputs] if isinstance(outputs, str | Path) else outputs:
        with atomic_path(output) as path:
            if path.suffix == ".svg":
                figure.savefig(path, format="svg", metadata={"Date": None})
            elif path.suffix == ".csv":
                drawn_data(figure).to_csv(path, index=False)
            else:
                path.write_bytes(_small_png(figure, max_bytes))


def save_sentence(text: str, outputs: Path | str | Sequence[Path | str]) -> None:
    """Write a figure that says why there is none."""
    with new_figure(5.0, 0.8) as figure:
        figure.text(0.5, 0.5, text, ha="center", va="center")
        save(figure, outputs)


def _small_png(figure: Figure, max_bytes: int) -> bytes:
    data = b""
    for dpi, colours in ((DPI, None), (DPI, 256), (150, 256), (110, 256)):
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": "polarstem"})
        if colours is not None:
            image = Image.open(buffer).convert("RGB").quantize(colours, dither=Image.Dither.NONE)
            buffer = io.BytesIO()
            image.save(buffer, format="png", optimize=True, dpi=(dpi, dpi))
        data = buffer.getvalue()
        if len(data) <= max_bytes:
            break
    return data


def direction_colour(direction_deg: ArrayLike) -> NDArray[np.float64]:
    """Colour of an in-plane direction, from a cyclic wheel that colour-blind readers can use.

    A circle in OKLab: yellow to blue along 0 - 180 degrees, and along 90 - 270 degrees green to
    purple together with light to dark, so that the wheel stays a circle without red and green.

    Parameters
    ----------
    direction_deg : array_like
        Directions [deg]; NaN (no direction) gives grey.

    Returns
    -------
    ndarray, shape (..., 3)
        sRGB in [0, 1].
    """
    direction = np.asarray(direction_deg, dtype=float)
    angle = np.radians(np.nan_to_num(direction))
    rgb = _oklab_to_srgb(0.64 + 0.18 * np.sin(angle), -0.14 * np.sin(angle), 0.12 * np.cos(angle))
    grey = matplotlib.colors.to_rgb(NO_DIRECTION)
    return np.where(np.isnan(direction)[..., None], grey, rgb)


def _oklab_to_srgb(
    lightness: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Convert OKLab (Ottosson 2020, https://bottosson.github.io/posts/oklab/) to sRGB."""
    to_lms = np.array(
        [
            [1.0, 0.3963377774, 0.2158037573],
            [1.0, -0.1055613458, -0.0638541728],
            [1.0, -0.0894841775, -1.2914855480],
        ]
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    lab = np.stack([lightness, a, b], axis=-1)
    linear = np.clip((lab @ to_lms.T) ** 3 @ to_rgb.T, 0.0, 1.0)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def draw_wheel(axes: Axes, names: Sequence[str], directions_deg: ArrayLike) -> None:
    """Draw the colour wheel with an arrow and a name for each class."""
    edges = np.linspace(0, 360, 181)
    for start, stop in pairwise(edges):
        colour = direction_colour((start + stop) / 2)
        axes.add_patch(Wedge((0, 0), 1.0, start, stop + 0.5, width=0.28, color=colour, lw=0))
    for name, direction in zip(names, np.asarray(directions_deg, dtype=float), strict=True):
        if np.isnan(direction):
            axes.text(0, -1.75, f"{name}: along the beam", ha="center", va="center")
            continue
        x, y = np.cos(np.radians(direction)), np.sin(np.radians(direction))
        axes.annotate(
            "",
            xy=(0.68 * x, 0.68 * y),
            xytext=(0, 0),
            arrowprops={"arrowstyle": "-|>", "color": "0.25", "lw": 1.0, "shrinkA": 0},
        )
        label = f"{name}\n{round(direction) % 360}°"
        axes.text(1.32 * x, 1.3 * y, label, ha="center", va="center", linespacing=1.0)
    axes.set(xlim=(-1.65, 1.65), ylim=(-1.65, 1.65), aspect="equal")
    axes.axis("off")


def ink_of(colour: str) -> tuple[float, float, float]:
    """A colour of lines, dark enough for small letters on white."""
    red, green, blue = matplotlib.colors.to_rgb(colour)
    return 0.62 * red, 0.62 * green, 0.62 * blue


def ink_on(level: float) -> str:
    """Text colour that is readable on the score colour map at a level in [0, 1]."""
    return "white" if level < 0.5 else "black"
