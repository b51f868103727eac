# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that was stopped goes on after its last thermal configuration, to the same bits."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import abtem
import h5py
import numpy as np
import pytest
import xarray as xr

from polarstem.config.conditions import Conditions
from polarstem.scans.virtual import write_scene
from polarstem.simulate.abtem_settings import abtem_settings
from polarstem.simulate.jobs import emulate_specimen as emulate
from polarstem.simulate.jobs.emulate_specimen import emulate_specimen
from polarstem.simulate.jobs.simulate_patterns import simulate_specimen
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.multislice import abtem_run, probes, running_sums, scene_scan
from polarstem.structures.build import write_specimen
from polarstem.structures.scenes.build import build_scene
from polarstem.structures.scenes.recipe import make_scene

COUNT = 4
SIMULATE: dict[str, Any] = {
    "pixels_per_cell": 24,
    "scan": {"positions": [8, 8], "offset": "random"},
    "detector": {"pixels": 24, "mrad_per_pixel": 2.6},
    "phonons": {"configurations": COUNT},
}
DRAWN = {"source_fwhm_angstrom": 0.9, "defocus_spread_angstrom": 20, "dose_electrons": 2e4}
CONDITIONS = Conditions.model_validate(DRAWN).model_dump(mode="json")


class StoppedError(Exception):
    """In place of a kill."""


class Job:
    """One of the jobs, in a folder of its own."""

    def __init__(self, folder: Path, run: Callable[[Path, dict[str, Any]], Path]) -> None:
        self.output = folder / "x.nc"
        self.partial = folder / ".x.partial.npz"
        self._run = run

    def __call__(self, **changes: Any) -> dict[str, np.ndarray]:
        settings = {"simulate": SIMULATE, "seed": 5, "conditions": CONDITIONS} | changes
        self.output = self._run(self.partial.parent, settings)
        if self.output.suffix == ".hspy":
            with h5py.File(self.output) as file:
                return {"data": file["Experiments/four/data"][:]}
        with xr.open_dataset(self.output) as data:
            return {name: values.values for name, values in data.variables.items()}


@pytest.fixture(params=["simulate_patterns", "emulate_specimen", "simulate_scene"])
def job(request, crystal, tmp_path, monkeypatch) -> tuple[Callable[[str], Job], list[int]]:
    """Make a job in a folder; and a list that grows by one for each simulated configuration."""
    structure = tmp_path / "x.xyz"
    module: ModuleType
    if request.param == "simulate_scene":
        wanted = {"kind": "four_domains", "name": "four", "material": "KNN", "thickness_nm": 0.8}
        recipe = make_scene(wanted | {"cells": [2, 2], "margin_cells": 3, "seed": 1})
        write_specimen(build_scene(recipe), structure)
        module = scene_scan
    else:
        write_specimen(crystal("RU", a_site="random", thickness_nm=2.0).atoms, structure)
        module = emulate if request.param == "emulate_specimen" else abtem_run

    def run(folder: Path, settings: dict[str, Any]) -> Path:
        if request.param == "simulate_scene":
            more = {"positions_per_cell": 4, "detector_rotation_deg": 0.0, "stored": {}}
            output = folder / "x.hspy"
            write_scene(structure, output, folder / "x.truth.nc", settings | more)
            return output
        output = folder / "x.nc"
        simulate = emulate_specimen if module is emulate else simulate_specimen
        simulate(structure, output, settings | {"thicknesses_nm": [2.0]})
        return output

    simulated: list[int] = []
    made = module.projected_slices

    def count(*arguments: Any) -> Any:
        simulated.append(1)
        return made(*arguments)

    monkeypatch.setattr(module, "projected_slices", count)

    def make(name: str) -> Job:
        (tmp_path / name).mkdir(exist_ok=True)
        return Job(tmp_path / name, run)

    return make, simulated


def stop_after(monkeypatch: pytest.MonkeyPatch, job: Job, configurations: int) -> None:
    """Run a job that ends as soon as so many configurations are done."""
    thermal = running_sums.thermal_configurations

    def some(*arguments: Any) -> Any:
        for number, atoms in enumerate(thermal(*arguments)):
            if number == configurations:
                raise StoppedError
            yield atoms

    with monkeypatch.context() as patch:
        patch.setattr(running_sums, "thermal_configurations", some)
        with pytest.raises(StoppedError):
            job()


