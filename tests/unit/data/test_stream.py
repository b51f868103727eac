# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams of patterns, and data domains measured anew."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from polarstem.config import check, jobs, load, plan
from polarstem.data.measured import measure_dataset
from polarstem.data.stream import UNPOLAR, PatternStream
from polarstem.errors import PolarstemError
from polarstem.models import FitJob, create, load_model
from polarstem.models.calibration import Calibration
from polarstem.models.calibration_fit import calibrate
from polarstem.models.examples import Examples
from polarstem.models.streaming import StreamedPatterns
from polarstem.models.train import train_model
from polarstem.simulate.jobs.compute_scattering_matrix import compute_matrix
from polarstem.simulate.jobs.compute_thermal_matrices import compute_thermal_matrices
from polarstem.simulate.jobs.measure_patterns import measure_specimen
from polarstem.simulate.microscope.drawn_conditions import drawn_for
from polarstem.simulate.pattern_library import turned_images
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.structures.build import build_specimen, write_specimen
from polarstem.structures.recipes import make_recipe

ROOT = Path(__file__).resolve().parents[3]
SMALL = {
    "pixels_per_cell": 24,
    "detector": {"pixels": 16, "mrad_per_pixel": 5.0},
    "scan": {"positions": [3, 4], "offset": "random"},
}
STREAM = {
    "specimens": ["thermal", "cubic"],
    "conditions": {"tilt_mrad": [0, 2], "source_fwhm_angstrom": [0.5, 1], "dose_electrons": 1e5},
    "patterns": 1024,
    "reuse": 2,
    "window": 512,
    "positions": 16,
    "validation": 128,
    "calibration": 40,
    "fixed": 400,  # enough conditions for every class
}


@pytest.fixture(scope="module")
def config():
    data = load(ROOT / "tests" / "configs" / "plain.yaml").model_dump(mode="json")
    data = copy.deepcopy(data)
    data["simulate"] = SMALL
    moving = {"engine": "thermal_matrices", "phonons": {"configurations": 2}}
    column = {"a_site": "random", "cells": [2, 2]}
    drawn = {"between": [2, 6], "count": 2}
    data["specimens"] = {
        "ideal": {"per_class": {"train": 1, "validation": 1, "test": 1}, "thicknesses_nm": [4]},
        "thermal": {
            "per_class": {"train": 2, "validation": 1},
            "thicknesses_nm": drawn,
            "structures": column,
            "simulate": moving,
        },
        "cubic": {
            "per_class": {"train": 1, "validation": 1},
            "classes": ["RM"],
            "thicknesses_nm": drawn,
            "structures": {**column, "amplitude": 0, "amplitude_spread": 0},
            "simulate": moving,
        },
    }
    data["domains"] = {"thin": {"specimens": "ideal"}}
    data["ladder"] = {"base": "thin", "tilt": [3], "dose": [300], "rotation": [-2]}
    data["train"] |= {"sources": {"thin": ["thin"], "endless": STREAM}}
    data["train"]["runs"] = [{"models": ["tiny_cnn"], "sources": ["thin", "endless"]}]
    data["evaluate"] |= {"domains": ["thin"]}
    return check(data)


@pytest.fixture(scope="module")
def matrices(config, tmp_path_factory):
    """Scattering matrices of all crystals, by name."""
    folder = tmp_path_factory.mktemp("scattering")
    paths = {}
    for crystal in plan.all_crystals(config):
        thermal = plan.engine_of(config, crystal.specimen_set)[0] == "thermal_matrices"
        compute = compute_thermal_matrices if thermal else compute_matrix
        paths[crystal.name] = folder / f"{crystal.name}.nc"
        compute(paths[crystal.name], jobs.matrix_settings(config, crystal))
    return paths


class SmallStream(PatternStream):
    """With blocks that tests can wait for."""

    crystals_per_block = 8
    conditions_per_crystal = 2


def stream_of(config, matrices, **changes):
    settings = jobs.stream_settings(config, "endless") | changes
    table = plan.class_table(config)
    return SmallStream(
        settings, matrices, [c.name for c in table], [c.direction_deg for c in table], seed=3
    )


@pytest.fixture(scope="module")
def stream(config, matrices):
    return stream_of(config, matrices)


