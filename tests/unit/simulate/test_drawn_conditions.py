# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions drawn at random."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scattering_cases import microscope

from polarstem.config.conditions import Conditions
from polarstem.simulate.microscope.drawn_conditions import draw

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
