# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns per second out of a scattering matrix, as for a stream of training data.

Every condition has its own tilt, aberrations, thickness and 16 positions, and Poisson noise. On
the CPU conditions run side by side on one thread each; a GPU takes one after the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from benchmarks.common import knn, main, microscope, say, timed
from benchmarks.rows import Options, Row, throughput
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.scattering_matrix.matrix import ScatteringMatrix
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix

CELLS = 4
POSITIONS = 16


def random_condition(eye: VirtualMicroscope) -> Callable[[int], torch.Tensor]:
    """Make a function that measures the random condition of a seed."""
    thicknesses = eye.matrix.nominal_nm

    def measure(seed: int) -> torch.Tensor:
        rng = np.random.default_rng(seed)
        aberrations = {"C10": float(rng.normal(0, 50)), "C12": float(rng.uniform(0, 30))}
        optics = Optics(24.0, aberrations, tuple(rng.uniform(-2, 2, 2).tolist()))
        nm = float(rng.choice(thicknesses))
        positions = rng.random((POSITIONS, 2)) * eye.matrix.grid.size
        return eye.measure(positions, [nm], optics, dose=1e5, seed=seed)

    return measure


def on_cpu(matrix: ScatteringMatrix, options: Options, conditions: int) -> Row:
    """Measure on as many cores as there are threads."""
    settings = microscope(40)
    measure = random_condition(VirtualMicroscope(matrix, settings.detector))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with ThreadPoolExecutor(options.threads) as pool:

        def work() -> None:
            list(pool.map(measure, range(conditions)))

        work()
        seconds = _repeated(work, options.runs)
    torch.set_num_threads(before)
    what = _what(f"{options.threads} cores")
    return throughput(what, seconds, POSITIONS * conditions, options, target=">= 9000")


def on_gpu(matrix: ScatteringMatrix, options: Options, conditions: int) -> Row:
    """Measure on the GPU that torch sees."""
    settings = microscope(40)
    measure = random_condition(VirtualMicroscope(matrix, settings.detector, device="cuda"))

    def work() -> None:
        for seed in range(conditions):
            measure(seed)
        torch.cuda.synchronize()

    work()
    name = torch.cuda.get_device_name()
    return throughput(_what(name), _repeated(work, options.runs), POSITIONS * conditions, options)


def _what(where: str) -> str:
    return (
        f"measurement on {where}: 64 x 64 pixels, {POSITIONS} positions per random condition, "
        "Poisson noise"
    )


def _repeated(work: Callable[[], None], runs: int) -> list[float]:
    seconds = []
    for run in range(runs):
        seconds.append(timed(work, time.perf_counter)[0])
        say(f"  run {run + 1} of {runs}: {seconds[-1]:.3g} s")
    return seconds


def rows(options: Options) -> list[Row]:
    """Measure on the CPU, and on a GPU where there is one."""
    say("measurement: patterns per second")
    nm = (2.0, 4.0) if options.reduced else (10.0, 20.0, 30.0, 40.0, 50.0, 60.0)
    conditions = 50 if options.reduced else 500
    matrix = compute_scattering_matrix(
        knn(1, max(nm)),
        nm,
        microscope(40),
        cells=(CELLS, CELLS),
        margin_mrad=3.0,
        threads=options.threads,
    )
    found = [on_cpu(matrix, options, conditions)]
    if torch.cuda.is_available():
        found.append(on_gpu(matrix, options, conditions))
    return found


if __name__ == "__main__":
    main(rows, __doc__)
