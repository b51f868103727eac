# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes whose thickness varies over the field."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Wedge:
    """A thickness that changes linearly with the place.

    Each place sees a crystal of its own thickness with parallel surfaces: a small field stands
    for a large one, over which the same change is no slope that a probe could see.

    Attributes
    ----------
    middle : tuple of float
        x and y in the box where the thickness is the nominal one [Å].
    periods : float
        Thickness there [periods along the beam].
    slope : tuple of float
        Its change along x and y [periods/Å].
    most : int
        Largest thickness, that of the box [periods].
    """

    middle: tuple[float, float]
    periods: float
    slope: tuple[float, float]
    most: int

    def periods_at(self, places: NDArray[np.float64]) -> NDArray[np.int64]:
        """Thickness at places (..., 2) in the box, in whole periods, at least one."""
        thickness = self.periods + (places - self.middle) @ np.array(self.slope)
        return np.clip(np.round(thickness), 1, self.most).astype(np.int64)

    def described(self) -> dict[str, Any]:
        """As plain values, from which `Wedge.of` makes it again."""
        return asdict(self)

    @classmethod
    def of(cls, told: dict[str, Any]) -> Wedge:
        """Make it from plain values."""
        middle, slope = (tuple(told[key]) for key in ("middle", "slope"))
        return cls(middle, float(told["periods"]), slope, int(told["most"]))