def test_a_stopped_job_goes_on_to_the_same_bits(job, monkeypatch, caplog):
    make, simulated = job
    whole = make("whole")
    expected = whole()
    assert len(simulated) == COUNT
    assert not whole.partial.exists()
    stopped = make("stopped")
    simulated.clear()
    stop_after(monkeypatch, stopped, 2)
    assert len(simulated) == 2
    assert stopped.partial.exists()
    assert not [path for path in stopped.partial.parent.iterdir() if path != stopped.partial]
    simulated.clear()
    with caplog.at_level(logging.INFO, "polarstem"):
        found = stopped()
    assert len(simulated) == COUNT - 2
    assert f"goes on after configuration 2 of {COUNT}" in caplog.text
    assert f"configurations: {COUNT} of {COUNT}" in caplog.text
    assert not stopped.partial.exists()
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_other_settings_start_afresh(job, monkeypatch):
    make, simulated = job
    expected = make("whole")(seed=6)
    stopped = make("stopped")
    stop_after(monkeypatch, stopped, 2)
    simulated.clear()
    found = stopped(seed=6)
    assert len(simulated) == COUNT
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


@pytest.mark.parametrize("job", ["simulate_patterns"], indirect=True)
def test_other_code_or_a_broken_file_start_afresh(job, monkeypatch):
    make, simulated = job
    stopped = make("stopped")
    stop_after(monkeypatch, stopped, 2)
    kept = stopped.partial.read_bytes()
    simulated.clear()
    with monkeypatch.context() as patch:
        patch.setattr(running_sums, "_code", lambda: "another")
        stopped()
    assert len(simulated) == COUNT
    for content in (kept[: len(kept) // 2], b""):
        stopped.partial.write_bytes(content)
        simulated.clear()
        stopped()
        assert len(simulated) == COUNT


@pytest.mark.parametrize("job", ["emulate_specimen"], indirect=True)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_sums_that_cannot_be_kept_end_no_job(job, number, monkeypatch, caplog):
    make, _ = job
    expected = make("whole")()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(running_sums.np, "savez", full)
    found = make("full")()
    np.testing.assert_array_equal(found["intensity"], expected["intensity"])
    assert "cannot be kept for a restart" in caplog.text


@pytest.mark.parametrize("job", ["simulate_patterns", "emulate_specimen"], indirect=True)
def test_configurations_are_the_outer_loop(job, monkeypatch):
    make, simulated = job
    expected = make("whole")()
    simulated.clear()
    for module in (abtem_run, emulate):
        monkeypatch.setattr(module, "batch_size", lambda *_: 5)
    found = make("batches")()
    assert len(simulated) == COUNT, "one potential for all batches of positions"
    np.testing.assert_allclose(found["intensity"], expected["intensity"], atol=1e-7)


def test_potentials_are_kept_where_they_fit(crystal, settings, monkeypatch):
    """Several batches go through them; kept or made anew for each, they are the same."""
    specimen = crystal("RU", thickness_nm=2.0)
    built: list[int] = []
    build = abtem.Potential.build

    def count(self: Any, *arguments: Any, **options: Any) -> Any:
        built.append(1)
        return build(self, *arguments, **options)

    monkeypatch.setattr(abtem.Potential, "build", count)
    positions = np.random.default_rng(1).random((5, 2)) * 12
    found = []
    with abtem_settings("cpu", 1):
        slices = abtem_run.projected_slices(specimen, specimen.atoms, settings, [2, 5])
        for size, memory_mb, made in ((2, 1000.0, 1), (2, 0.0, 0), (5, 1000.0, 0)):
            built.clear()
            probe = probes.probe_of(200.0, Optics(24.0))
            batches = abtem_run.scan_in_batches(probe, slices, positions, 2, size, memory_mb)
            found.append(np.concatenate([patterns for _, patterns in batches], axis=1))
            assert len(built) == made
    assert found[0].shape[:2] == (2, 5)
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_allclose(found[2], found[0], atol=1e-7)
