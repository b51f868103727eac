# SPDX-License-Identifier: GPL-3.0-or-later
"""Polar variants of the ferroelectric perovskite phases and how one projection sorts them.

All vectors are pseudo-cubic and integer. The module uses the standard library only, because
Snakemake imports it whenever it parses the workflow.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import permutations, product
from typing import TypeAlias

from polarstem.errors import PolarstemError

Phase: TypeAlias = str
"""T, O, R, or a polar axis of its own: M and three digits, such as M113 for <113>."""
Vector = tuple[int, int, int]

_POLAR_AXES: dict[str, Vector] = {"T": (0, 0, 1), "O": (0, 1, 1), "R": (1, 1, 1)}
PHASES: tuple[Phase, ...] = tuple(_POLAR_AXES)
"""Those with a name."""
_OWN_AXIS = re.compile(r"M([0-9])([0-9])([0-9])")

# Right (x), up (y) and beam (z), right-handed. They are also the vectors that the projected cell
# repeats by, so the cell of [110] measures a*sqrt(2) by a, and a*sqrt(2) along the beam.
_SCREEN_AXES: dict[Vector, tuple[Vector, Vector, Vector]] = {
    (0, 0, 1): ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    (1, 1, 0): ((-1, 1, 0), (0, 0, 1), (1, 1, 0)),
}
ZONE_AXES: tuple[Vector, ...] = tuple(_SCREEN_AXES)

_COMPASS = ("RM", "RU", "MU", "LU", "LM", "LD", "MD", "RD")


@dataclass(frozen=True)
class PolarClass:
    """Variants whose polarization looks the same along the beam.

    Attributes
    ----------
    index : int
        Position in the class table, counter-clockwise from +x.
    name : str
        RM, RU, MU, LU, LM, LD, MD, RD (right/left/middle, up/down/middle) for multiples of 45
        degrees, ``A`` and three digits for other directions, with tenths behind an underscore
        where whole degrees would name two classes alike, END for variants along the beam.
    direction_deg : float
        Direction of the projected polarization [degrees], counter-clockwise from +x (right) with
        y up, in [0, 360); nan for END.
    variants : tuple of tuple of int
        Polar axes of its variants, from the one that points most along +z (the beam) down.
    projected_fraction : float
        Length of the projected polarization divided by that of the whole vector.
    """

    index: int
    name: str
    direction_deg: float
    variants: tuple[Vector, ...]
    projected_fraction: float

    def variant_of(self, specimen: int) -> Vector:
        """Give the polar axis of the `specimen`-th specimen: the variants take turns."""
        return self.variants[specimen % len(self.variants)]


def dot(u: Vector, v: Vector) -> int:
    """Scalar product of two integer vectors."""
    return sum(a * b for a, b in zip(u, v, strict=True))


def polar_axis(phase: str) -> Vector:
    """Give the polar axis that stands for all of a phase, its components ascending.

    Parameters
    ----------
    phase : str
        T, O or R; or M with three digits, the axis. Each axis has one name: its components ascend,
        have no common divisor and are not those of T, O or R.

    Raises
    ------
    PolarstemError
        If there is no such phase, or it has another name.
    """
    if phase in _POLAR_AXES:
        return _POLAR_AXES[phase]
    found = _OWN_AXIS.fullmatch(phase)
    x, y, z = sorted(int(digit) for digit in found.groups()) if found else (0, 0, 0)
    if not z:
        raise PolarstemError(
            f"There is no polar phase {phase!r}; choose T (<001>), O (<110>), R (<111>), or M with "
            "the digits of an axis, such as M113 (<113>)."
        )
    shortest = math.gcd(x, y, z)
    axis = (x // shortest, y // shortest, z // shortest)
    known = {other: name for name, other in _POLAR_AXES.items()}
    name = known.get(axis, "M" + "".join(map(str, axis)))
    if phase != name:
        raise PolarstemError(f"The phase {phase!r} is {name}; write that.")
    return axis


@cache
def phase_variants(phase: str) -> tuple[Vector, ...]:
    """Generate the polar axes of a phase with the 48 operations of m-3m.

    Parameters
    ----------
    phase : str
        Tetragonal <001> (T), orthorhombic <110> (O), rhombohedral <111> (R) or an axis of one's
        own, see `polar_axis`.

    Returns
    -------
    tuple of tuple of int
        6, 12 or 8 integer vectors, sorted; 24 of an axis within a mirror plane (two components
        equal, or one zero), else 48.
    """
    axis = polar_axis(phase)
    images = {
        (sx * x, sy * y, sz * z)
        for x, y, z in permutations(axis)
        for sx, sy, sz in product((1, -1), repeat=3)
    }
    return tuple(sorted(images))


Carrier = tuple[Vector, Vector]
"""An operation of m-3m: component i of the image is signs[i] times component order[i]."""


CUBIC: tuple[Carrier, ...] = tuple(
    ((i, j, k), (x, y, z))
    for i, j, k in permutations((0, 1, 2))
    for x in (1, -1)
    for y in (1, -1)
    for z in (1, -1)
)
"""All 48."""


@cache
def carriers(axis: Vector, image: Vector) -> tuple[Carrier, ...]:
    """Operations of m-3m that carry one axis onto another, as (order, signs).

    With both alike: those that leave it where it is.
    """
    return tuple(
        (order, signs)
        for order, signs in CUBIC
        if all(signs[i] * axis[order[i]] == image[i] for i in range(3))
    )


def zone_vector(zone_axis: Sequence[int]) -> Vector:
    """Check a zone axis and give it as a tuple."""
    for known in ZONE_AXES:
        if tuple(zone_axis) == known:
            return known
    raise PolarstemError(
        f"The zone axis {list(zone_axis)} is not available; choose [0, 0, 1] or [1, 1, 0]."
    )


def screen_axes(zone_axis: Sequence[int]) -> tuple[Vector, Vector, Vector]:
    """Give the pseudo-cubic vectors that point right, up and along the beam.

    Parameters
    ----------
    zone_axis : tuple of int
        (0, 0, 1) with x = [100], y = [010]; or (1, 1, 0) with x = [-110], y = [001] (x = [1-10]
        would make x, y, z left-handed).

    Returns
    -------
    tuple of tuple of int
        x, y and z, orthogonal and right-handed, not normalised.
    """
    return _SCREEN_AXES[zone_vector(zone_axis)]


def projection(vector: Vector, zone_axis: Sequence[int]) -> tuple[float, float]:
    """Project a polar axis along the beam.

    Returns
    -------
    direction : float
        Direction on the screen [degrees] in [0, 360); nan for a vector along the beam.
    fraction : float
        Length of the projection divided by that of the vector.
    """
    axes = screen_axes(zone_axis)
    x, y = (dot(vector, axis) / math.sqrt(dot(axis, axis)) for axis in axes[:2])
    fraction = math.hypot(x, y) / math.sqrt(dot(vector, vector))
    return (math.degrees(math.atan2(y, x)) % 360.0 if fraction else math.nan), fraction


def class_name(direction_deg: float) -> str:
    """Name a class after its direction [degrees]; END for nan."""
    if math.isnan(direction_deg):
        return "END"
    turns, rest = divmod(direction_deg, 45.0)
    return _COMPASS[int(turns) % 8] if rest == 0 else f"A{round(direction_deg) % 360:03d}"


def _names(directions: Sequence[float]) -> list[str]:
    """Names of the classes of a phase, no two alike."""
    names = [class_name(direction) for direction in directions]
    if len(set(names)) == len(names):
        return names
    tenths = [round(10 * direction) % 3600 if direction >= 0 else 0 for direction in directions]
    return [
        f"A{tenth // 10:03d}_{tenth % 10}" if name.startswith("A") else name
        for name, tenth in zip(names, tenths, strict=True)
    ]


@cache
def _classes(phase: str, zone_axis: Vector) -> tuple[PolarClass, ...]:
    x, y, z = screen_axes(zone_axis)
    groups: dict[tuple[int, int], list[Vector]] = {}
    for variant in phase_variants(phase):
        # parallel projections share their smallest integer screen coordinates: no rounding
        across, up = dot(variant, x), dot(variant, y)
        shortest = math.gcd(across, up) or 1
        groups.setdefault((across // shortest, up // shortest), []).append(variant)
    for members in groups.values():
        members.sort(key=lambda v: (-dot(v, z), v))
    # an end-on group has no direction and goes last
    ordered = sorted(
        (math.isnan(projection(g[0], zone_axis)[0]), projection(g[0], zone_axis), tuple(g))
        for g in groups.values()
    )
    names = _names([direction for _, (direction, _), _ in ordered])
    return tuple(
        PolarClass(index, names[index], direction, members, fraction)
        for index, (_, (direction, fraction), members) in enumerate(ordered)
    )


def classes(phase: str, zone_axis: Sequence[int], end_on: bool = False) -> tuple[PolarClass, ...]:
    """Sort the variants of a phase into classes of equal projected direction.

    Parameters
    ----------
    phase : str
        Polar phase, see `polar_axis`.
    zone_axis : tuple of int
        Beam direction, (0, 0, 1) or (1, 1, 0).
    end_on : bool
        Whether variants along the beam form a last class END.

    Returns
    -------
    tuple of PolarClass
        Counter-clockwise from +x.
    """
    table = _classes(phase, zone_vector(zone_axis))
    return tuple(c for c in table if end_on or c.name != "END")
