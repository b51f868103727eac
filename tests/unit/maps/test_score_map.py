# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps compared with the truth of their scene."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from synthetic_map import CELL_NM, make_map

from polarstem.errors import PolarstemError
from polarstem.evaluate.map_scores.cells_and_walls import score_map

STEPS = 6


def scene(tmp_path: Path, **changes: Any) -> tuple[Path, Path, xr.Dataset, xr.Dataset]:
    """Files of a map of four quadrants and of its truth, with the wall above the middle."""
    found, truth = make_map(cells=8, steps=STEPS, crystal_rotation_deg=0.0, patterns=False)
    middle, end = float(truth["x"][-1] / 2), float(truth["y"][-1] / 2)
    wall = {"name": "upper", "points": [[0.0, middle], [end, middle]], "domains": [0, 1]}
    truth.attrs |= {"cell_nm": CELL_NM, "walls": json.dumps([wall | {"angle_deg": 90.0} | changes])}
    return tmp_path / "map.nc", tmp_path / "truth.nc", found, truth


def scores(map_nc: Path, truth_nc: Path, found: xr.Dataset, truth: xr.Dataset) -> dict[str, Any]:
    found.to_netcdf(map_nc)
    truth.to_netcdf(truth_nc)
    told = score_map(map_nc, truth_nc)
    # the cells of one scan are no independent samples; of walls low and high are strips
    assert all(v["low"] is None for k, v in told.items() if "known_directions" not in k)
    return told


def test_a_right_map_has_no_errors(tmp_path: Path) -> None:
    found = scores(*scene(tmp_path))
    assert found["cell_accuracy"]["value"] == 1
    assert found["wall_error_known_directions_nm"]["value"] <= CELL_NM / STEPS
    assert found["wall_types"]["value"] == 1
    # of the rows of cells above the middle, with labels: the wall lies between two cells
    assert (found["wall_found"]["value"], found["wall_found"]["n"]) == (1, 4)
    assert found["wall_error_cells"]["value"] == pytest.approx(0, abs=1e-6)
    # cells next to the walls and those of the defect are not asked
    assert 16 <= found["cell_accuracy"]["n"] < 64 - 24


def test_wrong_cells_are_counted(tmp_path: Path) -> None:
    map_nc, truth_nc, found, truth = scene(tmp_path)
    n = scores(map_nc, truth_nc, found, truth)["cell_accuracy"]["n"]
    corner = int(found["cell"][-3, -3])
    found["cell_class_index"][corner] = (found["cell_class_index"][corner] + 4) % 8
    found["cell_answered"][corner] = False
    told = scores(map_nc, truth_nc, found, truth)
    assert told["cell_accuracy"]["value"] == pytest.approx((n - 1) / n)
    answered = told["cell_accuracy_answered"]
    assert (answered["value"], answered["n"]) == (1.0, n - 1)
    assert told["cells_answered"]["value"] == pytest.approx((n - 1) / n)


def test_confidently_wrong_are_answered_and_wrong_of_all_judged(tmp_path: Path) -> None:
    map_nc, truth_nc, found, truth = scene(tmp_path)
    found["cell_answered"][:] = True
    right = scores(map_nc, truth_nc, found, truth)
    n = right["cell_accuracy"]["n"]
    assert right["confidently_wrong"]["value"] == 0
    corners = [int(found["cell"][place]) for place in ((-3, -3), (2, -3), (-3, 2))]
    for corner in corners:
        found["cell_class_index"][corner] = (found["cell_class_index"][corner] + 4) % 8
    found["cell_answered"][corners[0]] = False  # wrong, but not sure of it
    told = scores(map_nc, truth_nc, found, truth)
    wrong = told["confidently_wrong"]
    assert (wrong["value"], wrong["n"]) == (pytest.approx(2 / n), n)
    assert told["confidently_wrong_cells"]["value"] == 2
    assert told["cell_accuracy_answered"]["value"] == pytest.approx((n - 3) / (n - 1))


def test_who_says_nothing_is_not_wrong_and_has_no_answers(tmp_path: Path) -> None:
    map_nc, truth_nc, found, truth = scene(tmp_path)
    found["cell_class_index"][:] = (found["cell_class_index"] + 4) % 8
    found["cell_answered"][:] = False
    told = scores(map_nc, truth_nc, found, truth)
    assert told["confidently_wrong"]["value"] == told["cells_answered"]["value"] == 0
    assert "cell_accuracy_answered" not in told


def test_cells_at_walls_and_defects_are_not_judged(tmp_path: Path) -> None:
    map_nc, truth_nc, found, truth = scene(tmp_path)
    n = scores(map_nc, truth_nc, found, truth)["confidently_wrong"]["n"]
    y, x = (found[f"cell_centre_{axis}"].values for axis in "yx")
    middle = float(truth["x"][-1] / 2)
    near = np.minimum(abs(y - middle), abs(x - middle)) < 0.9 * CELL_NM
    near |= [truth["defect"].values[found["cell"].values == i].any() for i in range(len(x))]
    assert 0 < near.sum() < len(near) - n + 1
    found["cell_class_index"][near] = (found["cell_class_index"][near] + 4) % 8
    found["cell_answered"][:] = True
    assert scores(map_nc, truth_nc, found, truth)["confidently_wrong"]["value"] == 0


