# SPDX-License-Identifier: GPL-3.0-or-later
"""What a detector stored becomes intensities, by one object for all corrections."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from polarstem.errors import PolarstemError
from polarstem.scans.files.readers import open_scan
from polarstem.scans.files.writers import as_stored, write_raw
from polarstem.scans.scan import ArrayScan, Scan
from polarstem.scans.sheet import load_sheet

PIXELS = (6, 8)


def whole(scan: Scan) -> np.ndarray:
    return scan.read(np.arange(scan.shape[0] * scan.shape[1])).reshape(scan.shape)


@pytest.fixture
def counts() -> np.ndarray:
    return np.random.default_rng(1).integers(20, 200, (3, 4, *PIXELS)).astype(np.float64)


@pytest.fixture
def gain() -> np.ndarray:
    gain = np.random.default_rng(2).uniform(0.7, 1.3, PIXELS)
    return gain / gain.mean()


@pytest.fixture
def dark() -> np.ndarray:
    return np.random.default_rng(3).uniform(0, 9, PIXELS)


def test_nothing_to_correct_costs_nothing(patterns):
    for sheet in ({}, {"gamma": 1}, {"bad_pixels": [[0, 0]]}):
        scan = ArrayScan(patterns, load_sheet(sheet))
        assert scan.dtype == np.uint16
        assert not scan.corrections.change
        (_, block), *_ = scan.blocks()
        assert np.shares_memory(block, patterns)
        assert scan.maximum == 65535
        assert scan.corrections.describe() == {}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dark_and_gain(tmp_path, counts, gain, dark, dtype):
    """Counts times gain plus dark is what was stored; the gain's own factor means nothing."""
    np.save(tmp_path / "gain.npy", 7.3 * gain)
    np.save(tmp_path / "dark.npy", dark)
    stored = (counts * gain + dark).astype(dtype)
    sheet = {"dark": str(tmp_path / "dark.npy"), "gain": str(tmp_path / "gain.npy")}
    scan = ArrayScan(stored, load_sheet(sheet))
    assert scan.dtype == np.float32
    assert np.allclose(whole(scan), counts, rtol=1e-5)
    assert scan.settings["dark_mean"].value == pytest.approx(dark.mean(), rel=1e-6)
    assert scan.settings["gain_spread"].value == pytest.approx(gain.std(), rel=1e-5)
    assert scan.settings["gain"].value == str(tmp_path / "gain.npy")
    only_dark = ArrayScan(stored, load_sheet({"dark": sheet["dark"]}))
    assert np.allclose(whole(only_dark), counts * gain, rtol=1e-4)


def test_what_falls_below_the_dark_is_nothing(tmp_path, patterns):
    np.save(tmp_path / "dark.npy", np.full(PIXELS, 10.0))
    scan = ArrayScan(patterns, load_sheet({"dark": str(tmp_path / "dark.npy")}))
    assert np.array_equal(whole(scan), np.maximum(patterns.astype(np.float32) - 10, 0))
    assert scan.maximum == 65525


@pytest.mark.parametrize("turns", [(), ("transpose",), ("flip_x",), ("transpose", "flip_y")])
def test_references_are_turned_as_patterns_are(tmp_path, counts, gain, turns):
    keys = {f"detector_{turn}": True for turn in turns}
    sheet = load_sheet({**keys, "gain": str(tmp_path / "gain.npy")})
    np.save(tmp_path / "gain.npy", as_stored(gain[None, None], sheet)[0, 0])
    scan = ArrayScan(np.ascontiguousarray(as_stored(counts * gain, sheet)), sheet)
    assert np.allclose(whole(scan), counts, rtol=1e-5)


@pytest.mark.parametrize("kind", ["npy", "frames.npy", "tif", "frames.tif", "png", "mib", "hspy"])
def test_kinds_of_references(tmp_path, patterns, kind):
    """A single image, or the mean of frames, by whatever program wrote it."""
    dark = np.arange(48, dtype=np.uint16).reshape(PIXELS)
    frames = np.stack([dark - np.minimum(dark, 1), dark + np.minimum(dark, 1)])
    path = tmp_path / f"dark.{kind}"
    if kind.endswith("npy"):
        np.save(path, frames if "frames" in kind else dark)
    elif kind.endswith("tif"):
        tifffile.imwrite(path, frames if "frames" in kind else dark, photometric="minisblack")
    elif kind == "png":
        Image.fromarray(dark).save(path)
    else:
        optics = {"step_nm": (1, 1), "mrad_per_pixel": 1, "energy_kv": 200, "semiangle_mrad": 20}
        if kind == "mib":
            write_raw(path, frames[None], **optics)
        else:
            from polarstem.scans.files.writers import write_hspy

            write_hspy(path, frames[None], **optics)
    lit = patterns + np.uint16(100)
    scan = ArrayScan(lit, load_sheet({"dark": str(path)}))
    assert np.array_equal(whole(scan), lit - dark.astype(np.float32))


