# SPDX-License-Identifier: GPL-3.0-or-later
"""Anomaly scores: where a scan does not look like the rest of the crystal.

Most of a scan is free of defects, so a scan is compared with itself. That takes thickness, tilt,
aberrations and the detector out, which no set of simulations holds in full. The score of a
position is its disagreement with the neighbourhood: how much the patterns of the cell about it
differ from those of the same places in the cells around, in the directions of pattern space along
which defect-free scans hardly differ from cell to cell. Of the cells around, a low quantile counts,
for beside a defect many are foreign while the cell itself is sound; along a line defect the few
cells of the line agree with each other, and the quantile lies above their share.

A reference keeps those directions and the thresholds, fitted on defect-free scans with domain walls
(`polarstem.maps.anomaly_fit`): polarity and K/Na disorder are no defects. Scores are given in units
of the threshold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from polarstem.errors import PolarstemError
from polarstem.files import atomic_path

FILE = "anomaly.npz"
"""Its name in a model's directory."""
LEVEL = 0.99
"""Quantile of the scores of defect-free scans that is the threshold."""
REACH = 2
"""Cells around, to each side, that a position is compared with."""
_QUANTILE = 0.3  # the cells of a line defect are 4 of the 24 around
_MOVES = 2  # of a cell to where it fits best
_FARTHEST = 0.25  # that it is moved to fit [cells]
_LEAST_SIDE = 2.5  # of cells that are moved: smaller ones fit nearly anywhere [positions]
_TINY = 1e-12

FloatArray = NDArray[np.float64]
Scan = NDArray[np.float32]


