# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a map, read back by other programs' rules."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
import xarray as xr

from polarstem.maps.dataset import Classes, assemble, described
from polarstem.maps.outputs import write_cells, write_hspy, write_labels, write_netcdf
from polarstem.maps.pooling import answer
from polarstem.maps.summary import plain, summarise

NAMES = ["RM", "MU", "LM", "MD"]
SHAPE, STEP = (6, 8), (0.05, 0.1)


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    """A map of 6 x 8 positions and two cells, turned by 30 degrees."""
    rng = np.random.default_rng(0)
    n = SHAPE[0] * SHAPE[1]
    classes = Classes(NAMES, np.arange(4) * 90.0, 30.0)
    probability = rng.dirichlet(np.full(4, 0.3), n).astype(np.float32)
    probability[5] = np.nan
    numbers = {name: rng.random(n) for name in ("anomaly", "bright_field", "dark_field")}
    numbers |= {name: rng.random(n) for name in ("com_x", "com_y", "total", "cell_y", "cell_x")}
    cell = np.where(np.arange(n) % 8 < 4, 0, 1)
    found = answer(probability, probability >= 0.3)
    positions = described(found, probability, classes) | numbers
    positions |= {"answered": found.answered, "vacuum": np.zeros(n, bool)}
    positions["withheld"] = np.where(found.answered, 0, 9).astype(np.int8)
    positions |= {"flagged": numbers["anomaly"] > 0.9, "cell": cell}
    positions["pattern"] = (rng.random((n, 4, 4)) / 16).astype(np.float32)
    pooled = np.array([[0.9, 0.05, 0.03, 0.02], [0.1, 0.1, 0.2, 0.6]])
    cells = described(answer(pooled, pooled >= 0.3), pooled, classes)
    cells |= {"answered": np.ones(2, bool), "withheld": np.zeros(2, np.int8)}
    cells["at_wall"] = np.array([False, True])
    cells |= {name: np.array([0, 1]) for name in ("row", "column", "centre_y", "centre_x")}
    cells |= {"count": np.array([24, 24]), "anomaly": np.array([0.2, 1.4])}
    cells |= {"flagged": cells["anomaly"] > 1, "pattern": positions["pattern"][:2]}
    attributes = {"scan": "a.mib", "step_nm": list(STEP), "forced": ""}
    return assemble(SHAPE, STEP, positions, cells, classes, 3.0, attributes)


def test_everything_has_units_and_a_name(data: xr.Dataset):
    for name in [*data.data_vars, *data.coords]:
        assert data[name].attrs["long_name"], name
        assert "units" in data[name].attrs or name == "class_name", name


def test_directions_are_turned_into_the_scan(data: xr.Dataset):
    index = data["class_index"].values
    measured = index >= 0
    assert measured.sum() == index.size - 1
    expected = (index * 90.0 + 30) % 360
    np.testing.assert_allclose(data["direction"].values[measured], expected[measured])
    assert np.isnan(data["direction"].values[~measured]).all()
    assert not data["answered"].values[~measured].any()
    assert data["cell_direction"].values.tolist() == [30.0, 300.0]
    angle = np.radians(np.arange(4) * 90.0 + 30)
    cell = data["cell_probability"].values
    np.testing.assert_allclose(data["cell_direction_x"], cell @ np.cos(angle), atol=1e-6)
    np.testing.assert_allclose(data["cell_direction_y"], cell @ np.sin(angle), atol=1e-6)


def test_netcdf_comes_back_with_packed_patterns(data: xr.Dataset, tmp_path: Path):
    write_netcdf(data, tmp_path / "map.nc")
    with xr.open_dataset(tmp_path / "map.nc") as found:
        assert found["answered"].dtype == bool
        assert found["conformal_set"].dtype == np.uint8
        np.testing.assert_allclose(found["y"], np.arange(6) * 0.05)
        np.testing.assert_allclose(found["x"], np.arange(8) * 0.1)
        np.testing.assert_allclose(found["kx"], (np.arange(4) - 1.5) * 3)
        largest = float(data["pattern"].max())
        np.testing.assert_allclose(found["pattern"], data["pattern"], atol=largest / 65534)
        for name in data.data_vars:
            assert found[name].dims == data[name].dims, name


def test_hspy_has_hyperspys_layout(data: xr.Dataset, tmp_path: Path):
    """As documented in hyperspy's user guide, and as its reader takes it."""
    from rsciio.hspy import file_reader

    write_hspy(data, tmp_path / "map.hspy")
    with h5py.File(tmp_path / "map.hspy") as file:
        assert file.attrs["file_format"] == "HyperSpy"
        (experiment,) = file["Experiments"].values()
        assert experiment["data"].shape[1:] == SHAPE
        axis = experiment["axis-2"].attrs
        assert (axis["name"], axis["units"], axis["size"]) == ("x", "nm", 8)
        assert (axis["scale"], axis["navigate"]) == (STEP[1], False)
    (signal,) = file_reader(tmp_path / "map.hspy")
    layers = list(signal["metadata"]["Polarstem"]["layers"])
    for name in ("direction", "confidence", "dark_field"):
        np.testing.assert_allclose(signal["data"][layers.index(name)], data[name], rtol=1e-6)
    last = signal["data"][layers.index("probability MD")]
    np.testing.assert_array_equal(last, data["probability"][..., 3])


def test_labels_open_in_imagej_with_their_scale(data: xr.Dataset, tmp_path: Path):
    write_labels(data, tmp_path / "labels.tif")
    with tifffile.TiffFile(tmp_path / "labels.tif") as file:
        assert file.imagej_metadata["unit"] == "nm"
        labels, tags = file.asarray(), file.pages[0].tags
        for tag, step in (("XResolution", STEP[1]), ("YResolution", STEP[0])):
            per_nm, divisor = tags[tag].value
            assert per_nm / divisor == pytest.approx(1 / step)
    assert labels.dtype == np.uint8
    expected = np.where(data["answered"], data["class_index"] + 1, 0)
    np.testing.assert_array_equal(labels, expected)
    assert len(np.unique(labels)) > 2


def test_table_of_cells(data: xr.Dataset, tmp_path: Path):
    write_cells(data, tmp_path / "cells.csv")
    with (tmp_path / "cells.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == ["RM", "MD"]
    assert [float(row["direction_deg"]) for row in rows] == [30, 300]
    assert [row["flagged"] for row in rows] == ["False", "True"]
    assert float(rows[1]["probability_MD"]) == pytest.approx(0.6)


def test_summary_counts_answered_cells(data: xr.Dataset):
    found = summarise(data)
    assert (found["positions"], found["cells"], found["counted"]) == (47, 2, "cells")
    assert found["directions"] == {"RM": 0.5, "MU": 0, "LM": 0, "MD": 0.5}
    assert found["answered"] == 1
    assert found["mean_confidence"] == pytest.approx(0.75)
    assert found["anomalies"] == {"count": 1, "share": 0.5, "at_walls": 1}
    alone = summarise(data.drop_dims("cell"))
    assert alone["counted"] == "positions"
    answered = data["answered"].values
    share = (data["class_index"].values[answered] == 2).mean()
    assert alone["directions"]["LM"] == pytest.approx(share)


def test_numbers_become_json():
    given = {"a": np.float32(1.5), "b": [np.nan, np.int64(2)], "c": np.array([True]), "d": "x"}
    assert json.loads(json.dumps(plain(given))) == {"a": 1.5, "b": [None, 2], "c": [True], "d": "x"}
