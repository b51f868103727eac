# SPDX-License-Identifier: GPL-3.0-or-later
"""Tilt systems: superlattice reflections, shared corners, axes of polar domains, wrong symbols."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import ase
import numpy as np
import pytest
from ase.spacegroup import crystal

from polarstem.errors import PolarstemError
from polarstem.structures.build import build_specimen
from polarstem.structures.crystals import load_material
from polarstem.structures.glazer import tilt_signs
from polarstem.structures.local_displacements import octahedral_tilts
from polarstem.structures.recipes import SpecimenRecipe, doubled_cells
from polarstem.structures.scenes.build import build_scene
from polarstem.structures.scenes.recipe import make_scene
from polarstem.structures.templates import QUARTERS
from polarstem.structures.variants import ZONE_AXES, phase_variants, screen_axes

Make = Callable[..., SpecimenRecipe]
SYSTEMS = ["a0a0c+", "a0a0c-", "a-b0b0", "a0b+b+", "a0b-b-", "a+a+a+", "a-a-a-"]
TILT = 5.0


def with_tilts(system: str, phase: str = "R") -> Any:
    return load_material("KNN").model_copy(update={"octahedral_tilts": {phase: system}})


def kinematic(atoms: ase.Atoms, half: np.ndarray, edge: float) -> float:
    """Structure factor of the reflection half of (h, k, l) over that of all atoms in phase."""
    phases = np.exp(1j * np.pi * atoms.positions @ half / edge)
    return float(abs(np.sum(atoms.numbers * phases)) / atoms.numbers.sum())


def glazer_allows(system: str, half: tuple[int, ...]) -> bool:
    """A. M. Glazer, Acta Cryst. A31, 756 (1975): what each tilt adds.

    In phase about an axis: that index even, the others odd and different. Against each other: all
    odd, the others different.
    """
    for axis, sign in enumerate(tilt_signs(system)):
        own, others = half[axis], [abs(n) for i, n in enumerate(half) if i != axis]
        odd = others[0] % 2 == others[1] % 2 == 1 and others[0] != others[1]
        if sign and odd and own % 2 == (0 if sign == 1 else 1):
            return True
    return False


# about several axes products of two tilts add reflections of their own, of the second order
EXACT = ("a0a0c+", "a0a0c-", "a-b0b0", "a-a-a-")


@pytest.mark.parametrize("system", SYSTEMS)
def test_superlattice_reflections_appear_where_glazer_says_and_nowhere_else(
    recipe: Make, system: str
) -> None:
    """Of each family the strongest member: a-a-a- has 1/2 (1 -1 3), but not 1/2 (1 1 3)."""
    size = {"cells": (2, 2), "thickness_cells": 2, "amplitude": 0.0, "phase": "R"}
    size |= {"variant": (1, 1, 1), "material": with_tilts(system)}
    given = recipe(octahedral_tilt_deg=0.5, **size)
    tilted, edge = build_specimen(given), given.cell_lengths[0]
    straight = build_specimen(recipe(**size))
    present, absent = [], []
    for half in product(range(5), repeat=3):
        if all(n % 2 == 0 for n in half):
            continue
        family = [np.array(half) * signs for signs in product((1, -1), repeat=3)]
        assert max(kinematic(straight, member, edge) for member in family) < 1e-12
        strength = max(kinematic(tilted, member, edge) for member in family)
        (present if glazer_allows(system, half) else absent).append(strength)
    assert len(present) >= 2
    assert min(present) > 3e-3
    assert max(absent) < (1e-12 if system in EXACT else 0.05 * min(present))


def in_cells(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Sites and cells of a block."""
    cells = np.indices((count,) * 3).reshape(3, -1).T
    return np.tile(np.arange(5), len(cells)), np.repeat(cells, 5, axis=0)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("variant", [(1, 1, 1), (-1, 1, -1)])
def test_octahedra_share_their_corners(system: str, variant: tuple[int, int, int]) -> None:
    """Opposite corners of every octahedron are displaced oppositely: it turns and nothing else."""
    site, cells = in_cells(4)
    found = octahedral_tilts(site, cells, 4.0, TILT, system, variant)
    assert np.abs(found[site < 2]).max() == 0
    of = {
        (*cell, s): u for *cell, s, u in zip(*cells.T.tolist(), site.tolist(), found, strict=True)
    }
    for cell in product(range(1, 3), repeat=3):
        turn = np.zeros((3, 3))
        for axis in range(3):
            low = of[*cell, 2 + axis]
            far = list(cell)
            far[axis] += 1
            np.testing.assert_allclose(of[*far, 2 + axis], -low, atol=1e-12)
            turn[axis] = -low / 2.0  # of the corner at +2 Å along the axis
        np.testing.assert_allclose(turn, -turn.T, atol=1e-12)
        size = np.tan(np.radians(TILT)) * np.abs(tilt_signs(system))
        about = np.abs([turn[1, 2], turn[2, 0], turn[0, 1]])
        np.testing.assert_allclose(about, size, atol=1e-12)