def test_a_block_follows_from_its_number(stream):
    first, again, other = stream.block(1), stream.block(1), stream.block(2)
    np.testing.assert_array_equal(first.patterns, again.patterns)
    np.testing.assert_array_equal(first.class_index, again.class_index)
    assert np.abs(first.patterns - other.patterns).max() > 0
    assert len(first.patterns) == stream.block_size
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    np.testing.assert_array_equal(first.patterns, stream.block(1).patterns)
    assert torch.get_num_threads() == 2, "left as it was"
    torch.set_num_threads(threads)
    hashes = {p.tobytes() for block in (first, other) for p in block.patterns}
    assert len(hashes) == 2 * stream.block_size, "never twice the same"


def test_classes_are_balanced_and_cubic_ones_are_as_frequent_as_a_class(stream):
    labels = np.concatenate([stream.block(k).class_index for k in range(8)])
    counts = np.bincount(labels - UNPOLAR, minlength=5) / len(labels)
    assert len(counts) == 5
    # crystals come sixteen to a block, so shares scatter
    np.testing.assert_allclose(counts, 0.2, atol=0.13)
    polar = stream.block(0, unpolar=False)
    assert (polar.class_index >= 0).all()


def test_splits_share_no_crystal(stream):
    crystals = {
        split: {s["crystal"] for s in stream.specimens(split)} for split in ("train", "validation")
    }
    assert crystals["train"]
    assert not crystals["train"] & crystals["validation"]
    names = set(stream.block(0, "validation").specimen)
    assert names <= {s["name"] for s in stream.specimens("validation")}


class OverTheCell:
    """A generator whose probe positions are evenly spread over the cell."""

    def __init__(self, cell: float, along: int) -> None:
        self._random = np.random.default_rng(0)
        places = np.arange(along) / along * cell / 1e3  # the stream's reach [Å]
        self._places = np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2)

    def random(self, size=None):
        return self._places if size == self._places.shape else self._random.random(size)

    def __getattr__(self, name):
        return getattr(self._random, name)


def test_patterns_are_of_the_class_that_they_are_labelled_with(config, matrices):
    """Position-averaged patterns of a class are those of its crystal, turned."""
    clean = {"tilt_mrad": 0, "source_fwhm_angstrom": 0, "dose_electrons": None}
    ideal = stream_of(config, matrices, conditions=clean, positions=400)
    by_name = {tuple(s["name"].split("-")[1:]): s for s in ideal.specimens("train", unpolar=False)}
    cell, _ = jobs.cell_size(config)
    for index in ("0", "1"):
        right, up = (by_name[name, "train", index] for name in ("RM", "MU"))
        assert right["crystal"] == up["crystal"]
        eye, _ = ideal._microscope(up["crystal"], np.random.default_rng(0))
        one, other = (
            ideal._measure(eye, specimen, OverTheCell(cell, 20), 400)[0].mean(0)
            for specimen in (right, up)
        )
        # a mirror of its crystal: atoms at random have no other symmetry
        assert right["turn"] == [[1, 0], [0, 1]]
        assert np.abs(turned_images(one, up["turn"]) - other).sum() < 1e-5
        assert np.abs(one - other).sum() > 3e-3
        # and right becomes up
        assert np.array_equal(np.array(up["turn"]) @ (1, 0), (0, 1))


def test_fixed_sets_name_their_scans(stream):
    sample = stream.sample(200, "validation")
    assert sample.n == 200
    assert sample.shape == (16, 16)
    assert (sample.class_index >= 0).all()
    for scan in np.unique(sample.specimen):
        assert len(np.unique(sample.thickness[sample.specimen == scan])) == 1


def test_shuffled_labels_stay_with_their_specimens(stream):
    sample = stream.sample(200, "train")
    changed = sample.with_shuffled_labels(1)
    assert (changed.class_index != sample.class_index).any()
    for scan in np.unique(sample.specimen):
        assert len(np.unique(changed.class_index[sample.specimen == scan])) == 1
    first = np.unique(sample.specimen, return_index=True)[1]
    counts = [np.bincount(part.class_index[first], minlength=4) for part in (sample, changed)]
    np.testing.assert_array_equal(*counts)


def test_missing_matrix_is_named(config, matrices):
    name, *_ = sorted(n for n in matrices if n.startswith("thermal"))
    with pytest.raises(PolarstemError, match=name):
        stream_of(config, {k: v for k, v in matrices.items() if k != name})


