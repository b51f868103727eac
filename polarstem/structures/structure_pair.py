# SPDX-License-Identifier: GPL-3.0-or-later
"""A material from two structures, parent and polar: their difference is what the amplitude scales.

Both are averaged over their pseudo-cubic cells, so they may have cells of different size and
setting. Each atom is paired with the one on the same site of the other structure, whatever the
origin of either. What is found is a mapping of the form that materials have, and from there a
material of two files goes the way of any other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.structures.averaged_cell import AveragedCell, averaged_cell, composition
from polarstem.structures.phase_numbers import turned_gram
from polarstem.structures.templates import turned
from polarstem.structures.variants import CUBIC, PHASES, Carrier, Vector, carriers, polar_axis

Floats = NDArray[np.float64]
ASSUMED_RMS = 0.08
"""Root-mean-square thermal displacement of an element that nothing is said of [Å]: B = 0.5 Å^2,
among those of resources/crystals.yaml (0.37 to 1.05 Å^2)."""
_UNLIKE = 0.02  # of atoms of one site, within a structure [Å]
_UNPOLAR = 0.02  # displacement of an atom of the parent [Å]
_STRAIN = 0.1  # of a pseudo-cubic axis, between the structures
_SAME = 5e-3  # Å: what symmetry makes equal
_SAME_CELL = 4e-3  # the same of the cell's axes, as a share: they may be given to hundredths of Å
_LEAST = 0.01  # displacement of B against O of a polar structure [Å]


def material_of_pair(parent: Path | str, polar: Path | str, **known: Any) -> dict[str, Any]:
    """Make a material of two structures.

    Parameters
    ----------
    parent, polar : path
        Structures without and with the polar displacements: CIF, or any file that ASE reads, of
        perovskite-like ABO3 cells in any setting.
    **known
        Other keys of a material that files do not tell. Without ``debye_waller_rms_angstrom`` each
        element moves by `ASSUMED_RMS`; without ``born_charges`` there is no polarization. With
        ``octahedral_tilts`` (as in a material, or the tilt system of the one phase) atoms of a
        site may differ from cell to cell: the tilts of the files are averaged out.

    Returns
    -------
    dict
        For `polarstem.structures.crystals.load_material`, of plain values, with the one phase that
        the difference belongs to. Cell: that of the polar structure.

    Raises
    ------
    PolarstemError
        If a file holds no perovskite-like cell, or the two are no pair.
    """
    first, second = averaged_cell(parent), averaged_cell(polar)
    tilts = known.pop("octahedral_tilts", None)
    _check_pair(first, second, str(parent), str(polar), tilted=tilts is not None)
    # the symmetric deformation that makes the pseudo-cubic axes out of the cubic ones
    values, vectors = np.linalg.eigh(second.gram)
    deformation = vectors @ np.diag(np.sqrt(values)) @ vectors.T
    shifts = (second.shifts - first.shifts) @ deformation
    shifts -= shifts[1]
    moved = float(np.linalg.norm(shifts[2:].mean(axis=0)))
    if moved < _LEAST:
        raise PolarstemError(
            f"The structures {parent} and {polar} differ by no polar displacement: B stands "
            f"{moved:.3f} Å from the middle of its oxygens; give the polar structure second."
        )
    phase, shifts, gram = _recognised(shifts, second.gram, str(polar))
    elements = (*second.a_site, *second.b_site, "O")
    found = {
        "a_site": second.a_site,
        "b_site": second.b_site,
        "lattice": {phase: _cell(phase, gram)},
        "template": {phase: _template(phase, 100 * shifts)},
        "debye_waller_rms_angstrom": dict.fromkeys(elements, ASSUMED_RMS),
        "sources": {"lattice and template": f"difference of {parent} and {polar}"},
    }
    if tilts is not None:
        found["octahedral_tilts"] = dict(tilts) if isinstance(tilts, Mapping) else {phase: tilts}
    return found | known


def _check_pair(
    parent: AveragedCell, polar: AveragedCell, first: str, second: str, *, tilted: bool
) -> None:
    """Refuse structures whose difference would not be the polar mode."""
    for site in ("a_site", "b_site"):
        one, other = getattr(parent, site), getattr(polar, site)
        if set(one) != set(other) or any(abs(one[e] - other[e]) > 0.01 for e in one):
            raise PolarstemError(
                f"The atoms of {first} and {second} cannot be paired: the {site[0].upper()} sites "
                f"hold {composition(one)} in one and {composition(other)} in the other; give two "
                "structures of one composition."
            )
    edges = [np.sqrt(np.diag(cell.gram)) for cell in (parent, polar)]
    if max(np.abs(np.sort(edges[0]) / np.sort(edges[1]) - 1)) > _STRAIN:
        told = [" x ".join(f"{edge:.3f}" for edge in each) for each in edges]
        raise PolarstemError(
            f"The cells of {first} and {second} do not match: pseudo-cubic axes of {told[0]} Å "
            f"and {told[1]} Å differ by more than {100 * _STRAIN:g} %; give two structures of one "
            "crystal."
        )
    for cell, path in ((parent, first), (polar, second)):
        if cell.unlike > _UNLIKE and not tilted:
            raise PolarstemError(
                f"In {path} atoms of one site differ from cell to cell by {cell.unlike:.3f} Å, as "
                "by octahedral tilts, which a polar mode has not; name the tilt system "
                "(octahedral_tilts), and they are left out, or give a structure without."
            )
    middle = parent.shifts - parent.shifts[1]
    apart = float(np.linalg.norm(middle @ np.diag(edges[0]), axis=1).max())
    if apart > _UNPOLAR:
        raise PolarstemError(
            f"The parent structure {first} is polar itself: an atom stands {apart:.3f} Å from the "
            "place that B's gives it; give the parent first, without polar displacements."
        )


def _recognised(shifts: Floats, gram: Floats, path: str) -> tuple[str, Floats, Floats]:
    """Phase of displacements [Å] and a cell, and both as the phase's own polar axis has them.

    The operations of m-3m that leave them as they are, within tolerances, tell the phase: 4mm that
    of <001>, mm2 that of <110>, 3m that of <111>, and for less symmetry the nearest axis of one
    digit a component that just these operations leave where it is. Both are averaged over them.
    """
    scale = float(np.trace(gram)) / 3
    kept = [
        operation
        for operation in CUBIC
        if np.linalg.norm(turned(shifts, operation) - shifts, axis=1).max() < _SAME
        and np.abs(turned_gram(gram, operation) - gram).max() < _SAME_CELL * scale
    ]
    shifts = np.mean([turned(shifts, operation) for operation in kept], axis=0)
    gram = np.mean([turned_gram(gram, operation) for operation in kept], axis=0)
    polar = -shifts[2:].mean(axis=0)
    best: tuple[float, Vector, str] | None = None
    for name in (*PHASES, *_own_phases()):
        axis = polar_axis(name)
        if len(carriers(axis, axis)) != len(kept):
            continue
        for variant in {_moved(axis, operation) for operation in CUBIC}:
            if set(carriers(variant, variant)) == set(kept):
                cosine = round(float(polar @ variant) / math.hypot(*variant), 9)
                if best is None or cosine > best[0]:
                    best = cosine, variant, name
    if best is None:
        raise PolarstemError(
            f"The polar structure {path} has no symmetry that a polar axis leaves: its "
            "displacements turn about their axis; give a structure of P4mm, Amm2, R3m, Cm, Pm or "
            "P1 in its average cell."
        )
    _, variant, phase = best
    back = carriers(variant, polar_axis(phase))[0]
    return phase, turned(shifts, back), np.array(turned_gram(gram, back))


def _own_phases() -> list[str]:
    """Names of all polar axes of one digit a component but T, O and R."""
    return [
        f"M{x}{y}{z}"
        for x in range(10)
        for y in range(x, 10)
        for z in range(y, 10)
        if math.gcd(x, y, z) == 1 and len({x, y, z} - {0}) > 1
    ]


def _moved(axis: Vector, operation: Carrier) -> Vector:
    order, signs = operation
    x, y, z = (sign * axis[i] for sign, i in zip(signs, order, strict=True))
    return x, y, z


def _cell(phase: str, gram: Floats) -> dict[str, float]:
    """Cell of a phase, see `polarstem.structures.phase_numbers.UnitCell`."""
    a, b, c = np.sqrt(np.diag(gram))
    across, along = (gram[1, 1] + gram[2, 2] + sign * 2 * gram[1, 2] for sign in (-1, 1))
    alpha, beta, gamma = (
        math.degrees(math.acos(gram[i, j] / math.sqrt(gram[i, i] * gram[j, j])))
        for i, j in ((1, 2), (2, 0), (0, 1))
    )
    found = {
        "T": {"a": a, "c": c},
        "O": {"a": a, "b": math.sqrt(across), "c": math.sqrt(along)},
        "R": {"a": a, "alpha": alpha},
    }
    own = {"a": a, "b": b, "c": c, "alpha": alpha, "beta": beta, "gamma": gamma}
    return {key: round(float(value), 6) for key, value in found.get(phase, own).items()}


def _template(phase: str, shifts: Floats) -> dict[str, Any]:
    """Displacements relative to B [pm] in the form of a phase."""
    if phase not in PHASES:
        keys = {"A": 0, "O_x": 2, "O_y": 3, "O_z": 4}
        return {key: [round(float(u), 4) for u in shifts[row]] for key, row in keys.items()}
    axis = np.array(polar_axis(phase))
    polar = axis / np.linalg.norm(axis)
    along = -shifts @ polar
    parallel, perpendicular = ([i for i in range(3) if bool(axis[i]) is on] for on in (True, False))
    found = {
        "A": along[0],
        "O_parallel": along[[2 + i for i in parallel]].mean(),
        # all bonds of R are alike
        "O_perpendicular": along[[2 + i for i in perpendicular or parallel]].mean(),
    }
    if len(parallel) > 1:
        outwards = [-np.eye(3)[i] + polar[i] * polar for i in parallel]
        sizes = [
            shifts[2 + i] @ across / np.linalg.norm(across)
            for i, across in zip(parallel, outwards, strict=True)
        ]
        found["O_transverse"] = np.mean(sizes)
    return {key: round(float(value), 4) for key, value in found.items()}
