# SPDX-License-Identifier: GPL-3.0-or-later
"""FFT plans are measured once and then the same in every process."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyfftw
import pytest

from polarstem.simulate.wave import fftw_plans as plans


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(plans, "_recalled", set())
    return tmp_path


def measure() -> None:
    array = pyfftw.zeros_aligned((3, 18, 18), np.complex64)
    pyfftw.FFTW(array, array, axes=(1, 2), flags=(plans.EFFORT,))


def test_plans_are_measured_once(cache):
    rehearsals = []

    def rehearse():
        rehearsals.append(1)
        measure()

    plans.recall_plans("a", rehearse)
    plans.recall_plans("a", rehearse)
    assert len(rehearsals) == 1
    plans.forget_plans()
    plans.recall_plans("a", rehearse)
    assert len(rehearsals) == 1
    array = pyfftw.zeros_aligned((3, 18, 18), np.complex64)
    pyfftw.FFTW(array, array, axes=(1, 2), flags=(plans.EFFORT, "FFTW_WISDOM_ONLY"))
    plans.recall_plans("b", rehearse)
    assert len(rehearsals) == 2
    assert json.loads(plans.plans_file().read_text())["layouts"] == ["a", "b"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        '{"fftw": "other", "layouts": ["a"], "plans": []}',
        f'{{"fftw": "{pyfftw.fftw_version}", "layouts": [], "plans": [1, 2, 3]}}',
    ],
)
def test_a_useless_file_is_replaced(cache, content):
    plans.plans_file().parent.mkdir(parents=True)
    plans.plans_file().write_text(content)
    rehearsals = []
    plans.recall_plans("a", lambda: rehearsals.append(1))
    assert rehearsals
    assert json.loads(plans.plans_file().read_text())["layouts"] == ["a"]


def test_without_a_cache_plans_are_measured_anyway(cache, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "file" / "below"))
    (cache / "file").write_text("in the way")
    rehearsals = []
    plans.recall_plans("a", lambda: rehearsals.append(1))
    assert rehearsals


@pytest.mark.parametrize(
    ("where", "name", "number"),
    [
        pytest.param(fcntl, "flock", errno.ENOLCK, id="a file system without locks"),
        pytest.param(os, "open", errno.EACCES, id="a folder that cannot be written"),
        pytest.param(Path, "write_text", errno.ENOSPC, id="a full disk"),
        pytest.param(os, "replace", errno.EROFS, id="a file that cannot be replaced"),
    ],
)
def test_a_cache_that_fails_ends_no_job(cache, monkeypatch, caplog, where, name, number):
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    rehearsals = []
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, "polarstem"):
        patch.setattr(where, name, fail)
        plans.recall_plans("a", lambda: rehearsals.append(1))
        plans.recall_plans("a", lambda: rehearsals.append(1))
        plans.recall_plans("b", lambda: rehearsals.append(1))
    assert len(rehearsals) == 2, "once for each layout"
    assert [record.message[:27] for record in caplog.records] == ["FFTW's plans cannot be kept"]
    assert not plans.plans_file().exists()


def test_an_error_of_the_rehearsal_is_told(cache):
    def fail() -> None:
        raise OSError(errno.ENOLCK, "not the cache's")

    with pytest.raises(OSError, match="not the cache's"):
        plans.recall_plans("a", fail)
    plans.recall_plans("a", measure)  # the lock was given back
    assert plans.plans_file().exists()


PROCESS = """
import sys, numpy as np
from polarstem.config.physics import Simulate
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.multislice.abtem_run import simulate_patterns
import ase
atoms = ase.Atoms("Nb", [(1, 1, 1)], cell=(12, 12, 2), pbc=(True, True, False))
crystal = Crystal(atoms, (3, 3, 1), 1, 4.0, {}, {})
settings = Simulate(pixels_per_cell=24, detector={"pixels": 8, "mrad_per_pixel": 6.0})
positions = np.random.default_rng(0).random((5, 2)) * 12
sys.stdout.buffer.write(simulate_patterns(crystal, positions, [0.2], settings, 0).total.tobytes())
"""


def test_processes_agree_to_the_last_digit(cache):
    root = Path(__file__).resolve().parents[3]
    found = {
        subprocess.run(
            [sys.executable, "-c", PROCESS], capture_output=True, check=True, cwd=root
        ).stdout
        for _ in range(2)
    }
    assert len(found) == 1
    assert len(found.pop()) == 20
    assert "abTEM" in plans.plans_file().read_text()
