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
from polarstem.evaluate.map_scores.over_scans import of_one_scan, of_scans
from polarstem.evaluate.map_scores.reality_ladder import bounds_of, pooled, reality_entries
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
    ("factor", "score", "limit"),
    [
        ("drift", "right_of_answered", 0.99),
        ("drift_sparse", "right_of_answered", 0.97),
        ("drift", "answered", 0.90),
        ("drift_sparse", "answered", 0.70),
        ("drift", "confidently_wrong", 0.01),
        ("drift_sparse", "confidently_wrong", 0.01),
        ("drift", "sound_flagged", 0.05),
        ("drift_sparse", "sound_flagged", 0.05),
    ],
)
def test_bounds_are_met_or_missed_where_the_interval_lies_on_one_side(
    factor: str, score: str, limit: float
) -> None:
    bound = bounds_of(factor)[score]
    assert bound.limit == limit
    good, bad = (1.0, -1.0) if bound.least else (-1.0, 1.0)
    for side, low, high in (
        ("met", limit, limit + 1e-3 * good),
        ("missed", limit + 1e-6 * bad, limit + 1e-3 * bad),
        ("cannot tell", limit - 1e-6, limit + 1e-6),
        ("cannot tell", limit, limit + 1e-3 * bad),
    ):
        found = {"value": (low + high) / 2, "n": 500}
        found |= {"low": min(low, high), "high": max(low, high)}
        assert bound.verdict(found, 0.95) == side
    assert bound.verdict(of_scans([], [], "of nothing", 0.95), 0.95) == "cannot tell"


@pytest.mark.parametrize(
    ("wrong", "verdict"), [(0, "cannot tell"), (1, "cannot tell"), (3, "missed"), (24, "missed")]
)
def test_one_scan_may_miss_a_bound_but_cannot_meet_it(wrong: int, verdict: str) -> None:
    bound = bounds_of("drift")["confidently_wrong"]
    assert bound.verdict(of_scans([wrong], [24], "", 0.95), 0.95) == verdict
    answered = bounds_of("drift")["answered"]
    assert answered.verdict(of_scans([24 - wrong], [24], "", 0.95), 0.95) == (
        "missed" if wrong == 24 else "cannot tell"
    )
    assert bound.verdict(of_scans([0], [10_000], "", 0.95), 0.95) == "cannot tell"


def cells_of(wrong: list[int], of: int) -> dict[str, str]:
    """Verdicts of the ladder on scans that have so many wrong cells of as many each."""
    found = {}
    for number, count in enumerate(wrong):
        for score, value in (
            ("confidently_wrong", count),
            ("cell_accuracy_answered", of - count),
            ("cells_answered", of),
            ("sound_flagged", count),
        ):
            found[f"maps.scan{number}.{score}"] = of_one_scan(value, of, "of cells")
    ladder = reality_entries(found, {f"scan{i}": "drift" for i in range(len(wrong))}, 0.95)
    return {
        key.rpartition(".")[2]: entry["verdict"]
        for key, entry in ladder.items()
        if "verdict" in entry
    }


def test_each_verdict_comes_out() -> None:
    names = ("confidently_wrong", "right_of_answered", "answered", "sound_flagged")
    tell = dict.fromkeys(names, "cannot tell")
    assert cells_of([0], 24) == tell  # 0 of 24, and all there is
    assert cells_of([0] * 4, 24) == tell | {"answered": "met"}
    assert cells_of([0] * 17, 24)["confidently_wrong"] == "cannot tell"
    assert cells_of([0] * 18, 24) == dict.fromkeys(names, "met")
    assert cells_of([2] * 18, 24) == {
        "confidently_wrong": "missed",
        "right_of_answered": "missed",
        "answered": "met",
        "sound_flagged": "missed",
    }
    # as many wrong cells, all of them in one scan: how often such a scan comes is not known
    assert cells_of([24] + [0] * 11, 24)["confidently_wrong"] == "cannot tell"
    assert cells_of([2] * 12, 24)["confidently_wrong"] == "missed"


def test_fractions_are_pooled_by_what_they_count() -> None:
    parts = [of_one_scan(1, 10, ""), of_one_scan(30, 90, ""), of_one_scan(0, 0, "")]
    both = pooled(parts, "of both", 0.95)
    assert (both["value"], both["n"], both["scans"]) == (0.31, 100, 2)
    assert both == of_scans([1, 30], [10, 90], "of both", 0.95)


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
    assert overall["scans"] == 3
    scans = found["maps.scans_confidently_wrong"]
    assert (scans["value"], scans["n"]) == (pytest.approx(1 / 3), 3)
    assert scans["low"] == pytest.approx(1 - 0.975 ** (1 / 3))
    answered = found["maps.cells_answered"]
    assert answered["value"] == pytest.approx(1 - n["silent"] / sum(n.values()))
    assert not any(key.startswith("maps.reality") for key in found)


def test_ladder_has_the_numbers_of_its_factor_and_their_verdicts(tmp_path: Path) -> None:
    reality = {"a": "drift_sparse", "b": "drift_sparse", "c": "all_sparse", "d": "half_sparse"}
    found = summary_of(tmp_path, reality, b=reverse, c=silence, d=lambda *_: None, e=reverse)
    n = found["maps.a.confidently_wrong"]["n"]
    wrong = found["maps.reality.drift_sparse.confidently_wrong"]
    assert (wrong["value"], wrong["n"], wrong["scans"]) == (0.5, 2 * n, 2)
    assert wrong["verdict"] == "cannot tell"  # one scan of two, and the other has none
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
    assert verdicts["all_sparse"] == ["cannot tell", "cannot tell", "missed"]
    assert verdicts["half_sparse"] == ["cannot tell"] * 3  # a single scan of few cells
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
    assert ladder["maps.reality.thin.confidently_wrong"]["verdict"] == "cannot tell"


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
