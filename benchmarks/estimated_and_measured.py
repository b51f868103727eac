# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run was estimated to take against what it took.

``python -m benchmarks.estimated_and_measured RESULTS`` reads the benchmark files of a finished run
and its ``config.resolved.yaml`` and prints, for each rule, jobs, core-seconds estimated and
measured, and their ratio. ``--fit`` prints the rates that would fit this run
(`polarstem.config.estimate`).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from polarstem.config import load
from polarstem.config.estimate import seconds
from polarstem.config.work import Job, all_jobs


def measured(results: Path, job: Job) -> float | None:
    """CPU seconds of a job; None where it has not run."""
    path = results / "benchmarks" / job.rule / f"{job.name}.jsonl"
    if not job.name:
        path = results / "benchmarks" / f"{job.rule}.jsonl"
    if not path.is_file():
        return None
    return float(json.loads(path.read_text(encoding="utf-8").splitlines()[-1])["cpu_time"])


def fit(pairs: list[tuple[Job, float]]) -> dict[str, float]:
    """Start and rates of one rule, not negative, that come nearest to what was measured."""
    terms = list(dict.fromkeys(term for job, _ in pairs for term in job.work))
    amounts = np.array([[1.0, *(job.work.get(term, 0.0) for term in terms)] for job, _ in pairs])
    taken = np.array([time for _, time in pairs])
    relative = 1 / np.maximum(taken, 1.0)
    found, _ = nnls(amounts * relative[:, None], taken * relative)
    return dict(zip(["start", *terms], found, strict=True))


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--config", type=Path, help="that of the run, while it goes on")
    parser.add_argument("--fit", action="store_true")
    given = parser.parse_args()
    resolved = given.config or given.results / "config.resolved.yaml"
    by_rule: dict[str, list[tuple[Job, float]]] = {}
    for job in all_jobs(load(resolved)):
        time = measured(given.results, job)
        if time is not None:
            by_rule.setdefault(job.rule, []).append((job, time))
    totals = np.zeros(2)
    print(f"{'rule':26} {'jobs':>4} {'estimated [s]':>13} {'measured [s]':>12} {'ratio':>6}")
    for rule, pairs in by_rule.items():
        both = np.array([[seconds(job), time] for job, time in pairs]).sum(0)
        totals += both
        print(f"{rule:26} {len(pairs):4} {both[0]:13.0f} {both[1]:12.0f} {both[0] / both[1]:6.2f}")
        if given.fit:
            print("   ", {term: float(f"{rate:.3g}") for term, rate in fit(pairs).items()})
    print(f"{'all':31} {totals[0]:13.0f} {totals[1]:12.0f} {totals[0] / totals[1]:6.2f}")


if __name__ == "__main__":
    main()
