# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole maps on the default path: library, thickness, tilt, rotations, anomalies, warnings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import library_scan
import numpy as np
import pytest
import xarray as xr
from library_scan import cells_of, judged

from polarstem.maps.mapper import map_scan
from polarstem.maps.predict import Answers
from polarstem.maps.withheld import Reason
from polarstem.simulate.microscope.camera import Camera


def told(data: xr.Dataset) -> dict:
    """What the map says of itself."""
    return json.loads(data.attrs["summary"])


@pytest.fixture(scope="module")
def base(known_scan) -> xr.Dataset:
    """The scan as it is."""
    return known_scan.map(known_scan.counts)


def test_every_cell_is_right_and_nothing_is_warned_of(base, known_scan):
    cells, answered, wrong = judged(base, known_scan.truth)
    assert (cells, answered, wrong) == (36, 36, 0)
    assert told(base)["warnings"] == []


def test_thickness_and_tilt(base, known_scan):
    summary = told(base)
    thickness, tilt = summary["thickness_nm"], summary["tilt_mrad"]
    true = library_scan.thickness_nm(known_scan.make)
    assert thickness["value"] == pytest.approx(true, abs=0.5)
    low, high = thickness["interval"]
    assert low <= true <= high
    assert 0.2 < high - low < 3
    np.testing.assert_allclose(tilt["value"], library_scan.TILT, atol=0.5)


def test_thickness_and_tilt_over_the_scan(base, known_scan):
    """Of tiles of a few cells, in the frame of the scan."""
    true = library_scan.thickness_nm(known_scan.make)
    inside = (base["cell_thickness_low"] <= true) & (true <= base["cell_thickness_high"])
    assert inside.mean() >= 0.75
    assert abs(base["cell_thickness"] - true).mean() < 1
    tilt = np.stack([base["cell_tilt_x"], base["cell_tilt_y"]], axis=1)
    np.testing.assert_allclose(np.median(tilt, axis=0), library_scan.TILT, atol=0.6)


def test_rotations(base):
    settings = told(base)["settings"]
    assert settings["crystal_rotation_deg"]["value"] == pytest.approx(0, abs=0.5)
    assert settings["detector_rotation_deg"]["value"] == pytest.approx(0, abs=2.5)
    steps = {step["name"]: step for step in told(base)["steps"]}
    assert steps["lattice"]["status"] == steps["handedness"]["status"] == "done"
    assert steps["lattice"]["values"]["agreement"] > 0.9


def test_a_turned_crystal_on_a_turned_detector(known_scan):
    """Directions and the tilt in the frame of the scan."""
    camera = Camera(48, library_scan.DETECTOR_MRAD)  # its corners are in the matrices
    intensity, truth = library_scan.intensities(
        known_scan.make,
        (8, 8),
        crystal_rotation_deg=20.0,
        detector_rotation_deg=35.0,
        camera=camera,
    )
    data = known_scan.map(library_scan.counted(intensity), detector_rotation_deg=35.0)
    # two fifths of what the model looks at lie beyond this detector
    cells, answered, wrong = judged(data, truth, 20.0)
    assert cells >= 20
    assert answered >= 5
    assert wrong == 0
    best = (data["cell_direction"].values - cells_of(data, truth) - 20 + 180) % 360 - 180
    assert (np.abs(best[np.isfinite(best)]) < 1).mean() >= 0.9
    summary = told(data)
    assert summary["settings"]["crystal_rotation_deg"]["value"] == pytest.approx(20, abs=0.5)
    assert not [w for w in summary["warnings"] if "turned" in w or "rotation" in w]
    np.testing.assert_allclose(summary["tilt_mrad"]["value"], library_scan.TILT, atol=0.5)
    turn = np.deg2rad(20)
    x, y = library_scan.TILT
    expected = np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y
    tilt = np.stack([data["cell_tilt_x"], data["cell_tilt_y"]], axis=1)
    np.testing.assert_allclose(np.median(tilt, axis=0), expected, atol=0.6)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_turn_of_the_detector_is_found(known_scan, base, quarters):
    """By quarters, where nothing says it: the same directions in the scan."""
    counts = np.ascontiguousarray(np.rot90(known_scan.counts, quarters, axes=(2, 3)))
    data = known_scan.map(counts, detector_rotation_deg=None)
    _, answered, wrong = judged(data, known_scan.truth)
    assert (answered, wrong) == (36, 0)
    turned = told(data)["settings"]["detector_rotation_deg"]["value"]
    assert (turned - 90 * quarters + 180) % 360 - 180 == pytest.approx(0, abs=3)
    np.testing.assert_allclose(
        data["cell_pattern"].values.mean(0), base["cell_pattern"].values.mean(0), atol=3e-4
    )


