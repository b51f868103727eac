# SPDX-License-Identifier: GPL-3.0-or-later
"""What files say of themselves is believed within their size, and runs nothing."""

from __future__ import annotations

import json
import os
import pickle
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import test_file_kinds
import test_readers
import tifffile
from PIL import Image

from polarstem.errors import PolarstemError
from polarstem.scans.files.declared import believable
from polarstem.scans.files.readers import open_scan


def test_bounds():
    assert believable(64_000_000, 0)
    assert not believable(64_000_001, 0)
    assert believable(20_000 * 10**6, 10**6)
    assert not believable(20_100 * 10**6, 10**6)


@pytest.mark.parametrize(
    "shape", [(3, 4, 30_000, 30_000), (10**6, 10**6, 6, 8)], ids=["pixels", "positions"]
)
@pytest.mark.parametrize("suffix", ["h5", "emd", "py4dstem"])
def test_an_array_that_was_never_filled(tmp_path, patterns, shape, suffix):
    path = tmp_path / f"scan.{'h5' if suffix == 'py4dstem' else suffix}"
    if suffix == "py4dstem":
        test_file_kinds.emd1(path, patterns)
    elif suffix == "emd":
        test_readers.emd(tmp_path, patterns)
    with h5py.File(path, "a") as file:
        name = {"py4dstem": "root/datacube/data", "emd": "signals/scan/data"}.get(suffix, "frames")
        if name in file:
            del file[name]
        file.create_dataset(name, shape, "u2", chunks=(1, 1, 6, 8))
    with pytest.raises(PolarstemError, match=r"GB.* which its \d+ bytes cannot hold"):
        open_scan(path)


def test_a_scan_without_pixels(tmp_path):
    np.save(tmp_path / "scan.npy", np.zeros((3, 4, 0, 8), np.uint16))
    with pytest.raises(PolarstemError, match=r"nothing to look at|cannot be read as 'npy'"):
        open_scan(tmp_path / "scan.npy")


def test_empty_patterns_that_are_packed_well_are_believed(tmp_path):
    patterns = np.zeros((20, 20, 64, 64), np.uint16)
    patterns[0] = 1
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file.create_dataset("frames", data=patterns, compression="gzip", chunks=(1, 20, 64, 64))
    assert open_scan(tmp_path / "scan.h5").shape == patterns.shape


def png(path: Path, side: int) -> None:
    """A grey image of a side that its few bytes cannot be."""
    Image.fromarray(np.ones((6, 8), np.uint8)).save(path)
    data = bytearray(path.read_bytes())
    data[16:24] = side.to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    path.write_bytes(data)


@pytest.mark.parametrize("side", [9_000, 60_000])  # below and beyond Pillow's own limit
def test_an_image_that_is_larger_than_its_file(tmp_path, patterns, side):
    png(tmp_path / "y0_x0.png", side)
    with pytest.raises(PolarstemError, match=r"cannot be read \(.*(cannot hold|exceeds limit)"):
        open_scan(tmp_path)
    np.save(tmp_path / "scan.npy", patterns)
    with pytest.raises(PolarstemError, match="The mask image"):
        open_scan(tmp_path / "scan.npy", {"mask": str(tmp_path / "y0_x0.png")})


def test_a_tiff_that_is_larger_than_its_file(tmp_path):
    pages = np.zeros((2, 6, 8), np.uint16)
    tifffile.imwrite(tmp_path / "scan.tif", pages, compression="zlib", photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "scan.tif", mode="r+") as file:
        for page in file.pages:
            page.tags["ImageWidth"].overwrite(60_000)
            page.tags["ImageLength"].overwrite(60_000)
    with pytest.raises(PolarstemError, match="cannot hold"):
        open_scan(tmp_path / "scan.tif", {"scan_shape": [1, 2]})


def test_a_packed_prz_is_not_mapped(tmp_path, patterns):
    """Its bytes would be taken for counts."""
    from rsciio.pantarhei import file_writer

    file_writer(str(tmp_path / "scan.prz"), test_readers.signal(patterns))
    with pytest.raises(PolarstemError, match=r"keeps its patterns compressed"):
        open_scan(tmp_path / "scan.prz")


class Code:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.folder,)


def test_zarr_unpickles_nothing(tmp_path, patterns):
    test_file_kinds.zspy(tmp_path / "scan.zspy", patterns)
    array = tmp_path / "scan.zspy" / "Experiments" / "scan" / "data"
    described = json.loads((array / ".zarray").read_text())
    packed = pickle.dumps(Code(tmp_path / "made"))
    for chunk in array.glob("[0-9]*"):
        chunk.write_bytes(packed)
    codec = {"id": "pickle", "protocol": 4}
    for change in (
        {"compressor": codec},
        {"compressor": None, "filters": [codec]},
        {"compressor": None, "filters": [codec], "dtype": "|O", "fill_value": None},
    ):
        (array / ".zarray").write_text(json.dumps(described | change))
        with pytest.raises(PolarstemError, match="cannot be read as 'zspy'"):
            open_scan(tmp_path / "scan.zspy")
    assert not (tmp_path / "made").exists()


def test_numpy_unpickles_nothing(tmp_path):
    objects = np.full((1, 1, 2, 2), None, dtype=object)
    objects[...] = Code(tmp_path / "made")
    np.save(tmp_path / "scan.npy", objects)  # as a pickle
    with pytest.raises(PolarstemError, match="cannot be read as 'npy'"):
        open_scan(tmp_path / "scan.npy")
    assert not (tmp_path / "made").exists()


def test_hdf5_that_breaks_on_the_way(tmp_path, patterns, monkeypatch):
    """Errors of every kind become the one sentence."""
    test_readers.hdf5(tmp_path, patterns.reshape(3, 4, 6, 8))

    def broken(*_: object) -> bool:
        raise RuntimeError("addr overflow")

    monkeypatch.setattr("polarstem.scans.files.formats.is_master", broken)
    with pytest.raises(PolarstemError, match=r"cannot be read as 'hdf5' \(addr overflow\)"):
        open_scan(tmp_path / "scan.h5")
