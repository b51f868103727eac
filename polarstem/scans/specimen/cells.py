# SPDX-License-Identifier: GPL-3.0-or-later
"""Unit cells of a scan, or boxes where no lattice is found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarstem.scans.sourced import Sourced

_FILLED = 0.6  # share of its expected positions that a complete cell has
_BOX = 3  # fewest positions along a box


@dataclass(frozen=True)
class Cells:
    """Positions of a scan, sorted into cells.

    Attributes
    ----------
    index : ndarray of int, shape (ny, nx)
        Number of the cell; -1 in those that the edge of the scan cuts.
    y, x : ndarray, shape (ny, nx)
        Place in the cell as fractions from the A column, y down; not a number in boxes.
    row, column : ndarray of int, shape (cell,)
        Place of the cell in the lattice, counted from the first; rows downwards.
    centre : ndarray, shape (cell, 2)
        Middle of the cell, y (down) and x from the first position [nm].
    """

    index: NDArray[np.int64]
    y: NDArray[np.float64]
    x: NDArray[np.float64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    centre: NDArray[np.float64]


@dataclass(frozen=True)
class Lattice:
    """Cells of a scan.

    Attributes
    ----------
    found : bool
        Whether it is the crystal's; otherwise boxes of about one cell.
    vectors : ndarray, shape (2, 2)
        Rows: the edges of a cell that point along the crystal's -y and +x, each as y (down) and x
        [nm].
    origin : ndarray, shape (2,)
        y (down) and x of an A column from the first position [nm].
    step_nm : tuple of float
        Distance of two positions along y and x [nm].
    rotation : Sourced or None
        Angle of the crystal's x axis counter-clockwise from the scan's [degrees], modulo 90 (180
        for a cell that is no square).
    quality : float
        Power of the weaker lattice vector over that of the noise; 0 for boxes.
    agreement : float
        Correlation of the dark field with what is expected around the A column found, 0 to 1.
    margin : float
        By how much less it correlates with the A and B columns exchanged.
    sentence : str
        What was found.
    """

    found: bool
    vectors: NDArray[np.float64]
    origin: NDArray[np.float64]
    step_nm: tuple[float, float]
    rotation: Sourced | None
    quality: float
    agreement: float
    margin: float
    sentence: str

    def cells(self, ny: int, nx: int) -> Cells:
        """Sort the positions of a scan of `ny` rows and `nx` columns into cells."""
        places = probe_places(ny, nx, self.step_nm) - self.origin
        fractions: NDArray[np.float64] = places @ np.linalg.inv(self.vectors)
        whole = np.floor(fractions + 1e-9).astype(np.int64)
        inside: NDArray[np.float64] = fractions - whole
        lowest = whole.min(axis=(0, 1))
        spans = whole.max(axis=(0, 1)) - lowest + 1
        number = (whole[..., 0] - lowest[0]) * spans[1] + whole[..., 1] - lowest[1]
        every = np.arange(spans.prod())
        corner = np.stack([every // spans[1], every % spans[1]], axis=1) + lowest
        complete = self._complete(corner, ny, nx)
        area = abs(float(np.linalg.det(self.vectors))) / float(np.prod(self.step_nm))
        complete &= np.bincount(number.ravel(), minlength=len(every)) >= _FILLED * area
        new = np.where(complete, np.cumsum(complete) - 1, -1)
        kept = corner[complete]
        rows, columns = (kept - (kept.min(axis=0) if len(kept) else 0)).T
        if not self.found:
            inside = np.full_like(inside, np.nan)
        return Cells(
            index=new[number],
            y=inside[..., 0],
            x=inside[..., 1],
            row=rows,
            column=columns,
            centre=(kept + 0.5) @ self.vectors + self.origin,
        )

    def _complete(self, corner: NDArray[np.int64], ny: int, nx: int) -> NDArray[np.bool_]:
        """Which cells lie within the scan, every position standing for an area of a step."""
        step = np.array(self.step_nm)
        high = (np.array([ny, nx]) - 0.5) * step
        inside = np.ones(len(corner), bool)
        for offset in ((0, 0), (0, 1), (1, 0), (1, 1)):
            places = (corner + offset) @ self.vectors + self.origin
            inside &= ((places >= -0.51 * step) & (places <= high + 0.01 * step)).all(axis=1)
        return inside


def boxes(step_nm: tuple[float, float], cell_angstrom: tuple[float, float], why: str) -> Lattice:
    """Rectangles of about one cell, of `_BOX` positions along each side at least.

    Parameters
    ----------
    step_nm, cell_angstrom
        As in `find_lattice`.
    why : str
        Why there is no lattice: the beginning of a sentence.
    """
    step = np.array(step_nm)
    counts = np.maximum(_BOX, np.rint(np.array(cell_angstrom) / 10 / step).astype(int))
    return Lattice(
        found=False,
        vectors=np.diag(counts * step),
        origin=-step / 2,
        step_nm=(float(step[0]), float(step[1])),
        rotation=None,
        quality=0.0,
        agreement=float("nan"),
        margin=0.0,
        sentence=f"{why}: positions are pooled in boxes of {counts[0]} x {counts[1]}.",
    )


def probe_places(ny: int, nx: int, step: tuple[float, float]) -> NDArray[np.float64]:
    """Positions y (down) and x [nm], shape (ny, nx, 2)."""
    grid = np.meshgrid(np.arange(ny) * step[0], np.arange(nx) * step[1], indexing="ij")
    return np.stack(grid, axis=-1)
