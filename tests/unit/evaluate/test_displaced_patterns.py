# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns of displaced crystals: derivatives, symmetry, and fits that know nothing of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from polarstem.config.physics import wavelength
from polarstem.config.vector_bound import PARAMETERS
from polarstem.evaluate.limit.count_fit import draw_counts, error_ratio, fit_counts
from polarstem.evaluate.limit.displaced_patterns import DisplacedPatterns, Expansion
from polarstem.evaluate.limit.vector_bound import (
    component_error,
    displacement_covariance,
    fisher_information,
)
from polarstem.structures.symmetry import IDENTITY

NUISANCE = list(PARAMETERS)[2:]
SETTINGS: dict[str, Any] = {
    "structure": {"material": "KNN", "phase": "O", "zone_axis": (0, 0, 1)},
    "simulate": {"pixels_per_cell": 24, "detector": {"pixels": 24, "mrad_per_pixel": 3.5}},
    **{"thermal_scale": 1.0, "cells": [4, 4], "thicknesses_nm": [12.0], "positions": 4},
}
VECTOR = (15.0, 6.0, 0.0)


def cell_information(expansion: Expansion) -> np.ndarray:
    """Of a cell at the only thickness, shape (parameter, parameter)."""
    return fisher_information(expansion.patterns, expansion.slopes).mean(1)[0]


@pytest.fixture(scope="module")
def patterns() -> DisplacedPatterns:
    return DisplacedPatterns(SETTINGS)


@pytest.fixture(scope="module")
def information(patterns) -> Mapping[tuple[float, ...], np.ndarray]:
    """Of a cell: undisplaced, displaced, and turned by 90 degrees."""
    x, y, _ = VECTOR
    vectors = [(0.0, 0.0, 0.0), VECTOR, (-y, x, 0.0)]
    return {vector: cell_information(patterns.expansion(vector)) for vector in vectors}


def test_tilted_crystal_is_a_tilted_beam(patterns):
    """By one sample of the aperture, where both are exact; the other sign is another pattern."""
    step = 1e3 * math.atan(wavelength(200.0) / (4 * patterns.cell[0]))
    for name, tilt in (("tilt_x", [step, 0.0]), ("tilt_y", [0.0, step])):
        simulate = {**SETTINGS["simulate"], "tilt_mrad": tilt}
        beam = DisplacedPatterns({**SETTINGS, "simulate": simulate}).expected(VECTOR)
        for sign, near in ((1, True), (-1, False)):
            crystal = patterns.expected(VECTOR, {name: sign * step})
            apart = (np.abs(crystal - beam).sum(-1) / beam.sum(-1)).max()
            # waves end at other angles to the beam in the two, which a coarse grid shows
            assert apart < 0.01 if near else apart > 0.1


def test_positions_and_thicknesses_are_those_measured_directly(patterns):
    """Bin centres from the top of the cell; a period more is a period more."""
    assert patterns.positions[0] == pytest.approx(np.array([0.125, -0.125]) * patterns.cell[0])
    assert patterns.positions[-1] == pytest.approx(np.array([0.875, -0.875]) * patterns.cell[0])
    period = patterns.cell[2] / 10
    thicker = DisplacedPatterns(SETTINGS, [12.0 + period]).expected(VECTOR)
    np.testing.assert_allclose(
        patterns.expected(VECTOR, {"thickness": period}), thicker, rtol=1e-5, atol=1e-9
    )
    moved = patterns.expected(VECTOR, {"x": patterns.cell[0] / 4}).reshape(4, 4, -1)
    still = patterns.expected(VECTOR).reshape(4, 4, -1)
    np.testing.assert_allclose(moved[:, :-1], still[:, 1:], rtol=1e-3, atol=1e-8)


def test_undisplaced_cell_tells_all_directions_alike(information):
    fisher = information[0.0, 0.0, 0.0]
    for nuisance in ((), NUISANCE):
        (xx, xy), (_, yy) = displacement_covariance(fisher, nuisance)
        assert xx == pytest.approx(yy, rel=1e-3)
        assert abs(xy) < 1e-3 * xx
    # displaced it does not
    (xx, xy), (_, yy) = displacement_covariance(information[VECTOR])
    assert abs(xx - yy) + abs(xy) > 0.05 * xx


def test_turned_crystal_has_the_turned_matrix(information):
    x, y, _ = VECTOR
    quarter = np.array([[0.0, -1.0], [1.0, 0.0]])
    for nuisance in ((), NUISANCE):
        own = displacement_covariance(information[VECTOR], nuisance)
        turned = displacement_covariance(information[-y, x, 0.0], nuisance)
        np.testing.assert_allclose(
            turned, quarter @ own @ quarter.T, rtol=2e-3, atol=1e-3 * own[0, 0]
        )


