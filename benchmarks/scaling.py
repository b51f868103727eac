# SPDX-License-Identifier: GPL-3.0-or-later
"""How time and memory grow: field, aperture, thickness, number of conditions.

Each point is a process of its own, so that its peak of memory is its own; it computes the whole
from the structure to the patterns of 16 positions, abTEM's potential included. Lines are powers
fitted to the upper points, where fixed costs no longer matter.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import abtem
import numpy as np
import torch
from matplotlib.axes import Axes

from benchmarks.common import RIGHT, knn, microscope, parser, plain_abtem, raster, say, scan, timed
from benchmarks.rows import processor, rounded
from polarstem.files import atomic_path
from polarstem.report.figures import style
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.potential.crystal import exit_periods
from polarstem.simulate.potential.projection import projected_slices
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix

OURS, THEIRS = "scattering matrix", "abTEM multislice"
FITTED = 3  # upper points that a power is fitted to


@dataclass(frozen=True)
class Work:
    """One simulation; every axis of the figure varies one of these."""

    cells: int = 8
    semiangle_mrad: float = 24.0
    thickness_nm: float = 20.0
    conditions: int = 1


@dataclass(frozen=True)
class Axis:
    """Values of one quantity, and the largest that abTEM takes part in."""

    key: str
    label: str
    values: tuple[float, ...]
    theirs_up_to: float


FULL = (
    Axis("cells", "field side [cells]", (4, 8, 16, 32), 16),
    Axis("semiangle_mrad", "semi-angle [mrad]", (6, 12, 24, 48), 48),
    Axis("thickness_nm", "thickness [nm]", (10, 20, 40, 80), 80),
    Axis("conditions", "conditions", (1, 4, 16, 64), 16),
)
REDUCED = (Axis("cells", "field side [cells]", (2, 4), 4),)
SMALL = Work(cells=2, thickness_nm=2.0)


@dataclass(frozen=True)
class Point:
    """What one simulation took.

    Attributes
    ----------
    axis, engine : str
        Which quantity varies, and who computes.
    value : float
        Of the quantity.
    seconds : float
        From the structure to the patterns [s].
    memory_mb : float
        Growth of the process to its peak, at least 0.1 [MB].
    matrix_mb : float
        Predicted size of the scattering matrix [MB]; 0 without one.
    """

    axis: str
    engine: str
    value: float
    seconds: float
    memory_mb: float
    matrix_mb: float


def ours(work: Work, threads: int) -> float:
    """Simulate by a scattering matrix; give its predicted size [MB]."""
    settings = microscope(40, semiangle_mrad=work.semiangle_mrad)
    crystal = knn(1, work.thickness_nm)
    cells = (work.cells, work.cells)
    matrix = compute_scattering_matrix(
        crystal, [work.thickness_nm], settings, cells=cells, threads=threads
    )
    eye = VirtualMicroscope(matrix, settings.detector)
    for number in range(work.conditions):
        optics = Optics(work.semiangle_mrad, {"C10": 10.0 * number})
        eye.measure(raster(crystal.cell[0], 4), [work.thickness_nm], optics)
    return matrix.grid.predicted_mb(1)


def theirs(work: Work, threads: int) -> float:
    """Simulate by abTEM."""
    settings = microscope(40)
    crystal = knn(work.cells, work.thickness_nm, RIGHT)
    exits = exit_periods([work.thickness_nm], crystal.cell[2], crystal.repeats[2])
    with plain_abtem(threads):
        slices = projected_slices(crystal, crystal.atoms, settings, exits)
        slab = slices.build(lazy=False)
        for number in range(work.conditions):
            probe = abtem.Probe(
                energy=settings.energy_kv * 1e3,
                semiangle_cutoff=work.semiangle_mrad,
                aberrations={"C10": 10.0 * number},
            )
            scan(probe, slab, raster(crystal.cell[0], 4))
    return 0.0


def peak_mb() -> float:
    """Largest resident memory of this process so far [MB]."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def point(axis: str, value: float, engine: str, threads: int, base: Work) -> Point:
    """Measure one point; to be run in a process of its own."""
    torch.set_num_threads(threads)
    simulate = ours if engine == OURS else theirs
    simulate(SMALL, threads)  # compiles and loads
    work = replace(base, **{axis: type(getattr(base, axis))(value)})
    before = peak_mb()
    seconds, matrix_mb = timed(lambda: simulate(work, threads))
    grown = max(0.1, peak_mb() - before)
    return Point(axis, engine, value, rounded(seconds), rounded(grown), rounded(matrix_mb))


