# SPDX-License-Identifier: GPL-3.0-or-later
"""Small synthetic results in the schemas of the workflow's files, with known statistics."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr

from polarstem.checked_netcdf import save_netcdf
from polarstem.config.vector_bound import PARAMETERS
from polarstem.data.dataset_file import DatasetWriter
from polarstem.evaluate.limit.crystal_information import information_dataset
from polarstem.evaluate.limit.displaced_patterns import Expansion
from polarstem.evaluate.limit.displacement_limit import bound_dataset
from polarstem.evaluate.scores.vector_scores import score_displacements
from polarstem.evaluate.summary.entries import RELATIVE, entry
from polarstem.structures.build import build_specimen, write_specimen
from polarstem.structures.crystals import load_material
from polarstem.structures.recipes import SpecimenRecipe
from polarstem.structures.variants import classes

CLASSES = classes("O", (0, 0, 1))
NAMES = [c.name for c in CLASSES]
DIRECTIONS = np.array([c.direction_deg for c in CLASSES])
THICKNESSES = (10.0, 20.0, 30.0, 50.0)
SEMIANGLE = 24.0
# model: family, head, accuracy at the trained thickness, loss of accuracy per nm
MODELS = {
    "resnet18": ("timm", "classification", 0.999, 0.035),
    "vgg11": ("timm", "classification", 0.97, 0.04),
    "cnn": ("cnn", "classification", 0.99, 0.03),
    "cnn_regression": ("cnn", "regression", 0.96, 0.03),
    "cnn_prototype": ("cnn", "prototype", 0.985, 0.022),
    "pca_knn": ("pca_knn", "none", 0.55, 0.02),
}


def make_config(seeds: tuple[int, ...] = (0,), test_specimens: int = 3) -> dict[str, Any]:
    """A resolved config as a plain mapping."""
    per_class = {"train": 2, "validation": 1, "test": test_specimens}
    thick = {f"static{t:g}": (t, "static", None) for t in THICKNESSES}
    domains = {**thick, "phonons20": (20.0, "phonons", None), "dose20": (20.0, "static", 1e5)}
    models: dict[str, Any] = {
        name: {"family": family}
        | ({"architecture": name} if family == "timm" else {})
        | ({} if head == "none" else {"head": head})
        for name, (family, head, _, _) in MODELS.items()
    }
    return {
        "seed": 7,
        "structures": {
            "material": "KNN",
            "phase": "O",
            "zone_axis": [0, 0, 1],
            "a_site": "random",
            "amplitude": 1.0,
            "metric": "cubic",
            "cells": [2, 2],
        },
        "simulate": {
            "energy_kv": 200.0,
            "semiangle_mrad": SEMIANGLE,
            "pixels_per_cell": 32,
            "accuracy": 0.01,
            "slices": "planes",
            "scan": {"positions": [8, 8], "cells": [1, 1], "offset": "random"},
            "detector": {"pixels": 48, "mrad_per_pixel": 2.0},
            "phonons": {"configurations": 0, "scale": 1.0},
        },
        "specimens": {
            "static": {"per_class": per_class, "classes": None, "thicknesses_nm": [*THICKNESSES]},
            "phonons": {
                "per_class": per_class,
                "classes": None,
                "thicknesses_nm": [20.0],
                "simulate": {"phonons": {"configurations": 4}},
            },
        },
        "domains": {
            name: {"specimens": s, "thicknesses_nm": [t], "dose_electrons": dose}
            for name, (t, s, dose) in domains.items()
        },
        "models": models,
        "train": {
            "sources": {"thin": ["static20"], "mixed": ["static10", "static30"]},
            "runs": [{"models": list(MODELS), "sources": ["thin", "mixed"]}],
            "seeds": list(seeds),
        },
        "evaluate": {
            "domains": list(domains),
            "reference_source": "thin",
            "reference_domain": "static20",
            "confidence": 0.95,
            "smallest_gain": 0.02,
            "training_spread": 0.05,
        },
        "report": {"title": "Polarization mapping with 4D-STEM: a benchmark"},
    }


def specimen_names(config: dict[str, Any], specimen_set: str, split: str) -> list[str]:
    """Names of the specimens of one split."""
    count = config["specimens"][specimen_set]["per_class"][split]
    return [f"{specimen_set}-{name}-{split}-{i}" for name in NAMES for i in range(count)]


def write_structures(folder: Path) -> list[Path]:
    """One real specimen per class, two cells wide."""
    material = load_material("KNN")
    paths = []
    for c in CLASSES:
        recipe = SpecimenRecipe(
            name=f"static-{c.name}-test-0",
            specimen_set="static",
            split="test",
            class_index=c.index,
            class_name=c.name,
            direction_deg=c.direction_deg,
            variant=c.variants[-1],
            phase="O",
            zone_axis=(0, 0, 1),
            material=material,
            cells=(2, 2),
            thickness_cells=4,
            seed=c.index,
        )
        paths.append(folder / f"{recipe.name}.xyz")
        write_specimen(build_specimen(recipe), paths[-1])
    return paths


def pattern(direction: float, thickness: float, y: float, x: float, k: np.ndarray) -> np.ndarray:
    """Something like a diffraction pattern: overlapping discs with a polar term of a few %."""
    kx, ky = np.meshgrid(k, -k)
    disc = 1 / (1 + np.exp((np.hypot(kx, ky) - SEMIANGLE) / 0.8))
    fringes = 1 + 0.45 * np.cos(kx / 2.1 + 2 * np.pi * x) * np.cos(ky / 2.1 - 2 * np.pi * y)
    along = kx * np.cos(np.radians(direction)) + ky * np.sin(np.radians(direction))
    polar = 1 + 0.04 * np.sin(along / 6 + thickness / 8)
    tail = 0.05 * np.exp(-np.hypot(kx, ky) / 20)
    intensity = (disc * fringes + tail) * polar
    return intensity / intensity.sum()


def write_datasets(folder: Path, pixels: int = 48) -> list[Path]:
    """One data set per thickness; all but the first specimen are of another direction."""
    k = (np.arange(pixels) - (pixels - 1) / 2) * 2.0
    full = (np.arange(8) + 0.3) / 8, (np.arange(6) + 0.1) / 6
    specimens = [("train-0", 0, full), ("test-0", 90, ([0.25], [0.25]))]
    paths = []
    for t in THICKNESSES:
        paths.append(folder / f"static{t:g}.nc")
        with netCDF4.Dataset(paths[-1], "w") as file:
            writer = DatasetWriter(file, k, NAMES, DIRECTIONS, len(NAMES) * len(specimens))
            for c in CLASSES:
                for number, turn, (cell_y, cell_x) in specimens:
                    angle = c.direction_deg + turn
                    patterns = [[pattern(angle, t, y, x, k) for x in cell_x] for y in cell_y]
                    writer.add(
                        f"static-{c.name}-{number}",
                        c.name,
                        c.direction_deg,
                        number.split("-")[0],
                        t,
                        (np.array(cell_y), np.array(cell_x)),
                        np.array(patterns, np.float32),
                    )
    return paths


def information_settings(groups: int = 1, bins: int = 4) -> dict[str, Any]:
    """What `information_dataset` needs to know of `class_patterns`."""
    members = [{"class_name": c.name, "direction_deg": c.direction_deg} for c in CLASSES]
    return {
        "groups": [members] * groups,
        "thicknesses_nm": list(THICKNESSES),
        "doses": [1e2, 1e3, 1e5],
        "bins": bins,
        "seed": 7,
    }


def class_patterns(bins: int = 4, pixels: int = 16) -> np.ndarray:
    """Patterns (class, thickness, position, pixel) on a grid over the cell."""
    k = (np.arange(pixels) - (pixels - 1) / 2) * 96 / pixels
    cell = (np.arange(bins) + 0.5) / bins
    found = [
        [[pattern(d, t, y, x, k).ravel() for y in cell for x in cell] for t in THICKNESSES]
        for d in DIRECTIONS
    ]
    return np.array(found, dtype=np.float32)


def write_vector_bound(path: Path) -> Path:
    """A bound of displacements, of made-up patterns that follow all parameters."""
    rng = np.random.default_rng(11)
    thicknesses, bins, pixels = [5.0, 20.0], 3, 60
    settings = {
        **{"amplitudes": [0.0, 1.0], "thicknesses_nm": thicknesses, "doses": [1e3, 1e5]},
        **{"positions": bins, "nuisance": ["tilt_x", "tilt_y", "defocus"], "draws": 40, "seed": 7},
    }
    expansions = []
    for _ in settings["amplitudes"]:
        patterns = rng.gamma(3, size=(len(thicknesses), bins**2, pixels))
        patterns /= patterns.sum(-1, keepdims=True)
        slopes = 0.03 * patterns * rng.standard_normal((len(PARAMETERS), *patterns.shape))
        expansions.append(Expansion(patterns, slopes, 0 * slopes))
    data = bound_dataset(expansions, settings)
    data.attrs = {"nuisance": "tilt_x tilt_y defocus", "template_pm": 20.0}
    data.to_netcdf(path)
    return path


def write_displacements(path: Path) -> Path:
    """Fitted displacements of made-up specimens, one pm off in each component, and their scores."""
    rng = np.random.default_rng(5)
    truth = {f"s{k}": [0.2 * k * x for x in (0.6, -0.8, 1.0)] for k in range(6)}
    variables = {
        "thickness": ("specimen", 10.0 + 5 * np.arange(6)),
        "direction": ("specimen", np.full(6, 315.0)),
        "recount_dose": ("recount", [1e3, 1e4]),
        "bound": (("specimen", "recount"), np.full((6, 2), 0.04)),
        "reached": (("specimen", "recount"), np.full((6, 2), 0.05)),
        "columns": (("specimen", "column_feature", "axis"), np.zeros((6, 0, 2))),
        **{
            f"measured_{name}": ("specimen", np.zeros(6))
            for name in ("thickness", "tilt_x", "tilt_y")
        },
    }
    for kind, count in (("cell", 4), ("pattern", 10)):
        owner = np.repeat(np.arange(6), count)
        vectors = 20.0 * np.array(list(truth.values()))[owner, :2]
        found = vectors + rng.normal(size=vectors.shape)
        own = {"ux": found[:, 0], "uy": found[:, 1], "sigma_x": 1.0, "sigma_y": 1.0}
        own |= {"correlation": 0.1, "p_polar": 1.0, "specimen": owner}
        for name, values in own.items():
            variables[f"{kind}_{name}"] = (kind, np.broadcast_to(values, owner.shape).copy())
    names = {"specimen": list(truth), "column_feature": np.zeros(0, str)}
    data = xr.Dataset(variables, names, {"full_vector_pm": 20.0})
    save_netcdf(data, path.with_suffix(".nc"))
    score_displacements({"free": path.with_suffix(".nc")}, {"free": truth}, path, 0.95)
    return path


def write_information(path: Path, groups: int = 1) -> Path:
    """The information limit; without groups, a file that holds none."""
    patterns = [class_patterns()] * groups
    information_dataset(patterns, information_settings(groups), repeats=1).to_netcdf(path)
    return path


def write_accuracy(path: Path) -> Path:
    """An error budget of a run without scenes, nothing of it lost to the slices."""
    values = {"grid": 0.0049, "field": 0.0081, "slices": 0.0, "phonons": 0.04}
    values |= {"signal": 0.31, "signal_cubic": 0.19}
    about = {"thicknesses_nm": [5.0, 20.0]}
    entries = {
        f"accuracy.{name}": entry(
            value, RELATIVE, f"change by {name} of patterns", low=0.8 * value, high=1.2 * value, n=8
        )
        | about
        | {"by_thickness": [0.5 * value, 1.5 * value]}
        for name, value in values.items()
    }
    empty = {"thicknesses_nm": [], "by_thickness": []}
    window = entry(float("nan"), RELATIVE, "This run scans no scenes at all", n=0) | empty
    entries["accuracy.window"] = window
    path.write_text(json.dumps(entries), encoding="utf-8")
    return path


def write_predictions(folder: Path, config: dict[str, Any], positions: int = 8) -> list[Path]:
    """Predictions of every run, worse with distance in thickness and near the A columns."""
    paths = []
    for seed in config["train"]["seeds"]:
        for source in config["train"]["sources"]:
            for model in config["models"]:
                path = folder / model / source / f"{seed}.nc"
                path.parent.mkdir(parents=True, exist_ok=True)
                _prediction(path, config, model, source, seed, positions)
                paths.append(path)
    return paths


def _prediction(
    path: Path, config: dict[str, Any], model: str, source: str, seed: int, positions: int
) -> None:
    family, head, best, slope = MODELS[model]
    trained = [
        config["domains"][d]["thicknesses_nm"][0] for d in config["train"]["sources"][source]
    ]
    rng = np.random.default_rng([seed, len(model), len(source)])
    columns: dict[str, list[np.ndarray]] = {}
    specimens: list[str] = []
    domains = config["evaluate"]["domains"]
    for index, domain in enumerate(domains):
        settings = config["domains"][domain]
        thickness = settings["thicknesses_nm"][0]
        gap = min(abs(thickness - t) for t in trained)
        level = max(0.15, best - slope * gap - 0.05 * (domain in ("phonons20", "dose20")))
        for name in specimen_names(config, settings["specimens"], "test"):
            if name not in specimens:
                specimens.append(name)
            true = NAMES.index(name.split("-")[1])
            n = positions**2
            step = (np.arange(positions) + rng.random()) / positions
            y, x = (a.ravel() for a in np.meshgrid(step, step, indexing="ij"))
            near_a = np.cos(2 * np.pi * y) + np.cos(2 * np.pi * x) > 0.8
            p = np.clip(level - 0.25 * (1 - level + 0.02) * near_a + rng.normal(0, 0.01), 0.02, 1)
            # errors prefer the opposite direction, then the neighbours
            wrong = true + rng.choice([4, 1, 7, 3, 5], p=[0.4, 0.2, 0.2, 0.1, 0.1], size=n)
            predicted = np.where(rng.random(n) < p, true, wrong % 8)
            probability = rng.dirichlet(np.ones(8), size=n) * 0.4
            probability[np.arange(n), predicted] += 0.6
            part = {
                "probability": probability.astype(np.float32),
                "class_index": np.full(n, true),
                "thickness": np.full(n, thickness),
                "cell_y": y,
                "cell_x": x,
                "scan_y": np.repeat(np.arange(positions), positions),
                "scan_x": np.tile(np.arange(positions), positions),
                "specimen_index": np.full(n, specimens.index(name)),
                "domain_index": np.full(n, index),
            }
            for key, values in part.items():
                columns.setdefault(key, []).append(values)
    joined = {key: np.concatenate(values) for key, values in columns.items()}
    write_prediction_file(path, joined, specimens, domains, (model, family, head, source, seed))


def write_prediction_file(
    path: Path,
    columns: dict[str, np.ndarray],
    specimens: list[str],
    domains: list[str],
    run: tuple[str, str, str, str, int],
    calibration: dict[str, float] | None = None,
) -> None:
    """Write arrays in the schema of predict_patterns."""
    xr.Dataset(
        {
            "probability": (("pattern", "class"), columns.pop("probability")),
            **{key: ("pattern", values) for key, values in columns.items()},
            "specimen_name": ("specimen", np.array(specimens, dtype=object)),
            "domain_name": ("domain", np.array(domains, dtype=object)),
            "class_name": ("class", np.array(NAMES, dtype=object)),
            "class_direction": ("class", DIRECTIONS),
        },
        attrs=dict(zip(("model", "family", "head", "source", "seed"), map(str, run), strict=True))
        | {f"calibration_{name}": value for name, value in (calibration or {}).items()},
    ).to_netcdf(path, engine="netcdf4")


def write_models(folder: Path, config: dict[str, Any]) -> list[Path]:
    """Saved-model folders with a history for the networks."""
    paths = []
    for model in config["models"]:
        family, _, best, _ = MODELS[model]
        for source in config["train"]["sources"]:
            for seed in config["train"]["seeds"]:
                path = folder / model / source / str(seed)
                path.mkdir(parents=True)
                paths.append(path)
                (path / "model.json").write_text(
                    '{"training_patterns": 1024, "training_seconds": 42.0}'
                )
                if family != "pca_knn":
                    _history(path / "history.csv", best, seed)
    return paths


def _history(path: Path, best: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    epochs = np.arange(1, 13)
    loss = 2.0 * np.exp(-epochs / 2.5) + 0.01 + 0.2 * (1 - best)
    noisy = loss * (1 + 0.1 * rng.random(12))
    accuracy = best - (best - 0.125) * np.exp(-epochs / 2)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        header = ("epoch", "train_loss", "validation_loss", "validation_accuracy", "seconds")
        writer.writerow(header)
        writer.writerows(zip(epochs, loss, noisy, accuracy, np.full(12, 3.2), strict=True))


def write_benchmarks(folder: Path, config: dict[str, Any]) -> Path:
    """Benchmark files as Snakemake writes them with --benchmark-extended."""

    def job(rule: str, wildcards: dict[str, str], seconds: float, rss: float | str) -> None:
        path = folder / rule / ("-".join(wildcards.values()) or "all")
        path.parent.mkdir(parents=True, exist_ok=True)
        record = {"s": seconds, "h:m:s": "", "max_rss": rss, "rule_name": rule}
        record["wildcards"] = wildcards
        path.with_name(path.name + ".jsonl").write_text(json.dumps(record) + "\n")

    for specimen_set in config["specimens"]:
        for split in ("train", "validation", "test"):
            for name in specimen_names(config, specimen_set, split):
                job("simulate_patterns", {"specimen": name}, 11.0, 900.0 + len(name))
    job("build_structures", {}, 2.0, "NA")
    for domain in config["domains"]:
        job("assemble_dataset", {"domain": domain}, 3.0, 300.0)
    job("check_leakage", {}, 1.0, 150.0)
    for model in config["models"]:
        for source in config["train"]["sources"]:
            for seed in config["train"]["seeds"]:
                wildcards = {"model": model, "source": source, "seed": str(seed)}
                job("train_model", wildcards, 42.0, 1800.0)
                job("predict_patterns", wildcards, 9.0, 1100.0)
    job("compute_metrics", {}, 4.0, 260.0)
    # left by an earlier run with another config: not to be counted
    job("train_model", {"model": "gone", "source": "thin", "seed": "0"}, 1e6, 1e6)
    job("simulate_patterns", {"specimen": "static-RM-test-99"}, 1e6, 1e6)
    return folder