def test_shared_matrices_give_what_each_crystal_of_its_own_gives(information):
    """Without the turns that map crystals onto one another."""
    alone = DisplacedPatterns(SETTINGS)
    alone.turns = (IDENTITY,)
    x, y, _ = VECTOR
    found = cell_information(alone.expansion((-y, x, 0.0)))
    scale = np.sqrt(np.outer(np.diag(found), np.diag(found)))
    np.testing.assert_allclose(found / scale, information[-y, x, 0.0] / scale, rtol=0, atol=2e-3)


def test_halved_steps_change_nothing_that_matters(patterns, information):
    fine = cell_information(patterns.expansion(VECTOR, finer=2.0))
    coarse = information[VECTOR]
    np.testing.assert_allclose(np.diag(fine), np.diag(coarse), rtol=0.01)
    for nuisance in ((), NUISANCE):
        errors = [component_error(displacement_covariance(f, nuisance)) for f in (fine, coarse)]
        assert errors[0] == pytest.approx(errors[1], rel=0.01)


def test_thickness_slope_is_that_of_a_curve_through_many_planes(patterns):
    """Periods are too coarse for a difference of two of them."""
    slope = patterns.expansion(VECTOR).slopes[list(PARAMETERS).index("thickness"), 0]
    period = patterns.cell[2] / 10
    steps = np.arange(-4, 5)
    nm = [(patterns.periods[0] + step) * period for step in steps]
    planes = DisplacedPatterns(SETTINGS, nm).expected(VECTOR)
    curve = np.polynomial.Polynomial.fit
    flat = planes.reshape(len(steps), -1)
    wanted = np.array([curve(steps, values, 8).deriv()(0) for values in flat.T]) / period
    lit = flat[4] > 0

    def size(values: np.ndarray) -> float:
        return float((np.square(values[lit]) / flat[4][lit]).sum())

    assert size(slope.ravel() - wanted) < 2e-5 * size(wanted)
    assert size((flat[5] - flat[3]) / (2 * period) - wanted) > 1e-4 * size(wanted)


def test_length_and_angle_have_the_same_information(patterns, information):
    """Differences along and around the vector, taken for themselves."""
    x, y, _ = VECTOR
    length, angle = math.hypot(x, y), math.atan2(y, x)

    def at(more: float, turn: float) -> np.ndarray:
        size, to = length + more, angle + turn
        return patterns.expected((size * math.cos(to), size * math.sin(to), 0.0))

    step = 0.05
    slopes = np.zeros((len(PARAMETERS), *at(0, 0).shape))
    slopes[0] = at(1, 0) - at(-1, 0)
    slopes[1] = (at(0, step) - at(0, -step)) / step
    polar = fisher_information(at(0, 0), slopes / 2).mean(1)[0, :2, :2]
    cosine, sine = math.cos(angle), math.sin(angle)
    jacobian = np.array([[cosine, -length * sine], [sine, length * cosine]])
    np.testing.assert_allclose(
        polar, jacobian.T @ information[VECTOR][:2, :2] @ jacobian, rtol=0.01
    )


@pytest.mark.parametrize(
    ("unknown", "more"),
    [
        (["ux", "uy"], {"ux": 0.8, "uy": -0.5}),
        (
            ["ux", "uy", *NUISANCE],
            {"ux": 0.8, "uy": -0.5, "defocus": 0.8, "x": 0.006, "y": -0.004, "tilt_x": 0.03},
        ),
    ],
)
def test_fits_to_counts_of_another_crystal_reach_the_bound(patterns, unknown, more):
    """Crystal and conditions are simulated where they are, which the fit does not know."""
    dose, draws = 4e3, 400
    truth = patterns.expected(VECTOR, more)[0]
    whole = patterns.expansion(VECTOR)
    near = Expansion(whole.patterns[0], whole.slopes[:, 0], whole.curvatures[:, 0])
    fisher = fisher_information(near.patterns, near.slopes).sum(0)
    bound = displacement_covariance(dose * fisher, unknown[2:])
    assert 0.2 < component_error(bound) < 1  # pm: the truth is no nearer than what is told
    counts = draw_counts(truth, dose, draws, seed=2)
    errors = fit_counts(counts, near, dose, unknown)[:, :2] - (more["ux"], more["uy"])
    mean = errors.mean(0) / np.sqrt(np.diag(bound) / draws)
    assert np.abs(mean).max() < 4
    found = error_ratio(errors, bound)
    assert found.low < 1 < found.high
