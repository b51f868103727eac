# SPDX-License-Identifier: GPL-3.0-or-later
"""What is no scan, or not quite one, is told in one true sentence."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import test_file_kinds
import test_readers
import xarray as xr

from polarstem.errors import PolarstemError
from polarstem.scans.files.readers import open_scan
from polarstem.scans.files.troubles import unreadable
from polarstem.scans.files.writers import write_hspy


def told(path: Path, sheet: object = None) -> str:
    with pytest.raises(PolarstemError) as caught:
        open_scan(path, sheet)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


@pytest.mark.parametrize("suffix", ["h5", "hspy", "nc"])
def test_file_that_another_program_writes_to(tmp_path, patterns, suffix):
    path = tmp_path / f"scan.{suffix}"
    if suffix == "hspy":
        write_hspy(path, patterns, **test_readers.OPTICS)
    elif suffix == "nc":
        test_readers.netcdf(tmp_path, patterns)
    else:
        test_readers.hdf5(tmp_path, patterns)
    hold = f"import h5py; f = h5py.File({str(path)!r}, 'a'); print('open', flush=True); input()"
    environment = {**os.environ, "HDF5_USE_FILE_LOCKING": "TRUE"}
    with subprocess.Popen(
        [sys.executable, "-c", hold],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    ) as writer:
        assert writer.stdout.readline() == b"open\n"
        text = told(path)
        writer.communicate(b"\n")
    assert "is open in another program" in text
    assert "truncated" not in text
    assert open_scan(path).shape[:2] == (3, 4)


def test_newer_hyperspy_is_read_and_told(tmp_path, patterns):
    path = tmp_path / "scan.hspy"
    write_hspy(path, patterns, **test_readers.OPTICS)
    with h5py.File(path, "a") as file:
        file.attrs["file_format_version"] = "9.1"
    scan = open_scan(path)
    assert np.array_equal(scan.read([5])[0], patterns[1, 1])
    assert "in format 9.1 of HyperSpy, newer than" in scan.settings["reader"].note
    path = tmp_path / "other.hspy"
    with h5py.File(path, "w") as file:
        file.attrs.update({"file_format": "HyperSpy", "file_format_version": "9.1"})
        file["elsewhere"] = patterns
    text = told(path)
    assert "was written in format 9.1 of HyperSpy" in text
    assert "update rosettasciio" in text
    assert "truncated" not in text


def test_newer_hyperspy_in_zarr(tmp_path, patterns):
    test_file_kinds.zspy(tmp_path / "scan.zspy", patterns, "9.1")
    assert "format 9.1" in open_scan(tmp_path / "scan.zspy").settings["reader"].note


@pytest.mark.parametrize("number", [1, 2])
def test_dectris_master_names_the_file_that_is_missing(tmp_path, number):
    with h5py.File(tmp_path / "scan_master.h5", "w") as master:
        for i in (1, 2):
            name = f"scan_data_{i:06d}.h5"
            master[f"entry/data/data_{i:06d}"] = h5py.ExternalLink(name, "entry/data/data")
            if i != number:
                with h5py.File(tmp_path / name, "w") as file:
                    file["entry/data/data"] = np.ones((6, 4, 4), np.uint16)
    text = told(tmp_path / "scan_master.h5", {"scan_shape": [3, 4]})
    assert f"scan_data_{number:06d}.h5, which is missing" in text
    assert "truncated" not in text


def test_dectris_master_with_what_the_microscope_said(tmp_path):
    pytest.importorskip("hdf5plugin")
    frames = np.arange(12 * 16, dtype=np.uint16).reshape(12, 4, 4)
    with h5py.File(tmp_path / "scan_master.h5", "w") as master:
        master["entry/data/data_000001"] = frames
        master["entry/instrument/detector/saturation_value"] = 4000
        master["entry/instrument/detector/x_pixel_size"] = 1e-4
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        said = {"Pixel Size": [0.05], "High Tension": [3e5], "Camera Length": [0.2]}
        said |= {"NumPixelsX": 4, "NumPixelsY": 3, "IsPixelSizeCalibrated": [1]}
        file.create_group("STEM Metadata").attrs.update(said)
    scan = open_scan(tmp_path / "scan_master.h5")
    assert scan.shape == (3, 4, 4, 4)
    assert scan.shape_stated
    assert scan.maximum == 4000
    assert scan.step_nm.value == (0.05, 0.05)
    assert scan.energy_kv.value == 300
    # 0.1 mm at 200 mm
    assert scan.mrad_per_pixel.value == pytest.approx(0.5)
    assert np.array_equal(scan.read([6])[0], frames[6])
    assert "open " in told(tmp_path / "scan.h5")
    assert "scan_master.h5 instead" in told(tmp_path / "scan.h5")


def test_empad_numbers_instead_of_their_description(tmp_path, patterns):
    test_readers.empad(tmp_path, patterns)
    raw = tmp_path / "scan_x4_y3.raw"
    scan = open_scan(raw)
    assert scan.shape == (3, 4, 128, 128)
    assert scan.reader == "empad"
    assert np.array_equal(scan.read([5])[0][40:46, 50:58], patterns[1, 1])
    (tmp_path / "scan.xml").unlink()
    text = told(raw)
    assert "12 frames of an EMPAD" in text
    # the sheet that the sentence proposes is right
    layout = {"dtype": "float32", "frame_shape": [128, 128], "gap_bytes": 1024}
    assert "gap_bytes: 1024" in text
    bare = open_scan(raw, {"scan_shape": [3, 4], "raw": layout})
    assert np.array_equal(bare.read([5])[0], scan.read([5])[0])
    raw.write_bytes(b"123")
    assert "`raw: {dtype: uint16" in told(raw)


def test_empad_description_without_its_numbers(tmp_path, patterns):
    path, _ = test_readers.empad(tmp_path, patterns)
    (tmp_path / "scan_x4_y3.raw").unlink()
    text = told(path)
    assert "scan_x4_y3.raw, which is missing" in text
    assert "truncated" not in text


@pytest.mark.parametrize(
    "config",
    ["a: yaml", json.dumps(["a"]), json.dumps({"simulate": 3}), "{}", 7, np.array([1.0, 2.0])],
)
def test_netcdf_of_others_may_have_a_config(tmp_path, patterns, config):
    data = xr.Dataset({"counts": (("y", "x", "ky", "kx"), patterns)}, attrs={"config": config})
    data.to_netcdf(tmp_path / "scan.nc")
    scan = open_scan(tmp_path / "scan.nc")
    assert scan.energy_kv is None
    assert np.array_equal(scan.read([5])[0], patterns[1, 1])
    data.attrs["config"] = json.dumps({"simulate": {"energy_kv": "fast", "semiangle_mrad": 21}})
    data.to_netcdf(tmp_path / "other.nc")
    other = open_scan(tmp_path / "other.nc")
    assert other.energy_kv is None
    assert other.semiangle_mrad.value == 21


def backwards(folder: Path, patterns: np.ndarray, axis: int) -> Path:
    from rsciio.hspy import file_writer

    signal = test_readers.signal(patterns, ("nm", "mrad"))
    signal["axes"][axis]["scale"] *= -1
    file_writer(str(folder / "scan.hspy"), signal, show_progressbar=False)
    return folder / "scan.hspy"


@pytest.mark.parametrize(
    ("axis", "key", "transposed"),
    [
        (0, "scan_flip_y", False),
        (1, "scan_flip_x", False),
        (1, "scan_flip_y", True),
        (2, "detector_flip_y", False),
        (3, "detector_flip_x", False),
        (2, "detector_flip_x", True),
    ],
)
def test_axes_that_run_backwards_are_not_mirrored_in_silence(
    tmp_path, patterns, axis, key, transposed
):
    path = backwards(tmp_path, patterns, axis)
    turn = {f"{key.partition('_')[0]}_transpose": True} if transposed else {}
    text = told(path, turn)
    assert "negative scale" in text
    assert f"`{key}: true`" in text
    kept, flipped = (open_scan(path, {**turn, key: value}) for value in (False, True))
    assert kept.step_nm.value == flipped.step_nm.value
    view = kept.read(np.arange(12)).reshape(kept.shape)
    assert np.array_equal(
        flipped.read(np.arange(12)).reshape(kept.shape),
        np.flip(view, {"y": 0, "x": 1}[key[-1]] + 2 * key.startswith("detector")),
    )


@pytest.mark.parametrize("unit", ["$A^{-1}$", "$\\AA^{-1}$", "Å$^{-1}$", "1/A", "A⁻¹"])
def test_units_of_pyxem(tmp_path, patterns, unit):
    from rsciio.hspy import file_writer

    path = tmp_path / "scan.hspy"
    file_writer(str(path), test_readers.signal(patterns, ("$nm$", unit)), show_progressbar=False)
    scan = open_scan(path)
    assert scan.step_nm.value == (0.1, 0.2)
    # 2.508 pm at 200 kV, 0.5/Å per pixel
    assert scan.mrad_per_pixel.value == pytest.approx(12.54, rel=1e-3)


def test_folder_without_images_and_places_of_atoms(tmp_path):
    (tmp_path / "._1.tif").write_bytes(b"\0")
    assert "holds no TIFF or PNG images" in told(tmp_path)
    (tmp_path / "mine.xyz").write_text("1\n\nNb 0 0 0\n")
    assert "holds places of atoms" in told(tmp_path / "mine.xyz")


def test_names_tell_axes_apart_that_cannot_be_exchanged(tmp_path, patterns):
    path, _ = test_readers.netcdf(tmp_path, patterns)
    assert "leave exchange_axes out" in told(path, {"exchange_axes": True})


def test_file_that_may_not_be_read(tmp_path):
    (tmp_path / "scan.h5").write_bytes(b"x")
    denied = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "scan.h5"))
    assert "may not be read by you" in str(unreadable(tmp_path / "scan.h5", "hdf5", denied))
