# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes seen along [110]: their atoms against those of specimens, and what they say of them."""

from __future__ import annotations

from typing import Any

import ase
import numpy as np
import pytest

from polarstem.errors import PolarstemError
from polarstem.structures.build import build_specimen
from polarstem.structures.crystals import load_material
from polarstem.structures.recipes import make_recipe
from polarstem.structures.scenes.build import build_scene
from polarstem.structures.scenes.defects import column_places
from polarstem.structures.scenes.domains import lay_out
from polarstem.structures.scenes.recipe import SceneRecipe, make_scene, wall_kinds
from polarstem.structures.scenes.scan_frame import ScanFrame
from polarstem.structures.scenes.truth import scene_truth

ZONE = [1, 1, 0]
PHASES = ("T", "O", "R")


def scene(kind: str, **settings: Any) -> SceneRecipe:
    usual = {"name": "scene", "material": "KNbO3", "zone_axis": ZONE, "cells": [4, 4], "seed": 5}
    return make_scene(usual | {"kind": kind, "thickness_nm": 1.2} | settings)


def specimen_like(recipe: SceneRecipe, number: int = 0, **more: Any) -> ase.Atoms:
    """The specimen of a domain, as large as the scene."""
    member = recipe.domain_classes[number]
    nx, ny, _ = recipe.field
    return build_specimen(
        make_recipe(
            **{"name": "s", "specimen_set": "s", "split": "test"},
            **{"class_index": member.index, "class_name": member.name},
            **{"direction_deg": member.direction_deg, "variant": recipe.domain_variants[number]},
            **{"phase": recipe.phase, "zone_axis": ZONE, "cells": [nx, ny]},
            thickness_nm=recipe.thickness_nm,
            **({"material": "KNbO3"} | more),
        )
    )


def apart(one: ase.Atoms, other: ase.Atoms, within: np.ndarray) -> float:
    """Largest distance of an atom of `one` from the nearest of its kind, across no side [Å]."""
    most = 0.0
    for symbol in set(one.get_chemical_symbols()):
        ours = one.positions[within & (np.array(one.get_chemical_symbols()) == symbol)]
        theirs = other.positions[np.array(other.get_chemical_symbols()) == symbol]
        found = np.linalg.norm(ours[:, None] - theirs, axis=2).min(axis=1)
        most = max(most, float(found.max()))
    return most


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("tilt", [0.0, 3.0])
def test_a_single_domain_is_the_specimen_of_its_class(phase, tilt):
    recipe = scene("single_domain", phase=phase, octahedral_tilt_deg=tilt, margin_cells=3)
    atoms = build_scene(recipe)
    expected = specimen_like(recipe, octahedral_tilt_deg=tilt)
    assert len(atoms) == len(expected)
    assert atoms.cell.lengths() == pytest.approx(expected.cell.lengths())
    for key in ("zone_axis", "cells", "cell_lengths_angstrom", "planes", "thickness_nm"):
        assert atoms.info[key] == pytest.approx(expected.info[key]), key
    places = atoms.positions
    inside = np.all((places > 2) & (places < atoms.cell.lengths() - 2), axis=1)
    assert apart(atoms, expected, inside) < 1e-6
    # the polarization is that of the specimen, along the same axes
    (polarization,) = lay_out(recipe).polarization
    assert polarization == pytest.approx(expected.info["polarization_uC_cm2"], abs=1e-6)


def test_octahedra_that_turn_with_the_domains_are_those_of_specimens():
    material = load_material("KNbO3").model_dump(mode="json", exclude_unset=True)
    material["octahedral_tilts"] = {"R": "a-a-a-"}
    recipe = scene("single_domain", phase="R", material=material, octahedral_tilt_deg=4.0)
    assert recipe.field[0] % 2 == recipe.field[1] % 2 == 0
    atoms = build_scene(recipe)
    tilted = specimen_like(recipe, material=material, octahedral_tilt_deg=4.0)
    inside = np.all((atoms.positions > 2) & (atoms.positions < atoms.cell.lengths() - 2), axis=1)
    assert apart(atoms, tilted, inside) < 1e-6
    assert apart(atoms, specimen_like(recipe), inside) > 0.1


@pytest.mark.parametrize("phase", PHASES)
def test_far_from_the_walls_each_quadrant_is_the_specimen_of_its_class(phase):
    recipe = scene("four_domains", phase=phase, wall_width_nm=0.2, thickness_nm=0.6)
    assert len({c.name for c in recipe.domain_classes}) == 4
    atoms = build_scene(recipe)
    places = atoms.positions - recipe.origin
    deep = np.all(atoms.positions[:, 2:] < atoms.cell.lengths()[2] - 0.5, axis=1)
    for number, (right, up) in enumerate([(1, 1), (-1, 1), (-1, -1), (1, -1)]):
        there = deep & (right * places[:, 0] > 7) & (up * places[:, 1] > 7)
        inside = np.all((atoms.positions > 1) | ([[False, False, True]]), axis=1)
        inside &= np.all(atoms.positions[:, :2] < atoms.cell.lengths()[:2] - 1, axis=1)
        assert (there & inside).sum() > 50
        assert apart(atoms, specimen_like(recipe, number), there & inside) < 1e-4
        other = (number + 1) % 4
        assert apart(atoms, specimen_like(recipe, other), there & inside) > 0.05


