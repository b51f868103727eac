# SPDX-License-Identifier: GPL-3.0-or-later
"""Axis order and handedness, pinned on files of real detectors."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.errors import PolarstemError
from polarstem.scans.files.readers import open_scan

# corners of a frame in which the chip writes its own row and column numbers
TOP_LEFT = """
####.....###....#####
#...#...#...#...#....
#...#.......#...#....
####.......#....####.
#...#.....#.........#
#...#....#..........#
#...#...#####...####.
"""
BOTTOM_LEFT = """
####.....###....
#...#...#...#...
#...#...#...#...
####....#...#...
#...#...#...#...
#...#...#...#...
#...#....###....
"""


def lit(text: str) -> np.ndarray:
    return np.array([[c == "#" for c in line] for line in text.split()])


def test_merlin_frame_reads_upright(detector_files):
    folder = detector_files / "merlin_orientation_frames"
    scan = open_scan(folder / "Single_1_Frame_CounterDepth_12_Rows_256.mib")
    assert scan.shape == (1, 1, 256, 256)
    assert scan.maximum == 4095
    frame = scan.read([0])[0] > 0
    # "R25[5,C0]" at the top, "R0" at the bottom: neither mirrored nor turned
    assert np.array_equal(frame[11:18, 11:32], lit(TOP_LEFT))
    assert np.array_equal(frame[238:245, 11:27], lit(BOTTOM_LEFT))


def test_four_chips_stand_in_place(detector_files):
    folder = detector_files / "merlin_orientation_frames"
    scan = open_scan(folder / "Quad_1_Frame_CounterDepth_12_Rows_256.mib")
    frame = scan.read([0])[0] > 0
    # the large digit of chip 1 at the lower left: foot below, flag at the upper left of the stem
    one = frame[356:420, 70:110]
    widths = one.sum(axis=1)
    assert widths[56:60].min() > 30
    stem = np.flatnonzero(one[40:50].all(axis=0))
    assert one[2:14, : stem[0]].sum() > 40
    assert one[2:14, stem[-1] + 1 :].sum() == 0
    # chip 4 at the upper right: its bar low, its stem right
    four = frame[99:162, 370:416]
    assert four[40:47].sum(axis=1).max() > 40
    assert four[50:60, :22].sum() == 0


@pytest.mark.parametrize(("rows", "row"), [(128, 88), (64, 24)])
def test_hot_pixel_of_a_merlin_region(detector_files, rows, row):
    """The chip's pixel 52, 39 counted from below."""
    folder = detector_files / "merlin_mib_4x2"
    number = {128: "002", 64: "003"}[rows]
    name = f"{number}_merlin_test_roi_sig256x{rows}_nav4x2_hot_pixel_52x_39y.mib"
    scan = open_scan(folder / name)
    assert scan.shape == (2, 4, rows, 256)
    total = scan.read(np.arange(8)).sum(axis=0)
    assert np.unravel_index(total.argmax(), total.shape) == (row, 52)


def test_scan_order_of_a_merlin_file(detector_files):
    """Frames follow each other along the rows; the bytes of a frame start below."""
    path = detector_files / "merlin_mib_4x2" / "001_4x2_6bit.mib"
    scan = open_scan(path)
    assert scan.maximum == 63
    raw = np.fromfile(path, np.uint8).reshape(8, 384 + 256 * 256)[:, 384:].reshape(8, 256, 256)
    assert np.array_equal(scan.read(np.arange(8)), raw[:, ::-1])
    # the same file with its scan shape given
    given = open_scan(path, {"scan_shape": [4, 2]})
    assert given.shape[:2] == (4, 2)
    assert np.array_equal(given.read([7, 2]), raw[[7, 2], ::-1])


