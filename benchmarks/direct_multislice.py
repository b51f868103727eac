# SPDX-License-Identifier: GPL-3.0-or-later
"""Our wrapper of abTEM against the bare call, for frozen phonons and for a random A site.

One thread each. The bare call stops at abTEM's own patterns; the wrapper also sums them into
detector pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import abtem
import numpy as np

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
from benchmarks.rows import Options, Row, compare
from polarstem.config.physics import Simulate
from polarstem.seeds import derive_seed
from polarstem.simulate.multislice.abtem_run import simulate_patterns
from polarstem.simulate.potential.crystal import Crystal

SEED = 0


@dataclass(frozen=True)
class Size:
    """How much is computed."""

    cells: int
    side: int  # of the square raster of positions
    thicknesses_nm: tuple[float, ...]


FULL = Size(8, 4, (10.0, 20.0))
REDUCED = Size(3, 2, (2.0, 4.0))


def bare(crystal: Crystal, positions: np.ndarray, size: Size, settings: Simulate) -> Any:
    """Do the same with abTEM alone, written as its tutorials do."""
    period = crystal.cell[2]
    slices = crystal.slices_per_period
    exits = [round(10 * nm / period) * slices - 1 for nm in size.thicknesses_nm]
    atoms: Any = crystal.atoms
    if count := settings.phonons.configurations:
        present = sorted(set(atoms.get_chemical_symbols()))
        atoms = abtem.FrozenPhonons(
            atoms,
            num_configs=count,
            sigmas={symbol: crystal.rms_displacement[symbol] for symbol in present},
            # the same displacements as in the wrapper
            seed=tuple(derive_seed(SEED, "phonon", index) for index in range(count)),
        )
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
    """Compare both on a crystal of random K/Na."""
    simulate = microscope(32, **settings)
    crystal = knn(size.cells, max(size.thicknesses_nm), a_site="random")
    positions = raster(crystal.cell[0], size.side)
    nm = size.thicknesses_nm

    def ours() -> np.ndarray:
        return simulate_patterns(crystal, positions, nm, simulate, SEED).intensity

    def theirs() -> Any:
        return bare(crystal, positions, size, simulate)

    times, results = alternate({"wrapper": ours, "abTEM": theirs}, options.runs, warm=True)
    distance = check(results[0], detected(results[1], (len(nm), len(positions))))
    return compare(
        f"direct multislice of {name}, {size.cells} x {size.cells} cells; the bare abTEM call",
        *times,
        options,
        target="<= 1.05",
        quotient="ours / theirs",
        note="one thread each",
        disagreement=distance,
    )


def rows(options: Options) -> list[Row]:
    """Compare phonons and disorder."""
    say("direct multislice: the wrapper against the bare call")
    size = REDUCED if options.reduced else FULL
    alone = Options(options.reduced, threads=1, runs=options.runs)
    return [
        case("2 frozen-phonon configurations", size, alone, phonons={"configurations": 2}),
        case("random K/Na", size, alone),
    ]


if __name__ == "__main__":
    main(rows, __doc__)
