# SPDX-License-Identifier: GPL-3.0-or-later
"""An emulated experiment: a specimen by multislice under conditions drawn at random."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.special
from numpy.typing import NDArray

from polarstem.config.needs import batch_size
from polarstem.config.specimens import SOURCE_STEPS
from polarstem.errors import PolarstemError
from polarstem.seeds import derive_seed
from polarstem.simulate.abtem_settings import abtem_settings
from polarstem.simulate.jobs.specimen_patterns import Specimen, Structure
from polarstem.simulate.microscope.camera import Patterns
from polarstem.simulate.microscope.coherence import SIGMA_PER_FWHM
from polarstem.simulate.microscope.drawn_conditions import Drawn, drawn_for
from polarstem.simulate.multislice.abtem_run import (
    check_band,
    scan_in_batches,
)
from polarstem.simulate.multislice.probes import Sampling, on_camera, probe_of
from polarstem.simulate.multislice.running_sums import RunningSums
from polarstem.simulate.potential.crystal import exit_periods
from polarstem.simulate.potential.projection import projected_slices
from polarstem.structures.scenes.scan_frame import ScanFrame

logger = logging.getLogger("polarstem")


def emulate_specimen(
    structure: Structure,
    output: Path | str,
    settings: Mapping[str, Any],
    threads: int = 1,
) -> None:
    """Simulate one specimen of an emulated experiment by multislice.

    Each frozen-phonon configuration is scanned at every other position of every other row, and the
    source joins them: its image of a periodic cell is a periodic convolution over the scan. (To
    move the probe at random in each configuration instead leaves twice the noise.) Drift and
    row jitter move the places where that image is taken; the file has the wanted ones. A spread of
    the defocus is sampled by giving each configuration another one. What the detector does after an
    electron has met it is left to `polarstem.data.assemble`. What is done is kept beside the output
    after each configuration, and a job that was stopped goes on there.

    Parameters
    ----------
    structure : path or Atoms
        The specimen, or its extended XYZ.
    output : path
        netCDF file to write, see `Specimen.write`; its attribute ``conditions`` holds what was
        drawn.
    settings : mapping
        As for `simulate_specimen`, and ``conditions`` (section of the config).
    threads : int
        Threads of the Fourier transforms.

    Raises
    ------
    PolarstemError
        If the structure is unreadable or the settings do not fit it.
    """
    specimen = Specimen.read(structure, settings)
    drawn = drawn_for(settings["conditions"], specimen.simulate, settings["seed"])
    logger.info("conditions: %s", drawn.described())
    specimen.announce("multislice")
    sums = RunningSums.beside(output, specimen.atoms, settings)
    patterns = _scan_cell(specimen, drawn, threads, sums)
    specimen.write(output, "multislice", patterns.rows, conditions=drawn.described())
    sums.forget()


def _scan_cell(specimen: Specimen, drawn: Drawn, threads: int, sums: RunningSums) -> Patterns:
    crystal, simulate = specimen.crystal, specimen.simulate
    optics, camera = drawn.optics, drawn.camera
    shape = simulate.scan.positions
    steps = np.array(crystal.cell[1::-1]) / shape
    joined = optics.source_fwhm >= SOURCE_STEPS * steps.max()
    if not joined and optics.source_fwhm > 0:
        raise PolarstemError(
            f"A source of {optics.source_fwhm:.2f} Å cannot be emulated on probe positions "
            f"{steps.max():.2f} Å apart; raise simulate.scan.positions."
        )
    check_band(camera, crystal, simulate)
    count = max(1, simulate.phonons.configurations)
    exits = exit_periods(specimen.nominal, crystal.cell[2], crystal.repeats[2])
    every = 2 if joined and count >= 4 and not any(n % 2 for n in shape) else 1
    quantiles = scipy.special.ndtri((np.arange(count) + 0.5) / count) * optics.defocus_spread
    seed = specimen.settings["seed"]
    np.random.default_rng(derive_seed(seed, "defocus")).shuffle(quantiles)
    images = np.zeros((*shape, camera.pixels, camera.pixels), np.float32)
    totals, visits = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    places = specimen.grid.positions.reshape(*shape, 2)
    frame = drawn.over(ScanFrame((0.0, 0.0), shape, float(steps[0])), seed)
    down, right = (
        moved - axis for moved, axis in zip(frame.taken(), np.ix_(*frame.along()), strict=True)
    )
    if not joined:
        places = places + np.stack([right, -down], axis=-1)
    gpts = crystal.grid_points(simulate.pixels_per_cell)
    scanned = places[::every, ::every].size // 2
    size = min(scanned, batch_size(gpts, 1, simulate.memory_mb))
    with abtem_settings(simulate.device, threads):
        for number, atoms in sums.configurations(
            crystal, simulate.phonons, seed, images=images, totals=totals, visits=visits
        ):
            part = np.s_[number % every :: every, number // 2 % every :: every]
            positions = places[part].reshape(-1, 2)
            slices = projected_slices(crystal, atoms, simulate, exits)
            sampling = Sampling.of(atoms.cell.lengths(), simulate.energy_kv, number, count)
            probe = probe_of(simulate.energy_kv, optics, float(quantiles[number]), sampling)
            found = np.empty((len(positions), camera.pixels, camera.pixels), np.float32)
            seen = np.empty(len(positions), np.float32)
            for chunk, patterns in scan_in_batches(
                probe, slices, positions, 1, size, simulate.memory_mb
            ):
                found[chunk] = on_camera(patterns[0], sampling, camera)
                seen[chunk] = patterns[0].sum((-1, -2))
            images[part] += found.reshape(images[part].shape)
            totals[part] += seen.reshape(totals[part].shape)
            visits[part] += 1
    images /= visits[..., None, None]
    totals /= visits
    if joined:
        grid = np.ix_(specimen.grid.y, specimen.grid.x)
        below, beside = (
            _source(axis + moved, step, n, optics.source_fwhm)
            for axis, moved, step, n in zip(grid, (down, right), steps, shape, strict=True)
        )
        images[:] = np.einsum("abi,abj,ijyx->abyx", below, beside, images, optimize=True)
        totals[:] = np.einsum("abi,abj,ij->ab", below, beside, totals, optimize=True)
    return Patterns(images.reshape(1, -1, camera.pixels, camera.pixels), totals.reshape(1, -1))


def _source(
    places: NDArray[np.float64], step: float, count: int, fwhm: float
) -> NDArray[np.float32]:
    """Weights (row, column, sample) of a Gaussian source at places over a periodic row of samples.

    The places may lie between the samples and in another cell [Å].
    """
    period, sigma = count * step, float(SIGMA_PER_FWHM) * fwhm
    apart = places[..., None] - step * np.arange(count)
    apart -= period * np.round(apart / period)
    reach = 3 + int(5 * sigma / period)
    weights = np.zeros_like(apart)
    for copy in range(-reach, reach + 1):  # of the periodic row
        weights += np.exp(-((apart + copy * period) ** 2) / (2 * sigma**2))
    return np.asarray(weights / weights.sum(-1, keepdims=True), np.float32)
