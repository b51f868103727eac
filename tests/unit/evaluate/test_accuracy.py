# SPDX-License-Identifier: GPL-3.0-or-later
"""The error budget of a run, on crystals that are thin and fields that are small."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polarstem.config import load
from polarstem.config.error_budget import accuracy_settings
from polarstem.evaluate.summary import simulation_accuracy as accuracy
from polarstem.evaluate.summary.simulation_accuracy import difference, measure_accuracy
from polarstem.simulate.potential.crystal import Crystal

PLAIN = Path(__file__).parents[2] / "configs" / "plain.yaml"


def settings(**changes: Any) -> dict[str, Any]:
    found = accuracy_settings(load(PLAIN))
    found |= {"variants": [[1, 0, 1]], "thicknesses_nm": [2.0, 4.0], "positions": 8, "finer": 64}
    found["structure"]["phase"] = "O"
    found["field"] |= {"thicknesses_nm": [4.0]}
    found["phonons"] |= {"thicknesses_nm": [4.0], "configurations": 2}
    microscope = found["simulate"]
    window = {"experiment": "a", "simulate": microscope, "thicknesses_nm": [4.0]}
    found["window"] = window | {"cells": [3, 3], "offsets": 4, "wide": [6, 6]}
    for key, value in changes.items():
        found[key] = {**found[key], **value} if isinstance(value, dict) else value
    return found


def measured(tmp_path: Path, **changes: Any) -> dict[str, dict[str, Any]]:
    path = tmp_path / "accuracy.json"
    measure_accuracy(settings(**changes), path)
    found = json.loads(path.read_text(encoding="utf-8"))
    return {name.removeprefix("accuracy."): entry for name, entry in found.items()}


@pytest.fixture(scope="module")
def budget(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return measured(tmp_path_factory.mktemp("budget"))


def test_difference_is_relative_to_the_better_pattern() -> None:
    a, b = np.array([[1.0, 2.0]], np.float32), np.array([[2.0, 2.0]], np.float32)
    assert difference(a, b) == pytest.approx([0.25])


def test_all_numbers_are_there_with_intervals_and_counts(budget: dict[str, Any]) -> None:
    names = ["grid", "field", "window", "slices", "phonons", "signal", "signal_cubic"]
    assert list(budget) == names
    for name, entry in budget.items():
        assert entry["low"] <= entry["value"] <= entry["high"], name
        assert entry["unit"] == "relative L1"
        assert np.mean(entry["by_thickness"]) == pytest.approx(entry["value"])
        assert len(entry["by_thickness"]) == len(entry["thicknesses_nm"])
    # positions times thicknesses, of one crystal; of phonons times ensembles
    assert {name: entry["n"] for name, entry in budget.items()} == {
        **dict.fromkeys(("grid", "slices", "signal", "signal_cubic"), 16),
        **{"field": 8, "window": 8, "phonons": 24},
    }


def test_signal_stands_above_the_costs_of_the_simulation(budget: dict[str, Any]) -> None:
    costs = [budget[name]["value"] for name in ("grid", "slices")]
    assert all(0 < cost < 0.1 * budget["signal"]["value"] for cost in costs)
    # opposite crystals differ more than each from the one between them
    assert 1.2 < budget["signal"]["value"] / budget["signal_cubic"]["value"] < 3


def test_offsets_of_configurations_make_a_field_larger(budget: dict[str, Any]) -> None:
    """Field and window are the same 3 x 3 cells here but for the offsets."""
    assert budget["window"]["value"] < 0.6 * budget["field"]["value"]


def test_a_coarser_grid_and_a_smaller_field_cost_more(
    budget: dict[str, Any], tmp_path: Path
) -> None:
    coarse = measured(
        tmp_path, simulate={"pixels_per_cell": 26}, field={"cells": [2, 2]}, window=None
    )
    assert coarse["grid"]["value"] > 2 * budget["grid"]["value"]
    assert coarse["field"]["value"] > 1.3 * budget["field"]["value"]


def test_four_times_the_configurations_halve_their_error(
    budget: dict[str, Any], tmp_path: Path
) -> None:
    more = measured(tmp_path, phonons={"configurations": 8}, window=None)
    assert more["phonons"]["value"] == pytest.approx(budget["phonons"]["value"] / 2, rel=0.3)


def test_error_of_a_mean_is_that_of_independent_configurations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Patterns that scatter by a known amount have the error that theory gives their mean."""
    random = np.random.default_rng(3)
    count, sigma = 16, 0.1

    def patterns(self: Any, crystal: Crystal, *_: Any) -> np.ndarray:
        return (1 + sigma * random.normal(size=(1, 8, 400))).astype(np.float32)

    monkeypatch.setattr(accuracy._Budget, "_measure", patterns)
    budget = accuracy._Budget(settings(phonons={"configurations": count}))
    found = budget._phonons()
    # mean of the absolute value of a normal variable
    assert found["value"] == pytest.approx(np.sqrt(2 / np.pi / count) * sigma, rel=0.03)


def test_what_a_run_has_not_is_null_and_says_so(tmp_path: Path) -> None:
    found = measured(tmp_path, window=None, phonons=None, structure={"amplitude": 0.0})
    for name in ("window", "phonons", "signal", "signal_cubic"):
        assert found[name]["value"] is None
        assert found[name]["n"] == 0
        assert len(found[name]["meaning"].split()) > 5
    assert found["grid"]["value"] > 0
