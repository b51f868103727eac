# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting an anomaly reference on defect-free scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.files import open_netcdf
from polarstem.maps.anomaly import (
    SHARE,
    AnomalyReference,
    FloatArray,
    at_walls,
    logarithms,
    roots,
    spread,
    standardised,
)
from polarstem.maps.neighbours import cell_side
from polarstem.models.group_network import Group

COMPONENTS = 8
_SPACE = 48  # principal components that they are sought among
_EQUAL = 1e-4  # relative difference of eigenvalues that a turn exchanges
_RIDGE = 1e-3  # of their mean variance from cell to cell
_LEAST_SPREAD = 0.02  # of logarithms, where scans hold next to no difference between cells


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
    wall : ndarray of bool, shape (cell,), optional
        Which cells lie at walls; none by default.
    """

    patterns: NDArray[Any]
    vectors: FloatArray
    cell: NDArray[np.integer]
    wall: NDArray[np.bool_] | None = None


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
        answers = [found[f"cell_{name}"].values for name in ("class_index", "answered")]
        wall = at_walls(answers[0], answers[1].astype(bool), *table)
        return DefectFreeScan(found["pattern"].values, edges / step, found["cell"].values, wall)


@dataclass(frozen=True)
class _Moments:
    """Mean root (pixel,) and covariances (pixel, pixel) of a scan."""

    mean: FloatArray
    within: FloatArray
    between: FloatArray

    @classmethod
    def of(cls, scan: DefectFreeScan, turned: NDArray[np.integer]) -> _Moments:
        """Averaged over the turns and mirrors of the classes."""
        ny, nx, ky, kx = scan.patterns.shape
        images = roots(scan.patterns.reshape(-1, ky, kx)).reshape(ny, nx, -1)
        mean = np.nanmean(images, axis=(0, 1))
        within = _covariance(images - mean)
        between = np.mean([_covariance(_differences(images, e)) / 2 for e in scan.vectors], axis=0)
        moments = (np.mean([c[p][:, p] for p in turned], axis=0) for c in (within, between))
        return cls(mean[turned].mean(0), *moments)


@dataclass(frozen=True)
class _Scored:
    """Logarithms of the scores of a scan's positions (ny, nx) and cells, and of which cells."""

    positions: FloatArray
    cells: FloatArray
    area: float
    wall: NDArray[np.bool_]


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

    For the thresholds each scan is scored along components fitted to the other ones. They are the
    least above which, on average over these scans and one more that is like the worst of them,
    `SHARE` of the positions or cells lies: each scan counts as one, however large, and while there
    are few, the worst governs. To say how well that serves a new scan, each is held against the
    thresholds of the others.

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
        If there are no scans, or of different shapes, or one is too small to be scored.
    """
    shapes = {scan.patterns.shape[2:] for scan in scans}
    if len(shapes) != 1:
        raise PolarstemError(
            f"An anomaly reference needs defect-free scans of one pattern shape, but was given "
            f"{len(scans)} scans of {len(shapes)} shapes; map them onto the same model's grid."
        )
    (shape,) = shapes
    turned = Group(shape, directions).pixels
    moments = [_Moments.of(scan, turned) for scan in scans]
    scored = []
    for number, scan in enumerate(scans):
        others = [m for other, m in enumerate(moments) if other != number]
        scored.append(_scored(_directions(others or moments, shape, components), scan))
    thresholds = _Thresholds.of(scored)
    left_out, at_wall = np.full((2, len(scans)), np.nan)
    for number, own in enumerate(scored if len(scans) > 1 else []):
        limits = _Thresholds.of([each for each in scored if each is not own])
        flagged = standardised(own.cells, limits.cell_spread, 1.0) > np.log(limits.cell)
        known = np.isfinite(own.cells)
        for found, where in ((left_out, known & ~own.wall), (at_wall, known & own.wall)):
            if where.any():
                found[number] = flagged[where].mean()
    whole = _directions(moments, shape, components)
    return AnomalyReference(
        whole.mean,
        whole.components,
        thresholds.position,
        thresholds.cell,
        thresholds.position_spread,
        thresholds.cell_spread,
        left_out,
        at_wall,
    )


def _directions(
    moments: Sequence[_Moments], shape: tuple[int, ...], components: int
) -> AnomalyReference:
    """A reference without thresholds."""
    mean = np.mean([m.mean for m in moments], axis=0)
    within, between = (np.mean([getattr(m, n) for m in moments], 0) for n in ("within", "between"))
    values, vectors = np.linalg.eigh(within)
    space = _leading(values, vectors, _SPACE)
    inner, outer = (space.T @ c @ space for c in (within, between))
    outer += _RIDGE * np.trace(outer) / len(outer) * np.eye(len(outer))
    values, vectors = scipy.linalg.eigh(inner, outer)
    rows = (space @ _leading(values, vectors, components)).T.astype(np.float32)
    none = np.empty(0)
    return AnomalyReference(
        mean.astype(np.float32).reshape(shape), rows.reshape(-1, *shape), 1, 1, 1, 1, none, none
    )


def _scored(reference: AnomalyReference, scan: DefectFreeScan) -> _Scored:
    ny, nx, *shape = scan.patterns.shape
    features = reference.features(scan.patterns.reshape(-1, *shape)).reshape(ny, nx, -1)
    positions, cells = logarithms(features, scan.vectors, scan.cell)
    if not np.isfinite(cells).any():
        raise PolarstemError(
            "A defect-free scan has no cell that can be compared with those around it; give one "
            "of three whole cells or more along each side."
        )
    wall = np.zeros(len(cells), bool) if scan.wall is None else scan.wall
    return _Scored(positions, cells, cell_side(scan.vectors) ** 2, wall)


@dataclass(frozen=True)
class _Thresholds:
    """Thresholds and usual spreads of positions and cells, see `AnomalyReference`."""

    position: float
    cell: float
    position_spread: float
    cell_spread: float

    @classmethod
    def of(cls, scored: Sequence[_Scored]) -> _Thresholds:
        """From scans that had no part in the components."""
        usual = [
            max(_LEAST_SPREAD, float(np.median([spread(getattr(s, name)) for s in scored])))
            for name in ("positions", "cells")
        ]
        positions = [standardised(s.positions, usual[0], s.area) for s in scored]
        cells = [standardised(s.cells, usual[1], 1.0) for s in scored]
        return cls(threshold(positions), threshold(cells), *usual)


def threshold(logs: Sequence[FloatArray], share: float = SHARE) -> float:
    """The least score above which a share of a new scan is expected.

    Parameters
    ----------
    logs : sequence of ndarray
        Logarithms of the scores of each defect-free scan; NaN where unknown.
    share : float
        Expected share: the mean over these scans and one more that is like the worst of them [1].
    """
    known = [np.sort(each[np.isfinite(each)]) for each in logs]
    candidates = np.unique(np.concatenate(known))
    above = np.array([1 - np.searchsorted(s, candidates, "right") / len(s) for s in known])
    expected = (above.sum(0) + above.max(0)) / (len(above) + 1)
    return float(np.exp(candidates[np.argmax(expected <= share)]))


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
