# SPDX-License-Identifier: GPL-3.0-or-later
"""Our multislice against abTEM's own, for frozen phonons and for a random A site.

One thread each. On the same grid and with abTEM's own projection the wrapper must cost nothing; at
equal error each has its own projection on the coarsest grid that is good to 1 %
(`benchmarks.equal_error`). The bare call stops at abTEM's own patterns; the wrapper also sums them
into detector pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import abtem
import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.common import (
    alternate,
    check,
    detected,
    knn,
    main,
    microscope,
    plain_abtem,
    raster,
    say,
    scan,
)
from benchmarks.equal_error import least_grid
from benchmarks.rows import Options, Row, compare
from polarstem.config.physics import Simulate
from polarstem.simulate.multislice.abtem_run import simulate_patterns
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.potential.frozen_phonons import thermal_configurations

SEED = 0


@dataclass(frozen=True)
class Size:
    """How much is computed."""

    cells: int
    side: int  # of the square raster of positions
    thicknesses_nm: tuple[float, ...]


FULL = Size(8, 4, (10.0, 20.0))
EQUAL_ERROR = Size(6, 4, (20.0, 40.0))
REDUCED = Size(3, 2, (2.0, 4.0))


def bare(crystal: Crystal, positions: np.ndarray, size: Size, settings: Simulate) -> Any:
    """Do the same with abTEM alone, written as its tutorials do."""
    period = crystal.cell[2]
    slices = crystal.slices_per_period
    exits = [round(10 * nm / period) * slices - 1 for nm in size.thicknesses_nm]
    # the same displacements as in the wrapper
    (atoms,) = thermal_configurations(crystal, settings.phonons, SEED)
    points = settings.pixels_per_cell * crystal.repeats[0]
    with plain_abtem(threads=1):
        potential = abtem.Potential(
            atoms,
            gpts=(points, points),
            slice_thickness=(period / slices,) * (exits[-1] + 1),
            projection="infinite",
            exit_planes=tuple(exits),
        )
        probe = abtem.Probe(energy=200e3, semiangle_cutoff=24.0)
        return scan(probe, potential, positions, batch=len(positions))


def case(name: str, size: Size, options: Options, **settings: Any) -> Row:
    """Compare both on one grid, with abTEM's own projection, on a crystal of random K/Na."""
    simulate = microscope(40, projection="abtem", **settings)
    crystal = knn(size.cells, max(size.thicknesses_nm), a_site="random")
    positions = raster(crystal.cell[0], size.side)
    nm = size.thicknesses_nm

    def ours() -> np.ndarray:
        return simulate_patterns(crystal, positions, nm, simulate, SEED).intensity

    def theirs() -> Any:
        return bare(crystal, positions, size, simulate)

    (a, b), results = alternate({"wrapper": ours, "abTEM": theirs}, options.runs, warm=True)
    distance = check(results[0], detected(results[1], (len(nm), len(positions))))
    return compare(
        f"direct multislice of {name}, {size.cells} x {size.cells} cells; the bare abTEM call",
        a,
        b,
        options,
        target="<= 1.05",
        quotient="ours / theirs",
        note="one thread each, the same grid and projection",
        disagreement=distance,
    )


def equal_error(size: Size, options: Options) -> Row:
    """Compare both at equal error, each on its own grid, on a crystal that moves."""
    nm = size.thicknesses_nm
    found = {name: least_grid(name, nm) for name in ("exact", "abtem")}
    (ours_grid, _), (theirs_grid, _) = found.values()
    phonons = {"configurations": 1}
    exact = microscope(ours_grid, phonons=phonons)
    own = microscope(theirs_grid, projection="abtem", phonons=phonons)
    crystal = knn(size.cells, max(nm), a_site="random")
    positions = raster(crystal.cell[0], size.side)
    (a, b), _ = alternate(
        {
            "wrapper": lambda: simulate_patterns(crystal, positions, nm, exact, SEED),
            "abTEM": lambda: bare(crystal, positions, size, own),
        },
        options.runs,
    )
    return compare(
        f"at equal error: direct multislice of a frozen-phonon configuration, {len(positions)} "
        f"positions, {size.cells} x {size.cells} cells; the bare abTEM call",
        a,
        b,
        options,
        target=">= 3",
        note="one thread each; "
        + ", ".join(
            f"{grid} px/cell with {name} projection ({100 * error:.2f} %)"
            for name, (grid, error) in found.items()
        ),
    )


def rows(options: Options) -> list[Row]:
    """Compare phonons and disorder on one grid, and phonons at equal error."""
    say("direct multislice: the wrapper against the bare call")
    size = REDUCED if options.reduced else FULL
    alone = replace(options, threads=1)
    with threadpool_limits(1):
        return [
            case("a frozen-phonon configuration", size, alone, phonons={"configurations": 1}),
            case("random K/Na", size, alone),
            equal_error(REDUCED if options.reduced else EQUAL_ERROR, alone),
        ]


if __name__ == "__main__":
    main(rows, __doc__)
