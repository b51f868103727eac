# SPDX-License-Identifier: GPL-3.0-or-later
"""Data sets: contents, noise, leakage, reading in parts."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from polarstem.data.assemble import assemble_dataset, counted
from polarstem.data.dataset_file import pattern_hashes
from polarstem.data.leakage import check_leakage
from polarstem.data.patterns import PatternSet
from polarstem.errors import PolarstemError

NAMES, DIRECTIONS = ["RM", "MU", "LM", "MD"], [0.0, 90.0, 180.0, 270.0]


@pytest.fixture
def simulation(tmp_path):
    """Write a simulation file of random patterns: 2 thicknesses, 3 x 4 positions, 6 pixels."""

    def write(name="set-RM-train-0", seed=0, split="train", class_name="RM", pixels=6):
        rng = np.random.default_rng(seed)
        intensity = rng.random((2, 3, 4, pixels, pixels), np.float32) / pixels**2
        angles = np.arange(pixels) * 2.0
        path = tmp_path / f"{name}.nc"
        xr.Dataset(
            {"intensity": (("thickness", "y", "x", "ky", "kx"), intensity)},
            coords={
                "thickness": [10.0, 20.0],
                "y": np.arange(3.0),
                "x": np.arange(4.0),
                "ky": angles,
                "kx": angles,
                "cell_y": ("y", np.arange(3) / 3),
                "cell_x": ("x", np.arange(4) / 4),
            },
            attrs={
                "specimen": name,
                "split": split,
                "class_name": class_name,
                "direction_deg": DIRECTIONS[NAMES.index(class_name)],
            },
        ).to_netcdf(path)
        return path, intensity

    return write


def assemble(paths, output, nm=(20.0,), dose=None, domain="d"):
    settings = {"thicknesses_nm": list(nm), "dose_electrons": dose}
    assemble_dataset(domain, settings, paths, NAMES, DIRECTIONS, output, seed=5)
    return output


def test_every_pattern_keeps_its_labels(simulation, tmp_path):
    first, a = simulation()
    second, b = simulation("set-MU-test-0", 1, "test", "MU")
    path = assemble([first, second], tmp_path / "d.nc", nm=(10.0, 20.0))
    with PatternSet.open([path]) as patterns:
        assert patterns.n == 2 * 2 * 12
        assert patterns.class_names == NAMES
        expected = np.concatenate([a.reshape(-1, 6, 6), b.reshape(-1, 6, 6)])
        np.testing.assert_array_equal(patterns.read(slice(None)), expected)
        # a pattern in the middle: thickness 20, row 2, column 1 of the second specimen
        index = 24 + 12 + 2 * 4 + 1
        assert patterns.specimen[index] == "set-MU-test-0"
        assert patterns.class_index[index] == 1
        assert patterns.thickness[index] == 20
        assert (patterns.scan_y[index], patterns.scan_x[index]) == (2, 1)
        assert patterns.cell_y[index] == pytest.approx(2 / 3)
        assert patterns.cell_x[index] == pytest.approx(1 / 4)
        np.testing.assert_array_equal(patterns.read(np.array([index]))[0], b[1, 2, 1])
    with PatternSet.open([path], "test") as patterns:
        assert set(patterns.specimen) == {"set-MU-test-0"}
        np.testing.assert_array_equal(patterns.read(slice(0, 12)), b[0].reshape(-1, 6, 6))


def test_reading_in_any_order_and_in_batches(simulation, tmp_path):
    one = assemble([simulation()[0]], tmp_path / "a.nc", nm=(10.0,), domain="a")
    two = assemble([simulation("set-MU-train-0", 1, "train", "MU")[0]], tmp_path / "b.nc")
    with PatternSet.open([one, two], "train") as patterns:
        everything = patterns.read(slice(None))
        assert set(patterns.domain) == {"a", "d"}
        order = np.random.default_rng(0).integers(0, patterns.n, 50)  # with repeats
        np.testing.assert_array_equal(patterns.read(order), everything[order])
        chosen = patterns.select(patterns.class_index == 1)
        np.testing.assert_array_equal(chosen.read(slice(None)), everything[12:])
        parts = list(patterns.batches(7))
        np.testing.assert_array_equal(np.concatenate([p for _, p in parts]), everything)
        assert max(len(p) for _, p in parts) == 7


def test_poisson_noise_has_the_dose(simulation, tmp_path):
    path, intensity = simulation()
    with PatternSet.open([assemble([path], tmp_path / "n.nc", dose=500.0)]) as noisy:
        counts = noisy.read(slice(None)) * 500
        np.testing.assert_allclose(counts, np.round(counts), atol=1e-3)
        expected = intensity[1].reshape(-1, 6, 6) * 500
        # sum over 432 pixels of independent Poisson counts: variance equals the mean
        deviation = (counts - expected).sum() / np.sqrt(expected.sum())
        assert abs(deviation) < 5
        chi = ((counts - expected) ** 2 / expected).mean()
        assert 0.6 < chi < 1.5
    assert not np.array_equal(counted(intensity[0, 0], 50, 1), counted(intensity[0, 0], 50, 2))
    np.testing.assert_array_equal(counted(intensity[0, 0], 50, 1), counted(intensity[0, 0], 50, 1))


def test_hashes_tell_patterns_apart():
    patterns = np.random.default_rng(0).random((100, 4, 4), np.float32)
    changed = patterns.copy()
    changed[3, 0, 0] = np.nextafter(changed[3, 0, 0], np.float32(2))
    same = pattern_hashes(patterns) == pattern_hashes(changed)
    assert same.sum() == 99
    assert not same[3]


def test_a_pattern_in_two_splits_stops_the_run(simulation, tmp_path):
    train, _ = simulation()
    copy, _ = simulation("set-RM-test-0", 0, "test")  # same seed: the same patterns
    path = assemble([train, copy], tmp_path / "d.nc")
    with pytest.raises(PolarstemError, match=r"12 patterns stand twice.*train split.*test split"):
        check_leakage([path], tmp_path / "manifest.json")
    assert not (tmp_path / "manifest.json").exists()


def test_a_pattern_in_two_domains_stops_the_run(simulation, tmp_path):
    source, _ = simulation()
    paths = [assemble([source], tmp_path / f"{d}.nc", domain=d) for d in ("first", "second")]
    with pytest.raises(PolarstemError, match=r"first and the train split of second"):
        check_leakage(paths, tmp_path / "manifest.json")


def test_a_specimen_in_two_splits_stops_the_run(simulation, tmp_path):
    one = assemble([simulation()[0]], tmp_path / "a.nc", domain="a")
    two = assemble([simulation(seed=1, split="test")[0]], tmp_path / "b.nc", domain="b")
    with pytest.raises(PolarstemError, match="may be in one split only"):
        check_leakage([one, two], tmp_path / "manifest.json")


def test_the_manifest_counts(simulation, tmp_path):
    train, _ = simulation()
    test, _ = simulation("set-MU-test-0", 1, "test", "MU")
    path = assemble([train, test], tmp_path / "d.nc")
    check_leakage([path], tmp_path / "manifest.json")
    manifest = json.loads((tmp_path / "manifest.json").read_text())["domains"]["d"]
    assert manifest["train"]["patterns"] == 12
    assert manifest["train"]["patterns_per_class"] == {"RM": 12, "MU": 0, "LM": 0, "MD": 0}
    assert manifest["test"]["specimens"] == ["set-MU-test-0"]
    assert manifest["train"]["hash"] != manifest["test"]["hash"]


def test_the_manifest_says_what_was_not_compared(simulation, tmp_path):
    path = assemble([simulation()[0]], tmp_path / "d.nc")
    separation = {"least": 0.1, "positions": 16, "seed": 1, "comparisons": []}
    separation["not_compared"] = {"warm": "multislice: its atoms move (simulate.phonons)"}
    check_leakage([path], tmp_path / "manifest.json", separation)
    found = json.loads((tmp_path / "manifest.json").read_text())["nearest_training_crystal"]
    assert (found["value"], found["n"], found["specimen_sets"]) == (None, 0, {})
    assert found["not_compared"] == separation["not_compared"]


def test_bad_input_leaves_nothing(simulation, tmp_path):
    good, _ = simulation()
    other, _ = simulation("set-RM-train-1", 1, pixels=8)
    output = tmp_path / "out" / "d.nc"
    with pytest.raises(PolarstemError, match="another detector grid"):
        assemble([good, other], output)
    with pytest.raises(PolarstemError, match=r"no patterns at 30 nm \(it has 10, 20 nm\)"):
        assemble([good], output, nm=(30.0,))
    broken = tmp_path / "broken.nc"
    broken.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    with pytest.raises(PolarstemError, match=r"broken\.nc .* truncated or not netCDF"):
        assemble([good, broken], output)
    assert not list(output.parent.iterdir())


def test_sets_that_do_not_fit_together(simulation, tmp_path):
    small = assemble([simulation()[0]], tmp_path / "a.nc")
    large = assemble([simulation("set-RM-train-1", 1, pixels=8)[0]], tmp_path / "b.nc")
    with pytest.raises(PolarstemError, match="different classes or detector pixels"):
        PatternSet.open([small, large])


def test_every_variable_has_units(simulation, tmp_path):
    path = assemble([simulation()[0]], tmp_path / "d.nc")
    with xr.open_dataset(path) as data:
        for variable in data.variables.values():
            assert "units" in variable.attrs
            assert "long_name" in variable.attrs
        assert data["intensity"].encoding["zlib"]
        assert {"config_hash", "git_commit", "versions", "seed"} <= set(data.attrs)


def test_patterns_in_memory():
    patterns = PatternSet.from_arrays(np.ones((5, 4, 4), np.float32), [0, 1, 2, 3, 0], NAMES, [0])
    assert patterns.n == len(patterns) == 5
    assert patterns.shape == (4, 4)
    assert patterns.specimen[0] == "unknown"
    patterns.close()
