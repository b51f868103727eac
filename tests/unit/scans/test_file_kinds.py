# SPDX-License-Identifier: GPL-3.0-or-later
"""Stacks, folders, bare numbers, cubes of other programs: each gives the scan it was made of."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import test_readers
import tifffile
import xarray as xr
from PIL import Image

from polarstem.config.physics import wavelength
from polarstem.errors import PolarstemError
from polarstem.scans.files.readers import open_scan
from polarstem.scans.files.writers import write_raw
from polarstem.scans.scan import ArrayScan, Scan
from polarstem.scans.sheet import load_sheet

SHAPE = {"scan_shape": [3, 4]}


def same(scan: Scan, patterns: np.ndarray) -> bool:
    return scan.shape == patterns.shape and np.array_equal(
        scan.read(np.arange(patterns[..., 0, 0].size)), patterns.reshape(-1, *patterns.shape[2:])
    )


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"byteorder": ">"}])
@pytest.mark.parametrize("axes", [3, 4])
def test_stack_of_pages(tmp_path, patterns, options, axes):
    pages = patterns if axes == 4 else patterns.reshape(12, 6, 8)
    options |= {"metadata": {"axes": "RQYX"[-axes:]}, "photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "scan.tif", pages, **options)
    scan = open_scan(tmp_path / "scan.tif", SHAPE)
    assert scan.reader == "tiff"
    assert same(scan, patterns)
    if axes == 4:
        whole = open_scan(tmp_path / "scan.tif")
        assert whole.shape[:2] == (3, 4)
        assert whole.shape_stated
    else:
        assert not scan.shape_stated
        with pytest.raises(PolarstemError, match=r"12 patterns in a row .* give `scan_shape"):
            open_scan(tmp_path / "scan.tif")


def test_stack_that_is_cut_or_coloured(tmp_path, patterns):
    path = tmp_path / "scan.tif"
    tifffile.imwrite(path, patterns.reshape(12, 6, 8))
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(PolarstemError, match=r"truncated"):
        open_scan(path, SHAPE)
    tifffile.imwrite(path, np.zeros((12, 6, 8, 3), np.uint8), photometric="rgb")
    with pytest.raises(PolarstemError, match="colours are no intensities"):
        open_scan(path, SHAPE)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("name", ["x{x:03d}_y{y:03d}", "row{y}_col{x}", "day2_y{y}x{x}", "{n:04d}"])
def test_folder_of_images(tmp_path, patterns, name, suffix):
    for n, (y, x) in enumerate(np.ndindex(3, 4)):
        path = tmp_path / f"{name.format(x=x, y=y, n=n)}.{suffix}"
        Image.fromarray(patterns[y, x]).save(path)
        # what another system keeps beside files
        (tmp_path / f"._{path.name}").write_bytes(b"\0\5\x16\7")
    if name == "{n:04d}":
        assert same(open_scan(tmp_path, SHAPE), patterns)
        return
    scan = open_scan(tmp_path)
    assert same(scan, patterns)
    assert scan.shape_stated
    with pytest.raises(PolarstemError, match=r"names .* tell of 3 x 4 .* contradicts"):
        open_scan(tmp_path, {"scan_shape": [4, 3]})
    (tmp_path / f"{name.format(x=2, y=1, n=6)}.{suffix}").unlink()
    with pytest.raises(PolarstemError, match="first that of row 1 and column 2"):
        open_scan(tmp_path)


def test_folders_that_mix(tmp_path, patterns):
    grey, colours = patterns[0, 0].astype(np.uint8), np.zeros((6, 8, 3), np.uint8)
    Image.fromarray(grey).save(tmp_path / "a_1.png")
    Image.fromarray(grey).save(tmp_path / "b_1.png")
    with pytest.raises(PolarstemError, match=r"two images of number 1, a_1\.png and b_1\.png"):
        open_scan(tmp_path)
    (tmp_path / "b_1.png").rename(tmp_path / "b_1.tif")
    with pytest.raises(PolarstemError, match="several kinds"):
        open_scan(tmp_path)
    (tmp_path / "b_1.tif").unlink()
    colours[..., 1] = grey
    Image.fromarray(colours).save(tmp_path / "a_1.png")
    with pytest.raises(PolarstemError, match="one grey image was expected"):
        open_scan(tmp_path)
    # grey written as colours, with alpha that says nothing
    four = np.dstack([grey] * 3 + [np.full((6, 8), 9, np.uint8)])
    Image.fromarray(four).save(tmp_path / "a_1.png")
    assert np.array_equal(open_scan(tmp_path).read([0])[0], grey)


@pytest.mark.parametrize("gap_at_end", [True, False])
def test_bare_numbers(tmp_path, patterns, gap_at_end):
    path = tmp_path / "scan.dat"
    frames = b"".join(p.astype(">u2").tobytes() + b"gap" for p in patterns.reshape(12, 6, 8))
    path.write_bytes(b"header" + (frames if gap_at_end else frames[:-3]))
    raw = {"dtype": ">u2", "frame_shape": "6x8", "header_bytes": 6, "gap_bytes": 3}
    scan = open_scan(path, {**SHAPE, "raw": raw})
    assert same(scan, patterns)
    assert not scan.shape_stated
    with pytest.raises(PolarstemError, match=r"it holds 12(\.0)? patterns|holds 11\.9697 patterns"):
        open_scan(path, {"scan_shape": [4, 4], "raw": raw})
    exchanged = patterns.transpose(2, 3, 0, 1)
    path.write_bytes(exchanged.tobytes())
    layout = {"dtype": "u2", "frame_shape": [6, 8]}
    assert same(open_scan(path, {**SHAPE, "raw": layout, "exchange_axes": True}), patterns)


def emd1(path: Path, patterns: np.ndarray, units: str = "A^-1") -> None:
    with h5py.File(path, "w") as file:
        file.attrs.update({"emd_group_type": "file", "version_major": 1, "version_minor": 0})
        group = file.create_group("root/datacube")
        group.attrs["emd_group_type"] = "array"
        group["data"] = patterns
        for i, (step, unit) in enumerate(zip((0.1, 0.2, 0.05, 0.05), "nnqq", strict=True)):
            group[f"dim{i}"] = [0.0, step]
            group[f"dim{i}"].attrs["units"] = "nm" if unit == "n" else units


@pytest.mark.parametrize("suffix", ["h5", "emd"])
def test_cube_of_py4dstem(tmp_path, patterns, suffix):
    path = tmp_path / f"scan.{suffix}"
    emd1(path, patterns)
    scan = open_scan(path, {"energy_kv": 200})
    assert scan.reader == "py4dstem"
    assert same(scan, patterns)
    assert scan.step_nm.value == pytest.approx((0.1, 0.2))
    assert scan.mrad_per_pixel.value == pytest.approx(0.05 * wavelength(200) * 1e3)
    assert open_scan(path, {"scan_shape": [2, 6]}).shape[:2] == (2, 6)
    path = tmp_path / f"two.{suffix}"
    emd1(path, patterns)
    with h5py.File(path, "a") as file:
        file["root"].copy("datacube", "other")
    with pytest.raises(PolarstemError, match=r"2 data cubes \(root/datacube, root/other\)"):
        open_scan(path)
    assert same(open_scan(path, {"dataset": "root/other"}), patterns)
    with pytest.raises(PolarstemError, match="no data cubes under 'x'"):
        open_scan(path, {"dataset": "x"})


def test_steps_of_py4dstem_may_stand_in_its_calibration(tmp_path, patterns):
    path = tmp_path / "scan.h5"
    emd1(path, patterns)
    with h5py.File(path, "a") as file:
        for i in range(4):
            file[f"root/datacube/dim{i}"].attrs["units"] = "pixels"
        told = {"R_pixel_size": 3.0, "R_pixel_units": "A", "Q_pixel_size": 0.7}
        told |= {"Q_pixel_units": "mrad", "convergence_semiangle_mrad": 21.0}
        for key, value in told.items():
            file[f"root/metadatabundle/calibration/{key}"] = value
    scan = open_scan(path)
    assert scan.step_nm.value == pytest.approx((0.3, 0.3))
    assert (scan.mrad_per_pixel.value, scan.semiangle_mrad.value) == (0.7, 21)


def zspy(folder: Path, patterns: np.ndarray, version: str = "3.3") -> None:
    """HyperSpy's layout in zarr."""
    zarr = pytest.importorskip("zarr")
    file = zarr.open_group(folder, mode="w", zarr_format=2)
    file.attrs.update({"file_format": "ZSpy", "file_format_version": version})
    group = file.require_group("Experiments").require_group("scan")
    group.attrs.update({"package": "hyperspy", "package_version": "2"})
    group.create_array("data", data=patterns, chunks=(1, 4, 6, 8))
    for i, size in enumerate(patterns.shape):
        axis = {"name": "", "size": size, "scale": 0.5, "offset": 0.0, "is_binned": False}
        axis |= {"units": "nm" if i < 2 else "mrad", "navigate": i < 2}
        group.require_group(f"axis-{i}").attrs.update({**axis, "_type": "UniformDataAxis"})
    metadata = group.require_group("metadata")
    metadata.require_group("General").attrs["title"] = "scan"
    metadata.require_group("Signal").attrs["signal_type"] = ""
    group.require_group("original_metadata")
    group.require_group("learning_results")


