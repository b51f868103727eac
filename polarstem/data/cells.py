# SPDX-License-Identifier: GPL-3.0-or-later
"""Which patterns of a scan belong to one unit cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

CELL_POSITIONS = 36
"""Fewest probe positions that make up a unit cell."""
_ROUNDING = 1e-3  # of a cell: positions are kept in single precision


def group_index(*columns: ArrayLike) -> NDArray[np.int64]:
    """Number the distinct rows of some columns, shape (n,)."""
    labels = np.zeros(len(np.asarray(columns[0])), np.int64)
    for column in columns:
        values, index = np.unique(np.asarray(column), return_inverse=True)
        labels = np.unique(labels * len(values) + index, return_inverse=True)[1]
    return labels


def unit_cells(
    scan: Sequence[ArrayLike],
    scan_y: ArrayLike,
    scan_x: ArrayLike,
    cell_y: ArrayLike,
    cell_x: ArrayLike,
    positions: int = CELL_POSITIONS,
) -> NDArray[np.int64]:
    """Number the unit cells that scans pass over.

    A scan is cut where it has gone a whole cell from its first row or column. Patterns without
    scan rows and columns, such as those at random positions, make one cell.

    Parameters
    ----------
    scan : sequence of array_like, each of shape (n,)
        Columns that together tell scans apart: specimen, thickness, data domain.
    scan_y, scan_x : array_like of int, shape (n,)
        Row and column of the scan.
    cell_y, cell_x : array_like, shape (n,)
        Probe position in the projected cell, as fractions; rows and columns less than a cell
        apart.
    positions : int
        Fewest positions of a cell.

    Returns
    -------
    ndarray of int64, shape (n,)
        Number of each pattern's cell, counted from 0; -1 in cells with fewer positions, as cut
        by the edge of a scan.
    """
    scans = group_index(*scan)
    lines = [np.zeros(len(scans), np.int64) for _ in range(2)]
    order = np.argsort(scans, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(scans[order])) + 1):
        for line, index, place in zip(lines, (scan_y, scan_x), (cell_y, cell_x), strict=True):
            line[members] = _cells_along(np.asarray(index)[members], np.asarray(place)[members])
    cell = group_index(scans, *lines)
    enough = np.bincount(cell)[cell] >= positions
    numbered = np.full(len(cell), -1, np.int64)
    numbered[enough] = np.unique(cell[enough], return_inverse=True)[1]
    return numbered


def _cells_along(index: NDArray[np.int64], place: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole cells between the first scan line and each pattern's."""
    _, first, line = np.unique(index, return_index=True, return_inverse=True)
    steps = np.diff(place[first].astype(float)) % 1.0
    steps[steps > 1 - _ROUNDING] = 0.0
    distance = np.concatenate([[0.0], np.cumsum(steps)])
    cells: NDArray[np.int64] = np.floor(distance + _ROUNDING).astype(np.int64)[line]
    return cells
