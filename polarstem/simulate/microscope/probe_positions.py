# SPDX-License-Identifier: GPL-3.0-or-later
"""Probe positions: a regular grid over one or more projected unit cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.seeds import derive_seed


@dataclass(frozen=True)
class ProbeGrid:
    """Probe positions of one specimen.

    Attributes
    ----------
    positions : ndarray, shape (ny * nx, 2)
        Row by row from the top: x (right) and y (up) in the crystal's frame [Å].
    y, x : ndarray, shape (ny,) and (nx,)
        Positions relative to the first one, y pointing down [Å].
    cell_y, cell_x : ndarray, shape (ny,) and (nx,)
        Fraction of the projected cell, y pointing down, 0 on the A column.
    """

    positions: NDArray[np.float64]
    y: NDArray[np.float64]
    x: NDArray[np.float64]
    cell_y: NDArray[np.float64]
    cell_x: NDArray[np.float64]


def probe_grid(
    cell: tuple[float, float],
    repeats: tuple[int, int],
    positions: tuple[int, int],
    cells: tuple[int, int],
    offset: str,
    seed: int,
) -> ProbeGrid:
    """Place the probe positions in the middle of the field.

    Parameters
    ----------
    cell : tuple of float
        Size of the projected unit cell along x and y [Å].
    repeats : tuple of int
        Cells of the field along x and y.
    positions, cells : tuple of int
        Probe positions, and cells that they cover, along y and x.
    offset : {"random", "centre"}
        Where the grid starts: a random fraction of a step, or half a step.
    seed : int
        Seed of the random offset.

    Raises
    ------
    PolarstemError
        If the scan covers more cells than the field has.
    """
    for axis, (wanted, available) in zip("yx", zip(cells, repeats[::-1], strict=True), strict=True):
        if wanted > available:
            raise PolarstemError(
                f"simulate.scan.cells asks for {wanted} cells along {axis}, but the field has "
                f"{available}; enlarge structures.cells or scan fewer cells."
            )
    random = np.random.default_rng(derive_seed(seed, "scan offset"))
    shift = random.random(2) if offset == "random" else np.full(2, 0.5)
    down = (np.arange(positions[0]) + shift[0]) * cells[0] / positions[0]
    right = (np.arange(positions[1]) + shift[1]) * cells[1] / positions[1]
    first_column = (repeats[0] - cells[1]) // 2
    top_row = (repeats[1] - cells[0]) // 2 + cells[0]
    x = (first_column + right) * cell[0]
    y = (top_row - down) * cell[1]
    rows, columns = np.meshgrid(y, x, indexing="ij")
    return ProbeGrid(
        positions=np.stack([columns.ravel(), rows.ravel()], axis=1),
        y=(down - down[0]) * cell[1],
        x=(right - right[0]) * cell[0],
        cell_y=down % 1.0,
        cell_x=right % 1.0,
    )
