# SPDX-License-Identifier: GPL-3.0-or-later
"""Displacements of the polar phases and the polarization that follows from them.

The five atoms of the pseudo-cubic cell are A at the corner, B in the centre and one O on each
pair of faces. Arrays over them are in the order of `SITES`; vectors are Cartesian along the
pseudo-cubic axes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from ase.data import atomic_masses, atomic_numbers
from numpy.typing import NDArray

from polarstem.structures.crystals import Material
from polarstem.structures.phase_numbers import AtomShifts, Template
from polarstem.structures.variants import Carrier, Phase, Vector, carriers, polar_axis

SITES = ("A", "B", "O", "O", "O")
# positions in quarters of the cell, exact as integers
QUARTERS = np.array([(0, 0, 0), (2, 2, 2), (0, 2, 2), (2, 0, 2), (2, 2, 0)])
# axis of the B-O bond of each oxygen (rows 2-4)
BOND_AXES = (0, 1, 2)
# 1 e/Å^2 in µC/cm^2
_E_PER_SQUARE_ANGSTROM = 1602.176634


def template_displacements(
    material: Material, phase: Phase, variant: Vector
) -> NDArray[np.float64]:
    """Displace the five atoms from their cubic places, in a phase that the material describes.

    In T, O and R, A and O move against the polarization relative to B, each O by the value for its
    bond: between ``O_perpendicular`` and ``O_parallel`` with the squared cosine of bond and polar
    axis (relative to the largest of the three). Oxygens with an oblique bond also move across it.
    For another polar axis each atom has its own displacement, turned onto the variant.

    The mass-weighted mean is taken out. Otherwise the crystal would shift as a whole with its
    polarization, and a pattern at a known probe position would give the class away without any
    polarity.

    Parameters
    ----------
    material : Material
    phase : str
        One that `Material.lattice` has.
    variant : tuple of int
        Polar axis.

    Returns
    -------
    ndarray, shape (5, 3)
        Displacements at amplitude 1 [Å].
    """
    template = material.template[phase]
    if isinstance(template, AtomShifts):
        own = np.array([template.A, (0.0, 0.0, 0.0), *template.oxygens])
        shifts = turned(own, carriers(polar_axis(phase), variant)[0])
    else:
        shifts = _scaled(template, variant)
    masses = _masses(material)
    shifts -= masses @ shifts / masses.sum()
    return shifts * 0.01


def turned(shifts: NDArray[np.float64], operation: Carrier) -> NDArray[np.float64]:
    """Displacements of the five atoms of a turned cell, shape (5, 3)."""
    order, signs = operation
    rows = [0, 1, *(2 + i for i in order)]  # a bond turns as its axis does
    found: NDArray[np.float64] = shifts[rows][:, order] * signs
    return found


def _scaled(template: Template, variant: Vector) -> NDArray[np.float64]:
    """Displacements relative to B [pm] by the bonds' angles to the polar axis."""
    polar = np.array(variant) / math.sqrt(sum(v * v for v in variant))
    weights = polar**2 / np.max(polar**2)
    shifts = np.zeros((5, 3))
    shifts[0] = -template.A * polar
    for row, axis in enumerate(BOND_AXES, start=2):
        weight = weights[axis]
        size = weight * template.O_parallel + (1 - weight) * template.O_perpendicular
        shifts[row] = -size * polar
        if 0 < abs(polar[axis]) < 1:
            # the end of the bond on the side away from the polarization
            bond = -math.copysign(1.0, polar[axis]) * np.eye(3)[axis]
            across = bond - (bond @ polar) * polar
            shifts[row] += template.O_transverse * across / np.linalg.norm(across)
    return shifts


def _masses(material: Material) -> NDArray[np.float64]:
    """Masses of the five atoms, averaged over the elements of a site [u]."""

    def mass(site: Mapping[str, float]) -> float:
        return sum(share * float(atomic_masses[atomic_numbers[e]]) for e, share in site.items())

    return np.array([mass(material.a_site), mass(material.b_site), *[mass({"O": 1.0})] * 3])


def polarization(
    material: Material, shifts: NDArray[np.float64], cell_volume: float
) -> NDArray[np.float64]:
    """Compute the polarization of displaced atoms from Born effective charges.

    P is the sum of Z* u over the cell, divided by its volume. The charge of O is a tensor:
    ``O_parallel`` along its bond, ``O_perpendicular`` across.

    Parameters
    ----------
    material : Material
    shifts : ndarray, shape (5, 3)
        Displacements [Å].
    cell_volume : float
        Volume of one formula unit [Å^3].

    Returns
    -------
    ndarray, shape (3,)
        Polarization [µC/cm^2], nan without Born charges; docs/crystals.md has it beside measured
        values.
    """
    charges = material.born_charges
    if charges is None:
        return np.full(3, np.nan)
    moment = material.a_charge * shifts[0] + material.b_charge * shifts[1]
    for row, axis in enumerate(BOND_AXES, start=2):
        tensor = np.full(3, charges["O_perpendicular"])
        tensor[axis] = charges["O_parallel"]
        moment = moment + tensor * shifts[row]
    return np.asarray(_E_PER_SQUARE_ANGSTROM / cell_volume * moment)
