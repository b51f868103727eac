# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole pipeline on the tiny configuration."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from types import SimpleNamespace

import netCDF4
import pandas as pd
import pytest
from runs import planned, snakemake

from polarstem.config import check, load, plan
from polarstem.report import FIGURES

pytestmark = pytest.mark.slow

MAP_FILES = (
    *("map.nc", "map.hspy", "labels.tif", "cells.csv", "summary.json", "diagnostics.nc"),
    *("map.png", "confidence.png", "anomaly.png", "calibration.png", "thickness_tilt.png"),
    "map.html",
)
PROVENANCE = {"config_hash", "config", "git_commit", "versions", "seed", "Conventions"}


def test_every_stage_left_its_outputs(tiny: SimpleNamespace) -> None:
    results = tiny.folder / "results"
    config = load(tiny.folder / "tests" / "configs" / "tiny.yaml")
    specimens = [specimen.name for specimen in plan.all_specimens(config)]
    expected = [f"structures/specimens/{name}.xyz" for name in specimens]
    engines = [plan.engine_of(config, s.specimen_set)[0] for s in plan.all_specimens(config)]
    simulated = [n for n, engine in zip(specimens, engines, strict=True) if engine == "multislice"]
    expected += [f"simulations/{name}.nc" for name in simulated]
    expected += [f"scattering/{crystal.name}.nc" for crystal in plan.all_crystals(config)]
    expected += [f"datasets/{domain}.nc" for domain in config.used_domains()]
    for model, source, seed in config.runs():
        expected += [f"models/{model}/{source}/{seed}/model.json"]
        expected += [f"predictions/{model}/{source}/{seed}.nc"]
    expected += [f"figures/{name}.{kind}" for name, kinds in FIGURES.items() for kind in kinds]
    expected += ["structures/specimens.csv", "datasets/manifest.json", "metrics.csv"]
    expected += ["confusion.nc", "claims.json", "summary.json", "config.resolved.yaml"]
    expected += ["accuracy.json"]
    expected += ["report.html", "information.nc", "limit.json", "reference_model/MODEL_CARD.md"]
    scans = [name for name, found in config.experiments.items() if found.scene]
    expected += [f"scans/{name}{suffix}" for name in scans for suffix in (".hspy", ".truth.nc")]
    expected += [f"maps/{name}/{file}" for name in config.mapped() for file in MAP_FILES]
    expected += [
        "maps.json",
        "figures/maps.png",
        "figures/first_map.png",
        "reference_model/library.nc",
    ]
    expected += ["reference_model/anomaly.npz"]
    absent = [name for name in expected if not (results / name).stat().st_size]
    assert not absent
    hidden = [p for p in results.rglob(".*") if p.name != ".snakemake_timestamp"]
    assert not hidden, "temporary files were left"


def test_tiny_covers_every_family_and_head() -> None:
    config = load(Path(__file__).parents[1] / "configs" / "tiny.yaml")
    models = [config.models[name] for name in config.used_models()]
    assert {model.family for model in models} == {"timm", "cnn", "equivariant", "pca_knn"}
    assert config.streams()
    assert config.evaluate.experiment
    assert config.evaluate.controls
    assert any(config.domains[name].factor for name in config.evaluate.domains)
    assert {re.sub(r"\d.*", "", getattr(m, "architecture", "")) for m in models} >= {
        "resnet",
        "vgg",
    }
    heads = {getattr(model, "head", None) for model in models} - {None}
    assert heads == {"classification", "regression", "prototype"}
    assert any(config.simulate_of(s).phonons.configurations for s in plan.used_sets(config))
    engines = {plan.engine_of(config, s)[0] for s in plan.used_sets(config)}
    assert engines == {"scattering_matrix", "multislice"}


def test_netcdf_files_say_what_they_hold(tiny: SimpleNamespace) -> None:
    paths = sorted((tiny.folder / "results").rglob("*.nc"))
    assert {p.parent.name for p in paths} >= {"scattering", "simulations", "datasets"}
    problems = []
    for path in paths:
        with netCDF4.Dataset(path) as file:
            # nothing random is in a scattering matrix or a map
            calm = {"scattering", "maps", "defect_free"} & set(path.parts)
            facts = PROVENANCE - ({"seed"} if calm else set())
            problems += [f"{path.name}: {name}" for name in facts - set(file.ncattrs())]
            for name, variable in file.variables.items():
                for attribute in ("units", "long_name"):
                    if not getattr(variable, attribute, ""):
                        problems.append(f"{path.name}: {name} has no {attribute}")
            json.loads(file.config)
            json.loads(file.versions)
    assert not problems, "\n".join(sorted(set(problems)))


def test_data_sets_of_both_engines_are_alike(tiny: SimpleNamespace) -> None:
    forms = set()
    for domain in ("thin", "warm", "emulated", "tilt_2"):
        with netCDF4.Dataset(tiny.folder / "results" / "datasets" / f"{domain}.nc") as file:
            forms.add(
                tuple(
                    (name, variable.dtype, variable.dimensions, variable.units)
                    for name, variable in sorted(file.variables.items())
                )
                + tuple(sorted(file.ncattrs()))
            )
    assert len(forms) == 1


