# SPDX-License-Identifier: GPL-3.0-or-later
"""A new family of models is one file and one line: nothing else has to know of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
FILE = '''
"""Distance to the mean pattern of each class."""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from polarstem.models.arrays import ArrayModel
from polarstem.models.options import FamilyOptions


@dataclass(frozen=True)
class NearestMeanOptions(FamilyOptions):
    sharpness: float = 1.0


class NearestMeanModel(ArrayModel):
    family = "nearest_mean"
    options_type = NearestMeanOptions

    @classmethod
    def describe(cls, settings):
        return f"nearest of the classes' mean patterns, sharpness {settings['sharpness']:g}"

    def fit(self, train, validation, job):
        patterns, labels = self._staged(train, validation, job)
        classes = range(len(self.class_names))
        self._arrays = {"means": np.stack([patterns[labels == k].mean(axis=0) for k in classes])}
        return self

    def embed(self, patterns):
        away = self._checked(patterns)[:, None] - self._arrays["means"]
        return np.linalg.norm(away, axis=(2, 3))

    def predict_proba(self, patterns):
        return softmax(-self.settings.sharpness * self.embed(patterns), axis=1).astype("f4")
'''
AFTER = "SECTIONS = (\n"
LINE = """\
    section_of("nearest_mean", "The nearest class mean.", sharpness=(Positive, 1.0, "of votes")),
"""
# what a user does then, and what becomes of it
SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np, yaml
from polarstem.config import check
from polarstem.config.check import ConfigError
from polarstem.config.docs import reference_text
from polarstem.data.patterns import PatternSet
from polarstem.evaluate.scores.tables import compute_metrics
from polarstem.evaluate.summary.headlines import summarise_results
from polarstem.models.registry import load_model
from polarstem.models.train import train_model
from polarstem.report.describe import model_rows
from tests.unit.evaluate import synthetic_results as synthetic

folder, root = map(Path, sys.argv[1:])
told = {"config.md": "with `family: nearest_mean`" in reference_text()}
config = yaml.safe_load((root / "tests" / "configs" / "tiny.yaml").read_text(encoding="utf-8"))
config["models"]["mine"] = {"family": "nearest_mean", "sharpnes": 300}
config["train"]["runs"][0]["models"].append("mine")
try:
    check(config)
except ConfigError as error:
    told["wrong key"] = str(error)
config["models"]["mine"] = {"family": "nearest_mean", "sharpness": 300}
resolved = check(config).model_dump(mode="json")
told["report"] = {row["name"]: row for row in model_rows(resolved)}["mine"]

rng = np.random.default_rng(0)
label = np.tile(np.arange(8), 12)
patterns = (rng.random((96, 6, 6)) + 3 * np.eye(36)[label].reshape(96, 6, 6)).astype("f4")
class Stream:
    class_names, class_directions = synthetic.NAMES, synthetic.DIRECTIONS
    settings = {"fixed": 96, "validation": 96, "calibration": 8}
    def specimens(self, split):
        return [{"name": "one"}]
    def sample(self, n, split):
        return PatternSet.from_arrays(patterns, label, self.class_names, self.class_directions)
    scans = lambda self, n: self.sample(n, "validation")
options = {k: v for k, v in resolved["models"]["mine"].items() if k != "shuffled_labels"}
train_model("mine", options, [], folder / "mine", folder / "work", seed=1, stream=Stream())
right = load_model(folder / "mine").predict_proba(patterns).argmax(1) == label
told["accuracy"] = float(right.mean())

# nearly always right, so it would be the best network if it were taken for one
synthetic.MODELS = {
    "cnn": ("cnn", "classification", 0.9, 0.03), "mine": ("nearest_mean", "none", 1.0, 0.001),
}
config = synthetic.make_config()
del config["train"]["sources"]["mixed"]
predictions = synthetic.write_predictions(folder / "predictions", config, positions=4)
compute_metrics(predictions, folder / "metrics.csv", folder / "confusion.nc")
models = synthetic.write_models(folder / "models", config)
(folder / "models" / "mine" / "thin" / "0" / "history.csv").unlink()
summarise_results(
    folder / "metrics.csv", folder / "confusion.nc", config,
    synthetic.write_benchmarks(folder / "benchmarks", config), folder / "summary.json",
    model_dirs=models,
)
summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
told["summary"] = {key: summary[f"same_thickness.{key}"] for key in ("mine", "cnn", "best")}
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a copy of the package with one more family tells of it."""
    folder = tmp_path_factory.mktemp("new_family")
    package = folder / "copy" / "polarstem"
    copytree(ROOT / "polarstem", package, ignore=ignore_patterns("__pycache__"))
    copytree(ROOT / "resources", folder / "copy" / "resources")
    (package / "models" / "family" / "nearest_mean.py").write_text(FILE, encoding="utf-8")
    registry = package / "config" / "families.py"
    text = registry.read_text(encoding="utf-8")
    assert text.count(AFTER) == 1
    registry.write_text(text.replace(AFTER, AFTER + LINE), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), str(ROOT)],
        cwd=package.parent,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(package.parent), str(ROOT)])},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


def test_the_config_checks_and_documents_it(told: dict[str, Any]) -> None:
    assert told["config.md"]
    assert "models.mine.sharpnes: unknown key; did you mean `sharpness`?" in told["wrong key"]


def test_it_is_trained_saved_and_loaded(told: dict[str, Any]) -> None:
    assert told["accuracy"] > 0.9


def test_the_report_says_what_it_is(told: dict[str, Any]) -> None:
    row = told["report"]
    assert row["what"] == "nearest of the classes' mean patterns, sharpness 300"
    assert (row["head"], row["input"]) == ("none", "not scaled")


def test_the_summary_has_its_scores_and_takes_it_for_no_network(told: dict[str, Any]) -> None:
    mine, cnn, best = (told["summary"][key] for key in ("mine", "cnn", "best"))
    assert mine["value"] > cnn["value"]
    assert "of mine trained on thin" in mine["meaning"]
    assert best["model"] == "cnn"
    assert "chosen by validation accuracy" in best["meaning"]
