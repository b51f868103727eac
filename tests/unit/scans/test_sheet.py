# SPDX-License-Identifier: GPL-3.0-or-later
"""The scan sheet: read, checked, and merged with what the file says."""

from __future__ import annotations

import pytest

from polarstem.errors import PolarstemError
from polarstem.scans.scan import ArrayScan
from polarstem.scans.sheet import load_sheet


def test_empty_sheet_leaves_all_to_the_file(tmp_path):
    path = tmp_path / "scan.yaml"
    path.write_text("")
    assert load_sheet(path) == load_sheet(None) == load_sheet({})
    assert load_sheet(None).step_nm is None
    assert not load_sheet(None).scan_transpose


def test_every_problem_is_told_at_once():
    wrong = {
        "step": 0.1,
        "scan_shape": [3, 0],
        "energy_kv": 2,
        "zone_axis": [1, 1, 1],
        "reader": "mibb",
        "region": [4, 2, 0, 9],
        "thickness_nm": [20, 10],
        "bad_pixels": [[0, -1]],
        "off": ["tlit"],
        "semiangle_mrad": float("nan"),
    }
    with pytest.raises(PolarstemError) as caught:
        load_sheet(wrong)
    text = str(caught.value)
    assert "10 problems" in text
    for told in (
        "step: unknown key; did you mean `step_nm`?",
        "scan_shape[1]: 0:",
        "energy_kv: 2:",
        "zone_axis: [1, 1, 1]: must be [0, 0, 1] or [1, 1, 0]",
        "reader: 'mibb' is not one of 'auto', 'mib'",
        "region: [4, 2, 0, 9]: must be [first row",
        "thickness_nm: [20, 10]: must ascend",
        "bad_pixels[0][1]: -1:",
        "off[0]: 'tlit' is not one of",
        "semiangle_mrad: nan:",
    ):
        assert told in text


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"pixel_um": 55}, "together with `camera_length_mm`"),
        ({"mrad_per_pixel": 1, "disc_radius_pixels": 20}, "more than once"),
        ({"disc_radius_pixels": 2, "pixel_um": 55, "camera_length_mm": 90}, "more than once"),
        ({"off": ["tilt", "tilt"]}, "stands there twice"),
    ],
)
def test_keys_that_do_not_go_together(keys, told):
    with pytest.raises(PolarstemError, match=told):
        load_sheet(keys)


def test_yaml_on_disk(tmp_path):
    path = tmp_path / "scan.yaml"
    # YAML 1.1 reads a bare `off` as false
    path.write_text("off: [tilt, lattice]\nstep_nm: 0.1\nthickness_nm: 12\nmask: left.png\n")
    sheet = load_sheet(path)
    assert sheet.off == ("tilt", "lattice")
    assert sheet.step_nm == (0.1, 0.1)
    assert sheet.thickness_nm == (12, 12)
    assert sheet.mask == str(tmp_path / "left.png")


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", "\x00"])
def test_files_that_are_no_sheets(tmp_path, text):
    path = tmp_path / "scan.yaml"
    path.write_text(text)
    with pytest.raises(PolarstemError, match=r"scan\.yaml"):
        load_sheet(path)
    with pytest.raises(PolarstemError, match=r"absent\.yaml"):
        load_sheet(tmp_path / "absent.yaml")


def test_sheet_has_the_last_word_and_says_so(patterns):
    facts = {"step_nm": (0.1, 0.2), "energy_kv": 200.0, "semiangle_mrad": 24.0}
    sheet = load_sheet({"step_nm": [0.3, 0.2], "energy_kv": 200})
    scan = ArrayScan(patterns, sheet, **facts)
    assert scan.step_nm.value == (0.3, 0.2)
    assert scan.step_nm.origin == "sheet"
    assert scan.step_nm.note == "the file says 0.1 x 0.2 nm (file)"
    assert scan.energy_kv.note == "as the file says"
    assert scan.semiangle_mrad.origin == "file"
    assert str(scan.semiangle_mrad) == "24 mrad (file)"
    assert scan.mrad_per_pixel is None
    assert scan.settings["scan_transpose"].origin == "assumed"


def test_transposed_scan_has_its_steps_exchanged(patterns):
    scan = ArrayScan(patterns, load_sheet({"scan_transpose": True}), step_nm=(0.1, 0.2))
    assert scan.step_nm.value == (0.2, 0.1)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        # 55 um at 110 mm; 24 mrad over 16 pixels
        ({"pixel_um": 55, "camera_length_mm": 110}, 0.5),
        ({"disc_radius_pixels": 16}, 1.5),
        ({"mrad_per_pixel": 2}, 2.0),
    ],
)
def test_three_ways_to_the_angle_per_pixel(patterns, keys, expected):
    scan = ArrayScan(patterns, load_sheet(keys), semiangle_mrad=24.0, mrad_per_pixel=7.0)
    assert scan.mrad_per_pixel.value == pytest.approx(expected)
    assert scan.mrad_per_pixel.origin == "sheet"
    assert "the file says 7" in scan.mrad_per_pixel.note
