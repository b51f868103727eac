# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans written as a detector would come back with every axis, value and handedness."""

from __future__ import annotations

import dask.array
import h5py
import numpy as np
import pytest
import yaml

from polarstem.errors import PolarstemError
from polarstem.scans.files.readers import open_scan
from polarstem.scans.files.writers import write_hspy, write_raw

OPTICS = {"step_nm": (0.1, 0.2), "mrad_per_pixel": 1.5, "energy_kv": 200, "semiangle_mrad": 24}


def test_hspy_follows_the_documented_layout(tmp_path, patterns):
    """hyperspy.org: groups Experiments/<title> with data, axis-0 ... axis-3 and metadata."""
    path = tmp_path / "scan.hspy"
    write_hspy(path, patterns, **OPTICS, title="wall", metadata={"seed": 7, "dose": [1.0, 2.0]})
    with h5py.File(path) as file:
        assert file.attrs["file_format"] == "HyperSpy"
        signal = file["Experiments/wall"]
        assert np.array_equal(signal["data"][:], patterns)
        axes = [dict(signal[f"axis-{i}"].attrs) for i in range(4)]
        microscope = signal["metadata/Acquisition_instrument/TEM"].attrs
        assert microscope["beam_energy"] == 200
        assert microscope["convergence_angle"] == 24
        assert signal["metadata/Signal"].attrs["signal_type"] == "electron_diffraction"
        assert signal["original_metadata"].attrs["seed"] == 7
    assert [a["name"] for a in axes] == ["y", "x", "ky", "kx"]
    assert [a["units"] for a in axes] == ["nm", "nm", "mrad", "mrad"]
    assert [a["scale"] for a in axes] == [0.1, 0.2, 1.5, 1.5]
    assert [bool(a["navigate"]) for a in axes] == [True, True, False, False]
    assert [a["size"] for a in axes] == [3, 4, 6, 8]
    # 0 mrad in the middle of the detector
    assert axes[2]["offset"] + 2.5 * 1.5 == pytest.approx(0)
    assert axes[3]["offset"] + 3.5 * 1.5 == pytest.approx(0)


@pytest.mark.parametrize("write", [write_hspy, write_raw])
def test_lazy_patterns_are_written_alike(tmp_path, patterns, write):
    path = tmp_path / ("scan.hspy" if write is write_hspy else "scan.mib")
    write(path, patterns, **OPTICS)
    whole = path.read_bytes() if write is write_raw else open_scan(path).read(np.arange(12))
    write(path, dask.array.from_array(patterns, chunks=(1, 2, 6, 8)), **OPTICS)
    lazy = path.read_bytes() if write is write_raw else open_scan(path).read(np.arange(12))
    assert np.array_equal(whole, lazy)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_raw_frames_come_back_upright_with_their_sheet(tmp_path, patterns, dtype):
    patterns = (patterns % 251).astype(dtype)
    turns = {"scan_transpose": True, "scan_flip_x": True, "detector_flip_y": True}
    sheet = write_raw(tmp_path / "scan.mib", patterns, **OPTICS, sheet=turns | {"off": ["tilt"]})
    told = yaml.safe_load(sheet.read_text())
    assert told["scan_shape"] == [4, 3]
    assert told["off"] == ["tilt"]
    scan = open_scan(tmp_path / "scan.mib", sheet)
    assert scan.shape == patterns.shape
    assert scan.dtype == dtype
    assert np.array_equal(scan.read(np.arange(12)), patterns.reshape(12, 6, 8))
    assert scan.step_nm.value == (0.1, 0.2)
    assert scan.mrad_per_pixel.value == 1.5
    assert scan.sheet.off == ("tilt",)
    # without the sheet the file tells its own scan shape, from its header
    assert open_scan(tmp_path / "scan.mib").shape == (4, 3, 6, 8)


def test_raw_bytes_lie_as_a_merlin_writes_them(tmp_path, patterns):
    """Frames row by row, each behind its header, big-endian, the bottom row first."""
    write_raw(tmp_path / "scan.mib", patterns, **OPTICS)
    raw = (tmp_path / "scan.mib").read_bytes()
    assert len(raw) == 12 * (384 + 6 * 8 * 2)
    second = raw[480 + 384 : 960]
    assert np.array_equal(np.frombuffer(second, ">u2").reshape(6, 8), patterns[0, 1, ::-1])


def test_fractions_are_no_raw_frames(tmp_path, patterns):
    with pytest.raises(PolarstemError, match="float32"):
        write_raw(tmp_path / "scan.mib", patterns.astype(np.float32), **OPTICS)
    assert not list(tmp_path.iterdir())
