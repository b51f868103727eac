# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions drawn at random, and specimens under them by either engine."""

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
from polarstem.simulate.microscope.drawn_conditions import draw, drawn_for
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.structures.build import write_specimen

ALL = {
    "tilt_mrad": [1, 3],
    "defocus_angstrom": [-60, 40],
    "astigmatism_angstrom": [5, 20],
    "coma_angstrom": [0, 300],
    "trefoil_angstrom": [0, 200],
    "spherical_angstrom": [-2e4, 1e4],
    "source_fwhm_angstrom": [0.5, 1.0],
    "defocus_spread_angstrom": [0, 20],
    "camera_length_error": [-0.02, 0.02],
    "rotation_deg": [-2, 2],
    "ellipticity": [0, 0.02],
    "shift_pixels": [0, 0.4],
    "psf_pixels": [0.1, 0.6],
    "background": [0, 0.05],
    "gain_spread": [0.01, 0.02],
    "dead_fraction": [0.05, 0.1],
    "dose_electrons": [1e3, 1e5],
}


def draws(conditions, count=400):
    section, simulate = Conditions.model_validate(conditions), microscope()
    random = np.random.default_rng(1)
    return [draw(section, simulate, random) for _ in range(count)]


def test_draws_keep_to_their_ranges_and_fill_them():
    drawn = draws(ALL)
    quantities = {
        "tilt_mrad": [np.hypot(*d.optics.tilt_mrad) for d in drawn],
        "defocus_angstrom": [-d.optics.aberrations["C10"] for d in drawn],
        "astigmatism_angstrom": [d.optics.aberrations["C12"] for d in drawn],
        "spherical_angstrom": [d.optics.aberrations["C30"] for d in drawn],
        "source_fwhm_angstrom": [d.optics.source_fwhm for d in drawn],
        "rotation_deg": [d.camera.rotation_deg for d in drawn],
        "camera_length_error": [d.camera.mrad_per_pixel / 2.2 - 1 for d in drawn],
        "shift_pixels": [np.hypot(*d.camera.shift_pixels) for d in drawn],
        "psf_pixels": [d.camera.psf_pixels for d in drawn],
        "background": [d.camera.background for d in drawn],
        "dead_fraction": [d.camera.dead.mean() for d in drawn],
        "dose_electrons": [d.dose for d in drawn],
    }
    for name, values in quantities.items():
        low, high = ALL[name]
        slack = 0.04 if name == "dead_fraction" else 1e-9  # a number of pixels
        assert low - slack <= min(values) < low + 0.2 * (high - low), name
        assert high - 0.2 * (high - low) < max(values) <= high + slack, name
    # even over the area of the ring, and over the logarithm of the dose
    assert np.median(quantities["tilt_mrad"]) == pytest.approx(np.sqrt(5), abs=0.15)
    assert np.median(quantities["dose_electrons"]) == pytest.approx(1e4, rel=0.4)
    azimuths = np.array([np.arctan2(*d.optics.tilt_mrad[::-1]) for d in drawn])
    assert abs(np.exp(1j * azimuths).mean()) < 0.12


def test_a_number_is_a_fixed_value_and_nothing_is_the_ideal_microscope():
    (one,) = draws({"tilt_mrad": 2.0, "dose_electrons": 300}, 1)
    assert np.hypot(*one.optics.tilt_mrad) == pytest.approx(2.0)
    assert one.dose == pytest.approx(300)
    (ideal,) = draws({}, 1)
    assert ideal.optics == replace(ideal.optics, aberrations={}, tilt_mrad=(0.0, 0.0))
    patterns = np.random.default_rng(0).random((2, 36, 36), np.float32)
    np.testing.assert_array_equal(ideal.exposed(patterns, seed=1), patterns)


def test_one_factor_leaves_the_draws_of_the_others_alone():
    (some,) = draws(ALL, 1)
    (others,) = draws({**ALL, "tilt_mrad": 0, "psf_pixels": 0.3}, 1)
    assert some.optics.aberrations == others.optics.aberrations
    assert some.camera.rotation_deg == others.camera.rotation_deg
    assert some.dose == others.dose


def test_description_is_plain():
    (some,) = draws(ALL, 1)
    told = json.loads(json.dumps(some.described()))
    assert told["dose_electrons"] == some.dose
    assert told["dead_pixels"] == some.camera.dead.sum()


@pytest.fixture
def specimen(crystal, tmp_path):
    """A structure file of a static virtual crystal, and settings to emulate it with."""

    def make(conditions, positions=(6, 6), phonons=0):
        atoms = crystal("RU", thickness_nm=4.0).atoms
        path = tmp_path / "x.xyz"
        write_specimen(atoms, path)
        simulate = microscope(
            scan={"positions": list(positions), "offset": "random"},
            phonons={"configurations": phonons},
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
