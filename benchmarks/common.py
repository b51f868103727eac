# SPDX-License-Identifier: GPL-3.0-or-later
"""What all benchmarks share: the crystal, timing, the command line.

Both sides of a comparison run in turns in one process on the same cores and must give the same
patterns; times are medians.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import abtem
import dask
import numpy as np
import pyfftw
import torch

from benchmarks.rows import Options, Row, table, write_rows
from polarstem.config.physics import Simulate
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.multislice.probes import Sampling, on_camera
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.simulate.wave.plane_waves import spread_offsets
from polarstem.structures.variants import Vector, classes

AGREEMENT = 5e-5  # largest relative L1 distance of two patterns that count as the same
PIXELS, MRAD_PER_PIXEL = 64, 1.75
RIGHT: Vector = (1, 0, 1)  # a variant of the O phase, polar to the right along [001]


_clock = time.perf_counter


def say(text: str) -> None:
    """Show progress, apart from the table."""
    print(text, file=sys.stderr, flush=True)


def timed(work: Callable[[], Any], clock: Callable[[], float] | None = None) -> tuple[float, Any]:
    """Seconds and result of one call, by the clock that all benchmarks use or another."""
    clock = clock or _clock
    start = clock()
    result = work()
    return clock() - start, result


def set_up(given: argparse.Namespace) -> Options:
    """Threads, clock and sizes as the command line asks for them."""
    global _clock
    torch.set_num_threads(given.threads)
    if given.cpu_time:
        _clock = time.process_time
    return Options(given.reduced, given.threads, given.runs, given.cpu_time)


def alternate(
    sides: Mapping[str, Callable[[], Any]], runs: int, warm: bool = False
) -> tuple[list[list[float]], list[Any]]:
    """Run every side in turn, several times over.

    FFTW remembers measured plans for the whole process and would lend those of one side to the
    other; so each side keeps its own.

    Parameters
    ----------
    sides : mapping
        Work of each side, by name.
    runs : int
        Timed runs of each.
    warm : bool
        Whether each side runs once before, untimed.

    Returns
    -------
    times : list
        For each side, the seconds of all runs.
    results : list
        What each side gave last.
    """
    times: list[list[float]] = [[] for _ in sides]
    results: list[Any] = [None for _ in sides]
    plans: list[Any] = [None for _ in sides]
    for run in range(0 if warm else 1, runs + 1):
        for side, (name, work) in enumerate(sides.items()):
            pyfftw.forget_wisdom()
            if plans[side]:
                pyfftw.import_wisdom(plans[side])
            seconds, results[side] = timed(work)
            plans[side] = pyfftw.export_wisdom()
            if run:
                times[side].append(seconds)
                say(f"  run {run} of {runs}, {name}: {seconds:.3g} s")
    return times, results


def check(ours: Any, theirs: Any) -> float:
    """Give the largest relative L1 distance of two patterns, or stop if they differ.

    Parameters
    ----------
    ours, theirs : array_like, shape (..., ky, kx)
        Patterns on the same detector.
    """
    a, b = np.asarray(ours), np.asarray(theirs)
    if a.shape != b.shape:
        raise SystemExit(f"The two sides gave patterns of shapes {a.shape} and {b.shape}.")
    distance = float((np.abs(a - b).sum((-1, -2)) / b.sum((-1, -2))).max())
    if not distance <= AGREEMENT:
        raise SystemExit(
            f"The two sides disagree by {distance:.1e} of a pattern, more than {AGREEMENT:g}; "
            "their times cannot be compared."
        )
    return distance


@contextmanager
def plain_abtem(threads: int) -> Iterator[None]:
    """abTEM as it is installed, with measured FFT plans, on a number of dask's threads."""
    with (
        abtem.config.set({"device": "cpu", "diagnostics.progress_bar": False}),
        dask.config.set(scheduler="threads", num_workers=threads),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", module="abtem")
        yield


def scan(probe: abtem.Probe, slab: Any, positions: np.ndarray, batch: int = 8) -> Any:
    """abTEM's patterns of probe positions as a user asks for them."""
    measurement: Any = probe.scan(
        slab,
        scan=abtem.CustomScan(positions),
        detectors=abtem.PixelatedDetector(max_angle="cutoff"),
        max_batch=batch,
    )
    return measurement.compute()


def detected(measurement: Any, shape: tuple[int, int]) -> np.ndarray:
    """Bring abTEM's measurement onto our detector, shape (thickness, position, ky, kx)."""
    array = np.asarray(measurement.array)
    x, y = measurement.angular_sampling
    images = on_camera(
        array.reshape(-1, *array.shape[-2:]), Sampling((x, y)), Camera(PIXELS, MRAD_PER_PIXEL)
    )
    return images.reshape(*shape, PIXELS, PIXELS)


def microscope(pixels_per_cell: int, **settings: Any) -> Simulate:
    """The microscope of all benchmarks: 200 kV, 24 mrad, 64 x 64 pixels to 56 mrad."""
    detector = {"pixels": PIXELS, "mrad_per_pixel": MRAD_PER_PIXEL}
    return Simulate.model_validate(
        {"pixels_per_cell": pixels_per_cell, "detector": detector, **settings}
    )


def perovskite(
    material: str,
    phase: str,
    variant: Vector,
    cells: int,
    thickness_nm: float,
    a_site: str = "virtual",
    amplitude: float = 1.0,
) -> Crystal:
    """A field of a material of `resources/crystals.yaml` along [001]."""
    polar = next(c for c in classes(phase, (0, 0, 1)) if variant in c.variants)
    return Crystal.build(
        {
            "material": material,
            "phase": phase,
            "variant": variant,
            "zone_axis": (0, 0, 1),
            "cells": (cells, cells),
            "thickness_nm": thickness_nm,
            "a_site": a_site,
            "amplitude": amplitude,
            "name": "benchmark",
            "specimen_set": "benchmark",
            "split": "test",
            "class_index": polar.index,
            "class_name": polar.name,
            "direction_deg": polar.direction_deg,
        }
    )


def knn(
    cells: int, thickness_nm: float, variant: Vector = RIGHT, a_site: str = "virtual"
) -> Crystal:
    """KNN of the O phase along [001], with averaged K/Na unless said otherwise."""
    return perovskite("KNN", "O", variant, cells, thickness_nm, a_site)


def from_matrices(
    crystal: Crystal,
    settings: Simulate,
    cells: int,
    thicknesses_nm: Sequence[float],
    positions: np.ndarray,
    thermal_scale: float = 1.0,
    offsets: int = 1,
    threads: int = 1,
) -> np.ndarray:
    """Patterns from scattering matrices, shape (thickness, position, ky, kx).

    The mean over `offsets` matrices, each with plane waves of its own (`spread_offsets`).
    """
    patterns: Any = 0.0
    for down, right in spread_offsets(offsets).tolist():
        matrix = compute_scattering_matrix(
            crystal,
            thicknesses_nm,
            settings,
            cells=(cells, cells),
            thermal_scale=thermal_scale,
            offset=(down, right),
            ensemble=offsets,
            threads=threads,
        )
        eye = VirtualMicroscope(matrix, settings.detector)
        optics = Optics(settings.semiangle_mrad)
        patterns = patterns + eye.measure(positions, thicknesses_nm, optics).numpy() / offsets
    return np.asarray(patterns)


def l1(patterns: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Relative L1 distance at each thickness, mean over positions, shape (thickness,)."""
    distance: np.ndarray = np.abs(patterns - reference).sum((1, 2, 3))
    return distance / reference.sum((1, 2, 3))


def raster(cell: float, side: int) -> np.ndarray:
    """Square raster of probe positions over one cell, shape (n, 2) [Å]."""
    along = (np.arange(side) + 0.5) / side * cell
    return np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2)


def parser(description: str | None) -> argparse.ArgumentParser:
    """Options that all programs take."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--reduced", action="store_true", help="small sizes, for a quick look")
    options.add_argument("--threads", type=int, default=2, help="of each side (default: 2)")
    options.add_argument("--runs", type=int, default=3, help="of each side (default: 3)")
    options.add_argument(
        "--cpu-time",
        action="store_true",
        help="count CPU time of all threads, where other programs share the cores",
    )
    return options


def main(rows: Callable[[Options], list[Row]], description: str | None) -> None:
    """Run one benchmark from the command line."""
    options = parser(description)
    options.add_argument("--output", type=Path, help="JSON file to write")
    given = options.parse_args()
    done = rows(set_up(given))
    print(table(done))
    if given.output:
        write_rows(done, given.output)
