# SPDX-License-Identifier: GPL-3.0-or-later
"""The lattice of scenes where their atoms stand: truth, Burgers vector, elastic field."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from scipy.spatial import KDTree

from polarstem.structures.scenes.build import build_scene
from polarstem.structures.scenes.defects import POISSON_RATIO, moved, unmoved
from polarstem.structures.scenes.recipe import SceneKind, SceneRecipe, make_scene, wall_kinds
from polarstem.structures.scenes.scan_frame import ScanFrame
from polarstem.structures.scenes.truth import scene_truth


def scene(kind: str, **settings: Any) -> SceneRecipe:
    """The default scene of a kind, its atoms where the lattice has them."""
    phase = "R" if kind.startswith("wall") and kind not in wall_kinds("O") else "O"
    usual = {"kind": kind, "name": "scene", "material": "KNN", "phase": phase, "amplitude": 0.0}
    return make_scene(usual | {"thickness_nm": 2.0, "seed": 5} | settings)


def columns(recipe: SceneRecipe, elements: tuple[str, ...] = ("K", "Na")) -> np.ndarray:
    """x and y of columns, once each [cells from the origin]."""
    atoms = build_scene(recipe)
    here = np.isin(atoms.get_chemical_symbols(), elements)
    places = (atoms.positions - recipe.origin)[here, :2] / recipe.cell
    return np.unique(np.round(places, 6), axis=0)


@pytest.mark.parametrize("turn", [0.0, 17.0])
@pytest.mark.parametrize("kind", get_args(SceneKind))
def test_the_truth_has_the_a_columns_where_the_atoms_are(kind, turn):
    recipe = scene(kind, crystal_rotation_deg=turn)
    frame = ScanFrame.over(recipe, 7, (0.2, 0.7))
    truth = scene_truth(recipe, frame)
    found = {name: truth[name].values.ravel() for name in truth}
    places = frame.places(*frame.along()).reshape(-1, 2) - recipe.origin[:2]
    places = places / recipe.cell
    # across a fault the nearest column is one of the other half
    near = 2.0 if kind == "edge_dislocation" else 1.0
    sound = ~(found["defect_distance"] * 10 / recipe.cell < near)
    assert sound.mean() > 0.5
    right = (found["cell_x"] + 0.5) % 1 - 0.5
    down = (found["cell_y"] + 0.5) % 1 - 0.5
    expected = places + np.stack([-right, down], axis=1)
    missed, _ = KDTree(columns(recipe)).query(expected[sound])
    # at two cells from the line the lattice is strained by up to a tenth
    assert missed.max() < (0.1 if kind == "edge_dislocation" else 1e-5)
    # a cell is in one place
    numbers = np.stack([found["crystal_row"], found["crystal_column"]], axis=1)
    _, cell = np.unique(numbers, axis=0, return_inverse=True)
    cell = cell.ravel()
    for axis in places.T:
        low, high = np.full((2, cell.max() + 1), np.inf) * [[1], [-1]]
        np.minimum.at(low, cell, axis)
        np.maximum.at(high, cell, axis)
        # faults tear cells by half a cell; in the core of a dislocation there are none
        torn = {"antiphase_boundary": 1.5, "ruddlesden_popper": 1.5, "edge_dislocation": 1.4}
        assert (high - low).max() < torn.get(kind, 1.0)


def test_columns_of_cells_go_on_across_an_inserted_layer():
    recipe = scene("ruddlesden_popper")
    truth = scene_truth(recipe, ScanFrame.over(recipe, 8))
    assert np.unique(np.diff(truth["crystal_column"].values, axis=1)).tolist() == [0, 1]
    # left of the fault rows begin at A columns of the origin's height, right of it between them
    first, last = (truth["cell_y"].values[0, n] for n in (0, -1))
    assert (last - first) % 1 == pytest.approx(0.5)


@pytest.mark.parametrize("kind", ["antiphase_boundary", "ruddlesden_popper", "edge_dislocation"])
def test_places_go_back_to_where_they_were(kind):
    recipe = scene(kind)
    random = np.random.default_rng(3).uniform(-8, 8, (4000, 2)) * recipe.cell
    if kind == "edge_dislocation":
        # beside the cut both halves overlap
        away = np.abs(random[:, 1] / recipe.cell - 0.25) > 1
        random = random[away | (random[:, 0] > recipe.cell)]
        random = random[np.linalg.norm(random / recipe.cell - 0.25, axis=1) > 0.5]
    if kind == "ruddlesden_popper":
        random = random[np.abs(random[:, 0]) > recipe.cell / 4]
    rows, after = moved(recipe, np.column_stack([random, np.zeros(len(random))]))
    before, _ = unmoved(recipe, after[:, :2])
    assert np.abs(before - random[rows]).max() < 1e-6


def nearest(found: KDTree, place: np.ndarray) -> np.ndarray:
    distance, index = found.query(place)
    assert distance < 0.45
    return np.asarray(found.data[index])


def test_a_burgers_circuit_around_the_dislocation_ends_one_cell_to_the_right():
    # Counter-clockwise, as many steps there as back, from atom to atom. The extra half-plane ends
    # in the line and stands above it: there as many steps lead less far.
    for kind, expected in (("edge_dislocation", 1.0), ("single_domain", 0.0)):
        for element in (("K", "Na"), ("Nb",)):
            found = KDTree(columns(scene(kind), element))
            start = at = np.asarray(found.data[found.query((-4.4, -4.4))[1]])
            for step in ((1, 0), (0, 1), (-1, 0), (0, -1)):
                for _ in range(9):
                    at = nearest(found, at + step)
            assert at - start == pytest.approx((expected, 0.0), abs=0.15)


def test_the_half_plane_with_the_extra_column_is_the_upper_one():
    found = columns(scene("edge_dislocation"))
    count = {
        height: ((np.abs(found[:, 1] - height) < 0.5) & (np.abs(found[:, 0] - 0.25) < 6)).sum()
        for height in (-5, 5)
    }
    assert count[5] == count[-5] + 1


def test_the_lattice_around_the_dislocation_is_strained_as_elasticity_wants():
    found = KDTree(columns(scene("edge_dislocation")))
    line = np.array([0.25, 0.25])
    apart = np.linalg.norm(found.data - line, axis=1)
    # where the two halves were joined, neighbours come from places a cell apart
    joined = (np.abs(found.data[:, 1] - line[1]) < 1) & (found.data[:, 0] < line[0])
    middle = found.data[(apart > 3) & (apart < 7) & ~joined]
    right, up = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    gradient = np.array(
        [
            [(nearest(found, m + e) - nearest(found, m - e)) / 2 - e for e in (right, up)]
            for m in middle
        ]
    )  # (column, along, component)
    x, y = (middle - line).T
    square = x**2 + y**2
    # J. P. Hirth and J. Lothe, Theory of Dislocations: dilatation from the pressure (eq. 3-44),
    # rotation as around any edge dislocation, of which a row makes a low-angle tilt boundary
    ratio = (1 - 2 * POISSON_RATIO) / (1 - POISSON_RATIO)
    dilatation = -ratio * y / square / (2 * np.pi)
    rotation = -x / square / (2 * np.pi)
    found_dilatation = gradient[:, 0, 0] + gradient[:, 1, 1]
    found_rotation = (gradient[:, 0, 1] - gradient[:, 1, 0]) / 2
    # second order in the strain, and neighbours are not infinitely near
    for measured, expected in ((found_dilatation, dilatation), (found_rotation, rotation)):
        assert measured @ expected / (expected @ expected) == pytest.approx(1, abs=0.1)
        assert np.abs(measured - expected).max() < 0.2 * np.abs(expected).max()
    assert found_dilatation[y > 1.5].max() < 0 < found_dilatation[y < -1.5].min()
