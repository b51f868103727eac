# SPDX-License-Identifier: GPL-3.0-or-later
"""A map beside the truth of its scene: what is true of each cell, and which answers are right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from polarstem.errors import PolarstemError
from polarstem.files import open_netcdf

AWAY_CELLS = 1.0
"""Farther from a wall than this many unit cells, a column belongs to one domain."""
_DIRECTION_TOLERANCE = 11.25  # degrees: a quarter of what lies between neighbouring classes


def read_scored(map_nc: Path | str, truth_nc: Path | str) -> tuple[xr.Dataset, xr.Dataset]:
    """Read a map and the truth of its scene.

    Raises
    ------
    PolarstemError
        If a file is unreadable, or the two do not belong together.
    """
    with open_netcdf(map_nc, "map") as opened:
        found = opened.load()
    with open_netcdf(truth_nc, "truth") as opened:
        truth = opened.load()
    if found["cell"].shape != truth["defect"].shape:
        raise PolarstemError(
            f"The map {map_nc} has {found.sizes['y']} x {found.sizes['x']} positions, the truth "
            f"{truth_nc} has {truth.sizes['y']} x {truth.sizes['x']}; give the truth of this scan."
        )
    return found, truth


def in_map(found: xr.Dataset, direction_deg: NDArray[np.floating]) -> NDArray[np.int64]:
    """Class of a map nearest to directions in the frame of the scan [degrees].

    Which of the crystal's equal axes a map calls x is its own affair.
    """
    classes = found["class_direction"].values + float(found.attrs["crystal_rotation_deg"])
    apart = np.abs((np.asarray(direction_deg)[..., None] - classes + 180) % 360 - 180)
    # what has no direction is no polar class, whichever this gives
    return np.nan_to_num(apart, nan=np.inf).argmin(-1)


def agrees(
    found: xr.Dataset, classes: NDArray[np.integer], direction_deg: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Whether classes of a map (-1: none) are the true ones.

    The class nearest to the true direction counts, and only where a map that took the crystal to
    be turned otherwise has not moved it away.

    Parameters
    ----------
    found : Dataset
        The map.
    classes : ndarray of int
        Class indices of the map.
    direction_deg : ndarray
        True directions in the frame of the scan, of the same shape [degrees].
    """
    told = found["class_direction"].values + float(found.attrs["crystal_rotation_deg"])
    apart = np.abs((told[classes] - direction_deg + 180) % 360 - 180)  # of class -1: of any
    return (classes == in_map(found, direction_deg)) & (apart <= _DIRECTION_TOLERANCE)


def truth_of_cells(found: xr.Dataset, truth: xr.Dataset) -> dict[str, NDArray[Any]]:
    """Truth at the position nearest to the middle of each cell.

    Returns
    -------
    dict of str to ndarray, shape (cell,)
        ``class_index``, ``direction`` [degrees], ``domain``, ``wall_distance`` [nm], and
        ``defect``: whether any position of the cell is in the core of a defect.
    """
    y, x = np.meshgrid(truth["y"].values, truth["x"].values, indexing="ij")
    tree = cKDTree(np.stack([y.ravel(), x.ravel()], axis=1))
    centres = np.stack([found["cell_centre_y"].values, found["cell_centre_x"].values], axis=1)
    _, nearest = tree.query(centres)
    names = ("class_index", "direction", "domain", "wall_distance")
    own = {name: truth[name].values.ravel()[nearest] for name in names}
    cell, defect = found["cell"].values, truth["defect"].values.astype(bool)
    own["defect"] = np.zeros(found.sizes["cell"], bool)
    own["defect"][np.unique(cell[defect & (cell >= 0)])] = True
    return own
