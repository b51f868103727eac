# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run will take: core-hours, time on so many cores, disk and memory, stage by stage.

Rates are those of one core of a server processor of 2023 (Intel Xeon, AVX-512). ``python -m
benchmarks.estimated_and_measured RESULTS`` holds them against a finished run's benchmark files.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from polarstem.config.work import Job

START: Mapping[str, float] = {
    "build_structures": 1.0,
    "compute_scattering_matrix": 2.5,
    "compute_thermal_matrices": 2.5,
    "simulate_patterns": 9.0,
    "simulate_scene": 18.0,
    "measure_dataset": 9.0,
    "assemble_dataset": 2.0,
    "compute_library": 8.0,
    "adapt_predictions": 40.0,
    "map_defect_free": 8.0,
    "map_scan": 8.0,
}
"""Seconds of a job before its work: imports, and reading what it needs."""
OTHER_START = 4.0
RATES: Mapping[str, float] = {
    "specimens": 0.08,
    "matrix": 3.2,
    "thermal": 4.3,
    "multislice": 4.5,
    "window": 7.6,
    "specimens_measured": 0.0,
    "read": 0.0042,
    "assembled": 0.2,
    "compared": 0.015,
    "scans fitted": 60.0,
    "stream": 550.0,
    "train cnn": 800.0,
    "train resnet10t": 2400.0,
    "train resnet18": 4200.0,
    "train vgg11": 11600.0,
    "train vgg11_bn": 11600.0,
    "train equivariant": 120.0,
    "train pca_knn": 565.0,
    "train linear": 900.0,
    "train template": 760.0,
    "train deflection": 0.0,
    "predict cnn": 550.0,
    "predict resnet10t": 1200.0,
    "predict resnet18": 2100.0,
    "predict vgg11": 5200.0,
    "predict vgg11_bn": 5200.0,
    "predict equivariant": 95.0,
    "predict pca_knn": 94.0,
    "predict linear": 60.0,
    "predict template": 1800.0,
    "predict deflection": 0.0,
    "adapt symmetry": 0.0,
    "adapt prototypes": 34600.0,
    "adapt batch_statistics": 7300.0,
    "information": 0.019,
    "budget": 0.36,
    "displaced": 22.0,
    "fitted": 135.0,
    "library": 9.8,
    "mapped": 0.07,
    "compute_metrics": 10.0,
    "answer_claims": 10.0,
    "draw_figures": 10.0,
}
"""Seconds of one core for a unit of work, `polarstem.config.work`."""
UNKNOWN = 2400.0
"""Rate of networks that were not measured, as guessed [s per million patterns]."""
SCHEDULING = 0.5
"""Seconds of a core that Snakemake takes for each job."""


def seconds(job: Job) -> float:
    """Time that one core needs for a job [s]."""
    work = sum(amount * RATES.get(term, UNKNOWN) for term, amount in job.work.items())
    return START.get(job.rule, OTHER_START) + work


class Stage(NamedTuple):
    """All jobs of a rule: their number, core-hours, largest memory [MB] and disk [MB]."""

    rule: str
    jobs: int
    core_hours: float
    memory_mb: float
    disk_mb: float


def stages(planned: Sequence[Job]) -> list[Stage]:
    """Sum up jobs by rule, in the order of the workflow."""
    found: dict[str, list[Job]] = {}
    for job in planned:
        found.setdefault(job.rule, []).append(job)
    return [
        Stage(
            rule,
            len(members),
            sum(map(seconds, members)) / 3600,
            max(job.memory_mb for job in members),
            sum(job.disk_mb for job in members),
        )
        for rule, members in found.items()
    ]


def wall_hours(planned: Sequence[Job], cores: int) -> float:
    """Time of a run on so many cores of one machine [h].

    The longest job goes to the cores that are free first, and so on: what waits for what is left
    out, which is little where stages have many jobs.
    """
    free = [0.0] * cores
    for job in sorted(planned, key=seconds, reverse=True):
        taken = min(job.threads, cores)
        begin = max(heapq.heappop(free) for _ in range(taken))
        end = begin + seconds(job) / taken + SCHEDULING
        for _ in range(taken):
            heapq.heappush(free, end)
    return max(free) / 3600


def sentence(planned: Sequence[Job], cores: int | None) -> str:
    """Say in one line what a run will take from nothing; without cores, as on a cluster."""
    core_hours = sum(map(seconds, planned)) / 3600
    if cores is None:
        longest = max(seconds(job) / job.threads for job in planned) / 3600
        time = f"the longest job takes {_time(longest)}"
    else:
        time = f"{_time(wall_hours(planned, cores))} on {cores} core{'s' * (cores > 1)}"
    told = (
        f"From nothing, this run takes about {core_hours:.1f} core-hours, {time}; "
        f"{_size(sum(job.disk_mb for job in planned))} of disk, and "
        f"{_size(max(job.memory_mb for job in planned))} of memory for the largest job."
    )
    on_gpu = sum(seconds(job) for job in planned if job.wants_gpu) / 3600
    if on_gpu:
        told += (
            f" {on_gpu:.1f} of these hours are trainings, counted as if on cores: on the GPUs that "
            "`train.device` asks for they take less, by how much was not measured."
        )
    return told


def table(planned: Sequence[Job]) -> str:
    """Stages of a run, a line each."""
    lines = [f"{'stage':26} {'jobs':>5} {'core-hours':>10} {'memory':>8} {'disk':>8}"]
    for stage in stages(planned):
        memory = _size(stage.memory_mb) if stage.memory_mb else "small"
        disk = _size(stage.disk_mb) if stage.disk_mb else "small"
        lines.append(
            f"{stage.rule:26} {stage.jobs:5} {stage.core_hours:10.2f} {memory:>8} {disk:>8}"
        )
    return "\n".join(lines)


def guesses(planned: Sequence[Job]) -> list[str]:
    """Models whose time is a guess, because none of their kind was measured."""
    terms = {term for job in planned for term in job.work if term not in RATES}
    return sorted({term.partition(" ")[2] for term in terms})


def _time(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 2 else f"{max(1, round(60 * hours))} min"


def _size(megabytes: float) -> str:
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes:.0f} MB"
