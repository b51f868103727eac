# SPDX-License-Identifier: GPL-3.0-or-later
"""Thermal amplitudes at the temperature of each phase."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from ase.data import atomic_masses, atomic_numbers
from scipy import constants

from polarstem.errors import PolarstemError
from polarstem.structures.build import build_specimen
from polarstem.structures.crystals import CRYSTALS, load_material
from polarstem.structures.scenes.build import build_scene
from polarstem.structures.scenes.recipe import make_scene
from polarstem.structures.thermal_motion import einstein_temperature, rms_displacements

PAGE = Path(__file__).parents[3] / "docs" / "crystals.md"
KNN = load_material("KNN")


def of_levels(theta: float, mass: float, kelvin: float) -> float:
    """Mean square displacement of an oscillator, summed over its levels [Å^2]."""
    levels = np.arange(5000)
    share = np.exp(-levels * theta / kelvin)
    energy = constants.k * theta * (levels + 0.5) @ share / share.sum()
    omega = constants.k * theta / constants.hbar
    # half of the energy is potential: m omega^2 <u^2> / 2
    return energy / (mass * constants.atomic_mass * omega**2) * 1e20


@pytest.mark.parametrize(("phase", "kelvin"), [("T", 520.0), ("R", 100.0)])
def test_amplitudes_are_those_of_oscillators_that_fit_at_300_kelvin(phase, kelvin):
    found = rms_displacements(KNN, phase)
    for element, room in KNN.debye_waller_rms_angstrom.items():
        mass = atomic_masses[atomic_numbers[element]]
        theta = einstein_temperature(room, mass, 300.0)
        assert 50 < theta < 500
        assert of_levels(theta, mass, 300.0) == pytest.approx(room**2, rel=1e-5)
        assert of_levels(theta, mass, kelvin) == pytest.approx(found[element] ** 2, rel=1e-5)
        # between the square root of T and nothing: zero-point motion stays
        classical = room * math.sqrt(kelvin / 300)
        assert (found[element] > classical) if kelvin < 300 else (found[element] < classical)
        assert found[element] == pytest.approx(classical, rel=0.3)


def test_at_300_kelvin_they_are_the_given_ones_to_the_last_digit(recipe):
    given = {"K": 0.104, "Na": 0.115, "Nb": 0.075, "O": 0.091}
    assert rms_displacements(KNN, "O") == given
    assert build_specimen(recipe()).info["debye_waller_rms_angstrom"] == given
    for name in ("BaTiO3", "PbTiO3"):
        material = load_material(name)
        assert rms_displacements(material, "T") == material.debye_waller_rms_angstrom


@pytest.mark.parametrize("phase", ["T", "R"])
def test_specimens_and_scenes_move_as_their_phase_does(recipe, phase):
    expected = rms_displacements(KNN, phase)
    assert all(expected[e] != KNN.debye_waller_rms_angstrom[e] for e in expected)
    variant = {"T": (1, 0, 0), "R": (1, 1, 1)}[phase]
    specimen = build_specimen(recipe(phase=phase, variant=variant))
    assert specimen.info["debye_waller_rms_angstrom"] == expected
    settings = {"kind": "vortex", "name": "v", "material": "KNN", "thickness_nm": 0.4}
    scene = build_scene(make_scene(settings | {"phase": phase, "cells": [2, 2]}))
    assert scene.info["debye_waller_rms_angstrom"] == expected


def test_a_material_without_temperatures_is_one_of_300_kelvin():
    mapping = KNN.model_dump(exclude_unset=True)
    del mapping["temperature_kelvin"]
    for phase in ("T", "O", "R"):
        assert rms_displacements(load_material(mapping), phase) == KNN.debye_waller_rms_angstrom
    still = mapping | {"debye_waller_rms_angstrom": {"K": 0, "Na": 0.1, "Nb": 0, "O": 0}}
    found = rms_displacements(load_material(still | {"temperature_kelvin": {"T": 600}}), "T")
    assert found["K"] == 0 < 0.1 < found["Na"]


@pytest.mark.parametrize(
    ("temperatures", "message"),
    [({"T": 0}, "temperature_kelvin.T: 0"), ({"R": 100}, "temperature_kelvin names R, which has")],
)
def test_wrong_temperatures_are_told(temperatures, message):
    lead = load_material("PbTiO3").model_dump(exclude_unset=True)
    with pytest.raises(PolarstemError, match=message):
        load_material(lead | {"temperature_kelvin": temperatures})


def test_the_page_tells_the_amplitudes():
    text = PAGE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (K|Na|Nb|O) \| (.+) \|$", text, re.MULTILINE))
    assert set(rows) == set(KNN.debye_waller_rms_angstrom)
    for element, row in rows.items():
        told = [float(cell) for cell in row.split(" | ")]
        found = [8 * math.pi**2 * rms_displacements(KNN, p)[element] ** 2 for p in ("R", "O", "T")]
        assert told == pytest.approx(found, abs=0.0051)
    assert "temperature_kelvin" in CRYSTALS.read_text(encoding="utf-8")
