# SPDX-License-Identifier: GPL-3.0-or-later
"""Multislice of probes through small windows of a large field.

abTEM makes potentials, probes and propagators; the loop over slices is our own, because abTEM
would limit the band of each slice's transmission function anew for each window.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import abtem
import numpy as np
from abtem.antialias import AntialiasAperture
from abtem.multislice import FresnelPropagator
from numpy.typing import ArrayLike, NDArray

from polarstem.simulate.wave.transforms import Workspace, batches, multiply


@dataclass(frozen=True)
class Window:
    """Probe positions that see the same piece of a field.

    Attributes
    ----------
    first : tuple of int
        First grid point of the piece along x and y.
    members : ndarray of int, shape (n,)
        Which positions.
    places : ndarray, shape (n, 2)
        Their x and y (up) in the piece [Å].
    """

    first: tuple[int, int]
    members: NDArray[np.int64]
    places: NDArray[np.float64]


def windows(
    places: NDArray[np.float64],
    members: NDArray[np.int64],
    cell: ArrayLike,
    pixels: ArrayLike,
    cells: ArrayLike,
) -> Iterator[Window]:
    """Gather positions by the cell that they lie in.

    Parameters
    ----------
    places : ndarray, shape (position, 2)
        x and y (up) in the field [Å].
    members : ndarray of int, shape (n,)
        Which of them to gather.
    cell : array_like
        Edges of the projected cell along x and y, or that of a square one [Å].
    pixels : array_like of int
        Grid points along them.
    cells : array_like of int
        Cells along the edges of a window: with an even number it is centred on the A column
        nearest to its positions, else on their cell.
    """
    firsts, group = np.unique(
        first_cells(places[members], cell, cells), axis=0, return_inverse=True
    )
    for number, first in enumerate(firsts):
        own = members[group.ravel() == number]
        x, y = (first * pixels).tolist()
        yield Window((x, y), own, places[own] - first * np.asarray(cell))


def first_cells(
    places: NDArray[np.float64], cell: ArrayLike, cells: ArrayLike
) -> NDArray[np.int64]:
    """First cell along x and y of the window of each place, shape (place, 2)."""
    counts = np.asarray(cells)
    around = np.floor(places / np.asarray(cell) + np.where(counts % 2, 0.0, 0.5)).astype(np.int64)
    return np.asarray(around - counts // 2)


class Field:
    """Transmission functions of a field's slices.

    Parameters
    ----------
    potential : Potential or PotentialArray
        Of the whole field; one slice of it at a time is kept.
    energy_kv : float
        Energy of the electrons [keV].
    points : array_like of int
        Grid points of a window along x and y, or along both.
    behind : int
        Slices behind the crystal, of a layer on its exit surface.
    """

    def __init__(
        self,
        potential: abtem.Potential | abtem.PotentialArray,
        energy_kv: float,
        points: ArrayLike,
        behind: int = 0,
    ) -> None:
        aperture = AntialiasAperture()
        self.slices = np.empty(potential.shape, np.complex64)
        for kept, part in zip(self.slices, potential.generate_slices(), strict=True):
            waves = part.transmission_function(energy=energy_kv * 1e3)
            kept[:] = aperture.bandlimit(waves, in_place=True).array[0]
        x, y = potential._valid_sampling
        self.sampling = x, y
        self.lengths = np.asarray(points) * (x, y)  # of a window [Å]
        self._distances, self._distance = np.unique(
            np.round(potential.slice_thickness, 9), return_inverse=True
        )
        nx, ny = np.broadcast_to(points, 2).tolist()
        self._points, self._behind = (nx, ny), behind
        self._workspace = Workspace(self._points)

    def illuminate(self, probe: abtem.Probe) -> tuple[NDArray[np.complex64], ...]:
        """Amplitudes of a probe's waves, shape (kx, ky), and propagators (distance, pixel)."""
        probe = probe.copy()
        probe.gpts, probe.sampling = self._points, self.sampling
        waves = probe.build(scan=(0.0, 0.0), lazy=False)
        amplitudes = np.fft.fft2(waves.array.reshape(self._points))
        amplitudes /= np.linalg.norm(amplitudes)
        propagators = [
            FresnelPropagator().get_array(waves, distance).ravel() / amplitudes.size
            for distance in self._distances.tolist()
        ]
        return amplitudes.astype(np.complex64), np.array(propagators, np.complex64)

    def scan(
        self, window: Window, light: Sequence[NDArray[np.complex64]], left_out: int = 0
    ) -> NDArray[np.float32]:
        """Diffraction patterns of a window's positions.

        Parameters
        ----------
        window : Window
            The positions.
        light : sequence of ndarray
            What `illuminate` gave.
        left_out : int
            Slices at the end of the crystal that are left out where it is thinner.

        Returns
        -------
        ndarray, shape (n, kx, ky)
            Fractions of the beam, frequencies ascending.
        """
        amplitudes, propagators = light
        (x, y), (nx, ny) = window.first, self._points
        end = len(self.slices) - self._behind
        met = np.r_[: end - left_out, end : len(self.slices)]
        distances = self._distance[met]
        piece = self.slices[met, x : x + nx, y : y + ny].reshape(-1, nx * ny)
        found = np.empty((len(window.places), nx, ny), np.float32)
        for first, last in batches(len(found), self._workspace.most):
            waves, forward, backward = self._workspace.batch(last - first)
            flat = waves.reshape(len(waves), -1)
            phases = (
                np.exp(-2j * np.pi * np.outer(places, np.fft.fftfreq(n, d)))
                for places, n, d in zip(
                    window.places[first:last].T, self._points, self.sampling, strict=True
                )
            )
            waves[:] = amplitudes * np.einsum("wx,wy->wxy", *phases)
            for transmission, distance in zip(piece, distances, strict=True):
                backward()
                multiply(flat, transmission)
                forward()
                multiply(flat, propagators[distance])
            # the propagator undid one pair of transforms' factor in each slice
            found[first:last] = np.fft.fftshift(np.abs(waves) ** 2, axes=(1, 2))
        return found
