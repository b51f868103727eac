# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the real Snakemake on copies of the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pandas as pd
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parents[2]
TINY = "tests/configs/tiny.yaml"
# all that the workflow makes: never part of the sources
MADE = ("results", "logs", "quick", "site", "report.zip")
MADE += (".snakemake", ".venv", ".site-venv", ".git", ".hypothesis")


def copy_sources(target: Path) -> None:
    """Copy what a clone of the repository would hold."""
    shutil.copytree(ROOT, target, ignore=_not_source, symlinks=True)


def _not_source(folder: str, names: list[str]) -> list[str]:
    made = MADE if Path(folder) == ROOT else ()
    return [n for n in names if n in made or n == "__pycache__" or n.endswith("_cache")]


def command(*arguments: str, config: str = TINY) -> list[str]:
    """Command line of Snakemake with a config file."""
    return [sys.executable, "-m", "snakemake", *arguments, "--configfile", config]


def environment() -> dict[str, str]:
    """The caller's environment without what would put this repository on the path."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


def snakemake(
    folder: Path, *arguments: str, config: str = TINY, succeeds: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in a folder; stdout holds standard error too.

    `succeeds` says how it must end.
    """
    done = subprocess.run(
        command(*arguments, config=config),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )
    assert (done.returncode == 0) == succeeds, done.stdout[-5000:]
    return done


def planned(folder: Path, *arguments: str, config: str = TINY) -> dict[str, int]:
    """Number of jobs of each rule that a dry run shows; `all` and the total left out."""
    text = snakemake(folder, "-n", *arguments, config=config).stdout
    if "Nothing to be done" in text:
        return {}
    table = text[text.index("Job stats:") :].split("\ntotal ")[0]
    jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}
    jobs.pop("all", None)
    assert jobs, text
    return jobs


def existing(results: Path) -> dict[Path, tuple[int, int]]:
    """Size and time of every result that stands under its final name; benchmarks left out."""
    found = {}
    for path in sorted(results.rglob("*")):
        name = path.relative_to(results)
        if path.is_dir() or name.parts[0] == "benchmarks":
            continue
        if not any(part.startswith(".") for part in name.parts):
            found[name] = (path.stat().st_size, path.stat().st_mtime_ns)
    return found


def read_netcdf(path: Path) -> dict[str, Any]:
    """All values of all variables."""
    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        return {name: variable[...] for name, variable in file.variables.items()}


def same_numbers(first: Path, second: Path) -> None:
    """Check that two netCDF files hold the same variables, bit for bit."""
    one, other = read_netcdf(first), read_netcdf(second)
    assert one.keys() == other.keys()
    for name in one:
        # equal_nan does not go with text
        equal_nan = np.asarray(one[name]).dtype.kind == "f"
        assert np.array_equal(one[name], other[name], equal_nan=equal_nan), (first.name, name)


def same_models(first: Path, second: Path) -> int:
    """Compare weights, arrays and histories; the time that an epoch took may differ."""
    compared = 0
    for path in sorted(first.rglob("*")):
        other = second / path.relative_to(first)
        if path.suffix == ".safetensors":
            one, two = load_file(path), load_file(other)
        elif path.suffix == ".npz":
            one, two = dict(np.load(path)), dict(np.load(other))
        elif path.name == "history.csv":
            one, two = (dict(pd.read_csv(p).drop(columns="seconds")) for p in (path, other))
        else:
            continue
        assert one.keys() == two.keys()
        for name in one:
            assert np.array_equal(one[name], two[name]), (path, name)
        compared += 1
    return compared
