# SPDX-License-Identifier: GPL-3.0-or-later
"""Error against time: both engines, abTEM with its own projection, and its PRISM.

The patterns of 64 positions behind 10 nm of KNN with moving atoms (smeared potentials), each method
on several grids and fields, against one converged reference (16 x 16 cells, 56 pixels per cell,
exact phases; good to about 0.2 %). Multislice runs 4 of the positions and its time is scaled; all
errors are those of these 4. Times are CPU times of one thread, FFT plans made before. The crystal
is shifted at random for each multislice, so that no atom lies on pixels by chance.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import abtem
import numpy as np
import torch
from matplotlib.ticker import FuncFormatter

from benchmarks.common import (
    detected,
    from_matrices,
    knn,
    microscope,
    parser,
    plain_abtem,
    say,
    scan,
    timed,
)
from benchmarks.rows import processor, rounded
from polarstem.files import atomic_path
from polarstem.report.figures import style
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.potential.projection import projected_slices

POSITIONS, SUBSET = 64, 4
METHODS = {
    "scattering matrix": ((4, 32, 0), (6, 36, 0), (8, 40, 0), (10, 40, 0), (12, 44, 0)),
    "multislice, exact phases": ((4, 32, 0), (6, 36, 0), (8, 40, 0), (10, 40, 0), (12, 44, 0)),
    "abTEM's multislice": ((4, 32, 0), (6, 48, 0), (8, 64, 0), (8, 96, 0)),
    "abTEM's PRISM": ((4, 40, 1), (4, 64, 1), (6, 40, 2), (8, 40, 2)),
}
"""Cells, pixels per cell and interpolation."""
REDUCED = {name: ((2, 32, int("PRISM" in name)), (3, 32, int("PRISM" in name))) for name in METHODS}
CONVERGED = (16, 56)


@dataclass(frozen=True)
class Point:
    """One calculation.

    Attributes
    ----------
    method : str
        Who computes.
    cells, pixels_per_cell, interpolation : int
        Field, grid, and PRISM's interpolation (0 without).
    seconds : float
        CPU time for all positions [s].
    error : float
        Relative L1 against the reference, mean over positions.
    """

    method: str
    cells: int
    pixels_per_cell: int
    interpolation: int
    seconds: float
    error: float


def places(cell: float) -> np.ndarray:
    """Random probe positions, shape (n, 2) [Å]."""
    return np.random.default_rng(0).random((POSITIONS, 2)) * cell


def by_matrix(cells: int, pixels: int, nm: float) -> tuple[float, np.ndarray]:
    """CPU time and the patterns of the subset."""
    crystal = knn(1, nm)
    positions = places(crystal.cell[0])
    settings = microscope(pixels)
    seconds, found = timed(
        lambda: from_matrices(crystal, settings, cells, [nm], positions), time.process_time
    )
    return seconds, found[0, :SUBSET]


def shifted(crystal: Crystal, vector: np.ndarray) -> Crystal:
    """The crystal, moved in the plane [Å]."""
    atoms = crystal.atoms.copy()
    atoms.positions[:, :2] += vector
    return replace(crystal, atoms=atoms)


def by_abtem(
    cells: int, pixels: int, nm: float, projection: str, interpolation: int
) -> tuple[float, np.ndarray]:
    """CPU time and the patterns of the subset, by multislice or by PRISM."""
    vector = np.random.default_rng([cells, pixels]).random(2)
    crystal = shifted(knn(cells, nm), vector)
    positions = places(crystal.cell[0]) + vector
    settings = microscope(pixels, projection=projection)
    light: dict[str, Any] = {
        "energy": settings.energy_kv * 1e3,
        "semiangle_cutoff": settings.semiangle_mrad,
    }
    with plain_abtem(threads=1):

        def potential(periods: int) -> Any:
            slices = projected_slices(crystal, crystal.atoms, settings, [periods], 1.0)
            return slices.build(lazy=False)

        def patterns(slab: Any) -> Any:
            if not interpolation:
                return scan(abtem.Probe(**light), slab, positions[:SUBSET], batch=SUBSET)
            matrix = abtem.SMatrix(potential=slab, interpolation=interpolation, **light)
            measurement: Any = matrix.scan(
                scan=abtem.CustomScan(positions),
                detectors=abtem.PixelatedDetector(max_angle="cutoff"),
            )
            return measurement.compute()

        patterns(potential(1))  # measures the plans
        building, slab = timed(lambda: potential(crystal.repeats[2]), time.process_time)
        scanning, found = timed(lambda: patterns(slab), time.process_time)
    count = POSITIONS if interpolation else SUBSET
    images = detected(found, (1, count))[0, :SUBSET]
    return building + scanning * POSITIONS / count, images


def measure(reduced: bool) -> list[Point]:
    """Measure all methods."""
    nm = 2.0 if reduced else 10.0
    cells, pixels = (4, 40) if reduced else CONVERGED
    _, reference = by_matrix(cells, pixels, nm)
    points = []
    for method, cases in (REDUCED if reduced else METHODS).items():
        for cells, pixels, interpolation in cases:
            if method == "scattering matrix":
                seconds, found = by_matrix(cells, pixels, nm)
            else:
                projection = "exact" if "exact" in method else "abtem"
                seconds, found = by_abtem(cells, pixels, nm, projection, interpolation)
            error = float(np.abs(found - reference).sum() / reference.sum())
            points.append(
                Point(method, cells, pixels, interpolation, rounded(seconds), rounded(error))
            )
            say(
                f"  {method}, {cells} cells, {pixels} px, interpolation {interpolation}: "
                f"{seconds:.3g} s, {100 * error:.2f} %"
            )
    return points


def draw(points: Sequence[Point], outputs: Sequence[Path]) -> None:
    """Error against time, each point labelled by cells and pixels per cell."""
    with style.new_figure(style.WIDTH_IN, 3.6) as figure:
        axes = figure.subplots()
        for method, colour, marker in zip(
            METHODS, style.MODEL_COLOURS, style.MODEL_MARKERS, strict=False
        ):
            mine = [p for p in points if p.method == method]
            if not mine:
                continue
            x, y = [p.seconds for p in mine], [100 * p.error for p in mine]
            joined = "" if mine[0].interpolation else "-"
            axes.plot(x, y, marker + joined, color=colour, linewidth=1)
            beneath = method in ("scattering matrix", "multislice, exact phases")
            for p in mine:
                label = f"{p.cells}, {p.pixels_per_cell}"
                if p.interpolation:
                    label += f", f={p.interpolation}"
                axes.annotate(
                    label,
                    (p.seconds, 100 * p.error),
                    (-5, -9) if beneath or p.interpolation == 1 else (4, 4),
                    textcoords="offset points",
                    ha="right" if beneath or p.interpolation == 1 else "left",
                    fontsize=6.5,
                    color=colour,
                )
            # each name stands where its line ends, above the highest where there is none
            end = mine[-1] if joined else max(mine, key=lambda p: p.error)
            axes.annotate(
                method,
                (end.seconds, 100 * end.error),
                (7, -3) if beneath else (-10, -14) if joined else (-40, 14),
                textcoords="offset points",
                color=colour,
                fontweight="bold",
            )
        axes.axhline(1, color="0.6", linewidth=0.7, zorder=0)
        axes.set(
            xscale="log",
            yscale="log",
            xlabel=f"CPU time for {POSITIONS} positions [s]",
            ylabel="error of a pattern [%]",
        )
        plain = FuncFormatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_major_formatter(plain)
        axes.yaxis.set_major_formatter(plain)
        axes.margins(x=0.16, y=0.15)
        style.save(figure, outputs)


def write(folder: Path, reduced: bool) -> None:
    """Measure and write ``error_time.json``, ``error_time.svg`` and ``error_time.png``."""
    say("error against time")
    points = measure(reduced)
    facts = {"machine": f"{processor()}, 1 thread", "points": [asdict(p) for p in points]}
    with atomic_path(folder / "error_time.json") as path:
        path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    draw(points, [folder / "error_time.svg", folder / "error_time.png"])


def main() -> None:
    """Measure from the command line."""
    options = parser(__doc__)
    options.add_argument("--folder", type=Path, default=Path("results/bench"), help="to write to")
    given = options.parse_args()
    torch.set_num_threads(1)
    write(given.folder, given.reduced)


if __name__ == "__main__":
    main()
