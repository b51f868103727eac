# SPDX-License-Identifier: GPL-3.0-or-later
"""Atoms that move: frozen-phonon configurations of whole crystals and of single columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import ase
import numpy as np

from polarstem.config.physics import Phonons
from polarstem.seeds import derive_seed
from polarstem.simulate.potential.crystal import Crystal


def rms_displacements(crystal: Crystal, scale: float) -> dict[str, float]:
    """One-dimensional rms displacement of each atom's symbol [Å].

    The atoms of a virtual site carry the first element's symbol and move by the mean over the
    composition.
    """
    found = {symbol: scale * rms for symbol, rms in crystal.rms_displacement.items()}
    means = {
        symbol: sum(share * found[element] for element, share in shares.items())
        for symbol, shares in crystal.occupancy.items()
    }
    return found | means


def thermal_configurations(crystal: Crystal, phonons: Phonons, seed: int) -> Iterator[ase.Atoms]:
    """Atoms of each frozen-phonon configuration, or the static ones.

    Parameters
    ----------
    crystal : Crystal
        The specimen.
    phonons : Phonons
        Number of configurations and scale of the displacements.
    seed : int
        Each configuration derives its own from it.

    Yields
    ------
    ase.Atoms
        In the crystal's order, displaced across the beam: along it, an atom that is projected
        into its slice cannot be seen to move.
    """
    count = phonons.configurations
    if count == 0:
        yield crystal.atoms
        return
    for number in range(count):
        yield displaced(crystal, phonons.scale, derive_seed(seed, "phonon", number))


def displaced(crystal: Crystal, scale: float, seed: int) -> ase.Atoms:
    """Atoms displaced at random across the beam (Einstein model).

    Parameters
    ----------
    crystal : Crystal
        The specimen.
    scale : float
        Factor on the rms displacements.
    seed : int
        Of the displacements.
    """
    atoms = crystal.atoms.copy()
    rms = rms_displacements(crystal, scale)
    sigma = np.array([rms[symbol] for symbol in atoms.get_chemical_symbols()])
    normal = np.random.default_rng(seed).normal(size=(len(atoms), 2))
    atoms.positions[:, :2] += normal * sigma[:, None]
    return atoms


def thermal_columns(structure: Mapping[str, Any], count: int, scale: float) -> Iterator[Crystal]:
    """Columns of one repeating unit through the whole thickness, each in a configuration.

    Parameters
    ----------
    structure : mapping
        Recipe of the column; cations at random are placed anew for each.
    count : int
        Number of configurations.
    scale : float
        Factor on the rms displacements.
    """
    for number in range(count):
        seed = derive_seed(structure["seed"], "column", number)
        crystal = Crystal.build({**structure, "seed": seed})
        atoms = displaced(crystal, scale, derive_seed(seed, "displacements"))
        yield replace(crystal, atoms=atoms)
