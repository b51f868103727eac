# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the grid and the field of a simulation change its patterns, and how large they must be.

Both rules were fitted to patterns measured on scattering matrices (`python -m benchmarks.accuracy`,
docs/accuracy.md): relative L1 against a converged calculation, mean over probe positions. A run
measures its own errors (rule `measure_accuracy`).
"""

from __future__ import annotations

import math

from polarstem.config.physics import Simulate, Structures, wavelength
from polarstem.structures.cell_metric import cell_lengths, cell_points
from polarstem.structures.crystals import ROOM_KELVIN, Material
from polarstem.structures.elements import ATOMIC_NUMBERS
from polarstem.structures.variants import classes

LEAST_BEAMS = 8
"""Samples of the aperture over its radius."""
_NUMBER, _RMS, _BAND, _NM = 41, 0.075, 3.35, 20.0  # where the fit is centred: Z, Å, 1/Å, nm
_MOST_PIXELS, _MOST_CELLS = 512, 400


def grid_error(
    material: Material, phase: str, pixels_per_angstrom: float, thickness_nm: float
) -> float:
    """Error of patterns of moving atoms by the grid of the waves.

    Parameters
    ----------
    material : Material
        Its heaviest element decides.
    phase : str
        Polar phase, for its temperature.
    pixels_per_angstrom : float
        Of the grid; its band ends at a third of this spatial frequency.
    thickness_nm : float
        Thickness [nm].

    Returns
    -------
    float
        Relative L1. Of the cases that it was fitted to, 0.25 to 4 % in three materials at 80 to
        300 kV and 10 to 40 nm, no error was more than 1.8 times as large. Atoms at rest err more:
        four times at 1 %, ten times at 0.1 %.
    """
    heaviest = max((*material.a_site, *material.b_site, "O"), key=ATOMIC_NUMBERS.__getitem__)
    heavier = math.log(ATOMIC_NUMBERS[heaviest] / _NUMBER)
    kelvin = material.kelvin(phase)
    square = material.debye_waller_rms_angstrom[heaviest] ** 2 * kelvin / ROOM_KELVIN
    band = pixels_per_angstrom / 3
    damping = 2 * math.pi**2 * square * (band**2 - _BAND**2)
    damping += 1.531 * 2 * math.pi**2 * (square - _RMS**2) * _BAND**2
    thicker = (0.512 + 0.515 * max(0.0, heavier)) * math.log(thickness_nm / _NM)
    percent = math.exp(-0.488 + 3.15 * heavier - 1.236 * (band - _BAND) - damping + thicker)
    return min(1.0, percent / 100)


def field_error(simulate: Simulate, length: float, thickness_nm: float) -> float:
    """Error of patterns by the size of the field.

    The copies of the probe, a field apart, interfere with it: the tail of its Airy pattern falls
    with the distance to the power of -3/2 and spreads with the thickness.

    Parameters
    ----------
    simulate : Simulate
        Energy, semi-angle, and thermal configurations, which sample the aperture at offsets of
        their own: together they are a field sqrt(count) times as large.
    length : float
        Of the field's shorter side [Å].
    thickness_nm : float
        Thickness [nm].

    Returns
    -------
    float
        Relative L1. Discs that do not overlap err less than half of this.
    """
    semiangle = simulate.semiangle_mrad / 1e3
    length *= math.sqrt(max(1, simulate.phonons.configurations))
    beams = semiangle * length / wavelength(simulate.energy_kv)
    spread = 2 * semiangle * 10 * thickness_nm / length
    return min(1.0, 1.3 * beams**-1.5 * math.exp(min(1.3 * spread, 700.0)))


def least_pixels(
    material: Material,
    structures: Structures,
    simulate: Simulate,
    thickness_nm: float,
    reach_mrad: float,
) -> int:
    """Smallest even number of pixels per cell that holds the angles and is accurate enough.

    Parameters
    ----------
    material : Material
        Of the crystals.
    structures : Structures
        Phase, zone axis and metric.
    simulate : Simulate
        Energy and wanted accuracy.
    thickness_nm : float
        The largest [nm].
    reach_mrad : float
        Largest angle that is measured or lit [mrad].
    """
    for pixels in range(8, _MOST_PIXELS, 2):
        sampling = coarsest_sampling(material, structures, pixels)
        holds = 1e3 * wavelength(simulate.energy_kv) / 3 / sampling >= reach_mrad
        error = grid_error(material, structures.phase, 1 / sampling, thickness_nm)
        if holds and error <= simulate.accuracy:
            return pixels
    return _MOST_PIXELS


def least_cells(
    material: Material, structures: Structures, simulate: Simulate, thickness_nm: float
) -> tuple[int, int]:
    """Fewest cells along x and y of a field that samples the aperture and is accurate enough.

    Parameters
    ----------
    material, structures, simulate, thickness_nm
        As for `least_pixels`.
    """
    x, y = (
        min(lengths[axis] for lengths in projected_cells(material, structures)) for axis in (0, 1)
    )
    length = min(x, y) * least_repeats(simulate, min(x, y), thickness_nm)
    # along the longer side of a cell fewer of them do
    return math.ceil(length / x - 1e-9), math.ceil(length / y - 1e-9)


def least_repeats(simulate: Simulate, period: float, thickness_nm: float) -> int:
    """Fewest periods along a field that samples the aperture and is accurate enough.

    Parameters
    ----------
    simulate, thickness_nm
        As for `least_pixels`.
    period : float
        Of the crystal along the field [Å].
    """
    least = LEAST_BEAMS * wavelength(simulate.energy_kv) / (simulate.semiangle_mrad / 1e3)
    for count in range(1, _MOST_CELLS):
        length = count * period
        if length >= least and field_error(simulate, length, thickness_nm) <= simulate.accuracy:
            return count
    return _MOST_CELLS


def projected_cells(material: Material, structures: Structures) -> set[tuple[float, float, float]]:
    """Projected cells of the variants of a set along x, y and the beam [Å]."""
    phase, zone, metric = structures.phase, structures.zone_axis, structures.metric
    table = classes(phase, zone, structures.end_on)
    variants = [variant for entry in table for variant in entry.variants]
    return {cell_lengths(material, phase, variant, zone, metric) for variant in variants}


def coarsest_sampling(material: Material, structures: Structures, pixels: int) -> float:
    """Coarsest sampling of the waves in any crystal of a set [Å]."""
    samplings = []
    for lengths in projected_cells(material, structures):
        units = sum(map(abs, structures.zone_axis))  # formula units in the projected cell
        lattice_constant = (math.prod(lengths) / units) ** (1 / 3)
        samplings += [
            length / cell_points(pixels, length, lattice_constant) for length in lengths[:2]
        ]
    return max(samplings)
