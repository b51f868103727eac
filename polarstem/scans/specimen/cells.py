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
    scale : tuple of float
        Cell found over the cell expected along the scan's y and x; not a number where no cell is
        expected or found.
    implied_step_nm : tuple of float or None
        Distance of two positions along y and x at which the lattice has the expected cell [nm].
    shear : float
        By how much the beam wanders along x while it goes along y, a ratio.
    drift_nm : tuple of float
        By how much farther than intended the beam went over the crystal from the first row to the
        last, along y and x [nm]: what makes the cell's shape wrong, its size aside.
    row_shift_nm : ndarray, shape (ny, 2), or None
        By how much farther along y (down) and x each row of positions lies than the lattice and
        the step say [nm]; None where it was not measured.
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
    scale: tuple[float, float] = (float("nan"), float("nan"))
    implied_step_nm: tuple[float, float] | None = None
    shear: float = 0.0
    drift_nm: tuple[float, float] = (0.0, 0.0)
    row_shift_nm: NDArray[np.float64] | None = None

    def cells(self, ny: int, nx: int) -> Cells:
        """Sort the positions of a scan of `ny` rows and `nx` columns into cells."""
        shift = np.zeros((ny, 2)) if self.row_shift_nm is None else self.row_shift_nm[:ny]
        places = probe_places(ny, nx, self.step_nm) + shift[:, None] - self.origin
        fractions: NDArray[np.float64] = places @ np.linalg.inv(self.vectors)
        whole = np.floor(fractions + 1e-9).astype(np.int64)
        inside: NDArray[np.float64] = fractions - whole
        lowest = whole.min(axis=(0, 1))
        spans = whole.max(axis=(0, 1)) - lowest + 1
        number = (whole[..., 0] - lowest[0]) * spans[1] + whole[..., 1] - lowest[1]
        every = np.arange(spans.prod())
        corner = np.stack([every // spans[1], every % spans[1]], axis=1) + lowest
        complete = self._complete(corner, ny, nx, shift)
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
            centre=self._in_scan(kept + 0.5, shift),
        )

    def _in_scan(
        self, fractions: NDArray[np.floating], shift: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Where in the scan points (n, 2) of the lattice are met, y (down) and x [nm]."""
        places = fractions @ self.vectors + self.origin
        rows = np.arange(len(shift)) * self.step_nm[0]
        met = places[:, 0]
        for _ in range(3):  # the shift is that of the row, which is known but for the shift
            met = places[:, 0] - np.interp(met, rows, shift[:, 0])
        moved = np.stack([np.interp(met, rows, part) for part in shift.T], axis=1)
        found: NDArray[np.float64] = places - moved
        return found

    def _complete(
        self, corner: NDArray[np.int64], ny: int, nx: int, shift: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Which cells lie within the scan, every position standing for an area of a step."""
        step = np.array(self.step_nm)
        high = (np.array([ny, nx]) - 0.5) * step
        inside = np.ones(len(corner), bool)
        for offset in ((0, 0), (0, 1), (1, 0), (1, 1)):
            places = self._in_scan(corner + np.array(offset, float), shift)
            inside &= ((places >= -0.51 * step) & (places <= high + 0.01 * step)).all(axis=1)
        return inside


def boxes(
    step_nm: tuple[float, float],
    cell_angstrom: tuple[float, float] | None,
    why: str,
    shape: tuple[int, int] | None = None,
) -> Lattice:
    """Rectangles of about one cell, of `_BOX` positions along each side at least.

    Parameters
    ----------
    step_nm, cell_angstrom
        As in `find_lattice`.
    why : str
        Why there is no lattice: the beginning of a sentence.
    shape : tuple of int, optional
        Rows and columns of the scan: no box is larger.
    """
    step = np.array(step_nm)
    cell = step if cell_angstrom is None else np.array(cell_angstrom) / 10
    counts = np.maximum(_BOX, np.rint(cell / step).astype(int))
    if shape is not None:
        counts = np.minimum(counts, np.array(shape))
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
