# SPDX-License-Identifier: GPL-3.0-or-later
"""Propagation of plane waves against its planned, batched Fourier transforms alone.

On one thread each: the transforms are a lower bound for any multislice.
"""

from __future__ import annotations

from threadpoolctl import threadpool_limits

from benchmarks.common import alternate, knn, main, microscope, say
from benchmarks.rows import Options, Row, compare
from polarstem.simulate.potential.crystal import exit_periods
from polarstem.simulate.potential.repeating_unit import projected_potentials, repeating_unit
from polarstem.simulate.scattering_matrix.propagate import Multislice, compute_scattering_matrix
from polarstem.simulate.wave.antialias import transmission
from polarstem.simulate.wave.transforms import Workspace, batches


def multislice(cells: int, thicknesses_nm: tuple[float, ...], pixels_per_cell: int) -> Multislice:
    """Propagation through KNN."""
    settings = microscope(pixels_per_cell)
    crystal = knn(1, max(thicknesses_nm))
    unit = repeating_unit(crystal)
    width, height, period = unit.atoms.cell.lengths().tolist()
    periods = exit_periods(thicknesses_nm, period, crystal.repeats[2])
    potentials = projected_potentials(unit, settings)
    thinnest = compute_scattering_matrix(crystal, [1.0], settings, cells=(cells, cells))
    return Multislice(
        grid=thinnest.grid,
        transmission=transmission(potentials, (width, height), settings.energy_kv),
        slice_thickness=period / unit.slices_per_period,
        sampling=max(width / potentials.shape[1], height / potentials.shape[2]),
        exits=[count * unit.slices_per_period for count in periods],
    )


def rows(options: Options) -> list[Row]:
    """Measure the propagation and the transforms that it needs."""
    say("propagation: against its transforms")
    cells, nm = (4, (2.0, 4.0)) if options.reduced else (8, (10.0, 20.0, 30.0, 40.0, 50.0, 60.0))
    alone = Options(options.reduced, threads=1, runs=options.runs)
    work = multislice(cells, nm, 32 if options.reduced else 48)
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
                forward.execute()
                backward.execute()

    sides = {"propagation": work.run, "transforms": transforms}
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
        )
    ]


if __name__ == "__main__":
    main(rows, __doc__)
