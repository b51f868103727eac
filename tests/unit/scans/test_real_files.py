# SPDX-License-Identifier: GPL-3.0-or-later
"""Axis order and handedness, pinned on files of real detectors."""

from __future__ import annotations

import numpy as np
import pytest

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
