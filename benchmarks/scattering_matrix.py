# SPDX-License-Identifier: GPL-3.0-or-later
"""Scattering matrices against abTEM's multislice, and propagation against its transforms.

Both sides run alternately in one process on the same cores and give equal patterns, which is
checked; times are medians. ``python benchmarks/scattering_matrix.py --reduced`` takes seconds,
the whole table some minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import abtem
import numpy as np
import torch

from polarstem.config.physics import Simulate
from polarstem.simulate.detector import measure as bin_patterns
from polarstem.simulate.multislice import Crystal, abtem_settings, exit_periods, potential
from polarstem.simulate.scattering.matrix import ScatteringMatrix
from polarstem.simulate.scattering.measure import VirtualMicroscope
from polarstem.simulate.scattering.optics import Optics
from polarstem.simulate.scattering.propagate import Multislice, compute_scattering_matrix
from polarstem.simulate.scattering.transforms import Workspace, batches
from polarstem.simulate.scattering.unit import projected_potentials, repeating_unit, transmission
from polarstem.structures.build import build_specimen
from polarstem.structures.recipes import make_recipe
from polarstem.structures.variants import classes

AGREEMENT = 5e-5  # relative L1 distance of patterns
CONDITIONS = 20
DIRECTIONS = 8


@dataclass(frozen=True)
class Size:
    """How much is computed."""

    cells: int
    positions: int
    thicknesses_nm: tuple[float, ...]
    pixels_per_cell: int
    runs: int


FULL = Size(8, 16, (10.0, 20.0, 30.0, 40.0, 50.0, 60.0), 32, 3)
REDUCED = Size(4, 4, (2.0, 4.0), 32, 3)


def knn(cells: int, thickness_nm: float) -> Crystal:
    """Virtual-crystal KNN of the O phase, polar to the right."""
    polar = next(c for c in classes("O", (0, 0, 1)) if c.name == "RM")
    recipe = make_recipe(
        material="KNN",
        variant=polar.variants[0],
        zone_axis=(0, 0, 1),
        cells=(cells, cells),
        thickness_nm=thickness_nm,
        name="benchmark",
        specimen_set="benchmark",
        split="test",
        class_index=polar.index,
        class_name=polar.name,
        direction_deg=polar.direction_deg,
        phase="O",
        a_site="virtual",
    )
    return Crystal.of(build_specimen(recipe))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and result of one call."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


class Comparison:
    """One crystal and microscope, simulated by either engine."""

    def __init__(self, size: Size, threads: int) -> None:
        self.size = size
        self.threads = threads
        self.settings = Simulate.model_validate(
            {
                "pixels_per_cell": size.pixels_per_cell,
                "detector": {"pixels": 64, "mrad_per_pixel": 1.75},
            }
        )
        self.crystal = knn(size.cells, max(size.thicknesses_nm))
        side = (np.arange(size.positions) + 0.5) / size.positions
        cell = self.crystal.cell[0]
        self.positions = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2) * cell
        rng = np.random.default_rng(0)
        self.optics = [
            Optics(
                24.0,
                {"C10": float(rng.normal(0, 50)), "C12": float(rng.uniform(0, 30))},
                tuple(rng.uniform(-2, 2, 2).tolist()),
                source_fwhm=float(rng.uniform(0.5, 1.0)),
            )
            for _ in range(CONDITIONS)
        ]

    def matrix(self, margin_mrad: float = 0.0) -> ScatteringMatrix:
        """Compute the scattering matrix at all thicknesses."""
        return compute_scattering_matrix(
            self.crystal,
            self.size.thicknesses_nm,
            self.settings,
            cells=(self.size.cells, self.size.cells),
            margin_mrad=margin_mrad,
            threads=self.threads,
        )

    def ours(self) -> np.ndarray:
        """Matrix and patterns of one condition."""
        eye = VirtualMicroscope(self.matrix(), self.settings.detector)
        return eye.measure(self.positions, self.size.thicknesses_nm, Optics(24.0)).numpy()

    def ours_conditions(self) -> None:
        """Matrix and patterns of all conditions."""
        eye = VirtualMicroscope(self.matrix(margin_mrad=3.0), self.settings.detector)
        for optics in self.optics:
            eye.measure(self.positions, self.size.thicknesses_nm, optics)

    def abtem(self, thicknesses_nm: tuple[float, ...]) -> Any:
        """Bare abTEM with exit planes: potential and scan; abTEM's measurement."""
        crystal = self.crystal
        exits = exit_periods(thicknesses_nm, crystal.cell[2], crystal.repeats[2])
        with abtem_settings("cpu", self.threads):
            slab = potential(crystal, crystal.atoms, self.settings, exits)
            probe = abtem.Probe(energy=200e3, semiangle_cutoff=24.0)
            return probe.scan(
                slab,
                scan=abtem.CustomScan(self.positions),
                detectors=abtem.PixelatedDetector(max_angle="cutoff"),
                max_batch=16,
                lazy=False,
            )

    def check(self, ours: np.ndarray, theirs: Any) -> None:
        """Stop unless both gave the same patterns."""
        array = np.asarray(theirs.array)
        array = array.reshape(*ours.shape[:2], *array.shape[-2:])
        detector = self.settings.detector
        images = bin_patterns(
            array, theirs.angular_sampling, detector.pixels, detector.mrad_per_pixel
        )
        distance = (np.abs(ours - images).sum((-1, -2)) / images.sum((-1, -2))).max()
        print(f"largest relative L1 distance of a pattern: {distance:.1e}")
        if distance > AGREEMENT:
            raise SystemExit(f"the engines disagree by more than {AGREEMENT}")


