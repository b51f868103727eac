# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from synthetic_patterns import DIRECTIONS, NAMES, lopsided_patterns

from polarstem.errors import PolarstemError
from polarstem.models import load_model
from polarstem.models.calibration import Calibration
from polarstem.models.train import train_model

OPTIONS = {
    "family": "cnn",
    "head": "classification",
    "filter": "centre_of_mass",
    "training": {"learning_rate": 2e-3, "batch_size": 32, "max_epochs": 2},
}


def write_data_set(path, domain, seed, thickness, without=None):
    """A data set file with the variables of `polarstem.data`, written by hand."""
    patterns, label = lopsided_patterns(480, seed, 16)
    split = np.repeat(np.array([0, 1, 2], "i1"), [320, 80, 80])
    if without is not None:
        keep = ~((split == 1) & (label == without))
        patterns, label, split = patterns[keep], label[keep], split[keep]
    n = len(label)
    names = [f"static-{NAMES[k]}-{s}-0" for k in range(8) for s in ("train", "validation", "test")]
    columns = {
        "class_index": label.astype("i2"),
        "direction": DIRECTIONS[label],
        "thickness": np.full(n, thickness),
        "cell_y": np.zeros(n, "f4"),
        "cell_x": np.zeros(n, "f4"),
        "scan_y": np.zeros(n, "i4"),
        "scan_x": np.zeros(n, "i4"),
        "specimen_index": (3 * label + split).astype("i4"),
        "split": split,
    }
    xr.Dataset(
        {
            "intensity": (("pattern", "ky", "kx"), patterns),
            **{key: ("pattern", value) for key, value in columns.items()},
            "specimen_name": ("specimen", names),
            "class_name": ("class", list(NAMES)),
            "class_direction": ("class", DIRECTIONS),
        },
        attrs={"data_domain": domain},
    ).to_netcdf(path)
    return path


def test_trains_on_joined_domains_and_leaves_only_the_model(tmp_path):
    paths = [
        write_data_set(tmp_path / "thin.nc", "thin", 0, 10.0),
        write_data_set(tmp_path / "thick.nc", "thick", 1, 20.0),
    ]
    output, work = tmp_path / "models" / "cnn" / "both" / "0", tmp_path / "work"
    train_model("small", OPTIONS, paths, output, work, seed=3, trained_for={"energy_kv": 200.0})
    assert not work.exists()
    assert [path.name for path in output.parent.iterdir()] == ["0"]

    model = load_model(output)
    patterns, label = lopsided_patterns(160, 5, 16)
    assert (model.predict_proba(patterns).argmax(1) == label).mean() > 0.5
    description = json.loads((output / "model.json").read_text())
    assert description["name"] == "small"
    assert description["seed"] == 3
    assert description["trained_for"] == {"energy_kv": 200.0}
    assert description["training_domains"] == ["thick", "thin"]
    assert description["pattern_shape"] == [16, 16]
    assert description["class_directions_deg"] == DIRECTIONS.tolist()
    assert description["training_specimens"] == sorted(f"static-{n}-train-0" for n in NAMES)
    assert not set(description["training_specimens"]) & set(description["validation_specimens"])
    assert 0.2 * 640 < description["training_patterns"] < 0.8 * 640  # filtered
    calibration = Calibration.of(model)
    assert calibration.temperature != 1
    assert 0.5 < calibration.threshold <= 1
    # one specimen of each class: its positions are shared out, and the model says so
    told = description["calibrated_on"]
    assert told["taken_from"].startswith("probe positions")
    assert calibration.scans == 16
    assert 70 <= told["patterns"] <= 80  # of 160
    assert told["specimens"] == description["validation_specimens"]
    assert calibration.dose_low is None
    history = (output / "history.csv").read_text().splitlines()
    assert history[0] == "epoch,train_loss,validation_loss,validation_accuracy,seconds"
    assert len(history) == 3


def test_failure_leaves_nothing_that_looks_finished(tmp_path):
    path = write_data_set(tmp_path / "thin.nc", "thin", 0, 10.0, without=2)
    output = tmp_path / "model"
    with pytest.raises(PolarstemError, match="validation set has no pattern of class MU"):
        train_model("small", OPTIONS, [path], output, tmp_path / "work", seed=3)
    assert not output.exists()
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(PolarstemError, match=r"thin\.nc"):
        train_model("small", OPTIONS, [path], output, tmp_path / "work", seed=3)
    assert not output.exists()
