# SPDX-License-Identifier: GPL-3.0-or-later
"""The average pseudo-cubic cell of any structure of an ABO3 perovskite.

A structure's cell may hold any number of formula units and stand in any setting: primitive,
C-centred, hexagonal, a supercell. Its B sites span the pseudo-cubic lattice; every atom belongs to
a place of that lattice, and the displacements from these places are averaged over the cells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import ase
import ase.io
import numpy as np
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.structures.templates import QUARTERS

Floats = NDArray[np.float64]
_OCTAHEDRON = 6
_NEAREST, _FARTHEST = 0.7, 1.3  # of neighbouring B sites, over the edge of the mean cell
_ALIGNED = 0.8  # cosine of the directions of neighbours along one axis
_MOST = 0.25  # displacement of an atom from its place, over the edge


@dataclass(frozen=True)
class AveragedCell:
    """Average pseudo-cubic cell of a structure.

    Attributes
    ----------
    a_site, b_site : dict
        Share of each element on the site.
    gram : ndarray, shape (3, 3)
        Scalar products of the pseudo-cubic axes [Å^2].
    shifts : ndarray, shape (5, 3)
        Displacement of each atom of `polarstem.structures.templates.SITES` from its place, over
        the axes; their mean is zero.
    unlike : float
        Root-mean-square distance of atoms from the mean of their site [Å]: tilts of the
        octahedra, among others.
    """

    a_site: dict[str, float]
    b_site: dict[str, float]
    gram: Floats
    shifts: Floats
    unlike: float


def averaged_cell(path: Path | str) -> AveragedCell:
    """Read a structure and average its pseudo-cubic cells.

    Parameters
    ----------
    path : path
        CIF, or any other file of a crystal that ASE reads. Of sites with several elements a CIF
        tells the shares.

    Raises
    ------
    PolarstemError
        If the file cannot be read, or holds no perovskite-like ABO3 cell.
    """
    atoms = _read(Path(path))
    compositions = _compositions(atoms)

    def fail(reason: str) -> PolarstemError:
        return PolarstemError(
            f"The structure {path} ({atoms.get_chemical_formula()}) is no perovskite-like ABO3 "
            f"cell: {reason}; give one, such as the 5 atoms of P4mm."
        )

    oxygen = atoms.symbols == "O"
    count, rest = divmod(len(atoms), 5)
    if rest or int(oxygen.sum()) != 3 * count:
        raise fail(f"of {len(atoms)} atoms {int(oxygen.sum())} are oxygen, not three of five")
    edge = (atoms.cell.volume / count) ** (1 / 3)
    centres = _octahedral(atoms, oxygen, edge)
    if centres is None:
        raise fail("no cation for each formula unit has six oxygens next to it")
    axes = _axes(atoms[centres], edge)
    if axes is None:
        raise fail("its octahedra stand on no simple cubic lattice")
    places, site = _placed(atoms, axes, centres, oxygen)
    rows = [np.flatnonzero(site == row) for row in range(5)]
    if any(len(row) != count for row in rows) or np.abs(places).max() > _MOST:
        raise fail(f"an atom stands more than {_MOST:g} of the edge away from its place")
    means = np.array([places[row].mean(axis=0) for row in rows])
    gram = axes @ axes.T
    apart = (places - means[site]) @ axes
    return AveragedCell(
        a_site=_shares([compositions[i] for i in rows[0]]),
        b_site=_shares([compositions[i] for i in rows[1]]),
        gram=gram,
        shifts=means - means.mean(axis=0),
        unlike=float(np.sqrt(np.square(apart).sum(axis=1).mean())),
    )


def _read(path: Path) -> ase.Atoms:
    if not path.is_file():
        raise PolarstemError(f"There is no structure file {path}; check the path.")
    try:
        atoms = ase.io.read(path, index=-1)
        if not isinstance(atoms, ase.Atoms) or not len(atoms):
            raise ValueError("it holds no atoms")
        if not (atoms.cell.rank == 3 and np.isfinite(atoms.positions).all()):
            raise ValueError("it holds no crystal")
    # ASE's readers fail in as many ways as files can be broken
    except Exception as error:
        raise PolarstemError(
            f"The structure file {path} cannot be read ({error or type(error).__name__}); give a "
            "CIF, or another file of a crystal that ASE reads."
        ) from error
    atoms.pbc = True
    return atoms


def _compositions(atoms: ase.Atoms) -> list[dict[str, float]]:
    """Share of each element on the site of each atom."""
    kinds = atoms.arrays.get("spacegroup_kinds")
    shared = atoms.info.get("occupancy")
    if kinds is None or shared is None:
        return [{symbol: 1.0} for symbol in atoms.get_chemical_symbols()]
    return [dict(shared[str(kind)]) for kind in kinds.tolist()]


def _shares(sites: list[dict[str, float]]) -> dict[str, float]:
    """Mean composition of sites, the largest share first; elements of one share as they come."""
    total: Counter[str] = Counter()
    for site in sites:
        total.update(site)
    whole = sum(total.values())
    return {e: round(n / whole, 6) for e, n in total.most_common()}


def _octahedral(
    atoms: ase.Atoms, oxygen: NDArray[np.bool_], edge: float
) -> NDArray[np.int64] | None:
    """Cations in the middle of octahedra: the half of them whose six nearest oxygens are nearest.

    A stands among twelve, at sqrt(2) times the distance.
    """
    first, second, distance = neighbor_list("ijd", atoms, edge)
    bonds = ~oxygen[first] & oxygen[second]
    cations = np.flatnonzero(~oxygen)
    means = np.full(len(cations), np.inf)
    for number, cation in enumerate(cations):
        near = np.sort(distance[bonds & (first == cation)])[:_OCTAHEDRON]
        if len(near) == _OCTAHEDRON:
            means[number] = near.mean()
    chosen = np.argsort(means, kind="stable")[: len(cations) // 2]
    if not np.isfinite(means[chosen]).all():
        return None
    return np.sort(cations[chosen])


def _axes(centres: ase.Atoms, edge: float) -> Floats | None:
    """Pseudo-cubic axes, in rows, right-handed: means over the vectors between neighbouring B.

    Displacements of B fall out of these means, as the vectors along an axis close.
    """
    vectors = neighbor_list("D", centres, _FARTHEST * edge)
    vectors = vectors[np.linalg.norm(vectors, axis=1) > _NEAREST * edge]
    found: list[Floats] = []
    while len(vectors) and len(found) < 3:
        along = vectors @ vectors[0] / np.linalg.norm(vectors, axis=1) / np.linalg.norm(vectors[0])
        same = np.abs(along) > _ALIGNED
        if int(same.sum()) != 2 * len(centres):
            return None
        found.append((np.sign(along)[:, None] * vectors)[same].mean(axis=0))
        vectors = vectors[~same]
    if len(found) < 3 or len(vectors):
        return None
    axes = np.array(_along_cartesian(found))
    return axes if np.linalg.det(axes) > 0 else -axes


def _along_cartesian(found: list[Floats]) -> list[Floats]:
    """In the order and with the signs in which they are nearest to x, y and z."""
    left, ordered = list(found), []
    for axis in range(3):
        best = max(range(len(left)), key=lambda i: round(abs(left[i][axis]), 6))
        vector = left.pop(best)
        ordered.append(vector if vector[axis] >= 0 else -vector)
    return ordered


def _placed(
    atoms: ase.Atoms, axes: Floats, centres: NDArray[np.int64], oxygen: NDArray[np.bool_]
) -> tuple[Floats, NDArray[np.int64]]:
    """Displacement of each atom from its place, over the axes, and its site (row of `SITES`)."""
    fractions = atoms.positions @ np.linalg.inv(axes)
    own = fractions[centres] - fractions[centres[0]]
    origin = fractions[centres[0]] + (own - np.round(own)).mean(axis=0)
    apart = fractions - origin  # of B whole numbers, of A halves, of O halves along its bond
    site = np.zeros(len(atoms), np.int64)
    site[centres] = 1
    places = apart - np.round(apart)
    is_a = ~oxygen & (site == 0)
    places[is_a] = (apart[is_a] + 0.5) - np.round(apart[is_a] + 0.5)
    # an oxygen's place differs from its B by half an axis: try each
    halves = (QUARTERS[2:] - QUARTERS[1]) / 4
    tried = apart[oxygen][:, None] - halves
    tried -= np.round(tried)
    nearest = np.square(tried).sum(axis=2).argmin(axis=1)
    site[oxygen] = 2 + nearest
    places[oxygen] = tried[np.arange(len(nearest)), nearest]
    return places, site


def composition(site: Mapping[str, float]) -> str:
    """A site's composition in words."""
    return " and ".join(f"{element} {share:g}" for element, share in site.items())