def test_hyperspy_in_zarr(tmp_path, patterns):
    folder = tmp_path / "scan.zspy"
    zspy(folder, patterns)
    scan = open_scan(folder)
    assert scan.reader == "zspy"
    assert same(scan, patterns)
    assert scan.step_nm.value == (0.5, 0.5)
    with zipfile.ZipFile(tmp_path / "packed.zspy", "w") as file:
        for part in folder.rglob("*"):
            if part.is_file():
                file.write(part, part.relative_to(folder))
    assert same(open_scan(tmp_path / "packed.zspy"), patterns)


def five(patterns: np.ndarray) -> np.ndarray:
    return np.stack([patterns, patterns[:, ::-1]])


@pytest.mark.parametrize("kind", ["npy", "h5", "nc"])
def test_several_scans_in_a_file(tmp_path, patterns, kind):
    path, both = tmp_path / f"scan.{kind}", five(patterns)
    if kind == "npy":
        np.save(path, both)
    elif kind == "h5":
        with h5py.File(path, "w") as file:
            file["frames"] = both
    else:
        dims = ("thickness", "y", "x", "ky", "kx")
        xr.Dataset({"intensity": (dims, both)}).to_netcdf(path)
    with pytest.raises(PolarstemError, match=r"take one by `select` .* 0 to 1"):
        open_scan(path)
    assert same(open_scan(path, {"select": 0}), patterns)
    scan = open_scan(path, {"select": 1})
    assert same(scan, patterns[:, ::-1])
    assert scan.settings["select"].value == 1
    with pytest.raises(PolarstemError, match=r"select|single scan"):
        open_scan(path, {"select": 2})


