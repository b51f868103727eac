# SPDX-License-Identifier: GPL-3.0-or-later
"""What the five atoms of a cell do for a polar vector of any direction and length."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polarstem.errors import PolarstemError
from polarstem.structures.crystals import Material, load_material
from polarstem.structures.phase_numbers import MOST_AMPLITUDE
from polarstem.structures.templates import BOND_AXES, template_displacements
from polarstem.structures.variants import Phase, Vector, phase_variants

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
        phase : str
            Phase whose template is scaled and turned; that of the nearest axis where the material
            does not describe it.

        Raises
        ------
        PolarstemError
            If the material has no such phase, or its template no displacement of B against O.
        """
        loaded = load_material(material)
        known = loaded.described(phase)
        variants = phase_variants(known)
        axes = np.array(variants) / np.sqrt(np.sum(np.square(variants), axis=1))[:, None]
        shifts = 100 * np.array([template_displacements(loaded, known, v) for v in variants])  # pm
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


def displacements(material: Material, phase: Phase, variant: Vector) -> NDArray[np.float64]:
    """Displace the five atoms from their cubic places.

    Those of the material's template for the phase. Where it has none, for a polar axis of one's
    own, the template of `Material.described` is scaled and turned by its `PolarMode`.

    Parameters
    ----------
    material : Material
    phase : str
        Polar phase.
    variant : tuple of int
        Polar axis.

    Returns
    -------
    ndarray, shape (5, 3)
        Displacements along the pseudo-cubic axes at amplitude 1 [Å]; their mass-weighted mean is
        zero.
    """
    known = material.described(phase)
    if known == phase:
        return template_displacements(material, phase, variant)
    mode = PolarMode.of(material, known)
    return mode.displacements(mode.full_pm * np.array(variant) / math.hypot(*variant))
