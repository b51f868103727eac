# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that are killed: nothing half done stays, and the numbers come out the same."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase.io import read
from runs import (
    command,
    environment,
    existing,
    read_netcdf,
    same_models,
    same_numbers,
    snakemake,
)
from safetensors.numpy import load_file

pytestmark = pytest.mark.slow

SPECIMENS = ("tiny_phonons-RM-test-0", "tiny_phonons-LM-test-0")
DATASET = "datasets/warm.nc"  # of these specimens
PREDICTIONS = "predictions/tiny_cnn"  # on it, among others


def interrupt(folder: Path, moment: str, how: signal.Signals, delay: float) -> None:
    """Start the workflow and end all its processes soon after `moment` is seen in its output."""
    log = folder / "interrupted.log"
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            # one core here, two in the undisturbed run: numbers must not depend on it
            command("--cores", "1"),
            cwd=folder,
            env=environment(),
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # a background job of a shell ignores SIGINT, and so do its descendants
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        deadline = time.monotonic() + 300
        while moment not in log.read_text(encoding="utf-8"):
            assert process.poll() is None, log.read_text(encoding="utf-8")[-3000:]
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")[-3000:]
            time.sleep(0.05)
        time.sleep(delay)
        os.killpg(process.pid, how)
        assert process.wait(timeout=60) != 0
    if how is signal.SIGINT:
        with_children_gone(process.pid)


def with_children_gone(group: int) -> None:
    """Wait until the whole process group has ended."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("a job outlived the interrupted run")


def everything_present_is_whole(results: Path) -> None:
    """Read all that stands under its final name."""
    for name, (size, _) in existing(results).items():
        path = results / name
        assert size, path
        match path.suffix:
            case ".nc":
                read_netcdf(path)
            case ".xyz":
                read(path)
            case ".safetensors":
                assert load_file(path)
                assert (path.parent / "model.json").is_file()
            case ".npz":
                with np.load(path, allow_pickle=False) as arrays:
                    assert all(arrays[name].size for name in arrays.files)


def test_killed_runs_complete_with_the_same_numbers(
    tiny: SimpleNamespace, copy_of_tiny: Path
) -> None:
    results = copy_of_tiny / "results"
    for made in ("metrics.csv", "summary.json", "report.html"):
        (results / made).unlink()
    for made in ("structures", "figures"):
        shutil.rmtree(results / made)

    simulations = [f"simulations/{specimen}.nc" for specimen in SPECIMENS]
    # what is taken away, with what hangs on it, so that a stage is at work when its moment comes
    for gone, moment, how, delay in (
        ([*simulations, DATASET, PREDICTIONS], "grid points", signal.SIGKILL, 0.3),
        ([], "grid points", signal.SIGINT, 0.3),
        ([], "rule assemble_dataset:", signal.SIGKILL, 1.0),
        (["models/tiny_cnn"], "epoch 1 of at most 3", signal.SIGKILL, 0.0),
        ([], "rule predict_patterns:", signal.SIGINT, 1.5),
    ):
        for name in gone:
            path = results / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        interrupt(copy_of_tiny, moment, how, delay)
        everything_present_is_whole(results)

    snakemake(copy_of_tiny, "--cores", "1")
    everything_present_is_whole(results)
    reference = tiny.folder / "results"
    for path in sorted(reference.rglob("*.nc")):
        same_numbers(path, results / path.relative_to(reference))
    for name in ("metrics.csv", "datasets/manifest.json"):
        assert (results / name).read_text() == (reference / name).read_text()
    assert same_models(reference / "models", results / "models") >= 8
    left = [p for p in results.rglob(".*") if p.name != ".snakemake_timestamp"]
    assert not left, "temporary files of killed jobs were left"


def test_two_runs_do_not_work_in_one_folder(tmp_path: Path, tiny: SimpleNamespace) -> None:
    """The second is told; the first goes on."""
    import fcntl

    lock = tiny.folder / ".snakemake" / "polarstem.lock"
    report = tiny.folder / "results" / "report.html"
    before = report.stat()
    with lock.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        text = snakemake(
            tiny.folder, "--cores", "1", "--force", "write_report", succeeds=False
        ).stdout
    assert "Another run is at work" in text
    assert "Traceback" not in text
    assert report.stat() == before