def test_probabilities_are_calibrated(known_scan, base):
    """Those of a position are the model's at its temperature, those of a cell are pooled."""
    from polarstem.models import load_model
    from polarstem.models.calibration import Calibration

    model = load_model(known_scan.model)
    pattern = base["pattern"].values.reshape(-1, *model.pattern_shape)
    given = model.predict_proba(pattern[:200].astype(np.float32))
    expected = Calibration.of(model).apply(given)
    found = base["probability"].values.reshape(-1, 4)[:200]
    # the patterns on file are rounded
    off = np.abs(found - expected).mean()
    assert off < 0.03
    assert off < 0.3 * np.abs(found - given).mean()


def test_cells_and_positions_lie_where_they_say(base, known_scan):
    """The middle of a cell is the mean of its positions; y goes down, x to the right."""
    cell = base["cell"].values
    y, x = np.meshgrid(base["y"], base["x"], indexing="ij")
    step = known_scan.sheet["step_nm"]
    for number in (0, 7, base.sizes["cell"] - 1):
        inside = cell == number
        assert abs(base["cell_centre_y"][number] - y[inside].mean()) < step
        assert abs(base["cell_centre_x"][number] - x[inside].mean()) < step
    np.testing.assert_allclose(np.diff(base["x"]), step)
    # A columns are darker at large angles than the B column in the middle
    place = np.stack([base["cell_y"].values.ravel(), base["cell_x"].values.ravel()], axis=1)
    near = np.abs((place + 0.5) % 1 - 0.5).max(1) < 0.1
    middle = np.abs(place - 0.5).max(1) < 0.1
    dark = base["dark_field"].values.ravel()
    assert dark[middle].mean() > dark[near].mean()


def test_angles_beyond_the_detector_are_told(known_scan):
    counts = np.ascontiguousarray(known_scan.counts[..., 10:-10, 10:-10])
    warnings = told(known_scan.map(counts))["warnings"]
    assert any(
        "of the angles that the model looks at lie beyond the detector" in w for w in warnings
    )


def test_a_thickness_beyond_what_the_model_was_trained_for_gives_no_answer(known_scan, tmp_path):
    model = _changed(known_scan.model, tmp_path, "trained_for", thickness_nm=[20.0, 40.0])
    data = map_scan(known_scan.counts, model, sheet=known_scan.sheet, threads=1)
    assert not data["cell_answered"].any()
    assert any("trained for 20 to 40 nm" in w for w in told(data)["warnings"])


def test_sound_cells_are_not_flagged_and_foreign_ones_are(known_scan, base):
    assert base["cell_flagged"].values.mean() <= 0.06
    counts = known_scan.counts.copy()
    # patterns of another thickness in one cell
    camera = Camera(library_scan.DETECTOR, library_scan.DETECTOR_MRAD)
    other, _ = library_scan.intensities(known_scan.make, (8, 8), plane=0, camera=camera)
    foreign = np.s_[21:27, 9:15]
    counts[foreign] = library_scan.counted(other[foreign], seed=3)
    data = known_scan.map(counts)
    score = data["cell_anomaly"].values
    touched = np.unique(data["cell"].values[foreign])
    touched = touched[touched >= 0]
    assert data["cell_flagged"].values[touched].any()
    assert score[touched].max() > np.delete(score, touched).max()


