# SPDX-License-Identifier: GPL-3.0-or-later
"""Mixed B sites in potentials, thermal motion and both engines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from mixed_materials import knn_with_tantalum
from potential_cases import direct_sum, pile_of
from scattering_cases import AGREEMENT, both_engines, microscope, places, relative

from polarstem.config.physics import Phonons
from polarstem.errors import PolarstemError
from polarstem.simulate.jobs.measure_patterns import same_crystal
from polarstem.simulate.multislice.abtem_run import simulate_patterns
from polarstem.simulate.potential.frozen_phonons import thermal_columns, thermal_configurations
from polarstem.simulate.potential.projection import projected_potential
from polarstem.simulate.potential.repeating_unit import repeating_unit
from polarstem.structures.symmetry import IDENTITY

MIXED = knn_with_tantalum()
SHARES = {"K": {"K": 0.5, "Na": 0.5}, "Nb": {"Nb": 0.75, "Ta": 0.25}}


@pytest.fixture(scope="module")
def averaged(crystal):
    return crystal("RU", material=MIXED)


def test_both_sites_are_weighted_means_each_smeared_by_its_own(crystal):
    specimen = crystal("RU", material=MIXED, cells=(1, 1), thickness_nm=0.4)
    assert specimen.occupancy == SHARES
    gpts = specimen.grid_points(24)
    found = projected_potential(specimen, specimen.atoms, microscope(), [1], 1.3).array.sum(0)
    smearing = {symbol: 1.3 * u for symbol, u in specimen.rms_displacement.items()}
    expected = direct_sum(specimen.atoms, gpts, SHARES, smearing)
    assert np.abs(found - expected).max() < 3e-6 * expected.max()
    for wrong in ({"K": SHARES["K"]}, {"Nb": SHARES["Nb"]}):
        other = direct_sum(specimen.atoms, gpts, wrong, smearing)
        assert np.abs(found - other).max() > 0.01 * expected.max()


def test_averaged_b_atoms_move_as_their_composition_does(crystal):
    specimen = crystal("RU", material=MIXED, cells=(1, 1), thickness_nm=0.4)
    pile = replace(pile_of(specimen, "Nb", 20_000), occupancy=specimen.occupancy)
    [moved] = thermal_configurations(pile, Phonons(configurations=1), 4)
    rms = specimen.rms_displacement
    expected = 0.75 * rms["Nb"] + 0.25 * rms["Ta"]
    found = (moved.positions - pile.atoms.positions)[:, :2].std()
    assert found == pytest.approx(expected, rel=0.015)
    assert expected < 0.95 * rms["Nb"]


def test_engines_agree_on_averaged_sites(averaged, crystal):
    ours, theirs, _ = both_engines(averaged, microscope(), [4.0])
    assert relative(ours, theirs) < AGREEMENT
    pure = simulate_patterns(crystal("RU"), places(averaged), [4.0], microscope(), seed=0)
    assert relative(pure.intensity, theirs) > 0.02


def test_a_random_b_site_repeats_in_no_plane(crystal, averaged):
    random = crystal("RU", material=MIXED, b_site="random")
    with pytest.raises(PolarstemError, match="b_site `virtual`"):
        repeating_unit(random)
    assert repeating_unit(averaged).repeats == (1, 1, 1)


def test_another_composition_is_another_crystal(averaged, crystal):
    unit = repeating_unit(averaged)
    other = repeating_unit(crystal("RU", material=knn_with_tantalum(0.3)))
    other = replace(other, atoms=unit.atoms)
    assert same_crystal(unit, IDENTITY, unit, flat=True)
    assert not same_crystal(unit, IDENTITY, other, flat=True)


def test_columns_place_b_cations_anew():
    recipe = {
        **{"material": MIXED, "name": "t", "specimen_set": "t", "split": "train"},
        **{"class_index": 0, "class_name": "RM", "direction_deg": 0.0, "variant": (1, 0, 0)},
        **{"phase": "T", "zone_axis": (0, 0, 1), "a_site": "virtual", "b_site": "random"},
        **{"cells": (1, 1), "thickness_nm": 8.0, "seed": 3},
    }
    one, other = thermal_columns(recipe, 2, 1.0)
    assert set(one.occupancy) == {"K"}
    orders = [[s for s in c.atoms.symbols if s in ("Nb", "Ta")] for c in (one, other)]
    assert sorted(orders[0]) == sorted(orders[1]) == ["Nb"] * 15 + ["Ta"] * 5
    assert orders[0] != orders[1]
