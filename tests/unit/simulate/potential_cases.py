# SPDX-License-Identifier: GPL-3.0-or-later
"""Projected potentials summed atom by atom, and what moving atoms make of them."""

from __future__ import annotations

from dataclasses import replace

import abtem
import ase
import numpy as np
import scipy.optimize
from abtem.parametrizations import LobatoParametrization
from numpy.typing import NDArray

from polarstem.config.physics import Simulate
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.potential.frozen_phonons import thermal_configurations
from polarstem.simulate.potential.projection import projected_potential


def direct_sum(atoms: ase.Atoms, gpts, symbols=None, smearing=None) -> np.ndarray:
    """Projected potential of atoms, shape `gpts` [V Å]: cosines at each grid point, in float64.

    Every frequency of the grid is taken with both of its signs, the last one with half of each.

    Parameters
    ----------
    symbols : mapping of str to mapping, optional
        Composition that an atom's symbol stands for.
    smearing : mapping of str to float, optional
        One-dimensional rms displacement [Å].
    """
    size = atoms.cell.lengths()[:2]
    frequencies, weights = [], []
    for n, length in zip(gpts, size, strict=True):
        order = np.arange(-(n // 2), n // 2 + 1)
        frequencies.append(order / length)
        weights.append(np.where(2 * np.abs(order) == n, 0.5, 1.0))
    x, y = (np.arange(n) * length / n for n, length in zip(gpts, size, strict=True))
    squared = np.add.outer(frequencies[0] ** 2, frequencies[1] ** 2)
    total = np.zeros(gpts)
    for atom in atoms:
        composition = (symbols or {}).get(atom.symbol, {atom.symbol: 1.0})
        factor = np.zeros_like(squared)
        for symbol, share in composition.items():
            with abtem.config.set(precision="float64"):  # of the parameters, which nearly cancel
                scattering = LobatoParametrization().projected_scattering_factor(symbol)(squared)
            rms = (smearing or {}).get(symbol, 0.0)
            factor += share * scattering * np.exp(-2 * np.pi**2 * rms**2 * squared)
        factor *= np.multiply.outer(*weights)
        along = (
            np.exp(2j * np.pi * np.outer(points - place, order))
            for points, place, order in zip((x, y), atom.position[:2], frequencies, strict=True)
        )
        left, right = along
        total += (left @ factor @ right.T).real / np.prod(size)
    return total


def pile_of(crystal: Crystal, symbol: str, count: int, place=(0.313, 0.771)) -> Crystal:
    """One projected cell whose atoms are all of one element and at one place, between pixels.

    Each moves by itself, so one slice has the mean over many configurations.
    """
    atoms = ase.Atoms(f"{symbol}{count}", cell=crystal.cell, pbc=True)
    atoms.positions[:, :2] = np.array(place) * crystal.cell[:2]
    atoms.positions[:, 2] = 0.5 * crystal.cell[2]
    return replace(crystal, atoms=atoms, repeats=(1, 1, 1), planes=1, occupancy={})


def effective_b(crystal: Crystal, symbol: str, settings: Simulate, atoms: int, seed: int) -> float:
    """B of an element that the mean potential of its frozen phonons has [Å^2].

    The mean structure factor of moving atoms is ``exp(-B (G / 2)^2)`` of that of atoms at rest; B
    by least squares over all beams of the grid's band. Atoms at rest are summed by `direct_sum`.
    """
    pile = pile_of(crystal, symbol, atoms)
    gpts = pile.grid_points(settings.pixels_per_cell)
    still = np.fft.fft2(direct_sum(pile.atoms[:1], gpts)) * atoms
    moved = [
        np.fft.fft2(projected_potential(pile, moving, settings, [1]).array[0].astype(float))
        for moving in thermal_configurations(pile, settings.phonons, seed)
    ]
    ratio = (np.mean(moved, axis=0) / still).real
    squares = np.add.outer(
        *(np.fft.fftfreq(n, length / n) ** 2 for n, length in zip(gpts, pile.cell[:2], strict=True))
    )
    band = np.sqrt(squares) * 3 * pile.cell[0] < gpts[0]

    def misfit(b: NDArray[np.float64]) -> NDArray[np.float64]:
        return (ratio - np.exp(-b * squares / 4))[band]

    return float(scipy.optimize.least_squares(misfit, [0.5]).x[0])
