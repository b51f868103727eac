# SPDX-License-Identifier: GPL-3.0-or-later
"""The scan sheet: read, checked, and merged with what the file says."""

from __future__ import annotations

import re

import pytest

from polarstem.config.quantities import factor, magnitude
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
        ({"raw": {"dtype": "u2", "frame_shape": [2, 2]}}, "add `scan_shape`"),
        ({"reader": "raw"}, "needs the layout of the file"),
        ({"disc_radius_pixels": 1e-320}, "disc_radius_pixels: .*greater than or equal to 0.5"),
        ({"mrad_per_pixel": 1e-320}, "mrad_per_pixel: .*greater than or equal to 0.0001"),
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


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("0,03", "nm", 0.03),
        ("3e-2", "nm", 0.03),
        ("0.3 A", "nm", 0.03),
        ("0.3 Å", "nm", 0.03),
        ("3nm", "nm", 3),
        ("300 pm", "nm", 0.3),
        ("24 mrads", "mrad", 24),
        ("1°", "mrad", 17.453292519943),
        ("0.5 mrad/px", "mrad", 0.5),
        ("200 keV", "kV", 200),
        ("300000 V", "kV", 300),
        ("20 px", "pixel", 20),
    ],
)
def test_numbers_as_people_write_them(text, unit, expected):
    assert magnitude(text, unit) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "unit", "told"),
    [
        ("1,234", "nm", "its comma may stand for a point or for thousands"),
        ("0.3 s", "nm", "'s' is no unit of a length; write the number in nm"),
        ("0.3 1/nm", "mrad", "'1/nm' is no unit of an angle"),
        ("10-20", "nm", "'-20' is no unit of a length"),
        ("thin", "nm", "is not a length; write a number in nm"),
        ("3 )(", "nm", "is no unit of a length"),
    ],
)
def test_numbers_that_could_mean_anything(text, unit, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        magnitude(text, unit)


@pytest.mark.parametrize(
    ("unit", "target", "expected"),
    [
        ("$A^{-1}$", "1/angstrom", 1),
        ("nm$^{-1}$", "1/angstrom", 0.1),
        ("nm-1", "1/angstrom", 0.1),
        ("Å⁻¹", "1/angstrom", 1),
        ("A^-1", "mrad", None),
        ("", "mrad", None),
        ("<undefined>", "nm", None),
        ("px", "nm", None),  # pint's px is an inch / 96
    ],
)
def test_units_as_programs_write_them(unit, target, expected):
    assert factor(unit, target) == expected


def test_sheet_of_quantities():
    sheet = load_sheet(
        {
            "scan_shape": "128x64",
            "step_nm": "0.3 x 0.4 Å",
            "energy_kv": "200 keV",
            "centre": ["3 px", 4],
            "thickness_nm": ["10 nm", "200 Å"],
            "gamma": "0,5",
            "raw": {"dtype": ">u2", "frame_shape": "256 x 128"},
        }
    )
    assert sheet.scan_shape == (128, 64)
    assert sheet.step_nm == (0.03, 0.04)
    assert (sheet.energy_kv, sheet.centre, sheet.thickness_nm) == (200, (3, 4), (10, 20))
    assert (sheet.gamma, sheet.raw.frame_shape) == (0.5, (256, 128))
    assert load_sheet({"gamma": "log"}).gamma == "log"
    with pytest.raises(PolarstemError, match=r"4 problems:(?s:.)*step_nm: '3 s': 's' is no unit"):
        load_sheet({"step_nm": "3 s", "scan_shape": "128", "energy_kv": True, "gamma": "lag"})


def test_the_whole_block_of_a_configuration(tmp_path):
    """What docs show under `experiments:` is understood where one experiment stands there."""
    path = tmp_path / "scan.yaml"
    path.write_text("experiments:\n  mine:\n    scan: a.mib\n    sheet: {step_nm: 0.03}\n")
    assert load_sheet(path).step_nm == (0.03, 0.03)
    assert load_sheet({"sheet": {"energy_kv": 80}, "force": True}).energy_kv == 80
    with pytest.raises(PolarstemError, match="belongs to one experiment, but here are a, b"):
        load_sheet({"experiments": {"a": {}, "b": {}}})
    with pytest.raises(PolarstemError, match=r"is a file of its own; give other\.yaml"):
        load_sheet({"experiments": {"a": {"sheet": "other.yaml"}}})
    with pytest.raises(PolarstemError, match="scn: unknown key"):
        load_sheet({"experiments": {"a": {"scn": "x"}}})
    assert load_sheet({"experiments": {"a": {"scan": "x"}}}) == load_sheet(None)
