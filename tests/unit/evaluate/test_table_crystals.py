# SPDX-License-Identifier: GPL-3.0-or-later
"""Intervals in the table of scores: over crystals, and over training seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from polarstem.evaluate.scores.tables import compute_metrics
from polarstem.evaluate.summary.headlines import pool_seeds
from tests.unit.evaluate import synthetic_results as synthetic

SIDE = 6


def write(path, wrong, seed=0):
    """One scan of a cell for each specimen, so many of its patterns flipped."""
    n = SIDE**2
    true = np.repeat(np.arange(len(wrong)) % 8, n)
    flipped = np.concatenate([np.arange(n) < k for k in wrong])
    probability = np.full((len(true), 8), 0.01, np.float32)
    probability[np.arange(len(true)), np.where(flipped, (true + 4) % 8, true)] = 0.93
    y, x = (a.ravel() / SIDE for a in np.indices((SIDE, SIDE)))
    columns = {
        "probability": probability,
        "class_index": true,
        "thickness": np.full(len(true), 20.0),
        "cell_y": np.tile(y, len(wrong)),
        "cell_x": np.tile(x, len(wrong)),
        "scan_y": np.tile(np.arange(n) // SIDE, len(wrong)),
        "scan_x": np.tile(np.arange(n) % SIDE, len(wrong)),
        "specimen_index": np.repeat(np.arange(len(wrong)), n),
        "domain_index": np.zeros(len(true), int),
    }
    names = [f"s-{i:02d}" for i in range(len(wrong))]
    run = ("cnn", "cnn", "classification", "thin", seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    synthetic.write_prediction_file(path, columns, names, ["a"], run, {"cell_threshold": 0.5})
    return path


def table(folder, wrong, crystals=None):
    """Rows of the table by metric, for lists of wrong patterns, one for each seed."""
    paths = [write(folder / f"{s}.nc", of_seed, s) for s, of_seed in enumerate(wrong)]
    compute_metrics(paths, folder / "m.csv", folder / "c.nc", crystals=crystals)
    return pd.read_csv(folder / "m.csv")


COPIES = {"a": {f"s-{i:02d}": f"crystal {i // 8}" for i in range(16)}}


def test_copies_of_a_crystal_count_once(tmp_path):
    wrong = [2] * 8 + [6] * 8  # two crystals, each turned into eight classes
    own = table(tmp_path / "own", [wrong]).set_index("metric")
    copies = table(tmp_path / "copies", [wrong], COPIES).set_index("metric")
    assert (own["n"] == 16).all()
    assert (copies["n"] == 2).all()
    assert (own["value"] == copies["value"]).all()
    width = {
        name: rows.loc["balanced_accuracy", "high"] - rows.loc["balanced_accuracy", "low"]
        for name, rows in (("own", own), ("copies", copies))
    }
    assert width["copies"] > 5 * width["own"]
    # all cells are right: 2 crystals of one cell each, or 16
    for rows, n in ((own, 16), (copies, 2)):
        expected = binomtest(n, n).proportion_ci(0.95).low
        assert rows.loc["cell_accuracy", "low"] == pytest.approx(expected)
        assert rows.loc["cell_accuracy", "high"] == 1


def test_one_crystal_has_no_interval(tmp_path):
    one = {"a": dict.fromkeys(COPIES["a"], "crystal")}
    rows = table(tmp_path, [[2] * 8 + [6] * 8], one)
    assert (rows["n"] == 1).all()
    assert rows[["low", "high", "mean_low", "mean_high"]].isna().all(axis=None)


def test_the_mean_of_seeds_has_its_own_interval(tmp_path):
    near, far = np.array([2, 3, 4, 5] * 4), np.array([8, 9, 10, 11] * 4)
    rows = table(tmp_path, [near, far, (near + far) // 2])
    rows = rows[(rows["metric"] == "accuracy") & (rows["model"] == "cnn")]
    assert (rows["high"] - rows["low"]).max() < 0.1
    pooled = pool_seeds(rows).iloc[0]
    assert pooled["seeds"] == 3
    assert pooled["value"] == pytest.approx(rows["value"].mean())
    assert (pooled["low"], pooled["high"]) == (
        rows["mean_low"].iloc[0],
        rows["mean_high"].iloc[0],
    )
    # two degrees of freedom: 4.3 standard errors of the mean of three seeds, on the logit scale
    error = rows["value"].std() / np.sqrt(3)
    assert pooled["value"] - pooled["low"] > 4 * error


def test_one_seed_keeps_its_interval(tmp_path):
    rows = table(tmp_path, [[2, 3, 4, 5] * 4])
    assert rows["low"].equals(rows["mean_low"])
    assert rows["high"].equals(rows["mean_high"])