def measure(axes: Sequence[Axis], base: Work, threads: int) -> list[Point]:
    """Measure all points, one after the other."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.common", VirtualMicroscope.__module__])
    points = []
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as pool:
        for axis in axes:
            for value in axis.values:
                for engine in (OURS, THEIRS) if value <= axis.theirs_up_to else (OURS,):
                    done = pool.submit(point, axis.key, value, engine, threads, base).result()
                    points.append(done)
                    say(
                        f"  {axis.label} {value:g}, {engine}: {done.seconds:.3g} s, "
                        f"{done.memory_mb:.0f} MB"
                    )
    return points


def exponent(values: Sequence[float], costs: Sequence[float]) -> tuple[float, float]:
    """Fit cost = factor * value^exponent to the upper points; give exponent and factor."""
    x, y = (np.log(numbers[-FITTED:]) for numbers in (values, costs))
    slope, offset = np.polyfit(x, y, 1)
    return float(slope), float(np.exp(offset))


def draw(points: Sequence[Point], axes: Sequence[Axis], outputs: Sequence[Path]) -> None:
    """Draw time and memory against every quantity, with the powers fitted to them."""
    costs = {"seconds": "time [s]", "memory_mb": "memory [MB]"}
    with style.new_figure(style.WIDTH_IN, 4.4, top=0.25) as figure:
        panels = figure.subplots(2, len(axes), sharey="row", sharex="col", squeeze=False)
        for column, axis in enumerate(axes):
            mine = [p for p in points if p.axis == axis.key]
            for panel, cost in zip(panels[:, column], costs, strict=True):
                _panel(panel, mine, cost)
                panel.set_xticks(axis.values, [f"{value:g}" for value in axis.values])
                panel.set_xticks([], minor=True)
            matrices = [(p.value, p.matrix_mb) for p in mine if p.engine == OURS]
            panels[1, column].plot(
                *zip(*matrices, strict=True), ":", color="0.35", label="the matrix alone, predicted"
            )
            panels[1, column].set_xlabel(axis.label)
        for panel, label in zip(panels[:, 0], costs.values(), strict=True):
            panel.set_ylabel(label)
        figure.legend(*panels[1, 0].get_legend_handles_labels(), loc="upper center", ncols=3)
        style.save(figure, outputs)


def _panel(panel: Axes, points: Sequence[Point], cost: str) -> None:
    panel.set(xscale="log", yscale="log")
    for line, (engine, marker) in enumerate({OURS: "o", THEIRS: "s"}.items()):
        mine = [p for p in points if p.engine == engine]
        x, y = [p.value for p in mine], [getattr(p, cost) for p in mine]
        colour = style.MODEL_COLOURS[line]
        panel.plot(x, y, marker, color=colour, label=engine)
        power, factor = exponent(x, y)
        panel.plot(x[-FITTED:], factor * np.array(x[-FITTED:], float) ** power, color=colour)
        text, place = f"$\\propto x^{{{round(power, 1) + 0.0}}}$", (0.05, 1.0 - 0.11 * line)
        panel.annotate(text, place, xycoords="axes fraction", color=colour, va="top")
    panel.margins(x=0.15, y=0.3)


def write(folder: Path, reduced: bool, threads: int) -> None:
    """Measure and write ``scaling.json``, ``scaling.svg`` and ``scaling.png``."""
    say("scaling: time and memory against field, aperture, thickness and conditions")
    axes, base = (REDUCED, SMALL) if reduced else (FULL, Work())
    points = measure(axes, base, threads)
    facts = {
        "machine": f"{processor()}, {threads} threads",
        "otherwise": asdict(base),
        "points": [asdict(p) for p in points],
    }
    with atomic_path(folder / "scaling.json") as path:
        path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    draw(points, axes, [folder / "scaling.svg", folder / "scaling.png"])


def main() -> None:
    """Measure from the command line."""
    options = parser(__doc__)
    options.add_argument("--folder", type=Path, default=Path("results/bench"), help="to write to")
    given = options.parse_args()
    write(given.folder, given.reduced, given.threads)


if __name__ == "__main__":
    main()