def batches(streamed, epochs=(0,)):
    loader = streamed.loader(128, seed=4)
    drawn = []
    for epoch in epochs:
        loader.sampler.set_epoch(epoch)
        drawn += [(x.clone(), y.clone()) for x, y in loader]
    return drawn


def test_processes_and_interruptions_change_no_batch(stream):
    alone = batches(StreamedPatterns(stream, 2, workers=0), (0, 1))
    beside = batches(StreamedPatterns(stream, 2, workers=2), (0, 1))
    resumed = batches(StreamedPatterns(stream, 2, workers=0), (1,))
    for (x, y), (u, v) in zip(alone, beside, strict=True):
        assert torch.equal(x, u)
        assert torch.equal(y, v)
    for (x, y), (u, v) in zip(alone[len(alone) // 2 :], resumed, strict=True):
        assert torch.equal(x, u)
        assert torch.equal(y, v)


def test_every_pattern_is_used_as_often_as_asked(stream):
    streamed = StreamedPatterns(stream, 2, workers=0)
    drawn = sum(len(y) for _, y in batches(streamed, (0, 1)))
    assert drawn == 2 * streamed.per_epoch == 2 * 1024
    assert streamed.blocks * stream.block_size == 1024


@pytest.mark.parametrize("family", ["equivariant", "cnn", "pca_knn"])
def test_models_learn_from_a_stream(stream, family, tmp_path):
    options = {"family": family}
    if family != "pca_knn":
        options["training"] = {"max_epochs": 2, "batch_size": 128, "learning_rate": 3e-3}
    model = create(family, options, stream.class_names, stream.class_directions.tolist())
    model.fit_stream(stream, FitJob(tmp_path / "work", seed=1, threads=2, device="cpu"))
    sample = stream.sample(128, "validation")
    found = model.predict_proba(sample.read(slice(None)))
    assert found.shape == (128, 4)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    measured = 400 if family == "pca_knn" else 1024
    assert model.info["stream"]["patterns"] == measured
    if family == "equivariant":
        assert 0 <= model.info["stream"]["waiting_fraction"] <= 1


def test_scans_for_calibration_are_none_that_chose_an_epoch(stream):
    scans = stream.scans(40)
    assert len(np.unique(scans.scan)) == 40
    np.testing.assert_array_equal(np.bincount(scans.scan), 36)
    np.testing.assert_array_equal(scans.dose, 1e5)
    owners = {name.partition("/")[0] for name in scans.specimen}
    assert owners <= {s["name"] for s in stream.specimens("validation", unpolar=False)}
    sample = stream.sample(640, "validation")
    seen = {pattern.tobytes() for pattern in sample.read(slice(None))}
    assert not seen & {pattern.tobytes() for pattern in scans.read(slice(None))}
    for scan in range(40):
        rows = scans.scan == scan
        assert len(np.unique(scans.class_index[rows])) == 1
    fewer = stream.scans(20)
    again = scans.select(np.isin(scans.specimen, fewer.specimen))
    np.testing.assert_array_equal(fewer.read(slice(None)), again.read(slice(None)))


def test_doses_are_known(config, matrices):
    drawn = stream_of(config, matrices, conditions={"dose_electrons": [1e2, 1e6]})
    block = drawn.block(0)
    for condition in range(drawn.conditions_per_block):
        rows = block.condition == condition
        (dose,) = np.unique(block.dose[rows])
        counts = block.patterns[rows] * dose
        np.testing.assert_allclose(counts, np.round(counts), atol=2e-3 * max(1, dose / 1e4))
    assert np.isinf(stream_of(config, matrices, conditions={}).block(0).dose).all()


def test_what_a_stream_teaches_is_calibrated_on_scans_of_its_own(stream, tmp_path):
    options = {"family": "pca_knn", "components": 8}
    train_model("knn", options, [], tmp_path / "knn", tmp_path / "work", 1, stream=stream)
    model = load_model(tmp_path / "knn")
    fitted, scans = Calibration.of(model), stream.scans(40)
    assert fitted == calibrate(model, scans)
    assert (fitted.scans, fitted.dose_low, fitted.dose_high) == (40, 1e5, 1e5)
    sets = fitted.sets(fitted.apply(model.predict_proba(scans.read(slice(None)))))
    assert sets[np.arange(scans.n), scans.class_index].mean() >= 0.9
    told = model.info["calibrated_on"]
    assert told["patterns"] == scans.n
    assert "conditions of their own" in told["taken_from"]
    assert 0.75 < told["coverage"] <= 1


def test_cubic_patterns_make_no_head_fail_that_does_not_know_them(stream, tmp_path):
    options = {"family": "cnn", "head": "prototype", "training": {"max_epochs": 1}}
    model = create("cnn", options, stream.class_names, stream.class_directions.tolist())
    model.fit_stream(stream, FitJob(tmp_path / "work", seed=1, device="cpu"))
    streamed = StreamedPatterns(stream, 1, workers=0, unpolar=False)
    assert isinstance(streamed.first, Examples)
    assert (streamed.first.labels >= 0).all()


def test_rungs_are_measured_under_their_own_conditions(config, matrices, tmp_path):
    assert {"tilt_3", "dose_300", "rotation_m2"} <= set(config.evaluate.domains)
    table = plan.class_table(config)
    classes = [c.name for c in table], [c.direction_deg for c in table]
    sets = {}
    for domain in ("thin", "tilt_3", "dose_300"):
        settings = jobs.measured_settings(config, domain)
        measure_dataset(domain, settings, matrices, *classes, tmp_path / domain, seed=1)
        with xr.open_dataset(tmp_path / domain) as data:
            sets[domain] = data.load()
    parts = {name: set(data["split"].values.tolist()) for name, data in sets.items()}
    assert parts == {"thin": {0, 1, 2}, "tilt_3": {2}, "dose_300": {2}}
    specimen = next(s for s in settings["specimens"] if s["turn"] != [[1, 0], [0, 1]])
    planned = next(p for p in plan.all_specimens(config) if p.name == specimen["name"])
    structure, simulated = tmp_path / "x.xyz", tmp_path / "x.nc"
    recipe = jobs.structure_settings(config, planned)
    write_specimen(build_specimen(make_recipe(**recipe)), structure)
    matrix = matrices[specimen["crystal"]]
    measure_specimen(structure, matrix, simulated, jobs.simulation_settings(config, planned))
    with xr.open_dataset(simulated) as data:
        ideal = data["intensity"].values[0].reshape(-1, 16, 16)
        cells = data["cell_x"].values, data["cell_y"].values

    def of(domain):
        data = sets[domain]
        names = data["specimen_name"].values[data["specimen_index"].values]
        return data.isel(pattern=names == planned.name)

    np.testing.assert_array_equal(of("thin")["intensity"].values, ideal)
    counted = of("dose_300")
    np.testing.assert_allclose(counted["cell_x"][:4], cells[0], atol=1e-6)
    np.testing.assert_allclose(np.unique(counted["cell_y"]), np.sort(cells[1]), atol=1e-6)
    counts = counted["intensity"].values * 300
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-3)
    assert abs(counts.sum() - 300 * ideal.sum()) < 5 * np.sqrt(300 * ideal.sum())
    drawn = drawn_for({"tilt_mrad": [3, 3]}, config.simulate, 1, "tilt_3", planned.name)
    assert np.hypot(*drawn.optics.tilt_mrad) == pytest.approx(3)
    tilted = of("tilt_3")["intensity"].values
    change = np.abs(tilted - ideal).sum() / ideal.sum()
    assert 0.05 < change < 1


def test_light_from_nowhere_stops_a_data_set(config, matrices, tmp_path, monkeypatch):
    table = plan.class_table(config)
    classes = [c.name for c in table], [c.direction_deg for c in table]

    def measured(domain):
        settings = jobs.measured_settings(config, domain)
        measure_dataset(domain, settings, matrices, *classes, tmp_path / domain, seed=1)

    def brighter(method):
        real = getattr(VirtualMicroscope, method)
        monkeypatch.setattr(VirtualMicroscope, method, lambda *a, **k: 1.2 * real(*a, **k))

    brighter("measure")
    with pytest.raises(PolarstemError, match="more than the simulated pattern"):
        measured("thin")
    measured("tilt_3")  # a real detector adds light
    monkeypatch.undo()
    for domain in ("thin", "dose_300"):
        brighter("total")
        with pytest.raises(PolarstemError, match="of the incident beam"):
            measured(domain)
        monkeypatch.undo()
        assert not (tmp_path / domain).exists()
