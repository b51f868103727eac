# SPDX-License-Identifier: GPL-3.0-or-later
"""Drawn aberrations are added to those that are set, as vectors."""

from __future__ import annotations

import numpy as np
import pytest
from scattering_cases import microscope

from polarstem.config.conditions import Conditions
from polarstem.simulate.microscope.drawn_conditions import draw
from polarstem.simulate.microscope.optics import aberration_phase

SET = {
    **{"C10": -30.0, "C30": 1e4, "C12": 40.0, "phi12": 0.5, "C21": 300.0, "phi21": -2.0},
    **{"C23": 150.0, "phi23": 0.9, "C45": 1e5},
}
RANGES = {
    "defocus_angstrom": [20, 40],
    "spherical_angstrom": [5e3, 1e4],
    "astigmatism_angstrom": [20, 60],
    "coma_angstrom": [100, 600],
    "trefoil_angstrom": [50, 300],
}


def phase(aberrations: dict[str, float]) -> np.ndarray:
    y, x = np.mgrid[-3:4, -3:4] * 8e-3
    return aberration_phase(aberrations, np.hypot(x, y), np.arctan2(y, x), 0.025)


@pytest.mark.parametrize("alone", [*RANGES, "all"])
def test_phases_add_up(alone):
    ranges = RANGES if alone == "all" else {alone: RANGES[alone]}
    section = Conditions.model_validate(ranges)
    for seed in range(20):
        both, drawn = (
            draw(section, microscope(aberrations=given), np.random.default_rng(seed)).optics
            for given in (SET, {})
        )
        assert np.abs(phase(drawn.aberrations)).max() > 0.1
        expected = phase(SET) + phase(drawn.aberrations)
        np.testing.assert_allclose(phase(both.aberrations), expected, atol=1e-9)


def test_a_set_azimuth_without_a_size_means_nothing():
    section = Conditions.model_validate({"astigmatism_angstrom": 25})
    one, other = (
        draw(section, microscope(aberrations=given), np.random.default_rng(1)).optics
        for given in ({"phi12": 1.0}, {})
    )
    assert one.aberrations == other.aberrations
