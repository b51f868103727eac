# SPDX-License-Identifier: GPL-3.0-or-later
"""One multislice per plane wave, on the grid of the repeating unit."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from queue import SimpleQueue

import numba
import numpy as np
import pyfftw
from numpy.typing import NDArray

from polarstem.config.physics import Simulate
from polarstem.errors import PolarstemError
from polarstem.logs import progress
from polarstem.simulate.multislice import Crystal, exit_periods
from polarstem.simulate.scattering.matrix import ScatteringMatrix, WaveGrid
from polarstem.simulate.scattering.unit import (
    antialias,
    antialias_angle,
    projected_potentials,
    repeating_unit,
    transmission,
)

logger = logging.getLogger("polarstem")

_BATCH_BYTES = 2**18  # of the waves transformed at once: they stay in a core's cache
# Estimated plans are the same each time; measured ones depend on the machine's mood and change
# the last digits.
_PLANNING = "FFTW_ESTIMATE"


@numba.njit(nogil=True, fastmath=True, cache=True)
def multiply(waves: NDArray[np.complex64], factor: NDArray[np.complex64]) -> None:
    """Multiply each wave, shape (wave, pixel), by a factor, shape (pixel,), in place."""
    for wave in range(waves.shape[0]):
        for pixel in range(waves.shape[1]):
            waves[wave, pixel] *= factor[pixel]


class Workspace:
    """Waves of one batch with their planned, in-place transforms.

    Parameters
    ----------
    waves : int
        Most waves in a batch.
    shape : tuple of int
        Grid along y and x.
    """

    def __init__(self, waves: int, shape: tuple[int, int]) -> None:
        self._array = pyfftw.zeros_aligned((waves, *shape), np.complex64)
        self._plans: dict[int, tuple[pyfftw.FFTW, pyfftw.FFTW]] = {}

    def batch(self, waves: int) -> tuple[NDArray[np.complex64], pyfftw.FFTW, pyfftw.FFTW]:
        """Give an array (wave, y, x) and its forward and backward transform, not normalized."""
        part = self._array[:waves]
        if waves not in self._plans:
            forward, backward = (
                pyfftw.FFTW(part, part, axes=(1, 2), direction=direction, flags=(_PLANNING,))
                for direction in ("FFTW_FORWARD", "FFTW_BACKWARD")
            )
            self._plans[waves] = forward, backward
        return part, *self._plans[waves]


@dataclass(frozen=True)
class Job:
    """Waves of one reduced wave vector that are propagated together.

    Attributes
    ----------
    rows : slice
        Their rows of the scattering matrix.
    incident : ndarray, shape (wave, 2)
        Lattice vector g of each along y and x.
    reduced : ndarray, shape (2,)
        Their reduced wave vector r along y and x.
    """

    rows: slice
    incident: NDArray[np.int64]
    reduced: NDArray[np.int64]


@dataclass(frozen=True)
class Multislice:
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
    slice_thickness : float
        Distance of two slices [Å].
    exits : sequence of int
        Slices after which the waves are kept, ascending.
    """

    grid: WaveGrid
    transmission: NDArray[np.complex64]
    slice_thickness: float
    exits: Sequence[int]

    @property
    def shape(self) -> tuple[int, int]:
        """Grid of the unit along y and x."""
        return self.transmission.shape[1], self.transmission.shape[2]

    def propagator(self, reduced: NDArray[np.int64]) -> NDArray[np.complex64]:
        """Fresnel propagator and anti-aliasing aperture at r / (N a) + G.

        Parameters
        ----------
        reduced : ndarray, shape (2,)
            r along y and x.

        Returns
        -------
        ndarray, shape (y, x), complex64
            Divided by the number of pixels, which the transforms leave out.
        """
        frequencies = []
        for n, units, size, r in zip(
            self.shape, self.grid.units, self.grid.size, reduced.tolist(), strict=True
        ):
            samples = n * units
            m = units * np.arange(n) + r
            # as on the field's grid, where a frequency beyond Nyquist is a negative one
            m = (m + samples // 2) % samples - samples // 2
            frequencies.append(m / (units * size))
        squared = np.add.outer(frequencies[0] ** 2, frequencies[1] ** 2)
        phase = -np.pi * self.grid.wavelength * self.slice_thickness * squared
        sampling = max(length / n for length, n in zip(self.grid.size, self.shape, strict=True))
        array = np.exp(1j * phase) * antialias(np.sqrt(squared), sampling) / squared.size
        return array.astype(np.complex64)

    def run(self, threads: int = 1) -> NDArray[np.complex64]:
        """Propagate all waves.

        Parameters
        ----------
        threads : int
            Batches that run at the same time. The result does not depend on it.

        Returns
        -------
        ndarray, shape (thickness, wave, Gy, Gx), complex64
            As in `ScatteringMatrix`.
        """
        jobs = self.jobs()
        result = np.empty(self.grid.matrix_shape(len(self.exits)), np.complex64)
        largest = max(len(job.incident) for job in jobs)
        free: SimpleQueue[Workspace] = SimpleQueue()
        for _ in range(threads):
            free.put(Workspace(largest, self.shape))

        def work(job: Job) -> None:
            workspace = free.get()
            try:
                self._propagate(job, workspace, result)
            finally:
                free.put(workspace)

        with ThreadPoolExecutor(threads) as pool:
            for _ in progress(pool.map(work, jobs), len(jobs), "batches of plane waves"):
                pass
        return result

    def jobs(self) -> list[Job]:
        """Batches of waves that share a propagator, each small enough for a core's cache."""
        g, r = self.grid.split(self.grid.indices)
        starts = np.flatnonzero(np.any(np.diff(r, axis=0, prepend=r[:1] - 1), axis=1))
        most = max(1, _BATCH_BYTES // (8 * int(np.prod(self.shape))))
        jobs = []
        for start, stop in zip(starts, [*starts[1:], len(r)], strict=True):
            # batches of nearly equal size
            edges = np.linspace(start, stop, -(-(stop - start) // most) + 1).astype(int).tolist()
            for first, last in pairwise(edges):
                jobs.append(Job(slice(first, last), g[first:last], r[start]))
        return jobs

    def _propagate(self, job: Job, workspace: Workspace, result: NDArray[np.complex64]) -> None:
        waves, forward, backward = workspace.batch(len(job.incident))
        flat = waves.reshape(len(waves), -1)
        phases = (
            np.exp(2j * np.pi * np.outer(job.incident[:, axis], np.arange(n)) / n)
            for axis, n in enumerate(self.shape)
        )
        waves[:] = np.einsum("wy,wx->wyx", *phases)
        slices = self.transmission.reshape(len(self.transmission), -1)
        propagator = self.propagator(job.reduced).ravel()
        ny, nx = self.shape
        y, x = (np.arange(-most, most + 1) for most in self.grid.beams)
        kept = np.ix_(np.arange(len(waves)), y % ny, x % nx)
        planes = {number: plane for plane, number in enumerate(self.exits)}
        for number in range(1, self.exits[-1] + 1):
            multiply(flat, slices[(number - 1) % len(slices)])
            forward.execute()
            multiply(flat, propagator)
            if number in planes:
                result[planes[number], job.rows] = waves[kept]
            backward.execute()


def compute_scattering_matrix(
    crystal: Crystal,
    thicknesses_nm: Sequence[float],
    settings: Simulate,
    *,
    cells: tuple[int, int],
    margin_mrad: float = 0.0,
    thermal_scale: float = 0.0,
    threads: int = 1,
) -> ScatteringMatrix:
    """Compute the scattering matrix of a crystal that is periodic in the plane.

    Parameters
    ----------
    crystal : Crystal
        The specimen: one repeating unit or more of them.
    thicknesses_nm : sequence of float
        Thicknesses to keep [nm], each rounded to whole periods along the beam. A crystal that
        repeats along the beam, or is one period thick, goes on as far as it takes.
    settings : Simulate
        Energy, largest convergence semi-angle, pixels per cell, and the detector, whose angles
        (and `margin_mrad` more) are kept. Its tilt and aberrations are a matter of `measure`.
    cells : tuple of int
        Field of the probes: projected cells along x and y. Its reciprocal grid samples the
        aperture, as in a multislice of that field.
    margin_mrad : float
        Largest tilt that will be measured at the largest semi-angle [mrad].
    thermal_scale : float
        As in `projected_potentials`.
    threads : int
        Batches of waves that run at the same time.

    Raises
    ------
    PolarstemError
        If the crystal does not repeat, a thickness or the field does not fit it, or the grid is
        too coarse for the angles.
    """
    unit = repeating_unit(crystal)
    mx, my, mz = unit.repeats
    if cells[0] % mx or cells[1] % my:
        raise PolarstemError(
            f"A field of {cells[0]} x {cells[1]} cells does not hold whole repeating units of "
            f"{mx} x {my} cells; choose multiples of these."
        )
    goes_on = mz < crystal.repeats[2] or mz == 1
    endless = 1 + int(max(thicknesses_nm) * 10 / unit.cell[2])
    periods = sorted(
        exit_periods(thicknesses_nm, unit.cell[2], endless if goes_on else crystal.repeats[2])
    )
    size = unit.atoms.cell.lengths()
    grid_points = unit.grid_points(settings.pixels_per_cell)
    half = settings.detector.pixels * settings.detector.mrad_per_pixel / 2
    grid = WaveGrid(
        size=(float(size[1]), float(size[0])),
        units=(cells[1] // my, cells[0] // mx),
        energy_kv=settings.energy_kv,
        semiangle_mrad=settings.semiangle_mrad,
        margin_mrad=margin_mrad,
        reach_mrad=half + margin_mrad,
    )
    sampling = max(size[0] / grid_points[0], size[1] / grid_points[1])
    widest = antialias_angle(sampling, grid.wavelength)
    largest = max(half, settings.semiangle_mrad) + margin_mrad
    if largest > widest:
        needed = 2 * int(np.ceil(settings.pixels_per_cell * largest / widest / 2))
        raise PolarstemError(
            f"Detector or aperture and the margin reach {largest:g} mrad, but "
            f"{settings.pixels_per_cell} pixels per cell simulate angles up to {widest:.1f} mrad "
            f"only; raise simulate.pixels_per_cell to {needed} or narrow them."
        )
    slices = unit.slices_per_period
    potentials = projected_potentials(unit, settings, thermal_scale)
    multislice = Multislice(
        grid=grid,
        transmission=transmission(potentials, (size[0], size[1]), settings.energy_kv),
        slice_thickness=unit.cell[2] / slices,
        exits=[count * slices for count in periods],
    )
    shape = grid.matrix_shape(len(periods))
    logger.info(
        "scattering matrix: %d plane waves on %d x %d points, %d slices, %d exit planes, %.1f MB",
        shape[1],
        *grid_points,
        multislice.exits[-1],
        shape[0],
        grid.predicted_mb(shape[0]),
    )
    start = time.perf_counter()
    array = multislice.run(threads)
    logger.info("%.1f s", time.perf_counter() - start)
    return ScatteringMatrix(
        array=array,
        grid=grid,
        thickness_nm=tuple(count * unit.cell[2] / 10 for count in periods),
        nominal_nm=tuple(sorted(float(t) for t in thicknesses_nm)),
        settings={
            "simulate": settings.model_dump(mode="json"),
            "thicknesses_nm": list(thicknesses_nm),
            "cells": list(cells),
            "margin_mrad": margin_mrad,
            "thermal_scale": thermal_scale,
        },
    )
