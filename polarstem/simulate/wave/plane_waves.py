# SPDX-License-Identifier: GPL-3.0-or-later
"""The plane waves of an aperture on the reciprocal grid of a field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from polarstem.config.physics import wavelength
from polarstem.structures.symmetry import Turn


class Groups(NamedTuple):
    """Plane waves gathered by reduced wave vector.

    Attributes
    ----------
    reduced : ndarray, shape (group, 2)
        Reduced wave vector r along y and x.
    rows : ndarray, shape (group, member)
        Number of each wave; the filling of short groups repeats their first.
    used : ndarray of bool, shape (group, member)
        Which are no filling.
    """

    reduced: NDArray[np.int64]
    rows: NDArray[np.int64]
    used: NDArray[np.bool_]


@dataclass(frozen=True)
class WaveGrid:
    """Plane waves of an aperture on the reciprocal grid of a field of repeating units.

    A wave of the field's grid, m / (N a) with whole numbers m, is a lattice vector g / a of the
    unit plus a reduced wave vector r / (N a) within half a lattice vector: m = N g + r. The
    crystal scatters it to waves of the same r only. Waves are sorted by r, then g. All index
    pairs are (y, x), in the crystal's frame: x right, y up.

    Attributes
    ----------
    size : tuple of float
        Size of the repeating unit along y and x [Å].
    units : tuple of int
        N: repeating units of the field along y and x.
    energy_kv : float
        Energy of the electrons [keV].
    semiangle_mrad, margin_mrad : float
        Radius of the disc of waves: largest aperture plus largest tilt [mrad].
    reach_mrad : float
        Exit waves are kept up to this angle along y and x [mrad].
    offset : tuple of float
        Of all waves along y and x, within half a sample: m stands for m + offset [samples].
    ensemble : int
        Grids of other offsets that this one is averaged with, itself included
        (`spread_offsets`): together they sample angles that many times as densely.
    """

    size: tuple[float, float]
    units: tuple[int, int]
    energy_kv: float
    semiangle_mrad: float
    margin_mrad: float
    reach_mrad: float
    offset: tuple[float, float] = (0.0, 0.0)
    ensemble: int = 1

    @classmethod
    def of_attributes(cls, attributes: Mapping[str, Any]) -> WaveGrid:
        """Restore it from the attributes of a file."""
        return cls(
            size=_pair(attributes["unit_size_yx_angstrom"], float),
            units=_pair(attributes["units_yx"], int),
            energy_kv=float(attributes["energy_kv"]),
            semiangle_mrad=float(attributes["semiangle_mrad"]),
            margin_mrad=float(attributes["margin_mrad"]),
            reach_mrad=float(attributes["reach_mrad"]),
            offset=_pair(attributes["offset_yx_samples"], float),
            ensemble=int(attributes["ensemble"]),
        )

    def attributes(self) -> dict[str, Any]:
        """What a file keeps of it."""
        return {
            "unit_size_yx_angstrom": list(self.size),
            "units_yx": list(self.units),
            "energy_kv": self.energy_kv,
            "semiangle_mrad": self.semiangle_mrad,
            "margin_mrad": self.margin_mrad,
            "reach_mrad": self.reach_mrad,
            "offset_yx_samples": list(self.offset),
            "ensemble": self.ensemble,
        }

    @cached_property
    def wavelength(self) -> float:
        """Relativistic wavelength [Å]."""
        return wavelength(self.energy_kv)

    @cached_property
    def mrad_per_sample(self) -> NDArray[np.float64]:
        """Angle between two waves of the field's grid along y and x [mrad]."""
        return 1e3 * self.wavelength / (np.array(self.size) * self.units)

    @cached_property
    def mrad_per_box(self) -> NDArray[np.float64]:
        """Range of angles along y and x that one sample stands for [mrad]."""
        return self.mrad_per_sample / np.sqrt(self.ensemble)

    @cached_property
    def indices(self) -> NDArray[np.int64]:
        """m of every wave, shape (wave, 2)."""
        step = self.mrad_per_sample
        # half a sample more: the soft edge of the aperture
        radius = self.semiangle_mrad + self.margin_mrad + step.max() / 2
        if self.ensemble > 1:
            radius += float(np.hypot(*step)) / 2  # the same waves whatever the offset
        limits = np.floor(radius / step).astype(int)
        y, x = (np.arange(-limit, limit + 1) for limit in limits)
        m = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2)
        m = m[np.hypot(*(m * step).T) < radius]
        g, r = self.split(m)
        return m[np.lexsort((g[:, 1], g[:, 0], r[:, 1], r[:, 0]))]

    @cached_property
    def groups(self) -> Groups:
        """The waves, gathered by reduced wave vector."""
        _, r = self.split(self.indices)
        first = np.flatnonzero(np.any(np.diff(r, axis=0, prepend=r[:1] - 1), axis=1))
        counts = np.diff(first, append=len(r))
        order = np.arange(counts.max())
        used = order < counts[:, None]
        return Groups(r[first], np.where(used, first[:, None] + order, first[:, None]), used)

    def angles(self, m: NDArray[np.int64]) -> NDArray[np.float64]:
        """Angles of waves m to the zone axis along y and x, shape (..., 2) [mrad]."""
        return (m + np.array(self.offset)) * self.mrad_per_sample

    def split(self, m: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Lattice vectors g and reduced wave vectors r of waves m, shape (wave, 2) each."""
        n = np.array(self.units)
        g = (m + n // 2) // n
        return g, m - n * g

    @cached_property
    def beams(self) -> tuple[int, int]:
        """Largest index of the lattice vectors kept behind the crystal, along y and x."""
        n = np.array(self.units)
        # an even number of units has one reduced wave vector less on the positive side
        beyond = self.reach_mrad / self.mrad_per_sample - (n - n // 2 - 0.5)
        beyond += 0.5 * (self.ensemble > 1)
        y, x = np.ceil(beyond / n + 1e-9)
        return max(0, int(y)), max(0, int(x))

    def matrix_shape(self, thicknesses: int) -> tuple[int, int, int, int]:
        """Shape of the scattering matrix: thickness, wave, G along y and x."""
        y, x = self.beams
        return thicknesses, len(self.indices), 2 * y + 1, 2 * x + 1

    def predicted_mb(self, thicknesses: int) -> float:
        """Size of the scattering matrix, in memory and as a file [MB]."""
        planes, waves, *beams = self.matrix_shape(thicknesses)
        return planes * waves * (float(np.prod(beams)) + self.groups.rows.shape[1]) * 8 / 1e6


def spread_offsets(count: int) -> NDArray[np.float64]:
    """Offsets of the plane waves of as many configurations, spread evenly over a sample.

    A field of N cells repeats the probe every N cells, and its copies interfere with it. With
    offset d the copy at n fields has the phase 2 pi d n, so that the mean over the points of a
    lattice of offsets is free of the nearest copies: that of a field about sqrt(count) times as
    large (twist averaging: C. Lin, F. H. Zong and D. M. Ceperley, Phys. Rev. E 64, 016702 (2001)).

    Parameters
    ----------
    count : int
        Number of configurations.

    Returns
    -------
    ndarray, shape (count, 2)
        Along y and x, within half a sample; zero for one configuration [samples].
    """
    if count == 1:
        return np.zeros((1, 2))
    number = np.arange(count)
    lattice = np.stack([number, number * spread_stride(count) % count], axis=1)
    return (lattice + 0.5) / count - 0.5


def spread_stride(count: int) -> int:
    """Stride s for which equal values of (y + s x) modulo count are farthest apart."""
    order = np.arange(-count, count + 1)
    y, x = np.meshgrid(order, order, indexing="ij")
    apart = np.hypot(y, x)
    nearest = [
        apart[((y + stride * x) % count == 0) & (apart > 0)].min() for stride in range(count)
    ]
    return int(np.argmax(nearest))


def turned(vectors: NDArray[Any], turn: Turn) -> NDArray[Any]:
    """Turn vectors (y, x) along the last axis, as a crystal is turned."""
    flipped: NDArray[Any] = (vectors[..., ::-1] @ np.array(turn).T)[..., ::-1]
    return flipped


def _pair(values: Any, kind: type) -> tuple[Any, Any]:
    y, x = (kind(value) for value in values)
    return y, x
