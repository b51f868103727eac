# SPDX-License-Identifier: GPL-3.0-or-later
"""Predictions under which every claim holds, none does, or all stand on the brink."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from scipy.special import ndtri

from polarstem.evaluate.claims.case import Case
from polarstem.evaluate.claims.evidence import Evidence
from tests.unit.evaluate import synthetic_results as synthetic

_CNN: dict[str, Any] = {"family": "cnn", "head": "classification", "augmentation": {}}
MODELS: dict[str, dict[str, Any]] = {
    "cnn": _CNN,
    "resnet18": {"family": "timm", "architecture": "resnet18", "head": "classification"},
    "cnn_prototype": _CNN | {"head": "prototype"},
    "cnn_paper": _CNN | {"augmentation": {"paper": True}},
    "cnn_filtered": _CNN | {"filter": "centre_of_mass"},
    "cnn_information": _CNN | {"filter": "information"},
    "cnn_even_odd": _CNN | {"preprocessing": {"parity": "even_odd"}},
    "equivariant": {"family": "equivariant", "head": "classification"},
    "pca_knn": {"family": "pca_knn", "components": 20},
}
RUNS = {"thin": list(MODELS), "several": ["cnn"], "random": ["cnn", "equivariant"]}
VALIDATED = {
    source: {model: 0.99 if model == "cnn" else 0.9 for model in models if model != "pca_knn"}
    for source, models in RUNS.items()
}
SPECIMENS = 4  # of each class
SIDE = 6  # rows of positions
# what models are tested on, but for the best one trained on one thickness
TESTED = {
    "thin": ["emulated"],
    "several": ["static10", "static30", "static50", "tilt_3"],
    "random": ["emulated", "dose_1e04"],
}


@dataclass(frozen=True)
class World:
    """What the models reach.

    Attributes
    ----------
    same, elsewhere, experiment : float
        Accuracy of plain networks trained on one thickness, there, at others, on the experiment.
    remedy : float
        Accuracy of all other models on the experiment.
    several, tilted : float
        Accuracy after training on several thicknesses, at all thicknesses and under the tilt.
    plain_stream, strong_stream : float
        Accuracy on the experiment of a plain and of the recommended network trained on a stream.
    areas : dict of str to float
        Area under the ROC curve of doubt, by data domain; 0.5 in others.
    spread : float
        Half of the specimens are so much better, the others worse.
    scatter : float
        How far errors stray from the corners of the cell [cells].
    lost : bool
        Whether the recommended network is all wrong on the first specimen of each class.
    """

    same: float
    elsewhere: float
    experiment: float
    remedy: float
    several: float
    tilted: float
    plain_stream: float
    strong_stream: float
    areas: dict[str, float]
    spread: float
    scatter: float
    lost: bool = False

    def accuracy(self, model: str, source: str, domain: str) -> float:
        """Mean over specimens."""
        if source == "several":
            return self.tilted if domain == "tilt_3" else self.several
        if source == "random":
            return self.plain_stream if model == "cnn" else self.strong_stream
        if domain == "emulated":
            return self.experiment if model in ("cnn", "resnet18") else self.remedy
        return self.elsewhere if domain in ("static10", "static30", "static50") else self.same


WORLDS = {
    "holds": World(
        0.99, 0.4, 0.3, 0.5, 0.9, 0.5, 0.6, 0.9,
        {"defect": 0.95, "tilt_1": 0.7, "disorder": 0.7, "phonons20": 0.8}, 0.01, 0.0,
    ),
    "does not hold": World(
        0.8, 0.74, 0.78, 0.6, 0.74, 0.74, 0.3, 0.99,
        {"defect": 0.7, "tilt_1": 0.85, "disorder": 0.95, "phonons20": 0.99}, 0.01, 10.0, True,
    ),
    # each number at the smallest effect, give or take its interval
    "undecided": World(
        0.95, 0.85, 0.85, 0.87, 0.9, 0.88, 0.78, 0.98,
        {"defect": 0.85, "tilt_1": 0.6, "disorder": 0.6, "phonons20": 0.8}, 0.1, 0.8,
    ),
}  # fmt: skip


def make_config() -> dict[str, Any]:
    """A resolved config in which nothing is missing that a claim asks for."""
    config = synthetic.make_config(seeds=(0, 1, 2), test_specimens=SPECIMENS)
    config["structures"] |= {"a_site": "virtual", "amplitude_spread": 0.1}
    static = config["specimens"]["static"]
    config["specimens"] |= {
        "disorder": static | {"structures": {"a_site": "random"}},
        "defect": static
        | {
            "paired_with": "static",
            "structures": {"defect": {"kind": "antisite_column", "site": "A"}},
        },
        "emulated": static
        | {
            "thicknesses_nm": {"between": [8.0, 32.0], "count": 1},
            "conditions": {"tilt_mrad": [0.0, 3.0]},
        },
    }
    config["domains"].pop("dose20")
    at_20 = {"thicknesses_nm": [20.0], "dose_electrons": None, "conditions": None}
    config["domains"]["phonons20"] |= {"factor": "phonons", "severity": 1.0}
    config["domains"] |= {
        "defect": at_20 | {"specimens": "defect"},
        "disorder": at_20 | {"specimens": "disorder", "factor": "disorder", "severity": 1.0},
        "emulated": {"specimens": "emulated", "thicknesses_nm": None},
    }
    rungs = [("tilt", 1.0, "tilt_1"), ("tilt", 3.0, "tilt_3"), ("tilt", 5.0, "tilt_5")]
    for factor, severity, name in [*rungs, ("dose", 1e4, "dose_1e04")]:
        about = {"specimens": "static", "factor": factor, "severity": severity}
        config["domains"][name] = at_20 | about | {"conditions": {factor: [severity] * 2}}
    config["models"] = {name: dict(settings) for name, settings in MODELS.items()}
    config["train"] |= {
        "sources": {
            "thin": ["static20"],
            "several": ["static10", "static20"],
            "random": {"specimens": ["static"], "conditions": {"tilt_mrad": [0.0, 4.0]}},
        },
        "runs": [{"models": models, "sources": [source]} for source, models in RUNS.items()],
    }
    config["evaluate"] |= {
        "domains": list(config["domains"]),
        "experiment": "emulated",
        "recommended": {"model": "equivariant", "source": "random"},
    }
    return config


def make_case(folder: Path, world: World, config: dict[str, Any] | None = None) -> Case:
    """Write the predictions of a world, the same for all training seeds, and open them."""
    config = config or make_config()
    paths = []
    for number, (source, models) in enumerate(RUNS.items()):
        for model in models:
            own = folder / model / source
            own.mkdir(parents=True)
            rng = np.random.default_rng([number, list(MODELS).index(model)])
            _write(own / "0.nc", config, world, (model, source), rng)
            paths.append(own / "0.nc")
            for seed in config["train"]["seeds"][1:]:
                paths.append(own / f"{seed}.nc")
                os.link(own / "0.nc", paths[-1])
    evidence = Evidence(paths)
    return Case(config, evidence, VALIDATED, make_information())


def make_information(side: int = 12) -> xr.Dataset:
    """An information limit: least in the corners of the cell."""
    electrons = 100 + 900 * np.exp(-_from_corner(side) / 0.2).reshape(1, side, side)
    return xr.Dataset(
        {"electrons": (("thickness", "cell_y", "cell_x"), electrons)},
        coords={"thickness": [20.0], "dose": [1e4]},
    )


def _from_corner(side: int) -> np.ndarray:
    step = (np.arange(side) + 0.5) / side
    y, x = np.meshgrid(step, step, indexing="ij")
    return np.hypot(0.5 - abs(y - 0.5), 0.5 - abs(x - 0.5)).ravel()


def _write(
    path: Path, config: dict[str, Any], world: World, run: tuple[str, str], rng: np.random.Generator
) -> None:
    model, source = run
    side = 2 * SIDE if run == ("equivariant", "random") else SIDE
    n, step = side**2, (np.arange(side) + 0.5) / side
    y, x = (axis.ravel() for axis in np.meshgrid(step, step, indexing="ij"))
    specimens: list[str] = []
    rows: list[dict[str, np.ndarray]] = []
    domains = TESTED[source] if run != ("cnn", "thin") else list(config["evaluate"]["domains"])
    for index, domain in enumerate(domains):
        settings = config["domains"][domain]
        names = synthetic.specimen_names(config, settings["specimens"], "test")
        specimens += [name for name in names if name not in specimens]
        level = world.accuracy(model, source, domain)
        # errors of whole numbers of patterns, whose mean is as given
        off = min(world.spread, 1 - level) * _signs(len(names), rng)
        errors = np.diff(np.round(np.cumsum(n * (1 - level + off))), prepend=0).astype(int)
        areas = world.areas.get(domain, 0.5) + world.spread * _signs(len(names), rng)
        for name, wrong, area in zip(names, errors, areas, strict=True):
            true = synthetic.NAMES.index(name.split("-")[1])
            order = np.argsort(_from_corner(side) + world.scatter * rng.normal(size=n))
            if world.lost and run == ("equivariant", "random") and name.endswith("-0"):
                wrong = n
            predicted = np.full(n, true)
            predicted[order[:wrong]] = (true + 1) % 8
            # normal scores that are shifted give the area
            shift = np.sqrt(2) * ndtri(np.clip(area, 0.01, 0.99)) * (domain in world.areas)
            sure = 0.6 - 0.05 * np.clip(shift + rng.normal(size=n), -6, 6)
            probability = np.repeat((1 - sure)[:, None] / 7, 8, axis=1)
            probability[np.arange(n), predicted] = sure
            rows.append(
                {
                    "probability": probability.astype(np.float32),
                    "class_index": np.full(n, true),
                    "thickness": np.full(n, (settings["thicknesses_nm"] or [15.0])[0]),
                    "cell_y": y,
                    "cell_x": x,
                    "scan_y": np.repeat(np.arange(side), side),
                    "scan_x": np.tile(np.arange(side), side),
                    "specimen_index": np.full(n, specimens.index(name)),
                    "domain_index": np.full(n, index),
                }
            )
    columns = {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}
    settings = config["models"][model]
    labels = (model, settings["family"], settings.get("head", "none"), source, 0)
    synthetic.write_prediction_file(path, columns, specimens, domains, labels)


def _signs(count: int, rng: np.random.Generator) -> np.ndarray:
    """As many of 1 as of -1, at random."""
    return np.asarray(rng.permutation(np.resize([1.0, -1.0], count)))
