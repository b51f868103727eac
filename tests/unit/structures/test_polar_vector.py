# SPDX-License-Identifier: GPL-3.0-or-later
"""Crystals whose polar vector points anywhere, beside templates, symmetry and labels."""

from __future__ import annotations

import math
from itertools import permutations, product

import numpy as np
import pytest

from polarstem.errors import PolarstemError
from polarstem.structures.build import build_specimen
from polarstem.structures.crystals import load_material
from polarstem.structures.polar_mode import MOST_AMPLITUDE, PolarMode, displacements
from polarstem.structures.polar_vector import (
    displaced_cell,
    nearest_class,
    vector_settings,
)
from polarstem.structures.recipes import make_recipe
from polarstem.structures.templates import BOND_AXES
from polarstem.structures.variants import classes, phase_variants

STRUCTURE = {
    **{"material": "KNN", "phase": "O", "zone_axis": (0, 0, 1), "a_site": "virtual"},
    **{"name": "v", "specimen_set": "v", "split": "all", "seed": 1, "cells": (2, 2)},
    "thickness_nm": 0.8,
}


def of_b(shifts: np.ndarray) -> np.ndarray:
    """Displacement of B against the mean of its oxygens [pm]."""
    return 100 * (shifts[1] - shifts[2:].mean(0))


@pytest.mark.parametrize(("material", "phase"), [("KNN", "T"), ("KNN", "R"), ("BaTiO3", "T")])
def test_templates_of_t_and_r_are_met_in_all_variants(material, phase):
    mode = PolarMode.of(material, phase)
    assert mode.misfit_pm < 1e-9
    for variant in phase_variants(phase):
        axis = np.array(variant) / math.hypot(*variant)
        found = mode.displacements(mode.full_pm * axis)
        wanted = displacements(load_material(material), phase, variant)
        np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_template_of_o_is_met_as_nearly_as_a_linear_mode_can():
    mode, material = PolarMode.of("KNN", "O"), load_material("KNN")
    assert mode.full_pm == pytest.approx(20.0)  # of O (2 x 19.6 + 20.8) / 3 pm against B
    assert mode.misfit_pm == pytest.approx(0.822, abs=1e-3)

    def misfit(tensors):
        apart = []
        for variant in phase_variants("O"):
            axis = np.array(variant) / math.hypot(*variant)
            apart.append(
                tensors * axis * mode.full_pm - 100 * displacements(material, "O", variant)
            )
        return math.sqrt(np.square(apart).sum(-1).mean())

    assert misfit(mode.tensors) == pytest.approx(mode.misfit_pm)
    bonds = np.eye(3, dtype=bool)[list(BOND_AXES)]
    for which in (bonds, ~bonds):
        for change in (0.01, -0.01):
            other = mode.tensors.copy()
            other[2:][which] += change
            assert misfit(other) > mode.misfit_pm


def test_vector_is_the_displacement_of_b_against_its_oxygens():
    mode = PolarMode.of("KNN", "O")
    for vector in np.random.default_rng(2).normal(size=(5, 3)) * 8:
        shifts = mode.displacements(vector)
        np.testing.assert_allclose(of_b(shifts), vector, atol=1e-9)
        np.testing.assert_allclose(mode.displacements(-vector), -shifts)
        np.testing.assert_allclose(mode.displacements(vector / 2), shifts / 2)
    masses = np.array([(39.098 + 22.990) / 2, 92.906, *[15.999] * 3])
    np.testing.assert_allclose(masses @ mode.displacements([9, 4, -6]), 0, atol=1e-4)


def test_turns_of_the_cube_turn_the_cell():
    mode, vector = PolarMode.of("KNN", "T"), np.array([11.0, 4.0, -2.0])
    for order in permutations(range(3)):
        for signs in product((1, -1), repeat=3):
            found = mode.displacements((vector * signs)[list(order)])
            wanted = (mode.displacements(vector) * signs)[:, list(order)]
            # the oxygen of a turned bond is another
            oxygens = [2 + axis for axis in order]
            np.testing.assert_allclose(found, wanted[[0, 1, *oxygens]], atol=1e-12)


def test_cell_follows_the_screen():
    right, up, beam = 7.0, 3.0, -5.0
    shifts = displaced_cell("KNN", "T", (right, up, beam), (1, 1, 0))
    x, y, z = np.array([-1, 1, 0]) / math.sqrt(2), np.eye(3)[2], np.array([1, 1, 0]) / math.sqrt(2)
    np.testing.assert_allclose(of_b(shifts), right * x + up * y + beam * z, atol=1e-9)


@pytest.mark.parametrize("zone_axis", [(0, 0, 1), (1, 1, 0)])
def test_specimen_has_the_vector(zone_axis):
    vector = (6.0, -9.0, 2.0)
    structure = STRUCTURE | {"zone_axis": zone_axis}
    atoms = build_specimen(make_recipe(**vector_settings(structure, vector)))
    cubic = build_specimen(make_recipe(**vector_settings(structure, (0.0, 0.0, 0.0))))
    moved = 100 * (atoms.positions - cubic.positions)
    mean = {e: moved[atoms.symbols == e].mean(0) for e in ("Nb", "O")}
    np.testing.assert_allclose(mean["Nb"] - mean["O"], vector, atol=1e-6)
    assert atoms.info["polar_vector_pm"] == list(vector)
    assert atoms.info["amplitude"] == pytest.approx(11 / 20)
    # polarization points the same way, as its charges are those of a cubic crystal
    along = np.array(atoms.info["polarization_uC_cm2"])
    assert along @ vector / np.linalg.norm(along) / 11 == pytest.approx(1)


def test_class_is_that_of_the_nearest_variant():
    for entry in classes("O", (0, 0, 1), end_on=True):
        for variant in entry.variants:
            assert nearest_class("O", variant, (0, 0, 1)) == (entry, variant)
    found, variant = nearest_class("O", (10.0, 8.0, 1.0), (0, 0, 1))
    assert (found.name, variant) == ("RU", (1, 1, 0))
    found, variant = nearest_class("T", (1.0, 2.0, 9.0), (0, 0, 1))
    assert (found.name, variant) == ("END", (0, 0, 1))


def test_amplitudes_end_where_they_are_said_to():
    mode = PolarMode.of("KNN", "O")
    assert MOST_AMPLITUDE == 1.4
    mode.displacements([1.4 * 20.0, 0, 0])
    with pytest.raises(PolarstemError, match=r"28\.1 pm is longer than 1\.4 times the 20 pm"):
        mode.displacements([28.1, 0, 0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"polar_vector_pm": (1.0, 2.0)}, "must be three numbers"),
        ({"polar_vector_pm": (1.0, 2.0, math.nan)}, "must be three numbers"),
        ({"metric": "phase"}, "needs metric cubic"),
    ],
)
def test_vectors_that_no_specimen_can_have(changes, message):
    settings = vector_settings(STRUCTURE, (5.0, 0.0, 0.0)) | changes
    with pytest.raises(PolarstemError, match=message):
        make_recipe(**settings)


def test_template_that_leaves_b_in_its_cage_has_no_vector():
    material = load_material("BaTiO3").model_dump(exclude_none=True)
    material["template"]["T"] = {"A": 5.0, "O_parallel": 0.0, "O_perpendicular": 0.0}
    with pytest.raises(PolarstemError, match="does not displace B"):
        PolarMode.of(material, "T")
