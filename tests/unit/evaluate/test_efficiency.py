# SPDX-License-Identifier: GPL-3.0-or-later
"""Models held against the limit."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from polarstem.evaluate.limit.crystal_information import information_dataset
from polarstem.evaluate.limit.efficiency import (
    bayes_accuracy,
    compare_with_limit,
    position_correlation,
    read_information,
)
from polarstem.evaluate.scores.jackknife import leave_one_out
from polarstem.evaluate.scores.predictions import DomainPredictions, classes_of_specimens
from polarstem.evaluate.scores.sample import Sample
from polarstem.evaluate.scores.tables import compute_metrics
from polarstem.evaluate.summary.headlines import pool_seeds, read_metrics
from tests.unit.evaluate import synthetic_results as synthetic

BINS = 4
ELECTRONS = np.random.default_rng(2).permutation(np.geomspace(100, 3000, BINS**2))
ELECTRONS = ELECTRONS.reshape(BINS, BINS)


def predictions(error: np.ndarray, specimens: int = 16, seed: int = 0) -> DomainPredictions:
    """Scans whose patterns are predicted wrong with a probability (cell_y, cell_x)."""
    rng = np.random.default_rng(seed)
    side = 2 * BINS
    step = (np.arange(side) + 0.3) / side
    y, x = (a.ravel() for a in np.meshgrid(step, step, indexing="ij"))
    chance = error[(y * BINS).astype(int), (x * BINS).astype(int)]
    true = np.repeat(np.arange(specimens) % 8, side**2)
    wrong = rng.random(specimens * side**2) < np.tile(chance, specimens)
    return DomainPredictions(
        run=dict.fromkeys(("model", "family", "head", "source", "seed"), "0"),
        domain="d",
        class_names=synthetic.NAMES,
        class_directions=synthetic.DIRECTIONS,
        probability=np.eye(8, dtype="f4")[(true + wrong) % 8],
        class_index=true,
        specimen=np.repeat(np.arange(specimens), side**2),
        specimen_names=[str(i) for i in range(specimens)],
        thickness=np.full(len(true), 20.0),
        cell_y=np.tile(y, specimens),
        cell_x=np.tile(x, specimens),
        scan_y=np.zeros(len(true), np.int64),
        scan_x=np.zeros(len(true), np.int64),
        calibration=None,
    )


def estimated(electrons, part, confidence=0.95):
    """The correlation and its interval, every specimen a crystal of its own."""
    left_out = leave_one_out(part.specimen_names, classes_of_specimens(part))
    draws = position_correlation(electrons, part, left_out.weights)
    sample = Sample(draws, left_out.n, left_out.strata, bounds=(-1.0, 1.0))
    return sample.value, *sample.interval(confidence)


def test_correlation_is_scipys():
    part = predictions(np.random.default_rng(5).random((BINS, BINS)))
    frame = pd.DataFrame(
        {"y": (part.cell_y * BINS).astype(int), "x": (part.cell_x * BINS).astype(int)}
    )
    frame["wrong"] = part.predicted != part.class_index
    errors = frame.groupby(["y", "x"])["wrong"].mean()
    expected = spearmanr(ELECTRONS.ravel(), errors).statistic
    value, low, high = estimated(ELECTRONS, part)
    assert value == pytest.approx(expected)
    assert low < value < high


def test_errors_that_follow_the_electrons_are_found_and_others_are_not():
    follows = 0.5 * ELECTRONS / ELECTRONS.max()
    value, low, high = estimated(ELECTRONS, predictions(follows))
    assert low > 0.5
    assert value > 0.8
    assert high <= 1
    against = estimated(ELECTRONS, predictions(0.5 - follows))
    assert against[0] < -0.8
    assert against[2] < -0.1, "wide, for ranks change by leaps"
    transposed = estimated(ELECTRONS.T, predictions(follows))
    assert transposed[0] < 0.7, "rows are rows"


def test_interval_covers_the_correlation_of_many_more_specimens():
    error = 0.1 + 0.05 * np.random.default_rng(8).random((BINS, BINS)) + 0.1 * (ELECTRONS > 500)
    exact = position_correlation(ELECTRONS, predictions(error, 4000), np.ones((1, 4000)))[0]
    inside = 0
    for seed in range(40):
        part = predictions(error, 64, seed)
        _, low, high = estimated(ELECTRONS, part, 0.9)
        inside += low <= exact <= high
    assert inside >= 30


def test_no_errors_or_one_specimen_leave_it_undefined():
    none = estimated(ELECTRONS, predictions(np.zeros((BINS, BINS))))
    assert np.isnan(none).all()
    one = predictions(np.full((BINS, BINS), 0.5), specimens=1)
    value, low, high = estimated(ELECTRONS, one)
    assert abs(value) < 1
    assert np.isnan([low, high]).all()
    half = one.cell_y < 0.5  # a scan of half the cell
    fields = ("probability", "class_index", "specimen", "thickness", "cell_y", "cell_x")
    part = replace(one, **{name: getattr(one, name)[half] for name in fields})
    assert np.isfinite(estimated(ELECTRONS, part)[0])


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("efficiency")
    config = synthetic.make_config(seeds=(0, 1))
    config["domains"]["dose20"]["dose_electrons"] = 1e3
    paths = synthetic.write_predictions(folder / "predictions", config, positions=4)
    compute_metrics(paths, folder / "metrics.csv", folder / "confusion.nc")
    synthetic.write_information(folder / "information.nc")
    inputs = folder / "information.nc", folder / "metrics.csv", paths
    compare_with_limit(*inputs, config, folder / "limit.json")
    return folder, config, inputs


def test_fraction_is_the_accuracy_over_the_limit(compared):
    folder, _, _ = compared
    entries = json.loads((folder / "limit.json").read_text())
    information = read_information(folder / "information.nc")
    limit, low, high, drawn = bayes_accuracy(information, 20.0, 1e3)
    assert 0.125 < low < limit < high < 1
    assert drawn == 8 * BINS**2
    shown = entries["learning.limit.accuracy.20.1000.known"]
    assert (shown["value"], shown["n"]) == (pytest.approx(limit), drawn)
    table = pool_seeds(read_metrics(folder / "metrics.csv"))
    table = table.set_index(["model", "source", "domain", "metric"])
    score = table.loc["cnn", "thin", "dose20", "balanced_accuracy"]
    found = entries["learning.limit.fraction.dose20.cnn.thin"]
    assert found["value"] == pytest.approx(score["value"] / limit)
    assert found["low"] < score["low"] / limit
    assert found["high"] > score["high"] / limit


def test_entries_cover_every_model_and_ideal_domain(compared):
    folder, config, _ = compared
    entries = json.loads((folder / "limit.json").read_text())
    fractions = [key for key in entries if key.startswith("learning.limit.fraction.")]
    counted = [key for key in fractions if "_ensemble" not in key]
    assert len(fractions) == 2 * len(counted), "and the ensembles over seeds"
    models, sources = config["models"], config["train"]["sources"]
    assert len(counted) == len(models) * len(sources)
    start = "learning.limit.position_correlation."
    domains = {key.removeprefix(start).split(".")[0] for key in entries if key.startswith(start)}
    assert domains == {"static10", "static20", "static30", "static50", "dose20"}
    for key, entry in entries.items():
        assert set(entry) == {"value", "low", "high", "n", "unit", "meaning"}, key
        if None not in (entry["value"], entry["low"], entry["high"]):
            assert entry["low"] <= entry["value"] <= entry["high"], key
    needed = [
        entries[f"learning.limit.electrons.20.{name}"]["value"] for name in ("min", "median", "max")
    ]
    assert needed == sorted(needed)


def test_no_limit_no_entries(compared, tmp_path):
    _, config, (_, *others) = compared
    empty = synthetic.write_information(tmp_path / "i.nc", groups=0)
    compare_with_limit(empty, *others, config, tmp_path / "limit.json")
    assert json.loads((tmp_path / "limit.json").read_text()) == {}


def test_crystals_without_polarity_need_electrons_without_end():
    same = np.repeat(synthetic.class_patterns()[:1], 8, axis=0)
    data = information_dataset([same], synthetic.information_settings(), repeats=1)
    assert np.isinf(data["electrons"]).all()
    assert float(data["accuracy"].mean()) == pytest.approx(1 / 8, abs=0.02)
