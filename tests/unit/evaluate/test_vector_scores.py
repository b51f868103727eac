# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of displacements by hand, and the whole way from patterns to the file."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from scipy.stats import chi2

from polarstem.checked_netcdf import save_netcdf
from polarstem.evaluate.scores import vector_scores
from polarstem.evaluate.scores.vector_scores import Fits, entries

UNIT = 20.0


def cells_of(true, found, covariance=None, amplitude=None, specimen=None, class_deg=None) -> Fits:
    true, found = np.asarray(true, float), np.asarray(found, float)
    n = len(true)
    return Fits(
        np.full(n, "free"),
        np.array([f"s{k}" for k in range(n)] if specimen is None else specimen),
        np.full(n, 20.0),
        np.hypot(*true.T) / UNIT if amplitude is None else np.asarray(amplitude, float),
        np.zeros(n) if class_deg is None else np.asarray(class_deg, float),
        true,
        found,
        np.tile(np.eye(2), (n, 1, 1)) if covariance is None else np.asarray(covariance, float),
        np.ones(n),
    )


def scores(cells: Fits, patterns: Fits | None = None) -> dict:
    return entries(cells, cells if patterns is None else patterns, UNIT, 0.95)


def value(found, key) -> float:
    return found[key]["value"]


def test_errors_by_hand() -> None:
    true = np.array([[20.0, 0], [0, 10], [0, -20], [0, 0]])
    mean = true + np.array([[3, 0], [0, 1], [2, 0], [0.6, 0.8]])
    cells = cells_of(true, mean, amplitude=[1.0, 0.5, 1.3, 0])
    found = scores(cells)
    # of 0.3 to 1.2 of the displacements: the first two
    assert value(found, "vector.rms_pm") == pytest.approx(np.sqrt((9 + 1) / 4))
    assert found["vector.rms_pm"]["n"] == 2
    assert found["vector.rms_pm"]["low"] is None, "two specimens tell no interval"
    assert value(found, "vector.bias_pm") == pytest.approx(1.0)
    # seen at full length: the first and the third
    expected = np.degrees([0, np.arctan(2 / 20)]).mean()
    assert value(found, "vector.angle_deg.1") == pytest.approx(expected)
    assert value(found, "vector.angle_deg.0.5") == pytest.approx(0)
    assert found["vector.angle_deg.0.5"]["n"] == 1


def test_an_angle_goes_the_short_way_round() -> None:
    found = scores(cells_of([[-20.0, 1]], [[-20.0, -1]]))
    assert value(found, "vector.angle_deg.1") == pytest.approx(2 * np.degrees(np.arctan(1 / 20)))


def test_bias_is_of_specimens_not_of_cells() -> None:
    """What cells of a specimen miss to all sides is scatter."""
    mean = [[1.0, 0], [-1, 0], [2, 0], [2, 0]]
    cells = cells_of(np.zeros((4, 2)), mean, specimen=["a", "a", "b", "b"])
    assert value(scores(cells), "vector.bias_pm") == pytest.approx(1.0)
    assert value(scores(cells), "vector.rms_pm") is None


def test_ellipses_are_those_of_the_covariance() -> None:
    random = np.random.default_rng(0)
    covariance = np.array([[9.0, 4.0], [4.0, 4.0]])
    true = random.normal(size=(4000, 2)) + 10.0
    mean = true + random.multivariate_normal([0, 0], covariance, len(true))
    specimen = np.repeat([f"s{k}" for k in range(4)], 1000)
    cells = cells_of(true, mean, np.tile(covariance, (4000, 1, 1)), specimen=specimen)
    found = scores(cells)
    assert value(found, "vector.coverage_68") == pytest.approx(0.68, abs=0.02)
    assert value(found, "vector.coverage_95") == pytest.approx(0.95, abs=0.01)
    # and by the quantile of another library, at its edge
    reach = 3 * np.sqrt(chi2.ppf(0.68, 2))
    edge = np.array([[reach * 0.99, 0], [reach * 1.01, 0]])
    nine = np.tile(9 * np.eye(2), (2, 1, 1))
    found = scores(cells_of([[20.0, 0]] * 2, np.array([20.0, 0]) + edge, nine))
    assert value(found, "vector.coverage_68") == pytest.approx(0.5)


def test_ellipses_are_told_at_the_edges_of_the_ranges() -> None:
    amplitude, thickness = np.array([0.2, 0.5, 1.0, 1.3]), np.array([40.0, 10, 20, 10])
    true = 20 * amplitude[:, None] * (1.0, 0.0)
    off = np.array([[0.0, 0], [9, 0], [0, 0], [0, 0]])
    cells = cells_of(true, true + off, amplitude=amplitude)._replace(thickness=thickness)
    found = scores(cells)
    expected = {"below_15_nm": (0.5, 2), "above_28_nm": (1.0, 1), "below_0.3": (1.0, 1)}
    for edge, (share, count) in (expected | {"above_1.2": (1.0, 1)}).items():
        assert value(found, f"vector.coverage_95.{edge}") == share
        assert found[f"vector.coverage_95.{edge}"]["n"] == count


