# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run is said to take before it starts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from polarstem import cli
from polarstem.config import check, load
from polarstem.config.estimate import RATES, guesses, seconds, sentence, stages, wall_hours
from polarstem.config.jobs import matrix_mb
from polarstem.config.map_jobs import recommended_library
from polarstem.config.model import merge
from polarstem.config.physics import wavelength
from polarstem.config.plan import all_crystals, crystal_of, specimens_of_domain
from polarstem.config.work import Job, all_jobs
from polarstem.structures.cell_metric import lengths_of

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = [ROOT / "config.yaml", *sorted((ROOT / "resources" / "presets").glob("*.yaml"))]
TINY = ROOT / "tests" / "configs" / "tiny.yaml"


def tiny_jobs(**changes: Any) -> list[Job]:
    """Jobs of the tiny run with some keys changed."""
    config = yaml.safe_load(TINY.read_text(encoding="utf-8"))
    return all_jobs(check(merge(config, changes)))


def work(planned: list[Job], rule: str, name: str = "") -> dict[str, float]:
    """Work of the first job of a rule whose name begins so."""
    return next(job.work for job in planned if job.rule == rule and job.name.startswith(name))


@pytest.mark.parametrize("path", [*SHIPPED, TINY], ids=lambda path: path.stem)
def test_shipped_runs_are_told_from_what_was_measured(path):
    planned = all_jobs(load(path))
    assert not {t for job in planned for t in job.work if t not in RATES and " " not in t}
    known = {"cnn", "resnet18", "vgg11_bn", "equivariant", "linear", "pca_knn", "template"}
    assert not known & set(guesses(planned))
    assert all(seconds(job) > 0 for job in planned)


def test_work_follows_what_it_is_done_on():
    base = tiny_jobs()
    # twice as fine: four times the grid points, and twice the field the four times of waves
    finer = tiny_jobs(simulate={"pixels_per_cell": 64})
    wider = tiny_jobs(structures={"cells": [6, 6]})
    for rule, term, by_grid, by_field in (
        ("compute_scattering_matrix", "matrix", 4, 4),
        ("simulate_patterns", "multislice", 4, 4),
    ):
        one = work(base, rule)[term]
        assert work(finer, rule)[term] == pytest.approx(by_grid * one)
        assert work(wider, rule)[term] == pytest.approx(by_field * one)
    moving = {"tiny_thermal": {"simulate": {"phonons": {"configurations": 6}}}}
    more = work(tiny_jobs(specimens=moving), "compute_thermal_matrices", "tiny_thermal-")
    one = work(base, "compute_thermal_matrices", "tiny_thermal-")
    assert more["thermal"] == pytest.approx(3 * one["thermal"])


def test_scenes_go_by_their_cells_and_libraries_by_their_crystals():
    base = tiny_jobs()
    scene = {"four_domains": {"scene": {"cells": [8, 4]}}}
    more = work(tiny_jobs(experiments=scene), "simulate_scene", "four_domains")["window"]
    assert more == pytest.approx(2 * work(base, "simulate_scene", "four_domains")["window"])
    finer = tiny_jobs(
        experiments={"four_domains": {"scene": {"simulate": {"pixels_per_cell": 48}}}}
    )
    found = work(finer, "simulate_scene", "four_domains")["window"]
    assert found == pytest.approx(4 * work(base, "simulate_scene", "four_domains")["window"])
    # of the standard run: two crystals serve eight classes, four configurations of one cell's
    # columns, 25 periods for each 10 nm; the field that samples the aperture is 6 x 6 cells
    config = load(ROOT / "config.yaml")
    library = recommended_library(config)
    found = work(all_jobs(config), "compute_library")["library"]
    side = lengths_of({**library["structure"], "variant": (1, 0, 1), "metric": "cubic"})[0]
    radius = 1e-3 * (library["simulate"]["semiangle_mrad"] + library["tilt_mrad"])
    across = math.prod(library["cells"]) * side**2
    waves = math.pi * radius**2 * across / wavelength(library["simulate"]["energy_kv"]) ** 2
    slices = 2 * round(10 * max(library["thicknesses_nm"]) / side)
    pixels = library["simulate"]["pixels_per_cell"] ** 2
    assert found == pytest.approx(1e-9 * 2 * 4 * waves * pixels * slices, rel=0.02)


