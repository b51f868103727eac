# SPDX-License-Identifier: GPL-3.0-or-later
"""The ladder of reality: bounds that can be missed, and numbers of several scans together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from polarstem.evaluate.map_scores.over_experiments import summarise_maps, thickness_errors
from polarstem.evaluate.map_scores.reality_ladder import bounds_of, pooled, reality_entries
from polarstem.evaluate.summary.entries import share
from tests.unit.maps.synthetic_map import CELL_NM, make_map, make_summary


def write_experiment(folder: Path, **options: Any) -> tuple[Path, Path]:
    """Folder of a map, and the truth of its scene, 9 positions per cell at 1e4 electrons.

    `change` may change both before they are written.
    """
    data, truth = make_map(cells=6, steps=3, patterns=False, crystal_rotation_deg=0.0)
    truth.attrs |= {"cell_nm": CELL_NM, "walls": "[]", "kind": "four_domains"}
    truth.attrs |= {"thickness_nm": 13.0, "conditions": json.dumps({"dose_electrons": 1e4})}
    for axis in "xy":
        truth[f"tilt_{axis}"] = xr.zeros_like(truth["direction"])
    data["cell_answered"][:] = True
    summary = make_summary(data)
    options.get("change", lambda *_: None)(data, truth)
    folder.mkdir(parents=True)
    data.to_netcdf(folder / "map.nc")
    truth.to_netcdf(folder / "truth.nc")
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder, folder / "truth.nc"


def summary_of(tmp_path: Path, reality: dict[str, str], **changes: Any) -> dict[str, Any]:
    names = dict.fromkeys([*reality, *changes])
    made = {n: write_experiment(tmp_path / n, **({"change": changes[n]} if n in changes else {}))
            for n in names}  # fmt: skip
    summarise_maps(
        {name: folder for name, (folder, _) in made.items()},
        {name: truth for name, (_, truth) in made.items()},
        tmp_path / "maps.json",
        0.95,
        reality,
    )
    found: dict[str, Any] = json.loads((tmp_path / "maps.json").read_text(encoding="utf-8"))
    return found


def reverse(data: xr.Dataset, _truth: xr.Dataset) -> None:
    data["cell_class_index"][:] = (data["cell_class_index"] + 4) % 8


def silence(data: xr.Dataset, _truth: xr.Dataset) -> None:
    data["cell_answered"][:] = False


@pytest.mark.parametrize(
    ("factor", "score", "least", "worst"),
    [
        ("drift", "right_of_answered", 0.99, 0.9899),
        ("drift_sparse", "right_of_answered", 0.97, 0.9699),
        ("drift", "answered", 0.90, 0.8999),
        ("drift_sparse", "answered", 0.70, 0.6999),
        ("drift", "confidently_wrong", 0.01, 0.0101),
        ("drift_sparse", "confidently_wrong", 0.01, 0.0101),
        ("drift", "sound_flagged", 0.05, 0.0501),
        ("drift_sparse", "sound_flagged", 0.05, 0.0501),
    ],
)
def test_bounds_are_met_at_the_bound_and_missed_beyond(
    factor: str, score: str, least: float, worst: float
) -> None:
    bound = bounds_of(factor)[score]
    assert bound.verdict(least) == "met"
    assert bound.verdict(worst) == "missed"
    assert bound.verdict(None) == "missed"
    assert bound.verdict(1.0 if bound.least else 0.0) == "met"


def test_fractions_are_pooled_by_what_they_count() -> None:
    parts = [share(1, 10, "", 0.95), share(30, 90, "", 0.95), share(0, 0, "", 0.95)]
    both = pooled(parts, "of both", 0.95)
    assert (both["value"], both["n"]) == (0.31, 100)
    assert both == share(31, 100, "of both", 0.95)


def test_wrong_answers_of_all_virtual_experiments_stand_together(tmp_path: Path) -> None:
    found = summary_of(tmp_path, {}, right=lambda *_: None, wrong=reverse, silent=silence)
    judged = {
        name: found[f"maps.{name}.confidently_wrong"] for name in ("right", "wrong", "silent")
    }
    assert [each["value"] for each in judged.values()] == [0, 1, 0]
    n = {name: each["n"] for name, each in judged.items()}
    overall = found["maps.confidently_wrong"]
    assert overall["n"] == sum(n.values())
    assert overall["value"] == pytest.approx(n["wrong"] / sum(n.values()))
    assert overall["low"] < overall["value"] < overall["high"]
    assert all(name in overall["meaning"] for name in n)
    answered = found["maps.cells_answered"]
    assert answered["value"] == pytest.approx(1 - n["silent"] / sum(n.values()))
    assert not any(key.startswith("maps.reality") for key in found)


def test_ladder_has_the_numbers_of_its_factor_and_their_verdicts(tmp_path: Path) -> None:
    reality = {"a": "drift_sparse", "b": "drift_sparse", "c": "all_sparse", "d": "half_sparse"}
    found = summary_of(tmp_path, reality, b=reverse, c=silence, d=lambda *_: None, e=reverse)
    n = found["maps.a.confidently_wrong"]["n"]
    wrong = found["maps.reality.drift_sparse.confidently_wrong"]
    assert (wrong["value"], wrong["n"], wrong["verdict"]) == (0.5, 2 * n, "missed")
    assert "(a, b)" in wrong["meaning"]
    right = found["maps.reality.drift_sparse.right_of_answered"]
    assert (right["value"], right["bound"], right["at_least"]) == (0.5, 0.97, True)
    verdicts = {
        factor: [
            found[f"maps.reality.{factor}.{score}"]["verdict"]
            for score in ("confidently_wrong", "right_of_answered", "answered")
        ]
        for factor in ("all_sparse", "half_sparse")
    }
    # who says nothing is never wrong, but misses what it should say
    assert verdicts["all_sparse"] == ["met", "missed", "missed"]
    assert verdicts["half_sparse"] == ["met", "met", "met"]
    assert found["maps.reality.all_sparse.right_of_answered"]["value"] is None
    assert found["maps.reality.half_sparse.answered"]["value"] == 1
    assert found["maps.reality.half_sparse.thickness_error_nm"]["value"] == pytest.approx(1)
    assert found["maps.reality.half_sparse.tilt_error_mrad"]["value"] == pytest.approx(
        0.854, abs=0.001
    )
    assert found["maps.reality.half_sparse.positions_per_cell"]["value"] == pytest.approx(9)
    assert found["maps.reality.half_sparse.dose_electrons"]["value"] == 1e4
    # the experiment e is in the ladder of none
    assert not any("(e)" in entry["meaning"] for key, entry in found.items() if "reality" in key)
    for entry in found.values():
        assert entry.keys() >= {"value", "low", "high", "n", "unit", "meaning"}


def test_largest_error_of_a_factor_stands() -> None:
    entries = {
        f"maps.{name}.thickness_error_nm": {"value": value}
        for name, value in {"a": 2.0, "b": 0.5}.items()
    }
    ladder = reality_entries(entries, {"a": "thin", "b": "thin"}, 0.95)
    assert ladder["maps.reality.thin.thickness_error_nm"]["value"] == 2
    assert ladder["maps.reality.thin.confidently_wrong"]["value"] is None
    assert ladder["maps.reality.thin.confidently_wrong"]["verdict"] == "missed"


def test_thickness_of_a_wedge_is_compared_with_its_mean(tmp_path: Path) -> None:
    def wedge(data: xr.Dataset, truth: xr.Dataset) -> None:
        slope = 10 + 9 * (truth["x"] / truth["x"][-1]) ** 2 + 0 * truth["y"]
        truth["thickness"] = slope.transpose("y", "x")
        data["cell_thickness"] = (
            "cell",
            np.interp(data["cell_centre_x"], truth["x"], truth["thickness"][0])
            + np.where(np.arange(data.sizes["cell"]) < 4, 5.0, 0.5),
        )

    found = summary_of(tmp_path, {}, wedge=wedge)
    with xr.open_dataset(tmp_path / "wedge" / "truth.nc") as truth:
        mean = float(truth["thickness"].mean())
    assert mean == pytest.approx(13.1, abs=0.1)
    assert found["maps.wedge.thickness_error_nm"]["value"] == pytest.approx(
        abs(14 - mean), abs=1e-6
    )
    places = found["maps.wedge.thickness_map_error_nm"]
    assert places["value"] == pytest.approx(0.5, abs=0.2)
    assert places["high"] == pytest.approx(5, abs=0.5)


def test_thickness_on_a_grid_of_tiles(tmp_path: Path) -> None:
    data, truth = make_map(cells=4, steps=4, patterns=False)
    truth.attrs["thickness_nm"] = 20.0
    assert thickness_errors(data, truth) is None
    tiles = {"tile_y": [0.3, 1.0], "tile_x": [0.3, 1.0, 1.4]}
    values = [[20.0, 21.0, np.nan], [20.0, 18.0, 20.0]]
    data = data.assign_coords(tiles)
    data["thickness"] = ("tile_y", "tile_x"), values
    errors = thickness_errors(data, truth)
    assert errors is not None
    assert sorted(errors.tolist()) == [0, 0, 0, 1, 2]
    # row and column are not exchanged
    truth["thickness"] = truth["y"] * 10 + 0 * truth["x"]
    data["thickness"] = ("tile_y", "tile_x"), np.outer([3.0, 10.0], np.ones(3))
    errors = thickness_errors(data, truth)
    assert errors is not None
    assert errors.max() < 0.6
