# SPDX-License-Identifier: GPL-3.0-or-later
"""Crystals whose polar vector points anywhere and is as long as one likes.

The polar vector is the displacement of B against the mean of its oxygens. What the five atoms do
for a given vector is an assumption: **one template, scaled and turned**. Each atom moves by a
linear function of the vector, the same for all directions
(`polarstem.structures.polar_mode.PolarMode`), as in the polar mode of the cubic crystal. So the
cell follows the vector smoothly through zero, and a turn of the vector by a turn of the cube turns
the cell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polarstem.structures.crystals import Material
from polarstem.structures.polar_mode import PolarMode
from polarstem.structures.variants import PolarClass, Vector, classes, screen_axes


def screen_rotation(zone_axis: Sequence[int]) -> NDArray[np.float64]:
    """Unit vectors of screen x, y and the beam in pseudo-cubic axes, one in each row."""
    axes = np.array(screen_axes(zone_axis), dtype=np.float64)
    rotation: NDArray[np.float64] = axes / np.linalg.norm(axes, axis=1)[:, None]
    return rotation


def displaced_cell(
    material: str | Mapping[str, Any] | Material,
    phase: str,
    vector_pm: ArrayLike,
    zone_axis: Sequence[int] = (0, 0, 1),
) -> NDArray[np.float64]:
    """Displace the five atoms of a cell by a polar vector that is seen on the screen.

    Parameters
    ----------
    material, phase
        As for `PolarMode.of`.
    vector_pm : array_like, shape (3,)
        Displacement of B against the mean of its oxygens: to the right, up, and along the beam
        [pm]. The first two are what a map of displacements shows.
    zone_axis : sequence of int
        Beam direction.

    Returns
    -------
    ndarray, shape (5, 3)
        Displacements along the pseudo-cubic axes [Å].
    """
    vector = np.asarray(vector_pm, dtype=np.float64) @ screen_rotation(zone_axis)
    return PolarMode.of(material, phase).displacements(vector)


def nearest_class(
    phase: str, vector_pm: ArrayLike, zone_axis: Sequence[int]
) -> tuple[PolarClass, Vector]:
    """Class and variant of a phase whose polar axis is nearest to a polar vector.

    Parameters
    ----------
    phase : str
        Phase whose variants are looked at.
    vector_pm : array_like, shape (3,)
        As for `displaced_cell`; any variant is as near to zero.
    zone_axis : sequence of int
        Beam direction.
    """
    vector = np.asarray(vector_pm, dtype=np.float64) @ screen_rotation(zone_axis)
    table = classes(phase, zone_axis, end_on=True)
    pairs = [(each, variant) for each in table for variant in each.variants]
    cosines = [vector @ variant / math.hypot(*variant) for _, variant in pairs]
    # rounded, so that equally near ones are told apart by their order
    return pairs[int(np.argmax(np.round(cosines, 9)))]


def vector_settings(structure: Mapping[str, Any], vector_pm: Sequence[float]) -> dict[str, Any]:
    """Settings of a recipe, for `make_recipe`, with the polar vector in place of a variant.

    Parameters
    ----------
    structure : mapping
        The other settings: ``material``, ``phase`` (of the template) and ``zone_axis`` at least.
    vector_pm : sequence of float
        As for `displaced_cell`.

    Returns
    -------
    dict
        With ``polar_vector_pm``, and the nearest class and variant as labels.
    """
    nearest, variant = nearest_class(structure["phase"], vector_pm, structure["zone_axis"])
    return {
        **structure,
        "variant": variant,
        "class_index": nearest.index,
        "class_name": nearest.name,
        "direction_deg": nearest.direction_deg,
        "polar_vector_pm": tuple(float(u) for u in vector_pm),
        "metric": "cubic",
    }