def test_positions_are_counted_as_cells_are(tmp_path: Path) -> None:
    map_nc, truth_nc, found, truth = scene(tmp_path)
    far = (truth["wall_distance"].values > CELL_NM) & ~truth["defect"].values
    found["class_index"][:] = truth["class_index"]
    found["answered"][:] = True
    rows, columns = np.nonzero(far)
    for i in range(5):
        found["class_index"][rows[i], columns[i]] = (truth["class_index"].values[far][i] + 4) % 8
    for i in (3, 4, 7):
        found["answered"][rows[i], columns[i]] = False
    near = np.argwhere(~far)[0]
    found["class_index"][near[0], near[1]] = (found["class_index"][near[0], near[1]] + 4) % 8
    told = scores(map_nc, truth_nc, found, truth)
    n = int(far.sum())
    assert told["positions_confidently_wrong"]["value"] == pytest.approx(3 / n)
    assert told["positions_answered"]["value"] == pytest.approx((n - 3) / n)
    assert told["position_accuracy"]["value"] == pytest.approx((n - 5) / n)
    assert told["position_accuracy"]["n"] == told["positions_confidently_wrong"]["n"] == n


def test_an_answer_where_nothing_is_polar_is_wrong(tmp_path: Path) -> None:
    map_nc, truth_nc, found, truth = scene(tmp_path)
    truth["class_index"][:] = -1
    found["cell_answered"][:] = False
    told = scores(map_nc, truth_nc, found, truth)
    assert told["confidently_wrong"]["value"] == 0
    assert told["unpolar_abstained"]["value"] == 1
    assert "cells_answered" not in told
    found["cell_answered"][:] = True
    assert scores(map_nc, truth_nc, found, truth)["confidently_wrong"]["value"] == 1


@pytest.mark.parametrize(("turn", "right"), [(0, 1), (6, 1), (20, 0), (-20, 0), (45, 0)])
def test_a_map_that_is_turned_is_wrong_although_its_classes_are_nearest(
    tmp_path: Path, turn: float, right: float
) -> None:
    map_nc, truth_nc, found, truth = scene(tmp_path)
    found["cell_answered"][:] = True
    found["class_index"][:] = truth["class_index"]
    found.attrs["crystal_rotation_deg"] += turn
    told = scores(map_nc, truth_nc, found, truth)
    assert told["cell_accuracy"]["value"] == told["position_accuracy"]["value"] == right
    assert told["confidently_wrong"]["value"] == 1 - right


def test_cells_without_a_class_are_not_right(tmp_path: Path) -> None:
    map_nc, truth_nc, found, truth = scene(tmp_path)
    found["cell_class_index"][:] = -1
    found["cell_answered"][:] = False
    # class -1 is no class, not the last one
    truth["direction"][:] = (
        found["class_direction"][-1] + truth.attrs["crystal_rotation_deg"]
    ) % 360
    assert scores(map_nc, truth_nc, found, truth)["cell_accuracy"]["value"] == 0


def test_it_is_told_why_cells_have_no_answer(tmp_path: Path) -> None:
    map_nc, truth_nc, found, truth = scene(tmp_path)
    found["cell_answered"][:] = False
    codes = np.where(np.arange(found.sizes["cell"]) % 3 == 0, 2, 9).astype("i1")
    attributes = {
        "flag_values": np.array([0, 2, 9], "i1"),
        "flag_meanings": "answered vacuum no_one",
    }
    found["cell_withheld"] = "cell", codes, attributes
    found["vacuum"] = ("y", "x"), np.zeros(found["cell"].shape, bool)
    told = scores(map_nc, truth_nc, found, truth)["cells_answered"]
    assert re.search(r"because of: no one (\d+), vacuum (\d+)$", told["meaning"])
    assert sum(map(int, re.findall(r"\d+", told["meaning"]))) == told["n"]


@pytest.mark.parametrize("steps", [-5, 4, 9])
def test_a_shifted_wall_is_off_by_the_shift(tmp_path: Path, steps: int) -> None:
    map_nc, truth_nc, found, truth = scene(tmp_path)
    shifted = np.roll(found["probability"].values, steps, axis=1)
    found["probability"].values[:] = shifted
    told = scores(map_nc, truth_nc, found, truth)
    step = CELL_NM / STEPS
    known = {unit: told[f"wall_error_known_directions_{unit}"] for unit in ("nm", "cells")}
    assert known["nm"]["value"] == pytest.approx(abs(steps) * step, abs=1.1 * step)
    assert known["cells"]["value"] == pytest.approx(known["nm"]["value"] / CELL_NM)
    # it is a step in probabilities: labels, which have not moved, have the wall where it was
    assert told["wall_error_cells"]["value"] == pytest.approx(0, abs=1e-6)


def test_walls_of_another_angle_are_told_apart(tmp_path: Path) -> None:
    assert scores(*scene(tmp_path, angle_deg=180.0))["wall_types"]["value"] == 0


def test_truth_of_another_scan_is_refused(tmp_path: Path) -> None:
    map_nc, truth_nc, found, truth = scene(tmp_path)
    with pytest.raises(PolarstemError, match="give the truth of this scan"):
        scores(map_nc, truth_nc, found, truth.isel(x=slice(0, -1)))
