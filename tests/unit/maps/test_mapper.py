# SPDX-License-Identifier: GPL-3.0-or-later
"""From a file to a map, on a small scan of four domains measured from a scattering matrix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import small_scan
import tifffile
import xarray as xr
from numpy.typing import NDArray

from polarstem.cli import main
from polarstem.errors import PolarstemError
from polarstem.maps.mapper import map_scan
from polarstem.scans.files.writers import write_hspy

CELLS = 6
FILES = {"map.nc", "map.hspy", "labels.tif", "cells.csv", "summary.json", "diagnostics.nc"}
NO_LIBRARY: dict[str, Any] = {"off": ["thickness", "tilt"]}
SHEET = {"detector_rotation_deg": 0.0, "crystal_rotation_deg": 0.0, **NO_LIBRARY}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model."""
    folder = tmp_path_factory.mktemp("model") / "linear"
    small_scan.model().save(folder)
    return folder


def write(path: Path, counts: NDArray[Any], **changed: Any) -> Path:
    """Write a scan of `small_scan`."""
    step = small_scan.cell_angstrom() / small_scan.STEPS / 10
    facts: dict[str, Any] = {"step_nm": (step, step), "mrad_per_pixel": small_scan.DETECTOR_MRAD}
    facts |= {"energy_kv": small_scan.ENERGY_KV, "semiangle_mrad": small_scan.SEMIANGLE_MRAD}
    write_hspy(path, counts, **(facts | changed))
    return path


@pytest.fixture(scope="module")
def upright(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, NDArray, NDArray]:
    """A scan that needs no turning: its file, its counts and the class of each position."""
    counts, truth, _ = small_scan.scan(CELLS)
    return write(tmp_path_factory.mktemp("scan") / "scan.hspy", counts), counts, truth


@pytest.fixture(scope="module")
def mapped(upright, model, tmp_path_factory) -> tuple[Path, xr.Dataset, dict[str, Any]]:
    """Its map: the folder, what map.nc and summary.json hold."""
    folder = tmp_path_factory.mktemp("maps") / "upright"
    return (folder, *map_of(upright[0], model, folder, SHEET))


def map_of(scan: Path, model: Path, folder: Path, sheet: Any, **options: Any):
    map_scan(scan, model, folder, sheet, **options)
    with xr.open_dataset(folder / "map.nc") as data:
        return data.load(), json.loads((folder / "summary.json").read_text(encoding="utf-8"))


def cell_truth(data: xr.Dataset, truth: NDArray) -> NDArray:
    """Class of most positions of each cell; -1 where fewer than nine in ten agree."""
    cell, found = data["cell"].values, []
    for number in range(data.sizes["cell"]):
        count = np.bincount(truth[cell == number], minlength=4)
        found.append(int(count.argmax()) if count.max() > 0.9 * count.sum() else -1)
    return np.array(found)


def test_four_domains(mapped, upright):
    folder, data, summary = mapped
    truth = upright[2]
    assert {path.name for path in folder.iterdir()} == FILES
    assert not list(folder.parent.glob(".*"))
    own = cell_truth(data, truth)
    assert (data["cell_class_index"].values == own)[own >= 0].mean() >= 0.95
    assert (data["class_index"].values == truth).mean() > 0.8
    assert data.sizes["cell"] == (CELLS - 1) ** 2
    assert (abs(data["cell_count"] - small_scan.STEPS**2) <= 2 * small_scan.STEPS + 1).all()
    assert summary["cells"] == data.sizes["cell"]
    assert sum(summary["directions"].values()) == pytest.approx(1)
    assert min(summary["directions"].values()) > 0.1
    assert summary["forced"] is None


def test_what_virtual_detectors_see(mapped, upright):
    """Against sums over the detector's own pixels."""
    _, data, _ = mapped
    counts = upright[1].astype(float)
    n = small_scan.DETECTOR
    k = (np.arange(n) - (n - 1) / 2) * small_scan.DETECTOR_MRAD
    angle = np.hypot(k[:, None], k)
    total = counts.sum((-1, -2))
    bright = counts[..., angle < small_scan.SEMIANGLE_MRAD].sum(-1) / total
    com = np.stack([counts.sum(-2) @ k, -counts.sum(-1) @ k], -1) / total[..., None]
    assert np.corrcoef(bright.ravel(), data["bright_field"].values.ravel())[0, 1] > 0.95
    for name, expected in (("com_x", com[..., 0]), ("com_y", com[..., 1])):
        assert np.corrcoef(expected.ravel(), data[name].values.ravel())[0, 1] > 0.95
    pattern = data["pattern"].values
    np.testing.assert_allclose(pattern.sum((-1, -2)), 1, atol=2e-3)
    cell = data["cell"].values
    expected = pattern[cell == 3].mean(0)
    np.testing.assert_allclose(data["cell_pattern"][3], expected, atol=1e-5)


