# SPDX-License-Identifier: GPL-3.0-or-later
"""Amorphous layers on the surfaces of a specimen: atoms at random, none too close to another.

Two kinds: the crystal's own composition, as ion milling and the beam leave it, and carbon, as
contamination or a support film.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import ase
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from polarstem.errors import PolarstemError
from polarstem.seeds import derive_seed
from polarstem.structures.crystals import Material
from polarstem.structures.imperfections import Imperfections

Floats = NDArray[np.float64]
AMORPHOUS = "amorphous"
"""Key of a specimen's description that says which of its atoms are layers."""
DENSITY_SHARE = 0.9
"""Number density of an amorphous layer of the crystal's composition over the crystal's; assumed,
not measured: disorder takes room."""
LEAST_APART = {"crystal": 1.8, "carbon": 1.4}
"""Distance that no two atoms fall below [Å]: somewhat less than the bonds B-O of the perovskites
(1.8 to 2.2 Å); the bond of graphite (1.42 Å)."""
CARBON_DENSITY = 0.1003
"""Atoms of evaporated carbon per Å^3: 2.0 g/cm^3, within the 1.8 to 2.1 of J. Robertson, Mater.
Sci. Eng. R 37, 129 (2002)."""
_ROUNDS = 500  # in which atoms are scattered; a few do at these densities


class Layers(NamedTuple):
    """Atoms of the layers on the entrance and the exit surface, z from the layer's own top [Å]."""

    entrance: ase.Atoms
    exit: ase.Atoms


def with_layers(
    atoms: ase.Atoms, given: Imperfections, material: Material, volume: float, seed: int
) -> ase.Atoms:
    """Add the amorphous layers of a specimen behind its other atoms.

    Parameters
    ----------
    atoms : ase.Atoms
        The crystal in its box, whose entrance surface is z = 0.
    given : Imperfections
        Thickness of both layers, and of what they are.
    material : Material
        Of the crystal.
    volume : float
        Of a formula unit [Å^3].
    seed : int
        Seed of the specimen.

    Returns
    -------
    ase.Atoms
        The box is that of the crystal: the layers stand before and behind it. Their numbers of
        atoms and thicknesses are in ``info["amorphous"]``, which is absent without layers.
    """
    if not any(given.amorphous_nm):
        return atoms
    info, pbc, box = dict(atoms.info), atoms.pbc, atoms.cell.lengths()
    whole, counts = atoms.copy(), []
    for name, thickness_nm in zip(("entrance", "exit"), given.amorphous_nm, strict=True):
        random = np.random.default_rng(derive_seed(seed, "amorphous", name))
        height = 10 * thickness_nm
        symbols = _symbols(given.amorphous_of, material, volume, box[0] * box[1] * height, random)
        apart = LEAST_APART[given.amorphous_of]
        # the crystal's outermost plane lies within its box
        gap = min(apart / 2, height / 4)
        free = np.array([box[0], box[1], height - gap])
        places = scattered(free, len(symbols), apart, random)
        depth = places[:, 2] + gap  # from the crystal's face
        places[:, 2] = -depth if name == "entrance" else box[2] + depth
        whole += ase.Atoms(symbols, places)
        counts.append(len(symbols))
    whole.info = info | {
        AMORPHOUS: {
            "of": given.amorphous_of,
            "atoms": counts,
            "thickness_angstrom": [10.0 * t for t in given.amorphous_nm],
        }
    }
    whole.pbc = pbc
    return whole


def parted(atoms: ase.Atoms) -> tuple[ase.Atoms, Layers | None]:
    """Part a specimen into its crystal and its amorphous layers; None without them."""
    told: dict[str, Any] | None = atoms.info.get(AMORPHOUS)
    if told is None:
        return atoms, None
    first, last = told["atoms"]
    x, y, depth = atoms.cell.lengths().tolist()
    entrance, exit_ = atoms[-first - last : len(atoms) - last], atoms[len(atoms) - last :]
    heights = told["thickness_angstrom"]
    for layer, height, face in zip((entrance, exit_), heights, (-heights[0], depth), strict=True):
        layer.positions[:, 2] -= face
        layer.cell = (x, y, height)
    crystal = atoms[: len(atoms) - first - last]
    crystal.info = atoms.info
    return crystal, Layers(entrance, exit_)


def _symbols(
    kind: str, material: Material, volume: float, room: float, random: np.random.Generator
) -> list[str]:
    if kind == "carbon":
        return ["C"] * round(CARBON_DENSITY * room)
    units = round(DENSITY_SHARE * room / volume)
    cations = _drawn(material.a_site, units, random)
    # one element is not drawn: layers of such materials stay what they have been
    only = len(material.b_site) == 1
    cations += [*material.b_site] * units if only else _drawn(material.b_site, units, random)
    symbols = [*cations, *["O"] * (3 * units)]
    return [symbols[i] for i in random.permutation(len(symbols)).tolist()]


def _drawn(shares: Mapping[str, float], count: int, random: np.random.Generator) -> list[str]:
    found: list[str] = random.choice(
        list(shares), count, p=np.array(list(shares.values()))
    ).tolist()
    return found


def scattered(box: Floats, count: int, apart: float, random: np.random.Generator) -> Floats:
    """Scatter places in a box, none closer to another than `apart`, across its sides neither.

    Random sequential addition: who comes too close to one that is there is left out.

    Parameters
    ----------
    box : ndarray, shape (3,)
        Edges [Å]; it repeats along x and y.
    count : int
        Number of places.
    apart : float
        Least distance [Å].
    random : Generator
        Source of the places.

    Returns
    -------
    ndarray, shape (count, 3)

    Raises
    ------
    PolarstemError
        If there is no room for so many.
    """
    # no other copies along the beam within reach
    period = np.array([box[0], box[1], 2 * box[2] + 2 * apart])
    found = np.empty((0, 3))
    for _ in range(_ROUNDS):
        if len(found) == count:
            return found
        new = random.random((2 * (count - len(found)), 3)) * box
        if len(found):
            distance, _ = KDTree(found, boxsize=period).query(new, distance_upper_bound=apart)
            new = new[~(distance < apart)]
        pairs = KDTree(new, boxsize=period).query_pairs(apart, output_type="ndarray")
        late = np.unique(pairs.max(axis=1)) if len(pairs) else np.empty(0, np.int64)
        found = np.concatenate([found, np.delete(new, late, axis=0)])[:count]
    raise PolarstemError(
        f"An amorphous layer of {box[2]:.1f} Å has no room for {count} atoms {apart:g} Å apart; "
        "make it thicker or leave it out."
    )
