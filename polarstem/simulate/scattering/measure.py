# SPDX-License-Identifier: GPL-3.0-or-later
"""Diffraction patterns from a scattering matrix, without another multislice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from polarstem.config.physics import Detector
from polarstem.errors import PolarstemError
from polarstem.simulate.detector import box_overlap
from polarstem.simulate.scattering.matrix import ScatteringMatrix
from polarstem.simulate.scattering.noise import count_electrons
from polarstem.simulate.scattering.optics import (
    Optics,
    defocus_modes,
    incident_waves,
    source_positions,
    source_weights,
)


@dataclass(frozen=True)
class _Illumination:
    """One setting of the optics, laid out by reduced wave vector.

    Attributes
    ----------
    places : Tensor, shape (reduced,)
        Place of each reduced wave vector in the field's first zone, row by row.
    rows : Tensor, shape (reduced, wave)
        Rows of the scattering matrix; the filling points to a row of its neighbours.
    amplitudes : Tensor, shape (reduced, wave, mode), complex64
        Of a probe at the origin; zero for the filling.
    g : Tensor, shape (reduced, wave, 2), int64
        Lattice vector of each wave along y and x, counted from the lowest.
    lowest, span : tuple of int
        Lowest lattice vector and number of steps to the highest.
    bins_y, bins_x : Tensor, shape (pixels, samples)
        Detector pixels out of samples, y pointing down.
    """

    places: torch.Tensor
    rows: torch.Tensor
    amplitudes: torch.Tensor
    g: torch.Tensor
    lowest: tuple[int, int]
    span: tuple[int, int]
    bins_y: torch.Tensor
    bins_x: torch.Tensor


class VirtualMicroscope:
    """Measures a scattering matrix.

    Parameters
    ----------
    matrix : ScatteringMatrix
        The crystal.
    detector : Detector
        Pixels along each side and their size [mrad]; the optic axis passes through its middle.
    device : str
        Torch's name of the device.
    memory_mb : float
        Memory for one batch of probe positions [MB].

    Raises
    ------
    PolarstemError
        If the detector is wider than what the matrix kept.
    """

    def __init__(
        self,
        matrix: ScatteringMatrix,
        detector: Detector,
        device: str = "cpu",
        memory_mb: float = 200.0,
    ) -> None:
        kept = matrix.grid.reach_mrad - matrix.grid.margin_mrad
        half = detector.pixels * detector.mrad_per_pixel / 2
        if half > kept + 1e-9:
            raise PolarstemError(
                f"The detector reaches {half:g} mrad, but this scattering matrix was kept up to "
                f"{kept:g} mrad; narrow the detector or compute the matrix anew."
            )
        self.matrix = matrix
        self.detector = detector
        self.device = torch.device(device)
        self.memory_mb = memory_mb
        self._waves = matrix.grid.indices
        self._array = torch.from_numpy(matrix.array).flatten(2).to(self.device)

    def measure(
        self,
        positions: NDArray[np.float64],
        thicknesses_nm: Sequence[float],
        optics: Optics,
        dose: float | None = None,
        seed: int = 0,
    ) -> torch.Tensor:
        """Measure patterns at any probe positions.

        Parameters
        ----------
        positions : ndarray, shape (n, 2)
            Probe positions x and y (y up) in the crystal's frame [Å].
        thicknesses_nm : sequence of float
            Exit planes of the matrix [nm].
        optics : Optics
            The illumination.
        dose : float, optional
            Electrons per pattern: patterns are then counts with Poisson noise.
        seed : int
            Seed of the noise; batches and thread counts do not change it.

        Returns
        -------
        Tensor, shape (thickness, position, ky, kx), float32
            Fraction of the incident beam in each pixel, or electrons; ky points down.

        Raises
        ------
        PolarstemError
            If the matrix does not hold what is asked for.
        """
        optics.check(self.matrix.grid)
        planes = [self.matrix.plane(thickness) for thickness in thicknesses_nm]
        light = self._illuminate(optics)
        size = self.matrix.grid.size
        fractions = np.asarray(positions, dtype=np.float64)[:, ::-1] / size
        weights = None
        if optics.source_fwhm > 0:
            table = source_weights(fractions, light.span, size, optics.source_fwhm)
            weights = torch.from_numpy(table).to(self.device)
            fractions = source_positions(light.span)
        places = torch.from_numpy(np.ascontiguousarray(fractions)).to(self.device)
        pixels = self.detector.pixels
        shape = (len(planes), len(positions), pixels, pixels)
        images = torch.zeros(shape, dtype=torch.float32, device=self.device)
        batch = self._batch(light)
        for row, plane in enumerate(planes):
            scattered = self._array[plane][light.rows]
            for start in range(0, len(places), batch):
                chunk = slice(start, start + batch)
                part = self._detect(_probes(light, places[chunk]), scattered, light)
                if weights is None:
                    images[row, chunk] = part
                else:
                    images[row].flatten(1).addmm_(weights[:, chunk], part.flatten(1))
        if weights is not None:
            images.clamp_(min=0)  # rounding of the interpolation
        if dose is None:
            return images
        return count_electrons(images.mul_(dose), seed)

    def _batch(self, light: _Illumination) -> int:
        """Probe positions that fit into the memory at once."""
        reduced, waves, modes = light.amplitudes.shape
        beams = self._array.shape[-1]
        samples = light.bins_y.shape[1] * light.bins_x.shape[1]
        per_probe = 16 * reduced * modes * (waves + beams) + 12 * samples
        matrix = 8 * reduced * waves * beams
        return max(1, int((self.memory_mb * 1e6 - matrix) / per_probe))

    def _illuminate(self, optics: Optics) -> _Illumination:
        grid = self.matrix.grid
        amplitudes = incident_waves(grid, self._waves, optics)
        lit = np.flatnonzero(amplitudes)
        m = self._waves[lit]
        units = np.array(grid.units)
        g, r = grid.split(m)
        # the waves are sorted by reduced wave vector: number these, and the waves within each
        place = (r + units // 2) @ (units[1], 1)
        places, first, group, counts = np.unique(
            place, return_index=True, return_inverse=True, return_counts=True
        )
        table = np.repeat(first[:, None], counts.max(), axis=1)
        used = np.zeros(table.shape, bool)
        within = np.arange(len(m)) - first[group]
        table[group, within] = np.arange(len(m))
        used[group, within] = True
        wave = torch.from_numpy(np.where(used, amplitudes[lit][table], 0).astype(np.complex64))
        modes = wave[..., None]
        if optics.defocus_spread > 0:
            modes = modes * defocus_modes(grid, m[table], used, optics)
        bins = []
        for axis in (0, 1):
            most = grid.beams[axis] * units[axis] + units[axis] // 2
            count = units[axis] * (2 * grid.beams[axis] + 1)
            step = grid.mrad_per_sample[axis]
            centres = (np.arange(count) - most) * step - optics.centre_mrad[axis]
            pixels, width = self.detector.pixels, self.detector.mrad_per_pixel
            bins.append(torch.from_numpy(box_overlap(centres, step, pixels, width)))
        lowest, highest = g.min(axis=0), g.max(axis=0)
        return _Illumination(
            places=torch.from_numpy(places).to(self.device),
            rows=torch.from_numpy(lit[table]).to(self.device),
            amplitudes=modes.to(self.device),
            g=torch.from_numpy((g - lowest)[table]).to(self.device),
            lowest=(int(lowest[0]), int(lowest[1])),
            span=(int(highest[0] - lowest[0]), int(highest[1] - lowest[1])),
            bins_y=bins[0].flip(0).to(self.device),
            bins_x=bins[1].to(self.device),
        )

    def _detect(
        self, probes: torch.Tensor, scattered: torch.Tensor, light: _Illumination
    ) -> torch.Tensor:
        """Intensities behind the crystal, shape (position, ky, kx)."""
        reduced, waves, modes, count = probes.shape
        columns = probes.view(reduced, waves, modes * count).swapaxes(1, 2)
        amplitude = torch.bmm(columns, scattered)
        intensity = amplitude.real.square().addcmul_(amplitude.imag, amplitude.imag)
        if modes > 1:
            intensity = intensity.view(reduced, modes, count, -1).sum(1)
        units, beams = self.matrix.grid.units, self.matrix.grid.beams
        if reduced < units[0] * units[1]:
            # an aperture smaller than the first zone leaves samples dark
            dark = intensity.new_zeros((units[0] * units[1], *intensity.shape[1:]))
            dark[light.places] = intensity
            intensity = dark
        y, x = (2 * n + 1 for n in beams)
        # a sample is N G + r: G varies slowly, r fast
        samples = intensity.view(*units, count, y, x).permute(2, 3, 0, 4, 1)
        samples = samples.reshape(count, y * units[0], x * units[1])
        return light.bins_y @ (samples @ light.bins_x.T)


def _probes(light: _Illumination, fractions: torch.Tensor) -> torch.Tensor:
    """Amplitudes of the waves of each probe, shape (reduced, wave, mode, position).

    The phase of the reduced wave vector is left out: its waves share it.
    """
    phases = []
    for axis in (0, 1):
        order = torch.arange(light.span[axis] + 1, device=fractions.device) + light.lowest[axis]
        turn = -2 * torch.pi * torch.outer(order.to(fractions.dtype), fractions[:, axis])
        table = torch.polar(torch.ones_like(turn), turn).to(torch.complex64)
        phases.append(table[light.g[..., axis]])
    return (phases[0] * phases[1])[:, :, None] * light.amplitudes[..., None]
