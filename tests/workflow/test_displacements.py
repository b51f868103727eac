# SPDX-License-Identifier: GPL-3.0-or-later
"""Displacements fitted to test specimens and maps and scored, beside a finished run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from runs import planned, snakemake

CHANGES = (
    (
        "  confidence: 0.95",
        "  displacements: {domains: [emulated, cubic], experiments: [wide]}\n  confidence: 0.95",
    ),
    # four cells along each side are too few for its conditions
    ("\nevaluate:", "  wide: {scene: {<<: *scene, cells: [6, 6]}}\n\nevaluate:"),
)
SCORED = "results/displacements.json"
MAPS = "results/maps.json"
EDGES = ("below_15_nm", "above_28_nm", "below_0.3", "above_1.2")


@pytest.mark.slow
def test_displacements_are_fitted_and_scored(
    copy_of_tiny: Path, other_config: Callable[..., str]
) -> None:
    config = other_config(*CHANGES)
    # what stands there already serves
    assert planned(copy_of_tiny, SCORED, MAPS, config=config) == {
        "fit_displacements": 2,
        "score_displacements": 1,
        "simulate_scene": 1,
        "map_scan": 1,
        "map_displacements": 1,
        "summarise_maps": 1,
    }
    snakemake(copy_of_tiny, "--cores", "2", SCORED, MAPS, config=config)
    told = json.loads((copy_of_tiny / SCORED).read_text(encoding="utf-8"))
    # two polar specimens and one without, of 144 positions each
    assert len(told["cells"]) == 12
    assert {row["domain"] for row in told["cells"]} == {"emulated", "cubic"}
    polar = [row for row in told["cells"] if row["amplitude"]]
    assert {row["domain"] for row in polar} == {"emulated"}
    for row in polar:
        # T points along the axes: 16.83 pm, 0.8 to 1.2 times
        assert np.hypot(*row["true_pm"]) == pytest.approx(16.83 * row["amplitude"], abs=0.01)
        assert np.abs(row["true_pm"]).min() == pytest.approx(0, abs=1e-3)
    scores = told["scores"]
    assert {key.removeprefix("vector.") for key in scores} == {
        *("rms_pm", "bias_pm", "angle_deg.1", "angle_deg.0.5", "coverage_68", "coverage_95"),
        *("coverage_68.alone", "coverage_95.alone", "chance_pm"),
        *(f"coverage_{level}.{edge}" for level in (68, 95) for edge in EDGES),
        *("told", "class_right.cell", "class_right.pattern"),
        *("bound_share.1000", "bound_share.10000"),
    }
    assert scores["vector.rms_pm"]["unit"] == "pm"
    assert scores["vector.told"]["n"] == 3
    assert told["provenance"]
    # displacements of a map lie beside those of specimens
    of_map = copy_of_tiny / "results" / "displacements" / "wide"
    written = {path.name for path in of_map.iterdir()} - {".snakemake_timestamp"}
    assert written == {f"displacements.{kind}" for kind in ("nc", "csv", "hspy", "png", "html")}
    scored = json.loads((copy_of_tiny / MAPS).read_text(encoding="utf-8"))
    assert scored["maps.wide.displacement_told"]["value"] > 0
    assert scored["maps.wide.displacement_rms_pm"]["unit"] == "pm"
    # and the summary takes the scores over
    assert "score_displacements" not in planned(copy_of_tiny, "results/summary.json", config=config)
