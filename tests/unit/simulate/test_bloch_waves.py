# SPDX-License-Identifier: GPL-3.0-or-later
"""Plane waves on axis through 20 nm: the scattering matrix against abTEM's Bloch waves.

Bloch waves diagonalise the Hamiltonian of the infinite crystal in a basis of beams; they share the
scattering factors with the multislice, but neither slices, grid, Fourier transforms nor
propagators. Differences (largest among the 20 strongest beams) come from what each leaves out:

- Slices. Splitting scattering and propagation costs an error that falls with the square of the
  slice thickness. Potential spread evenly along the beam (the zero-order Laue zone alone), cubic
  crystal: 6 % with slices of a/2, 1.5 % with a/4, 0.4 % with a/8.
- Layers. Real atoms lie in planes a/2 apart, and slices of a/2 hold one plane each, so they contain
  all Laue zones. Bloch waves need many zones for a crystal that ends between two planes: with twice
  the thermal displacements and |l| <= 4 the two agree to 0.6 % (cubic) and 1.0 % (polar), where the
  zero-order zone alone is off by 7 %. With the displacements of 300 K a converged basis is too
  large; there, atoms of finite depth in slices of a/16 change a beam by 2 %. Halving slices of
  projected atoms changes nothing: they fill one half and leave the other empty.
- Grid. Atoms stand where they stand, so the standard grid does for the layers: 1.0 % with 40 pixels
  per cell as with 64. Spread evenly, at 300 K, the polar crystal is off by 2.9 % with 40 pixels and
  by 0.2 % with 64. (abTEM's own projection, which shares an atom between four pixels, needs 384 and
  256 of them.)
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
from abtem.bloch import BlochWaves, StructureFactor
from abtem.bloch.dynamical import StructureFactorArray, calculate_structure_matrix
from abtem.core.energy import energy2wavelength

from polarstem.config.physics import Simulate
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.potential.projection import ProjectedPotential, projected_potential
from polarstem.simulate.scattering_matrix import propagate
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix

NM = 20.0
STRONGEST = 20
MIRROR = np.array([(0, 1, 0), (1, 0, 0), (0, 0, 1)])  # the diagonal, which the polar axis follows
QUARTER = np.array([(0, -1, 0), (1, 0, 0), (0, 0, 1)])
SQUARE = [np.linalg.matrix_power(QUARTER, n) @ m for n in range(4) for m in (np.eye(3), MIRROR)]


def one_cell(crystal, amplitude: float) -> Crystal:
    return crystal("RU", amplitude=amplitude, cells=(1, 1), thickness_nm=0.4)


def beams_of_matrix(specimen: Crystal, pixels: int, thermal_scale: float):
    """Intensity of each beam (h, k), and the exact thickness [nm]."""
    settings = Simulate.model_validate(
        {"pixels_per_cell": pixels, "semiangle_mrad": 0.5, "detector": {"pixels": 48}}
    )
    matrix = compute_scattering_matrix(
        specimen, [NM], settings, cells=(1, 1), thermal_scale=thermal_scale
    )
    row = np.flatnonzero((matrix.grid.indices == 0).all(1)).item()
    intensity = np.abs(matrix.array[0, row]) ** 2
    ny, nx = matrix.grid.beams
    found = {
        (h, k): float(intensity[ny + k, nx + h])
        for h in range(-nx, nx + 1)
        for k in range(-ny, ny + 1)
    }
    return found, matrix.thickness_nm[0]


def structure_factors(specimen: Crystal, g_max: float, thermal_scale: float):
    """abTEM's structure factors, the mean over the composition of the virtual site."""
    virtual, shares = next(iter(specimen.occupancy.items()))
    total = 0
    for symbol, share in shares.items():
        atoms = specimen.atoms.copy()
        atoms.pbc = True
        atoms.symbols[atoms.symbols == virtual] = symbol
        sigmas = {
            s: thermal_scale * specimen.rms_displacement[s]
            for s in np.unique(atoms.get_chemical_symbols()).tolist()
        }
        factors = StructureFactor(
            atoms, g_max=2 * g_max, thermal_sigma=sigmas, centering="P"
        ).build(lazy=False)
        total = total + share * factors.array
    return StructureFactorArray(total, factors.hkl, factors.cell, 2 * g_max)


def largest_deviation(found, expected) -> float:
    """Relative, of the beams that Bloch waves find strongest."""
    strongest = sorted(expected, key=expected.get, reverse=True)[:STRONGEST]
    assert sum(expected[beam] for beam in strongest) > 0.8
    return max(abs(found[beam] / expected[beam] - 1) for beam in strongest)


@pytest.fixture
def even(monkeypatch):
    """Spread the potential evenly along the beam."""

    def spread(*arguments):
        slab = projected_potential(*arguments)
        slab.array[:] = slab.array.mean(0)
        return slab

    monkeypatch.setattr(propagate, "projected_potential", spread)


