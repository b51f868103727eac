# SPDX-License-Identifier: GPL-3.0-or-later
"""One multislice per plane wave, on the grid of the repeating unit."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import numpy as np

from polarstem.config.physics import Simulate
from polarstem.errors import PolarstemError
from polarstem.logs import progress
from polarstem.simulate.potential.crystal import Crystal, exit_periods
from polarstem.simulate.potential.mean_transmission import mean_transmission
from polarstem.simulate.potential.projection import projected_potential
from polarstem.simulate.potential.repeating_unit import repeating_unit
from polarstem.simulate.scattering_matrix.equivalent import copies, mirror_of, own_turns
from polarstem.simulate.scattering_matrix.loops import Amplitudes, on_cpu, on_device
from polarstem.simulate.scattering_matrix.matrix import ScatteringMatrix
from polarstem.simulate.scattering_matrix.plane_wave_multislice import PlaneWaveMultislice
from polarstem.simulate.wave.antialias import antialias_angle, transmission
from polarstem.simulate.wave.plane_waves import Groups, WaveGrid
from polarstem.structures.symmetry import IDENTITY

logger = logging.getLogger("polarstem")


def propagate(
    multislice: PlaneWaveMultislice, threads: int = 1, device: str = "cpu"
) -> tuple[Amplitudes, Amplitudes]:
    """Propagate all waves.

    Parameters
    ----------
    multislice : PlaneWaveMultislice
        What to propagate through.
    threads : int
        Groups of waves that run at the same time on the CPU. The result does not depend
        on it.
    device : str
        "cpu", or torch's name of another device.

    Returns
    -------
    array : ndarray, shape (thickness, wave, Gy, Gx), complex64
    overlap : ndarray, shape (thickness, wave, member), complex64
        As in `ScatteringMatrix`.
    """
    grid, turns = multislice.grid, list(multislice.turns)
    groups = grid.groups
    array = np.empty(grid.matrix_shape(len(multislice.exits)), np.complex64)
    overlap = np.zeros((*array.shape[:2], groups.rows.shape[1]), np.complex64)
    equal = copies(grid, turns)
    todo = np.setdiff1d(np.arange(len(groups.rows)), [copy.target for copy in equal])
    chosen = Groups(*(table[todo] for table in groups))
    if device == "cpu":
        mirrors = [mirror_of(grid, group, turns, multislice.shape) for group in todo]
        done = on_cpu(multislice, chosen, mirrors, threads)
    else:
        done = on_device(multislice, chosen, device)
    for group, exits, products in progress(done, len(todo), "groups of plane waves"):
        rows = groups.rows[todo[group]][groups.used[todo[group]]]
        array[:, rows] = exits[:, : len(rows)]
        overlap[:, rows, : len(rows)] = products[:, : len(rows), : len(rows)]
    for copy in equal:
        rows = groups.rows[copy.target][groups.used[copy.target]]
        source = groups.rows[copy.source][copy.members]
        array[:, rows] = array[:, source][:, :, *copy.beams]
        overlap[:, rows, : len(rows)] = overlap[:, source][..., copy.members]
    return array, overlap


def compute_scattering_matrix(
    crystal: Crystal,
    thicknesses_nm: Sequence[float],
    settings: Simulate,
    *,
    cells: tuple[int, int],
    margin_mrad: float = 0.0,
    reach_mrad: float | None = None,
    thermal_scale: float = 0.0,
    mean_wave: bool = False,
    offset: tuple[float, float] = (0.0, 0.0),
    ensemble: int = 1,
    threads: int = 1,
    device: str = "cpu",
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
        Energy, largest convergence semi-angle, pixels per cell, and the detector. Its tilt and
        aberrations are a matter of `measure`.
    cells : tuple of int
        Field of the probes: projected cells along x and y. Its reciprocal grid samples the
        aperture, as in a multislice of that field.
    margin_mrad : float
        Largest tilt that will be measured at the largest semi-angle [mrad].
    reach_mrad : float, optional
        Detector angle that is kept along x and y, `margin_mrad` more around it [mrad]; without
        it, that of the detector's edge.
    thermal_scale : float
        As in `projected_slices`.
    mean_wave : bool
        Average the transmission functions over thermal motion and virtual sites, and not the
        potentials: see `mean_transmission`.
    offset : tuple of float
        Of the plane waves along y and x, see `spread_offsets` [samples].
    ensemble : int
        Number of such offsets that will be averaged over.
    threads : int
        Groups of waves that run at the same time on the CPU.
    device : str
        "cpu", or torch's name of another device.

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
    half = reach_mrad or settings.detector.pixels * settings.detector.mrad_per_pixel / 2
    grid = WaveGrid(
        size=(float(size[1]), float(size[0])),
        units=(cells[1] // my, cells[0] // mx),
        energy_kv=settings.energy_kv,
        semiangle_mrad=settings.semiangle_mrad,
        margin_mrad=margin_mrad,
        reach_mrad=half + margin_mrad,
        offset=offset,
        ensemble=ensemble,
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
    potential = projected_potential(unit, unit.atoms, settings, [mz], thermal_scale)
    potentials = potential.array
    slices = len(potentials) // mz
    turns = [IDENTITY] if any(offset) else own_turns(potentials.swapaxes(1, 2), grid.size)
    if mean_wave:
        transmissions = mean_transmission(unit, settings, mz, thermal_scale)
    else:
        transmissions = transmission(potentials, (size[0], size[1]), settings.energy_kv)
    multislice = PlaneWaveMultislice(
        grid=grid,
        transmission=transmissions,
        thickness=potential.slice_thickness,
        sampling=sampling,
        exits=[count * slices for count in periods],
        turns=turns,
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
    array, overlap = propagate(multislice, threads, device)
    logger.info("%.1f s", time.perf_counter() - start)
    return ScatteringMatrix(
        array=array,
        overlap=overlap,
        grid=grid,
        thickness_nm=tuple(count * unit.cell[2] / 10 for count in periods),
        nominal_nm=tuple(sorted(float(t) for t in thicknesses_nm)),
        settings={
            "simulate": settings.model_dump(mode="json"),
            "thicknesses_nm": list(thicknesses_nm),
            "cells": list(cells),
            "margin_mrad": margin_mrad,
            "thermal_scale": thermal_scale,
            "mean_wave": mean_wave,
        },
    )
