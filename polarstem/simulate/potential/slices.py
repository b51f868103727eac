# SPDX-License-Identifier: GPL-3.0-or-later
"""Slices of a crystal: one for each atomic plane, or one for each height of its atoms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarstem.simulate.potential.crystal import Crystal

_SAME_HEIGHT = 1e-4  # Å


@dataclass(frozen=True)
class Slices:
    """How a crystal is cut.

    Attributes
    ----------
    thickness : ndarray, shape (slice,)
        Distance to the next slice, in the order that the beam meets them [Å].
    members : ndarray of int, shape (atom,)
        Slice of each atom.
    per_period : int
        Slices of one period along the beam.
    """

    thickness: NDArray[np.float64]
    members: NDArray[np.int64]
    per_period: int

    @classmethod
    def of(cls, crystal: Crystal, kind: str) -> Slices:
        """Cut a crystal.

        Parameters
        ----------
        crystal : Crystal
            The specimen, its atoms at their heights of rest.
        kind : {"planes", "atoms"}
            Equal slices with one atomic plane each, in which the component of a displacement
            along the beam cannot be seen; or a slice for every height of the period's atoms.
        """
        heights, (_, _, period) = crystal.atoms.positions[:, 2], crystal.cell
        periods = crystal.repeats[2]
        if kind == "planes":
            count = crystal.slices_per_period
            step = period / count
            members = np.floor(heights / step + 1e-9).astype(np.int64)
            return cls(np.full(count * periods, step), members, count)
        inside, number = np.modf((heights + _SAME_HEIGHT / 2) / period)
        inside = inside * period
        order = np.sort(inside)
        distinct = order[np.diff(order, prepend=-1.0) > _SAME_HEIGHT]
        middle = (distinct[1:] + distinct[:-1]) / 2
        members = np.searchsorted(middle, inside) + len(distinct) * number.astype(np.int64)
        thickness = np.diff(distinct, append=distinct[0] + period)
        return cls(np.tile(thickness, periods), members, len(distinct))
