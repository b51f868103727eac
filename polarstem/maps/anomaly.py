# SPDX-License-Identifier: GPL-3.0-or-later
"""Anomaly scores: where a scan does not look like the rest of the crystal.

Most of a scan is free of defects, so a scan is compared with itself. That takes thickness, tilt,
aberrations and the detector out, which no set of simulations holds in full. The score of a
position is its disagreement with the neighbourhood (`polarstem.maps.neighbours`): how much the
patterns of the cell about it differ from those of the same places in the cells around, in the
directions of pattern space along which defect-free scans hardly differ from cell to cell. Of the
comparisons a low quantile counts, for beside a defect many cells are foreign while the cell itself
is sound; along a line defect the few cells of the line agree with each other, and the quantile
lies above their share.

How much sound cells disagree depends on dose, thickness and tilt, in the scan and across it. The
score is therefore relative to its median over the surroundings, seven cells wide, and of the
positions at the rim to theirs, for they have fewer cells around. Where the logarithms of a scan's
scores scatter more than is usual, they are scaled down to what is usual.

A reference keeps the directions, the usual scatter and the thresholds, fitted on defect-free scans
with domain walls (`polarstem.maps.anomaly_fit`): polarity and K/Na disorder are no defects. Scores
are given in units of the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from polarstem.errors import PolarstemError
from polarstem.files import atomic_path, read_arrays
from polarstem.maps.neighbours import cell_side, local_median, neighbourhood

FILE = "anomaly.npz"
"""Its name in a model's directory."""
SHARE = 0.01
"""Share of the cells and of the positions of a new defect-free scan that may be flagged."""
_LEAST_CELLS = 2.7  # along each side of a scan that is scored: three, but for strain
_RINGS = (26,)  # comparisons: at the rim, inside
_LEAST_RING = 8  # cells: fewer have no level of their own
_USUAL = 20  # cells for which the usual scatter stands, beside those of the scan
_LEAST_DOMAIN = 4  # cells: fewer of another direction are no domain
_TINY = 1e-12
_BELOW = 0.1587  # quantile one standard deviation below the median of a normal distribution

