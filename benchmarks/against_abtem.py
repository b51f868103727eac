# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole simulations: scattering matrices against abTEM's multislice of the field.

abTEM runs as it is installed, with measured FFT plans, on as many threads. Both sides count from
the crystal on, moving atoms as smeared potentials. First both use the same grid and potential and
give the same patterns. Then each has its own projection and the coarsest grid on which its error is
at most 1 % (`benchmarks.equal_error`).

abTEM's time is that of its potential and of some of the positions through the thinnest specimen,
scaled to all positions and slices, to which both are proportional.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import abtem
import numpy as np

from benchmarks.common import (
    RIGHT,
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
    timed,
)
from benchmarks.equal_error import least_grid
from benchmarks.rows import Options, Row, compare
from polarstem.config.physics import Simulate
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.potential.crystal import exit_periods
from polarstem.simulate.potential.projection import projected_slices
from polarstem.simulate.scattering_matrix.matrix import ScatteringMatrix
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.structures.symmetry import Turn, representative
from polarstem.structures.variants import Vector, classes

ZONE = (0, 0, 1)
MARGIN_MRAD = 3.0
SHARP = Optics(24.0)
SMEARED = 1.0  # of the thermal displacements


@dataclass(frozen=True)
class Size:
    """How much is computed."""

    cells: int
    side: int  # of the square raster of positions
    thicknesses_nm: tuple[float, ...]
    conditions: int
    subset: int  # positions of abTEM's run, half of them at a time


FULL = Size(8, 16, (10.0, 20.0, 30.0, 40.0, 50.0, 60.0), 20, 4)
REDUCED = Size(4, 4, (2.0, 4.0), 4, 4)