def test_settings_are_listed_with_their_origin(mapped):
    _, data, summary = mapped
    settings = summary["settings"]
    origins = {name: settings[name]["origin"] for name in settings}
    assert origins["energy_kv"] == origins["step_nm"] == "file"
    assert origins["crystal_rotation_deg"] == "sheet"
    assert origins["centre"] == "estimated"
    assert origins["zone_axis"] == "assumed"
    assert json.loads(data.attrs["settings"]) == settings
    assert {step["name"]: step["status"] for step in summary["steps"]}["thickness"] == "off"
    assert set(summary["seconds"]) >= {"inspecting", "reading and predicting"}


def quarter(array: NDArray) -> NDArray:
    """Patterns turned counter-clockwise by 90 degrees."""
    return np.rot90(array, axes=(-2, -1))


STORED = {
    "scan transposed": (lambda c: c.swapaxes(0, 1), {"scan_transpose": True}),
    "scan flipped": (lambda c: c[::-1, ::-1], {"scan_flip_x": True, "scan_flip_y": True}),
    "detector transposed": (lambda c: c.swapaxes(2, 3), {"detector_transpose": True}),
    "detector flipped": (lambda c: c[:, :, :, ::-1], {"detector_flip_x": True}),
    "detector turned": (quarter, {"detector_rotation_deg": 90.0}),
    "all of it": (
        lambda c: quarter(c.swapaxes(0, 1)[:, ::-1])[:, :, ::-1],
        {
            "scan_transpose": True,
            "scan_flip_y": True,
            "detector_flip_y": True,
            "detector_rotation_deg": 90.0,
        },
    ),
}


QUICK = ("scan transposed", "all of it")


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in STORED]
)
def test_the_same_scene_stored_otherwise_gives_the_same_map(name, upright, mapped, model, tmp_path):
    store, sheet = STORED[name]
    scan = write(tmp_path / "scan.hspy", np.ascontiguousarray(store(upright[1])))
    data, _ = map_of(scan, model, tmp_path / "map", SHEET | sheet)
    expected = mapped[1]
    same = data["cell_direction"].values == expected["cell_direction"].values
    assert same.mean() >= 0.99
    close = np.abs((data["direction"] - expected["direction"]).values + 180) % 360 - 180
    assert (np.abs(close) < 1).mean() > 0.97
    np.testing.assert_allclose(data["com_y"], expected["com_y"], atol=0.02)


def test_a_turned_detector(upright, mapped, model, tmp_path):
    """Measured anew by 30 degrees: another noise, the same directions in the scan."""
    counts, truth, _ = small_scan.scan(CELLS, detector_rotation_deg=30.0, seed=1)
    scan = write(tmp_path / "scan.hspy", counts)
    data, _ = map_of(scan, model, tmp_path / "map", SHEET | {"detector_rotation_deg": 30.0})
    own = cell_truth(data, truth)
    assert (data["cell_class_index"].values == own)[own >= 0].mean() >= 0.95
    same = data["cell_direction"].values == mapped[1]["cell_direction"].values
    assert same[own >= 0].mean() >= 0.95


def test_a_turned_crystal(model, tmp_path):
    """Directions are the crystal's, turned into the scan."""
    counts, truth, _ = small_scan.scan(CELLS + 1, crystal_rotation_deg=20.0)
    scan = write(tmp_path / "scan.hspy", counts)
    sheet = {"detector_rotation_deg": 0.0, "crystal_rotation_deg": 20.0, **NO_LIBRARY}
    data, summary = map_of(scan, model, tmp_path / "map", sheet, threads=2)
    own = cell_truth(data, truth)
    expected = (own * 90.0 + 20) % 360
    assert (data["cell_direction"].values == expected)[own >= 0].mean() >= 0.95
    assert summary["warnings"] == [w for w in summary["warnings"] if "turned" not in w]