FloatArray = NDArray[np.float64]
Scan = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
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
        Scores above which a position or a cell is flagged.
    position_spread, cell_spread : float
        Usual scatter of the logarithms of the scores within a scan.
    left_out, left_out_at_walls : ndarray, shape (scan,)
        Share of the cells flagged in each defect-free scan when it has no part in thresholds and
        components, apart from walls and at them [1]; NaN where there is no such cell, or where
        there was one scan alone.
    """

    mean: Scan
    components: Scan
    position_threshold: float
    cell_threshold: float
    position_spread: float
    cell_spread: float
    left_out: FloatArray
    left_out_at_walls: FloatArray

    @property
    def shape(self) -> tuple[int, int]:
        """(ky, kx) of the patterns."""
        return self.mean.shape[0], self.mean.shape[1]

    @property
    def sentence(self) -> str:
        """On how many scans it rests, and how well it served those that had no part in it."""
        count, share = len(self.left_out), self.left_out[np.isfinite(self.left_out)]
        if not len(share):
            return (
                f"The threshold of anomalies rests on {count} defect-free scan"
                f"{'' if count == 1 else 's'}; how many sound cells of another scan it flags was "
                "not measured."
            )
        return (
            f"The threshold of anomalies rests on {count} defect-free scans; when each was left "
            f"out, {share.mean():.1%} of its cells apart from walls were flagged, in the worst "
            f"{share.max():.1%}."
        )

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
            If the file is absent, damaged, or of a version with other scores.
        """
        path = Path(directory) / FILE
        remedy = "make it anew with `polarstem.maps.anomaly_fit`, or take it from where the model"
        try:
            values = read_arrays(path)
        except Exception as error:  # as many as a file can be broken
            raise PolarstemError(
                f"The anomaly reference {path} is missing or damaged; {remedy} came from."
            ) from error
        if lacking := {field.name for field in fields(cls)} - set(values):
            raise PolarstemError(
                f"The anomaly reference {path} is missing or damaged, or of an earlier version, "
                f"whose scores were others: it lacks {', '.join(sorted(lacking))}; {remedy} came "
                "from."
            )
        plain: dict[str, Any] = {name: v if v.ndim else float(v) for name, v in values.items()}
        return cls(**plain)


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
    threads: int = 1,
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
    threads : int
        Neighbours that are compared at the same time.

    Returns
    -------
    dict
        ``anomaly`` (ny, nx) in units of the threshold, NaN where a position is left out or has no
        neighbours; ``flagged`` (ny, nx), whether it is above one; ``cell_anomaly`` and
        ``cell_flagged`` (cell). Which flags lie at walls, `at_walls` tells.

    Raises
    ------
    PolarstemError
        If the scan is narrower than three cells, or no position can be compared with another cell.
    """
    positions, cells = logarithms(features, vectors, cell, included, threads)
    side = cell_side(vectors)
    anomaly = _scaled(positions, reference.position_spread, side**2, reference.position_threshold)
    cell_anomaly = _scaled(cells, reference.cell_spread, 1.0, reference.cell_threshold)
    return {
        "anomaly": anomaly.astype(np.float32),
        "flagged": anomaly > 1,
        "cell_anomaly": cell_anomaly.astype(np.float32),
        "cell_flagged": cell_anomaly > 1,
    }


def logarithms(
    features: Scan,
    vectors: FloatArray,
    cell: NDArray[np.integer],
    included: NDArray[np.bool_] | None = None,
    threads: int = 1,
) -> tuple[FloatArray, FloatArray]:
    """Logarithms of the disagreement of positions (ny, nx) and cells over that around them.

    Raises
    ------
    PolarstemError
        As for `score`.
    """
    side = cell_side(vectors)
    if min(features.shape[:2]) < _LEAST_CELLS * side:
        raise PolarstemError(
            f"The scan is {min(features.shape[:2]) / side:.2g} cells wide, and no position has a "
            "neighbouring cell on every side to compare with; scan three cells or more along each "
            "side."
        )
    found, comparisons = neighbourhood(features, vectors, included, threads)
    if not np.isfinite(found).any():
        raise PolarstemError(
            "No position of the scan has a neighbouring cell to compare with; leave fewer "
            "positions out, or scan more."
        )
    logs = np.log(np.maximum(found, _TINY))
    logs -= local_median(logs, side)
    ring = np.where(np.isfinite(logs), np.digitize(comparisons, _RINGS), -1)
    for each in range(len(_RINGS) + 1):
        if (ring == each).sum() >= _LEAST_RING * side**2:
            logs[ring == each] -= np.median(logs[ring == each])
    return logs, upper_quartiles(logs, cell)


def spread(logs: FloatArray, each: float = 1.0, usual: float | None = None) -> float:
    """Scatter of a scan's logarithms below their median: defects and walls lie above.

    Parameters
    ----------
    logs : ndarray
        NaN where unknown.
    each : float
        How many of them are worth one cell: neighbouring positions share most of their patterns.
    usual : float, optional
        What few cells are drawn to.
    """
    known = logs[np.isfinite(logs)]
    own = float(np.median(known) - np.quantile(known, _BELOW)) if len(known) else 0.0
    if usual is None:
        return own
    count = len(known) / each
    return float(np.sqrt((_USUAL * usual**2 + count * own**2) / (_USUAL + count)))


def _scaled(logs: FloatArray, usual: float, each: float, threshold: float) -> FloatArray:
    """Scores in units of the threshold."""
    return np.exp(standardised(logs, usual, each)) / threshold


def standardised(logs: FloatArray, usual: float, each: float) -> FloatArray:
    """Logarithms scaled down where a scan scatters more than is usual; see `spread`."""
    return logs * min(1.0, usual / max(spread(logs, each, usual), _TINY))


def upper_quartiles(values: FloatArray, cell: NDArray[np.integer]) -> FloatArray:
    """Upper quartile over the positions of each cell, shape (cell,); NaN where none is known.

    A defect at the rim of a cell shows at fewer positions than the median tells of; at the highest
    position one beside the cell shows as well.
    """
    count = max(0, int(cell.max(initial=-1)) + 1)
    known = np.isfinite(values) & (cell >= 0)
    inside, numbers = values[known], cell[known]
    inside = inside[np.lexsort((inside, numbers))]
    held = np.bincount(numbers, minlength=count)
    place = np.cumsum(held) - held + 0.75 * (held - 1)
    found = np.full(count, np.nan)
    if len(inside):
        found[held > 0] = np.interp(place[held > 0], np.arange(len(inside)), inside)
    return found


def at_walls(
    class_index: NDArray[np.integer],
    answered: NDArray[np.bool_],
    row: NDArray[np.integer],
    column: NDArray[np.integer],
) -> NDArray[np.bool_]:
    """Which cells lie within one cell of where the map's own direction changes.

    A direction changes between two domains that touch, or have one cell between them that has no
    answer or one of its own. Fewer than four touching cells of a direction are no domain: a defect
    may turn the answer of its cell, and is no wall.

    Parameters
    ----------
    class_index : ndarray of int, shape (cell,)
        Class of each cell.
    answered : ndarray of bool, shape (cell,)
        Whether it is an answer.
    row, column : ndarray of int, shape (cell,)
        Place of each cell in the lattice.

    Returns
    -------
    ndarray of bool, shape (cell,)
    """
    if not len(row):
        return np.zeros(0, bool)
    place = tuple(np.stack([row - row.min(), column - column.min()]).astype(int) + 2)
    domain = np.full([axis.max() + 3 for axis in place], -1)
    domain[place] = np.where(answered, class_index, -1)
    for one in np.unique(domain[domain >= 0]):
        parts, count = ndimage.label(domain == one, np.ones((3, 3)))
        size = np.bincount(parts.ravel(), minlength=count + 1)
        domain[(domain == one) & (size[parts] < _LEAST_DOMAIN)] = -1
    wall = np.zeros(domain.shape, bool)
    inner = tuple(slice(1, -1) for _ in "yx")
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        there = np.roll(domain, (-down, -right), (0, 1))
        changes = (domain >= 0) & (there >= 0) & (domain != there)
        wall |= changes | np.roll(changes, (down, right), (0, 1))
        here = np.roll(domain, (down, right), (0, 1))
        wall[inner] |= ((domain < 0) & (here >= 0) & (there >= 0) & (here != there))[inner]
    gap = wall & (domain < 0)
    wall |= ndimage.binary_dilation(gap, np.ones((3, 3)))
    found: NDArray[np.bool_] = wall[place]
    return found