def test_select_where_there_is_one(tmp_path, patterns):
    np.save(tmp_path / "scan.npy", patterns)
    assert same(open_scan(tmp_path / "scan.npy", {"select": 0}), patterns)
    with pytest.raises(PolarstemError, match="there is one scan in it"):
        open_scan(tmp_path / "scan.npy", {"select": 1})


@pytest.mark.parametrize("kind", ["npy", "h5", "memory"])
@pytest.mark.parametrize("flat", [False, True])
def test_axes_exchanged(tmp_path, patterns, kind, flat):
    stored = patterns.transpose(2, 3, 0, 1)
    stored = stored.reshape(6, 8, 12) if flat else stored
    sheet: dict[str, Any] = {"exchange_axes": True} | (SHAPE if flat else {})
    path = tmp_path / f"scan.{kind}"
    if kind == "memory":
        scan: Scan = ArrayScan(stored, load_sheet(sheet))
    elif kind == "npy":
        np.save(path, stored)
        scan = open_scan(path, sheet)
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset("frames", data=stored, chunks=(2, 4, *stored.shape[2:]))
        scan = open_scan(path, sheet)
    assert same(scan, patterns)
    assert scan.settings["exchange_axes"].origin == "sheet"


@pytest.mark.parametrize("shape", [(1, 12), (12, 1)])
@pytest.mark.parametrize("kind", ["npy", "h5", "hspy", "nc", "emd1", "tif", "dm3", "mib"])
def test_line_scans_keep_their_one_row(tmp_path, patterns, kind, shape):
    line, path = patterns.reshape(*shape, 6, 8), tmp_path / f"scan.{kind}"
    if kind == "npy":
        np.save(path, line)
    elif kind == "h5":
        with h5py.File(path, "w") as file:
            file["frames"] = line
    elif kind == "hspy":
        test_readers.hspy(tmp_path, line)
    elif kind == "nc":
        xr.Dataset({"counts": (("y", "x", "ky", "kx"), line)}).to_netcdf(path)
    elif kind == "emd1":
        path = path.with_suffix(".h5")
        emd1(path, line)
    elif kind == "tif":
        tifffile.imwrite(path, line, metadata={"axes": "RQYX"}, photometric="minisblack")
    elif kind == "dm3":
        test_readers.vendor_files.dm3(path, line, (0.1, 0.2, 1.5, 1.5), ("nm",) * 2 + ("mrad",) * 2)
    else:
        test_readers.mib(tmp_path, line)
    assert same(open_scan(path), line)


def flown_back(patterns: np.ndarray, skip: int) -> np.ndarray:
    """Rows with patterns in front that belong to no position."""
    return np.concatenate([np.full_like(patterns[:, :skip], 999), patterns], axis=1)


