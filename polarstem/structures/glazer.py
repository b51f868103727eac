# SPDX-License-Identifier: GPL-3.0-or-later
"""Octahedral tilt systems in Glazer's notation. Light: no numpy.

A system such as a-a-a- has for each of [100], [010] and [001] a letter, equal where angles are, and
how octahedra that follow one another along that axis turn about it: + in the same sense, - in
opposite ones, 0 not at all. (A. M. Glazer, Acta Cryst. B28, 3384 (1972).)
"""

from __future__ import annotations

import re

from polarstem.structures.variants import Vector

IN_PHASE = "a0a0c+"
"""One in-phase tilt about [001], as in Pm of K0.3Na0.7NbO3 (a0b+c0 there, D. W. Baker et al., Acta
Cryst. B65, 22 (2009)): what a material has that names no system."""
_SYMBOL = re.compile("a([0+-])([ab])([0+-])([abc])([0+-])")
_SIGNS = {"0": 0, "+": 1, "-": -1}


def tilt_signs(system: str) -> Vector:
    """Read how octahedra turn about each axis: 1 in phase, -1 against each other, 0 not at all.

    Raises
    ------
    ValueError
        If it is no tilt system, or one whose angles differ: one angle goes for all tilted axes.
    """
    found = _SYMBOL.fullmatch(system)
    if found is None:
        raise ValueError(f"{system!r} is no tilt system in Glazer's notation, such as a-a-a-")
    first, second, along_b, third, along_c = found.groups()
    signs = (_SIGNS[first], _SIGNS[along_b], _SIGNS[along_c])
    letters = {name for name, sign in zip(("a", second, third), signs, strict=True) if sign}
    if len(letters) != 1:
        raise ValueError(
            f"the tilt system {system} needs one letter for all tilted axes, as in a-a-a- or a0b-b-"
        )
    return signs


def turns_back(system: str, vector: Vector) -> Vector:
    """Whether a step by whole cells reverses the turn about each axis: 1 where it does, else 0."""
    found = [
        (sum(vector) - (sign == 1) * step) % 2 if sign else 0
        for sign, step in zip(tilt_signs(system), vector, strict=True)
    ]
    return found[0], found[1], found[2]
