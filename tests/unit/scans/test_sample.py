# SPDX-License-Identifier: GPL-3.0-or-later
"""Which positions calibrate a scan."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.scans.calibration.sample import Pairs, Parts, choose, neighbours, scattered
from polarstem.scans.scan import ArrayScan


class Bare:
    """A scan of any size, without patterns."""

    def __init__(self, shape: tuple[int, int, int, int], step_nm: float = 0.05) -> None:
        small = ArrayScan(np.zeros((*shape[:2], 1, 1), np.uint16), step_nm=(step_nm, step_nm))
        self.shape, self.dtype, self.step_nm = shape, np.dtype(np.uint16), small.step_nm
        self.included, self.sample = small.included, small.sample


def size_of(scan: Bare, index: np.ndarray) -> float:
    return len(index) * float(np.prod(scan.shape[2:])) * 2


@pytest.mark.parametrize("pixels", [128, 256, 504, 1024, 2048])
def test_a_sample_is_bounded_and_its_tiles_cover_a_cell(pixels):
    scan = Bare((200, 240, pixels, pixels))
    index = choose(scan, cell_nm=0.4)
    assert size_of(scan, index) <= 1.1e9
    assert (np.diff(index) > 0).all()
    row, column = np.divmod(index, 240)
    # positions that stand alone, and squares of neighbours
    there = np.zeros((200, 240), bool)
    there[row, column] = True
    side = 9 if pixels < 2048 else 6
    squares = np.lib.stride_tricks.sliding_window_view(there, (side, side)).all((2, 3))
    assert squares.sum() >= {128: 20, 256: 16, 504: 9, 1024: 4, 2048: 1}[pixels]
    for axis, length in ((row, 200), (column, 240)):
        assert axis.min() < 0.15 * length
        assert axis.max() > 0.85 * length


def test_a_small_scan_is_read_as_a_whole():
    assert len(choose(Bare((72, 72, 72, 72)))) == 72**2
    assert len(choose(Bare((24, 24, 256, 256)))) == 24**2
    assert len(choose(Bare((5, 1, 2048, 2048)))) == 5


@pytest.mark.parametrize("shape", [(1, 5000), (5000, 1), (2, 3000)])
def test_lines_are_sampled_too(shape):
    scan = Bare((*shape, 256, 256))
    index = choose(scan, 0.4)
    assert 64 <= len(index) < 5000
    assert index.min() < 600
    assert len(neighbours(scan)) > 10


def test_no_position_of_the_cell_is_preferred():
    """Every n-th position would meet a crystal of commensurate steps at the same places."""
    scan = Bare((192, 192, 256, 256))
    row, column = np.divmod(scattered(scan, 600), 192)
    for per_cell in (4, 6, 8):
        for axis in (row, column):
            count = np.bincount(axis % per_cell, minlength=per_cell)
            assert count.min() > 0.6 * count.mean()


def test_masked_positions_are_left_out():
    scan = Bare((100, 100, 256, 256))
    scan.included[:, 30:] = False
    for index in (choose(scan), scattered(scan), neighbours(scan).ravel()):
        assert scan.included.ravel()[index].all()
        assert len(index) >= 40


def test_parts_give_what_was_added_and_not_taken_off():
    rng = np.random.default_rng(7)
    shape = (10, 15, 4, 6)
    patterns = rng.integers(0, 100, (150, 4, 6)).astype(np.uint16)
    parts = Parts.over(shape)
    parts.add(np.arange(150), patterns)
    off = np.flatnonzero(np.arange(150) % 15 >= 12)  # all of the last column of parts
    parts.add(off, patterns[off], -1)
    left = np.setdiff1d(np.arange(150), off)
    np.testing.assert_allclose(parts.total, patterns[left].sum(0))
    assert parts.count.sum() == len(left)
    assert len(parts.kept()) == 20
    first = parts.kept()[0]
    np.testing.assert_allclose(parts.places[first] / parts.count[first], (0.5, 1.0))
    for pixels in (256, 1024, 2048):
        assert Parts.over((50, 50, pixels, pixels)).sums.nbytes < 110e6


def test_pairs_are_kept_as_they_come():
    patterns = np.random.default_rng(0).integers(0, 9, (6, 5, 7, 9)).astype(np.uint16)
    scan = ArrayScan(patterns)
    index = np.array([0, 1, 2, 8, 14, 15, 22, 23, 29])
    pairs = Pairs(scan, index, np.s_[1:5, 2:20])
    assert {tuple(pair) for pair in pairs.positions.tolist()} == {(0, 1), (1, 2), (22, 23)}
    flat = patterns.reshape(30, 7, 9)
    for block in (index[5:], index[:5]):
        pairs.add(block, flat[block])
    assert np.array_equal(pairs.patterns, flat[pairs.positions][..., 1:5, 2:])