def test_data_sets_read_their_thickness_of_every_specimens_matrix():
    config = check(yaml.safe_load(TINY.read_text(encoding="utf-8")))
    sizes = {crystal.name: matrix_mb(config, crystal) for crystal in all_crystals(config)}
    specimens = specimens_of_domain(config, "thin")
    # each matrix holds both thicknesses, and the data set one of them
    whole = sum(sizes[crystal_of(config, specimen)[0].name] for specimen in specimens)
    found = work(all_jobs(config), "measure_dataset", "thin")
    assert found["read"] == pytest.approx(whole / 2)


def test_a_run_needs_a_core(capsys):
    assert cli.main(["estimate", str(TINY), "--cores", "0"]) == 1
    assert capsys.readouterr().err.strip().endswith("--cores is 0, but a run needs at least one.")


def test_a_source_shares_positions_out_among_configurations():
    whole = {"source_fwhm_angstrom": 0}
    base, alone = tiny_jobs(), tiny_jobs(specimens={"tiny_emulated": {"conditions": whole}})
    name = "tiny_emulated-"
    joined = work(base, "simulate_patterns", name)["multislice"]
    assert work(alone, "simulate_patterns", name)["multislice"] == pytest.approx(4 * joined)


def test_training_counts_each_use_of_a_pattern():
    base = tiny_jobs()
    # 16384 patterns of the stream, each used four times; 4096 validate, 64 scans of 36 calibrate
    found = work(base, "train_model", "tiny_equivariant/endless")
    weight = 32 * (1024 + 16 * 3 * 32) / (128 * (1024 + 16 * 3 * 128))
    assert found["train equivariant"] == pytest.approx(weight * 4 * 16384e-6)
    assert found["stream"] == pytest.approx(1e-6 * (16384 + 4096 + 36 * 64))
    # 4 classes of one training specimen, 36 positions, three epochs
    assert work(base, "train_model", "tiny_cnn/thin")["train cnn"] == pytest.approx(3 * 4 * 36e-6)
    # a model that is no network takes them once, of a stream `fixed`
    knn = work(base, "train_model", "tiny_pca_knn/endless")
    assert knn["train pca_knn"] == pytest.approx(500e-6)
    threads = {job.name: job.threads for job in base if job.rule == "train_model"}
    assert threads["tiny_equivariant/endless/0"] == 2
    assert threads["tiny_pca_knn/endless/0"] == threads["tiny_cnn/thin/0"] == 1


def test_time_on_cores_is_that_of_the_longest_or_of_all(monkeypatch):
    monkeypatch.setattr("polarstem.config.estimate.RATES", {"unit": 3600.0})
    monkeypatch.setattr("polarstem.config.estimate.START", {"rule": 0.0})
    monkeypatch.setattr("polarstem.config.estimate.SCHEDULING", 0.0)
    planned = [Job("rule", str(n), {"unit": float(n)}) for n in (1, 1, 2, 4)]
    hours = [wall_hours(planned, cores) for cores in (1, 2, 4)]
    assert hours == pytest.approx([8, 4, 4])
    assert wall_hours([Job("rule", "", {"unit": 4.0}, threads=2)], 2) == pytest.approx(2)
    (stage,) = stages(planned)
    assert (stage.jobs, stage.core_hours) == (4, pytest.approx(8))
    assert "8.0 core-hours, 4.0 h on 2 cores" in sentence(planned, 2)
    assert "the longest job takes 4.0 h" in sentence(planned, None)


def test_the_command_tells_every_stage_and_what_it_guesses(tmp_path, capsys):
    config = yaml.safe_load(TINY.read_text(encoding="utf-8"))
    config["models"]["tiny_resnet"]["architecture"] = "resnet26"
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    assert cli.main(["estimate", str(path), "--cores", "3"]) == 0
    told = capsys.readouterr().out
    assert {line.split()[0] for line in told.splitlines()} >= {"train_model", "simulate_scene"}
    assert "on 3 cores" in told
    assert "Never measured, so guessed: resnet26." in told


def test_what_a_gpu_takes_is_not_claimed_to_be_known():
    on_cpu, on_gpu = tiny_jobs(), tiny_jobs(train={"device": "gpu"})
    asking = [job for job in on_gpu if job.wants_gpu]
    assert {job.name.split("/")[0] for job in asking} >= {"tiny_cnn", "tiny_resnet", "tiny_vgg"}
    assert not {job.name.split("/")[0] for job in asking} & {"tiny_pca_knn"}
    assert "GPU" not in sentence(on_cpu, 2)
    assert " of these hours are trainings, counted as if on cores" in sentence(on_gpu, 2)
    long = [Job("train_model", str(n), {"train cnn": 9.0}, wants_gpu=n == 0) for n in range(2)]
    assert "4.0 core-hours" in sentence(long, 2)
    assert "2.0 of these hours are trainings" in sentence(long, 2)
