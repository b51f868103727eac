# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes whose polarization is a field, and the displacement that a truth gives at each place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from polarstem.structures.polar_mode import PolarMode
from polarstem.structures.scenes.build import build_scene
from polarstem.structures.scenes.domains import lay_out
from polarstem.structures.scenes.recipe import SceneRecipe, make_scene
from polarstem.structures.scenes.scan_frame import ScanFrame
from polarstem.structures.scenes.truth import scene_truth

FULL = PolarMode.of("KNN", "O").full_pm


def scene(kind: str, **settings: Any) -> SceneRecipe:
    usual = {"name": "scene", "material": "KNN", "cells": [8, 4], "thickness_nm": 0.8}
    return make_scene(usual | {"kind": kind} | settings)


def moved_atoms(recipe: SceneRecipe) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Symbols, places and displacements of atoms, which stand at half cells in a cubic crystal."""
    atoms = build_scene(recipe)
    places = atoms.positions - recipe.origin - (0, 0, recipe.cell / 4)
    halves = 2 * places / recipe.cell
    moved = (halves - np.round(halves)) / 2 * recipe.cell
    return np.array(atoms.get_chemical_symbols()), places, moved


def of_b(recipe: SceneRecipe, near: Any) -> np.ndarray:
    """Displacement of B against oxygen, of the atoms that are there [pm]."""
    symbols, places, moved = moved_atoms(recipe)
    there = near(places)
    b, oxygen = (moved[there & (symbols == name)] for name in ("Nb", "O"))
    return 100 * (b.mean(0) - oxygen.mean(0))


def truth_across(recipe: SceneRecipe) -> Any:
    return scene_truth(recipe, ScanFrame.over(recipe, 6))


@pytest.mark.parametrize("kind", ["wall_bloch", "wall_neel"])
def test_polarization_turns_within_a_wall_and_keeps_its_length(kind: str) -> None:
    recipe = scene(kind, wall_width_nm=1.6)
    domains = lay_out(recipe)
    (wall,) = domains.walls
    s = np.linspace(-20, 20, 41)
    found = domains.shares(s[:, None] * wall.normal) @ domains.displacements_pm
    assert np.linalg.norm(found, axis=1) == pytest.approx(FULL, rel=1e-6)
    axis = domains.displacements_pm[1] / FULL
    assert found @ axis == pytest.approx(FULL * np.tanh(2 * s / 16), abs=0.02)
    aside = found[20] / FULL
    assert abs(aside @ axis) < 1e-6
    if kind == "wall_neel":
        assert aside == pytest.approx(wall.normal)
    else:  # within the plane of the wall: along the beam, where both domains lie in the field
        assert abs(aside) == pytest.approx([0, 0, 1], abs=1e-9)


@pytest.mark.parametrize("kind", ["wall_bloch", "wall_neel"])
def test_atoms_within_a_wall_are_displaced_aside(kind: str) -> None:
    recipe = scene(kind, wall_width_nm=6.0, cells=[6, 6])
    (wall,) = lay_out(recipe).walls
    found = of_b(recipe, lambda places: abs(places @ wall.normal) < 0.4 * recipe.cell)
    aside = wall.normal if kind == "wall_neel" else np.array([0, 0, 1.0])
    assert abs(found @ aside) == pytest.approx(FULL, rel=0.03)
    assert abs(found[:2] @ [-wall.normal[1], wall.normal[0]]) < 2.0


def test_a_gradient_grows_from_nothing_along_x() -> None:
    truth = truth_across(scene("gradient", amplitude=1.25))
    length = np.hypot(truth["displacement_x"], truth["displacement_y"]).values
    x = truth["x"].values / (truth["x"].values[-1] + truth["x"].values[1])
    assert length == pytest.approx(np.broadcast_to(1.25 * FULL * x, length.shape), abs=0.35)
    assert length[:, 0].max() < 0.4
    assert truth["direction"].values[:, 20:] == pytest.approx(45.0)
    # less than half of it is no class
    assert (truth["class_index"].values[:, x < 0.48] == -1).all()
    assert (truth["class_index"].values[:, x > 0.52] >= 0).all()


def test_a_monoclinic_domain_lies_off_its_axis() -> None:
    recipe = scene("monoclinic", turned_deg=-20)
    truth = truth_across(recipe)
    assert truth["direction"].values == pytest.approx(25.0, abs=0.3)
    right, up = (truth[f"displacement_{axis}"].values for axis in "xy")
    assert np.hypot(right, up) == pytest.approx(FULL, rel=1e-3)
    assert np.degrees(np.arctan2(up, right)) == pytest.approx(25.0, abs=0.01)
    found = of_b(recipe, lambda places: np.ones(len(places), bool))
    assert found == pytest.approx([right[0, 0], up[0, 0], 0.0], abs=0.05)
    assert set(np.unique(truth["class_index"])) == {recipe.domain_classes[0].index}


def test_displacements_are_in_the_frame_of_the_scan() -> None:
    truth = truth_across(scene("single_domain", crystal_rotation_deg=30, amplitude=0.5))
    angle = np.degrees(np.arctan2(truth["displacement_y"], truth["displacement_x"]).values)
    assert angle == pytest.approx(75.0)
    assert np.hypot(truth["displacement_x"], truth["displacement_y"]).values == pytest.approx(
        FULL / 2
    )
    assert truth["displacement_x"].attrs["units"] == "pm"
