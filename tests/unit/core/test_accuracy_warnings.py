# SPDX-License-Identifier: GPL-3.0-or-later
"""Grids and fields that miss the accuracy are told of; and what an error budget is measured on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from polarstem.cli import main
from polarstem.config import check, load
from polarstem.config.accuracy_warnings import accuracy_warnings
from polarstem.config.error_budget import accuracy_mb, accuracy_settings, sets_in_use
from polarstem.config.physics import Simulate
from polarstem.config.scene_limits import MOST_OFFSETS, window_cells
from polarstem.simulate.wave.plane_waves import WaveGrid

ROOT = Path(__file__).parents[3]
STANDARD = ROOT / "config.yaml"
TINY = ROOT / "tests" / "configs" / "tiny.yaml"


def standard(**changes: Any) -> dict[str, Any]:
    data = yaml.safe_load(STANDARD.read_text(encoding="utf-8"))
    for key, value in changes.items():
        section, _, name = key.rpartition("__")
        target = data
        for part in section.split("__"):
            target = target.setdefault(part, {})
        target[name] = value
    return data


def test_auto_is_no_warning() -> None:
    data = standard()
    del data["specimens"]["disorder"]["structures"]["cells"]
    del data["specimens"]["still"]["structures"]
    assert accuracy_warnings(check(data)) == []


def test_the_fields_of_the_standard_run_are_told_with_their_error() -> None:
    first, second = accuracy_warnings(load(STANDARD))
    assert first == (
        "structures.cells (for specimens.disorder): a field of 6 x 6 cells changes patterns of "
        "moving atoms by about 2.6 % at 30 nm, where simulate.accuracy asks for 1 %; auto takes "
        "[10, 10]"
    )
    assert "specimens.still" in second
    assert "4.4 % at 50 nm" in second


def test_a_grid_for_all_is_one_sentence_for_each_thickness() -> None:
    found = accuracy_warnings(check(standard(simulate__pixels_per_cell=32)))
    grids = [text for text in found if text.startswith("simulate.pixels_per_cell")]
    at_20 = [text for text in grids if "at 20 nm" in text]
    assert len([text for text in at_20 if "specimens.ideal" in text]) == 0
    assert any("specimens.weak, specimens.defect, specimens.cubic" in text for text in at_20)
    assert all("auto takes 40" in text or "specimens.stretched" in text for text in grids)
    assert any("experiments.four_domains.scene" in text for text in grids)


def test_a_scene_has_a_grid_of_its_own() -> None:
    data = standard()
    data["experiments"]["calm"]["scene"]["simulate"]["pixels_per_cell"] = 34
    assert ["(for experiments.calm.scene)" in t for t in accuracy_warnings(check(data))].count(
        True
    ) == 1


@pytest.mark.parametrize("name", ["tiny", "plain"])
def test_small_configurations_ask_for_little(name: str) -> None:
    assert accuracy_warnings(load(TINY.with_name(f"{name}.yaml"))) == []


def test_check_says_so_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", str(STANDARD)])
    shown = capsys.readouterr()
    assert "valid" in shown.out
    assert "Warning" not in shown.out
    assert shown.err.count("Warning: structures.cells") == 2


def test_the_budget_follows_the_reference_and_the_ends_of_the_run() -> None:
    settings = accuracy_settings(load(STANDARD))
    assert settings["specimens"] == "ideal"
    assert settings["variants"] == [[1, 0, 1], [1, 1, 0]]
    assert settings["thicknesses_nm"] == pytest.approx([5.2, 20, 50], abs=0.2)
    assert settings["finer"] == 2 * settings["simulate"]["pixels_per_cell"]
    field, window, phonons = (settings[key] for key in ("field", "window", "phonons"))
    assert field["wide"] == [2 * n for n in field["cells"]]
    # the thickest scene, whose windows the wide field of the run serves
    assert window["experiment"] == "calm_ramp"
    assert window["offsets"] == 8
    assert window["wide"] == field["wide"]
    # the thickest set with the fewest configurations
    assert (phonons["specimens"], phonons["configurations"]) == ("thermal", 8)
    assert max(phonons["thicknesses_nm"]) == pytest.approx(50, abs=0.2)


def test_the_budget_leaves_out_what_a_run_has_not() -> None:
    data = yaml.safe_load(TINY.with_name("plain.yaml").read_text(encoding="utf-8"))
    assert accuracy_settings(check(data))["window"] is None
    assert accuracy_settings(check(data))["phonons"]["specimens"] == "tiny_phonons"
    del data["specimens"]["tiny_phonons"], data["domains"]["warm"]
    data["evaluate"]["domains"].remove("warm")
    assert accuracy_settings(check(data))["phonons"] is None


def test_a_stream_counts_among_the_sets_of_a_run() -> None:
    assert {"tiny", "tiny_thermal", "tiny_thermal_cubic"} <= {*sets_in_use(load(TINY))}


def test_memory_follows_the_widest_field() -> None:
    config = load(STANDARD)
    cells = accuracy_settings(config)["field"]["wide"]
    grid = WaveGrid((3.98, 3.98), (cells[1], cells[0]), 200.0, 24.0, 0.0, 48.0)
    # three thicknesses and that of the scene
    assert accuracy_mb(config) == pytest.approx(grid.predicted_mb(4), rel=0.25)


def test_more_configurations_than_offsets_make_no_smaller_windows() -> None:
    many, most = (
        Simulate.model_validate({"phonons": {"configurations": count}})
        for count in (100 * MOST_OFFSETS, MOST_OFFSETS)
    )
    assert window_cells(many, 3.98, 30.0) == window_cells(most, 3.98, 30.0) > 3
