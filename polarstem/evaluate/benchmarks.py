# SPDX-License-Identifier: GPL-3.0-or-later
"""Time and memory of the workflow's jobs, from Snakemake's benchmark files."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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
    records = defaultdict(list)
    finished: dict[str, float] = defaultdict(float)
    for path, rule, record in _records(Path(folder)):
        if _wanted(record.get("wildcards") or {}, config):
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


def _wanted(wildcards: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    allowed = {
        "domain": config["domains"],
        "model": config["models"],
        "source": config["train"]["sources"],
        "seed": [str(seed) for seed in config["train"]["seeds"]],
    }
    if any(str(wildcards[key]) not in names for key, names in allowed.items() if key in wildcards):
        return False
    if "specimen" not in wildcards:
        return True
    specimen_set, class_name, split, index = str(wildcards["specimen"]).rsplit("-", 3)
    if specimen_set not in config["specimens"]:
        return False
    settings = config["specimens"][specimen_set]
    classes = settings.get("classes")
    known = classes is None or class_name in classes
    return known and int(index) < settings["per_class"].get(split, 0)