@pytest.mark.parametrize("memory_mb", [3e-4, 64])
@pytest.mark.parametrize("flat", [False, True])
def test_flyback_frames_are_skipped(tmp_path, patterns, flat, memory_mb):
    stored = flown_back(patterns, 2)
    np.save(tmp_path / "scan.npy", stored.reshape(18, 6, 8) if flat else stored)
    sheet = {"flyback_frames": 2} | (SHAPE if flat else {})
    scan = open_scan(tmp_path / "scan.npy", sheet)
    assert same(scan, patterns)
    assert scan.settings["flyback_frames"].value == 2
    assert scan.settings["scan_shape"].value == (3, 4)
    blocks = list(scan.blocks(memory_mb=memory_mb))
    assert np.array_equal(np.concatenate([b for _, b in blocks]), patterns.reshape(12, 6, 8))
    turned = open_scan(tmp_path / "scan.npy", {**sheet, "scan_transpose": True})
    assert same(turned, patterns.transpose(1, 0, 2, 3))
    with pytest.raises(PolarstemError, match="leaves nothing of the"):
        ArrayScan(patterns, load_sheet({"flyback_frames": 4}))


def test_flyback_frames_are_proposed_where_they_fit(tmp_path):
    np.save(tmp_path / "scan.npy", np.ones((10 * 21, 4, 4), np.uint8))
    with pytest.raises(PolarstemError, match="say `flyback_frames: 1`"):
        open_scan(tmp_path / "scan.npy", {"scan_shape": [10, 20]})


def merlin(folder: Path, patterns: np.ndarray, **header: object) -> Path:
    """A .mib file whose header says something else than its frames."""
    path = folder / "scan.mib"
    write_raw(path, patterns, step_nm=(1, 1), mrad_per_pixel=1, energy_kv=200, semiangle_mrad=20)
    text = path.with_suffix(".hdr").read_text().splitlines()
    for key, value in header.items():
        text = [line for line in text if not line.startswith(key.replace("_", " "))]
        if value is not None:
            text.insert(1, f"{key.replace('_', ' ')}:\t{value}")
    path.with_suffix(".hdr").write_text("\n".join(text) + "\n")
    return path


def test_flyback_frames_by_the_header_of_a_merlin(tmp_path, patterns):
    """The shape that the header states is taken, and what is more in each row is left out."""
    path = merlin(tmp_path, flown_back(patterns, 1), ScanX=4, ScanY=3)
    scan = open_scan(path)
    assert same(scan, patterns)
    assert scan.shape_stated
    assert scan.settings["flyback_frames"].origin == "file"
    assert "1 more than the header's columns" in scan.settings["reader"].note
    # the sheet knows better: these are positions
    assert open_scan(path, {"flyback_frames": 0}).shape[:2] == (3, 5)
    assert same(open_scan(path, {**SHAPE, "flyback_frames": 1}), patterns)


@pytest.mark.parametrize("frames_per_trigger", ["0", "1", None, "many"])
def test_merlin_without_a_shape(tmp_path, patterns, frames_per_trigger):
    nothing = {"ScanX": None, "ScanY": None, "Frames_per_Trigger_(Number)": frames_per_trigger}
    path = merlin(tmp_path, patterns, **nothing)
    with pytest.raises(PolarstemError, match=r"12 patterns in a row .* give `scan_shape"):
        open_scan(path)
    scan = open_scan(path, SHAPE)
    assert same(scan, patterns)
    assert not scan.shape_stated


@pytest.mark.parametrize(("late", "shape"), [((4, 8), (3, 4)), ((3, 5, 9), None), ((4,), None)])
def test_merlin_rows_by_the_pauses_between_them(tmp_path, patterns, late, shape):
    """Even pauses make rows; uneven ones make no scan, even where the first would fit."""
    path = merlin(tmp_path, patterns, **{"ScanX": None, "ScanY": None})
    raw = bytearray(path.read_bytes())
    header = path.with_suffix(".hdr")
    header.write_text(header.read_text().replace("Frames per Trigger (Number):\t4", "-:\t-"))
    size, milliseconds = len(raw) // 12, 0
    for n in range(12):
        milliseconds += 50 if n in late else 1
        start = raw.index(b"2000-01-01T", n * size)
        raw[start : start + 30] = b"2000-01-01T00:00:00.%03d000000Z" % milliseconds
    path.write_bytes(raw)
    if shape is None:
        with pytest.raises(PolarstemError, match="give `scan_shape"):
            open_scan(path)
    else:
        assert open_scan(path).shape[:2] == shape
        assert not open_scan(path).shape_stated
