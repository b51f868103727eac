# SPDX-License-Identifier: GPL-3.0-or-later
"""Defects of a scene: where they are and how they move atoms.

Places are relative to the scene's origin, which is an A column: x right, y up, z along the beam
[Å]. Nothing is relaxed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarstem.structures.scenes.recipe import SceneRecipe

Floats = NDArray[np.float64]
POISSON_RATIO = 0.25
_FAR = 1e4
# reach of a defect's core [unit cells]: columns stand on the corners of four cells
_CORE = {
    "a_vacancy_column": 0.5,
    "nb_antisite": 0.5,
    "antiphase_boundary": 0.5,
    "ruddlesden_popper": 0.75,
    "edge_dislocation": 1.5,
}


@dataclass(frozen=True)
class Defects:
    """Where a scene has defects.

    Attributes
    ----------
    ends : ndarray, shape (n, 2, 2)
        Ends of lines seen along the beam; equal ends for a column [Å].
    core : float
        Reach of the core from there [Å].
    """

    ends: Floats
    core: float


def defects_of(recipe: SceneRecipe) -> Defects:
    """Where the defects of a scene are; none in a scene without."""
    a = recipe.cell
    ends = np.zeros((0, 2, 2))
    match recipe.kind:
        case "a_vacancy_column" | "nb_antisite":
            places = column_places(recipe)
            ends = np.stack([places, places], axis=1)
        case "antiphase_boundary":
            middle, along = _cut(a) * np.array([1, -1]), np.array([1, 1]) * _FAR
            ends = np.stack([middle - along, middle + along])[None]
        case "ruddlesden_popper":
            ends = np.array([[(a / 4, -_FAR), (a / 4, _FAR)]])
        case "edge_dislocation":
            ends = np.full((1, 2, 2), a / 4)
    return Defects(ends, _CORE.get(recipe.kind, 0.0) * a)


def column_places(recipe: SceneRecipe) -> Floats:
    """A columns spread evenly over the scanned cells, shape (n, 2) [Å]."""
    side = math.ceil(math.sqrt(recipe.columns))
    along = (np.arange(side) + 0.5) / side - 0.5
    x, y = np.meshgrid(along * recipe.cells[0], along * recipe.cells[1])
    turn = math.radians(-recipe.crystal_rotation_deg)
    places = np.exp(1j * turn) * (x + 1j * y).ravel()[: recipe.columns]
    return recipe.cell * np.round(np.stack([places.real, places.imag], axis=1))


def moved(recipe: SceneRecipe, places: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Where the atoms of a perfect crystal stand in the defective one.

    Parameters
    ----------
    recipe : SceneRecipe
        The scene.
    places : ndarray, shape (n, 3)
        Atoms of the perfect crystal.

    Returns
    -------
    row : ndarray, shape (m,)
        Which of them; twice for an inserted layer.
    place : ndarray, shape (m, 3)
        Where they stand.
    """
    a = recipe.cell
    rows = np.arange(len(places))
    match recipe.kind:
        case "antiphase_boundary":
            # 1/2 [110] lies in the boundary (1-10): nothing is inserted or left out
            beyond = (places[:, 0] - places[:, 1]) / 2 > _cut(a)
            return rows, places + a / 2 * np.outer(beyond, (1, 1, 0))
        case "ruddlesden_popper":
            # both halves keep the AO plane x = 0; between them 1/2 [111]: the thickness of
            # one layer along x, and 1/2 <110> in the plane
            left, right = places[:, 0] < a / 8, places[:, 0] > -a / 8
            half = places[right] + a / 2
            return np.concatenate([rows[left], rows[right]]), np.concatenate([places[left], half])
        case "edge_dislocation":
            return rows, places + volterra(places - (a / 4, a / 4, 0), a)
    return rows, places


def _cut(a: float) -> float:
    """Where the antiphase boundary cuts (x - y) / 2: between two atomic planes [Å]."""
    return a / 8


def volterra(places: Floats, burgers: float) -> Floats:
    """Displacements around an edge dislocation in an isotropic medium.

    Its line runs along z, its Burgers vector along +x and its extra half-plane towards +y.

    Parameters
    ----------
    places : ndarray, shape (n, 3)
        Relative to the line [Å].
    burgers : float
        Length of the Burgers vector [Å].

    Returns
    -------
    ndarray, shape (n, 3)
        Displacements [Å]; J. P. Hirth and J. Lothe, Theory of Dislocations, 2nd ed., eq. 3-45
        and 3-46.
    """
    x, y = places[:, 0], places[:, 1]
    square = x**2 + y**2
    stiff = 4 * (1 - POISSON_RATIO)
    across = np.arctan2(y, x) + 2 * x * y / (stiff * square)
    up = (1 - 2 * POISSON_RATIO) / stiff * np.log(square / burgers**2)
    up = up + (x**2 - y**2) / (stiff * square)
    return burgers / (2 * np.pi) * np.stack([across, -up, np.zeros_like(x)], axis=1)
