# SPDX-License-Identifier: GPL-3.0-or-later
"""Thermal motion: as far as it is asked for, and no further for the grid.

``pytest --log-cli-level=INFO`` on this file tells the measured B of each element.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from potential_cases import effective_b, pile_of

from polarstem.config.physics import Phonons, Simulate
from polarstem.simulate.potential.frozen_phonons import (
    displaced,
    thermal_columns,
    thermal_configurations,
)
from polarstem.simulate.potential.projection import projected_potential

ELEMENTS = ("K", "Na", "Nb", "O")
STANDARD = 40  # pixels per cell
ATOMS, CONFIGURATIONS = 10_000, 20
logger = logging.getLogger("polarstem.tests")


def microscope(**settings) -> Simulate:
    phonons = {"configurations": CONFIGURATIONS}
    return Simulate.model_validate({"pixels_per_cell": STANDARD, "phonons": phonons, **settings})


@pytest.mark.parametrize("symbol", ELEMENTS)
def test_effective_b_is_the_one_asked_for(crystal, symbol):
    """Within 2 %, of which chance has 0.6 % at the most (six seeds)."""
    specimen = crystal("RU", cells=(1, 1), thickness_nm=0.4)
    wanted = 8 * np.pi**2 * specimen.rms_displacement[symbol] ** 2
    found = effective_b(specimen, symbol, microscope(), ATOMS, seed=1)
    logger.info("%s: B = %.4f Å^2, asked for %.4f: %+.2f %%", symbol, found, wanted,
                100 * (found / wanted - 1))  # fmt: skip
    assert found == pytest.approx(wanted, rel=0.02)


def test_atoms_shared_among_pixels_seem_to_move_further(crystal):
    """The projection of abTEM: what the test above can see."""
    specimen = crystal("RU", cells=(1, 1), thickness_nm=0.4)
    wanted = 8 * np.pi**2 * specimen.rms_displacement["Nb"] ** 2
    settings = microscope(projection="abtem")
    assert effective_b(specimen, "Nb", settings, ATOMS, seed=1) > 1.1 * wanted


@pytest.mark.parametrize("symbol", ["Nb", "O"])
def test_mean_potential_is_the_smeared_one(crystal, symbol):
    """Frozen phonons against Debye and Waller's factor, point by point."""
    pile = pile_of(crystal("RU", cells=(1, 1), thickness_nm=0.4), symbol, ATOMS)
    settings = microscope()
    mean = np.mean(
        [
            projected_potential(pile, atoms, settings, [1]).array[0]
            for atoms in thermal_configurations(pile, settings.phonons, 2)
        ],
        axis=0,
    )
    smeared, still = (
        projected_potential(pile, pile.atoms, settings, [1], scale).array[0] for scale in (1.0, 0.0)
    )
    assert np.abs(mean - smeared).max() < 0.01 * smeared.max()
    assert np.abs(still - smeared).max() > 0.2 * smeared.max()


def test_displacements_have_the_width_asked_for_and_leave_the_height(crystal):
    specimen = crystal("RU", cells=(1, 1), thickness_nm=0.4)
    for symbol in ELEMENTS:
        pile = pile_of(specimen, symbol, 40_000)
        moved = displaced(pile, 1.5, seed=3).positions - pile.atoms.positions
        expected = 1.5 * specimen.rms_displacement[symbol]
        assert moved[:, :2].std(axis=0) == pytest.approx(expected, rel=0.015)
        assert np.abs(moved[:, :2].mean(axis=0)).max() < 0.03 * expected
        assert abs(np.corrcoef(*moved[:, :2].T)[0, 1]) < 0.03
        assert (moved[:, 2] == 0).all()


def test_a_virtual_atom_moves_as_its_composition_does_on_average(crystal):
    specimen = crystal("RU", cells=(1, 1), thickness_nm=0.4)
    pile = replace(pile_of(specimen, "K", 20_000), occupancy=specimen.occupancy)
    [moved] = thermal_configurations(pile, Phonons(configurations=1), 4)
    shares, rms = specimen.occupancy["K"], specimen.rms_displacement
    expected = sum(share * rms[symbol] for symbol, share in shares.items())
    assert (moved.positions - pile.atoms.positions)[:, :2].std() == pytest.approx(
        expected, rel=0.015
    )
    assert rms["K"] < 0.97 * expected < 0.97**2 * rms["Na"]


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def test_every_configuration_is_another(crystal):
    specimen = crystal("RU", thickness_nm=8.0)
    phonons = Phonons(configurations=4)

    def displacements(seed):
        return [
            (atoms.positions - specimen.atoms.positions)[:, :2]
            for atoms in thermal_configurations(specimen, phonons, seed)
        ]

    first, again, other = displacements(5), displacements(5), displacements(6)
    np.testing.assert_array_equal(first, again)
    for i, one in enumerate(first):
        for later in [*first[i + 1 :], *other]:
            assert abs(correlation(one, later)) < 0.1


def test_every_column_is_another(crystal):
    recipe = {
        "material": "KNN", "name": "test", "specimen_set": "test", "split": "train",
        "class_index": 0, "class_name": "RM", "direction_deg": 0.0, "variant": (1, 0, 0),
        "phase": "T", "zone_axis": (0, 0, 1), "a_site": "random", "cells": (1, 1),
        "thickness_nm": 40.0, "seed": 3,
    }  # fmt: skip
    moving, still = (list(thermal_columns(recipe, 3, scale)) for scale in (1.0, 0.0))
    moved = [
        (a.atoms.positions - b.atoms.positions)[:, :2] for a, b in zip(moving, still, strict=True)
    ]
    for i, one in enumerate(moved):
        for j in range(i):
            assert abs(correlation(one, moved[j])) < 0.15
            assert (moving[i].atoms.numbers != moving[j].atoms.numbers).mean() > 0.05
