# SPDX-License-Identifier: GPL-3.0-or-later
"""A model that answers with displacements, trained and scored beside a finished run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from runs import planned, snakemake

from polarstem.models import load_model

CHANGES = (
    (
        "\ntrain:\n",
        "  vector: {family: vector, channels: 8, layers: 1, preprocessing: {unit_sum: true}}\n"
        "\ntrain:\n",
    ),
    (
        "[tiny_equivariant, tiny_pca_knn], sources: [endless]}",
        "[tiny_equivariant, tiny_pca_knn], sources: [endless]}\n"
        "    - {models: [vector], sources: [endless]}",
    ),
    (
        "  confidence: 0.95",
        "  displacements: {model: vector, source: endless, domains: [emulated, cubic]}\n"
        "  confidence: 0.95",
    ),
)
SCORED = "results/displacements.json"


@pytest.mark.slow
def test_displacements_are_trained_and_scored(
    copy_of_tiny: Path, other_config: Callable[..., str]
) -> None:
    config = other_config(*CHANGES)
    # what stands there already serves
    assert planned(copy_of_tiny, SCORED, config=config) == {
        "train_model": 1,
        "score_displacements": 1,
    }
    snakemake(copy_of_tiny, "--cores", "1", SCORED, config=config)
    told = json.loads((copy_of_tiny / SCORED).read_text(encoding="utf-8"))
    # T points along the axes: 16.83 pm, 0.8 to 1.2 times
    polar = [row for row in told["cells"] if row["amplitude"]]
    assert {row["domain"] for row in polar} == {"emulated"}
    assert {row["domain"] for row in told["cells"]} == {"emulated", "cubic"}
    for row in polar:
        assert np.hypot(*row["true_pm"]) == pytest.approx(16.83 * row["amplitude"], abs=0.01)
        assert np.abs(row["true_pm"]).min() == pytest.approx(0, abs=1e-3)
        assert np.abs(row["mean_pm"]).max() < 1.5 * 16.83
        assert min(row["variance_pm2"]) > 0
        assert 0 <= row["p_polar"] <= 1
    scores = told["scores"]
    assert set(scores) == {
        "vector.rms_pm",
        "vector.bias_pm",
        "vector.angle_deg.1",
        "vector.angle_deg.0.5",
        "vector.coverage_68",
        "vector.coverage_95",
    }
    assert scores["vector.rms_pm"]["unit"] == "pm"
    assert scores["vector.rms_pm"]["n"] == 2
    assert told["provenance"]
    model = load_model(copy_of_tiny / "results/models/vector/endless/0")
    assert model.info["displacements"]["template_pm"] == pytest.approx(16.83, abs=0.01)
    # and the summary takes the scores over
    assert "score_displacements" not in planned(copy_of_tiny, "results/summary.json", config=config)