def test_threads_change_nothing(upright, mapped, model, tmp_path):
    data, _ = map_of(upright[0], model, tmp_path / "map", SHEET, threads=2)
    np.testing.assert_array_equal(data["class_index"], mapped[1]["class_index"])
    np.testing.assert_allclose(data["com_x"], mapped[1]["com_x"], atol=1e-5)


def test_positions_without_a_pattern_have_no_answer(upright, model, tmp_path):
    counts = upright[1].copy()
    counts[5, 6:9] = 0
    data, summary = map_of(write(tmp_path / "s.hspy", counts), model, tmp_path / "map", SHEET)
    empty = np.zeros(counts.shape[:2], bool)
    empty[5, 6:9] = True
    np.testing.assert_array_equal(data["class_index"].values < 0, empty)
    assert not data["answered"].values[empty].any()
    assert (data["cell"].values[empty] == -1).all()
    assert np.isnan(data["direction"].values[empty]).all()
    assert summary["positions"] == counts.shape[0] * counts.shape[1] - 3


def refused(folder: Path, *arguments: Any, **options: Any) -> str:
    """The message of a scan that is not mapped, which leaves nothing behind."""
    before = sorted(folder.iterdir())
    with pytest.raises(PolarstemError) as stop:
        map_scan(*arguments, **options)
    assert sorted(folder.iterdir()) == before
    return str(stop.value)


def test_an_output_folder_that_exists_is_left_alone(upright, model, tmp_path):
    out = tmp_path / "map"
    out.mkdir()
    (out / "mine").write_text("kept")
    assert "nothing is overwritten" in refused(tmp_path, upright[0], model, out, SHEET)
    assert (out / "mine").read_text() == "kept"


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [("energy_kv", 300.0, "beam energy is 300 kV"), ("semiangle_mrad", 17.0, "semi-angle is 17")],
)
def test_a_model_for_other_optics_is_refused_or_stamped(key, value, told, upright, model, tmp_path):
    sheet = SHEET | {key: value}
    message = refused(tmp_path, upright[0], model, tmp_path / "map", sheet)
    assert told in message
    assert "--force" in message
    data, summary = map_of(upright[0], model, tmp_path / "map", sheet, force=True)
    assert told in summary["forced"]
    assert data.attrs["forced"] == summary["forced"]
    with h5py.File(tmp_path / "map" / "map.hspy") as file:
        (experiment,) = file["Experiments"].values()
        assert told in str(experiment["metadata/Polarstem"].attrs["forced"])
    assert told in (tmp_path / "map" / "cells.csv").read_text().splitlines()[0]
    with tifffile.TiffFile(tmp_path / "map" / "labels.tif") as image:
        assert told in image.imagej_metadata["Info"]


def test_missing_calibration_is_named(upright, model, tmp_path):
    scan = tmp_path / "scan.npy"
    np.save(scan, upright[1][:4, :4])
    message = refused(tmp_path, scan, model, tmp_path / "map", SHEET)
    for name in ("step_nm", "energy_kv", "semiangle_mrad"):
        assert f"`{name}`" in message
    message = refused(tmp_path, upright[0], model, tmp_path / "map", NO_LIBRARY)
    assert "crystal_rotation_deg" in message


def test_a_failure_at_the_end_leaves_nothing(upright, model, tmp_path):
    def fail(folder: Path) -> None:
        assert (folder / "summary.json").exists()
        raise PolarstemError("no figures")

    out = tmp_path / "map"
    assert refused(tmp_path, upright[0], model, out, SHEET, finish=fail) == "no figures"


def test_command_line(upright, model, tmp_path, capsys):
    arguments = ["map", str(upright[0]), "--model", str(model), "--out", str(tmp_path)]
    assert main(arguments) == 1
    told = capsys.readouterr().err
    assert "nothing is overwritten" in told
    assert "Traceback" not in told


@pytest.mark.slow
def test_command_line_draws_the_map(upright, model, tmp_path):
    out, sheet = tmp_path / "map", tmp_path / "sheet.yaml"
    sheet.write_text(json.dumps(SHEET))
    arguments = ["map", str(upright[0]), "--model", str(model), "--out", str(out)]
    assert main([*arguments, "--sheet", str(sheet)]) == 0
    assert {path.name for path in out.iterdir()} >= FILES | {"map.png", "map.html"}
