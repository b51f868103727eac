# SPDX-License-Identifier: GPL-3.0-or-later
"""Displacements of the unit cells of a map, beside those of its scene."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.evaluate.ellipses import covariances, inside
from polarstem.evaluate.map_scores.beside_truth import AWAY_CELLS, read_scored, truth_of_cells
from polarstem.evaluate.summary.entries import Entry, entry
from polarstem.files import open_netcdf

Floats = NDArray[np.float64]

_SHORTEST_PM = 5.0  # true displacements below it have no angle worth the name


@dataclass(frozen=True)
class DisplacementErrors:
    """Errors of the displacements of a map, of its cells away from walls and defects.

    Attributes
    ----------
    cells, told : int
        Cells away from walls and defects, and those with a displacement.
    rms_pm, sigma_pm : float
        Error of a component, and what is told of it [pm].
    bias_pm : tuple of float
        Mean error to the right and up [pm].
    angle_deg : float
        Median error of the angle of displacements of 5 pm or more [degrees].
    share : float
        Length over the true one, by least squares.
    within_68, within_95 : float
        Share of the cells inside their ellipse.
    """

    cells: int
    told: int
    rms_pm: float
    sigma_pm: float
    bias_pm: tuple[float, float]
    angle_deg: float
    share: float
    within_68: float
    within_95: float


def displacement_errors(
    displacements_nc: Path | str, map_nc: Path | str, truth_nc: Path | str
) -> DisplacementErrors:
    """Hold the displacements of a map against the truth of its scene.

    Parameters
    ----------
    displacements_nc : path
        From `polarstem.displacements.displacement_map.measure_displacements`.
    map_nc, truth_nc : path
        The map that they were fitted to, and the truth of its scene.

    Raises
    ------
    PolarstemError
        If a file is unreadable, or map and truth do not belong together.
    """
    found, truth = read_scored(map_nc, truth_nc)
    with open_netcdf(displacements_nc, "displacements") as opened:
        data = opened.load()
    own = truth_of_cells(found, truth)
    away = own["wall_distance"] > AWAY_CELLS * float(truth.attrs["cell_nm"])
    away &= ~own["defect"]
    told = away & (data["reason"].values == 0)
    true = at_cells(found, truth)[told]
    error = np.stack([data["ux"].values, data["uy"].values], axis=1)[told] - true
    return _errors(int(away.sum()), true, error, _covariance(data)[told])


def at_cells(found: xr.Dataset, truth: xr.Dataset) -> Floats:
    """True displacement at the position nearest to the middle of each cell, (cell, 2) [pm]."""
    points = {
        axis: xr.DataArray(found[f"cell_centre_{axis}"].values, dims="cell") for axis in ("y", "x")
    }
    near = truth[["displacement_x", "displacement_y"]].sel(points, method="nearest")
    values: Floats = np.stack([near[f"displacement_{axis}"].values for axis in "xy"], axis=1)
    return values.astype(float)


def displacement_entries(
    displacements_nc: Path | str, map_nc: Path | str, truth_nc: Path | str | None
) -> dict[str, Entry]:
    """Numbers of the summary: what displacements of a map say, and how right they are.

    Parameters
    ----------
    displacements_nc, map_nc : path
        See `displacement_errors`.
    truth_nc : path, optional
        Without it, only what the displacements say of themselves.

    Raises
    ------
    PolarstemError
        See `displacement_errors`.
    """
    with open_netcdf(displacements_nc, "displacements") as opened:
        data = opened.load()
    told = data["reason"].values == 0
    sigma = _sigma(_covariance(data)[told])
    numbers = {
        "displacement_told": entry(
            float(told.mean()), "fraction", "Share of cells with a displacement", n=len(told)
        ),
        "displacement_sigma_pm": entry(
            sigma, "pm", "Standard deviation that is told of a displacement", n=int(told.sum())
        ),
    }
    if truth_nc is None:
        return numbers
    errors, away = displacement_errors(displacements_nc, map_nc, truth_nc), "away from walls"
    scored = {
        "displacement_rms_pm": (errors.rms_pm, "pm", "Root mean square error of a component"),
        "displacement_bias_pm": (
            float(np.hypot(*errors.bias_pm)),
            "pm",
            "Length of the mean error",
        ),
        "displacement_angle_deg": (errors.angle_deg, "deg", "Median error of the direction"),
        "displacement_in_68": (errors.within_68, "fraction", "Share inside the 68 % ellipse"),
        "displacement_in_95": (errors.within_95, "fraction", "Share inside the 95 % ellipse"),
    }
    return numbers | {
        name: entry(value, unit, f"{text} of displacements, {away}", n=errors.told)
        for name, (value, unit, text) in scored.items()
    }


def _errors(cells: int, true: Floats, error: Floats, covariance: Floats) -> DisplacementErrors:
    if not len(true):
        none = float("nan")
        return DisplacementErrors(cells, 0, none, none, (none, none), none, none, none, none)
    turned = np.arctan2(*(true + error).T[::-1]) - np.arctan2(*true.T[::-1])
    apart = np.abs((np.degrees(turned) + 180) % 360 - 180)[np.hypot(*true.T) > _SHORTEST_PM]
    right, up = error.mean(0).tolist()
    return DisplacementErrors(
        cells,
        len(true),
        float(np.sqrt((error**2).mean())),
        _sigma(covariance),
        (right, up),
        float(np.median(apart)) if len(apart) else float("nan"),
        float(((true + error) * true).sum() / (true**2).sum()),
        *(float(inside(error, covariance, level).mean()) for level in (0.68, 0.95)),
    )


def _covariance(data: xr.Dataset) -> Floats:
    """Of the displacements, (cell, 2, 2) [pm^2]."""
    return covariances(*(data[name].values for name in ("sigma_x", "sigma_y", "correlation")))


def _sigma(covariance: Floats) -> float:
    """Standard deviation of a component, root mean square [pm]."""
    if not len(covariance):
        return float("nan")
    return float(np.sqrt(np.trace(covariance, axis1=1, axis2=2).mean() / 2))