def even_bloch_waves(specimen: Crystal, thickness_nm: float, g_max: float):
    """Beams of the zero-order Laue zone alone."""
    factors = structure_factors(specimen, g_max, 1.0)
    flat = factors.hkl[:, 2] == 0
    zone = StructureFactorArray(factors.array[flat], factors.hkl[flat], factors.cell, factors.g_max)
    # the wave equation that multislice solves; an excitation error that excludes no beam
    waves = BlochWaves(zone, 200e3, sg_max=10.0, g_max=g_max, use_wave_eq=True, centering="P")
    patterns = waves.calculate_diffraction_patterns(10 * thickness_nm, lazy=False)
    return dict(zip(map(tuple, waves.hkl[:, :2].tolist()), patterns.array, strict=True))


def test_slices_converge_to_bloch_waves(crystal, even):
    """With the square of the slice thickness; cubic crystal at 300 K."""
    specimen = one_cell(crystal, 0.0)
    expected = even_bloch_waves(specimen, 50 * specimen.cell[2] / 10, 5.0)
    deviations = []
    for slices in (2, 4, 8):
        found, _ = beams_of_matrix(replace(specimen, planes=slices), 64, 1.0)
        deviations.append(largest_deviation(found, expected))
    assert deviations[0] > 0.03
    assert deviations[1] < deviations[0] / 3
    assert deviations[2] < 0.01


def test_polar_crystal_equals_bloch_waves(crystal, even):
    specimen = one_cell(crystal, 1.0)
    found, nm = beams_of_matrix(replace(specimen, planes=16), 64, 1.0)
    expected = even_bloch_waves(specimen, nm, 4.0)
    assert largest_deviation(found, expected) < 0.01
    opposite = {(-h, -k): value for (h, k), value in expected.items()}
    assert largest_deviation(found, opposite) > 0.1
    assert largest_deviation(found, even_bloch_waves(specimen, 0.97 * nm, 4.0)) > 0.02


def layered_bloch_waves(specimen: Crystal, thickness_nm: float, g_max: float, zones: int, group):
    """Beams of the Laue zones -zones to zones, summed at the exit face.

    A plane wave on axis excites combinations of beams with the crystal's symmetry only; that
    makes abTEM's structure matrix small enough.
    """
    reach = np.hypot(g_max, zones / specimen.cell[2])
    factors = structure_factors(specimen, reach, 2.0)
    lateral = np.hypot(*(factors.hkl[:, :2] / specimen.cell[:2]).T)
    hkl = factors.hkl[(lateral <= g_max) & (np.abs(factors.hkl[:, 2]) <= zones)]
    energy = 200e3
    matrix = calculate_structure_matrix(
        factors.array, factors.hkl, hkl, factors.cell, energy, factors.gpts, use_wave_eq=True
    )
    images = np.stack([hkl @ turn.T for turn in group]).astype(int) @ (10**6, 10**3, 1)
    _, star, size = np.unique(images.min(0), return_inverse=True, return_counts=True)
    beams = np.arange(len(hkl))
    combine = scipy.sparse.csr_matrix((size[star] ** -0.5, (beams, star)))
    values, vectors = np.linalg.eigh((combine.T @ matrix) @ combine)
    phases = np.exp(1j * np.pi * energy2wavelength(energy) * 10 * thickness_nm * values)
    central = star[np.flatnonzero((hkl == 0).all(1)).item()]
    amplitudes = combine @ (vectors @ (phases * vectors[central].conj()))
    summed: dict[tuple[int, int], complex] = {}
    for (h, k, _), amplitude in zip(hkl.tolist(), amplitudes, strict=True):
        summed[h, k] = summed.get((h, k), 0) + amplitude
    return {beam: abs(amplitude) ** 2 for beam, amplitude in summed.items()}


@pytest.mark.parametrize(
    ("amplitude", "group"),
    [(0.0, SQUARE), (1.0, [np.eye(3), MIRROR])],
    ids=["cubic", "polar"],
)
def test_atomic_planes_equal_bloch_waves_of_many_zones(crystal, amplitude, group):
    """One slice per atomic plane, as always, at twice the displacements of 300 K."""
    specimen = one_cell(crystal, amplitude)
    found, nm = beams_of_matrix(specimen, 40, 2.0)
    zones = 4
    assert largest_deviation(found, layered_bloch_waves(specimen, nm, 2.5, zones, group)) < 0.02
    alone = layered_bloch_waves(specimen, nm, 2.5, 0, group)
    assert largest_deviation(found, alone) > 0.04


@pytest.mark.parametrize("amplitude", [0.0, 1.0], ids=["cubic", "polar"])
def test_atomic_planes_are_close_to_atoms_of_finite_depth(crystal, monkeypatch, amplitude):
    """At 300 K, against sixteen slices per cell through abTEM's three-dimensional potential."""
    specimen = one_cell(crystal, amplitude)
    found, _ = beams_of_matrix(specimen, 64, 1.0)
    slices = 16
    deep = structure_factors(specimen, 5.0, 1.0).get_projected_potential(
        slice_thickness=specimen.cell[2] / slices, gpts=64
    )
    potential = ProjectedPotential(deep.array, np.array(deep.slice_thickness))
    monkeypatch.setattr(propagate, "projected_potential", lambda *_: potential)
    expected, _ = beams_of_matrix(replace(specimen, planes=slices), 64, 1.0)
    assert 0.01 < largest_deviation(found, expected) < 0.05
