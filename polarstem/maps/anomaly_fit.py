# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting an anomaly reference on defect-free scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.files import open_netcdf
from polarstem.maps.anomaly import (
    LEVEL,
    AnomalyReference,
    FloatArray,
    relative_disagreement,
    roots,
    upper_quartiles,
)
from polarstem.models.equivariant import Group

COMPONENTS = 8
_SPACE = 48  # principal components that they are sought among
_EQUAL = 1e-4  # relative difference of eigenvalues that a turn exchanges
_RIDGE = 1e-3  # of their mean variance from cell to cell


@dataclass(frozen=True)
class DefectFreeScan:
    """A scan without defects; domain walls are none.

    Attributes
    ----------
    patterns : ndarray, shape (ny, nx, ky, kx)
        On the model's grid, with counting noise.
    vectors : ndarray, shape (2, 2)
        Lattice vectors of the projected cell, down and right [positions].
    cell : ndarray of int, shape (ny, nx)
        Cell of each position, counted from 0; -1 for none.
    """

    patterns: NDArray[Any]
    vectors: FloatArray
    cell: NDArray[np.integer]


def scan_of_map(path: Path | str) -> DefectFreeScan:
    """Take the patterns of a map that was made of a defect-free scan.

    Parameters
    ----------
    path : path
        ``map.nc`` of `polarstem.maps`.

    Returns
    -------
    DefectFreeScan

    Raises
    ------
    PolarstemError
        If the file is unreadable or holds no patterns or no lattice.
    """
    with open_netcdf(path, "map") as found:
        table = [found[f"cell_{name}"].values for name in ("row", "column")]
        if "pattern" not in found or min(map(np.ptp, table), default=0) < 1:
            raise PolarstemError(
                f"The map {path} holds no patterns or not two cells along each side; map a smaller "
                "scan of more cells to fit an anomaly reference."
            )
        corners = np.column_stack([*table, np.ones(len(table[0]))])
        centres = [found[f"cell_centre_{axis}"].values for axis in "yx"]
        edges = np.linalg.lstsq(corners, np.column_stack(centres))[0][:2]
        step = [float(found[axis][1] - found[axis][0]) for axis in "yx"]
        return DefectFreeScan(found["pattern"].values, edges / step, found["cell"].values)


def fit_anomaly(
    scans: Sequence[DefectFreeScan],
    directions: Sequence[float],
    components: int = COMPONENTS,
) -> AnomalyReference:
    """Learn what varies within cells and from cell to cell, and where the threshold lies.

    The components solve the generalised eigenvalue problem of Fisher's discriminant analysis
    (R. A. Fisher, Ann. Eugen. 7, 179 (1936)) with the places in the cell as its classes: the
    covariance of all patterns against that of the differences between neighbouring cells, walls
    included. Both are averaged over the turns and mirrors of the classes, so that a crystal scores
    the same however it is turned.

    Parameters
    ----------
    scans : sequence of DefectFreeScan
        Several thicknesses, doses and domains.
    directions : sequence of float
        Directions of the model's classes [degrees].
    components : int
        Number of components, more by one where that would part a pair that turns into each other.

    Returns
    -------
    AnomalyReference

    Raises
    ------
    PolarstemError
        If there are no scans, or of different shapes.
    """
    shapes = {scan.patterns.shape[2:] for scan in scans}
    if len(shapes) != 1:
        raise PolarstemError(
            f"An anomaly reference needs defect-free scans of one pattern shape, but was given "
            f"{len(scans)} scans of {len(shapes)} shapes; map them onto the same model's grid."
        )
    ((ky, kx),) = shapes
    mean, within, between = np.zeros(ky * kx), *np.zeros((2, ky * kx, ky * kx))
    for scan in scans:
        images = roots(scan.patterns.reshape(-1, ky, kx)).reshape(*scan.patterns.shape[:2], -1)
        mean += np.nanmean(images, axis=(0, 1)) / len(scans)
        within += _covariance(images - np.nanmean(images, axis=(0, 1))) / len(scans)
        for edge in scan.vectors:
            between += _covariance(_differences(images, edge)) / 4 / len(scans)
    turned = Group((ky, kx), directions).pixels
    mean = mean[turned].mean(0)
    within, between = (np.mean([c[p][:, p] for p in turned], axis=0) for c in (within, between))
    values, vectors = np.linalg.eigh(within)
    space = _leading(values, vectors, _SPACE)
    inner, outer = (space.T @ c @ space for c in (within, between))
    outer += _RIDGE * np.trace(outer) / len(outer) * np.eye(len(outer))
    values, vectors = scipy.linalg.eigh(inner, outer)
    rows = (space @ _leading(values, vectors, components)).T.astype(np.float32).reshape(-1, ky, kx)
    mean_root = mean.astype(np.float32).reshape(ky, kx)
    return _with_thresholds(AnomalyReference(mean_root, rows, 1.0, 1.0), scans)


def _leading(values: FloatArray, vectors: FloatArray, count: int) -> FloatArray:
    """Eigenvectors (n, count) of the largest values, last first; equal ones stay together."""
    while count < len(values) and values[-count - 1] > (1 - _EQUAL) * values[-count]:
        count += 1
    return vectors[:, : -count - 1 : -1]


def _covariance(images: NDArray[np.float32]) -> FloatArray:
    """Second moments (pixel, pixel) of images (y, x, pixel), measured ones only."""
    rows = images.reshape(-1, images.shape[-1])
    rows = rows[np.isfinite(rows[:, 0])]
    return (rows.T @ rows).astype(np.float64) / max(1, len(rows))


def _differences(images: NDArray[np.float32], edge: FloatArray) -> NDArray[np.float32]:
    """Images (y, x, pixel) of the next cell less those here, to the nearest position."""
    (ny, nx), (down, right) = images.shape[:2], np.rint(edge).astype(int)
    here = images[max(0, -down) : ny - max(0, down), max(0, -right) : nx - max(0, right)]
    there = images[max(0, down) : ny + min(0, down), max(0, right) : nx + min(0, right)]
    return there - here


def _with_thresholds(
    reference: AnomalyReference, scans: Sequence[DefectFreeScan]
) -> AnomalyReference:
    positions, cells = [], []
    for scan in scans:
        ny, nx, *shape = scan.patterns.shape
        features = reference.features(scan.patterns.reshape(-1, *shape)).reshape(ny, nx, -1)
        relative = relative_disagreement(features, scan.vectors)
        positions.append(relative.ravel())
        cells.append(upper_quartiles(relative, scan.cell))
    thresholds = [float(np.nanquantile(np.concatenate(v), LEVEL)) for v in (positions, cells)]
    return replace(reference, position_threshold=thresholds[0], cell_threshold=thresholds[1])
