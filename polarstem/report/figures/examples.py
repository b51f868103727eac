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

MOST_THICKNESSES = 4

BLOCK_BYTES = 64 * 2**20

Pattern = NDArray[np.float64]
Rows = NDArray[np.intp]


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
    dataset_paths: Sequence[Path | str],
) -> tuple[list[float], list[ClassPatterns]]:
    """Read the first specimen of each class.

    Those of training come first: they are turned copies of one crystal, so that only the classes
    tell them apart. Test specimens are crystals of their own.

    Parameters
    ----------
    dataset_paths : sequence of path
        Data sets of the same specimens, with other thicknesses in each.

    Returns
    -------
    thicknesses : list of float
        At most four, spread evenly over those of the data sets, ascending [nm].
    classes : list of ClassPatterns
        In angular order.
    """
    columns: dict[float, tuple[Path | str, dict[str, Rows]]] = {}
    for path in dataset_paths:
        with open_netcdf(path, "data set") as data:
            for thickness, scans in _first_scans(data).items():
                columns[thickness] = path, scans
    if len({frozenset(scans) for _, scans in columns.values()}) != 1:
        raise PolarstemError(
            "Data sets of example patterns need specimens of the same classes in each: "
            f"{', '.join(map(str, dataset_paths))}; delete them and run the same command again."
        )
    available = sorted(columns)
    count = min(MOST_THICKNESSES, len(available))
    spread = np.linspace(0, len(available) - 1, count).round().astype(int)
    thicknesses = [available[index] for index in spread]
    single: dict[str, list[Pattern]] = {}
    mean: dict[str, list[Pattern]] = {}
    for thickness in thicknesses:
        path, scans = columns[thickness]
        with open_netcdf(path, "data set") as data:
            for name, rows in scans.items():
                row = _nearest(data, rows)
                single.setdefault(name, []).append(data["intensity"][row].values.astype(float))
                mean.setdefault(name, []).append(_mean(data["intensity"], rows))
            edges = _edges(data)
            table = zip(data["class_name"].values, data["class_direction"].values, strict=True)
            directions = {str(name): float(direction) for name, direction in table}
    classes = [
        ClassPatterns(name, directions[name], np.array(single[name]), np.array(mean[name]), edges)
        for name in single
    ]
    classes.sort(key=lambda c: (np.isnan(c.direction_deg), c.direction_deg))
    return thicknesses, classes


def draw_examples(
    dataset_paths: Sequence[Path | str],
    semiangle_mrad: float,
    output: Path | str | Sequence[Path | str],
) -> None:
    """Draw single patterns, and the classes' mean patterns minus the mean of all classes.

    Parameters
    ----------
    dataset_paths : sequence of path
        Data sets of the same specimens; the first specimen of each class is drawn.
    semiangle_mrad : float
        Convergence semi-angle, drawn as a circle [mrad].
    output : path or paths
        PNG file.
    """
    thicknesses, classes = read_examples(dataset_paths)
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


def _first_scans(data: xr.Dataset) -> dict[float, dict[str, Rows]]:
    """Patterns of the first specimen of each class, by thickness [nm] and class."""
    class_index, specimen = data["class_index"].values, data["specimen_index"].values
    thickness = data["thickness"].values.astype(float).round(4)  # 12.3, not 12.300000191
    scans: dict[float, dict[str, Rows]] = {}
    for index in np.unique(class_index):
        name = str(data["class_name"].values[index])
        first = specimen == specimen[class_index == index].min()
        for value in np.unique(thickness[first]).tolist():
            scans.setdefault(value, {})[name] = np.flatnonzero(first & (thickness == value))
    return scans


def _nearest(data: xr.Dataset, rows: Rows) -> int:
    """The pattern whose probe position is nearest the chosen one, across the cell's edges."""
    y, x = (
        np.abs((data[name].values[rows] - PROBE + 0.5) % 1.0 - 0.5) for name in ("cell_y", "cell_x")
    )
    return int(rows[np.argmin(np.hypot(y, x))])


def _mean(intensity: xr.DataArray, rows: Rows) -> Pattern:
    """Mean pattern, read some patterns at a time."""
    count = max(1, BLOCK_BYTES // (4 * intensity[0].size))
    total = np.zeros(intensity.shape[1:])
    for start in range(0, len(rows), count):
        total += intensity[rows[start : start + count]].values.sum(0, dtype=float)
    return total / len(rows)


def _edges(data: xr.Dataset) -> tuple[float, float, float, float]:
    ky, kx = data["ky"].values, data["kx"].values
    half = (kx[1] - kx[0]) / 2
    return kx[0] - half, kx[-1] + half, ky[-1] + half, ky[0] - half
