# SPDX-License-Identifier: GPL-3.0-or-later
"""Propagation of plane waves against its planned, batched Fourier transforms alone.

On one thread each: the transforms are a lower bound for any multislice. And the transforms
themselves against FFTW's with measured plans, on grids of a cell and of a scene's window.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyfftw
from threadpoolctl import threadpool_limits

from benchmarks.common import alternate, knn, main, microscope, say
from benchmarks.rows import Options, Row, compare
from polarstem.simulate.potential.crystal import exit_periods
from polarstem.simulate.potential.projection import projected_potential
from polarstem.simulate.potential.repeating_unit import repeating_unit
from polarstem.simulate.scattering_matrix.plane_wave_multislice import PlaneWaveMultislice
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix, propagate
from polarstem.simulate.wave.antialias import transmission
from polarstem.simulate.wave.transforms import Workspace, batches


def multislice(cells: int, thicknesses_nm: tuple[float, ...]) -> PlaneWaveMultislice:
    """Propagation through KNN."""
    settings = microscope(40)
    crystal = knn(1, max(thicknesses_nm))
    unit = repeating_unit(crystal)
    width, height, period = unit.atoms.cell.lengths().tolist()
    periods = exit_periods(thicknesses_nm, period, crystal.repeats[2])
    potential = projected_potential(unit, unit.atoms, settings, [1])
    array = potential.array
    thinnest = compute_scattering_matrix(crystal, [1.0], settings, cells=(cells, cells))
    return PlaneWaveMultislice(
        grid=thinnest.grid,
        transmission=transmission(array, (width, height), settings.energy_kv),
        thickness=potential.slice_thickness,
        sampling=max(width / array.shape[1], height / array.shape[2]),
        exits=[count * len(array) for count in periods],
    )


def rows(options: Options) -> list[Row]:
    """Measure the propagation and the transforms that it needs."""
    say("propagation: against its transforms")
    cells, nm = (4, (2.0, 4.0)) if options.reduced else (8, (10.0, 20.0, 30.0, 40.0, 50.0, 60.0))
    alone = replace(options, threads=1)
    work = multislice(cells, nm)
    workspace = Workspace(work.shape)
    counts = [
        last - first
        for used in work.grid.groups.used
        for first, last in batches(int(used.sum()), workspace.most)
    ]

    def transforms() -> None:
        for count in counts:
            _, forward, backward = workspace.batch(count)
            for _ in range(work.exits[-1]):
                forward()
                backward()

    sides = {"propagation": lambda: propagate(work), "transforms": transforms}
    with threadpool_limits(1):
        (ours, theirs), _ = alternate(sides, alone.runs, warm=True)
    waves = len(work.grid.indices)
    return [
        compare(
            f"propagation of {waves} plane waves through {work.exits[-1]} slices; "
            "their Fourier transforms alone",
            ours,
            theirs,
            alone,
            target="<= 1.8",
            quotient="ours / theirs",
            note="one thread each",
        ),
        *(_against_fftw(points, alone) for points in (40, 48, 64, 200)),
    ]


def _against_fftw(points: int, options: Options) -> Row:
    """Pairs of transforms of a batch of waves, in place."""
    workspace = Workspace((points, points))
    waves, forward, backward = workspace.batch(workspace.most)
    array = pyfftw.zeros_aligned(waves.shape, np.complex64)
    plans = [
        pyfftw.FFTW(array, array, axes=(1, 2), direction=direction, flags=("FFTW_MEASURE",))
        for direction in ("FFTW_FORWARD", "FFTW_BACKWARD")
    ]
    repeats = max(1, 40_000_000 // waves.size)

    def ours() -> None:
        for _ in range(repeats):
            forward()
            backward()

    def theirs() -> None:
        for _ in range(repeats):
            for plan in plans:
                plan.execute()

    with threadpool_limits(1):
        (here, there), _ = alternate({"torch": ours, "FFTW": theirs}, options.runs, warm=True)
    return compare(
        f"{repeats} times {len(waves)} waves of {points} x {points} points, there and back; "
        "FFTW with measured plans",
        here,
        there,
        options,
        target="",
        note="one thread each; zeros, so that numbers stay finite",
    )


if __name__ == "__main__":
    main(rows, __doc__)
