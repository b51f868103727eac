# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole simulations: scattering matrices against abTEM's multislice of the field.

abTEM runs as it is installed, with measured FFT plans, on as many threads. Both sides count from
the crystal on. abTEM knows no averaged A site: it builds the potential of one composition, which is
counted, and then propagates through the mean potential, so that both give the same patterns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
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
)
from benchmarks.rows import Options, Row, compare
from polarstem.config.physics import Simulate
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.multislice.abtem_run import potential
from polarstem.simulate.potential.crystal import exit_periods
from polarstem.simulate.scattering_matrix.matrix import ScatteringMatrix
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.structures.symmetry import Turn, representative
from polarstem.structures.variants import Vector, classes

ZONE = (0, 0, 1)
MARGIN_MRAD = 3.0
SHARP = Optics(24.0)


@dataclass(frozen=True)
class Size:
    """How much is computed."""

    cells: int
    side: int  # of the square raster of positions
    thicknesses_nm: tuple[float, ...]
    pixels_per_cell: int
    conditions: int
    subset: int  # positions of the run that is extrapolated


FULL = Size(8, 16, (10.0, 20.0, 30.0, 40.0, 50.0, 60.0), 48, 20, 32)
REDUCED = Size(4, 4, (2.0, 4.0), 32, 4, 8)


@dataclass(frozen=True)
class Case:
    """One field of probes, simulated by either engine."""

    size: Size
    threads: int

    @cached_property
    def settings(self) -> Simulate:
        """The microscope."""
        return microscope(self.size.pixels_per_cell)

    @cached_property
    def positions(self) -> np.ndarray:
        """Probe positions, shape (n, 2) [Å]."""
        return raster(knn(1, 1.0).cell[0], self.size.side)

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
            threads=self.threads,
        )
        return VirtualMicroscope(matrix, self.settings.detector)

    def one(self) -> np.ndarray:
        """Matrix and patterns of one condition."""
        eye = self.microscope_of(RIGHT, 0.0)
        return eye.measure(self.positions, self.size.thicknesses_nm, SHARP).numpy()

    def many(self) -> None:
        """Matrix and patterns of all conditions."""
        eye = self.microscope_of(RIGHT, MARGIN_MRAD)
        for optics in self.conditions:
            eye.measure(self.positions, self.size.thicknesses_nm, optics)

    def every(self) -> None:
        """Matrices and patterns of all conditions and directions."""
        nm = self.size.thicknesses_nm
        for simulated in sorted({simulated for _, simulated, _ in self.directions}):
            eye = self.microscope_of(simulated, MARGIN_MRAD)
            for turn in [turn for _, one, turn in self.directions if one == simulated]:
                for optics in self.conditions:
                    eye.measure(self.positions, nm, optics, turn=turn)

    def slab(
        self, thicknesses_nm: tuple[float, ...], variant: Vector = RIGHT, mean: bool = True
    ) -> Any:
        """abTEM's potential of the field with these exit planes, averaged or of one composition."""
        crystal = knn(self.size.cells, max(thicknesses_nm), variant)
        if not mean:
            crystal = replace(crystal, occupancy={})
        exits = exit_periods(thicknesses_nm, crystal.cell[2], crystal.repeats[2])
        with plain_abtem(self.threads):
            return potential(crystal, crystal.atoms, self.settings, exits)

    def conventional(
        self, nm: tuple[float, ...], slab: Any, positions: np.ndarray, optics: Optics
    ) -> Any:
        """Do with abTEM what a user would: crystal, potential, multislice."""
        self.slab(nm, mean=False)
        return self.abtem(slab, positions, optics)

    def abtem(self, slab: Any, positions: np.ndarray, optics: Optics) -> Any:
        """abTEM's multislice of these positions."""
        with plain_abtem(self.threads):
            probe = abtem.Probe(
                energy=self.settings.energy_kv * 1e3,
                semiangle_cutoff=optics.semiangle_mrad,
                aberrations=dict(optics.aberrations),
                tilt=optics.tilt_mrad,
            )
            return scan(probe, slab, positions)

    def check_direction(self) -> float:
        """Compare the last direction, under aberrations, with abTEM's run of that variant."""
        nm = self.size.thicknesses_nm[:1]
        optics = Optics(24.0, self.conditions[0].aberrations)
        places = self.positions[:: len(self.positions) // 4]
        variant, simulated, turn = self.directions[-1]
        eye = self.microscope_of(simulated, 0.0)
        ours = eye.measure(places, nm, optics, turn=turn)
        theirs = self.abtem(self.slab(nm, variant), places, optics)
        return check(ours, detected(theirs, (1, len(places))))


def rows(options: Options) -> list[Row]:
    """Measure one condition, many conditions, and many conditions of all directions."""
    size = REDUCED if options.reduced else FULL
    case = Case(size, options.threads)
    nm, positions = size.thicknesses_nm, case.positions
    say("against abTEM: mean potentials, and code that compiles on first use")
    turned = case.check_direction()
    whole, each = case.slab(nm), [case.slab((t,)) for t in nm]
    subset = positions[: size.subset]
    times, results = alternate(
        {
            "one condition": case.one,
            "abTEM": lambda: case.conventional(nm, whole, positions, SHARP),
            f"{size.conditions} conditions": case.many,
            f"{size.conditions} conditions of all directions": case.every,
            "abTEM's potential for each thickness": lambda: [
                case.slab((t,), mean=False) for t in nm
            ],
            "abTEM, some positions, each thickness": lambda: [
                case.abtem(slab, subset, case.conditions[0]) for slab in each
            ],
        },
        options.runs,
    )
    one, conventional, many, every, potentials, some = times
    distance = check(results[0], detected(results[1], (len(nm), len(positions))))
    directions = len(case.directions)
    share = len(positions) / size.subset
    separate = [a + b * share for a, b in zip(potentials, some, strict=True)]
    runs = size.conditions * directions
    return [
        compare(
            f"{size.side} x {size.side} positions x {len(nm)} thicknesses, {size.cells} x "
            f"{size.cells} cells; abTEM with exit planes",
            one,
            conventional,
            options,
            target=">= 20",
            disagreement=distance,
        ),
        compare(
            f"the same for {size.conditions} conditions (tilt, defocus, astigmatism, source size)",
            many,
            conventional,
            options,
            target=">= 200",
            factor=size.conditions,
            disagreement=distance,
            note=f"theirs: one condition x {size.conditions}",
        ),
        compare(
            f"the same {size.conditions} conditions of {directions} directions; one abTEM run for "
            "each thickness, condition and direction",
            every,
            separate,
            options,
            target=">= 1000",
            factor=runs,
            disagreement=turned,
            note=f"theirs: one condition and direction, {size.subset} of {len(positions)} "
            f"positions (x {share:g}) at all thicknesses, x {runs}",
        ),
    ]


if __name__ == "__main__":
    main(rows, __doc__)
