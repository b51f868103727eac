# SPDX-License-Identifier: GPL-3.0-or-later
"""What a netCDF file holds is what was written, under the name it was written for."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from polarstem.checked_netcdf import new_netcdf, save_netcdf
from polarstem.errors import PolarstemError
from polarstem.files import open_netcdf

DATA = xr.Dataset(
    {
        "values": (("y", "x"), np.arange(12.0).reshape(3, 4), {"units": "nm"}),
        "one": ((), 7.0),
        "flag": ("y", np.array([True, False, True])),
        "empty": ("none", np.empty(0)),
    },
    coords={"name": ("y", ["a", "b", "µ"]), "x": np.arange(4)},
    attrs={"title": "t", "sizes": [1, 2], "seed": 2**40, "share": np.nan},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "domains" / "a.nc"
    save_netcdf(DATA, path)
    return path


def read(path: Path) -> xr.Dataset:
    with open_netcdf(path, "data set") as data:
        return data.load()


def test_what_was_written_comes_back(path: Path) -> None:
    found = read(path)
    xr.testing.assert_equal(found, DATA)
    assert found["flag"].dtype == bool
    # what is made of the data is another file
    assert found.attrs.keys() == DATA.attrs.keys()
    with netCDF4.Dataset(path) as file:
        assert file.written_as == "domains/a.nc"
        checked = {n for n, v in file.variables.items() if (v.filters() or {}).get("fletcher32")}
    assert checked == {"values", "flag", "empty", "x"}


def changes() -> dict[str, Callable[[netCDF4.Dataset], object]]:
    return {
        "attribute": lambda file: file.setncattr("title", "u"),
        "attribute's type": lambda file: file.setncattr("seed", np.int32(5)),
        "number": lambda file: file.setncattr("share", 0.5),
        "lost attribute": lambda file: file.delncattr("sizes"),
        "units": lambda file: file["values"].setncattr("units", "Å"),
        "text": lambda file: file["name"].__setitem__(1, "c"),
        "scalar": lambda file: file["one"].__setitem__(..., 8.0),
        "name": lambda file: file.renameVariable("one", "two"),
        "dimension": lambda file: file.createDimension("z", 2),
        "variable": lambda file: file.createVariable("z", "f4", ("x",)),
    }


@pytest.mark.parametrize("change", changes())
def test_changes_are_told(path: Path, change: str) -> None:
    with netCDF4.Dataset(path, "a") as file:
        changes()[change](file)
    with pytest.raises(PolarstemError, match=rf"data set file {path} is damaged: .*checksums"):
        read(path)


def test_chunks_of_large_arrays_are_planes(tmp_path: Path) -> None:
    data = xr.Dataset({"a": (("t", "n", "y", "x"), np.zeros((3, 50, 200, 300), np.float32))})
    save_netcdf(data, tmp_path / "a.nc")
    with netCDF4.Dataset(tmp_path / "a.nc") as file:
        # 4 MiB hold 17 of the 50 planes
        assert file["a"].chunking() == [1, 17, 200, 300]


def test_a_file_under_another_ones_name(path: Path) -> None:
    shutil.copy(path, path.with_name("b.nc"))
    told = rf"{path.with_name('b.nc')} was written as domains/a.nc and holds that one's data"
    with pytest.raises(PolarstemError, match=told):
        read(path.with_name("b.nc"))
    # elsewhere it may have any name
    other = path.parents[1] / "c.nc"
    shutil.copy(path, other)
    assert read(other).identical(read(path))
    shutil.move(path.parent, path.parents[1] / "moved")
    read(path.parents[1] / "moved" / "a.nc")


def test_folders_can_belong_to_the_name(tmp_path: Path) -> None:
    first, second = (tmp_path / "predictions" / model / "0.nc" for model in "ab")
    for path in (first, second):
        with new_netcdf(path, folders=2) as file:
            file.title = path.parent.name
    shutil.copy(first, second)
    with pytest.raises(PolarstemError, match=r"was written as predictions/a/0\.nc"):
        read(second)


def test_files_of_others_have_no_checksum(tmp_path: Path) -> None:
    DATA.to_netcdf(tmp_path / "a.nc")
    xr.testing.assert_equal(read(tmp_path / "a.nc"), DATA)


def test_a_scan_is_not_to_be_deleted(path: Path) -> None:
    with netCDF4.Dataset(path, "a") as file:
        file.title = "u"
    with pytest.raises(PolarstemError, match="copy it anew from where it came from, or take out"):
        open_netcdf(path, "scan")
    path.write_bytes(b"no")
    with pytest.raises(PolarstemError, match=r"\(2 bytes\) is .*copy it anew"):
        open_netcdf(path, "scan")
