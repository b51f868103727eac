# SPDX-License-Identifier: GPL-3.0-or-later
"""From prediction files to the table of scores and the headline numbers."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from polarstem.errors import PolarstemError
from polarstem.evaluate.scores.errors_over_cell import error_maps
from polarstem.evaluate.scores.metrics import METRICS
from polarstem.evaluate.scores.predictions import read_predictions
from polarstem.evaluate.scores.tables import (
    COLUMNS,
    compute_metrics,
    specimen_scores,
)
from polarstem.evaluate.scores.tested_domains import reference_of
from polarstem.evaluate.summary import entries
from polarstem.evaluate.summary.fair_table import fair_entries, fair_rows, fair_sources
from polarstem.evaluate.summary.headlines import read_metrics, summarise_results
from polarstem.evaluate.summary.scores_and_costs import patterns_seen, recommended_entries
from polarstem.evaluate.summary.stage_use import stage_use
from tests.unit.evaluate import synthetic_results as synthetic

RUN = ("cnn", "cnn", "classification", "thin", 0)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    config = synthetic.make_config(seeds=(0, 1))
    config["train"]["sources"].pop("mixed")
    for name in ("vgg11", "cnn_regression"):
        config["models"].pop(name)
    predictions = synthetic.write_predictions(folder / "predictions", config, positions=4)
    compute_metrics(predictions, folder / "metrics.csv", folder / "confusion.nc")
    models = synthetic.write_models(folder / "models", config)
    benchmarks = synthetic.write_benchmarks(folder / "benchmarks", config)
    summarise_results(
        folder / "metrics.csv",
        folder / "confusion.nc",
        config,
        benchmarks,
        folder / "summary.json",
        model_dirs=models,
    )
    summary = json.loads((folder / "summary.json").read_text())
    return folder, config, predictions, summary


def tiny_file(
    path, true, predicted, specimen, thickness=None, domain=None, specimens=None, **calibration
):
    n = len(true)
    probability = np.full((n, 8), 0.01, dtype=np.float32)
    probability[np.arange(n), predicted] = 0.93
    columns = {
        "probability": probability,
        "class_index": np.asarray(true),
        "thickness": np.full(n, 20.0) if thickness is None else np.asarray(thickness, float),
        "cell_y": np.linspace(0, 0.999, n),
        "cell_x": np.zeros(n),
        "scan_y": np.arange(n),
        "scan_x": np.zeros(n, int),
        "specimen_index": np.asarray(specimen),
        "domain_index": np.zeros(n, int) if domain is None else np.asarray(domain),
    }
    names = specimens or [f"s-{i}" for i in range(max(specimen) + 1)]
    synthetic.write_prediction_file(path, columns, names, ["a", "b"], RUN, calibration)
    return path


def test_table_has_the_contract_columns_and_every_run(results):
    folder, config, predictions, _ = results
    table = pd.read_csv(folder / "metrics.csv")
    assert list(table.columns) == list(COLUMNS)
    # these models are not calibrated, and their scans have too few positions for a cell
    fitted = "conformal|abstained|cell|coverage|answered"
    metrics = [name for name in METRICS if not re.search(fitted, name)]
    runs = len(predictions) + len(config["models"])  # an ensemble of each model's two seeds
    assert len(table) == runs * len(config["evaluate"]["domains"]) * len(metrics)
    assert set(table["metric"]) == set(metrics)
    assert set(table["n"]) == {24}
    assert ((table["low"] <= table["high"]) | table["low"].isna()).all()


def test_table_agrees_with_the_predictions(results):
    folder, _, predictions, _ = results
    table = pd.read_csv(folder / "metrics.csv")
    with xr.open_dataset(predictions[0]) as file:
        rows = file["domain_index"].values == 1
        right = file["probability"].values[rows].argmax(1) == file["class_index"].values[rows]
        domain = str(file["domain_name"].values[1])
        run = {key: file.attrs[key] for key in ("model", "source")}
    found = table[
        (table["model"] == run["model"])
        & (table["seed"] == 0)
        & (table["domain"] == domain)
        & (table["metric"] == "accuracy")
    ]
    assert found["value"].item() == pytest.approx(right.mean())


def test_ensembles_are_models_of_the_table_alone(results):
    folder, config, predictions, summary = results
    table = pd.read_csv(folder / "metrics.csv")
    extra = set(table["model"]) - set(config["models"])
    assert extra == {f"{name}_ensemble" for name in config["models"]}
    parts = [
        next(p for p in read_predictions(path) if p.domain == "static50")
        for path in predictions
        if path.parts[-3] == "cnn"
    ]
    mean = np.mean([part.probability for part in parts], axis=0)
    rows = table[table["model"] == "cnn_ensemble"].set_index(["domain", "metric"])["value"]
    expected = (mean.argmax(1) == parts[0].class_index).mean()
    assert rows["static50", "accuracy"] == pytest.approx(expected)
    with xr.open_dataset(folder / "confusion.nc") as file:
        assert set(file["model"].values) == set(config["models"])
    assert "domain.static50.cnn_ensemble" in summary
    assert not summary["same_thickness.best"]["model"].endswith("_ensemble")


def test_controls_have_no_right_class(tmp_path):
    n = 72
    path = tiny_file(
        tmp_path / "p.nc",
        true=np.repeat([0, 2], n // 2),
        predicted=np.repeat([0, 1], n // 2),
        specimen=np.repeat([0, 1], n // 2),
        domain=np.arange(n) % 2,
        threshold=0.5,
        cell_threshold=0.5,
    )
    out = tmp_path / "m.csv", tmp_path / "c.nc"
    compute_metrics([path], *out, controls=["b"])
    table = read_metrics(out[0])
    assert {"accuracy", "nll", "abstained"} <= set(table[table["domain"] == "a"]["metric"])
    control = table[table["domain"] == "b"].set_index("metric")["value"]
    assert control.to_dict() == {"conformal_size": 1, "abstained": 0}  # no whole cell


def test_confusion_file_counts_every_pattern(results):
    folder, _, predictions, _ = results
    with xr.open_dataset(folder / "confusion.nc") as file:
        assert (file["confusion"].sum(("true", "predicted")) == 24 * 16).all()
        assert (file["position_count"].sum(("cell_y", "cell_x")) == 24 * 16).all()
        diagonal = np.trace(file["confusion"].values, axis1=1, axis2=2)
        assert (file["position_right"].sum(("cell_y", "cell_x")).values == diagonal).all()
        assert list(file["true"].values) == synthetic.NAMES
        assert file.sizes["run"] == len(predictions) * 6
        assert file.sizes["cell_y"] == 4  # as many bins as positions per cell
        assert all(file[name].attrs["long_name"] for name in ("confusion", "position_right"))


def test_same_input_same_bytes_in_the_table(results, tmp_path):
    folder, _, predictions, _ = results
    compute_metrics(predictions, tmp_path / "m.csv", tmp_path / "c.nc")
    assert (tmp_path / "m.csv").read_bytes() == (folder / "metrics.csv").read_bytes()


def test_specimens_and_scans(tmp_path):
    # specimen 0 (RM) at two thicknesses: wrong at 10 nm, right at 20 nm; specimen 1 (MU) right
    path = tiny_file(
        tmp_path / "p.nc",
        true=[0, 0, 0, 0, 2, 2],
        predicted=[4, 4, 0, 0, 2, 2],
        specimen=[0, 0, 0, 0, 1, 1],
        thickness=[10, 10, 20, 20, 20, 20],
    )
    (part,) = read_predictions(path)
    counted = specimen_scores(part)
    assert counted.n == 2
    assert counted.class_index.tolist() == [0, 2]
    assert counted.votes.tolist() == [2, 1]
    assert counted.votes_right.tolist() == [1, 1]
    assert counted.confusion[0, 0, 4] == 2
    assert counted.confusion.sum() == 6


def test_domains_are_kept_apart_even_if_interleaved(tmp_path):
    path = tiny_file(
        tmp_path / "p.nc", [0, 1, 0, 1], [0, 0, 1, 1], [0, 1, 0, 1], domain=[0, 1, 0, 1]
    )
    parts = {part.domain: part for part in read_predictions(path)}
    assert parts["a"].class_index.tolist() == [0, 0]
    assert parts["b"].predicted.tolist() == [0, 1]
    assert parts["b"].specimen_names == ["s-1"]


def test_positions_wrap_into_the_cell(tmp_path):
    path = tiny_file(tmp_path / "p.nc", [0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0])
    (part,) = read_predictions(path)
    wrong, count = error_maps(part, 2)
    assert count.tolist() == [[2, 0, 2, 0]]
    assert wrong.tolist() == [[0, 0, 2, 0]]


def test_broken_or_foreign_predictions_are_refused(tmp_path):
    (tmp_path / "cut.nc").write_bytes(b"\x89HDF\r\n")
    out = tmp_path / "m.csv", tmp_path / "c.nc"
    with pytest.raises(PolarstemError, match="truncated or not netCDF"):
        compute_metrics([tmp_path / "cut.nc"], *out)
    xr.Dataset({"x": 1}, attrs={"model": "m"}).to_netcdf(tmp_path / "other.nc")
    with pytest.raises(PolarstemError, match="lacks 'family'"):
        compute_metrics([tmp_path / "other.nc"], *out)
    with pytest.raises(PolarstemError, match="no predictions"):
        compute_metrics([], *out)
    assert not any(path.exists() for path in out)


def test_reference_and_other_thicknesses():
    config = synthetic.make_config()
    reference = reference_of(config)
    assert (reference.source, reference.domain, reference.thickness) == ("thin", "static20", 20.0)
    # neither the noisy nor the phonon domain is "another thickness"
    assert reference.other == {10.0: "static10", 30.0: "static30", 50.0: "static50"}
    config["train"]["sources"]["thin"] = ["static20", "static30"]
    assert reference_of(config).other == {10.0: "static10", 50.0: "static50"}


def test_summary_keys_and_values(results):
    folder, _, _, summary = results
    table = pd.read_csv(folder / "metrics.csv")
    here = table[(table["domain"] == "static20") & (table["metric"] == "balanced_accuracy")]
    expected = here[here["model"] == "pca_knn"]["value"].mean()
    assert summary["same_thickness.pca_knn"]["value"] == pytest.approx(expected)
    assert summary["domain.static20.pca_knn"]["value"] == summary["same_thickness.pca_knn"]["value"]
    assert {"other_thickness.10.best", "other_thickness.50.cnn", "domain.phonons20.cnn"} <= {
        *summary
    }
    assert "transfer.thin.dose20.cnn_prototype" in summary
    assert summary["flip_rate.static10.cnn"]["unit"] == "fraction"
    assert summary["mean_angular_error.static10.cnn"]["unit"] == "deg"
    assert summary["chance"]["value"] == 0.125
    assert summary["test_patterns.static20"]["value"] == 24 * 16
    for key, entry in summary.items():
        assert {"value", "low", "high", "n", "unit", "meaning"} <= set(entry), key
        assert len(entry["meaning"]) > 10
        if entry["low"] is not None:
            assert entry["low"] <= entry["value"] <= entry["high"]
            assert entry["n"] == 24


def test_scores_of_displacements_are_taken_over(results, tmp_path):
    folder, config, _, _ = results
    scores = {"vector.rms_pm": {"value": 3.0, "unit": "pm", "n": 4}}
    given = tmp_path / "displacements.json"
    given.write_text(json.dumps({"scores": scores, "cells": []}))
    tables = folder / "metrics.csv", folder / "confusion.nc"
    summarise_results(*tables, config, tmp_path, tmp_path / "s.json", displacements_json=given)
    assert json.loads((tmp_path / "s.json").read_text())["vector.rms_pm"] == scores["vector.rms_pm"]


def test_learning_says_how_far_models_carry_and_what_they_cost(results, tmp_path):
    folder, config, _, summary = results
    assert summary["learning.static20.ece.cnn.thin"]["unit"] == "fraction"
    assert "learning.static50.ece.cnn.thin" not in summary  # neither reference nor rung
    assert summary["learning.cost.seconds.cnn.thin"]["value"] == 42
    assert summary["learning.cost.patterns.cnn.thin"]["value"] == 12 * 1024
    assert summary["learning.cost.patterns.pca_knn.thin"]["value"] == 1024
    changed = json.loads(json.dumps(config))
    changed["domains"]["dose20"] |= {"factor": "dose", "severity": 1e5}
    changed["evaluate"] |= {"experiment": "phonons20", "controls": ["static50"]}
    tables = folder / "metrics.csv", folder / "confusion.nc"
    nearest = {"value": None, "unit": "of the class difference", "n": 0}
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"domains": {}, "nearest_training_crystal": nearest}))
    out = tmp_path / "s.json"
    summarise_results(*tables, changed, tmp_path, out, manifest_json=manifest)
    found = json.loads((tmp_path / "s.json").read_text())
    value = summary["domain.dose20.cnn"]["value"]
    assert found["learning.dose20.balanced_accuracy.cnn.thin"]["value"] == value
    assert "learning.dose20.nll.cnn.thin" not in found
    assert "domain.dose20.cnn" not in found  # a rung has no other key
    assert found["learning.phonons20.nll.cnn_ensemble.thin"]["n"] == 24
    assert not any(key.startswith("learning.cost") for key in found)
    leaked = found["learning.leakage.nearest"]
    assert (leaked["value"], leaked["n"], leaked["unit"]) == (None, 0, "of the class difference")
    assert leaked["meaning"].startswith("No test crystal")


def test_best_network_is_chosen_by_validation(results):
    _, _, _, summary = results
    best = summary["same_thickness.best"]
    assert best["model"] == "resnet18"  # the best validation accuracy of the histories
    assert "validation accuracy" in best["meaning"]
    assert summary["other_thickness.10.best"]["model"] == "resnet18"
    without_model = {k: best[k] for k in ("value", "low", "high", "n")}
    assert without_model == {k: summary["same_thickness.resnet18"][k] for k in without_model}


def test_choice_on_the_test_set_says_so(results, tmp_path):
    folder, config, _, _ = results
    out = tmp_path / "summary.json"
    summarise_results(folder / "metrics.csv", folder / "confusion.nc", config, tmp_path, out)
    summary = json.loads(out.read_text())
    assert "on this very test set" in summary["same_thickness.best"]["meaning"]
    assert summary["same_thickness.best"]["model"] != "pca_knn"
    assert not any(key.startswith("stages") for key in summary)


def test_stages_add_up_and_leave_out_other_configs(results):
    folder, config, _, summary = results
    assert summary["stages.simulate_patterns.jobs"]["value"] == 96
    assert summary["stages.simulate_patterns.seconds"]["value"] == pytest.approx(96 * 11.0)
    assert summary["stages.train_model.max_rss_mb"]["value"] == 1800
    assert summary["stages.train_model.jobs"]["value"] == 4 * 2
    assert "stages.build_structures.max_rss_mb" not in summary  # too short to be sampled
    total = sum(use.seconds for use in stage_use(folder / "benchmarks", config).values())
    assert summary["stages_total.seconds"]["value"] == pytest.approx(total)


def test_benchmarks_of_rules_without_wildcards_and_cut_lines(tmp_path):
    config = synthetic.make_config()
    (tmp_path / "check_leakage.jsonl").write_text('{"s": 2.5, "max_rss": 90.0}\n{"s": 1.')
    (tmp_path / "train_model").mkdir()
    (tmp_path / "train_model" / "x.jsonl").write_text("")
    use = stage_use(tmp_path, config)
    assert list(use) == ["check_leakage"]
    assert (use["check_leakage"].seconds, use["check_leakage"].max_rss_mb) == (2.5, 90.0)


def test_unreadable_table_is_one_sentence(tmp_path):
    with pytest.raises(PolarstemError, match=r"metrics\.csv cannot be read"):
        read_metrics(tmp_path / "metrics.csv")


@pytest.mark.parametrize(("low", "high"), [(0.1, np.nan), (-np.inf, 0.9), (None, 0.9)])
def test_an_interval_has_two_ends_or_none(low, high):
    shown = entries.entry(0.5, "fraction", "a score", low=low, high=high)
    assert (shown["low"], shown["high"]) == (None, None)


@pytest.fixture
def pooled_scores():
    """Scores of two models on two sources and of one on one, and a config that goes with them."""
    config = synthetic.make_config()
    config["evaluate"] = {
        "experiment": "phonons20",
        "reference_source": "thin",
        "recommended": {"model": "cnn", "source": "mixed"},
        "domains": ["static20", "phonons20", "dose20"],
        "controls": ["dose20"],
    }
    rows = []
    for number, (model, source) in enumerate(
        [
            ("cnn", "thin"),
            ("cnn", "mixed"),
            ("vgg11", "thin"),
            ("vgg11", "mixed"),
            ("pca_knn", "thin"),
        ]
    ):
        for domain in config["evaluate"]["domains"]:
            for metric, value in (("balanced_accuracy", 0.1), ("cell_accuracy", 0.5)):
                about = {"model": model, "source": source, "domain": domain, "metric": metric}
                value += number / 100 + len(domain) / 1000
                rows.append(about | {"value": value, "low": 0.0, "high": 1.0, "n": 3, "seeds": 1})
    return pd.DataFrame(rows), config


def test_data_and_architecture_stand_apart(pooled_scores):
    pooled, config = pooled_scores
    entries = fair_entries(pooled, config)
    values = {key: round(each["value"], 3) for key, each in entries.items()}
    assert values == {
        "learning.fair.cnn.ideal": 0.109,
        "learning.fair.cnn.varied": 0.119,
        "learning.fair.vgg11.ideal": 0.129,
        "learning.fair.vgg11.varied": 0.139,
    }
    assert "trained on mixed" in entries["learning.fair.cnn.varied"]["meaning"]
    assert fair_entries(pooled, config | {"evaluate": {"experiment": None}}) == {}
    # the better on the recommended source first, though the other one comes first in the config
    assert [row["model"] for row in fair_rows(entries, config)] == ["vgg11", "cnn"]


def test_streams_that_differ_in_length_alone_are_compared(pooled_scores):
    pooled, config = pooled_scores
    stream = {"specimens": ["warm"], "conditions": {"tilt_mrad": [0, 4]}, "patterns": 800}
    config["train"]["sources"] = {
        "thin": ["static20"],
        "mixed": stream,
        "brief": stream | {"patterns": 100, "training": {"max_epochs": 2}},
        "calm": stream | {"conditions": {}},
        "cold": stream | {"specimens": ["static"]},
    }
    assert fair_sources(config) == {"ideal": "thin", "brief": "brief", "varied": "mixed"}
    # a stream may be named like a column, and what is recommended may be ideal
    config["train"]["sources"]["ideal"] = stream
    assert list(fair_sources(config).values()) == ["thin", "brief", "mixed"]
    ideal = {"recommended": {"model": "cnn", "source": "thin"}}
    assert fair_sources(config | {"evaluate": config["evaluate"] | ideal}) == {}
    # the ResNet has no time for the whole stream
    pooled = pooled.replace({"source": {"mixed": "brief"}})
    pooled.loc[pooled["model"] == "cnn", "source"] = "mixed"
    entries = fair_entries(pooled, config)
    assert sorted(entries) == ["learning.fair.vgg11.brief", "learning.fair.vgg11.ideal"]


def test_patterns_seen_count_each_use(tmp_path):
    about = {"training_patterns": 100, "training_seconds": 1.0}
    (tmp_path / "model.json").write_text(json.dumps(about))
    assert patterns_seen(tmp_path) == 100
    (tmp_path / "history.csv").write_text("epoch,seconds\n1,2\n2,2\n3,2\n")
    assert patterns_seen(tmp_path) == 300
    (tmp_path / "model.json").write_text(json.dumps(about | {"stream": {"uses_of_each": 4}}))
    assert patterns_seen(tmp_path) == 400


def test_the_recommended_model_on_every_domain_but_controls(pooled_scores):
    pooled, config = pooled_scores
    values = {k: round(e["value"], 3) for k, e in recommended_entries(pooled, config).items()}
    assert values == {
        "learning.recommended.static20": 0.518,
        "learning.recommended.phonons20": 0.519,
    }
