# SPDX-License-Identifier: GPL-3.0-or-later
"""The mean wave against an average over many crystals."""

from __future__ import annotations

import numpy as np
from displaced_cases import TRAINED_FOR

from polarstem.config.physics import Simulate
from polarstem.simulate.potential.displaced_crystal import displaced_crystal
from polarstem.simulate.potential.mean_transmission import mean_transmission
from polarstem.simulate.potential.projection import (
    Element,
    Slab,
    exact_projection,
    scattering_factor,
)
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.simulate.wave.antialias import band_limited, interaction, transmission

SIMULATE = Simulate.model_validate(
    {
        "pixels_per_cell": 32,
        "semiangle_mrad": 20,
        "detector": {"pixels": 20, "mrad_per_pixel": 4.0},
    }
)
STRUCTURE = {key: TRAINED_FOR[key] for key in ("material", "phase", "zone_axis")}
CRYSTAL = displaced_crystal(STRUCTURE, (10.0, 5.0, 0.0))


def averaged(count: int) -> np.ndarray:
    """Mean over crystals whose atoms moved, K or Na on the A site, on the same finer grid."""
    slab = Slab.of(CRYSTAL, CRYSTAL.atoms, SIMULATE, [1], 0.0)
    width, height, _ = slab.atoms.cell.lengths().tolist()
    points = 2 * slab.gpts[0], 2 * slab.gpts[1]
    sampling = width / points[0], height / points[1]
    names = sorted({name for each in slab.elements.values() for name in each.shares})
    factors = {n: scattering_factor(Element({n: 1.0}, {}), points, sampling) for n in names}
    numbers = np.searchsorted(np.cumsum(slab.thickness), slab.atoms.positions[:, 2])
    rng = np.random.default_rng(0)
    mean = np.zeros((len(slab.thickness), *points), complex)
    for _ in range(count):
        atoms = slab.atoms.copy()
        symbols = []
        for number, symbol in enumerate(slab.atoms.get_chemical_symbols()):
            shares = slab.elements[symbol].shares
            name = str(rng.choice(list(shares), p=list(shares.values())))
            symbols.append(name)
            rms = CRYSTAL.rms_displacement[name]
            atoms.positions[number, :2] += rng.normal(scale=rms, size=2)
        atoms.set_chemical_symbols(symbols)
        for number in range(len(mean)):
            here = atoms[numbers == number]
            potential = exact_projection(here, factors, points, sampling)
            mean[number] += np.exp(1j * interaction(200.0) * potential.astype(float)) / count
    return band_limited(mean, (width, height), slab.gpts)


def test_it_is_the_average_over_many_crystals() -> None:
    ours = mean_transmission(CRYSTAL, SIMULATE, 1)
    theirs = averaged(1500)
    lost = 1 - np.abs(ours) ** 2
    assert lost.max() > 0.02, "electrons are lost to diffuse scattering"
    np.testing.assert_allclose(ours, theirs, atol=0.012)
    lost_there = 1 - np.abs(theirs) ** 2
    assert lost.mean() == np.clip(lost.mean(), 0.9 * lost_there.mean(), 1.1 * lost_there.mean())


def test_atoms_at_rest_lose_nothing() -> None:
    at_rest = displaced_crystal({**STRUCTURE, "material": "BaTiO3", "phase": "T"}, (0.0, 5.0, 0.0))
    ours = mean_transmission(at_rest, SIMULATE, 1, thermal_scale=0.0)
    slab = Slab.of(at_rest, at_rest.atoms, SIMULATE, [1], 0.0)
    width, height, _ = slab.atoms.cell.lengths().tolist()
    fine = 2 * slab.gpts[0], 2 * slab.gpts[1]
    sampling = width / fine[0], height / fine[1]
    numbers = np.searchsorted(np.cumsum(slab.thickness), slab.atoms.positions[:, 2])
    factors = {
        n: scattering_factor(Element({n: 1.0}, {}), fine, sampling) for n in ("Ba", "Ti", "O")
    }
    waves = np.stack(
        [
            np.exp(
                1j
                * interaction(200.0)
                * exact_projection(slab.atoms[numbers == n], factors, fine, sampling)
            )
            for n in range(len(slab.thickness))
        ]
    )
    expected = band_limited(waves, (width, height), slab.gpts)
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_a_limited_band_of_the_same_grid_is_the_transmission() -> None:
    rng = np.random.default_rng(1)
    potentials = rng.normal(size=(2, 30, 32)).astype(np.float32) * 100
    phase = np.exp(1j * interaction(200.0) * potentials.astype(float))
    one = band_limited(phase, (4.0, 4.1), (30, 32))
    np.testing.assert_array_equal(one, transmission(potentials, (4.0, 4.1), 200.0))


def test_the_coherent_part_fades_with_thickness() -> None:
    matrices = [
        compute_scattering_matrix(
            CRYSTAL, [2.0, 8.0], SIMULATE, cells=(3, 3), thermal_scale=1.0, mean_wave=mean
        )
        for mean in (False, True)
    ]
    # electrons behind the crystal, mean over the incident waves
    whole, coherent = ((np.abs(m.array) ** 2).sum((2, 3)).mean(1) for m in matrices)
    assert coherent[1] < coherent[0] - 0.02
    assert coherent[1] < whole[1] - 0.03
    assert whole[1] > 0.9 * whole[0]
