# SPDX-License-Identifier: GPL-3.0-or-later
"""Break one line at a time and see the test fail that guards it.

``python -m tests.mutants`` tries all mutations; words behind it choose those that they occur in.
Exit code 1 says that one survived, or that a list is out of date.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path
from shutil import copy2, copytree
from typing import NoReturn

import pytest

from tests.mutants.mutation import ROOT, Mutation, load, problems

# what tests read besides the package
NEEDED = ("polarstem", "tests", "benchmarks", "resources", "workflow", "docs")
FILES = ("pyproject.toml", "config.yaml", "Snakefile")
LIBRARIES = ("abtem", "lightning", "netCDF4", "pyfftw", "scipy.optimize", "sklearn", "xarray")


def copy_project(folder: Path) -> None:
    """Copy what tests need, compiled files with it."""
    for name in NEEDED:
        copytree(ROOT / name, folder / name)
    for name in FILES:
        copy2(ROOT / name, folder / name)


def passes(tests: list[str], folder: Path) -> bool:
    """Whether tests pass; RuntimeError where they do not run at all.

    In a fork: what takes longest, to load the libraries, was done before.
    """
    log = folder / "pytest.log"
    process = multiprocessing.get_context("fork").Process(target=_pytest, args=(tests, folder, log))
    process.start()
    process.join()
    if process.exitcode not in (0, 1):
        raise RuntimeError(log.read_text(encoding="utf-8")[-4000:])
    return process.exitcode == 0


def _pytest(tests: list[str], folder: Path, log: Path) -> NoReturn:
    os.chdir(folder)
    with log.open("wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
        code = pytest.main(["-q", "-x", "-p", "no:cacheprovider", "--no-header", *tests])
        sys.stdout.flush()
    os._exit(int(code))


def survives(mutation: Mutation, folder: Path) -> bool:
    """Whether the test passes although the line is broken."""
    path = folder / mutation.file
    text, times = path.read_text(encoding="utf-8"), path.stat()
    path.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
    try:
        return passes([mutation.test], folder)
    finally:
        path.write_text(text, encoding="utf-8")
        # compiled files go by the time
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def main(words: list[str]) -> int:
    mutations = [m for m in load() if all(word in str(m) for word in words)]
    wrong = problems(mutations)
    if wrong or not mutations:
        print("\n".join(wrong) or "no such mutation")
        return 1
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    for name in LIBRARIES:
        importlib.import_module(name)
    survivors = []
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_project(folder)
        if not passes(sorted({m.test for m in mutations}), folder):
            print("The tests fail before anything is broken.")
            return 1
        for number, mutation in enumerate(mutations, 1):
            begun = time.perf_counter()
            alive = survives(mutation, folder)
            survivors += [mutation] * alive
            word = "SURVIVES" if alive else "killed"
            seconds = time.perf_counter() - begun
            print(f"{number}/{len(mutations)} {word} {seconds:.0f} s  {mutation}", flush=True)
    spent = time.perf_counter() - start
    print(f"{len(mutations) - len(survivors)} of {len(mutations)} killed in {spent:.0f} s")
    return int(bool(survivors))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