@pytest.mark.parametrize(("phase", "angles"), [("T", {90, 180}), ("O", {60, 90, 120, 180})])
def test_walls_have_the_angle_and_the_charge_of_their_name(phase, angles):
    kinds = wall_kinds(phase, (1, 1, 0))
    assert {f"wall_{angle}" for angle in angles} <= set(kinds)
    for kind in kinds:
        turning = kind in ("wall_bloch", "wall_neel")
        for charge in ("neutral", "head_to_head", "tail_to_tail")[: 1 if turning else 3]:
            recipe = scene(kind, phase=phase, charge=charge)
            domains = lay_out(recipe)
            wall = domains.walls[0]
            described = domains.described(wall)
            assert described["charge"] == charge
            first, second = domains.polarization[:2]
            assert (first - second) @ wall.normal == pytest.approx(
                described["bound_charge_uC_cm2"], abs=1e-9
            )
            cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
            if kind.removeprefix("wall_").isdigit():
                wanted = float(kind.removeprefix("wall_"))
                assert np.degrees(np.arccos(np.clip(cosine, -1, 1))) == pytest.approx(
                    wanted, abs=1.5
                )
            # seen in the directions of its classes
            for vector, member in zip(domains.polarization, recipe.domain_classes, strict=False):
                seen = np.degrees(np.arctan2(vector[1], vector[0]))
                assert abs((seen - member.direction_deg + 180) % 360 - 180) < 1.5


def test_the_scan_has_one_step_and_covers_the_cells():
    recipe = scene("single_domain", cells=[5, 8])
    edge_x, edge_y, period = recipe.lengths
    assert (edge_x, edge_y, period) == pytest.approx(np.array([2**0.5, 1, 2**0.5]) * recipe.cell)
    frame = ScanFrame.over(recipe, 6)
    rows, columns = frame.shape
    assert frame.step == pytest.approx(edge_y / 6)
    assert rows == 48
    assert abs(columns * frame.step - 5 * edge_x) <= frame.step / 2
    places = frame.positions() - recipe.origin[:2]
    for axis, (cells, edge) in enumerate(zip(recipe.cells, recipe.lengths[:2], strict=True)):
        assert np.abs(places[..., axis].mean()) < 1e-9
        assert np.ptp(places[..., axis]) == pytest.approx(cells * edge, abs=1.6 * frame.step)


@pytest.mark.parametrize("turn", [0.0, 20.0])
def test_truth_knows_where_the_a_columns_are(turn):
    recipe = scene("four_domains", crystal_rotation_deg=turn, cells=[6, 8], amplitude=0.0)
    frame = ScanFrame.over(recipe, 8)
    truth = scene_truth(recipe, frame)
    atoms = build_scene(recipe)
    columns = atoms.positions[np.array(atoms.get_chemical_symbols()) == "K", :2]
    places = frame.positions().reshape(-1, 2)
    nearest = np.linalg.norm(places[:, None] - columns, axis=2).min(axis=1)
    x, y = (truth[name].values.ravel() for name in ("cell_x", "cell_y"))
    # two A columns in the projected cell: at the corner, and half-way along x
    along = np.abs((2 * x + 0.5) % 1 - 0.5) / 2 * recipe.lengths[0]
    up = np.abs((y + 0.5) % 1 - 0.5) * recipe.lengths[1]
    assert np.hypot(along, up) == pytest.approx(nearest, abs=1e-6)
    assert truth.attrs["cell_nm"] ** 2 == pytest.approx(np.prod(recipe.lengths[:2]) / 100)
    thickness = recipe.field[2] * recipe.lengths[2] / 10
    assert truth["thickness"].values == pytest.approx(thickness)
    # a cell has as many positions as fit in it
    numbers = truth["crystal_row"].values.astype(int) * 100 + truth["crystal_column"].values
    _, counts = np.unique(numbers, return_counts=True)
    assert counts.max() == pytest.approx(8 * 8 * 2**0.5, abs=10)


def test_truth_points_where_the_quadrants_do():
    recipe = scene("four_domains", phase="R", cells=[6, 8], crystal_rotation_deg=10.0)
    truth = scene_truth(recipe, ScanFrame.over(recipe, 4))
    corners = [(0, -1), (0, 0), (-1, 0), (-1, -1)]
    for member, corner in zip(recipe.domain_classes, corners, strict=True):
        assert truth["class_index"].values[corner] == member.index
        assert truth["direction"].values[corner] == pytest.approx(
            (member.direction_deg + 10) % 360, abs=1.5
        )


def test_defective_columns_stand_on_a_columns():
    recipe = scene("a_vacancy_column", columns=4)
    plain, changed = build_scene(scene("single_domain")), build_scene(recipe)
    # half of the A atoms of a period stand on either column of the cell
    assert len(plain) - len(changed) == 4 * recipe.field[2]
    assert len(np.unique(column_places(recipe), axis=0)) == 4


@pytest.mark.parametrize("kind", ["antiphase_boundary", "ruddlesden_popper", "edge_dislocation"])
def test_defects_that_are_laid_out_for_001_are_refused(kind):
    with pytest.raises(PolarstemError, match=r"beam along \[0, 0, 1\] only, not \[1, 1, 0\]"):
        scene(kind)


def test_walls_that_are_not_seen_are_refused_with_those_that_are():
    with pytest.raises(PolarstemError, match=r"seen along \[1, 1, 0\]; choose wall_180"):
        scene("wall_seen_90", phase="O")