def row(work: str, ours: list[float], theirs: list[float], factor: float, target: str) -> dict:
    """One line of the table; `factor` extrapolates their time."""
    a, b = median(ours), median(theirs) * factor
    return {
        "work": work,
        "ours_s": round(a, 4),
        "theirs_s": round(b, 4),
        "ratio": round(b / a, 2),
        "target": target,
        "n_runs": len(ours),
    }


def against_abtem(size: Size, threads: int) -> list[dict]:
    """Rows of whole simulations."""
    case = Comparison(size, threads)
    case.matrix()  # compiles
    times: dict[str, list[float]] = {"ours": [], "abtem": [], "conditions": [], "each": []}
    for run in range(size.runs):
        seconds, ours = timed(case.ours)
        times["ours"].append(seconds)
        seconds, theirs = timed(lambda: case.abtem(size.thicknesses_nm))
        times["abtem"].append(seconds)
        if run == 0:
            case.check(ours, theirs)
        times["conditions"].append(timed(case.ours_conditions)[0])
        each = [timed(lambda t=t: case.abtem((t,)))[0] for t in size.thicknesses_nm]
        times["each"].append(sum(each))
    what = f"{size.positions}^2 positions x {len(size.thicknesses_nm)} thicknesses"
    every = [DIRECTIONS * t for t in times["conditions"]]
    return [
        row(f"{what}, {size.cells}^2 cells", times["ours"], times["abtem"], 1, ">= 20"),
        row(
            f"{CONDITIONS} conditions (theirs: one run x {CONDITIONS})",
            times["conditions"],
            times["abtem"],
            CONDITIONS,
            ">= 200",
        ),
        row(
            f"{CONDITIONS} conditions, {DIRECTIONS} directions, a run for each thickness "
            f"(one direction timed; theirs: one condition x {CONDITIONS * DIRECTIONS})",
            every,
            times["each"],
            CONDITIONS * DIRECTIONS,
            ">= 1000",
        ),
    ]


def against_transforms(size: Size) -> dict:
    """Propagation and its planned, batched FFTs alone, on one thread."""
    case = Comparison(size, 1)
    unit = repeating_unit(case.crystal)
    lengths = unit.atoms.cell.lengths()
    potentials = projected_potentials(unit, case.settings)
    slices = unit.slices_per_period * max(
        exit_periods(size.thicknesses_nm, unit.cell[2], case.crystal.repeats[2])
    )
    multislice = Multislice(
        grid=case.matrix().grid,
        transmission=transmission(potentials, (lengths[0], lengths[1]), 200.0),
        slice_thickness=unit.cell[2] / unit.slices_per_period,
        exits=[slices],
    )
    workspace = Workspace(multislice.shape)
    counts = [
        last - first
        for used in multislice.grid.groups.used
        for first, last in batches(used.sum(), workspace.most)
    ]

    def transforms() -> None:
        for count in counts:
            _, forward, backward = workspace.batch(count)
            for _ in range(slices):
                forward.execute()
                backward.execute()

    ours, theirs = [], []
    for _ in range(size.runs):
        ours.append(timed(multislice.run)[0])
        theirs.append(timed(transforms)[0])
    # here the transforms are the yardstick: ours / theirs
    line = row("propagation, against its FFTs alone", ours, theirs, 1, "<= 1.8 (ours / theirs)")
    return line | {"ratio": round(median(ours) / median(theirs), 2)}


def patterns_per_second(size: Size, threads: int) -> dict:
    """Measurement of random conditions, 16 positions each, with Poisson noise.

    Conditions run side by side on one thread each, as in the generation of a data set.
    """
    case = Comparison(Size(4, 4, size.thicknesses_nm, size.pixels_per_cell, size.runs), 1)
    eye = VirtualMicroscope(case.matrix(margin_mrad=3.0), case.settings.detector)
    conditions = 100

    def measure(seed: int) -> None:
        rng = np.random.default_rng(seed)
        aberrations = {"C10": float(rng.normal(0, 50)), "C12": float(rng.uniform(0, 30))}
        optics = Optics(24.0, aberrations, tuple(rng.uniform(-2, 2, 2).tolist()))
        nm = float(rng.choice(size.thicknesses_nm))
        eye.measure(rng.random((16, 2)) * 4, [nm], optics, dose=1e5, seed=seed)

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with ThreadPoolExecutor(threads) as pool:

        def work() -> None:
            list(pool.map(measure, range(conditions)))

        work()
        seconds = [timed(work)[0] for _ in range(size.runs)]
    torch.set_num_threads(before)
    return {
        "work": f"patterns per second, 64 x 64 detector, {threads} threads",
        "ours_s": round(median(seconds), 4),
        "theirs_s": None,
        "ratio": round(16 * conditions / median(seconds)),
        "target": ">= 8000 on 2 cores",
        "n_runs": len(seconds),
    }


def main() -> None:
    """Run what is asked for, print the table and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reduced", action="store_true", help="small field, few positions")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    size = REDUCED if options.reduced else FULL
    rows = [
        *against_abtem(size, options.threads),
        against_transforms(size),
        patterns_per_second(size, options.threads),
    ]
    for line in rows:
        print("  ".join(f"{key}={value}" for key, value in line.items()))
    if options.output:
        options.output.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
