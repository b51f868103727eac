# SPDX-License-Identifier: GPL-3.0-or-later
"""Where atoms of real crystals stand beside their places: static disorder, octahedral tilts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from polarstem.seeds import derive_seed
from polarstem.structures.crystals import Material
from polarstem.structures.glazer import IN_PHASE, tilt_signs, turns_back
from polarstem.structures.variants import Vector

Floats = NDArray[np.float64]
_FIRST_O = 2  # row of `SITES`: oxygens on the faces across [100], [010] and [001]
_STEPS: tuple[Vector, ...] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))


def static_displacements(
    material: Material, symbols: Sequence[str], factor: float, seed: int
) -> Floats:
    """Displace atoms at random and for good, each independently of the others.

    Parameters
    ----------
    material : Material
        With the root-mean-square displacement of each element along one axis.
    symbols : sequence of str
        Element of each atom.
    factor : float
        On these displacements.
    seed : int
        Seed of the specimen: thermal configurations share the displacements.

    Returns
    -------
    ndarray, shape (n, 3)
        Normally distributed displacements [Å].
    """
    rms = material.static_disorder_rms_angstrom
    sigma = factor * np.array([rms[symbol] for symbol in symbols])
    random = np.random.default_rng(derive_seed(seed, "static disorder"))
    return np.asarray(random.normal(size=(len(sigma), 3)) * sigma[:, None])


def octahedral_tilts(
    site: NDArray[np.int64],
    cells: NDArray[np.int64],
    edge: float,
    tilt_deg: float,
    system: str = IN_PHASE,
    variant: Vector = (0, 0, 0),
) -> Floats:
    """Turn the octahedra about pseudo-cubic axes.

    A step to the next cell across an axis reverses the turn about it, since the octahedra share
    corners; a step along it does where they turn against each other. The lattice stays: with B
    where it is, an octahedron that turns by t about one axis keeps its corners to the second order,
    and the angle B-O-B is 180 degrees - 2 t. With the same turn t about all three axes the
    octahedra turn by atan(sqrt(3) tan(t)) about a body diagonal.

    Parameters
    ----------
    site : ndarray of int, shape (n,)
        Row of each atom in `polarstem.structures.templates.SITES`.
    cells : ndarray of int, shape (n, 3)
        Pseudo-cubic cell of each atom.
    edge : float
        Edge of that cell [Å].
    tilt_deg : float
        Angle about each tilted axis, counter-clockwise in cell (0, 0, 0) [degrees].
    system : str
        Tilt system, see `polarstem.structures.glazer`.
    variant : tuple of int
        Polar axis. About an axis that it has a negative component along, octahedra that turn
        against each other have the other sense: a-a-a- turns them about a polar <111>.

    Returns
    -------
    ndarray, shape (n, 3)
        Displacements along the pseudo-cubic axes [Å].
    """
    found = np.zeros((len(site), 3))
    for axis, sign in enumerate(tilt_signs(system)):
        if not sign:
            continue
        steps = [turns_back(system, step)[axis] for step in _STEPS]
        sense = 1 - 2 * (cells @ steps % 2)
        if sign < 0 and variant[axis] < 0:
            sense = -sense
        size = edge / 2 * np.tan(np.radians(tilt_deg)) * sense
        # the oxygens of a cell are those on the lower sides of its B
        first, second = (axis + 1) % 3, (axis + 2) % 3
        found[:, second] -= size * (site == _FIRST_O + first)
        found[:, first] += size * (site == _FIRST_O + second)
    return found
