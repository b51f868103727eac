# SPDX-License-Identifier: GPL-3.0-or-later
"""Time and memory of the workflow's jobs, from Snakemake's benchmark files."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polarstem.config import Config, plan


@dataclass(frozen=True)
class StageUse:
    """What the jobs of one rule took.

    Attributes
    ----------
    jobs : int
    seconds : float
        Wall-clock time of all jobs, added up [s].
    max_rss_mb : float or None
        Largest resident memory of any one job [MB]; None where all jobs were too short to
        be sampled.
    """

    jobs: int
    seconds: float
    max_rss_mb: float | None


def stage_use(folder: Path | str, config: Mapping[str, Any]) -> dict[str, StageUse]:
    """Add up the benchmark files of a run.

    Parameters
    ----------
    folder : path
        Holds ``{rule}.jsonl`` or ``{rule}/**/*.jsonl``, one file per job, as Snakemake writes
        them.
    config : mapping
        The resolved config. Files of jobs that it does not ask for, left by an earlier run with
        another config, are passed over.

    Returns
    -------
    dict of str to StageUse
        By rule, in the order in which the rules were last at work.
    """
    wanted = _wanted(Config.model_validate(config))
    records = defaultdict(list)
    finished: dict[str, float] = defaultdict(float)
    for path, rule, record in _records(Path(folder)):
        wildcards = (record.get("wildcards") or {}).items()
        if all(key not in wanted or str(value) in wanted[key] for key, value in wildcards):
            records[rule].append(record)
            finished[rule] = max(finished[rule], path.stat().st_mtime)
    stages = {}
    for rule in sorted(records, key=finished.__getitem__):
        memory = [r["max_rss"] for r in records[rule] if isinstance(r.get("max_rss"), int | float)]
        stages[rule] = StageUse(
            jobs=len(records[rule]),
            seconds=float(sum(record["s"] for record in records[rule])),
            max_rss_mb=float(max(memory)) if memory else None,
        )
    return stages


def _records(folder: Path) -> Iterator[tuple[Path, str, dict[str, Any]]]:
    """Last complete record of each file; a job killed while writing leaves none."""
    for path in sorted(folder.rglob("*.jsonl")):
        for line in reversed(path.read_text(encoding="utf-8").splitlines()):
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(record.get("s"), int | float):
                rule = path.relative_to(folder).parts[0].removesuffix(".jsonl")
                yield path, rule, record
                break


def _wanted(config: Config) -> dict[str, set[str]]:
    """Values of wildcards that a run has jobs for."""
    simulated = [
        specimen.name
        for specimen in plan.all_specimens(config)
        if plan.engine_of(config, specimen.specimen_set)[0] == "multislice"
    ]
    return {
        "domain": set(config.domains),
        "model": set(config.models),
        "adapted": set(config.adaptations()),
        "source": set(config.train.sources),
        "seed": {str(seed) for seed in config.train.seeds},
        "crystal": {crystal.name for crystal in plan.all_crystals(config)},
        "specimen": set(simulated),
    }