def test_logs_tell_the_engine_and_why(tiny: SimpleNamespace) -> None:
    logs = tiny.folder / "logs"
    for rule, specimen, words in (
        ("measure_dataset", "thin", "scattering_matrix: the crystal repeats in the plane"),
        ("simulate_patterns", "tiny_phonons-RM-test-0", "multislice: its A site is random"),
    ):
        text = (logs / rule / f"{specimen}.log").read_text(encoding="utf-8")
        assert f"engine {words}" in text


def test_summary_entries_are_explained(tiny: SimpleNamespace) -> None:
    summary = json.loads((tiny.folder / "results" / "summary.json").read_text(encoding="utf-8"))
    for key, entry in summary.items():
        assert entry.keys() >= {"value", "low", "high", "n", "unit", "meaning"}, key
        assert entry["unit"], key
        assert len(entry["meaning"].split()) > 3, key
        if entry["low"] is not None and entry["value"] is not None:
            low, high = entry["low"] - 1e-12, entry["high"] + 1e-12  # rounding of a sum
            assert low <= entry["value"] <= high, key
    config = load(tiny.folder / "tests" / "configs" / "tiny.yaml")
    for rule in (
        *("build_structures", "compute_scattering_matrix", "measure_dataset"),
        *("simulate_patterns", "train_model", "compute_metrics"),
    ):
        assert summary[f"stages.{rule}.seconds"]["value"] > 0
        assert f"stages.{rule}.max_rss_mb" in summary
    source = config.evaluate.reference_source
    for model in {name for name, trained_on, _ in config.runs() if trained_on == source}:
        assert f"same_thickness.{model}" in summary
        assert f"other_thickness.10.{model}" in summary
    assert "same_thickness.best" in summary
    assert "other_thickness.10.best" in summary
    for name in ("grid", "field", "window", "slices", "phonons", "signal"):
        assert summary[f"accuracy.{name}"]["n"] > 0
    assert summary["accuracy.signal"]["value"] > summary["accuracy.grid"]["value"] > 0
    for score in ("cell_accuracy", "wall_error_nm", "answered", "thickness_error_nm"):
        assert f"maps.four_domains.{score}" in summary


def test_metrics_table_is_complete(tiny: SimpleNamespace) -> None:
    table = pd.read_csv(tiny.folder / "results" / "metrics.csv")
    config = load(tiny.folder / "tests" / "configs" / "tiny.yaml")
    runs = set(zip(table.model, table.source, table.seed, table.domain, strict=True))
    assert runs == {(*run, domain) for run in config.runs() for domain in config.evaluate.domains}
    metrics = {"accuracy", "balanced_accuracy", "macro_f1"}
    metrics |= {"mean_angular_error", "flip_rate", "majority_accuracy"}
    polar = table[~table.domain.isin(config.evaluate.controls)]
    counts = polar[polar.metric.isin(metrics)].groupby(["model", "source", "domain"]).metric.count()
    assert (counts == len(metrics)).all()
    assert {"nll", "ece", "aurc", "cell_accuracy"} <= set(polar.metric)
    control = set(table.metric[table.domain.isin(config.evaluate.controls)])
    assert control <= {"conformal_size", "abstained", "abstained_cells"}
    assert "abstained_cells" in control
    assert (table.n > 0).all()


def test_resolved_config_is_a_config(tiny: SimpleNamespace) -> None:
    import yaml

    text = (tiny.folder / "results" / "config.resolved.yaml").read_text(encoding="utf-8")
    resolved = yaml.safe_load(text)
    again = check(resolved)
    assert again.model_dump(mode="json") == resolved
    rungs = ("tilt_2", "dose_300", "dose_10000")
    assert again.evaluate.domains == ("thin", "thick", "warm", "emulated", "cubic", *rungs)


def test_every_job_left_log_and_benchmark(tiny: SimpleNamespace) -> None:
    jobs = re.findall(r"^\s+log: (\S+)$", tiny.text, re.MULTILINE)
    benchmarks = re.findall(r"^\s+benchmark: (\S+)$", tiny.text, re.MULTILINE)
    assert len(jobs) > 40
    for log in jobs:
        assert (tiny.folder / log).read_text(encoding="utf-8").rstrip().endswith("done"), log
    for benchmark in benchmarks:
        record = json.loads((tiny.folder / benchmark).read_text(encoding="utf-8"))
        assert record["s"] > 0, benchmark


def test_second_run_does_nothing(tiny: SimpleNamespace) -> None:
    assert "Nothing to be done" in snakemake(tiny.folder, "--cores", "2").stdout
    assert planned(tiny.folder) == {}


def test_snakemake_report_holds_every_figure(tiny: SimpleNamespace, tmp_path: Path) -> None:
    archive = tmp_path / "report.zip"
    snakemake(tiny.folder, "--report", str(archive))
    with zipfile.ZipFile(archive) as file:
        assert file.testzip() is None
        names = {Path(name).name for name in file.namelist()}
    figures = {f"{name}.{kinds[0]}" for name, kinds in FIGURES.items()}
    assert names >= figures | {"metrics.csv", "specimens.csv", "report.html"}
