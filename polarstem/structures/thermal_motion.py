# SPDX-License-Identifier: GPL-3.0-or-later
"""Thermal amplitudes at the temperature of a phase."""

from __future__ import annotations

import math

from ase.data import atomic_masses, atomic_numbers

from polarstem.structures.crystals import ROOM_KELVIN, Material
from polarstem.structures.variants import Phase

# hbar^2 / (2 k) [u Å^2 K] (CODATA 2018)
_SPREAD = 24.25437
_HALVINGS = 200  # of an interval of logarithms: to the last digit


def rms_displacements(material: Material, phase: Phase) -> dict[str, float]:
    """Root-mean-square displacement of each element in a phase, along one axis [Å].

    The material's amplitudes are those of 300 K. Each element is an Einstein oscillator of its own
    mass m, zero-point motion included::

        <u^2> = hbar^2 / (2 m k E) coth(E / 2 T)

    whose temperature E follows from the amplitude at 300 K; B = 8 pi^2 <u^2>. (B. T. M. Willis and
    A. W. Pryor, Thermal Vibrations in Crystallography, Cambridge 1975.) Well above E that is
    proportional to T. It is harmonic: static disorder, which measured amplitudes include, does not
    freeze, and modes that soften towards a transition move more than it says.

    Parameters
    ----------
    material : Material
    phase : str

    Returns
    -------
    dict
        At 300 K, or where the material names no temperature for the phase, its own values.
    """
    kelvin = material.kelvin(phase)
    room = material.debye_waller_rms_angstrom
    if kelvin == ROOM_KELVIN:
        return dict(room)
    return {element: _scaled(rms, _mass(element), kelvin) for element, rms in room.items()}


def einstein_temperature(rms: float, mass: float, kelvin: float) -> float:
    """Temperature of the oscillator of a mass [u] that moves so much [Å] at `kelvin` [K]."""
    # the amplitude falls with the stiffness, from any to none
    low, high = math.log(1e-3), math.log(1e9)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _square(math.exp(middle), mass, kelvin) > rms**2:
            low = middle
        else:
            high = middle
    return math.exp(low)


def _scaled(rms: float, mass: float, kelvin: float) -> float:
    if rms == 0:
        return 0.0
    einstein = einstein_temperature(rms, mass, ROOM_KELVIN)
    return math.sqrt(_square(einstein, mass, kelvin))


def _square(einstein: float, mass: float, kelvin: float) -> float:
    """Mean square displacement along one axis [Å^2]."""
    return _SPREAD / (mass * einstein) / math.tanh(einstein / (2 * kelvin))


def _mass(element: str) -> float:
    return float(atomic_masses[atomic_numbers[element]])
