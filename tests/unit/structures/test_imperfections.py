# SPDX-License-Identifier: GPL-3.0-or-later
"""Crystals that are not ideal: their atoms against what each departure says."""

from __future__ import annotations

from typing import Any

import ase
import numpy as np
import pytest
from ase.data import atomic_masses, atomic_numbers
from ase.neighborlist import neighbor_list

from polarstem.errors import PolarstemError
from polarstem.structures.amorphous import parted, scattered
from polarstem.structures.build import build_specimen, read_specimen, write_specimen
from polarstem.structures.scenes.build import build_scene
from polarstem.structures.scenes.recipe import SceneRecipe, make_scene

RMS = {"Nb": 0.07, "K": 0.06, "Na": 0.06, "O": 0.05}  # Å along one axis


def scene(**settings: Any) -> SceneRecipe:
    usual = {"kind": "single_domain", "name": "s", "material": "KNN", "amplitude": 0.0, "seed": 3}
    return make_scene(usual | {"cells": [4, 4], "thickness_nm": 4.0} | settings)


def quarters(atoms: ase.Atoms, a: float) -> np.ndarray:
    """Nearest place of the cubic lattice [quarters of the cell]."""
    return np.round(4 * (atoms.positions - (0, 0, a / 4)) / a)


@pytest.fixture(params=["scene", "specimen"])
def disordered(request: pytest.FixtureRequest, recipe: Any) -> Any:
    """Build a crystal of atoms that stand beside cubic places."""

    def make(factor: float, seed: int = 3) -> tuple[ase.Atoms, float]:
        if request.param == "scene":
            given = scene(disorder=factor, seed=seed)
            return build_scene(given), given.cell
        given = recipe(
            a_site="random",
            amplitude=0.0,
            cells=(8, 8),
            thickness_cells=10,
            disorder=factor,
            seed=seed,
        )
        return build_specimen(given), given.cell_lengths[0]

    return make


def test_atoms_are_displaced_by_as_much_as_their_element(disordered):
    atoms, a = disordered(1.0)
    off = atoms.positions - (0, 0, a / 4) - quarters(atoms, a) * a / 4
    symbols = np.array(atoms.get_chemical_symbols())
    for element, rms in RMS.items():
        own = off[symbols == element]
        assert len(own) > 200
        # along each axis
        assert np.sqrt((own**2).mean(axis=0)) == pytest.approx(rms, rel=4 / np.sqrt(2 * len(own)))
        assert np.abs(own.mean(axis=0)).max() < 4 * rms / np.sqrt(len(own))
    stronger, _ = disordered(2.0)
    assert np.allclose(stronger.positions - atoms.positions, off, atol=1e-9)


def test_each_atom_is_displaced_independently_of_its_column_and_its_neighbours(disordered):
    atoms, a = disordered(1.0)
    niobium = np.array(atoms.get_chemical_symbols()) == "Nb"
    places = quarters(atoms, a)[niobium].astype(int)
    off = (atoms.positions - (0, 0, a / 4))[niobium] - places * a / 4
    cells = places // 4
    field = np.full((*(cells.max(axis=0) + 1), 3), np.nan)
    field[tuple(cells.T)] = off
    assert np.isfinite(field).all()
    for axis in range(3):
        along = np.moveaxis(field, axis, 0)
        pairs = (along[1:] * along[:-1]).mean() / (field**2).mean()
        assert abs(pairs) < 4 / np.sqrt(along[1:].size)


def test_the_seed_of_the_specimen_makes_the_disorder(disordered):
    one, _ = disordered(1.0, seed=3)
    again, _ = disordered(1.0, seed=3)
    other, _ = disordered(1.0, seed=4)
    assert np.array_equal(one.positions, again.positions)
    assert np.abs(one.positions - other.positions).max() > 0.05


def octahedra(atoms: ase.Atoms) -> tuple[np.ndarray, np.ndarray]:
    """Places of Nb, and vectors to their six O, shape (n, 6, 3)."""
    symbols = np.array(atoms.get_chemical_symbols())
    first, second, apart = neighbor_list("ijD", atoms, 2.3)
    bonds = (symbols[first] == "Nb") & (symbols[second] == "O")
    centres, count = np.unique(first[bonds], return_counts=True)
    whole = centres[count == 6]
    found = np.array([apart[bonds & (first == centre)] for centre in whole])
    return atoms.positions[whole], found