def test_dead_pixels_of_a_gain_are_bad(tmp_path, patterns, gain):
    gain[2, 3], gain[4, 5], gain[0, 1] = 0, np.nan, -1
    np.save(tmp_path / "gain.npy", gain)
    dark = np.zeros(PIXELS)
    dark[5, 5] = np.nan
    np.save(tmp_path / "dark.npy", dark)
    sheet = {"gain": str(tmp_path / "gain.npy"), "dark": str(tmp_path / "dark.npy")}
    scan = ArrayScan(patterns, load_sheet({**sheet, "bad_pixels": [[1, 1]]}))
    bad = {(2, 3), (4, 5), (0, 1), (5, 5), (1, 1)}
    assert set(map(tuple, np.argwhere(scan.bad_pixels).tolist())) == bad
    assert np.isfinite(whole(scan)).all()
    good = ~scan.bad_pixels
    expected = patterns[..., good] / (gain[good] / gain[good].mean())
    assert np.allclose(whole(scan)[..., good], expected, rtol=1e-5)


@pytest.mark.parametrize("gamma", [0.5, 0.35, 2.0])
def test_a_power_of_the_counts_is_undone(counts, gamma):
    stored = counts**gamma
    assert np.allclose(whole(ArrayScan(stored, load_sheet({"gamma": gamma}))), counts, rtol=1e-5)
    # as bytes: what rounding leaves
    eight = np.rint(stored * 250 / stored.max()).astype(np.uint8)
    scan = ArrayScan(eight, load_sheet({"gamma": gamma}))
    found = whole(scan)
    assert scan.dtype == np.float32
    assert np.allclose(found, eight.astype(float) ** (1 / gamma), rtol=1e-5)
    assert scan.maximum == pytest.approx(255 ** (1 / gamma), rel=1e-5)
    assert found.max() / found.min() == pytest.approx(counts.max() / counts.min(), rel=0.2)
    assert scan.settings["gamma"].value == gamma


def test_a_logarithm_of_the_counts_is_undone(counts):
    scan = ArrayScan(np.log1p(counts), load_sheet({"gamma": "log"}))
    assert np.allclose(whole(scan), counts, rtol=1e-5)
    eight = ArrayScan(np.full((1, 1, 2, 2), 200, np.uint8), load_sheet({"gamma": "log"}))
    assert eight.maximum is None
    with pytest.raises(PolarstemError, match="holds 200, which no count has; its scale is lost"):
        whole(eight)
    with pytest.raises(PolarstemError, match=r"gamma: 0\.1 .* makes 65000, .* 1e48 counts"):
        whole(ArrayScan(np.full((1, 1, 2, 2), 65000, np.uint16), load_sheet({"gamma": 0.1})))


def test_gamma_comes_before_dark_and_gain(tmp_path, counts, gain, dark):
    np.save(tmp_path / "gain.npy", gain)
    np.save(tmp_path / "dark.npy", dark)
    sheet = {"dark": str(tmp_path / "dark.npy"), "gain": str(tmp_path / "gain.npy"), "gamma": 0.5}
    scan = ArrayScan(np.sqrt(counts * gain + dark), load_sheet(sheet))
    assert np.allclose(whole(scan), counts, rtol=1e-4)


def test_blocks_keep_their_size_in_memory(tmp_path):
    np.save(tmp_path / "scan.npy", np.ones((40, 1, 8, 8), np.uint8))
    scan = open_scan(tmp_path / "scan.npy", {"gamma": 0.5})
    sizes = [block.nbytes for _, block in scan.blocks(memory_mb=2e-3)]
    assert max(sizes) <= 2000
    assert sum(sizes) == 40 * 64 * 4


@pytest.mark.parametrize("value", [np.nan, -1.0])
def test_what_is_no_count_is_refused_before_corrections(tmp_path, counts, value):
    np.save(tmp_path / "dark.npy", np.zeros(PIXELS))
    counts[2, 1, 4, 5] = value
    with pytest.raises(PolarstemError, match=r"scan row 2, column 1 .* detector row 4, column 5"):
        whole(ArrayScan(counts, load_sheet({"dark": str(tmp_path / "dark.npy")})))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("none.npy", None, r"There is no file .*none\.npy, which `dark`"),
        ("small.npy", np.zeros((4, 4)), "has 4 x 4 pixels, but the detector of the scan 6 x 8"),
        ("row.npy", np.zeros(4), "where an image was expected"),
        ("words.npy", np.full(PIXELS, "a"), "where an image was expected"),
        ("broken.tif", b"II*\0", r"broken\.tif cannot be read"),
        ("broken.npy", b"\x93NUMPY", r"broken\.npy cannot be read"),
        ("broken.mib", b"MQ1,1", "cannot be read as 'mib'"),
        ("some.abc", b"1", "no extension of a known format"),
    ],
)
def test_references_that_are_none(tmp_path, patterns, name, content, told):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content)
    with pytest.raises(PolarstemError, match=told) as caught:
        ArrayScan(patterns, load_sheet({"dark": str(path)}))
    assert "\n" not in str(caught.value)


def test_gain_of_an_unlit_detector(tmp_path, patterns):
    np.save(tmp_path / "gain.npy", np.zeros(PIXELS))
    with pytest.raises(PolarstemError, match="nowhere above 0"):
        ArrayScan(patterns, load_sheet({"gain": str(tmp_path / "gain.npy")}))


def test_references_lie_beside_their_sheet(tmp_path, patterns):
    np.save(tmp_path / "dark.npy", np.ones(PIXELS))
    (tmp_path / "scan.yaml").write_text("dark: dark.npy\n")
    scan = ArrayScan(patterns, load_sheet(Path(tmp_path / "scan.yaml")))
    assert np.array_equal(whole(scan), patterns - np.float32(1))
