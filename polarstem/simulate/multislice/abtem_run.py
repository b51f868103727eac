# SPDX-License-Identifier: GPL-3.0-or-later
"""Multislice through one specimen, all thicknesses from one run of abTEM."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import abtem
import numpy as np
from numpy.typing import NDArray

from polarstem.config.needs import batch_size
from polarstem.config.physics import Simulate, band_mrad
from polarstem.errors import PolarstemError
from polarstem.logs import progress
from polarstem.simulate.abtem_settings import abtem_settings
from polarstem.simulate.microscope.camera import Camera, Patterns
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.multislice.probes import Sampling, on_camera, probe_of
from polarstem.simulate.multislice.running_sums import RunningSums
from polarstem.simulate.potential.crystal import Crystal, exit_periods
from polarstem.simulate.potential.projection import projected_slices


def simulate_patterns(
    crystal: Crystal,
    positions: NDArray[np.float64],
    thicknesses_nm: Sequence[float],
    settings: Simulate,
    seed: int,
    threads: int = 1,
    sums: RunningSums | None = None,
) -> Patterns:
    """Simulate the patterns of probe positions at several thicknesses in one run.

    Parameters
    ----------
    crystal : Crystal
        The specimen.
    positions : ndarray, shape (n, 2)
        Probe positions x and y (y up) in the crystal's frame [Å].
    thicknesses_nm : sequence of float
        Thicknesses [nm], each rounded to whole periods along the beam.
    settings : Simulate
        The microscope.
    seed : int
        Seed of the thermal motion.
    threads : int
        Of Fourier transforms.
    sums : RunningSums, optional
        Where what was simulated is kept after each frozen-phonon configuration.

    Returns
    -------
    Patterns
        Means over the frozen-phonon configurations.

    Raises
    ------
    PolarstemError
        If the detector is wider than the simulated angles, a thickness is not available, or
        CuPy is missing for ``device: gpu``.
    """
    exits = exit_periods(thicknesses_nm, crystal.cell[2], crystal.repeats[2])
    order = np.argsort(exits)
    camera = Camera.of(settings.detector)
    check_band(camera, crystal, settings)
    gpts = crystal.grid_points(settings.pixels_per_cell)
    size = batch_size(gpts, len(exits), settings.memory_mb)
    shape = (len(exits), len(positions))
    intensity = np.zeros((*shape, camera.pixels, camera.pixels), np.float32)
    total = np.zeros(shape, np.float32)
    count = max(1, settings.phonons.configurations)
    sums = sums or RunningSums()
    try:
        with abtem_settings(settings.device, threads):
            optics = Optics(settings.semiangle_mrad, settings.aberrations, settings.tilt_mrad)
            for number, atoms in sums.configurations(
                crystal, settings.phonons, seed, intensity=intensity, total=total
            ):
                slices = projected_slices(crystal, atoms, settings, exits)
                sampling = Sampling.of(atoms.cell.lengths(), settings.energy_kv, number, count)
                probe = probe_of(settings.energy_kv, optics, sampling=sampling)
                for chunk, patterns in scan_in_batches(
                    probe, slices, positions, len(exits), size, settings.memory_mb
                ):
                    images = on_camera(patterns.reshape(-1, *patterns.shape[2:]), sampling, camera)
                    found = images.reshape(len(exits), -1, *images.shape[1:])
                    intensity[order, chunk] += found / count
                    total[order, chunk] += patterns.sum(axis=(-1, -2)) / count
    except ImportError as error:
        raise PolarstemError(
            "simulate.device is `gpu`, but CuPy cannot be loaded; install CuPy for your CUDA "
            "version or set simulate.device to `cpu`."
        ) from error
    return Patterns(intensity, total)


def scan_in_batches(
    probe: abtem.Probe,
    slices: abtem.Potential,
    positions: NDArray[np.float64],
    thicknesses: int,
    size: int,
    memory_mb: float,
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Scan positions, so many at a time.

    The potential is made once where several batches go through it and it takes no more than
    `memory_mb`; else slice by slice as the waves go on.

    Yields
    ------
    chunk : slice
        Of the positions.
    patterns : ndarray
        As from `scan_patterns`.
    """
    batches = _batches(len(positions), size)
    potential: abtem.Potential | abtem.PotentialArray = slices
    if len(batches) > 1 and 4e-6 * np.prod(slices.shape) <= memory_mb:
        built: Any = slices.build(lazy=False)
        potential = built
    steps = progress(batches, len(batches), "batches of probe positions")
    for batch in steps if len(batches) > 1 else batches:
        chunk = slice(batch.start, batch.stop)
        yield chunk, scan_patterns(probe, potential, positions[chunk], thicknesses)


def _batches(count: int, size: int) -> list[range]:
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def scan_patterns(
    probe: abtem.Probe,
    slab: abtem.Potential | abtem.PotentialArray,
    positions: NDArray[np.float64],
    thicknesses: int,
) -> NDArray[np.float32]:
    """Run abTEM; return patterns (thickness, position, kx, ky), frequencies ascending."""
    measurement: Any = probe.scan(
        slab,
        scan=abtem.CustomScan(positions),
        detectors=abtem.PixelatedDetector(max_angle="cutoff"),
        max_batch=len(positions),
        lazy=False,
    )
    array = np.asarray(measurement.array)
    return array.reshape(thicknesses, len(positions), *array.shape[-2:])


def check_band(camera: Camera, crystal: Crystal, settings: Simulate) -> None:
    """Refuse a detector whose edges lie beyond the angles that a grid simulates.

    Its corners may: the band of a grid is a disc.

    Raises
    ------
    PolarstemError
        If they do, wherever the camera is shifted to and whatever its pixels cover.
    """
    points = crystal.grid_points(settings.pixels_per_cell)
    lengths = crystal.atoms.cell.lengths()[:2]
    band = band_mrad(settings.energy_kv, float((lengths / points).max()))
    edge = float(camera.edges_mrad.max())
    if edge > band + 1e-9:
        needed = 2 * int(np.ceil(settings.pixels_per_cell * edge / band / 2))
        raise PolarstemError(
            f"The detector reaches {edge:.4g} mrad, but {settings.pixels_per_cell} pixels per cell "
            f"simulate angles up to {band:.1f} mrad only; raise simulate.pixels_per_cell to "
            f"{needed} or narrow the detector."
        )