def test_cells_have_a_threshold_of_their_own(known_scan, tmp_path):
    """Where patterns have no answer, their cells may."""
    model = _changed(known_scan.model, tmp_path, "calibration", threshold=0.999)
    data = map_scan(known_scan.counts, model, sheet=known_scan.sheet, threads=1)
    assert data["answered"].values.mean() < 0.2
    assert judged(data, known_scan.truth)[1:] == (36, 0)


def _changed(model: Path, folder: Path, section: str, **values: object) -> Path:
    """A copy of a model with other values in a section of what it says of itself."""
    shutil.copytree(model, folder / "model")
    file = folder / "model" / "model.json"
    description = json.loads(file.read_text(encoding="utf-8"))
    description.get("info", description)[section] |= values
    description.pop("checksum", None)  # a change that is meant
    file.write_text(json.dumps(description), encoding="utf-8")
    return folder / "model"


def test_an_axis_of_the_crystal_near_the_scans_y(known_scan, base):
    """Of the equal axes that one is the crystal's x which the sheet names."""
    data = known_scan.map(known_scan.counts, crystal_rotation_deg=90.0)
    assert judged(data, known_scan.truth)[1:] == (36, 0)
    assert data.attrs["crystal_rotation_deg"] == pytest.approx(90, abs=1)
    # cells lie as before, their places counted along the other axis
    y, _ = np.meshgrid(data["y"], data["x"], indexing="ij")
    place = data["cell_x"].values
    inside = data["cell"].values == 10
    assert abs(np.corrcoef(place[inside], y[inside])[0, 1]) > 0.9
    assert np.corrcoef(place[inside], -y[inside])[0, 1] > 0.9
    # the tilt is that of the scan, whichever axis is called x
    for name in ("cell_tilt_x", "cell_tilt_y"):
        assert float(data[name].median()) == pytest.approx(float(base[name].median()), abs=0.3)


def test_the_mean_pattern_is_that_of_the_electrons():
    """A position with thrice the counts counts thrice."""
    n, shape = 2, (2, 2)
    pattern = np.array([[[4, 0], [0, 0]], [[0, 0], [0, 4]]], np.float16)
    missing = np.zeros((n, 1), np.float32)
    total = np.array([1.0, 3.0], np.float32)
    answers = Answers(
        pattern, missing, missing, missing[:, None], total, total, total, np.zeros((n, 2), "f4")
    )
    np.testing.assert_allclose(answers.mean_pattern(np.ones(n)), [[0.25, 0], [0, 0.75]])
    np.testing.assert_allclose(answers.mean_pattern(np.array([3.0, 1.0])), np.diag([0.5, 0.5]))
    assert answers.mean_pattern(np.ones(n)).shape == shape


def test_models_that_disagree_give_no_answer(known_scan, base, tmp_path):
    """Of two models whose classes differ by a turn, none is right alone."""
    same = map_scan(known_scan.counts, [known_scan.model] * 2, sheet=known_scan.sheet, threads=1)
    np.testing.assert_array_equal(same["cell_answered"], base["cell_answered"])
    assert (same["cell_agreement"] == 1).all()
    other = tmp_path / "other"
    shutil.copytree(known_scan.model, other)
    with np.load(other / "arrays.npz") as stored:
        arrays = dict(stored)
    arrays["templates"] = np.rot90(arrays["templates"], axes=(1, 2)).copy()
    np.savez(other / "arrays.npz", **arrays)
    about = json.loads((other / "model.json").read_text(encoding="utf-8"))
    for digest in ("files", "checksum"):
        del about[digest]
    (other / "model.json").write_text(json.dumps(about), encoding="utf-8")
    data = map_scan(known_scan.counts, [known_scan.model, other], sheet=known_scan.sheet, threads=1)
    assert not data["cell_answered"].any()
    assert (data["cell_withheld"] == Reason.MODELS_DISAGREE).any()
    assert (data["cell_agreement"] < 1).mean() > 0.9
