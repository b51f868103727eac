# SPDX-License-Identifier: GPL-3.0-or-later
"""Multislice of plane waves on the grid of the repeating unit: what is propagated through what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from polarstem.simulate.wave.antialias import antialias
from polarstem.simulate.wave.plane_waves import Groups, WaveGrid
from polarstem.structures.symmetry import IDENTITY, Turn


@dataclass(frozen=True)
class PlaneWaveMultislice:
    """Multislice of plane waves through a crystal.

    For an incident wave exp(2 pi i q r) with q = (N g + r) / (N a), the wave inside the crystal
    is exp(2 pi i r r / (N a)) times a function that the unit repeats. That function is kept on
    the unit's grid, whose frequency G stands for r / (N a) + G; propagator and anti-aliasing
    aperture are evaluated there. So each sample equals that of a multislice on the field's grid
    (E. J. Kirkland, Advanced Computing in Electron Microscopy, 2nd ed., 6.4; the exchange of
    waves for probes is that of C. Ophus, Adv. Struct. Chem. Imaging 3, 13 (2017)).

    Attributes
    ----------
    grid : WaveGrid
        The plane waves.
    transmission : ndarray, shape (slices, y, x), complex64
        Of each slice of the repeating unit, in the order that the beam meets them.
    thickness : ndarray, shape (slices,)
        Distance of each slice to the next [Å].
    sampling : float
        That the anti-aliasing aperture belongs to [Å]: the grid may be finer.
    exits : sequence of int
        Slices after which the waves are kept, ascending.
    turns : sequence of Turn
        That map the crystal onto itself: one of the waves that they exchange is propagated.
    """

    grid: WaveGrid
    transmission: NDArray[np.complex64]
    thickness: NDArray[np.float64]
    sampling: float
    exits: Sequence[int]
    turns: Sequence[Turn] = (IDENTITY,)

    @property
    def shape(self) -> tuple[int, int]:
        """Grid of the unit along y and x."""
        return self.transmission.shape[1], self.transmission.shape[2]

    @cached_property
    def distances(self) -> NDArray[np.float64]:
        """Distances that occur between two slices [Å]."""
        return np.unique(self.thickness.round(9))

    @cached_property
    def distance(self) -> list[int]:
        """Which of them follows each slice."""
        found: list[int] = np.searchsorted(self.distances, self.thickness.round(9)).tolist()
        return found

    def propagators(self, reduced: NDArray[np.int64]) -> NDArray[np.complex64]:
        """Fresnel propagators and anti-aliasing aperture at r / (N a) + G.

        Parameters
        ----------
        reduced : ndarray, shape (2,)
            r along y and x.

        Returns
        -------
        ndarray, shape (distance, pixel), complex64
            Divided by the number of pixels, which the transforms leave out.
        """
        frequencies = []
        for n, units, size, r, offset in zip(
            self.shape,
            self.grid.units,
            self.grid.size,
            reduced.tolist(),
            self.grid.offset,
            strict=True,
        ):
            samples = n * units
            m = units * np.arange(n) + r
            # as on the field's grid, where a frequency beyond Nyquist is a negative one
            m = (m + samples // 2) % samples - samples // 2
            frequencies.append((m + offset) / (units * size))
        squared = np.add.outer(frequencies[0] ** 2, frequencies[1] ** 2).ravel()
        phases = -np.pi * self.grid.wavelength * self.distances[:, None] * squared
        array = np.exp(1j * phases) * antialias(np.sqrt(squared), self.sampling) / squared.size
        return array.astype(np.complex64)

    def factors(self, groups: Groups) -> tuple[NDArray[np.int64], NDArray[np.complex64]]:
        """Incident lattice vectors and propagators.

        Returns
        -------
        incident : ndarray, shape (group, member, 2)
            g of each wave along y and x.
        propagators : ndarray, shape (group, distance, pixel), complex64
        """
        incident, _ = self.grid.split(self.grid.indices[groups.rows])
        return incident, np.stack([self.propagators(r) for r in groups.reduced])

    @property
    def kept(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Indices along y and x of the exit waves that are kept, shapes (Gy, 1) and (Gx,)."""
        y, x = (
            np.arange(-most, most + 1) % n
            for most, n in zip(self.grid.beams, self.shape, strict=True)
        )
        return y[:, None], x
