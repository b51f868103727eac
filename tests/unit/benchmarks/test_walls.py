# SPDX-License-Identifier: GPL-3.0-or-later
"""Walls that fitted displacements show, beside the true ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from benchmarks.walls import rows

CELL = 0.4
AT = 6.3 * CELL
WIDTH = 0.8


def written(folder: Path, jump_pm: float = 26.0) -> Path:
    """A scan of 14 x 8 cells with an upright wall, and its displacements."""
    row, column = (axis.ravel() for axis in np.indices((8, 14)))
    x, y = (column + 0.5) * CELL, (row + 0.5) * CELL
    shift = jump_pm / 2 * np.tanh(2 * (x - AT) / WIDTH)
    noise = np.random.default_rng(1).normal(size=(2, len(x)))
    values = {"centre_x": x, "centre_y": y, "ux": shift + noise[0], "uy": noise[1]}
    values |= dict.fromkeys(("sigma_x", "sigma_y"), np.ones(len(x)))
    places = {"y": np.arange(0, 8 * CELL, 0.1), "x": np.arange(0, 14 * CELL, 0.1)}
    domain = np.broadcast_to((places["x"] > AT).astype(int), (len(places["y"]), len(places["x"])))
    wall = {"name": "R-L", "points": [[0, AT], [8 * CELL, AT]], "domains": [0, 1], "angle_deg": 180}
    truth = xr.Dataset(
        {"domain": (("y", "x"), domain)},
        places,
        {"cell_nm": CELL, "walls": json.dumps([wall | {"width_nm": WIDTH}])},
    )
    (folder / "scans").mkdir()
    (folder / "displacements" / "a").mkdir(parents=True)
    truth.to_netcdf(folder / "scans" / "a.truth.nc")
    data = xr.Dataset({name: ("cell", array) for name, array in values.items()})
    data.to_netcdf(folder / "displacements" / "a" / "displacements.nc")
    return folder


def test_walls_are_held_against_the_truth(tmp_path: Path) -> None:
    (row,) = rows(written(tmp_path))
    assert (row.experiment, row.wall, row.problem) == ("a", "R-L", "")
    assert row.position_cells[0] == pytest.approx(0.0, abs=0.1)
    assert 0.01 < row.position_cells[1] < 0.1
    assert row.width_cells[0] == pytest.approx(2.0, abs=0.3)
    assert row.width_cells[1] < row.width_cells[0] < row.width_cells[2]
    assert row.true_width_cells == pytest.approx(2.0)
    assert "true 2.00" in str(row)


def test_a_wall_that_does_not_show_is_said_to(tmp_path: Path) -> None:
    (row,) = rows(written(tmp_path, jump_pm=0.0))
    assert "do not change as across a wall" in str(row)
    assert np.isnan(row.position_cells).all()
