# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of each format, made by other hands, give the patterns and axes they were made of."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
import vendor_files
import xarray as xr

from polarstem.config.physics import wavelength
from polarstem.errors import PolarstemError
from polarstem.scans.files.readers import open_scan
from polarstem.scans.files.writers import write_hspy, write_raw

SHAPE = {"scan_shape": [3, 4]}
OPTICS = {"step_nm": (0.1, 0.2), "mrad_per_pixel": 1.5, "energy_kv": 200, "semiangle_mrad": 24}


def signal(patterns: np.ndarray, units: tuple[str, str] = ("nm", "1/nm")) -> dict[str, Any]:
    """A scan as RosettaSciIO's writers take it."""
    axes = [
        {
            "name": name,
            "size": size,
            "index_in_array": i,
            "scale": (0.1, 0.2, 0.5, 0.5)[i],
            "offset": 0.0,
            "units": units[i // 2],
            "navigate": i < 2,
        }
        for i, (name, size) in enumerate(zip(("y", "x", "ky", "kx"), patterns.shape, strict=True))
    ]
    metadata = {
        "General": {"title": "scan"},
        "Signal": {"signal_type": "diffraction"},
        "Acquisition_instrument": {"TEM": {"beam_energy": 200.0}},
    }
    more = {"original_metadata": {}, "learning_results": {}, "models": {}, "tmp_parameters": {}}
    attributes = {"_lazy": False, "ragged": False}
    package = {"package": "test", "package_version": "1"}
    kept = {"attributes": attributes, "package_info": package, "metadata": metadata}
    return {"data": patterns, "axes": axes, **kept, **more}


def hspy(folder: Path, patterns: np.ndarray) -> tuple[Path, dict[str, Any]]:
    write_hspy(folder / "scan.hspy", patterns, **OPTICS)
    return folder / "scan.hspy", {}


def mib(folder: Path, patterns: np.ndarray) -> tuple[Path, dict[str, Any]]:
    write_raw(folder / "scan.mib", patterns, **OPTICS)
    return folder / "scan.mib", {}


def npy(folder: Path, patterns: np.ndarray) -> tuple[Path, dict[str, Any]]:
    np.save(folder / "scan.npy", patterns)
    return folder / "scan.npy", {}


def stack(folder: Path, patterns: np.ndarray) -> tuple[Path, dict[str, Any]]:
    np.save(folder / "scan.npy", patterns.reshape(12, *patterns.shape[2:]))
    return folder / "scan.npy", SHAPE


def hdf5(folder: Path, patterns: np.ndarray) -> tuple[Path, dict[str, Any]]:
    with h5py.File(folder / "scan.h5", "w") as file:
        file.create_dataset(
            "a/frames", data=patterns.reshape(3, 4, 1, 6, 8), chunks=(2, 3, 1, 6, 8)
        )
        file["a/sum"] = patterns.sum(axis=(0, 1))
    return folder / "scan.h5", {}


def emd(folder: Path, patterns: np.ndarray) -> tuple[Path, dict[str, Any]]:
    from rsciio.emd import file_writer

    file_writer(str(folder / "scan.emd"), signal(patterns))
    return folder / "scan.emd", {}


def py4dstem(folder: Path, patterns: np.ndarray) -> tuple[Path, dict[str, Any]]:
    with h5py.File(folder / "scan.emd", "w") as file:
        file.attrs.update({"version_major": 0, "version_minor": 12})
        group = file.create_group("4DSTEM_experiment/data/datacubes/datacube_0")
        group.attrs["emd_group_type"] = 1
        group["data"] = patterns
        for i, size in enumerate(patterns.shape):
            group[f"dim{i}"] = np.arange(size)
    return folder / "scan.emd", {}


def tvips(folder: Path, patterns: np.ndarray) -> tuple[Path, dict[str, Any]]:
    from rsciio.tvips import file_writer

    path = folder / "scan_000.tvips"
    # in two files, as large scans are
    file_writer(str(path), signal(patterns), max_file_size=1500, show_progressbar=False)
    assert (folder / "scan_001.tvips").exists()
    return path, SHAPE


def mrc(folder: Path, patterns: np.ndarray) -> tuple[Path, dict[str, Any]]:
    unsigned_16_bit = 6
    ny, nx, ky, kx = patterns.shape
    header = struct.pack("<4I", kx, ky, ny * nx, unsigned_16_bit).ljust(1024, b"\0")
    (folder / "scan.mrc").write_bytes(header + patterns.tobytes())
    return folder / "scan.mrc", SHAPE


def empad(folder: Path, patterns: np.ndarray) -> tuple[Path, dict[str, Any]]:
    ny, nx = patterns.shape[:2]
    frames = np.zeros((ny, nx, 130, 128), "<f4")
    frames[:, :, 128:] = np.nan  # two lines of other things
    frames[:, :, 40:46, 50:58] = patterns
    frames.tofile(folder / "scan_x4_y3.raw")
    (folder / "scan.xml").write_text(
        "<root><raw_file filename='scan_x4_y3.raw'/><iom_measurements>"
        "<full_scan_field_of_view><x>2.88e-10</x><scale_factor>0.72</scale_factor>"
        "</full_scan_field_of_view></iom_measurements></root>"
    )
    return folder / "scan.xml", {}


def app5(folder: Path, patterns: np.ndarray) -> tuple[Path, dict[str, Any]]:
    vendor_files.app5(folder / "scan.app5", patterns)
    return folder / "scan.app5", {}


def dm3(folder: Path, patterns: np.ndarray) -> tuple[Path, dict[str, Any]]:
    units = ("nm", "nm", "mrad", "mrad")
    vendor_files.dm3(folder / "scan.dm3", patterns, (0.1, 0.2, 1.5, 1.5), units)
    return folder / "scan.dm3", {}


def tiffs(folder: Path, patterns: np.ndarray) -> tuple[Path, dict[str, Any]]:
    (folder / "scan").mkdir()
    for i, frame in enumerate(patterns.reshape(12, *patterns.shape[2:])):
        tifffile.imwrite(folder / "scan" / f"day2_{i + 1:05d}.tif", frame)
    (folder / "scan" / "notes.txt").write_text("12 kV")
    return folder / "scan", SHAPE


def netcdf(folder: Path, patterns: np.ndarray) -> tuple[Path, dict[str, Any]]:
    coordinates = {
        "y": ("y", 1.0 * np.arange(3), {"units": "Å"}),
        "x": ("x", 2.0 * np.arange(4), {"units": "Å"}),
        "ky": ("ky", 1.5 * np.arange(6), {"units": "mrad"}),
        "kx": ("kx", 1.5 * np.arange(8), {"units": "mrad"}),
    }
    dims = ("thickness", "y", "x", "ky", "kx")
    attributes = {"config": '{"simulate": {"energy_kv": 200.0, "semiangle_mrad": 24.0}}'}
    data = xr.Dataset({"intensity": (dims, patterns[None])}, coordinates, attributes)
    data.to_netcdf(folder / "scan.nc")
    return folder / "scan.nc", {}


Maker = Callable[[Path, np.ndarray], tuple[Path, dict[str, Any]]]
MAKERS: list[Maker] = [
    *(hspy, mib, npy, stack, hdf5, emd, py4dstem, tvips, mrc, empad, app5, dm3, tiffs, netcdf),
]


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_patterns_come_back_in_place(tmp_path, patterns, make):
    path, sheet = make(tmp_path, patterns)
    scan = open_scan(path, sheet)
    assert scan.shape[:2] == (3, 4)
    found = np.concatenate([block for _, block in scan.blocks(memory_mb=3e-4)])
    index = np.concatenate([index for index, _ in scan.blocks(memory_mb=3e-4)])
    assert sorted(index) == list(range(12))
    if make is empad:
        assert scan.shape[2:] == (128, 128)
        found = found[:, 40:46, 50:58]
    expected = patterns.reshape(12, 6, 8)
    assert np.array_equal(found, expected[index])
    single = scan.read([7])[0]
    assert np.array_equal(single[40:46, 50:58] if make is empad else single, expected[7])


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_file_cut_short(tmp_path, patterns, make):
    """Half of a file, or a folder without its last image, is told before anything is read."""
    path, sheet = make(tmp_path, patterns)
    if path.is_dir():
        (path / "day2_00012.tif").unlink()
    else:
        longest = max((f for f in tmp_path.iterdir()), key=lambda f: f.stat().st_size)
        longest.write_bytes(longest.read_bytes()[: longest.stat().st_size * 6 // 10])
    with pytest.raises(PolarstemError, match=r"truncated|cut short|is missing") as caught:
        open_scan(path, sheet)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make", [npy, stack, mib, hdf5, tvips, mrc, tiffs])
def test_scan_shape_that_does_not_fit(tmp_path, patterns, make):
    path, _ = make(tmp_path, patterns)
    with pytest.raises(PolarstemError, match=r"12 .* 3 x 5 = 15"):
        open_scan(path, {"scan_shape": [3, 5]})


@pytest.mark.parametrize("make", [npy, mib, hdf5])
def test_scan_shape_of_the_sheet_wins(tmp_path, patterns, make):
    path, _ = make(tmp_path, patterns)
    scan = open_scan(path, {"scan_shape": [2, 6]})
    assert scan.shape[:2] == (2, 6)
    assert scan.settings["scan_shape"].origin == "sheet"
    assert np.array_equal(scan.read([6])[0], patterns[1, 2])


@pytest.mark.parametrize("make", [stack, tvips, mrc, tiffs])
def test_missing_scan_shape(tmp_path, patterns, make):
    path, _ = make(tmp_path, patterns)
    with pytest.raises(PolarstemError, match=r"give `scan_shape: \[rows, columns\]`"):
        open_scan(path)


def test_axes_become_nm_and_mrad(tmp_path, patterns):
    for make in (hspy, netcdf, dm3, app5):
        scan = open_scan(*make(tmp_path, patterns))
        assert scan.step_nm.value == pytest.approx((0.1, 0.2))
        assert scan.mrad_per_pixel.value == pytest.approx(1.5)
        if make in (hspy, netcdf):
            assert (scan.energy_kv.value, scan.semiangle_mrad.value) == (200, 24)
            assert scan.energy_kv.origin == "file"
    field = open_scan(*empad(tmp_path, patterns))
    assert field.step_nm.value == pytest.approx((0.1, 0.1))


@pytest.mark.parametrize(("unit", "per_angstrom"), [("1/nm", 0.1), ("1 / Å", 1.0), ("A^-1", 1.0)])
def test_spatial_frequencies_become_angles(tmp_path, patterns, unit, per_angstrom):
    from rsciio.hspy import file_writer

    path = tmp_path / "scan.hspy"
    file_writer(str(path), signal(patterns, ("Å", unit)), show_progressbar=False)
    scan = open_scan(path)
    assert scan.step_nm.value == pytest.approx((0.01, 0.02))
    expected = 0.5 * per_angstrom * wavelength(200) * 1e3
    assert scan.mrad_per_pixel.value == pytest.approx(expected)
    # 200 kV: 2.508 pm, Kirkland, Advanced Computing in Electron Microscopy
    assert expected == pytest.approx(0.5 * per_angstrom * 25.08, rel=1e-3)
    slower = open_scan(path, {"energy_kv": 80})
    assert slower.mrad_per_pixel.value > 1.6 * expected


def test_scan_within_the_pattern_is_told_by_its_units(tmp_path, patterns):
    """Digital Micrograph can keep the scan's axes last."""
    stored = patterns.transpose(2, 3, 0, 1)
    units = ("1/nm", "1/nm", "nm", "nm")
    vendor_files.dm3(tmp_path / "scan.dm3", stored, (0.5, 0.5, 0.1, 0.2), units)
    scan = open_scan(tmp_path / "scan.dm3")
    assert np.array_equal(scan.read(np.arange(12)), patterns.reshape(12, 6, 8))
    assert scan.step_nm.value == pytest.approx((0.1, 0.2))
    assert scan.energy_kv.value == 300
    assert scan.mrad_per_pixel.value == pytest.approx(0.05 * wavelength(300) * 1e3)


def test_counter_depth_is_the_largest_count(tmp_path, patterns):
    path, _ = mib(tmp_path, patterns)
    assert open_scan(path).maximum == 65535
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"1000000ns,16,", b"1000000ns,12,"))
    assert open_scan(path).maximum == 4095


def test_dectris_master_file(tmp_path, patterns, unavailable):
    try:
        import hdf5plugin
    except ModuleNotFoundError:
        unavailable("rosettasciio[arina] is not installed")
    frames = patterns.reshape(12, 6, 8)
    with h5py.File(tmp_path / "scan_master.h5", "w") as master:
        for i, part in enumerate((frames[:7], frames[7:]), start=1):
            name = f"data_{i:06d}"
            with h5py.File(tmp_path / f"scan_{name}.h5", "w") as file:
                file.create_dataset("entry/data/data", data=part, **hdf5plugin.Bitshuffle())
            link = h5py.ExternalLink(f"scan_{name}.h5", "entry/data/data")
            master[f"entry/data/{name}"] = link
    scan = open_scan(tmp_path / "scan_master.h5", SHAPE)
    assert scan.reader == "arina"
    assert np.array_equal(scan.read(np.arange(12)), frames)
    (tmp_path / "scan_data_000002.h5").unlink()
    with pytest.raises(PolarstemError, match="scan_master"):
        open_scan(tmp_path / "scan_master.h5", SHAPE)


def test_one_dataset_of_several(tmp_path, patterns):
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["first/frames"], file["second/frames"] = patterns, patterns[:, ::-1]
    with pytest.raises(PolarstemError, match=r"2 arrays .*first_frames, second_frames"):
        open_scan(tmp_path / "scan.h5")
    scan = open_scan(tmp_path / "scan.h5", {"dataset": "second/frames"})
    assert np.array_equal(scan.read([0])[0], patterns[0, 3])
    with pytest.raises(PolarstemError, match="under 'third'"):
        open_scan(tmp_path / "scan.h5", {"dataset": "third"})


def test_few_positions_of_a_large_dataset_are_read_alone(tmp_path, monkeypatch):
    values = np.random.default_rng(0).integers(1, 100, (40, 40, 4, 4), dtype=np.uint8)
    for name, kept in (("grid", values), ("list", values.reshape(1600, 4, 4))):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file.create_dataset("frames", data=kept, chunks=(4, *kept.shape[1:]))
        scan = open_scan(tmp_path / f"{name}.h5", {"scan_shape": [40, 40]})
        index = scan.sample(50)
        assert np.array_equal(scan.read(index), values.reshape(1600, 4, 4)[index])


@pytest.mark.parametrize(
    ("name", "sheet", "told"),
    [
        ("absent.mib", {}, "There is no scan"),
        ("scan.abc", {}, r"no extension of a known format \(.*\.mib.*name the format by `reader`"),
        ("scan.xyz", {}, "holds places of atoms by its name, and no scan"),
        ("scan.mib", {}, "cannot be read as 'mib'"),
        ("scan.dm4", {}, "cannot be read as 'dm'"),
        ("scan.hspy", {}, "cannot be read as 'hspy'"),
        ("scan.h5", {}, "cannot be read as 'hdf5'"),
        ("scan.h5", {"reader": "emd"}, "cannot be read as 'emd'"),
        ("scan.xml", {}, "cannot be read as 'empad'"),
        ("scan.app5", {}, "cannot be read as 'app5'"),
        ("scan.nc", {}, "truncated or not netCDF"),
        ("scan.npy", {}, "cannot be read as 'npy'"),
        ("scan.npy", {"reader": "images"}, "is a file, which the reader 'images' cannot read"),
        ("folder", {"reader": "mib"}, "is a folder, which the reader 'mib' cannot read"),
        ("folder", {}, "holds no TIFF or PNG images"),
    ],
)
def test_what_is_no_scan(tmp_path, name, sheet, told):
    (tmp_path / "folder").mkdir()
    if "." in name and "absent" not in name:
        (tmp_path / name).write_bytes(b"no scan at all" * 40)
    with pytest.raises(PolarstemError, match=told) as caught:
        open_scan(tmp_path / name, sheet)
    assert "\n" not in str(caught.value)


def test_damage_within_the_file_is_told_where_it_is_met(tmp_path, patterns):
    path, sheet = tiffs(tmp_path, patterns)
    (path / "day2_00006.tif").write_bytes(b"II*\0 no more")
    scan = open_scan(path, sheet)
    with pytest.raises(PolarstemError, match=r"day2_00006.tif cannot be read"):
        list(scan.blocks())
    tifffile.imwrite(path / "day2_00006.tif", patterns[0, 0, :2])
    with pytest.raises(PolarstemError, match="all must be alike"):
        list(scan.blocks())


def test_images_without_number(tmp_path, patterns):
    path, sheet = tiffs(tmp_path, patterns)
    (path / "day2_00003.tif").rename(path / "mean.tif")
    with pytest.raises(PolarstemError, match="mean"):
        open_scan(path, sheet)


def test_netcdf_knows_its_scan_shape(tmp_path, patterns):
    path, _ = netcdf(tmp_path, patterns)
    assert open_scan(path, SHAPE).shape[:2] == (3, 4)
    with pytest.raises(PolarstemError, match="scan of 3 x 4 positions"):
        open_scan(path, {"scan_shape": [4, 3]})


def test_netcdf_of_several_thicknesses(tmp_path, patterns):
    dims = ("thickness", "y", "x", "ky", "kx")
    several = xr.Dataset({"intensity": (dims, np.stack([patterns, patterns]))})
    several.to_netcdf(tmp_path / "scan.nc")
    with pytest.raises(PolarstemError, match="2 values of 'thickness'"):
        open_scan(tmp_path / "scan.nc")
