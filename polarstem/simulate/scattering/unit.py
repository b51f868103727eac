# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a crystal that repeats, and the transmission functions of its slices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from polarstem.config.physics import Simulate
from polarstem.errors import PolarstemError
from polarstem.simulate.crystal import Crystal

# abTEM's anti-aliasing aperture, as fractions of the sampling frequency (abtem.yaml)
_CUTOFF, _TAPER = 1 / 3, 0.01
_TOLERANCE = 1e-3  # within which two positions are the same [Å]
_MUCH_LARGER = 1.6  # times as many grid points along a side
_LARGEST_UNIT = 2  # projected cells along each side; rock-salt order of the A site needs two


def antialias(frequency: NDArray[np.float64], sampling: float) -> NDArray[np.float64]:
    """Evaluate abTEM's tapered anti-aliasing aperture at any spatial frequency.

    Parameters
    ----------
    frequency : ndarray
        Absolute spatial frequency [1/Å].
    sampling : float
        The coarser of the grid's two samplings [Å].

    Returns
    -------
    ndarray
        1 below, 0 above two thirds of the Nyquist frequency, a raised cosine between
        (``abtem.antialias.antialias_aperture`` of abTEM 1.0.11).
    """
    cutoff, taper = _CUTOFF / sampling, _TAPER / sampling
    return 0.5 * (1 + np.cos(np.pi * np.clip((frequency - cutoff + taper) / taper, 0, 1)))


def antialias_angle(sampling: float, wavelength: float) -> float:
    """Angle beyond which the anti-aliasing aperture lets nothing pass [mrad]."""
    return 1e3 * wavelength * _CUTOFF / sampling


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
        If the crystal repeats larger blocks only, as with a random A site, walls or defects.
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
            "(random A site, wall, defect or thermal motion?); use a_site `virtual` or `ordered`, "
            "or simulate it with the engine `multislice`."
        )
    along = next(
        m
        for m in range(1, crystal.repeats[2] + 1)
        if m == crystal.repeats[2] or _repeats(crystal, 2, m)
    )
    repeats = (lateral[0], lateral[1], along)
    size = box * repeats / crystal.repeats
    inside = atoms[atoms.positions[:, 2] < size[2]]
    folded = np.mod(inside.positions, [*size[:2], np.inf])
    folded[:, :2] = np.where(folded[:, :2] >= size[:2], 0.0, folded[:, :2])
    twins = cKDTree(folded, boxsize=[*size[:2], 0]).query_pairs(_TOLERANCE, output_type="ndarray")
    unit = inside[np.setdiff1d(np.arange(len(inside)), twins.max(axis=1))]
    unit.set_cell(size)
    planes = crystal.slices_per_period * along
    return replace(crystal, atoms=unit, repeats=repeats, planes=planes)


def _repeats(crystal: Crystal, axis: int, cells: int) -> bool:
    """Whether a shift by so many cells maps the crystal onto itself, as far as it reaches."""
    atoms = crystal.atoms
    box = atoms.cell.lengths()
    places = atoms.positions.copy()
    places[:, :2] = np.mod(places[:, :2], box[:2])
    places[:, :2] = np.where(places[:, :2] >= box[:2], 0.0, places[:, :2])
    moved = places.copy()
    moved[:, axis] += cells * crystal.cell[axis]
    if axis < 2:
        moved[:, axis] = np.mod(moved[:, axis], box[axis])
        moved[:, axis] = np.where(moved[:, axis] >= box[axis], 0.0, moved[:, axis])
    kept = moved[:, 2] < box[2] - _TOLERANCE
    tree = cKDTree(places, boxsize=[*box[:2], 0])
    distance, partner = tree.query(moved[kept], distance_upper_bound=_TOLERANCE)
    if not np.isfinite(distance).all():
        return False
    return bool((atoms.numbers[kept] == atoms.numbers[partner]).all())


