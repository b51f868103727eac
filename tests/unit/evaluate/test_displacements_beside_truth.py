# SPDX-License-Identifier: GPL-3.0-or-later
"""Displacements of a map beside those of its scene."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import xarray as xr

from benchmarks.displacements import rows
from polarstem.checked_netcdf import save_netcdf
from polarstem.displacements.displacement_files import DISPLACEMENTS_FILE
from polarstem.evaluate.map_scores.beside_truth import truth_of_cells
from polarstem.evaluate.map_scores.displacements_beside_truth import (
    at_cells,
    displacement_entries,
    displacement_errors,
)
from polarstem.evaluate.map_scores.over_experiments import summarise_maps
from tests.unit.maps.synthetic_map import CELL_NM, make_map, make_summary

SPREAD = np.array([[1.44, 0.6], [0.6, 2.25]])
OFF = (0.3, -0.2)
UNTOLD = 30  # cells


class Known(NamedTuple):
    """Files of one experiment, and how many cells are away from walls and defects and told."""

    displacements: Path
    map: Path
    truth: Path
    away: int
    told: int


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    """Four domains of 20 pm, with errors of `SPREAD` about `OFF`; far off where none counts."""
    folder = tmp_path_factory.mktemp("beside")
    data, truth = make_map(cells=50, steps=3, patterns=False)
    truth.attrs |= {"cell_nm": CELL_NM, "walls": "[]", "kind": "four_domains"}
    truth.attrs |= {"thickness_nm": 13.0, "conditions": json.dumps({"dose_electrons": 1e4})}
    angle = np.radians(truth["direction"])
    truth["displacement_x"], truth["displacement_y"] = 20 * np.cos(angle), 20 * np.sin(angle)
    for axis in "xy":
        truth[f"tilt_{axis}"] = xr.zeros_like(truth["direction"])
    own, true = truth_of_cells(data, truth), at_cells(data, truth)
    aside = (own["wall_distance"] <= CELL_NM) | own["defect"]
    shift = true + np.random.default_rng(4).multivariate_normal(OFF, SPREAD, size=len(true))
    shift[aside] += 100
    reason = np.zeros(len(true), np.int8)
    reason[np.flatnonzero(~aside)[-UNTOLD:]] = 2
    shift[reason > 0] = np.nan
    x, y = np.sqrt(np.diag(SPREAD))
    values = {"ux": shift[:, 0], "uy": shift[:, 1], "reason": reason}
    for name, value in {"sigma_x": x, "sigma_y": y, "correlation": SPREAD[0, 1] / x / y}.items():
        values[name] = np.where(reason > 0, np.nan, value)
    for name in ("map", "fitted"):
        (folder / name).mkdir()
    found = Known(
        folder / "fitted" / DISPLACEMENTS_FILE,
        folder / "map" / "map.nc",
        folder / "truth.nc",
        int((~aside).sum()),
        int((~aside).sum()) - UNTOLD,
    )
    save_netcdf(xr.Dataset({name: ("cell", v) for name, v in values.items()}), found.displacements)
    save_netcdf(data, found.map)
    save_netcdf(truth, found.truth)
    (folder / "map" / "summary.json").write_text(json.dumps(make_summary(data)))
    return found


def test_errors_are_those_of_cells_away_from_walls_and_defects(known: Known) -> None:
    found = displacement_errors(known.displacements, known.map, known.truth)
    assert (found.cells, found.told) == (known.away, known.told)
    assert found.told > 1000
    assert found.rms_pm == pytest.approx(np.sqrt((1.44 + 2.25 + 0.09 + 0.04) / 2), rel=0.05)
    assert found.bias_pm == pytest.approx(OFF, abs=0.15)
    assert found.sigma_pm == pytest.approx(np.sqrt((1.44 + 2.25) / 2))
    assert found.share == pytest.approx(1.0, abs=0.01)
    # half a normal's median is 0.6745 of its spread, 1.36 pm of 20
    assert found.angle_deg == pytest.approx(np.degrees(0.6745 * 1.36 / 20), rel=0.1)
    assert found.within_68 == pytest.approx(0.655, abs=0.035)
    assert found.within_95 == pytest.approx(0.94, abs=0.02)


def test_numbers_of_the_summary_tell_cells_and_errors(known: Known) -> None:
    found = displacement_entries(known.displacements, known.map, known.truth)
    errors = displacement_errors(known.displacements, known.map, known.truth)
    assert {name: number["value"] for name, number in found.items()} == {
        "displacement_told": pytest.approx(1 - UNTOLD / found["displacement_told"]["n"]),
        "displacement_sigma_pm": pytest.approx(errors.sigma_pm),
        "displacement_rms_pm": errors.rms_pm,
        "displacement_bias_pm": pytest.approx(np.hypot(*errors.bias_pm)),
        "displacement_angle_deg": errors.angle_deg,
        "displacement_in_68": errors.within_68,
        "displacement_in_95": errors.within_95,
    }
    assert found["displacement_rms_pm"]["n"] == known.told
    # of a scan without a truth what is told stands alone
    alone = displacement_entries(known.displacements, known.map, None)
    assert set(alone) == {"displacement_told", "displacement_sigma_pm"}


def test_the_summary_of_maps_takes_displacements_where_there_are_some(
    known: Known, tmp_path: Path
) -> None:
    folder = known.map.parent
    maps, truths = {"own": folder, "plain": folder}, {"own": known.truth, "plain": known.truth}
    output = tmp_path / "maps.json"
    summarise_maps(maps, truths, output, 0.95, None, {"own": known.displacements})
    found = json.loads(output.read_text(encoding="utf-8"))
    assert found["maps.own.displacement_rms_pm"]["n"] == known.told
    assert not any(key.startswith("maps.plain.displacement") for key in found)


def test_the_benchmark_prints_what_the_summary_holds(known: Known, tmp_path: Path) -> None:
    for name, path in {
        "displacements/own": known.displacements.parent,
        "displacements/of_a_user": known.displacements.parent,
        "maps/own": known.map.parent,
    }.items():
        shutil.copytree(path, tmp_path / name)
    (tmp_path / "scans").mkdir()
    shutil.copy(known.truth, tmp_path / "scans" / "own.truth.nc")
    (row,) = rows(tmp_path)
    assert row.experiment == "own"
    assert row.errors == displacement_errors(known.displacements, known.map, known.truth)
    assert f"rms {row.errors.rms_pm:5.2f} pm" in str(row)


def test_no_cell_has_no_errors(known: Known, tmp_path: Path) -> None:
    data = xr.load_dataset(known.displacements)
    data["reason"][:] = 2
    save_netcdf(data, tmp_path / DISPLACEMENTS_FILE)
    found = displacement_entries(tmp_path / DISPLACEMENTS_FILE, known.map, known.truth)
    assert found["displacement_told"]["value"] == 0
    assert found["displacement_rms_pm"] == {**found["displacement_rms_pm"], "value": None, "n": 0}


def test_what_is_true_of_a_cell_is_that_of_the_nearest_position() -> None:
    x, y = 0.1 * np.arange(4), 0.1 * np.arange(3)
    right, down = np.meshgrid(x, y)
    truth = xr.Dataset(
        {"displacement_x": (("y", "x"), right), "displacement_y": (("y", "x"), -down)},
        {"y": y, "x": x},
    )
    found = xr.Dataset(
        {"cell_centre_y": ("cell", [0.04, 0.21]), "cell_centre_x": ("cell", [0.16, 0.29])}
    )
    assert at_cells(found, truth) == pytest.approx(np.array([(0.2, 0.0), (0.3, -0.2)]))
