# SPDX-License-Identifier: GPL-3.0-or-later
"""Projected potentials: atoms stand where they stand, on the grid that simulations use."""

from __future__ import annotations

import abtem
import ase
import numpy as np
import pytest
from abtem.parametrizations import LobatoParametrization
from potential_cases import direct_sum

from polarstem.config.physics import Simulate
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.potential.projection import projected_potential, projected_slices
from polarstem.simulate.potential.scattering_factors import projected_scattering_factor

STANDARD = Simulate(pixels_per_cell=40)
SINGLE = 3e-6  # of the largest value: single precision and its sums


def one_slice(atoms: ase.Atoms, **changes) -> Crystal:
    """A crystal of one slice, two cells of 4 Å along each side."""
    known = {"repeats": (2, 2, 1), "planes": 1, "lattice_constant": 4.0}
    return Crystal(**{"atoms": atoms, "occupancy": {}, "rms_displacement": {}} | known | changes)


def slice_of(crystal: Crystal, settings: Simulate = STANDARD, scale: float = 0.0) -> np.ndarray:
    slab = projected_potential(crystal, crystal.atoms, settings, [1], scale)
    return np.asarray(slab.array[0], np.float64)


def at_random(symbols: str = "NbO3KNa", seed: int = 0, cell=(8.0, 8.0, 2.0)) -> ase.Atoms:
    atoms = ase.Atoms(symbols, cell=cell, pbc=True)
    places = np.random.default_rng(seed).random((len(atoms), 3))
    # across the edges as well, and all in the one slice
    atoms.positions = (places * (1.4, 1.4, 0.9) - (0.2, 0.2, 0.0)) * cell
    return atoms


def largest(difference: np.ndarray, of: np.ndarray) -> float:
    return float(np.abs(difference).max() / np.abs(of).max())


@pytest.mark.parametrize("cell", [(8.0, 8.0, 2.0), (8.0, 11.3, 2.0)], ids=["square", "oblong"])
def test_a_slice_is_the_direct_sum_over_its_atoms(cell):
    atoms = at_random(cell=cell)
    crystal = one_slice(atoms)
    found = slice_of(crystal)
    expected = direct_sum(atoms, crystal.grid_points(40))
    assert found.shape == expected.shape
    assert largest(found - expected, expected) < SINGLE
    mirrored = atoms.copy()
    mirrored.positions[:, 0] *= -1
    assert largest(direct_sum(mirrored, found.shape) - expected, expected) > 0.1


@pytest.mark.parametrize("symbol", ["H", "O", "K", "Nb", "Pb"])
def test_scattering_factors_are_those_of_abtem(symbol):
    squared = np.linspace(0, 6, 121) ** 2
    with abtem.config.set(precision="float64"):  # rounded parameters nearly cancel: 1e-5 of oxygen
        theirs = LobatoParametrization().projected_scattering_factor(symbol)(squared)
    np.testing.assert_allclose(projected_scattering_factor(symbol, squared), theirs, rtol=2e-7)


@pytest.mark.parametrize("slices", ["planes", "atoms"])
def test_abtem_is_given_the_slices_that_we_make(crystal, slices):
    specimen = crystal("RM", variant=(1, 0, 1), cells=(2, 2), thickness_nm=0.8)
    settings = Simulate(pixels_per_cell=40, slices=slices)
    given = specimen, specimen.atoms, settings, [2], 1.0
    ours, theirs = projected_potential(*given), projected_slices(*given).build(lazy=False)
    assert largest(ours.array - theirs.array, theirs.array) < SINGLE
    assert ours.slice_thickness == pytest.approx(theirs.slice_thickness)


def test_a_shift_by_part_of_a_pixel_turns_phases_alone():
    """A smeared atom would lose amplitude where it stands between pixels."""
    spectra = []
    shift = np.array((0.37, -0.61)) * 8 / 80
    for places in (0.0, shift):
        atoms = at_random()
        atoms.positions[:, :2] += places
        spectra.append(np.fft.fft2(slice_of(one_slice(atoms))))
    still, moved = spectra
    n = len(still)
    order = np.fft.fftfreq(n, 1 / n)
    phases = np.exp(-2j * np.pi * np.add.outer(*(order * s / 8 for s in shift)))
    paired = np.abs(order) < n / 2  # the last frequency stands for both signs
    both = np.ix_(paired, paired)
    scale = np.abs(still).max()
    assert np.abs(moved - still * phases)[both].max() < SINGLE * scale
    # the weakest beams too keep their strength
    assert np.abs(np.abs(moved) - np.abs(still))[both].max() < SINGLE * scale
    assert np.abs(moved - still)[both].max() > 0.03 * scale


