# SPDX-License-Identifier: GPL-3.0-or-later
"""Transmission of the mean wave: averaged over thermal motion and over what a mixed site may hold.

Atoms that move independently of one another (Einstein's model) and sites that are filled
independently leave, of the wave averaged over all crystals, what the averaged transmission
functions leave: its intensity is the coherent part, and what is missing was scattered diffusely.
Averaging the potential instead keeps every electron in the coherent part
(Z. L. Wang, Acta Cryst. A 54, 460 (1998), for the comparison of both).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polarstem.config.physics import Simulate
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.potential.projection import (
    Element,
    Slab,
    exact_projection,
    scattering_factor,
)
from polarstem.simulate.wave.antialias import band_limited, interaction

_FINER = 2  # grid, on which atoms at rest are sharp


def mean_transmission(
    unit: Crystal, settings: Simulate, periods: int, thermal_scale: float = 1.0
) -> NDArray[np.complex64]:
    """Average the transmission of each slice of a repeating unit.

    Parameters
    ----------
    unit : Crystal
        The repeating unit.
    settings : Simulate
        Energy, grid and slices.
    periods : int
        Of the unit along the beam.
    thermal_scale : float
        Factor on the rms displacements.

    Returns
    -------
    ndarray, shape (slices, y, x), complex64
        As `polarstem.simulate.wave.antialias.transmission`, its absolute value below 1 where
        electrons are lost to diffuse scattering.
    """
    slab = Slab.of(unit, unit.atoms, settings, [periods], 0.0)
    width, height, _ = slab.atoms.cell.lengths().tolist()
    points = slab.gpts[0] * _FINER, slab.gpts[1] * _FINER
    sampling = width / points[0], height / points[1]
    squared = np.add.outer(
        *(np.fft.fftfreq(n, d) ** 2 for n, d in zip(points, sampling, strict=True))
    )
    sigma = interaction(settings.energy_kv)
    slices = np.searchsorted(np.cumsum(slab.thickness), slab.atoms.positions[:, 2])
    waves = np.ones((len(slab.thickness), *points), np.complex128)
    for number, atom in zip(slices, range(len(slab.atoms)), strict=True):
        alone = slab.atoms[[atom]]
        (symbol,) = alone.get_chemical_symbols()
        changed = np.zeros(points, np.complex128)
        for name, share in slab.elements[symbol].shares.items():
            factor = scattering_factor(Element({name: 1.0}, {}), points, sampling)
            potential = exact_projection(alone, {symbol: factor}, points, sampling)
            spectrum = np.fft.fft2(np.exp(1j * sigma * potential.astype(np.float64)) - 1)
            rms = thermal_scale * unit.rms_displacement.get(name, 0.0)
            changed += share * np.fft.ifft2(spectrum * np.exp(-2 * (np.pi * rms) ** 2 * squared))
        waves[number] *= 1 + changed
    return band_limited(waves, (width, height), slab.gpts)