@dataclass(frozen=True)
class Case:
    """One field of probes, simulated by either engine."""

    size: Size
    threads: int
    settings: Simulate
    of_abtem: Simulate

    @cached_property
    def positions(self) -> np.ndarray:
        """Probe positions, shape (n, 2) [Å]."""
        return raster(knn(1, 1.0).cell[0], self.size.side)

    @cached_property
    def subset(self) -> np.ndarray:
        """Those of abTEM's run."""
        return self.positions[:: len(self.positions) // self.size.subset]

    @cached_property
    def conditions(self) -> list[Optics]:
        """Random illuminations."""
        rng = np.random.default_rng(0)
        return [
            Optics(
                24.0,
                {"C10": float(rng.normal(0, 50)), "C12": float(rng.uniform(0, 30))},
                tuple(rng.uniform(-2, 2, 2).tolist()),
                source_fwhm=float(rng.uniform(0.5, 1.0)),
            )
            for _ in range(self.size.conditions)
        ]

    @cached_property
    def directions(self) -> list[tuple[Vector, Vector, Turn]]:
        """A variant of each class, the one simulated for it, and the turn between them."""
        variants = [polar.variants[0] for polar in classes("O", ZONE)]
        return [(variant, *representative(variant, ZONE)) for variant in variants]

    def microscope_of(self, variant: Vector, margin_mrad: float) -> VirtualMicroscope:
        """Compute a scattering matrix at all thicknesses, from the structure on."""
        matrix: ScatteringMatrix = compute_scattering_matrix(
            knn(1, max(self.size.thicknesses_nm), variant),
            self.size.thicknesses_nm,
            self.settings,
            cells=(self.size.cells, self.size.cells),
            margin_mrad=margin_mrad,
            thermal_scale=SMEARED,
            threads=self.threads,
        )
        return VirtualMicroscope(matrix, self.settings.detector)

    def one(self) -> VirtualMicroscope:
        """Matrix and patterns of one condition."""
        eye = self.microscope_of(RIGHT, 0.0)
        eye.measure(self.positions, self.size.thicknesses_nm, SHARP)
        return eye

    def many(self) -> tuple[list[float], float]:
        """Seconds of the matrices that all directions need, and of measuring all conditions."""
        building = []
        for variant in sorted({simulated for _, simulated, _ in self.directions}):
            seconds, eye = timed(partial(self.microscope_of, variant, MARGIN_MRAD))
            building.append(seconds)

        def measure() -> None:
            for optics in self.conditions:
                eye.measure(self.positions, self.size.thicknesses_nm, optics)

        return building, timed(measure)[0]

    def slab(self, thicknesses_nm: tuple[float, ...], variant: Vector = RIGHT) -> Any:
        """abTEM's potential of the field with these exit planes."""
        crystal = knn(self.size.cells, max(thicknesses_nm), variant)
        exits = exit_periods(thicknesses_nm, crystal.cell[2], crystal.repeats[2])
        with plain_abtem(self.threads):
            slices = projected_slices(crystal, crystal.atoms, self.of_abtem, exits, SMEARED)
            return slices.build(lazy=False)

    def conventional(self) -> tuple[float, float, Any]:
        """Seconds of potential and multislice of some positions, thinnest; and their patterns."""
        building, slab = timed(lambda: self.slab(self.size.thicknesses_nm[:1]))
        scanning, patterns = timed(lambda: self.abtem(slab, self.subset, SHARP))
        return building, scanning, patterns

    def abtem(self, slab: Any, positions: np.ndarray, optics: Optics) -> Any:
        """abTEM's multislice of these positions."""
        with plain_abtem(self.threads):
            probe = abtem.Probe(
                energy=self.settings.energy_kv * 1e3,
                semiangle_cutoff=optics.semiangle_mrad,
                aberrations=dict(optics.aberrations),
                tilt=optics.tilt_mrad,
            )
            return scan(probe, slab, positions, batch=self.size.subset // 2)

    def check_direction(self) -> float:
        """Compare the last direction, under aberrations, with abTEM's run of that variant."""
        nm = self.size.thicknesses_nm[:1]
        optics = Optics(24.0, self.conditions[0].aberrations)
        places = self.positions[:: len(self.positions) // 4]
        variant, simulated, turn = self.directions[-1]
        ours = self.microscope_of(simulated, 0.0).measure(places, nm, optics, turn=turn)
        theirs = self.abtem(self.slab(nm, variant), places, optics)
        return check(ours, detected(theirs, (1, len(places))))

    def measure(self, runs: int) -> tuple[list[list[float]], list[float], list[Any]]:
        """Seconds of our three tasks and of abTEM's first, and what the sides gave last."""
        seconds: dict[str, list[Any]] = {"many": [], "abTEM": []}

        def kept(name: str, work: Callable[[], Any]) -> Callable[[], Any]:
            def run() -> Any:
                seconds[name].append(work())
                return seconds[name][-1]

            return run

        times, results = alternate(
            {
                "one condition": self.one,
                f"{self.size.conditions} conditions": kept("many", self.many),
                "abTEM, some positions": kept("abTEM", self.conventional),
            },
            runs,
            warm=True,  # else abTEM's planning of transforms would be scaled with its positions
        )
        kept_runs = {name: found[-runs:] for name, found in seconds.items()}
        nm, directions = self.size.thicknesses_nm, len(self.directions)
        many = [float(np.mean(building)) + measuring for building, measuring in kept_runs["many"]]
        every = [
            sum(building) + directions * measuring for building, measuring in kept_runs["many"]
        ]
        share = len(self.positions) / len(self.subset)
        whole = [
            (building + share * scanning) * max(nm) / min(nm)
            for building, scanning, _ in kept_runs["abTEM"]
        ]
        return [times[0], many, every], whole, results


def same_grid(size: Size, options: Options) -> list[Row]:
    """Compare on one grid, of the same potential: patterns are equal."""
    settings = microscope(40)
    case = Case(size, options.threads, settings, settings)
    say("against abTEM on the same grid: the directions agree")
    turned = case.check_direction()
    times, whole, (eye, _, (_, _, patterns)) = case.measure(options.runs)
    ours = eye.measure(case.subset, size.thicknesses_nm[:1], SHARP)
    distance = check(ours, detected(patterns, (1, len(case.subset))))
    targets = (">= 20", ">= 200", ">= 1000")
    return _rows(case, times, whole, options, targets, "the same grid", "", (distance, turned))


def equal_error(size: Size, options: Options) -> list[Row]:
    """Compare at equal error, each engine with its own projection and grid."""
    say("against abTEM at equal error: the grids")
    found = {name: least_grid(name, size.thicknesses_nm) for name in ("exact", "abtem")}
    ours, theirs = (microscope(grid, projection=name) for name, (grid, _) in found.items())
    case = Case(size, options.threads, ours, theirs)
    times, whole, _ = case.measure(options.runs)
    grids = ", ".join(
        f"{grid} px/cell with {name} projection ({100 * error:.2f} %)"
        for name, (grid, error) in found.items()
    )
    targets = (">= 100", ">= 1000", ">= 5000")
    return _rows(case, times, whole, options, targets, "at equal error", grids, (None, None))


def _rows(
    case: Case,
    times: list[list[float]],
    whole: list[float],
    options: Options,
    targets: tuple[str, ...],
    how: str,
    grids: str,
    distances: tuple[float | None, float | None],
) -> list[Row]:
    size, directions = case.size, len(case.directions)
    nm = size.thicknesses_nm
    # a run for each thickness goes through its slices anew
    anew = sum(nm) / max(nm)
    runs = size.conditions * directions
    subset = (
        f"theirs: {len(case.subset)} of {len(case.positions)} positions through {min(nm):g} of "
        f"{max(nm):g} nm, scaled"
    )
    return [
        compare(
            f"{how}: {size.side} x {size.side} positions x {len(nm)} thicknesses, {size.cells} x "
            f"{size.cells} cells; abTEM with exit planes",
            times[0],
            whole,
            options,
            target=targets[0],
            disagreement=distances[0],
            note="; ".join(filter(None, (subset, grids))),
        ),
        compare(
            f"{how}: {size.conditions} conditions (tilt, defocus, astigmatism, source size)",
            times[1],
            whole,
            options,
            target=targets[1],
            factor=size.conditions,
            disagreement=distances[0],
            note=f"theirs: one condition x {size.conditions}",
        ),
        compare(
            f"{how}: {size.conditions} conditions of {directions} directions; a plain script, one "
            "abTEM run for each thickness, condition and direction",
            times[2],
            whole,
            options,
            target=targets[2],
            factor=runs * anew,
            disagreement=distances[1],
            note=f"ours: conditions of one direction x {directions}; theirs: one condition and "
            f"direction x {runs}, x {anew:.3g} for the slices that each run goes through anew",
        ),
    ]


def rows(options: Options) -> list[Row]:
    """Measure one condition, many conditions, and many conditions of all directions."""
    size = REDUCED if options.reduced else FULL
    return [*same_grid(size, options), *equal_error(size, options)]


if __name__ == "__main__":
    main(rows, __doc__)
