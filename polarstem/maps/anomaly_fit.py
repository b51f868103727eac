# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting an anomaly reference on defect-free scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.maps.anomaly import (
    LEVEL,
    AnomalyReference,
    FloatArray,
    highest_in_cells,
    relative_disagreement,
    roots,
)

COMPONENTS = 12
_SPACE = 48  # principal components that they are sought among
_RIDGE = 1e-3  # of their mean variance from cell to cell
_PATTERNS = 20_000  # for the principal components


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


def fit_anomaly(scans: Sequence[DefectFreeScan], components: int = COMPONENTS) -> AnomalyReference:
    """Learn what varies within cells and from cell to cell, and where the threshold lies.

    The components solve the generalised eigenvalue problem of Fisher's discriminant analysis
    (R. A. Fisher, Ann. Eugen. 7, 179 (1936)) with the places in the cell as its classes: the
    covariance of all patterns against that of the differences between neighbouring cells, domain
    walls included.

    Parameters
    ----------
    scans : sequence of DefectFreeScan
        Several thicknesses, doses and domains.
    components : int
        Number of components.

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
    (shape,) = shapes
    images = [
        roots(scan.patterns.reshape(-1, *shape)).reshape(-1, np.prod(shape)) for scan in scans
    ]
    every = max(1, sum(map(len, images)) // _PATTERNS)
    sample = np.concatenate([each[::every] for each in images]).astype(np.float64)
    mean = sample.mean(0)
    space = np.linalg.eigh((sample - mean).T @ (sample - mean))[1][:, : -_SPACE - 1 : -1]
    within = np.zeros((space.shape[1],) * 2)
    between = np.zeros_like(within)
    for scan, each in zip(scans, images, strict=True):
        coordinates = ((each - mean) @ space).reshape(*scan.patterns.shape[:2], -1)
        within += np.cov(coordinates.reshape(-1, len(within)).T) / len(scans)
        between += _between_cells(coordinates, scan.vectors) / len(scans)
    between += _RIDGE * np.trace(between) / len(between) * np.eye(len(between))
    vectors = scipy.linalg.eigh(within, between)[1][:, : -components - 1 : -1]
    rows = (space @ vectors).T.reshape(-1, *shape)
    reference = AnomalyReference(
        mean.reshape(shape).astype(np.float32), rows.astype(np.float32), 1, 1
    )
    return _with_thresholds(reference, scans)


def _between_cells(coordinates: FloatArray, vectors: FloatArray) -> FloatArray:
    """Covariance (component, component) of the differences to the next cells."""
    total = np.zeros((coordinates.shape[-1],) * 2)
    ny, nx = coordinates.shape[:2]
    for steps in (vectors[0], vectors[1]):
        down, right = np.rint(steps).astype(int)
        here = coordinates[max(0, -down) : ny - max(0, down), max(0, -right) : nx - max(0, right)]
        there = coordinates[max(0, down) : ny + min(0, down), max(0, right) : nx + min(0, right)]
        apart = (there - here).reshape(-1, len(total))
        total += apart.T @ apart / max(1, len(apart)) / 2
    return total


def _with_thresholds(
    reference: AnomalyReference, scans: Sequence[DefectFreeScan]
) -> AnomalyReference:
    positions, cells = [], []
    for scan in scans:
        ny, nx, *shape = scan.patterns.shape
        features = reference.features(scan.patterns.reshape(-1, *shape)).reshape(ny, nx, -1)
        relative = relative_disagreement(features, scan.vectors)
        positions.append(relative.ravel())
        cells.append(highest_in_cells(relative, scan.cell))
    thresholds = [float(np.nanquantile(np.concatenate(v), LEVEL)) for v in (positions, cells)]
    return replace(reference, position_threshold=thresholds[0], cell_threshold=thresholds[1])
