# SPDX-License-Identifier: GPL-3.0-or-later
"""The bound of a run: from its config to the file and the summary."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml

from polarstem.config import check, load
from polarstem.config.model import merge
from polarstem.config.vector_bound import vector_bound_settings
from polarstem.config.work import all_jobs
from polarstem.errors import PolarstemError
from polarstem.evaluate.limit.displacement_limit import FITTED_PM, compute_vector_bound
from polarstem.evaluate.limit.vector_bound import bound_entries, read_vector_bound

ROOT = Path(__file__).parents[3]
TINY = ROOT / "tests" / "configs" / "tiny.yaml"
SECTION = {"thicknesses_nm": [9, 4], "positions": 3, "cells": [3, 3], "draws": 60}


def settings_of(section: Any, **changes: Any) -> Any:
    config = yaml.safe_load(TINY.read_text(encoding="utf-8"))
    changes = merge({"evaluate": {"vector_bound": section}}, changes)
    return vector_bound_settings(check(merge(config, changes)))


@pytest.fixture(scope="module")
def bound(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    path = tmp_path_factory.mktemp("bound") / "vector_bound.nc"
    settings = settings_of(SECTION | {"doses": [1e4, 1e2], "nuisance": ["tilt", "position"]})
    compute_vector_bound(settings, path)
    return SimpleNamespace(path=path, data=read_vector_bound(path), settings=settings)


def test_settings_are_those_of_the_run():
    assert settings_of(None) is None
    found = settings_of(SECTION | {"direction": [0, 3, 4]})
    assert found["thicknesses_nm"] == [4, 9]
    assert found["direction"] == pytest.approx([0, 0.6, 0.8])
    assert found["structure"] == {"material": "KNN", "phase": "T", "zone_axis": [0, 0, 1]}
    assert found["simulate"]["pixels_per_cell"] == 32
    assert found["nuisance"] == ["thickness", "tilt_x", "tilt_y", "defocus", "x", "y", "thermal"]
    # the field by hand, or as large as the accuracy asks for at the largest thickness
    assert found["cells"] == [3, 3]
    sizes = [
        settings_of(
            SECTION | {"cells": None, "thicknesses_nm": nm},
            specimens={"tiny": {"simulate": {"accuracy": wanted}}},
        )
        for nm, wanted in (([9], 0.2), ([9], 0.01), ([40], 0.01))
    ]
    fields = [each["cells"][0] for each in sizes]
    assert fields[0] < fields[1] < fields[2]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"amplitudes": [0.5, 1]}, "must hold 0"),
        ({"amplitudes": [0, 1.35]}, "1.3"),
        ({"direction": [0, 0, 0]}, "must not be zero"),
        ({"thicknesses_nm": [10, 10]}, "anything twice"),
        ({"thicknesses_nm": [1]}, "thicknesses_nm"),
        ({"nuisance": ["tilts"]}, "nuisance"),
    ],
)
def test_wrong_sections_are_told(section, message):
    with pytest.raises(PolarstemError, match=message):
        settings_of(section)


def test_who_asks_for_it_has_one_job():
    named = {
        path: [job for job in all_jobs(load(ROOT / path)) if job.rule == "compute_vector_bound"]
        for path in ("config.yaml", "tests/configs/tiny.yaml", "tests/configs/plain.yaml")
    }
    (job,) = named["config.yaml"]
    assert job.memory_mb > 1500
    assert set(job.work) == {"displaced", "fitted"}
    assert len(named["tests/configs/tiny.yaml"]) == 1
    assert not named["tests/configs/plain.yaml"]


def test_file_says_what_it_holds(bound):
    data = bound.data
    assert dict(data.sizes) == {
        **{"knowledge": 2, "amplitude": 2, "thickness": 2, "dose": 2, "cell_y": 3, "cell_x": 3},
        **{"parameter": 9, "other": 9, "component": 2, "component_other": 2},
    }
    assert {"title", "assumptions", "seed", "config"} <= set(data.attrs)
    assert data.attrs["template_pm"] == pytest.approx(16.8333, abs=1e-3)
    for name in data.variables:
        assert {"units", "long_name"} <= set(data[name].attrs), name
    with xr.open_dataset(bound.path) as file:
        np.testing.assert_array_equal(file["dose"], [1e2, 1e4])


def test_numbers_follow_from_the_information(bound):
    data = bound.data.sel(amplitude=1, thickness=9)
    fisher = data["fisher"].values.reshape(9, 9, 9)
    rows = [0, 1, 3, 4, 6, 7]  # tilt and position
    covariance = np.linalg.inv(fisher[:, rows][:, :, rows])[:, :2, :2]
    error = np.sqrt(np.trace(covariance, axis1=1, axis2=2) / 2)
    np.testing.assert_allclose(data["error"].sel(knowledge="unknown").values.ravel(), error)
    cell = np.linalg.inv(fisher.mean(0)[np.ix_(rows, rows)])[:2, :2]
    np.testing.assert_allclose(data["cell_covariance"].sel(knowledge="unknown"), cell)
    entries = bound_entries(bound.path)
    value = entries["vector.bound_pm.1.9.100.unknown"]
    # nine patterns of a hundred electrons
    assert value["value"] == pytest.approx(math.sqrt(np.trace(cell) / 2 / 900))
    assert value["unit"] == "pm"
    assert value["n"] == 9
    assert "tilt_x, tilt_y, x, y unknown as well" in value["meaning"]
    known = entries["vector.bound_pm.1.9.100.known"]
    assert known["value"] < value["value"]
    assert "nothing else unknown" in known["meaning"]
    assert len([key for key in entries if key.startswith("vector.bound_pm.")]) == 16


def test_fits_stand_where_their_expansion_holds(bound):
    """At the middle thickness, and no dose that leaves more than a picometre."""
    data, entries = bound.data, bound_entries(bound.path)
    fitted = data["draws"] > 0
    error = data["cell_error"] / np.sqrt(9 * data["dose"])
    wanted = (error <= FITTED_PM) & (data["thickness"] == 9)
    assert bool((fitted == wanted).all())
    assert bool(fitted.any())
    assert not bool(fitted.sel(dose=1e2).any())
    fits = {key: e for key, e in entries.items() if key.startswith("vector.fit_over_bound.")}
    assert set(fits) == {
        f"vector.fit_over_bound.{a}.9.10000.{k}" for a in (0, 1) for k in ("known", "unknown")
    }
    for found in fits.values():
        assert found["n"] == 60
        assert 0.6 < found["low"] < found["value"] < found["high"] < 1.6


def test_without_draws_nothing_is_fitted(tmp_path):
    settings = settings_of(
        {"thicknesses_nm": [4], "positions": 1, "cells": [3, 3], "draws": 0, "amplitudes": [0]}
    )
    compute_vector_bound(settings, tmp_path / "b.nc")
    entries = bound_entries(tmp_path / "b.nc")
    assert all(key.startswith("vector.bound_pm.0.4.") for key in entries)
    json.dumps(entries, allow_nan=False)


def test_material_without_the_vector_leaves_no_file(tmp_path):
    settings = settings_of(SECTION)
    settings["structure"]["phase"] = "X"
    with pytest.raises(PolarstemError, match="no lattice and template for phase X"):
        compute_vector_bound(settings, tmp_path / "b.nc")
    assert not list(tmp_path.iterdir())
