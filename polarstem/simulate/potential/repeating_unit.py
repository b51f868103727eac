# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a crystal that repeats."""

from __future__ import annotations

from dataclasses import replace

from polarstem.errors import PolarstemError
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.potential.lattice_match import TOLERANCE, first_of_each, partners

_LARGEST_UNIT = 2  # projected cells along each side; rock-salt order of the A site needs two


def repeating_unit(crystal: Crystal) -> Crystal:
    """Find the smallest block of projected cells that the crystal repeats.

    Parameters
    ----------
    crystal : Crystal
        A specimen that is periodic in the plane.

    Returns
    -------
    Crystal
        The block: at most 2 x 2 projected cells, and as many periods along the beam as it
        takes (all of them where the crystal does not repeat along the beam).

    Raises
    ------
    PolarstemError
        If the crystal repeats larger blocks only, as with cations at random, walls or defects.
    """
    atoms = crystal.atoms
    box = atoms.cell.lengths()
    lateral = [
        next(
            (
                m
                for m in range(1, _LARGEST_UNIT + 1)
                if crystal.repeats[axis] % m == 0 and _repeats(crystal, axis, m)
            ),
            0,
        )
        for axis in (0, 1)
    ]
    if 0 in lateral:
        raise PolarstemError(
            "A scattering matrix needs a crystal that repeats every one or two cells in the "
            f"plane, but this field of {crystal.repeats[0]} x {crystal.repeats[1]} cells does not "
            "(cations at random, wall, defect or thermal motion?); use a_site `virtual` or "
            "`ordered` and b_site `virtual`, or simulate it with the engine `multislice`."
        )
    along = next(
        m
        for m in range(1, crystal.repeats[2] + 1)
        if m == crystal.repeats[2] or _repeats(crystal, 2, m)
    )
    repeats = (lateral[0], lateral[1], along)
    size = box * repeats / crystal.repeats
    inside = atoms[atoms.positions[:, 2] < size[2]]
    unit = inside[first_of_each(inside.positions, size)]
    unit.set_cell(size)
    planes = crystal.slices_per_period * along
    return replace(crystal, atoms=unit, repeats=repeats, planes=planes)


def _repeats(crystal: Crystal, axis: int, cells: int) -> bool:
    """Whether a shift by so many cells maps the crystal onto itself, as far as it reaches."""
    atoms = crystal.atoms
    box = atoms.cell.lengths()
    moved = atoms.positions.copy()
    moved[:, axis] += cells * crystal.cell[axis]
    kept = moved[:, 2] < box[2] - TOLERANCE
    partner = partners(moved[kept], atoms.positions, box)
    return partner is not None and bool((atoms.numbers[kept] == atoms.numbers[partner]).all())
