# SPDX-License-Identifier: GPL-3.0-or-later
"""Figure of the smallest displacement that is told from zero: over the cell, dose, thickness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from polarstem.evaluate.limit.vector_bound import SIGMAS, electrons_of_cell, read_vector_bound
from polarstem.report.figures import style
from polarstem.report.figures.position import column_positions, overlay_columns

MOST_MAPS = 4
_LINES = {"known": "-", "unknown": "--"}
_WHAT = {"known": "conditions known", "unknown": "conditions unknown"}
_MANY = 1e4  # electrons per pattern that maps and thicknesses are shown at, if there are


def draw_vector_bound(
    vector_bound_nc: Path | str | None,
    config: Mapping[str, Any],
    output: Path | str | Sequence[Path | str],
) -> None:
    """Draw which displacement of B counted patterns tell from zero at best.

    Parameters
    ----------
    vector_bound_nc : path, optional
        From `polarstem.evaluate.limit.displacement_limit.compute_vector_bound`.
    config : mapping
        The resolved config.
    output : path or paths
        PNG and SVG files.
    """
    if vector_bound_nc is None:
        style.save_sentence(
            "No bound of displacements was asked for (evaluate.vector_bound).", output
        )
        return
    data = read_vector_bound(vector_bound_nc)
    thicknesses, doses = data["thickness"].values, data["dose"].values
    dose = float(doses[np.argmin(np.abs(np.log(doses / _MANY)))])
    count = min(MOST_MAPS, len(thicknesses))
    chosen = thicknesses[np.linspace(0, len(thicknesses) - 1, count).round().astype(int)]
    with style.new_figure(style.WIDTH_IN, 5.4) as figure:
        grid = figure.add_gridspec(2, 2 * count, height_ratios=(1, 1.4))
        upper = [figure.add_subplot(grid[0, 2 * i : 2 * i + 2]) for i in range(count)]
        smallest = data.sel(amplitude=data["amplitude"].min())
        _maps(figure, upper, smallest.sel(thickness=chosen), dose, config)
        left = figure.add_subplot(grid[1, :count])
        template_pm = float(data.attrs["template_pm"])
        _over_dose(left, smallest, template_pm)
        right = figure.add_subplot(grid[1, count:])
        _over_thickness(right, data, dose, template_pm)
        figure.legend(*upper[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
        style.save(figure, output)


def _maps(
    figure: Figure,
    grid: Sequence[Axes],
    data: xr.Dataset,
    dose: float,
    config: Mapping[str, Any],
) -> None:
    """What one pattern tells from zero, over the cell, all thicknesses on one scale."""
    told = SIGMAS * data["error"].sel(knowledge="unknown").values / np.sqrt(dose)
    norm = LogNorm(told.min(), max(told.max(), 1.01 * told.min()))
    zone = config["structures"]["zone_axis"]
    for axes, values, thickness in zip(grid, told, data["thickness"].values, strict=True):
        image = axes.imshow(
            values,
            extent=(0, 1, 1, 0),
            norm=norm,
            cmap=style.SCORE_CMAP + "_r",
            aspect=1 / np.sqrt(2) if list(zone) == [1, 1, 0] else 1.0,
            interpolation="nearest",
        )
        overlay_columns(axes, column_positions(zone))
        axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])
        axes.set_yticks([0, 0.5, 1], ["0", "½", "1"] if axes is grid[0] else [""] * 3)
        axes.set(title=f"{thickness:g} nm", xlabel="x [cell]")
    grid[0].set_ylabel("y [cell]")
    bar = figure.colorbar(image, ax=list(grid), fraction=0.05, pad=0.02, aspect=18)
    bar.set_label(f"told from zero by one\npattern of {dose:,.0f} e [pm]")
    steps = np.outer(10.0 ** np.arange(-4, 5), (1, 2, 3, 5, 7)).ravel()
    inside = steps[(steps >= norm.vmin) & (steps <= norm.vmax)]
    bar.set_ticks(list(inside), labels=[f"{step:g}" for step in inside])
    bar.minorticks_off()


def _over_dose(axes: Axes, data: xr.Dataset, template_pm: float) -> None:
    """What a cell tells from zero, a colour for each thickness, and what fits reach."""
    doses = data["dose"].values
    colours = _colours(data)
    electrons = np.array([electrons_of_cell(data, dose) for dose in doses])
    data = data.sel(knowledge="unknown")
    for thickness, colour in colours.items():
        here = data.sel(thickness=thickness)
        told = SIGMAS * float(here["cell_error"]) / np.sqrt(electrons)
        axes.plot(doses, told, color=colour, lw=1.3)
        fitted = here["draws"].values > 0
        reached = told * np.sqrt(here["fit_ratio"].values)
        axes.plot(doses[fitted], reached[fitted], "o", color=colour, mfc="white", ms=5)
    axes.axhline(template_pm, color="0.45", lw=1, ls=":")
    across = axes.get_yaxis_transform()
    text = f"displacement of the template, {template_pm:.3g} pm"
    axes.text(0.98, template_pm, text, transform=across, ha="right", va="bottom", size=6.5)
    handles = [Line2D([], [], color=colour, lw=2) for colour in colours.values()]
    names = [f"{thickness:g} nm" for thickness in colours]
    if (data["draws"] > 0).any():
        handles.append(Line2D([], [], color="0.3", marker="o", ls="", mfc="white", ms=5))
        names.append("fits to simulated counts")
    axes.legend(handles, names, loc="lower left", fontsize=6.5)
    axes.set(xscale="log", yscale="log", xlabel="electrons per pattern")
    patterns = data.sizes["cell_y"] * data.sizes["cell_x"]
    axes.set_ylabel(f"smallest displacement\ntold from zero ({SIGMAS:g} σ) [pm]")
    axes.set_title(f"a cell of {patterns} patterns, {_WHAT['unknown']}", fontsize=8.5)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _over_thickness(axes: Axes, data: xr.Dataset, dose: float, template_pm: float) -> None:
    """The same at one dose, a colour for each polar vector."""
    electrons = electrons_of_cell(data, dose)
    for amplitude, colour in zip(data["amplitude"].values, style.MODEL_COLOURS, strict=False):
        for knowledge, line in _LINES.items():
            here = data.sel(amplitude=amplitude, knowledge=knowledge)
            told = SIGMAS * here["cell_error"].values / np.sqrt(electrons)
            label = f"at {amplitude * template_pm:.3g} pm, {_WHAT[knowledge]}"
            axes.plot(data["thickness"], told, line + "o", color=colour, ms=3.5, label=label)
    axes.set(ylim=(0, None), xlabel="thickness [nm]", ylabel=f"{SIGMAS:g} σ of a component [pm]")
    axes.legend(fontsize=6.5, loc="lower left", handlelength=3.5)
    axes.set_title(f"a cell, {dose:,.0f} electrons per pattern", fontsize=8.5)


def _colours(data: xr.Dataset) -> dict[float, Any]:
    thicknesses = data["thickness"].values.tolist()
    shades = mpl.colormaps["plasma"](np.linspace(0, 0.85, len(thicknesses)))
    return dict(zip(thicknesses, shades, strict=True))
