# SPDX-License-Identifier: GPL-3.0-or-later
"""Multislice through one specimen, all thicknesses from one run of abTEM."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
from polarstem.simulate.detector import centred, measure

logger = logging.getLogger("polarstem")

# waves, their transforms and abTEM's copies, complex64, plus the patterns at the exit planes
_WAVE_COPIES = 6


@dataclass(frozen=True)
class Crystal:
    """A specimen as the simulation needs it.

    Attributes
    ----------
    atoms : ase.Atoms
        Orthogonal and laterally periodic, beam along z [Å].
    repeats : tuple of int
        Projected unit cells along x and y, and periods along the beam.
    planes : int
        Atomic planes along the beam; equal slices hold one each.
    lattice_constant : float
        Cube root of the volume per formula unit, which `pixels_per_cell` refers to [Å].
    occupancy : dict of str to float
        Composition of a virtual A site, whose atoms carry the first element's symbol; empty
        where every atom is itself.
    rms_displacement : dict of str to float
        One-dimensional rms displacement of each element [Å].
    """

    atoms: ase.Atoms
    repeats: tuple[int, int, int]
    planes: int
    lattice_constant: float
    occupancy: dict[str, float]
    rms_displacement: dict[str, float]

    @classmethod
    def of(cls, atoms: ase.Atoms) -> Crystal:
        """Read it from a specimen and its description."""
        info = atoms.info
        cell = info["cell_lengths_angstrom"]
        # the projected cell of [001] holds one formula unit, that of [110] two
        units = sum(abs(i) for i in info["zone_axis"])
        return cls(
            atoms=atoms,
            repeats=tuple(info["cells"]),
            planes=info["planes"],
            lattice_constant=float(np.prod(cell) / units) ** (1 / 3),
            occupancy=dict(info.get("virtual_a_site", {})),
            rms_displacement=info["debye_waller_rms_angstrom"],
        )

    @property
    def cell(self) -> tuple[float, float, float]:
        """Size of the projected cell and period along the beam [Å]."""
        x, y, z = (self.atoms.cell.lengths() / self.repeats).tolist()
        return x, y, z

    @property
    def slices_per_period(self) -> int:
        """One slice for each atomic plane: a/2 thick along [001]."""
        return self.planes // self.repeats[2]

    def grid_points(self, pixels_per_cell: int) -> tuple[int, int]:
        """Grid of the waves along x and y: an even number of pixels for each projected cell."""
        ratios = [length / self.lattice_constant for length in self.cell]
        x, y = (2 * round(pixels_per_cell * ratio / 2) for ratio in ratios[:2])
        return x * self.repeats[0], y * self.repeats[1]


def exit_periods(thicknesses_nm: Sequence[float], period: float, repeats: int) -> list[int]:
    """Whole periods nearest to each thickness.

    Parameters
    ----------
    thicknesses_nm : sequence of float
        Wanted thicknesses [nm].
    period : float
        Period of the crystal along the beam [Å].
    repeats : int
        Periods that the specimen has.

    Raises
    ------
    PolarstemError
        If two thicknesses are the same number of periods, or the specimen is too thin.
    """
    periods = [max(1, round(10 * t / period)) for t in thicknesses_nm]
    if len(set(periods)) < len(periods):
        listed = ", ".join(f"{t:g}" for t in thicknesses_nm)
        raise PolarstemError(
            f"Two of the thicknesses {listed} nm are the same number of {period / 10:.3f} nm "
            "periods along the beam; keep them at least one period apart."
        )
    if max(periods) > repeats:
        raise PolarstemError(
            f"The specimen is {repeats * period / 10:.2f} nm thick, but a pattern at "
            f"{max(thicknesses_nm):g} nm is asked for; make the structure anew."
        )
    return periods


@contextmanager
def abtem_settings(device: str, threads: int) -> Iterator[None]:
    """Run abTEM with set threads, quietly, and with the same FFT plans each time.

    FFTW's measured plans depend on the machine's mood and change the last digits;
    estimated ones do not and cost nothing here.
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


@dataclass(frozen=True)
class Patterns:
    """Diffraction patterns of one specimen.

    Attributes
    ----------
    intensity : ndarray, shape (thickness, position, ky, kx), float32
        Fraction of the incident beam in each detector pixel.
    total : ndarray, shape (thickness, position), float32
        Fraction of the incident beam in the whole simulated range of angles.
    """

    intensity: NDArray[np.float32]
    total: NDArray[np.float32]


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
            work = (
                (slab, start)
                for atoms in thermal_configurations(crystal, settings, seed)
                for slab in [potential(crystal, atoms, settings, exits)]
                for start in starts
            )
            for slab, start in progress(work, count * len(starts), "batches of probe positions"):
                chunk = slice(start, start + size)
                patterns, sampling = _scan(probe, slab, positions[chunk], len(exits))
                _check_range(patterns.shape, sampling, settings)
                images = measure(patterns, sampling, detector.pixels, detector.mrad_per_pixel)
                intensity[order, chunk] += images / count
                total[order, chunk] += patterns.sum(axis=(-1, -2)) / count
    except ImportError as error:
        raise PolarstemError(
            "simulate.device is `gpu`, but CuPy cannot be loaded; install CuPy for your CUDA "
            "version or set simulate.device to `cpu`."
        ) from error
    return Patterns(intensity, total)


def _scan(
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


def _check_range(shape: tuple[int, ...], sampling: tuple[float, float], settings: Simulate) -> None:
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
