# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged configurations, checked and estimated as before a run."""

from __future__ import annotations

import random
import re
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.corpus.mutate import as_yaml, damaged, damaged_text

ROOT = Path(__file__).resolve().parents[2]
BASES = (
    *("tests/configs/plain.yaml", "tests/configs/tiny.yaml"),
    *("config.yaml", "resources/presets/paper.yaml", "resources/experiments.yaml"),
)
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,200}")

name = "config"


@cache
def _base(path: str) -> tuple[str, Any]:
    text = (ROOT / path).read_text(encoding="utf-8")
    return text, yaml.safe_load(text)


def prepare() -> None:
    """Import what checking takes."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.yaml").write_text(_base(BASES[0])[0])
        attempt(Path(folder))


def make(folder: Path, seed: int) -> str:
    """Write ``config.yaml``: whole ones and parts of the standard benchmark, damaged."""
    rng = random.Random(seed)
    # small ones more often: large ones take longer to check
    base = rng.choices(BASES, (6, 5, 1, 1, 2))[0]
    text, data = _base(base)
    if rng.random() < 0.25:
        damage, told = damaged_text(text, rng)
    else:
        data, told = damaged(data, rng)
        damage = as_yaml(data).encode("utf-8", "surrogatepass")
    (folder / "config.yaml").write_bytes(damage)
    return f"{base}: {told}"


def attempt(folder: Path) -> None:
    """Check it, and estimate the run."""
    from polarstem.config import load
    from polarstem.config.accuracy_warnings import accuracy_warnings
    from polarstem.config.estimate import sentence, table
    from polarstem.config.plan import all_specimens
    from polarstem.config.work import all_jobs

    config = load(folder / "config.yaml")
    specimens = all_specimens(config)
    accuracy_warnings(config)
    jobs = all_jobs(config)
    table(jobs)
    sentence(jobs, 8)
    # names become names of files in the results folder
    used = [*(plan.name for plan in specimens), *config.used_domains(), *config.models]
    used += [*config.experiments, *config.train.sources]
    assert all(_NAME.fullmatch(each) and each not in (".", "..") for each in used), used
