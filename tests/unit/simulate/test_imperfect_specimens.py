# SPDX-License-Identifier: GPL-3.0-or-later
"""Emulated specimens that are not ideal, and scans of them that drift."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scattering_cases import microscope, relative

from polarstem.config.experiment_conditions import ExperimentConditions
from polarstem.simulate.jobs.emulate_specimen import emulate_specimen
from polarstem.simulate.jobs.specimen_patterns import Specimen
from polarstem.simulate.microscope.drawn_conditions import drawn_for
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.structures.build import build_specimen, write_specimen
from polarstem.structures.recipes import make_recipe
from polarstem.structures.scenes.scan_frame import ScanFrame


def settings_of(conditions: dict[str, Any], positions: int, phonons: int = 0) -> dict[str, Any]:
    simulate = microscope(
        scan={"positions": [positions, positions], "offset": "random"},
        phonons={"configurations": phonons},
    )
    checked = ExperimentConditions.model_validate(conditions)
    return {
        "simulate": simulate.model_dump(mode="json"),
        "thicknesses_nm": [4.0],
        "seed": 5,
        "conditions": checked.model_dump(mode="json"),
    }


@pytest.mark.parametrize(("fwhm", "positions"), [(0.0, 4), (1.2, 12)])
def test_patterns_of_a_drifting_scan_are_those_of_the_places_where_probes_are(
    crystal, tmp_path: Path, fwhm, positions
):
    specimen = crystal("RU", thickness_nm=4.0)
    write_specimen(specimen.atoms, tmp_path / "x.xyz")
    conditions = {"source_fwhm_angstrom": fwhm, "drift": 0.2, "row_jitter_angstrom": 0.3}
    settings = settings_of(conditions, positions)
    emulate_specimen(tmp_path / "x.xyz", tmp_path / "x.nc", settings)
    read = Specimen.read(tmp_path / "x.xyz", settings)
    drawn = drawn_for(settings["conditions"], read.simulate, settings["seed"])
    assert np.hypot(*drawn.drift) == pytest.approx(0.2)
    # the same distortion of a frame on the same places
    places = read.grid.positions.reshape(positions, positions, 2)
    step = read.crystal.cell[0] / positions
    frame = drawn.over(ScanFrame(tuple(places[0, 0].tolist()), places.shape[:2], step), 5)
    matrix = compute_scattering_matrix(
        specimen, [4.0], microscope(), cells=(3, 3), margin_mrad=0.1, reach_mrad=46
    )
    eye = VirtualMicroscope(matrix, read.simulate.detector)
    optics = Optics(24.0, source_fwhm=fwhm)
    ours = eye.measure(frame.positions().reshape(-1, 2), [4.0], optics)[0]
    with xr.open_dataset(tmp_path / "x.nc") as data:
        theirs = data["intensity"].values[0].reshape(ours.shape)
    assert relative(ours, theirs) < 3e-3
    wanted = eye.measure(read.grid.positions, [4.0], optics)[0]
    assert relative(wanted, theirs) > 0.05


def test_an_emulated_specimen_has_its_layers_disorder_and_tilts(crystal, tmp_path: Path):
    settings = settings_of({"source_fwhm_angstrom": 1.2}, 6, phonons=4)
    patterns = {}
    imperfect = {
        "ideal": {},
        "disorder": {"disorder": 1.0},
        "layers": {"amorphous_nm": [0.0, 4.0]},  # behind the crystal
        "tilted": {"octahedral_tilt_deg": 4.0},
    }
    for name, given in imperfect.items():
        atoms = _specimen(crystal, given)
        write_specimen(atoms, tmp_path / f"{name}.xyz")
        emulate_specimen(tmp_path / f"{name}.xyz", tmp_path / f"{name}.nc", settings)
        with xr.open_dataset(tmp_path / f"{name}.nc") as data:
            patterns[name] = data["intensity"].values[0]
            assert data["total_fraction"].values.max() < 1 + 1e-3
            assert data["total_fraction"].values.min() > 0.9
            assert float(data["exit_thickness"][0]) == pytest.approx(4.0, abs=0.2)
    ideal = patterns.pop("ideal")
    for name, found in patterns.items():
        assert relative(found, ideal) > 0.03, name
    # what the layers scatter reaches beyond the bright disc of 24 mrad
    x, y = np.meshgrid(*[2.2 * (np.arange(36) - 17.5)] * 2)
    dark = np.hypot(x, y) > 28
    assert patterns["layers"][..., dark].sum() > 1.1 * ideal[..., dark].sum()


def _specimen(crystal: Any, given: dict[str, Any]) -> Any:
    """Cells enough for tilts, atoms of the specimen's file."""
    info = crystal("RU", thickness_nm=4.0).atoms.info
    recipe = {key: info[key] for key in ("class_index", "class_name", "direction_deg", "variant")}
    usual = {"material": "KNN", "name": "t", "specimen_set": "t", "split": "test", "phase": "O"}
    return build_specimen(
        make_recipe(
            **usual, **recipe, zone_axis=(0, 0, 1), cells=(4, 4), thickness_nm=4.0, seed=5, **given
        )
    )
