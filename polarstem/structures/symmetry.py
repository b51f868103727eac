# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns and mirrors of the projected lattice: variants that they map onto one another.

A turn acts on the screen about an A column (x right, y up); the component along the beam stays.
Standard library only, because Snakemake imports it whenever it parses the workflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from itertools import product

from polarstem.structures.variants import Vector, dot, screen_axes

Turn = tuple[tuple[int, int], tuple[int, int]]
"""Rows of a 2 x 2 matrix of whole numbers that acts on columns (x, y), y up."""

IDENTITY: Turn = ((1, 0), (0, 1))

# Zone axes along which the mirror across the beam leaves every atomic plane of the cubic crystal
# on itself. Along [110] it reverses the order of the planes.
_PLANES_ARE_MIRRORS = ((0, 0, 1),)


def turns_of(zone_axis: Sequence[int], square: bool = True) -> tuple[Turn, ...]:
    """List the turns and mirrors that the cubic crystal allows about its A columns.

    Parameters
    ----------
    zone_axis : tuple of int
        Beam direction.
    square : bool
        Whether x and y may change places, as in a field of as many cells along both. Along
        [110], whose projected cell is a rectangle, they never do.

    Returns
    -------
    tuple of Turn
        2 x 2 matrices, rows first, that act on columns (x, y); the identity first. Eight for
        [001] (4mm), four for a rectangle (2mm).
    """
    x, y, _ = screen_axes(zone_axis)
    signs = tuple(product((1, -1), repeat=2))
    straight: tuple[Turn, ...] = tuple(((a, 0), (0, b)) for a, b in signs)
    if not square or dot(x, x) != dot(y, y):
        return straight
    return straight + tuple(((0, a), (b, 0)) for a, b in signs)


def turned(vector: Vector, turn: Turn, zone_axis: Sequence[int]) -> Vector:
    """Turn a pseudo-cubic vector about the beam."""
    axes = screen_axes(zone_axis)
    across, up, along = (dot(vector, axis) for axis in axes)
    # axes that change places are equally long, so their components need no scaling
    screen = (*(row[0] * across + row[1] * up for row in turn), along)
    lengths = [Fraction(part, dot(axis, axis)) for part, axis in zip(screen, axes, strict=True)]
    x, y, z = (
        int(sum(n * axis[i] for n, axis in zip(lengths, axes, strict=True))) for i in range(3)
    )
    return x, y, z


def inverse(turn: Turn) -> Turn:
    """The turn that undoes another: its transpose, as lengths stay."""
    (a, b), (c, d) = turn
    return (a, c), (b, d)


def mirrored(vector: Vector, zone_axis: Sequence[int]) -> Vector:
    """Reverse the component of a pseudo-cubic vector along the beam."""
    beam = screen_axes(zone_axis)[2]
    along = Fraction(2 * dot(vector, beam), dot(beam, beam))
    x, y, z = (int(v - along * b) for v, b in zip(vector, beam, strict=True))
    return x, y, z


@cache  # a plan asks for each specimen, several times
def representative(
    variant: Vector, zone_axis: tuple[int, ...], square: bool = True, flat: bool = False
) -> tuple[Vector, Turn]:
    """Choose one variant for all that the turns map onto one another.

    Parameters
    ----------
    variant : tuple of int
        Polar axis.
    zone_axis : tuple of int
        Beam direction.
    square : bool
        As in `turns_of`.
    flat : bool
        Whether each atomic plane is projected by itself, so that the component along the beam
        cannot be seen: variants that differ in its sign are then one, too, where they have the
        same planes in the same order. Along [110] they do not.

    Returns
    -------
    representative : tuple of int
        The largest of them as a tuple, the same for all.
    turn : Turn
        Turns the representative into `variant`, but for the sign along the beam where `flat`; the
        identity for the representative itself.
    """
    turns = turns_of(zone_axis, square)[::-1]
    images = {turned(variant, turn, zone_axis): turn for turn in turns}
    if flat and tuple(zone_axis) in _PLANES_ARE_MIRRORS:
        images = {mirrored(image, zone_axis): turn for image, turn in images.items()} | images
    chosen = max(images)
    return chosen, inverse(images[chosen])