def test_fpd_file(detector_files):
    path = detector_files / "merlin_au_xgrating_2x2_pixstem" / "fpd_file_test.hdf5"
    scan = open_scan(path)
    assert scan.shape == (2, 2, 256, 256)
    assert scan.dtype == np.uint16
    import h5py

    with h5py.File(path) as file:
        stored = file["fpd_expt/fpd_data/data"][:]
    assert np.array_equal(scan.read(np.arange(4)), stored.reshape(4, 256, 256))
    named = open_scan(path, {"dataset": "fpd_expt/fpd_data/data"})
    assert np.array_equal(named.read([2])[0], stored[1, 0, 0])


def test_astar_blockfile(detector_files, unavailable):
    try:
        import skimage  # noqa: F401
    except ModuleNotFoundError:
        unavailable("rosettasciio[blockfile] is not installed")
    path = detector_files / "astar_sped_3x2_blo" / "test1.blo"
    scan = open_scan(path)
    assert scan.shape == (3, 2, 144, 144)
    assert scan.step_nm.value == pytest.approx((12.8, 12.8), rel=1e-3)
    assert scan.energy_kv.value == pytest.approx(200)
    # six frames at the end of the file, each behind six bytes
    raw = np.fromfile(path, np.uint8)[-6 * (6 + 144**2) :].reshape(6, -1)
    assert (raw[:, :2] == raw[0, :2]).all()
    assert np.array_equal(scan.read(np.arange(6)), raw[:, 6:].reshape(6, 144, 144))


@pytest.fixture
def vendors(detector_files):
    folder = detector_files / "vendors"
    if not folder.is_dir():
        pytest.skip(f"no files of other vendors in {folder}")
    return folder


def test_arina_with_the_file_beside_its_master(vendors, tmp_path):
    pytest.importorskip("hdf5plugin")
    scan = open_scan(vendors / "arina_test00" / "test_00_master.h5")
    assert scan.shape == (4, 4, 192, 192)
    assert scan.shape_stated
    assert scan.maximum == 8352
    assert scan.step_nm.value == pytest.approx((0.13915206, 0.13915206))
    assert "not calibrated" in scan.step_nm.note
    assert scan.energy_kv.value == 300
    # pixels of 0.1 mm at 115 mm
    assert scan.mrad_per_pixel.value == pytest.approx(100 / 115, rel=1e-6)
    master = tmp_path / "test_00_master.h5"
    master.write_bytes((vendors / "arina_test00" / "test_00_master.h5").read_bytes())
    with pytest.raises(PolarstemError, match=r"test_00_data_000001\.h5, which is missing"):
        open_scan(master)
    with pytest.raises(PolarstemError, match=r"open .*test_00_master\.h5 instead"):
        open_scan(vendors / "arina_test00" / "test_00.h5")


def test_depths_of_a_prismatic_simulation(vendors):
    path = vendors / "prismatic_Si100_4D" / "Si100_4D.emd"
    with pytest.raises(PolarstemError, match=r"2 scans along .*depth.* `select` .* 0 to 1"):
        open_scan(path)
    scan = open_scan(path, {"select": 1, "energy_kv": 100})
    assert scan.shape == (11, 11, 8, 8)
    assert scan.step_nm.value == pytest.approx((0.5, 0.5))
    # 0.18416 1/nm at 3.7014 pm
    assert scan.mrad_per_pixel.value == pytest.approx(0.6817, rel=1e-3)
    import h5py

    with h5py.File(path) as file:
        cubes = file["4DSTEM_simulation/data/datacubes"]
        stored = cubes["CBED_array_depth0001/datacube"][3, 4]
    assert np.array_equal(scan.read([3 * 11 + 4])[0], stored)