@dataclass(frozen=True)
class AnomalyReference:
    """What defect-free scans look like.

    Attributes
    ----------
    mean : ndarray, shape (ky, kx)
        Mean of the square roots of their patterns, each of sum one.
    components : ndarray, shape (component, ky, kx)
        Directions along which patterns vary with the place in the cell far more than from cell
        to cell, scaled so that the difference between cells has a variance of one.
    position_threshold, cell_threshold : float
        Scores that one in a hundred defect-free positions or cells exceeds, in units of the median
        of the scan.
    """

    mean: Scan
    components: Scan
    position_threshold: float
    cell_threshold: float

    @property
    def shape(self) -> tuple[int, int]:
        """(ky, kx) of the patterns."""
        return self.mean.shape[0], self.mean.shape[1]

    def features(self, patterns: NDArray[Any]) -> Scan:
        """Coordinates of patterns among the components.

        Parameters
        ----------
        patterns : ndarray, shape (n, ky, kx)
            On the model's grid, in any unit of intensity; NaN or empty ones give NaN.

        Returns
        -------
        ndarray, shape (n, component), float32

        Raises
        ------
        PolarstemError
            If the patterns have another shape.
        """
        if patterns.ndim != 3 or patterns.shape[1:] != self.shape:
            raise PolarstemError(
                f"The patterns have shape {patterns.shape}; the anomaly reference is for "
                f"(n, {self.shape[0]}, {self.shape[1]}): take the one that was made with the model."
            )
        rows = self.components.reshape(len(self.components), -1).T
        found: Scan = roots(patterns).reshape(len(patterns), -1) @ rows
        return found - self.mean.ravel() @ rows

    def save(self, directory: Path | str) -> None:
        """Write the reference into a model's directory."""
        with atomic_path(Path(directory) / FILE) as temporary:
            np.savez(temporary, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, directory: Path | str) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        PolarstemError
            If the file is absent or damaged.
        """
        path = Path(directory) / FILE
        try:
            with np.load(path, allow_pickle=False) as stored:
                values = {field.name: stored[field.name] for field in fields(cls)}
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise PolarstemError(
                f"The anomaly reference {path} is missing or damaged; make it anew with "
                "`polarstem.maps.anomaly_fit`, or take it from where the model came from."
            ) from error
        limits = [float(values[f"{name}_threshold"]) for name in ("position", "cell")]
        return cls(values["mean"], values["components"], *limits)


def roots(patterns: NDArray[Any]) -> Scan:
    """Square roots of patterns (n, ky, kx) of sum one: counting noise is then the same in all."""
    total = patterns.sum((1, 2), keepdims=True, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        fractions = np.where(total > 0, patterns / total, np.nan)
    return np.sqrt(np.maximum(fractions, 0), dtype=np.float32)


def score(
    reference: AnomalyReference,
    features: Scan,
    vectors: FloatArray,
    cell: NDArray[np.integer],
    included: NDArray[np.bool_] | None = None,
) -> dict[str, NDArray[Any]]:
    """Anomaly scores of the positions and cells of a scan.

    Parameters
    ----------
    reference : AnomalyReference
        Defect-free scans.
    features : ndarray, shape (ny, nx, component)
        What `AnomalyReference.features` gave for each position.
    vectors : ndarray, shape (2, 2)
        Rows: lattice vectors of the projected cell, down and right [positions]. Where positions
        are too far apart for a lattice, the sides of the boxes that stand for cells.
    cell : ndarray of int, shape (ny, nx)
        Cell of each position, counted from 0; -1 for none.
    included : ndarray of bool, shape (ny, nx), optional
        Positions to use; all by default.

    Returns
    -------
    dict
        ``anomaly`` (ny, nx) in units of the threshold, NaN where a position is left out or has no
        neighbours; ``flagged`` (ny, nx), whether it is above one; ``cell_anomaly`` and
        ``cell_flagged`` (cell).

    Raises
    ------
    PolarstemError
        If no position can be compared with another cell.
    """
    relative = relative_disagreement(features, vectors, included)
    anomaly = relative / reference.position_threshold
    cell_anomaly = upper_quartiles(relative, cell) / reference.cell_threshold
    return {
        "anomaly": anomaly.astype(np.float32),
        "flagged": anomaly > 1,
        "cell_anomaly": cell_anomaly.astype(np.float32),
        "cell_flagged": cell_anomaly > 1,
    }


def relative_disagreement(
    features: Scan, vectors: FloatArray, valid: NDArray[np.bool_] | None = None
) -> FloatArray:
    """`neighbourhood` in units of its median over the scan."""
    found = neighbourhood(features, vectors, valid)
    if not np.isfinite(found).any():
        raise PolarstemError(
            "No position of the scan has a neighbouring cell to compare with; scan three cells or "
            "more along each side, or leave fewer positions out."
        )
    return found / max(float(np.nanmedian(found)), _TINY)


def neighbourhood(
    features: Scan, vectors: FloatArray, valid: NDArray[np.bool_] | None = None
) -> FloatArray:
    """Mean squared distance of the cell about each position to the cells around.

    Another cell is read off cubic splines and moved as a whole to where it fits best (B. D. Lucas
    and T. Kanade, Proc. IJCAI 7, 674 (1981)): strain, drift and a lattice vector that is slightly
    off are no disagreement.

    Parameters
    ----------
    features : ndarray, shape (ny, nx, component)
        Coordinates of the patterns.
    vectors : ndarray, shape (2, 2)
        Lattice vectors, down and right [positions].
    valid : ndarray of bool, shape (ny, nx), optional
        Positions to use; those without features are left out in any case.

    Returns
    -------
    ndarray, shape (ny, nx)
        A low quantile over the cells within `REACH`; NaN where none is known by half or more.
    """
    ny, nx = features.shape[:2]
    usable = np.ones((ny, nx), bool) if valid is None else valid
    valid = np.logical_and(usable, np.isfinite(features).all(axis=-1))
    here = np.moveaxis(np.where(valid[..., None], features, 0.0), -1, 0)
    splines = [ndimage.spline_filter(plane, 3) for plane in here]
    known = valid.astype(float)
    side = float(np.sqrt(abs(np.linalg.det(vectors))))

    rows, columns = np.meshgrid(np.arange(ny), np.arange(nx), indexing="ij")

    def at(down: Any, right: Any) -> FloatArray:
        places = np.stack([rows + down, columns + right])
        values = [
            ndimage.map_coordinates(s, places, order=3, prefilter=False, mode="nearest")
            for s in splines
        ]
        return np.array(values)

    along = at(0.5, 0) - at(-0.5, 0), at(0, 0.5) - at(0, -0.5)
    whole = _box(np.ones((ny, nx)), side)
    distances = []
    for down, right in _around(vectors):
        there = np.stack([rows + down, columns + right])
        weight = known * (ndimage.map_coordinates(known, there, order=1) > 1 - 1e-3)

        def total(a: FloatArray, b: FloatArray, weight: FloatArray = weight) -> FloatArray:
            return _box(weight * (a * b).sum(0), side)

        yy, xx, xy = total(along[0], along[0]), total(along[1], along[1]), total(*along)
        scale = np.maximum(yy * xx - xy**2, _TINY)
        moved, apart = np.zeros((2, ny, nx)), at(down, right) - here
        for _ in range(_MOVES if side >= _LEAST_SIDE else 0):
            y, x = total(along[0], apart), total(along[1], apart)
            moved -= np.stack([xx * y - xy * x, yy * x - xy * y]) / scale
            moved = np.clip(moved, -_FARTHEST * side, _FARTHEST * side)
            apart = at(down + moved[0], right + moved[1]) - here
        count = _box(weight, side)
        distance = total(apart, apart) / np.maximum(count, _TINY)
        distances.append(np.where(valid & (count >= whole / 2), distance, np.nan))
    stack = np.sort(np.array(distances), axis=0)  # NaN last
    rank = np.maximum(0, np.ceil(_QUANTILE * np.isfinite(stack).sum(0)).astype(int) - 1)
    found: FloatArray = np.take_along_axis(stack, rank[None], axis=0)[0]
    return found


def upper_quartiles(values: FloatArray, cell: NDArray[np.integer]) -> FloatArray:
    """Upper quartile over the positions of each cell, shape (cell,); NaN where none is known.

    A defect at the rim of a cell shows at fewer positions than the median tells of; at the highest
    position one beside the cell shows as well.
    """
    numbers = np.arange(max(0, int(cell.max()) + 1))
    labels = np.where(np.isfinite(values), cell, -1)
    found: FloatArray = ndimage.labeled_comprehension(
        values, labels, numbers, lambda inside: np.quantile(inside, 0.75), float, np.nan
    )
    return found


def _box(values: FloatArray, side: float) -> FloatArray:
    """Sums over boxes of any side [positions]; those at the rim count in part."""
    reach = int(np.ceil((side - 1) / 2))
    weights = np.ones(2 * reach + 1)
    weights[[0, -1]] = (side + 1) / 2 - reach if reach else side
    for axis in (0, 1):
        values = ndimage.correlate1d(values, weights, axis=axis, mode="constant")
    return values


def _around(vectors: FloatArray) -> Iterator[FloatArray]:
    for first in range(-REACH, REACH + 1):
        for second in range(-REACH, REACH + 1):
            if first or second:
                yield first * vectors[0] + second * vectors[1]
