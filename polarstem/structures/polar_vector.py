# SPDX-License-Identifier: GPL-3.0-or-later
"""Crystals whose polar vector points anywhere and is as long as one likes.

The polar vector is the displacement of B against the mean of its oxygens. What the five atoms do
for a given vector is an assumption: **one template, scaled and turned**. Each atom moves by a
linear function of the vector, the same for all directions (`PolarMode`), as in the polar mode of
the cubic crystal. So the cell follows the vector smoothly through zero, and a turn of the vector
by a turn of the cube turns the cell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polarstem.errors import PolarstemError
from polarstem.structures.crystals import Material, load_material
from polarstem.structures.templates import BOND_AXES, displacements
from polarstem.structures.variants import PolarClass, Vector, classes, phase_variants, screen_axes

MOST_AMPLITUDE = 1.4
"""Longest polar vector, over that of the template."""
_A, _B, _O = 0, 1, slice(2, None)


@dataclass(frozen=True)
class PolarMode:
    """What five atoms do for a polar vector.

    Attributes
    ----------
    tensors : ndarray, shape (5, 3)
        Displacement of each atom along each pseudo-cubic axis for a polar vector of unit length
        along that axis; atoms in the order of `polarstem.structures.templates.SITES`. Symmetry
        leaves one number for A, one for B, and two for O: along its bond to B, and across.
    full_pm : float
        Length of the template's own polar vector: amplitude 1 [pm].
    misfit_pm : float
        Root-mean-square distance of an atom from its place in the template, in the variants of
        its phase at amplitude 1 [pm].
    """

    tensors: NDArray[np.float64]
    full_pm: float
    misfit_pm: float

    @classmethod
    def of(cls, material: str | Mapping[str, Any] | Material, phase: str) -> PolarMode:
        """Fit it to a phase's template.

        The four numbers are those that meet the template best in all variants of its phase, by
        least squares over the atoms; the length of the polar vector is met exactly. So are the
        templates of T and R. That of O has three numbers for oxygen where the mode has two, and is
        met to `misfit_pm`.

        Parameters
        ----------
        material : str or mapping or Material
            As for `load_material`.
        phase : {"T", "O", "R"}
            Phase whose template is scaled and turned.

        Raises
        ------
        PolarstemError
            If the material has no such phase, or its template no displacement of B against O.
        """
        loaded = load_material(material)
        known = loaded.require_phase(phase)
        variants = phase_variants(known)
        axes = np.array(variants) / np.sqrt(np.sum(np.square(variants), axis=1))[:, None]
        shifts = 100 * np.array([displacements(loaded, known, v) for v in variants])  # pm
        # slope of each atom's component along an axis with that of the polar axis
        slopes = np.einsum("nsi,ni->si", shifts, axes) / np.square(axes).sum(0)[:, None].T
        bonds = np.eye(3, dtype=bool)[list(BOND_AXES)]
        tensors = np.empty((5, 3))
        tensors[[_A, _B]] = slopes[[_A, _B]].mean(1)[:, None]
        along, across = slopes[_O][bonds].mean(), slopes[_O][~bonds].mean()
        tensors[_O] = np.where(bonds, along, across)
        full = tensors[_B, 0] - tensors[_O, 0].mean()
        if not full > 0:
            raise PolarstemError(
                f"The template of {loaded.formula}, phase {phase}, does not displace B along the "
                "polarization against its oxygens, so no polar vector can be given in them; choose "
                "another phase or correct the template."
            )
        apart = shifts - tensors * axes[:, None]
        misfit = math.sqrt(np.square(apart).sum(-1).mean())
        return cls(tensors / full, float(full), misfit)

    def displacements(self, vector_pm: ArrayLike) -> NDArray[np.float64]:
        """Displace the five atoms from their cubic places.

        Parameters
        ----------
        vector_pm : array_like, shape (3,)
            Displacement of B against the mean of its oxygens, along the pseudo-cubic axes [pm].

        Returns
        -------
        ndarray, shape (5, 3)
            Displacements along the pseudo-cubic axes [Å]; their mass-weighted mean is zero.

        Raises
        ------
        PolarstemError
            If the vector is longer than `MOST_AMPLITUDE` templates.
        """
        vector = np.asarray(vector_pm, dtype=np.float64)
        length = float(np.linalg.norm(vector))
        if not length <= MOST_AMPLITUDE * self.full_pm * (1 + 1e-9):
            raise PolarstemError(
                f"A polar vector of {length:.4g} pm is longer than {MOST_AMPLITUDE:g} times the "
                f"{self.full_pm:.4g} pm of the template; shorten it."
            )
        found: NDArray[np.float64] = 0.01 * self.tensors * vector
        return found


def screen_rotation(zone_axis: Sequence[int]) -> NDArray[np.float64]:
    """Unit vectors of screen x, y and the beam in pseudo-cubic axes, one in each row."""
    axes = np.array(screen_axes(zone_axis), dtype=np.float64)
    rotation: NDArray[np.float64] = axes / np.linalg.norm(axes, axis=1)[:, None]
    return rotation


def displaced_cell(
    material: str | Mapping[str, Any] | Material,
    phase: str,
    vector_pm: ArrayLike,
    zone_axis: Sequence[int] = (0, 0, 1),
) -> NDArray[np.float64]:
    """Displace the five atoms of a cell by a polar vector that is seen on the screen.

    Parameters
    ----------
    material, phase
        As for `PolarMode.of`.
    vector_pm : array_like, shape (3,)
        Displacement of B against the mean of its oxygens: to the right, up, and along the beam
        [pm]. The first two are what a map of displacements shows.
    zone_axis : sequence of int
        Beam direction.

    Returns
    -------
    ndarray, shape (5, 3)
        Displacements along the pseudo-cubic axes [Å].
    """
    vector = np.asarray(vector_pm, dtype=np.float64) @ screen_rotation(zone_axis)
    return PolarMode.of(material, phase).displacements(vector)


def nearest_class(
    phase: str, vector_pm: ArrayLike, zone_axis: Sequence[int]
) -> tuple[PolarClass, Vector]:
    """Class and variant of a phase whose polar axis is nearest to a polar vector.

    Parameters
    ----------
    phase : {"T", "O", "R"}
        Phase whose variants are looked at.
    vector_pm : array_like, shape (3,)
        As for `displaced_cell`; any variant is as near to zero.
    zone_axis : sequence of int
        Beam direction.
    """
    vector = np.asarray(vector_pm, dtype=np.float64) @ screen_rotation(zone_axis)
    table = classes(phase, zone_axis, end_on=True)
    pairs = [(each, variant) for each in table for variant in each.variants]
    cosines = [vector @ variant / math.hypot(*variant) for _, variant in pairs]
    # rounded, so that equally near ones are told apart by their order
    return pairs[int(np.argmax(np.round(cosines, 9)))]


def vector_settings(structure: Mapping[str, Any], vector_pm: Sequence[float]) -> dict[str, Any]:
    """Settings of a recipe, for `make_recipe`, with the polar vector in place of a variant.

    Parameters
    ----------
    structure : mapping
        The other settings: ``material``, ``phase`` (of the template) and ``zone_axis`` at least.
    vector_pm : sequence of float
        As for `displaced_cell`.

    Returns
    -------
    dict
        With ``polar_vector_pm``, and the nearest class and variant as labels.
    """
    nearest, variant = nearest_class(structure["phase"], vector_pm, structure["zone_axis"])
    return {
        **structure,
        "variant": variant,
        "class_index": nearest.index,
        "class_name": nearest.name,
        "direction_deg": nearest.direction_deg,
        "polar_vector_pm": tuple(float(u) for u in vector_pm),
        "metric": "cubic",
    }