def test_intervals_are_over_specimens() -> None:
    random = np.random.default_rng(0)
    true = np.tile([[15.0, 0]], (400, 1))
    error = np.repeat(random.normal(size=(20, 2)), 20, axis=0)  # alike within a specimen
    specimen = np.repeat([f"s{k}" for k in range(20)], 20)
    found = scores(cells_of(true, true + error, specimen=specimen))["vector.rms_pm"]
    assert found["n"] == 20
    assert found["low"] < found["value"] < found["high"]
    # 40 numbers tell a standard deviation to 11 %
    assert (found["high"] - found["low"]) / 4 == pytest.approx(0.11, rel=0.5)


def test_what_is_not_told_counts_in_no_error_and_as_a_wrong_class() -> None:
    true = [[20.0, 0], [20, 0], [0, 20], [10, 5]]
    found = [[20.0, 1], [np.nan, np.nan], [20, 1], [10, 5]]
    cells = cells_of(true, found, class_deg=[0, 0, 90, 0])
    told = scores(cells, cells_of(true[:2], [[20.0, 19], [20, -19]]))
    assert value(told, "vector.told") == pytest.approx(3 / 4)
    # the last points along no class
    assert value(told, "vector.class_right.cell") == pytest.approx(1 / 3)
    assert told["vector.class_right.cell"]["n"] == 3
    assert value(told, "vector.class_right.pattern") == 1.0
    assert value(told, "vector.rms_pm") == pytest.approx(np.sqrt((1 + 400 + 361) / 6))


def test_from_files_to_the_file(tmp_path) -> None:
    truth = {"a": [0.5, 0.0, 0.5], "b": [0.0, -1.0, 1.0], "c": [0.0, 0.0, 0.0]}
    variables = {"thickness": ("specimen", [10.0, 20, 30]), "direction": ("specimen", [0, 270, 0])}
    variables["recount_dose"] = ("recount", [1e3, 1e4])
    variables["bound"] = (("specimen", "recount"), [[1.0, 0.1], [3.0, 0.3], [np.nan, np.nan]])
    variables["reached"] = (("specimen", "recount"), [[4.0, 0.4], [12.0, 0.2], [np.nan, np.nan]])
    variables["columns"] = (("specimen", "column_feature", "axis"), np.zeros((3, 0, 2)))
    for name in ("measured_thickness", "measured_tilt_x", "measured_tilt_y"):
        variables[name] = ("specimen", [0.0, 0, 0])
    for kind, count in (("cell", 2), ("pattern", 8)):
        owner = np.repeat([0, 1, 2], count)
        known = UNIT * np.array(list(truth.values()))[owner]
        own = {
            "specimen": owner, "ux": known[:, 0] + 1, "uy": known[:, 1], "p_polar": 0 * owner + 0.5,
            "sigma_x": 0 * owner + 2.0, "sigma_y": 0 * owner + 3.0,
            "correlation": 0 * owner + 0.25,
        }  # fmt: skip
        variables |= {f"{kind}_{name}": (kind, values) for name, values in own.items()}
    coordinates = {"specimen": list(truth), "column_feature": np.zeros(0, str)}
    data = xr.Dataset(variables, coordinates, {"full_vector_pm": UNIT})
    data["cell_ux"][0] = data["cell_uy"][0] = np.nan
    save_netcdf(data, tmp_path / "free.nc")
    path = tmp_path / "displacements.json"
    few = data.copy()
    few["cell_ux"] = data["cell_ux"] + 3
    save_netcdf(few, tmp_path / "few.nc")
    files = {name: tmp_path / f"{name}.nc" for name in ("free", "few")}
    vector_scores.score_displacements(files, dict.fromkeys(files, truth), path, 0.95, ["few"])
    told = json.loads(path.read_text())
    rows = told["cells"]
    assert [row["domain"] for row in rows] == ["free"] * 6 + ["few"] * 6
    assert value(told["scores"], "vector.bias_pm.few") == pytest.approx(4.0)
    rows = rows[:6]
    assert [row["specimen"] for row in rows] == ["a", "a", "b", "b", "c", "c"]
    assert rows[0]["found_pm"] is None
    assert rows[1]["found_pm"] == [11.0, 0.0]
    assert rows[2]["true_pm"] == [0.0, -20.0]
    assert rows[2]["variance_pm2"] == [4.0, 9.0]
    assert rows[2]["correlation"] == 0.25
    assert [row["thickness_nm"] for row in rows] == [10, 10, 20, 20, 30, 30]
    assert told["template_pm"] == UNIT
    assert value(told["scores"], "vector.bound_share.1000") == pytest.approx(0.5)
    assert value(told["scores"], "vector.bound_share.10000") == pytest.approx(np.sqrt(0.4 / 0.6))
    assert told["scores"]["vector.bound_share.1000"]["n"] == 2
    assert value(told["scores"], "vector.rms_pm") == pytest.approx(np.sqrt(0.5))
    assert value(told["scores"], "vector.bias_pm") == pytest.approx(1.0)
    assert value(told["scores"], "vector.told") == pytest.approx(5 / 6)
    assert value(told["scores"], "vector.class_right.pattern") == 1.0
