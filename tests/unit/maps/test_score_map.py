# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps compared with the truth of their scene."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from synthetic_map import CELL_NM, make_map

from polarstem.errors import PolarstemError
from polarstem.evaluate.maps import score_map

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
    return score_map(map_nc, truth_nc, 0.95)


def test_a_right_map_has_no_errors(tmp_path: Path) -> None:
    found = scores(*scene(tmp_path))
    assert found["cell_accuracy"]["value"] == 1
    assert found["wall_error_nm"]["value"] <= CELL_NM / STEPS
    assert found["wall_types"]["value"] == 1
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


@pytest.mark.parametrize("steps", [-5, 4, 9])
def test_a_shifted_wall_is_off_by_the_shift(tmp_path: Path, steps: int) -> None:
    map_nc, truth_nc, found, truth = scene(tmp_path)
    shifted = np.roll(found["probability"].values, steps, axis=1)
    found["probability"].values[:] = shifted
    told = scores(map_nc, truth_nc, found, truth)
    step = CELL_NM / STEPS
    assert told["wall_error_nm"]["value"] == pytest.approx(abs(steps) * step, abs=1.1 * step)
    assert told["wall_error_cells"]["value"] == pytest.approx(
        told["wall_error_nm"]["value"] / CELL_NM
    )


def test_walls_of_another_angle_are_told_apart(tmp_path: Path) -> None:
    assert scores(*scene(tmp_path, angle_deg=180.0))["wall_types"]["value"] == 0


def test_truth_of_another_scan_is_refused(tmp_path: Path) -> None:
    map_nc, truth_nc, found, truth = scene(tmp_path)
    with pytest.raises(PolarstemError, match="give the truth of this scan"):
        scores(map_nc, truth_nc, found, truth.isel(x=slice(0, -1)))
