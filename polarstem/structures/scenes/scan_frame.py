# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the probes of a scan lie, as wanted and as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from polarstem.structures.scenes.recipe import SceneRecipe

Floats = NDArray[np.float64]
_MOST_JITTER = 3.0  # of its standard deviation: the crystal around a scan ends somewhere


@dataclass(frozen=True)
class ScanFrame:
    """A scan over a scene, which may be turned.

    Attributes
    ----------
    first : tuple of float
        x and y (up) of its first position in the box [Å].
    shape : tuple of int
        Rows and columns.
    step : float
        Distance of positions [Å].
    turn_deg : float
        Direction of the crystal's x axis, counter-clockwise from the scan's [degrees].
    drift : tuple of float
        How much further to the right and down than wanted the probe is for each Å that it was
        moved down: the specimen drifts at a constant speed. The middle row is where it should be.
    row_shifts : tuple of float
        How much further to the right the probe is in each row; empty for nothing [Å].
    """

    first: tuple[float, float]
    shape: tuple[int, int]
    step: float
    turn_deg: float = 0.0
    drift: tuple[float, float] = (0.0, 0.0)
    row_shifts: tuple[float, ...] = ()

    @classmethod
    def over(
        cls, recipe: SceneRecipe, positions_per_cell: int, offset: Sequence[float] = (0.5, 0.5)
    ) -> ScanFrame:
        """Lay a scan over the scanned cells of a scene.

        Parameters
        ----------
        recipe : SceneRecipe
            The scene.
        positions_per_cell : int
            Steps along the shorter edge of the cell.
        offset : sequence of float
            Where the scan starts along y (down) and x, half a step being the middle [steps].
        """
        rows, columns, step = recipe.scanned(positions_per_cell)
        turn = recipe.crystal_rotation_deg
        left, up = offset[1] - columns / 2, rows / 2 - offset[0]
        corner = step * np.exp(-1j * np.radians(turn)) * (left + 1j * up)
        x, y = recipe.origin[:2].tolist()
        first = x + float(corner.real), y + float(corner.imag)
        return cls(first, (rows, columns), step, turn)

    def distorted(self, drift: Sequence[float], row_jitter: float, seed: int) -> ScanFrame:
        """The same scan of a specimen that drifts, with rows that begin late or early at random.

        Parameters
        ----------
        drift : sequence of float
            As the attribute.
        row_jitter : float
            Standard deviation of the rows' shifts, none larger than three of it [Å].
        seed : int
            Of the shifts.
        """
        shifts: tuple[float, ...] = ()
        if row_jitter:
            normal = np.random.default_rng(seed).normal(size=self.shape[0])
            shifts = tuple((row_jitter * normal.clip(-_MOST_JITTER, _MOST_JITTER)).tolist())
        return replace(self, drift=(drift[0], drift[1]), row_shifts=shifts)

    @property
    def is_distorted(self) -> bool:
        """Whether positions are elsewhere than wanted."""
        return any(self.drift) or any(self.row_shifts)

    def places(self, down: Floats, right: Floats) -> Floats:
        """x and y (up) in the box, shape (down, right, 2), of distances from the first [Å]."""
        return self._in_box(down[:, None], right)

    def taken(self) -> tuple[Floats, Floats]:
        """Distances down and right of the first wanted position where probes are, (row, column)."""
        down, right = self.along()
        late = down - down.mean()
        moved = np.broadcast_to((down + self.drift[1] * late)[:, None], self.shape)
        aside = self.drift[0] * late + (self.row_shifts or 0.0)
        return moved, right + aside[:, None]

    def positions(self) -> Floats:
        """x and y (up) in the box where probes are, shape (row, column, 2) [Å]."""
        return self._in_box(*self.taken())

    def wanted(self, down: Floats, right: Floats) -> tuple[Floats, Floats]:
        """Where a scan without drift would show what is at distances down and right [Å]."""
        middle = self.step * (self.shape[0] - 1) / 2
        late = (down - middle) / (1 + self.drift[1])
        return middle + late, right - self.drift[0] * late

    def _in_box(self, down: Floats, right: Floats) -> Floats:
        turned = np.exp(-1j * np.radians(self.turn_deg)) * (right - 1j * down)
        return np.stack([turned.real, turned.imag], axis=-1) + self.first

    def along(self) -> tuple[Floats, Floats]:
        """Distances of the positions from the first, down and to the right [Å]."""
        rows, columns = (self.step * np.arange(n, dtype=np.float64) for n in self.shape)
        return rows, columns
