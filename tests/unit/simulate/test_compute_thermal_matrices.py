# SPDX-License-Identifier: GPL-3.0-or-later
"""Thermal configurations are written as they are made: one at a time in memory, all or no file."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
from scattering_cases import microscope

from polarstem.simulate.jobs import compute_thermal_matrices as job
from polarstem.simulate.scattering_matrix.thermal_matrices import ThermalMatrices

COUNT = 4


@pytest.fixture
def settings() -> dict[str, Any]:
    structure = {
        "material": "KNN",
        "name": "test",
        "specimen_set": "test",
        "split": "train",
        "class_index": 0,
        "class_name": "RM",
        "direction_deg": 0.0,
        "variant": (1, 0, 0),
        "phase": "T",
        "zone_axis": (0, 0, 1),
        "a_site": "random",
        "cells": (1, 1),
        "thickness_nm": 1.6,
        "seed": 3,
    }
    return {
        "structure": structure,
        "simulate": microscope(phonons={"configurations": COUNT}).model_dump(mode="json"),
        "thicknesses_nm": [0.8, 1.6],
        "cells": [2, 2],
        "margin_mrad": 1.0,
        "reach_mrad": 41.0,
    }


def test_one_configuration_at_a_time(settings, tmp_path, monkeypatch):
    made: list[weakref.ref[Any]] = []
    alive: list[int] = []
    compute = job.compute_scattering_matrix

    def watched(*arguments: Any, **options: Any) -> Any:
        gc.collect()
        alive.append(sum(ref() is not None for ref in made))
        matrix = compute(*arguments, **options)
        made.append(weakref.ref(matrix))
        return matrix

    monkeypatch.setattr(job, "compute_scattering_matrix", watched)
    job.compute_thermal_matrices(tmp_path / "x.nc", settings)
    # while the next is made, the last one at most is still there
    assert alive == [0, 1, 1, 1]
    found = ThermalMatrices.open(tmp_path / "x.nc").plane(1)
    assert len(found) == COUNT
    assert all(np.isfinite(one.array).all() and np.abs(one.array).max() > 0.1 for one in found)
    with netCDF4.Dataset(tmp_path / "x.nc") as file:
        assert file["real"].chunking()[:2] == [1, 1], "a thickness is read by itself"
        for name, variable in file.variables.items():
            assert {"units", "long_name"} <= set(variable.ncattrs()), name
        assert {"config_hash", "config", "versions", "git_commit"} <= set(file.ncattrs())


def test_a_job_that_ends_early_leaves_no_file(settings, tmp_path, monkeypatch):
    compute, calls = job.compute_scattering_matrix, []

    def failing(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise MemoryError
        return compute(*arguments, **options)

    monkeypatch.setattr(job, "compute_scattering_matrix", failing)
    with pytest.raises(MemoryError):
        job.compute_thermal_matrices(tmp_path / "out" / "x.nc", settings)
    assert list(Path(tmp_path / "out").iterdir()) == []
