# SPDX-License-Identifier: GPL-3.0-or-later
"""Projected potentials as abTEM takes them, made slice by slice on its device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import abtem
import ase
from abtem.core.backend import get_array_module
from abtem.integrals import ScatteringFactorProjectionIntegrals

from polarstem.simulate.potential.projection import (
    Element,
    Slab,
    exact_projection,
    scattering_factor,
)


class AveragedAtoms(ScatteringFactorProjectionIntegrals):
    """abTEM's infinite projection of atoms that may be averages and may be smeared.

    Parameters
    ----------
    elements : mapping of str to Element
        By the symbol that the atoms carry.
    """

    def __init__(self, elements: Mapping[str, Element]) -> None:
        super().__init__("lobato")
        self._elements = dict(elements)

    def _calculate_scattering_factor(
        self, symbol: str, gpts: tuple[int, int], sampling: tuple[float, float], device: str = "cpu"
    ) -> Any:
        factor = scattering_factor(self._elements[symbol], gpts, sampling)
        return get_array_module(device).asarray(factor)


class ExactProjection(AveragedAtoms):
    """`exact_projection` for abTEM."""

    def integrate_on_grid(
        self,
        atoms: ase.Atoms,
        a: float,
        b: float,
        gpts: tuple[int, int],
        sampling: tuple[float, float],
        device: str = "cpu",
    ) -> Any:
        """Potential of one slice's atoms, shape `gpts` [V Å]; a and b are abTEM's and not used."""
        factors = {
            symbol: self.get_scattering_factor(symbol, gpts, sampling, device)
            for symbol in set(atoms.get_chemical_symbols())
        }
        return exact_projection(atoms, factors, gpts, sampling, get_array_module(device))


def potential_of(slab: Slab, projection: str) -> abtem.Potential:
    """abTEM's potential of a slab, projected "exact" or by "abtem"."""
    integrator = ExactProjection if projection == "exact" else AveragedAtoms
    return abtem.Potential(
        slab.atoms,
        gpts=slab.gpts,
        slice_thickness=tuple(slab.thickness.tolist()),
        integrator=integrator(slab.elements),
        exit_planes=slab.exits,
    )
