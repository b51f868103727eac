# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns of displaced crystals between those that are simulated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from displaced_cases import raster

from polarstem.displacements.displaced_crystals import (
    DisplacedCrystals,
    between_places,
    powers,
    slopes,
)
from polarstem.displacements.microscope_conditions import (
    NAMES,
    OF_CAMERA,
    OF_OPTICS,
    at_start,
    farther,
)

_NEAR = {
    **dict.fromkeys((*OF_OPTICS, *OF_CAMERA), 0.1),  # one-sided, at the nearest plane
    **dict.fromkeys(("tilt_x", "tilt_y"), 0.2),
    **dict.fromkeys(("thickness", "place_x", "place_y", "source"), 0.015),
}


def conditions(crystals: DisplacedCrystals, **changes: float) -> np.ndarray:
    found = at_start(np.array([0.4, -0.7]), float(crystals.thickness_nm[2]))
    for name, value in changes.items():
        found[NAMES.index(name)] = value
    return found


def apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).sum() / np.abs(other).sum())


@pytest.mark.parametrize("share", [(0.5, -1.0), (-0.33, 0.71), (0.0, 0.0)])
def test_patterns_are_those_of_crystals_built_for_the_displacement(
    crystals: DisplacedCrystals, directly: Any, share: tuple[float, float]
) -> None:
    here = conditions(crystals, C10=-20.0, C12_cos=8.0, C12_sin=-5.0, C21_sin=60.0, source=0.6)
    surface, fractions = crystals.surface(here), raster()
    between = np.tensordot(powers(np.array(share)), surface, axes=1)
    found = between_places(fractions) @ between
    shift = (share[0] * crystals.reach_pm, share[1] * crystals.reach_pm)
    expected = directly(shift, fractions, here)
    other = directly((-shift[0], -shift[1]), fractions, here)
    assert apart(found, expected) < 2e-3
    if any(share):
        assert apart(other, expected) > 0.03, "the other sign is another pattern"


def test_coarse_surfaces_are_near_the_fine_ones(crystals: DisplacedCrystals) -> None:
    here = conditions(crystals)
    at = np.array([0.4, 0.3])
    fine = np.tensordot(powers(at), crystals.surface(here), axes=1)
    coarse = np.tensordot(powers(at, 2), crystals.surface(here, coarse=True), axes=1)
    assert apart(coarse, fine) < 0.02


def test_thickness_lies_between_planes(crystals: DisplacedCrystals) -> None:
    low, high = crystals.thickness_nm[1:3]
    one, two, between = (
        crystals.surface(conditions(crystals, thickness=float(nm)), coarse=True)
        for nm in (low, high, low + 0.25 * (high - low))
    )
    np.testing.assert_allclose(between, 0.75 * one + 0.25 * two, atol=1e-6)


def test_a_tilt_beyond_what_is_simulated_is_the_largest_one(crystals: DisplacedCrystals) -> None:
    far, largest, other = (
        crystals.surface(conditions(crystals, tilt_x=x, tilt_y=y), coarse=True)
        for x, y in ((0.0, -9.0), (0.0, -1.5), (0.0, 1.5))
    )
    np.testing.assert_allclose(far, largest, atol=1e-6)
    assert np.abs(far - other).max() > 1e-4


def test_slopes_are_those_of_the_powers() -> None:
    at, step = np.array([0.3, -0.6]), 1e-5
    for axis, along in enumerate(np.eye(2) * step):
        difference = (powers(at + along) - powers(at - along)) / (2 * step)
        np.testing.assert_allclose(slopes(at)[axis], difference, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_are_differences_of_surfaces(crystals: DisplacedCrystals, name: str) -> None:
    changes = {"C12_cos": 8.0, "C21_sin": 60.0, "source": 0.6, "rotation": 0.4, "blur": 0.5}
    between = float(crystals.thickness_nm[2]) + 0.1
    here = conditions(crystals, thickness=between, place_x=0.05, **changes)
    step = {**OF_OPTICS, **OF_CAMERA, "thickness": 0.05, "source": 0.02}.get(name, 0.01) / 2
    behind, ahead = (
        crystals.surface(farther(here, name, way * step), coarse=True) for way in (-1, 1)
    )
    expected = (ahead - behind) / (2 * step)
    found = crystals.derivatives(here)[NAMES.index(name)]
    assert apart(found, expected) < _NEAR[name]