def bond_angles(atoms: ase.Atoms) -> np.ndarray:
    """Angles B-O-B of all O between two Nb [degrees]."""
    symbols = np.array(atoms.get_chemical_symbols())
    first, second, apart = neighbor_list("ijD", atoms, 2.3)
    bonds = (symbols[first] == "O") & (symbols[second] == "Nb")
    centres, count = np.unique(first[bonds], return_counts=True)
    found = []
    for centre in centres[count == 2]:
        u, v = apart[bonds & (first == centre)]
        found.append(np.arccos(np.clip(u @ v / np.linalg.norm(u) / np.linalg.norm(v), -1, 1)))
    return np.degrees(found)


TILT = 4.0


@pytest.mark.parametrize("zone", [(0, 0, 1), (1, 1, 0)])
def test_octahedra_turn_as_rigid_bodies_and_their_bonds_bend_by_twice_the_tilt(recipe, zone):
    variant = (1, 1, 0) if zone == (0, 0, 1) else (1, -1, 0)
    usual = {"amplitude": 0.0, "zone_axis": zone, "variant": variant, "cells": (2, 2)}
    given = recipe(**usual, thickness_cells=4, octahedral_tilt_deg=TILT)
    atoms = build_specimen(given)
    atoms.set_pbc(True)  # the beam's direction repeats too
    a = given.cell_lengths[0] if zone == (0, 0, 1) else given.cell_lengths[1]
    _, bonds = octahedra(atoms)
    assert len(bonds) == np.prod(given.cells) * given.thickness_cells * sum(zone)
    second_order = np.radians(TILT) ** 2
    for own in bonds:
        edges = np.linalg.norm(own[:, None] - own[None], axis=2)
        edges = np.sort(edges[np.triu_indices(6, 1)])
        # twelve edges and three diagonals
        assert np.abs(edges[:12] * np.sqrt(2) / a - 1).max() < 0.6 * second_order
        assert np.abs(edges[12:] / a - 1).max() < 0.6 * second_order
    angles = np.sort(bond_angles(atoms))
    straight = len(angles) // 3  # along the axis
    assert angles[-straight:] == pytest.approx(180.0, abs=1e-4)
    assert angles[:-straight] == pytest.approx(180.0 - 2 * TILT, abs=1e-4)


def test_neighbours_across_the_axis_turn_in_opposite_senses_and_along_it_in_the_same():
    given = scene(octahedral_tilt_deg=TILT, thickness_nm=1.2)
    atoms = build_scene(given)
    atoms.pbc = False
    places, bonds = octahedra(atoms)
    turns = {}
    for place, own in zip(places, bonds, strict=True):
        right = own[np.argmax(own[:, 0])]
        cell = tuple(np.floor(place / given.cell).astype(int).tolist())
        turns[cell] = np.degrees(np.arctan2(right[1], right[0]))
    assert len(turns) > 20
    start = next(iter(turns))
    for cell, turn in turns.items():
        sense = -1 if (cell[0] + cell[1] - start[0] - start[1]) % 2 else 1
        assert turn == pytest.approx(sense * turns[start], abs=1e-6)
    assert abs(turns[start]) == pytest.approx(TILT, abs=1e-6)


def test_tilts_leave_cations_and_polar_displacements_where_they_were():
    polar = {"kind": "four_domains", "amplitude": 1.0}
    plain, tilted = (build_scene(scene(**polar, octahedral_tilt_deg=t)) for t in (0.0, TILT))
    off = tilted.positions - plain.positions
    oxygen = np.array(plain.get_chemical_symbols()) == "O"
    assert np.abs(off[~oxygen]).max() == 0
    most = scene().cell / 2 * np.tan(np.radians(TILT))
    assert np.linalg.norm(off, axis=1).max() == pytest.approx(most)
    assert np.abs(off.sum(axis=0)).max() < 1e-9 * len(off)


def test_tilts_need_an_even_number_of_cells(recipe):
    with pytest.raises(PolarstemError, match=r"even number of them, not 3 x 2"):
        recipe(cells=(3, 2), octahedral_tilt_deg=2.0)
    recipe(cells=(3, 2))


# atoms per Å^3
CARBON = 2.0 / (atomic_masses[atomic_numbers["C"]] * 1.66053907)


