# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulation of a specimen as a file."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from polarstem.errors import PolarstemError
from polarstem.simulate.jobs import specimen_patterns
from polarstem.simulate.jobs.simulate_patterns import simulate_specimen
from polarstem.structures.build import write_specimen

SETTINGS = {
    "simulate": {
        "pixels_per_cell": 24,
        "scan": {"positions": [4, 3], "offset": "centre"},
        "detector": {"pixels": 16, "mrad_per_pixel": 6.0},
    },
    "thicknesses_nm": [4.0, 2.0],
    "seed": 7,
}


@pytest.fixture
def structure(crystal, tmp_path):
    path = tmp_path / "test.xyz"
    write_specimen(crystal("RU", a_site="random").atoms, path)
    return path


def test_file_holds_patterns_labels_and_units(structure, tmp_path):
    output = tmp_path / "out" / "test.nc"
    simulate_specimen(structure, output, SETTINGS)
    with xr.open_dataset(output) as data:
        assert data["intensity"].dims == ("thickness", "y", "x", "ky", "kx")
        assert data["intensity"].shape == (2, 4, 3, 16, 16)
        assert data["intensity"].dtype == np.float32
        assert data["thickness"].values.tolist() == [2.0, 4.0]
        np.testing.assert_allclose(data["exit_thickness"], [2, 4], atol=0.2)
        sums = data["intensity"].sum(("ky", "kx"))
        np.testing.assert_allclose(sums, data["detected_fraction"], rtol=1e-5)
        assert (data["detected_fraction"] <= data["total_fraction"] + 1e-6).all()
        assert float(data["total_fraction"].max()) < 1.001
        assert float(data["total_fraction"].min()) > 0.5
        # intensity leaves the simulated angles with thickness, none comes back
        assert (np.diff(data["total_fraction"], axis=0) < 1e-6).all()
        np.testing.assert_allclose(data["cell_x"], [1 / 6, 3 / 6, 5 / 6])
        for name, variable in data.variables.items():
            assert {"units", "long_name"} <= set(variable.attrs), name
        assert data.attrs["class_name"] == "RU"
        assert data.attrs["direction_deg"] == 45
        assert json.loads(data.attrs["config"])["seed"] == 7
    assert [p.name for p in output.parent.iterdir()] == ["test.nc"]


def test_rows_at_a_time_change_nothing(structure, tmp_path, monkeypatch):
    simulate_specimen(structure, tmp_path / "whole.nc", SETTINGS)
    monkeypatch.setattr(specimen_patterns, "rows_at_once", lambda *_: 3)
    simulate_specimen(structure, tmp_path / "rows.nc", SETTINGS)
    with xr.open_dataset(tmp_path / "whole.nc") as a, xr.open_dataset(tmp_path / "rows.nc") as b:
        xr.testing.assert_equal(a, b)


def test_a_truncated_structure_is_named(structure, tmp_path):
    structure.write_bytes(structure.read_bytes()[:-40])
    with pytest.raises(PolarstemError, match=r"test\.xyz"):
        simulate_specimen(structure, tmp_path / "out" / "test.nc", SETTINGS)
    assert not (tmp_path / "out").exists()


def test_failure_leaves_no_file(structure, tmp_path):
    wide = {**SETTINGS, "simulate": {**SETTINGS["simulate"], "detector": {"pixels": 64}}}
    output = tmp_path / "out" / "test.nc"
    with pytest.raises(PolarstemError, match="reaches 64 mrad"):
        simulate_specimen(structure, output, wide)
    assert not output.parent.exists()
