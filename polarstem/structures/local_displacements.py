# SPDX-License-Identifier: GPL-3.0-or-later
"""Where atoms of real crystals stand beside their places: static disorder, octahedral tilts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from polarstem.seeds import derive_seed
from polarstem.structures.crystals import Material

Floats = NDArray[np.float64]
_O_X, _O_Y = 2, 3  # rows of `SITES`: oxygens on the faces across [100] and [010]


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
    site: NDArray[np.int64], cells: NDArray[np.int64], edge: float, tilt_deg: float
) -> Floats:
    """Turn the octahedra about [001]: in phase along it, against their neighbours across it.

    That is a0a0c+ in the notation of A. M. Glazer, Acta Cryst. B28, 3384 (1972): one in-phase
    tilt, as in Pm of K0.3Na0.7NbO3 at room temperature (a0b+c0, D. W. Baker et al., Acta Cryst.
    B65, 22 (2009)), its axis along [001]. Seen along that axis it is plainest: it doubles the
    projected cell. The lattice stays: with B where it is, an octahedron that turns by t keeps
    its corners to the second order, and the angle B-O-B is 180 degrees - 2 t.

    Parameters
    ----------
    site : ndarray of int, shape (n,)
        Row of each atom in `polarstem.structures.templates.SITES`.
    cells : ndarray of int, shape (n, 3)
        Pseudo-cubic cell of each atom.
    edge : float
        Edge of that cell [Å].
    tilt_deg : float
        Angle of the octahedron in cell (0, 0, 0), counter-clockwise [degrees].

    Returns
    -------
    ndarray, shape (n, 3)
        Displacements along the pseudo-cubic axes [Å].
    """
    sense = 1 - 2 * (cells[:, :2].sum(axis=1) % 2)
    size = edge / 2 * np.tan(np.radians(tilt_deg)) * sense
    found = np.zeros((len(site), 3))
    # the oxygens of a cell are those on the lower sides of its B
    found[:, 1] -= size * (site == _O_X)
    found[:, 0] += size * (site == _O_Y)
    return found