@pytest.mark.parametrize("of", ["crystal", "carbon"])
@pytest.mark.parametrize("kind", ["scene", "specimen"])
def test_amorphous_layers_have_their_thickness_density_and_composition(kind, of, recipe, tmp_path):
    layers = {"amorphous_nm": (3.0, 1.5), "amorphous_of": of}
    if kind == "scene":
        given = scene(thickness_nm=0.8, **layers)
        atoms = build_scene(given)
        volume = given.cell**3
    else:
        given = recipe(a_site="random", cells=(6, 5), **layers)
        atoms = build_specimen(given)
        volume = np.prod(given.cell_lengths)
    write_specimen(atoms, tmp_path / "x.xyz")
    atoms = read_specimen(tmp_path / "x.xyz")
    crystal, found = parted(atoms)
    assert found is not None
    x, y, depth = atoms.cell.lengths()
    expected = CARBON if of == "carbon" else 0.9 * 5 / volume
    outside = [atoms.positions[:, 2] < 0, atoms.positions[:, 2] > depth]
    for layer, beyond, height in zip(found, outside, (30.0, 15.0), strict=True):
        assert len(layer) == beyond.sum()
        assert layer.cell.lengths() == pytest.approx([x, y, height])
        assert len(layer) / (x * y * height) == pytest.approx(expected, rel=0.01)
        # all of it is filled: no third has more than its part but by chance
        thirds = np.histogram(layer.positions[:, 2], 3, (0, height))[0] / len(layer)
        assert thirds == pytest.approx([1 / 3] * 3, abs=0.06)
        assert layer.positions[:, 2].min() >= 0
        assert layer.positions[:, 2].max() <= height
        share = {e: layer.get_chemical_symbols().count(e) / len(layer) for e in ("Nb", "O", "C")}
        wanted = [0, 0, 1] if of == "carbon" else [0.2, 0.6, 0]
        assert list(share.values()) == pytest.approx(wanted, abs=1e-9)
        if of == "crystal":
            potassium = layer.get_chemical_symbols().count("K") / len(layer)
            assert potassium == pytest.approx(0.1, abs=0.02)
    # no two atoms closer than a bond, across the box's sides neither, nor to the crystal
    first, second, apart = neighbor_list("ijd", atoms, 1.8)
    amorphous = np.arange(len(atoms)) >= len(crystal)
    least = 1.4 if of == "carbon" else 1.8
    assert apart[amorphous[first] & amorphous[second]].min(initial=2.0) >= least
    assert apart[amorphous[first] ^ amorphous[second]].min(initial=2.0) >= 1.4
    assert np.array_equal(crystal.positions, atoms.positions[: len(crystal)])


def test_without_layers_nothing_is_parted():
    atoms = build_scene(scene(thickness_nm=0.4))
    crystal, layers = parted(atoms)
    assert crystal is atoms
    assert layers is None
    assert "amorphous" not in atoms.info


def test_layers_are_random_and_the_same_for_the_same_seed():
    one, again, other = (
        parted(build_scene(scene(thickness_nm=0.4, amorphous_nm=(1.0, 1.0), seed=s)))[1]
        for s in (3, 3, 4)
    )
    assert np.array_equal(one.entrance.positions, again.entrance.positions)
    assert not np.array_equal(one.entrance.positions, other.entrance.positions)
    assert not np.array_equal(one.entrance.positions, one.exit.positions)


def test_a_layer_without_room_is_refused():
    random = np.random.default_rng(1)
    with pytest.raises(PolarstemError, match="no room for 500 atoms"):
        scattered(np.array([10.0, 10.0, 5.0]), 500, 1.8, random)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"disorder": 3.5}, "disorder 3.5 must lie between 0 and 3"),
        ({"octahedral_tilt_deg": 12.0}, "within 10 degrees"),
        ({"amorphous_nm": (1.0, -1.0)}, "two thicknesses"),
        ({"wedge": 1.2}, "share of the thickness below 1"),
        ({"disorder": 1.0, "material": "PbTiO3", "phase": "T"}, "PbTiO3 has no static_disorder"),
    ],
)
def test_what_no_crystal_can_have_is_refused(settings, message):
    with pytest.raises(PolarstemError, match=message):
        scene(**settings)
