# SPDX-License-Identifier: GPL-3.0-or-later
"""Specimens under conditions drawn at random: multislice against the scattering matrix."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scattering_cases import microscope, relative

from polarstem.config.conditions import Conditions
from polarstem.errors import PolarstemError
from polarstem.simulate.jobs.emulate_specimen import emulate_specimen
from polarstem.simulate.jobs.specimen_patterns import Specimen
from polarstem.simulate.microscope.drawn_conditions import drawn_for
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.structures.build import write_specimen


@pytest.fixture
def specimen(crystal, tmp_path):
    """A structure file of a static virtual crystal, and settings to emulate it with."""

    def make(conditions, positions=(6, 6), phonons=0, scale=1.0):
        atoms = crystal("RU", thickness_nm=4.0).atoms
        path = tmp_path / "x.xyz"
        write_specimen(atoms, path)
        simulate = microscope(
            scan={"positions": list(positions), "offset": "random"},
            phonons={"configurations": phonons, "scale": scale},
        )
        settings = {
            "simulate": simulate.model_dump(mode="json"),
            "thicknesses_nm": [4.0],
            "seed": 5,
            "conditions": Conditions.model_validate(conditions).model_dump(mode="json"),
        }
        return path, settings

    return make


@pytest.mark.parametrize(
    "conditions",
    [
        pytest.param({}, id="ideal"),
        pytest.param(
            {
                "defocus_angstrom": 40,
                "coma_angstrom": 200,
                "source_fwhm_angstrom": 1.2,
            },
            id="illumination",
        ),
        pytest.param({"tilt_mrad": 3}, id="tilt"),
        pytest.param(
            {
                "rotation_deg": 2,
                "camera_length_error": 0.02,
                "shift_pixels": 0.5,
                "ellipticity": 0.02,
            },
            id="detector",
        ),
    ],
)
def test_emulated_patterns_are_those_of_the_scattering_matrix(
    specimen, crystal, conditions, tmp_path
):
    """Two engines: a scan joined by the source, and interpolated plane waves."""
    structure, settings = specimen(conditions, positions=(16, 16))
    output = tmp_path / "x.nc"
    emulate_specimen(structure, output, settings)
    read = Specimen.read(structure, settings)
    drawn = drawn_for(settings["conditions"], read.simulate, settings["seed"])
    matrix = compute_scattering_matrix(
        crystal("RU"), [4.0], microscope(), cells=(3, 3), margin_mrad=3.1, reach_mrad=46
    )
    eye = VirtualMicroscope(matrix, read.simulate.detector)
    ours = eye.measure(read.grid.positions, [4.0], drawn.optics, camera=drawn.camera)[0]
    with xr.open_dataset(output) as data:
        theirs = data["intensity"].values[0].reshape(ours.shape)
        assert json.loads(data.attrs["conditions"]) == json.loads(json.dumps(drawn.described()))
        assert data.attrs["engine"] == "multislice"
    # a tilt between the waves of a field of three cells samples the aperture's edge elsewhere
    assert relative(ours, theirs) < (6e-2 if "tilt_mrad" in conditions else 1e-4)
    ideal = Optics(drawn.optics.semiangle_mrad)
    plain = eye.measure(read.grid.positions, [4.0], ideal)[0]
    assert not conditions or relative(plain, theirs) > 0.15, "the conditions show"


def test_moving_atoms_are_averaged_over_all_configurations(specimen, tmp_path):
    structure, settings = specimen({"source_fwhm_angstrom": 1.2}, phonons=4)
    emulate_specimen(structure, tmp_path / "a.nc", settings)
    again = {**settings, "seed": 6}
    emulate_specimen(structure, tmp_path / "b.nc", again)
    with xr.open_dataset(tmp_path / "a.nc") as a, xr.open_dataset(tmp_path / "b.nc") as b:
        first, second = (x["intensity"].values[0].mean((0, 1)) for x in (a, b))
    difference = relative(first, second)
    assert 1e-3 < difference < 0.15, "other displacements, near the same mean"


def test_source_narrower_than_the_scan_resolves_is_refused(specimen, tmp_path):
    structure, settings = specimen({"source_fwhm_angstrom": 0.3}, positions=(4, 4))
    with pytest.raises(PolarstemError, match=r"simulate\.scan\.positions"):
        emulate_specimen(structure, tmp_path / "x.nc", settings)
    assert not (Path(tmp_path) / "x.nc").exists()


def test_defocus_spreads_over_the_configurations(specimen, crystal, tmp_path):
    """The scattering matrix with the same spread is nearest; atoms are as good as at rest."""
    conditions = {"source_fwhm_angstrom": 1.2, "defocus_spread_angstrom": 50}
    structure, settings = specimen(conditions, positions=(8, 8), phonons=32, scale=1e-4)
    emulate_specimen(structure, tmp_path / "x.nc", settings)
    read = Specimen.read(structure, settings)
    optics = drawn_for(settings["conditions"], read.simulate, settings["seed"]).optics
    assert optics.defocus_spread == 50
    # of a field so large that copies of the probe do not matter
    matrix = compute_scattering_matrix(crystal("RU"), [4.0], microscope(), cells=(9, 9))
    eye = VirtualMicroscope(matrix, read.simulate.detector)
    with xr.open_dataset(tmp_path / "x.nc") as data:
        found = data["intensity"].values[0].reshape(-1, 36, 36)

    def apart(factor: float) -> float:
        spread = replace(optics, defocus_spread=50 * factor)
        expected = eye.measure(read.grid.positions, [4.0], spread)[0].numpy()
        return float(np.abs(found - expected).sum() / expected.sum())

    assert min((0.0, 0.5, 1.0, 2.0, 10.0), key=apart) == 1.0
    assert apart(1.0) < 0.6 * min(apart(0.0), apart(10.0))
