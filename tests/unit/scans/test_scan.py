# SPDX-License-Identifier: GPL-3.0-or-later
"""A scan upright, whole and in bounds, however it is stored."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image

from polarstem.errors import PolarstemError
from polarstem.scans.files.stored import ArrayFrames, tiles
from polarstem.scans.files.writers import as_stored
from polarstem.scans.scan import ArrayScan
from polarstem.scans.sheet import load_sheet


def whole(scan: ArrayScan, **options: object) -> np.ndarray:
    found = np.zeros((scan.shape[0] * scan.shape[1], *scan.shape[2:]), scan.dtype)
    for index, block in scan.blocks(**options):
        assert block.flags.c_contiguous
        assert not found[index].any(), "a position came twice"
        found[index] = block
    return found.reshape(scan.shape)


@pytest.mark.parametrize("turns", itertools.product([False, True], repeat=3))
def test_upright_by_the_formula_of_each_turn(patterns, turns):
    """Position by position: first the transpose, then the flips."""
    transpose, flip_x, flip_y = turns
    keys = dict(zip(("transpose", "flip_x", "flip_y"), turns, strict=True))
    seen = whole(ArrayScan(patterns, load_sheet({f"scan_{k}": v for k, v in keys.items()})))
    turned = whole(ArrayScan(patterns, load_sheet({f"detector_{k}": v for k, v in keys.items()})))
    for axes, found in ((0, seen), (2, turned)):
        stored = np.moveaxis(patterns, (axes, axes + 1), (0, 1))
        found = np.moveaxis(found, (axes, axes + 1), (0, 1))
        for r, c in np.ndindex(stored.shape[:2]):
            y, x = (c, r) if transpose else (r, c)
            y = found.shape[0] - 1 - y if flip_y else y
            x = found.shape[1] - 1 - x if flip_x else x
            assert np.array_equal(found[y, x], stored[r, c])


@pytest.mark.parametrize("turns", itertools.product([False, True], repeat=6))
def test_storing_and_setting_upright_are_inverse(patterns, turns):
    names = [f"{a}_{t}" for a in ("scan", "detector") for t in ("transpose", "flip_x", "flip_y")]
    sheet = load_sheet(dict(zip(names, turns, strict=True)))
    scan = ArrayScan(np.ascontiguousarray(as_stored(patterns, sheet)), sheet)
    assert scan.shape == patterns.shape
    assert np.array_equal(whole(scan), patterns)
    assert np.array_equal(scan.read([5, 11, 5]), patterns.reshape(12, 6, 8)[[5, 11, 5]])


def test_flipping_one_axis_reverses_the_sense_of_turning():
    """Right, down: clockwise as stored. A mirrored detector makes it counter-clockwise."""
    stored = np.zeros((1, 1, 3, 3), np.uint8)
    stored[0, 0, 1, 2], stored[0, 0, 2, 1] = 1, 2
    mirrored = ArrayScan(stored, load_sheet({"detector_flip_y": True})).read([0])[0]
    assert (mirrored[1, 2], mirrored[0, 1]) == (1, 2)


def test_big_endian_patterns_become_native(patterns):
    scan = ArrayScan(patterns.astype(">u2"))
    (_, block), *_ = scan.blocks()
    assert block.dtype.isnative
    assert np.array_equal(whole(scan), patterns)


@pytest.mark.parametrize("chunk", [(1, 1), (2, 2), (1, 3), (5, 1)])
@pytest.mark.parametrize("count", [1, 2, 5, 9, 100])
def test_tiles_cover_the_scan_once_within_memory(chunk, count):
    frames = ArrayFrames(np.zeros((7, 5, 2, 2), np.uint8), chunk=chunk)
    seen = np.zeros((7, 5), int)
    for rows, columns in tiles(frames, np.ones((7, 5), bool), 4 * count):
        seen[rows, columns] += 1
        assert (rows.start % chunk[0], columns.start % chunk[1]) == (0, 0)
        size = (rows.stop - rows.start) * (columns.stop - columns.start)
        assert size <= max(count, chunk[0] * chunk[1], chunk[0] * chunk[1] * (count // 5))
    assert (seen == 1).all()


def test_blocks_follow_the_file(patterns):
    stored = [p for _, b in ArrayScan(patterns).blocks(memory_mb=2e-4) for p in b]
    assert np.array_equal(stored, patterns.reshape(12, 6, 8))
    sheet = load_sheet({"scan_transpose": True, "scan_flip_x": True})
    blocks = list(ArrayScan(patterns, sheet).blocks(memory_mb=2e-4))
    assert len(blocks) == 6
    # upright rows are stored columns, from right to left
    assert [i for index, _ in blocks for i in index] == [2, 5, 8, 11, 1, 4, 7, 10, 0, 3, 6, 9]


def test_region_mask_and_choice(patterns, tmp_path):
    mask = np.zeros((3, 4), np.uint8)
    mask[1, 2] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    sheet = load_sheet({"region": [1, 3, 1, 4], "mask": str(tmp_path / "mask.png")})
    scan = ArrayScan(patterns, sheet)
    assert scan.shape == (2, 3, 6, 8)
    assert scan.included.tolist() == [[True, False, True], [True, True, True]]
    found = whole(scan)
    assert np.array_equal(found[scan.included], patterns[1:, 1:][scan.included])
    assert not found[0, 1].any()
    assert set(scan.sample(100)) == {0, 2, 3, 4, 5}
    keep = np.zeros((2, 3), bool)
    keep[1, 0] = True
    ((index, block),) = scan.blocks(keep=keep)
    assert index == [3]
    assert np.array_equal(block[0], patterns[2, 1])


def test_sample_is_even_and_meets_a_crystal_at_every_place():
    scan = ArrayScan(np.ones((64, 48, 1, 1), np.uint8))
    index = scan.sample(192)
    assert 180 <= len(index) <= 192
    y, x = np.divmod(index, 48)
    quadrants = np.bincount(2 * (y // 32) + x // 24)
    assert quadrants.min() > 40
    # a cell of 4 x 4 positions: each place within it about 12 times
    places = np.bincount(4 * (y % 4) + x % 4, minlength=16)
    assert places.min() >= 4
    assert np.array_equal(index, ArrayScan(np.ones((64, 48, 1, 1), np.uint8)).sample(192))


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_what_is_no_count_is_refused_with_its_place(patterns, value):
    broken = patterns.astype(np.float32)
    broken[2, 1, 4, 5] = value
    told = f"scan row 2, column 1 .*{value:g}.* detector row 4, column 5"
    with pytest.raises(PolarstemError, match=told):
        whole(ArrayScan(broken))
    zeroed = whole(ArrayScan(broken, load_sheet({"invalid": "zero"})))
    named = whole(ArrayScan(broken, load_sheet({"bad_pixels": [[4, 5]]})))
    expected = patterns.astype(np.float32)
    expected[2, 1, 4, 5] = 0
    assert np.array_equal(zeroed, expected)
    assert np.array_equal(named, expected)


def test_negative_integers_are_refused(patterns):
    broken = patterns.astype(np.int16)
    broken[0, 0, 0, 0] = -3
    with pytest.raises(PolarstemError, match="holds -3"):
        whole(ArrayScan(broken))


def test_a_detector_that_was_off(patterns):
    with pytest.raises(PolarstemError, match="All 12 patterns read of memory are zero"):
        list(ArrayScan(np.zeros_like(patterns)).blocks())
    # one empty position is no dead detector
    single = patterns.copy()
    single[0, 0] = 0
    assert not ArrayScan(single).read([0]).any()


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"region": [0, 4, 0, 4]}, "has 3 rows and 4 columns"),
        ({"bad_pixels": [[6, 0]]}, "have 6 rows and 8 columns"),
        ({"bad_pixels": "{folder}/small.png"}, "needs one per detector pixel: 6 x 8"),
        ({"mask": "{folder}/small.png"}, "needs one per position: 3 x 4"),
        ({"mask": "{folder}/none.png"}, "none.png cannot be read"),
        ({"mask": "{folder}/all.png"}, "leaves no position"),
    ],
)
def test_sheets_that_do_not_fit_the_file(patterns, tmp_path, keys, told):
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / "small.png")
    Image.fromarray(np.ones((3, 4), np.uint8)).save(tmp_path / "all.png")
    keys = {k: v.format(folder=tmp_path) if isinstance(v, str) else v for k, v in keys.items()}
    with pytest.raises(PolarstemError, match=told):
        ArrayScan(patterns, load_sheet(keys))


def test_complex_values_are_no_patterns():
    with pytest.raises(PolarstemError, match="complex64"):
        ArrayScan(np.zeros((1, 1, 2, 2), np.complex64))


def test_largest_count(patterns):
    assert ArrayScan(patterns).maximum == 65535
    assert ArrayScan(patterns, maximum=4095).maximum == 4095
    assert ArrayScan(patterns.astype(np.float32)).maximum is None


def test_region_keeps_its_place_in_the_whole_scan(patterns):
    sheet = {"region": [1, 3, 2, 4]}
    assert ArrayScan(patterns, load_sheet(sheet)).origin == (1, 2)
    assert ArrayScan(patterns).origin == (0, 0)
    # rows and columns of the upright scan, not of the file
    turned = ArrayScan(patterns, load_sheet({"region": [2, 4, 1, 3], "scan_transpose": True}))
    assert turned.origin == (2, 1)
    assert np.array_equal(turned.read([0])[0], patterns[1, 2])


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "1"])
def test_masks_of_any_colours_and_no_opacity(patterns, tmp_path, mode):
    """Opacity is full everywhere in most images, and masks nothing."""
    mask = np.zeros((3, 4), np.uint8)
    mask[1, 2] = 255
    image = Image.fromarray(mask)
    image.convert(mode).save(tmp_path / "mask.png")
    scan = ArrayScan(patterns, load_sheet({"mask": str(tmp_path / "mask.png")}))
    assert np.argwhere(~scan.included).tolist() == [[1, 2]]
    pixels = np.zeros((6, 8), np.uint8)
    pixels[4, 5] = 255
    Image.fromarray(pixels).convert(mode).save(tmp_path / "pixels.png")
    bad = ArrayScan(patterns, load_sheet({"bad_pixels": str(tmp_path / "pixels.png")})).bad_pixels
    assert np.argwhere(bad).tolist() == [[4, 5]]


def test_who_stated_the_shape(patterns):
    assert ArrayScan(patterns).shape_stated
    listed = ArrayScan(patterns.reshape(12, 6, 8), load_sheet({"scan_shape": [3, 4]}))
    assert np.array_equal(whole(listed), patterns)
    assert not listed.shape_stated
    assert not ArrayScan(patterns, load_sheet({"scan_shape": [2, 6]})).shape_stated
    with pytest.raises(PolarstemError, match="give `scan_shape"):
        ArrayScan(patterns.reshape(12, 6, 8))
