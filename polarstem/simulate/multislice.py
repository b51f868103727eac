# SPDX-License-Identifier: GPL-3.0-or-later
"""Multislice through one specimen, all thicknesses from one run of abTEM."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import abtem
import ase
import dask
import numpy as np
from numpy.typing import NDArray

from polarstem.config.physics import Simulate
from polarstem.errors import PolarstemError
from polarstem.logs import progress
from polarstem.seeds import derive_seed
from polarstem.simulate.crystal import Crystal, exit_periods
from polarstem.simulate.detector import Patterns, centred, measure
from polarstem.simulate.plans import EFFORT, recall_plans

logger = logging.getLogger("polarstem")

# waves, their transforms and abTEM's copies, complex64, plus the patterns at the exit planes
_WAVE_COPIES = 6


@contextmanager
def abtem_settings(device: str, threads: int) -> Iterator[None]:
    """Run abTEM with set threads, quietly, and with the same FFT plans each time.

    Where no plans have been recalled (`recall_plans`), FFTW estimates them: measured ones depend
    on the machine's mood.
    """
    with (
        abtem.config.set(
            {
                "device": device,
                "fftw.threads": threads,
                "fftw.planning_effort": "FFTW_ESTIMATE",
                "diagnostics.progress_bar": False,
                "diagnostics.task_progress": False,
            }
        ),
        dask.config.set(scheduler="synchronous"),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", module="abtem")
        yield


def thermal_configurations(crystal: Crystal, settings: Simulate, seed: int) -> Iterator[ase.Atoms]:
    """Yield the atoms of each frozen-phonon configuration, or the static ones."""
    if settings.phonons.configurations == 0:
        yield crystal.atoms
        return
    sigmas = {k: v * settings.phonons.scale for k, v in crystal.rms_displacement.items()}
    if crystal.occupancy:
        sigmas[next(iter(crystal.occupancy))] = sum(
            share * sigmas[symbol] for symbol, share in crystal.occupancy.items()
        )
    present = set(crystal.atoms.get_chemical_symbols())
    count = settings.phonons.configurations
    yield from abtem.FrozenPhonons(
        crystal.atoms,
        num_configs=count,
        sigmas={symbol: sigmas[symbol] for symbol in sorted(present)},
        seed=tuple(derive_seed(seed, "phonon", index) for index in range(count)),
    )


def potential(
    crystal: Crystal, atoms: ase.Atoms, settings: Simulate, exits: Sequence[int]
) -> abtem.PotentialArray:
    """Projected potential of the slices; that of a virtual site is the weighted mean.

    Parameters
    ----------
    crystal : Crystal
        The specimen.
    atoms : ase.Atoms
        Its atoms in one thermal configuration.
    settings : Simulate
        Grid and device.
    exits : sequence of int
        Exit planes, in periods along the beam.
    """
    per_period = crystal.slices_per_period
    slice_thickness = crystal.cell[2] / per_period
    slices = max(exits) * per_period
    slab = atoms[atoms.positions[:, 2] < slices * slice_thickness]
    slab.cell[2, 2] = slices * slice_thickness
    members: list[Any] = []
    for symbol, share in (crystal.occupancy or {"": 1.0}).items():
        member = slab.copy()
        if crystal.occupancy:
            member.symbols[member.symbols == next(iter(crystal.occupancy))] = symbol
        built = abtem.Potential(
            member,
            gpts=crystal.grid_points(settings.pixels_per_cell),
            # a list: from one number abTEM may make one slice more, for rounding
            slice_thickness=(slice_thickness,) * slices,
            projection="infinite",
            exit_planes=tuple(periods * per_period - 1 for periods in sorted(exits)),
        ).build(lazy=False)
        built.array[:] *= share
        members.append(built)
    for other in members[1:]:
        members[0].array[:] += other.array
    total: abtem.PotentialArray = members[0]
    return total


def batch_size(gpts: tuple[int, int], thicknesses: int, memory_mb: float) -> int:
    """Probe positions that fit into the memory at once, at least one."""
    per_probe = gpts[0] * gpts[1] * (8 * _WAVE_COPIES + 4 * thicknesses) / 1e6
    return max(1, int(memory_mb / per_probe))


def simulate_patterns(
    crystal: Crystal,
    positions: NDArray[np.float64],
    thicknesses_nm: Sequence[float],
    settings: Simulate,
    seed: int,
    threads: int = 1,
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
        FFTW's threads.

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
    gpts = crystal.grid_points(settings.pixels_per_cell)
    size = batch_size(gpts, len(exits), settings.memory_mb)
    starts = range(0, len(positions), size)
    detector = settings.detector
    shape = (len(exits), len(positions))
    intensity = np.zeros((*shape, detector.pixels, detector.pixels), np.float32)
    total = np.zeros(shape, np.float32)
    count = max(1, settings.phonons.configurations)
    try:
        with abtem_settings(settings.device, threads):
            probe = abtem.Probe(
                energy=settings.energy_kv * 1e3,
                semiangle_cutoff=settings.semiangle_mrad,
                tilt=settings.tilt_mrad,
                aberrations=dict(settings.aberrations),
            )
            if settings.device == "cpu":
                recall_plans_of(probe, gpts, {len(positions[start:][:size]) for start in starts})
            work = (
                (slab, start)
                for atoms in thermal_configurations(crystal, settings, seed)
                for slab in [potential(crystal, atoms, settings, exits)]
                for start in starts
            )
            for slab, start in progress(work, count * len(starts), "batches of probe positions"):
                chunk = slice(start, start + size)
                patterns, sampling = scan_patterns(probe, slab, positions[chunk], len(exits))
                check_range(patterns.shape, sampling, settings)
                images = measure(patterns, sampling, detector.pixels, detector.mrad_per_pixel)
                intensity[order, chunk] += images / count
                total[order, chunk] += patterns.sum(axis=(-1, -2)) / count
    except ImportError as error:
        raise PolarstemError(
            "simulate.device is `gpu`, but CuPy cannot be loaded; install CuPy for your CUDA "
            "version or set simulate.device to `cpu`."
        ) from error
    return Patterns(intensity, total)


def recall_plans_of(probe: abtem.Probe, gpts: tuple[int, int], batches: set[int]) -> None:
    """Recall or measure the plans of potentials and scans, on one slice with one atom."""

    def rehearse() -> None:
        with abtem.config.set({"fftw.planning_effort": EFFORT}):
            slab: Any = abtem.Potential(
                ase.Atoms("H", [(5, 5, 0.5)], cell=(10, 10, 1), pbc=True),
                gpts=gpts,
                slice_thickness=(1.0,),
                projection="infinite",
            ).build(lazy=False)
            for count in batches:
                # a probe takes its grid from the first potential it meets
                scan_patterns(probe.copy(), slab, np.zeros((count, 2)), 1)

    threads = abtem.config.get("fftw.threads")
    sizes = ", ".join(f"{count} x {gpts[0]} x {gpts[1]}" for count in sorted(batches))
    recall_plans(f"abTEM {abtem.__version__}: {sizes}; {threads} threads", rehearse)


def scan_patterns(
    probe: abtem.Probe,
    slab: abtem.PotentialArray,
    positions: NDArray[np.float64],
    thicknesses: int,
) -> tuple[NDArray[np.float32], tuple[float, float]]:
    """Run abTEM; return patterns (thickness, position, kx, ky) and their sampling [mrad]."""
    measurement: Any = probe.scan(
        slab,
        scan=abtem.CustomScan(positions),
        detectors=abtem.PixelatedDetector(max_angle="cutoff"),
        max_batch=len(positions),
        lazy=False,
    )
    array = np.asarray(measurement.array)
    sampling = measurement.angular_sampling
    return array.reshape(thicknesses, len(positions), *array.shape[-2:]), sampling


def check_range(shape: tuple[int, ...], sampling: tuple[float, float], settings: Simulate) -> None:
    half = settings.detector.pixels * settings.detector.mrad_per_pixel / 2
    odd = centred(np.empty(shape[-2:], np.float32)).shape
    widest = min(n * step / 2 for n, step in zip(odd, sampling, strict=True))
    if half > widest:
        needed = 2 * int(np.ceil(settings.pixels_per_cell * half / widest / 2))
        raise PolarstemError(
            f"The detector reaches {half:g} mrad, but {settings.pixels_per_cell} pixels per cell "
            f"simulate angles up to {widest:.1f} mrad only; raise simulate.pixels_per_cell to "
            f"{needed} or narrow the detector."
        )
