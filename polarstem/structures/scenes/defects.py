# SPDX-License-Identifier: GPL-3.0-or-later
"""Defects of a scene: where they are and how they move atoms.

Places are relative to the scene's origin, which is an A column: x right, y up, z along the beam
[Å]. Nothing is relaxed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarstem.structures.scenes.recipe import SceneRecipe

Floats = NDArray[np.float64]
POISSON_RATIO = 0.25
_FAR = 1e4
_CLOSEST = 1e-3  # to a dislocation's line that its field is evaluated [Burgers vectors]
_ITERATIONS = 60  # each leaves less than half of the distance at one Burgers vector from the line
# reach of a defect's core [unit cells]: columns stand on the corners of four cells
_CORE = {
    "a_vacancy_column": 0.5,
    "b_antisite": 0.5,
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
        case "a_vacancy_column" | "b_antisite":
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
    return np.array(recipe.defect_columns, np.float64) * recipe.lengths[:2]


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


def unmoved(recipe: SceneRecipe, places: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Where what stands at places in the defective crystal stood in the perfect one.

    The inverse of `moved` seen along the beam. In the core of a dislocation there is no lattice to
    go back to; the values are finite and say nothing.

    Parameters
    ----------
    recipe : SceneRecipe
        The scene.
    places : ndarray, shape (n, 2)
        Places in the scene [Å].

    Returns
    -------
    place : ndarray, shape (n, 2)
        Where they were [Å].
    more : ndarray, shape (n,)
        What to add to the number of a cell's column there, so that no two cells have the same and
        both parts of a cut one do.
    """
    a = recipe.cell
    none = np.zeros(len(places), np.int64)
    match recipe.kind:
        case "antiphase_boundary":
            # the shift along the boundary leaves the distance from it as it is
            beyond = (places[:, 0] - places[:, 1]) / 2 > _cut(a)
            return places - a / 2 * beyond[:, None], none
        case "ruddlesden_popper":
            # the fault is half-way between the two AO planes
            beyond = places[:, 0] > a / 4
            return places - a / 2 * beyond[:, None], beyond.astype(np.int64)
        case "edge_dislocation":
            line = np.full(2, a / 4)
            before = line + _before_volterra(places - line, a)
            # numbers jump by the Burgers vector somewhere: not at the cut, which goes through cells
            below = (before[:, 1] >= 0) & (before < line).all(axis=1)
            return before, -below.astype(np.int64)
    return places, none


def _before_volterra(places: Floats, burgers: float) -> Floats:
    """Places (n, 2) that `volterra` moves to the given ones, by iteration."""
    found = np.empty((2, *places.shape))
    for side, before in zip((1, -1), found, strict=True):
        before[:] = places
        for _ in range(_ITERATIONS):
            before[:] = places - volterra(before, burgers, side)[:, :2]
    upper, lower = found
    # beside the cut both sides of it are candidates: the one that lies on its own side
    return np.where((upper[:, 1] >= 0)[:, None], upper, lower)


def volterra(places: Floats, burgers: float, side: int = 0) -> Floats:
    """Displacements around an edge dislocation in an isotropic medium.

    Its line runs along z, its Burgers vector along +x and its extra half-plane towards +y. They
    jump by the Burgers vector where the half-plane y = 0, x < 0 is crossed.

    Parameters
    ----------
    places : ndarray, shape (n, 2 or more)
        Relative to the line [Å].
    burgers : float
        Length of the Burgers vector [Å].
    side : {0, 1, -1}
        With 1 or -1 the displacements above or below the cut go on across it to the other side.

    Returns
    -------
    ndarray, shape (n, 3)
        Displacements [Å]; J. P. Hirth and J. Lothe, Theory of Dislocations, 2nd ed., eq. 3-45
        and 3-46.
    """
    x, y = places[:, 0], places[:, 1]
    square = np.maximum(x**2 + y**2, (_CLOSEST * burgers) ** 2)
    angle = np.arctan2(y, x)
    if side:
        angle = angle + 2 * np.pi * side * (side * angle < -np.pi / 2)
    stiff = 4 * (1 - POISSON_RATIO)
    across = angle + 2 * x * y / (stiff * square)
    up = (1 - 2 * POISSON_RATIO) / stiff * np.log(square / burgers**2)
    up = up + (x**2 - y**2) / (stiff * square)
    return burgers / (2 * np.pi) * np.stack([across, -up, np.zeros_like(x)], axis=1)
