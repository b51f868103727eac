# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a file came from."""

from __future__ import annotations

import json
from pathlib import Path

import xarray as xr

from polarstem.provenance import config_hash, git_commit, provenance, versions


def test_attributes_survive_netcdf(tmp_path: Path) -> None:
    section = {"a": {"b": [1, 2.5, None]}, "name": "Å", "flag": True}
    attributes = provenance(section, seed=7, split=None)
    assert all(isinstance(value, str) for value in attributes.values())
    path = tmp_path / "a.nc"
    xr.Dataset(attrs=attributes).to_netcdf(path)
    with xr.open_dataset(path) as data:
        assert dict(data.attrs) == attributes
        assert json.loads(data.attrs["config"]) == section
    assert attributes["seed"] == "7"


def test_hash_depends_on_values_not_on_order() -> None:
    assert config_hash({"a": 1, "b": [1, 2]}) == config_hash({"b": [1, 2], "a": 1})
    hashes = {config_hash({"a": value}) for value in (1, 2, "1", [1], None, 1.5)}
    assert len(hashes) == 6


def test_versions_name_what_results_rest_on() -> None:
    found = versions()
    assert {"python", "polarstem", "abtem", "torch", "numpy", "scikit-learn"} <= set(found)
    assert all(value[0].isdigit() for value in found.values())


def test_commit_is_told_where_there_is_one() -> None:
    assert git_commit()