def projected_potentials(
    unit: Crystal, settings: Simulate, thermal_scale: float = 0.0
) -> NDArray[np.float32]:
    """Projected potential of each slice of the repeating unit.

    Parameters
    ----------
    unit : Crystal
        From `repeating_unit`.
    settings : Simulate
        Gives ``pixels_per_cell``.
    thermal_scale : float
        Factor on the rms displacements of the elements: 0 for a static lattice, 1 for thermal
        smearing, which multiplies each element's potential by the Debye-Waller factor
        ``exp(-2 pi^2 u^2 G^2)`` (u the one-dimensional rms displacement, G the spatial
        frequency; E. J. Kirkland, Advanced Computing in Electron Microscopy, 2nd ed., 5.7). It
        describes the elastic part only: diffusely scattered electrons are missing.

    Returns
    -------
    ndarray, shape (slices, x, y), float32
        The mean over the composition on a virtual A site [V Å].
    """
    # abTEM takes seconds to load, and a matrix is measured without it
    from polarstem.simulate.multislice import abtem_settings, potential

    virtual = next(iter(unit.occupancy), None)
    symbols = np.array(unit.atoms.get_chemical_symbols())
    shares = {s: 1.0 for s in np.unique(symbols).tolist() if s != virtual}
    shares |= unit.occupancy
    shape = unit.grid_points(settings.pixels_per_cell)
    size = unit.atoms.cell.lengths()
    squared = np.add.outer(
        *(np.fft.fftfreq(n, d=length / n) ** 2 for n, length in zip(shape, size[:2], strict=True))
    )
    total = np.zeros((unit.planes, *shape))
    with abtem_settings("cpu", 1):
        for symbol, share in shares.items():
            members = unit.atoms[symbols == (virtual if symbol in unit.occupancy else symbol)]
            members.symbols[:] = symbol
            alone = replace(unit, atoms=members, occupancy={})
            built = potential(alone, members, settings, [unit.repeats[2]]).array
            displacement = thermal_scale * unit.rms_displacement.get(symbol, 0.0)
            damping = np.exp(-2 * (np.pi * displacement) ** 2 * squared)
            smeared = np.fft.ifft2(np.fft.fft2(built.astype(np.float64)) * damping).real
            total += share * (smeared if displacement else built)
    return total.astype(np.float32)


def transform_size(points: int) -> int:
    """Grid points for fast transforms: a power of two, if it is not much larger."""
    power = 1 << (points - 1).bit_length()
    return power if power <= _MUCH_LARGER * points else points


def transmission(
    potentials: NDArray[np.float32], size: tuple[float, float], energy_kv: float
) -> NDArray[np.complex64]:
    """Transmission function of each slice behind the anti-aliasing aperture.

    Parameters
    ----------
    potentials : ndarray, shape (slices, x, y)
        Projected potentials [V Å].
    size : tuple of float
        Size of the grid along x and y [Å].
    energy_kv : float
        Energy of the electrons [keV].

    Returns
    -------
    ndarray, shape (slices, y, x), complex64
        On a grid of `transform_size`: the aperture leaves nothing that a finer grid would change.
    """
    from abtem.core.energy import energy2sigma

    shape = potentials.shape[1:]
    sampling = [length / n for length, n in zip(size, shape, strict=True)]
    kx, ky = (np.fft.fftfreq(n, d) for n, d in zip(shape, sampling, strict=True))
    aperture = antialias(np.hypot(kx[:, None], ky), max(sampling))
    phase = np.exp(1j * energy2sigma(energy_kv * 1e3) * potentials.astype(np.float64))
    waves = np.fft.fft2(phase, norm="forward") * aperture
    finer = [transform_size(n) for n in shape]
    padded = np.zeros((len(waves), *finer), np.complex128)
    x, y = (np.fft.fftfreq(n, 1 / n).astype(int) for n in shape)
    padded[:, x[:, None], y] = waves
    limited = np.fft.ifft2(padded, norm="forward")
    return np.ascontiguousarray(limited.swapaxes(1, 2)).astype(np.complex64)
