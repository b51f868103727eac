# SPDX-License-Identifier: GPL-3.0-or-later
"""Figure of example patterns: every class at several thicknesses, and what tells them apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.patches import Circle
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.files import open_netcdf
from polarstem.report.figures import style

PROBE = 0.25  # position in the cell of the single patterns, between the columns

BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True)
class ClassPatterns:
    """Patterns of one specimen of a class.

    Attributes
    ----------
    name : str
    direction_deg : float
    single, mean : ndarray, shape (thicknesses, ky, kx)
        At the probe position nearest (1/4, 1/4) of the cell; averaged over all positions.
    edges : tuple of float
        Left, right, bottom and top of the detector [mrad], ky down.
    """

    name: str
    direction_deg: float
    single: NDArray[np.float64]
    mean: NDArray[np.float64]
    edges: tuple[float, float, float, float]


def read_examples(
    simulation_paths: Sequence[Path | str], thicknesses: Sequence[float]
) -> list[ClassPatterns]:
    """Read the first specimen of each class, in angular order.

    Parameters
    ----------
    simulation_paths : sequence of path
        Simulations.
    thicknesses : sequence of float
        Which thicknesses [nm].
    """
    found: dict[str, ClassPatterns] = {}
    for path in simulation_paths:
        with open_netcdf(path, "simulation") as file:
            name = str(file.attrs["class_name"])
            if name in found:
                continue
            missing = set(np.round(thicknesses, 6)) - set(np.round(file["thickness"].values, 6))
            if missing:
                raise PolarstemError(
                    f"{path} has no patterns at {', '.join(f'{t:g}' for t in sorted(missing))} nm; "
                    "delete it and run the same command again."
                )
            part = file["intensity"].sel(thickness=list(thicknesses), method="nearest")
            row = int(np.argmin(_cell_distance(file["cell_y"].values)))
            column = int(np.argmin(_cell_distance(file["cell_x"].values)))
            ky, kx = file["ky"].values, file["kx"].values
            half = (kx[1] - kx[0]) / 2
            found[name] = ClassPatterns(
                name=name,
                direction_deg=float(file.attrs["direction_deg"]),
                single=part.isel(y=row, x=column).values.astype(float),
                mean=_mean_over_positions(part),
                edges=(kx[0] - half, kx[-1] + half, ky[-1] + half, ky[0] - half),
            )
    return sorted(found.values(), key=lambda c: (np.isnan(c.direction_deg), c.direction_deg))


def draw_examples(
    simulation_paths: Sequence[Path | str],
    thicknesses: Sequence[float],
    semiangle_mrad: float,
    output: Path | str | Sequence[Path | str],
) -> None:
    """Draw single patterns, and the classes' mean patterns minus the mean of all classes.

    Parameters
    ----------
    simulation_paths : sequence of path
        Simulations; the first specimen of each class is drawn.
    thicknesses : sequence of float
        The columns, at most four [nm].
    semiangle_mrad : float
        Convergence semi-angle, drawn as a circle [mrad].
    output : path or paths
        PNG file.
    """
    classes = read_examples(simulation_paths, thicknesses)
    n = len(thicknesses)
    single = np.array([c.single for c in classes])
    mean = np.array([c.mean for c in classes])
    common = mean.mean(0)
    difference = 100 * (mean - common) / common.max((1, 2))[None, :, None, None]
    side = min(1.2 if n < 3 else 0.8, (style.WIDTH_IN - 1.2) / (2 * n))
    size = 1.2 + 2 * n * side, 1.1 + len(classes) * side
    ratios = [1.0] * n + [0.25] + [1.0] * n
    with style.new_figure(*size, gap=0.015, top=0.35) as figure:
        # sharing axes among as many panels takes matplotlib seconds; they have the same range
        grid = figure.subplots(len(classes), 2 * n + 1, squeeze=False, width_ratios=ratios)
        patterns, gap, changes = grid[:, :n], grid[:, n], grid[:, n + 1 :]
        for axes in gap:
            axes.axis("off")
        for x, thickness in enumerate(thicknesses):
            norm = PowerNorm(0.5, vmin=0, vmax=single[:, x].max())
            limit = float(np.percentile(np.abs(difference[:, x]), 99.8)) or 1.0
            for y, pattern in enumerate(classes):
                look = {"extent": pattern.edges, "interpolation": "nearest"}
                patterns[y, x].imshow(single[y, x], norm=norm, cmap=style.PATTERN_CMAP, **look)
                changes[y, x].imshow(
                    difference[y, x], vmin=-limit, vmax=limit, cmap=style.SIGNED_CMAP, **look
                )
                for axes, ink in ((patterns[y, x], "white"), (changes[y, x], "0.4")):
                    _decorate(axes, semiangle_mrad, ink)
                    axes.label_outer()
            patterns[0, x].set_title(f"{thickness:g} nm", pad=3, fontsize=8)
            changes[0, x].set_title(f"{thickness:g} nm: ±{limit:.2g} %", pad=3, fontsize=7)
            for axes in (patterns[-1, x], changes[-1, x]):
                axes.set_xlabel("kx [mrad]", labelpad=1, fontsize=7)
        for block, title in (
            (patterns, "(a) one probe\nposition"),
            (changes, "(b) mean pattern,\nless mean of classes"),
        ):
            text = block[0, 0].annotate(
                title, (0, 1), (0, 17), xycoords="axes fraction", textcoords="offset points"
            )
            text.set_in_layout(False)
        for axes, pattern in zip(patterns[:, 0], classes, strict=True):
            colour = style.direction_colour(pattern.direction_deg)
            axes.set_ylabel("ky [mrad]", labelpad=1, fontsize=7)
            axes.annotate(
                pattern.name, (0, 0.5), (-34, 0), xycoords="axes fraction",
                textcoords="offset points", ha="right", va="center",
                bbox={"boxstyle": "round,pad=0.25", "fc": (*colour, 0.5), "ec": "none"},
            )  # fmt: skip
        style.save(figure, output)


def _decorate(axes: Axes, semiangle_mrad: float, ink: str) -> None:
    axes.add_patch(Circle((0, 0), semiangle_mrad, fill=False, ec=ink, lw=0.5, ls=":"))
    reach = 10 * int(min(abs(axes.get_xlim()[0]), abs(axes.get_xlim()[1])) // 10) or 5
    axes.set_xticks([-reach, 0, reach])
    axes.set_yticks([-reach, 0, reach])
    axes.tick_params(labelsize=6, length=1.5, pad=1)
    axes.spines[["top", "right"]].set_visible(True)


def _mean_over_positions(intensity: xr.DataArray) -> NDArray[np.float64]:
    """Mean pattern per thickness, read some scan rows at a time."""
    rows = max(1, BLOCK_BYTES // (4 * intensity[0, 0].size))
    totals = [
        sum(
            intensity[t, y : y + rows].values.sum((0, 1), dtype=float)
            for y in range(0, intensity.sizes["y"], rows)
        )
        for t in range(intensity.sizes["thickness"])
    ]
    return np.array(totals) / (intensity.sizes["y"] * intensity.sizes["x"])


def _cell_distance(fraction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance to the chosen position along one side of the cell, across its edges."""
    return np.abs((fraction - PROBE + 0.5) % 1.0 - 0.5)