@pytest.mark.parametrize("variant", phase_variants("R"))
def test_bismuth_ferrite_turns_about_its_polar_axis(variant: tuple[int, int, int]) -> None:
    """By as much as in Acta Cryst. B63, 537 (2007) at 298 K, 7.1 degrees about each axis."""
    a, c = 5.57882, 13.86932
    basis = [(0, 0, 0), (0, 0, 0.22021), (0.4469, 0.0181, 0.95183)]
    atoms = crystal(["Bi", "Fe", "O"], basis, spacegroup=161, cellpar=[a, a, c, 90, 90, 120])
    iron = atoms.positions[atoms.symbols == "Fe"][0]
    images = atoms * (3, 3, 3)
    apart = images.positions[images.symbols == "O"] - iron - np.ones(3) @ atoms.cell[:]
    near = apart[np.argsort(np.linalg.norm(apart, axis=1))[:6]]
    # of a cubic octahedron the azimuths are 30, 90, ... degrees
    published = np.abs(np.degrees(np.arctan2(near[:, 1], near[:, 0])) % 60 - 30).mean()
    assert published == pytest.approx(12.2, abs=0.05)

    system = load_material("BiFeO3").tilt_system("R")
    assert system == "a-a-a-"
    shifts = octahedral_tilts(np.arange(5), np.zeros((5, 3), int), 4.0, 7.1, system, variant)
    corners = 4.0 * (QUARTERS[2:] - 2) / 4  # on the lower sides of B
    polar = np.array(variant) / np.sqrt(3)
    turns = []
    for corner, shift in zip(corners, shifts[2:], strict=True):
        assert shift @ polar == pytest.approx(0, abs=1e-12)
        across = corner - (corner @ polar) * polar
        turns.append(np.degrees(np.arctan2(np.cross(across, shift) @ polar, across @ across)))
    np.testing.assert_allclose(turns, turns[0])
    # counter-clockwise in cell (0, 0, 0)
    assert turns[0] == pytest.approx(published, abs=0.1)


def test_domains_of_a_scene_turn_about_their_own_axes() -> None:
    usual = {"kind": "wall_71", "name": "s", "material": "BiFeO3", "phase": "R", "seed": 3}
    size = {"cells": [8, 4], "thickness_nm": 1.6, "wall_width_nm": 0.4}
    given = [make_scene(usual | size | {"octahedral_tilt_deg": t}) for t in (0.0, 7.1)]
    straight, tilted = map(build_scene, given)
    off = tilted.positions - straight.positions
    oxygen = straight.symbols == "O"
    assert np.abs(off[~oxygen]).max() == 0
    along = np.array(given[0].domain_variants) @ off[oxygen].T
    still = np.abs(along) < 0.02 * np.abs(off).max()
    # shares of the other domain fall off from the wall
    for own in still:
        assert 0.25 < own.mean() < 0.75
    assert still.any(axis=0).mean() > 0.7


@pytest.mark.parametrize("zone_axis", ZONE_AXES)
@pytest.mark.parametrize("system", SYSTEMS)
def test_tilts_repeat_after_the_doubled_cells(system: str, zone_axis: tuple[int, int, int]) -> None:
    doubled = doubled_cells(zone_axis, system)
    site, cells = in_cells(2)
    here = octahedral_tilts(site, cells, 4.0, TILT, system)
    for count, axis in zip(doubled, screen_axes(zone_axis)[:2], strict=True):
        step = np.array(axis)
        again = octahedral_tilts(site, cells + count * step, 4.0, TILT, system)
        np.testing.assert_array_equal(again, here)
        if count == 2:
            assert (
                np.abs(octahedral_tilts(site, cells + step, 4.0, TILT, system) - here).max() > 0.1
            )


def test_fields_that_break_the_tilts_are_told(recipe: Make) -> None:
    """Along x of [110] a0a0c+ repeats every cell, and a-a-a- every other."""
    size = {"phase": "R", "variant": (1, 1, 1), "zone_axis": (1, 1, 0), "cells": (3, 2)}
    recipe(material=with_tilts("a0a0c+"), octahedral_tilt_deg=TILT, **size)
    with pytest.raises(PolarstemError, match="even number of them, not 3 x 2"):
        recipe(material=with_tilts("a+a+a+"), octahedral_tilt_deg=TILT, **size)


@pytest.mark.parametrize(
    ("tilts", "message"),
    [
        ({"R": "a-a-"}, "'a-a-' is no tilt system in Glazer's notation"),
        ({"R": "b-a-a-"}, "is no tilt system"),
        ({"R": "a-b-c-"}, "a-b-c- needs one letter for all tilted axes"),
        ({"R": "a0a0a0"}, "a0a0a0 needs one letter"),
        ({"T": "a-a-a-"}, "octahedral_tilts names T, which has no lattice"),
    ],
)
def test_wrong_systems_are_told(tilts: dict[str, str], message: str) -> None:
    bismuth = load_material("BiFeO3").model_dump(mode="json", exclude_none=True)
    with pytest.raises(PolarstemError, match=message):
        load_material(bismuth | {"octahedral_tilts": tilts})
