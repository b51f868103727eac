# SPDX-License-Identifier: GPL-3.0-or-later
"""Synthetic results on a ladder and an emulated experiment, with accuracies that are given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from tests.unit.evaluate import synthetic_results as synthetic

SIDE = 6
MODELS = {
    "resnet18": {"family": "timm", "architecture": "resnet18", "head": "classification"},
    "cnn": {"family": "cnn", "head": "classification"},
    "cnn_prototype": {"family": "cnn", "head": "prototype"},
    "equivariant": {"family": "equivariant", "head": "classification"},
    "pca_knn": {"family": "pca_knn", "components": 20, "neighbours": 5},
}
SAME = {"resnet18": 0.97, "cnn": 0.98, "cnn_prototype": 0.97, "equivariant": 0.99, "pca_knn": 0.55}
# accuracy on the experiment, trained on one thickness, on several, on a stream
EXPERIMENT = {
    "thin": {
        "resnet18": 0.2, "cnn": 0.25, "cnn_prototype": 0.35, "equivariant": 0.3, "pca_knn": 0.15,
    },
    "several": {"cnn": 0.4, "equivariant": 0.5},
    "random": {"equivariant": 0.8, "cnn": 0.6},
}  # fmt: skip
# loss of accuracy per unit of severity, or per nm
LOSS = {
    "thickness": {"thin": 0.04, "several": 0.006, "random": 0.001},
    "tilt": {"thin": 0.15, "several": 0.12, "random": 0.02},
    "shift": {"thin": 0.3, "several": 0.3, "random": 0.02},
}
VALIDATION = {"resnet18": 0.95, "cnn": 0.96, "cnn_prototype": 0.955, "equivariant": 0.985}


def make_config() -> dict[str, Any]:
    """A resolved config with rungs, an experiment, a control, several thicknesses, a stream."""
    config = synthetic.make_config(test_specimens=6)
    rungs = {
        "tilt_1": ("tilt", 1.0, {"tilt_mrad": [1.0, 1.0]}),
        "tilt_3": ("tilt", 3.0, {"tilt_mrad": [3.0, 3.0]}),
        "shift_m1": ("shift", 1.0, {"shift_pixels": [1.0, 1.0]}),
        "dose_300": ("dose", 300.0, {"dose_electrons": [300.0, 300.0]}),
        "dose_1e06": ("dose", 1e6, {"dose_electrons": [1e6, 1e6]}),
    }
    config["domains"] |= {
        name: {
            "specimens": "static", "thicknesses_nm": [20.0], "dose_electrons": None,
            "factor": factor, "severity": severity, "conditions": conditions,
        }
        for name, (factor, severity, conditions) in rungs.items()
    }  # fmt: skip
    # the sets of synthetic_results are multislice; rungs are measured on scattering matrices
    config["structures"] |= {"a_site": "virtual", "amplitude_spread": 0.1}
    per_class = {"train": 0, "validation": 0, "test": 4}
    common = {"classes": None, "thicknesses_nm": {"between": [8.0, 40.0], "count": 1}}
    conditions = {"tilt_mrad": [0.0, 3.0]}
    for name, changes in {"emulated": {"a_site": "random"}, "cubic": {"amplitude": 0.0}}.items():
        config["specimens"][name] = {
            "per_class": per_class, **common, "structures": changes, "conditions": conditions,
        }  # fmt: skip
        config["domains"][name] = {"specimens": name, "thicknesses_nm": None}
    config["evaluate"]["domains"] = list(config["domains"])
    config["evaluate"] |= {"experiment": "emulated", "controls": ["cubic"]}
    config["models"] = {name: dict(settings) for name, settings in MODELS.items()}
    config["train"]["sources"] = {
        "thin": ["static20"],
        "several": ["static10", "static20"],
        "random": {"specimens": ["static"], "patterns": 1000},
    }
    config["train"]["runs"] = [
        {"models": list(members), "sources": [source]} for source, members in EXPERIMENT.items()
    ]
    return config


def level(model: str, source: str, domain: str, config: dict[str, Any]) -> float:
    """Accuracy that a model is given on a data domain."""
    settings = config["domains"][domain]
    if domain == "emulated":
        return EXPERIMENT[source][model]
    if domain == "cubic":
        return 0.125
    if settings.get("factor") == "dose":
        return {300.0: 0.5, 1e6: 0.9}[settings["severity"]]
    loss = LOSS.get(settings.get("factor"), {}).get(source, 0.0) * (settings.get("severity") or 0)
    members = config["train"]["sources"][source]
    trained = (
        [20.0] if isinstance(members, dict) else [float(m.removeprefix("static")) for m in members]
    )
    nm = min(abs(settings["thicknesses_nm"][0] - t) for t in trained)
    return max(0.1, SAME[model] - loss - LOSS["thickness"][source] * nm)


def write_predictions(folder: Path, config: dict[str, Any], *, scatter: bool = False) -> list[Path]:
    """Predictions of every run; errors stand nearest the cell's corners, or anywhere.

    Whole numbers of patterns are wrong, so that a level is met within half a pattern of 36; the
    crystals of a class differ by up to two patterns, alike for all models.
    """
    rng = np.random.default_rng(0)
    domains = config["evaluate"]["domains"]
    step = (np.arange(SIDE) + 0.5) / SIDE
    y, x = (axis.ravel() for axis in np.meshgrid(step, step, indexing="ij"))
    from_corner = np.hypot(0.5 - abs(y - 0.5), 0.5 - abs(x - 0.5))
    paths = []
    for run in config["train"]["runs"]:
        for source in run["sources"]:
            for model in run["models"]:
                rows, specimens = [], []
                for index, domain in enumerate(domains):
                    used = config["domains"][domain]["specimens"]
                    for name in synthetic.specimen_names(config, used, "test"):
                        if name not in specimens:
                            specimens.append(name)
                        _, true, _, number = name.split("-")
                        wrong = (1 - level(model, source, domain, config)) * SIDE**2
                        wrong = int(np.clip(round(wrong + int(number) % 3 - 1), 0, SIDE**2))
                        order = rng.permutation(SIDE**2) if scatter else np.argsort(from_corner)
                        part = _specimen(synthetic.NAMES.index(true), order[:wrong])
                        nm = config["domains"][domain]["thicknesses_nm"] or [15.0]
                        part |= {"cell_y": y, "cell_x": x, "thickness": np.full(SIDE**2, nm[0])}
                        part["specimen_index"] = np.full(SIDE**2, specimens.index(name))
                        part["domain_index"] = np.full(SIDE**2, index)
                        rows.append(part)
                columns = {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}
                path = folder / model / source / "0.nc"
                path.parent.mkdir(parents=True)
                settings = config["models"][model]
                labels = (model, settings["family"], settings.get("head", "none"), source, 0)
                synthetic.write_prediction_file(path, columns, specimens, domains, labels)
                paths.append(path)
    return paths


def _specimen(true: int, wrong: np.ndarray) -> dict[str, np.ndarray]:
    """Predictions for one scan: neighbours of the class where they are wrong, and less sure."""
    n = SIDE**2
    predicted = np.full(n, true)
    predicted[wrong] = (true + 1) % 8
    sure = np.full(n, 0.9)
    sure[wrong] = 0.6
    probability = np.repeat((1 - sure)[:, None] / 7, 8, axis=1)
    probability[np.arange(n), predicted] = sure
    return {
        "probability": probability.astype(np.float32),
        "class_index": np.full(n, true),
        "scan_y": np.repeat(np.arange(SIDE), SIDE),
        "scan_x": np.tile(np.arange(SIDE), SIDE),
    }


def write_models(folder: Path, config: dict[str, Any]) -> list[Path]:
    """Saved-model folders; networks have the validation accuracy of `VALIDATION`."""
    paths = []
    for run in config["train"]["runs"]:
        for source in run["sources"]:
            for model in run["models"]:
                paths.append(folder / model / source / "0")
                paths[-1].mkdir(parents=True)
                about = {"training_patterns": 1000, "training_seconds": 240.0}
                (paths[-1] / "model.json").write_text(json.dumps(about), encoding="utf-8")
                if model in VALIDATION:
                    epochs = np.arange(1, 9)
                    history = {
                        "epoch": epochs,
                        "train_loss": np.exp(-epochs / 3),
                        "validation_loss": np.exp(-epochs / 3),
                        "validation_accuracy": VALIDATION[model] * (1 - np.exp(-epochs / 2)),
                        "seconds": 30.0,
                    }
                    pd.DataFrame(history).to_csv(paths[-1] / "history.csv", index=False)
    return paths


def write_information(path: Path, *, cost: float = 0.0) -> Path:
    """An information limit: little at the cell's corners; `cost` for not knowing the thickness."""
    step = (np.arange(SIDE) + 0.5) / SIDE
    y, x = np.meshgrid(step, step, indexing="ij")
    electrons = 100 + 900 * np.exp(-np.hypot(0.5 - abs(y - 0.5), 0.5 - abs(x - 0.5)) / 0.2)
    accuracy = np.full((3, 1, 3, SIDE, SIDE), 0.9)
    accuracy[1:] -= cost
    accuracy[1:, :, 0] -= 0.3  # below 100 electrons it may cost anything
    xr.Dataset(
        {
            "chernoff": (("group", "true"), np.zeros((2, 8))),
            "electrons": (("thickness", "cell_y", "cell_x"), electrons[None]),
            "accuracy": (("knowledge", "thickness", "dose", "cell_y", "cell_x"), accuracy),
            "drawn": (("thickness", "dose"), np.full((1, 3), 40_000)),
        },
        coords={
            "knowledge": np.array(["known", "thickness_unknown", "unknown"], object),
            "thickness": [20.0],
            "dose": [30.0, 100.0, 1e4],
        },
    ).to_netcdf(path, engine="netcdf4")
    return path