def test_cube_of_py4dstem(vendors):
    scan = open_scan(
        vendors / "py4dstem_emd1" / "py4DSTEM_size2x3x4x5.h5",
        {"energy_kv": 200, "invalid": "zero"},
    )
    assert scan.shape == (2, 3, 4, 5)
    assert scan.reader == "py4dstem"
    assert scan.step_nm.value == pytest.approx((0.126796875, 0.126796875))
    # 0.04425157 1/Å at 2.5079 pm
    assert scan.mrad_per_pixel.value == pytest.approx(1.1098, rel=1e-3)
    with pytest.raises(PolarstemError, match="where counts were expected"):
        open_scan(scan.path).read(np.arange(6))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("map4x4", (4, 4)),
        ("map128x128_version1.2.0", (128, 128)),
        ("EMPAD_v1.2.2_x32_y64_size0.8", (64, 32)),
    ],
)
def test_empad_descriptions(vendors, tmp_path, name, shape):
    """Their numbers are made here: frames of 130 lines, the last two of other things."""
    description = (vendors / "empad" / f"{name}.xml").read_bytes()
    (tmp_path / "scan.xml").write_bytes(description)
    with pytest.raises(PolarstemError, match=r"\.raw, which is missing"):
        open_scan(tmp_path / "scan.xml")
    raw = tmp_path / f"scan_x{shape[1]}_y{shape[0]}.raw"
    if shape == (128, 128):
        raw.touch()
        with raw.open("r+b") as file:  # a hole: nothing is written
            file.truncate(128 * 128 * 130 * 128 * 4)
        scan = open_scan(raw)
        assert scan.shape == (128, 128, 128, 128)
        return
    frames = np.zeros((*shape, 130, 128), "<f4")
    frames[..., 128:, :] = np.nan
    frames[..., 5, 7] = np.arange(1, 1 + np.prod(shape)).reshape(shape)
    frames.tofile(raw)
    scan = open_scan(raw)
    assert scan.shape == (*shape, 128, 128)
    assert scan.read([shape[1] + 1])[0, 5, 7] == shape[1] + 2
    assert scan.step_nm is not None
    assert scan.energy_kv.value == 300


def test_blockfile_that_is_not_square(vendors, unavailable):
    try:
        import skimage  # noqa: F401
    except ModuleNotFoundError:
        unavailable("rosettasciio[blockfile] is not installed")
    assert open_scan(vendors / "blo_test2" / "test2.blo").shape == (2, 3, 5, 5)


def test_direct_electron_movie_takes_its_shape_from_beside(vendors):
    assert open_scan(vendors / "de_mrc" / "20241021_00405_movie.mrc").shape == (4, 8, 4, 8)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("tvips/test_tvips_2345_000.tvips", "6 patterns in a row .* give `scan_shape"),
        ("de_mrc_custom/Custom_movie.mrc", "30 patterns in a row .* give `scan_shape"),
        ("hspy_ext/hspy_ext_missing.hspy", "holds no patterns"),
        ("velox_stack/fei_example_tem_stack.emd", "2 patterns in a row .* give `scan_shape"),
        ("arina_test00/test_00_data_000001.h5", "16 patterns in a row .* give `scan_shape"),
    ],
)
def test_what_vendors_files_do_not_say(vendors, name, told):
    with pytest.raises(PolarstemError, match=told):
        open_scan(vendors / name)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("prz/panta_rhei_sample.prz", (16, 16)),
        ("hspy_old/example2_v2.2.hspy", (10, 10)),
        ("dm3_tags_removed/test_diffraction_pattern_tags_removed.dm3", (87, 87)),
    ],
)
def test_single_patterns(vendors, name, shape):
    scan = open_scan(vendors / name)
    assert scan.shape == (1, 1, *shape)
    assert np.isfinite(scan.read([0])).all()


def test_rows_of_a_merlin_by_its_times(detector_files, tmp_path):
    """Its header tells of one frame per trigger; pauses between rows make 2 x 4."""
    path = detector_files / "merlin_mib_4x2" / "001_4x2_6bit.mib"
    scan = open_scan(path)
    assert scan.shape[:2] == (2, 4)
    assert not scan.shape_stated
    header = path.with_suffix(".hdr").read_text()
    zero = header.replace("Trigger (Number):\t1", "Trigger (Number):\t0")
    (tmp_path / "scan.hdr").write_text(zero)
    (tmp_path / "scan.mib").write_bytes(path.read_bytes())
    assert open_scan(tmp_path / "scan.mib").shape[:2] == (2, 4)
