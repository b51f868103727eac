# SPDX-License-Identifier: GPL-3.0-or-later
"""Figure of several maps at once, beside what is true of virtual experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from polarstem.files import open_netcdf
from polarstem.report.figures import style
from polarstem.report.figures.map_parts import WARNING, draw_edges, placed, scale_bar
from polarstem.report.figures.maps import MAX_PNG_BYTES, direction_image, draw_arrows
from polarstem.report.map_files import MapFiles, read_map

_COLUMNS = 4
_SIDE = 1.7  # of a panel [inch]
_TRUE = {"true wall": "black", "true defect": "#D50032"}


def draw_maps(
    experiments: Mapping[str, Path | str],
    output: Path | str | Sequence[Path | str],
    truths: Mapping[str, Path | str] | None = None,
) -> None:
    """Draw the maps of experiments side by side.

    Parameters
    ----------
    experiments : mapping of str to path
        Folder of each map, by the name of the experiment.
    output : path or paths
        The figure.
    truths : mapping of str to path, optional
        Truth of virtual experiments, ``truth.nc`` on the grid of the scan, by the same names. Its
        walls and defects are drawn into the maps.

    Raises
    ------
    PolarstemError
        If a map or a truth is missing or broken.
    """
    columns = min(_COLUMNS, len(experiments) + 1)
    rows = -(-(len(experiments) + 1) // columns)
    size = max(4.8, style.WIDTH_IN * columns / _COLUMNS), 0.4 + rows * (_SIDE + 0.45)
    with style.new_figure(*size, top=0.08) as figure:
        grid = list(figure.subplots(rows, columns, squeeze=False).ravel())
        for axes, (name, folder) in zip(grid, experiments.items(), strict=False):
            files = read_map(folder)
            with files.data:
                _draw_one(axes, files, (truths or {}).get(name))
            forced = " (forced)" if files.stamp else ""
            colour = WARNING if forced else "black"
            axes.set_title(name.replace("_", " ") + forced, fontsize=8, color=colour)
        for axes in grid[len(experiments) :]:
            axes.axis("off")
        style.draw_wheel(grid[-1], ["right", "up", "left", "down"], [0, 90, 180, 270])
        lines = [
            *(Line2D([], [], color=colour, label=what) for what, colour in _TRUE.items() if truths),
            Patch(fc="0.6", ec="white", hatch="////", label="flagged as anomalous"),
        ]
        figure.legend(handles=lines, loc="outside lower center", ncols=len(lines))
        style.save(figure, output, MAX_PNG_BYTES)


def _draw_one(axes: Axes, files: MapFiles, truth: Path | str | None) -> None:
    axes.imshow(direction_image(files), **placed(files))
    scale_bar(axes, files)
    draw_arrows(axes, files, _SIDE, "white")
    if truth is not None:
        with open_netcdf(truth, "truth") as file:
            labels, defect = file["domain"].values, file["defect"].values.astype(bool)
        draw_edges(axes, files, labels, _TRUE["true wall"], 1.4)
        draw_edges(axes, files, defect, _TRUE["true defect"], 1.4)
    answered = files.data["cell_answered"].values
    if answered.size:
        share = f"{100 * np.mean(answered):.0f} % answered"
        axes.text(1, -0.045, share, transform=axes.transAxes, ha="right", va="center", fontsize=7)
