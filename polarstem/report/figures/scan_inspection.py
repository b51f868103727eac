# SPDX-License-Identifier: GPL-3.0-or-later
"""Figure of a scan before any model: mean pattern with its disc, virtual images, lattice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.patches import Circle
from numpy.typing import NDArray

from polarstem.report.figures import style
from polarstem.scans.inspection import Inspection


def draw_inspection(inspection: Inspection, output: Path) -> None:
    """Draw the mean pattern, and images of bright and dark field with the unit cells found.

    Parameters
    ----------
    inspection : Inspection
        Of a scan.
    output : path
        PNG to write.
    """
    with style.new_figure(style.WIDTH_IN, 3.1) as figure:
        pattern, bright, dark = figure.subplots(1, 3)
        _mean_pattern(pattern, inspection)
        images = inspection.images
        for axes, name, image in (
            (bright, "(b) bright field", images[..., :2].sum(-1)),
            (dark, "(c) dark field", images[..., 3]),
        ):
            axes.set_title(name, loc="left")
            if image.size:
                axes.imshow(image, cmap="gray", interpolation="nearest")
            axes.set(xlabel="scan column", ylabel="scan row")
        if inspection.lattice is not None:
            _cells(dark, inspection, images.shape[:2])
        style.save(figure, output)


def _mean_pattern(axes: Axes, inspection: Inspection) -> None:
    calibration = inspection.calibration
    mean = np.maximum(calibration.mean, 0)
    high = float(mean.max()) or 1.0
    low = max(float(np.percentile(mean, 1)), 1e-4 * high)
    norm = LogNorm(vmin=low, vmax=max(high, 2 * low), clip=True)
    axes.imshow(mean, norm=norm, cmap=style.PATTERN_CMAP, interpolation="nearest")
    settings = inspection.settings
    if "disc_radius_pixels" in settings:
        row, column = settings["centre"].value
        radius = float(settings["disc_radius_pixels"].value)
        axes.add_patch(Circle((column, row), radius, fill=False, ec="white", lw=1, ls="--"))
        axes.plot(column, row, "+", color="white", ms=8, mew=1)
    y, x = np.nonzero(calibration.bad)
    axes.scatter(x, y, s=14, fc="none", ec="#56D3FF", lw=0.7)
    axes.set_title("(a) mean pattern", loc="left")
    axes.set(xlabel="detector column", ylabel="detector row")


def _cells(axes: Axes, inspection: Inspection, shape: tuple[int, ...]) -> None:
    """Edges of the unit cells, where the fraction of the cell starts anew."""
    assert inspection.lattice is not None
    cells = inspection.lattice.cells(shape[0], shape[1])
    for place in (cells.y, cells.x):
        phase: NDArray[np.float64] = 2 * np.pi * place
        if np.isfinite(phase).all():
            level = np.where(np.cos(phase) > 0, np.sin(phase), np.nan)
            axes.contour(level, [0.0], colors=style.MODEL_COLOURS[5], linewidths=0.7)
