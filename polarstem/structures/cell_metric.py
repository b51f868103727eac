# SPDX-License-Identifier: GPL-3.0-or-later
"""Shape of the projected cell of a variant. Light: no numpy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from polarstem.structures.crystals import Material, load_material
from polarstem.structures.phase_numbers import turned_gram
from polarstem.structures.variants import (
    PHASES,
    Phase,
    Vector,
    carriers,
    dot,
    polar_axis,
    screen_axes,
)

Metric = Literal["cubic", "phase"]
_FAST_FACTORS = (2, 3, 5, 7, 11, 13)  # of numbers of points that transforms are made for


def _unique_axis(phase: Phase, variant: Vector) -> Vector:
    """Cubic axis perpendicular to the polar axis of the O phase; the others have none."""
    x, y, z = variant
    return (int(x == 0), int(y == 0), int(z == 0)) if phase == "O" else (0, 0, 0)


def _products(
    material: Material, phase: Phase, variant: Vector
) -> Callable[[Vector, Vector], float]:
    """Scalar products of pseudo-cubic vectors in the lattice of a variant [Å^2]."""
    cell = material.lattice[phase]
    if phase not in PHASES:
        gram = turned_gram(cell.gram, carriers(polar_axis(phase), variant)[0])
        return lambda v, w: sum(v[i] * w[j] * gram[i][j] for i in range(3) for j in range(3))
    along, unique, across = cell.stretches(phase)
    axis = _unique_axis(phase, variant)

    def product(v: Vector, w: Vector) -> float:
        p = dot(variant, v) * dot(variant, w) / dot(variant, variant)
        u = dot(axis, v) * dot(axis, w)
        return along**2 * p + unique**2 * u + across**2 * (dot(v, w) - p - u)

    return product


def screen_metric(
    material: Material, phase: Phase, variant: Vector, zone_axis: Sequence[int]
) -> tuple[tuple[float, float, float], float]:
    """Shape of the projected cell of a variant in the lattice of its phase.

    Parameters
    ----------
    material : Material
    phase : str
        One that `Material.lattice` has.
    variant : tuple of int
        Polar axis.
    zone_axis : tuple of int
        Beam direction.

    Returns
    -------
    lengths : tuple of float
        Lengths of the repeat vectors along screen x, y and the beam [Å].
    shear : float
        Largest departure of their angles from a right angle [degrees].
    """
    product = _products(material, phase, variant)
    x, y, z = screen_axes(zone_axis)
    lengths = math.sqrt(product(x, x)), math.sqrt(product(y, y)), math.sqrt(product(z, z))
    volume = math.prod(lengths)
    cosines = (
        product(v, w) * length / volume
        for v, w, length in zip((y, z, x), (z, x, y), lengths, strict=True)
    )
    return lengths, max(abs(math.degrees(math.asin(c))) for c in cosines)


def cell_lengths(
    material: Material, phase: Phase, variant: Vector, zone_axis: Sequence[int], metric: Metric
) -> tuple[float, float, float]:
    """Lengths of the projected cell as simulated, along screen x, y and the beam [Å].

    With the cubic metric every variant has the cube of the phase's volume. With the metric of the
    phase, axes have their own lengths; departures from right angles are dropped. A phase that the
    material has no lattice for has the cubic metric only.
    """
    if metric == "phase" and phase in material.lattice:
        return screen_metric(material, phase, variant, zone_axis)[0]
    edge = material.cell_volume(phase) ** (1 / 3)
    x, y, z = (edge * math.sqrt(dot(v, v)) for v in screen_axes(zone_axis))
    return x, y, z


def lengths_of(structure: Mapping[str, Any]) -> tuple[float, float, float]:
    """Lengths of the projected cell of a structure's settings, along screen x, y and the beam [Å].

    Parameters
    ----------
    structure : mapping
        ``material``, ``phase``, ``variant``, ``zone_axis`` and ``metric``.
    """
    return cell_lengths(
        load_material(structure["material"]),
        structure["phase"],
        tuple(structure["variant"]),
        structure["zone_axis"],
        structure["metric"],
    )


def cell_points(pixels_per_cell: int, length: float, edge: float) -> int:
    """Grid points of the waves along an edge of a projected cell.

    An even number. Where it is not `pixels_per_cell` itself, it is raised to one without prime
    factors above 13: 46 = 2 x 23 points along [-110] make transforms three times as long as 48 do.

    Parameters
    ----------
    pixels_per_cell : int
        Grid points along the pseudo-cubic lattice constant.
    length, edge : float
        Length of the cell's edge and that lattice constant [Å].
    """
    points = max(2, 2 * round(pixels_per_cell * length / edge / 2))
    while points != pixels_per_cell and not _is_fast(points):
        points += 2
    return points


def _is_fast(points: int) -> bool:
    for factor in _FAST_FACTORS:
        while points % factor == 0:
            points //= factor
    return points == 1