def test_a_virtual_site_is_the_weighted_mean_of_pure_crystals():
    shares = {"K": 0.3, "Na": 0.7}
    atoms = at_random("K4NbO3")
    averaged = slice_of(one_slice(atoms, occupancy={"K": shares}))
    pure = {}
    for symbol in shares:
        exchanged = atoms.copy()
        exchanged.symbols[atoms.symbols == "K"] = symbol
        pure[symbol] = slice_of(one_slice(exchanged))
    mean = sum(share * pure[symbol] for symbol, share in shares.items())
    assert largest(averaged - mean, mean) < SINGLE
    assert largest(averaged - (pure["K"] + pure["Na"]) / 2, mean) > 0.01


def test_smearing_is_the_factor_of_debye_and_waller():
    """Each element by its own displacement, those that share a site too."""
    rms = {"K": 0.11, "Na": 0.15, "Nb": 0.07, "O": 0.09}
    shares = {"K": 0.3, "Na": 0.7}
    atoms = at_random("K2NbO3")
    crystal = one_slice(atoms, occupancy={"K": shares}, rms_displacement=rms)
    found = slice_of(crystal, scale=1.3)
    moved = {symbol: 1.3 * u for symbol, u in rms.items()}
    expected = direct_sum(atoms, found.shape, {"K": shares}, moved)
    assert largest(found - expected, expected) < SINGLE
    assert largest(found - direct_sum(atoms, found.shape, {"K": shares}), expected) > 0.1


def test_a_cubic_crystal_is_symmetric_to_single_precision(crystal):
    """Eight turns and mirrors about the A column of every slice."""
    specimen = crystal(amplitude=0.0, cells=(1, 1), thickness_nm=0.4)
    for layer in projected_potential(specimen, specimen.atoms, STANDARD, [1]).array:
        about = np.roll(layer[::-1, ::-1], (1, 1), (0, 1))
        assert largest(layer - about, layer) < 1e-6
        assert largest(layer - layer.T, layer) < 1e-6
        assert largest(layer - np.roll(layer[::-1], 1, 0), layer) < 1e-6


def test_opposite_polarizations_are_mirror_images(crystal):
    up, down = (
        projected_potential(c, c.atoms, STANDARD, [1]).array
        for c in (crystal(name, cells=(1, 1), thickness_nm=0.4) for name in ("RU", "LD"))
    )
    assert largest(up - np.roll(down[:, ::-1, ::-1], (1, 1), (1, 2)), up) < 1e-6
    assert largest(up - down, up) > 0.1


def test_the_projection_of_abtem_can_be_chosen(crystal):
    specimen = crystal("RU", a_site="ordered", cells=(2, 2), thickness_nm=0.8)
    settings = Simulate(pixels_per_cell=40, projection="abtem")
    ours = projected_potential(specimen, specimen.atoms, settings, [2])
    theirs = abtem.Potential(
        specimen.atoms,
        gpts=specimen.grid_points(40),
        slice_thickness=(specimen.atoms.cell[2, 2] / specimen.planes,) * specimen.planes,
        projection="infinite",
    ).build(lazy=False)
    assert largest(ours.array - theirs.array, theirs.array) < SINGLE
    exact = projected_potential(specimen, specimen.atoms, STANDARD, [2])
    assert largest(exact.array - theirs.array, theirs.array) > 0.01


def test_atoms_are_no_stronger_for_the_cells_around_them(crystal):
    """The unit repeated is the field: what the two engines build."""
    field = crystal("RM", thickness_nm=0.4)
    unit = crystal("RM", cells=(1, 1), thickness_nm=0.4)
    small, large = (projected_potential(c, c.atoms, STANDARD, [1]).array for c in (unit, field))
    assert largest(large - np.tile(small, (1, 3, 3)), small) < SINGLE
