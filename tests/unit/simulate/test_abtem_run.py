# SPDX-License-Identifier: GPL-3.0-or-later
"""The wrapper against bare abTEM: same numbers, nothing lost."""

from __future__ import annotations

import abtem
import ase
import numpy as np
import pytest
import scipy.constants
from potential_cases import direct_sum

from polarstem.config.physics import Phonons, Simulate
from polarstem.errors import PolarstemError
from polarstem.simulate.abtem_settings import abtem_settings
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.multislice import abtem_run
from polarstem.simulate.multislice.abtem_run import scan_patterns, simulate_patterns
from polarstem.simulate.multislice.probes import Sampling, on_camera
from polarstem.simulate.potential.crystal import Crystal, exit_periods
from polarstem.simulate.potential.projection import projected_potential, projected_slices


def bare_abtem(slab: abtem.Potential | abtem.PotentialArray, position, **probe):
    """One position, one thickness, abTEM's own way; array (kx, ky) up to the grid's limit."""
    with abtem.config.set({"diagnostics.progress_bar": False, "device": "cpu"}):
        waves = abtem.Probe(energy=200e3, semiangle_cutoff=24, **probe)
        waves.grid.match(slab)
        exit_wave = waves.build(abtem.CustomScan([position]), lazy=False).multislice(slab)
        patterns = exit_wave.diffraction_patterns(max_angle="full").compute()
        return patterns.array.reshape(patterns.shape[-2:])


def slab_by_hand(specimen: Crystal, gpts, projection: str):
    """Potential of equal slices, without the wrapper."""
    atoms, size = specimen.atoms, specimen.atoms.cell.lengths()
    thickness = (size[2] / specimen.planes,) * specimen.planes
    if projection == "abtem":
        return abtem.Potential(atoms, gpts=gpts, slice_thickness=thickness, projection="infinite")
    members = np.floor(atoms.positions[:, 2] / thickness[0]).astype(int)
    slices = [direct_sum(atoms[members == n], gpts) for n in range(specimen.planes)]
    return abtem.PotentialArray(
        np.array(slices, np.float32), slice_thickness=thickness, extent=size[:2]
    )


def detector_of(specimen: Crystal) -> dict[str, float]:
    """15 pixels a side, each exactly 3 x 3 samples of the simulation."""
    wavelength = wavelength_of(200e3)
    return {"pixels": 15, "mrad_per_pixel": 3 * 1e3 * wavelength / specimen.atoms.cell[0, 0]}


def wavelength_of(volts: float) -> float:
    """Relativistic electron wavelength [Å], from CODATA constants."""
    c = scipy.constants
    energy = c.e * volts
    momentum = np.sqrt(2 * c.m_e * energy * (1 + energy / (2 * c.m_e * c.c**2)))
    return 1e10 * c.h / momentum


def summed(array):
    """Sum an FFT pattern (kx, ky) 3 x 3 into 15 x 15 pixels (ky down, kx)."""
    centre = array.shape[0] // 2
    part = array[centre - 22 : centre + 23, centre - 22 : centre + 23]
    return part.reshape(15, 3, 15, 3).sum((1, 3)).T[::-1]


PROBES = [
    {},
    {"aberrations": {"C10": -60.0, "C12": 30.0, "phi12": 0.4}},
    {"tilt_mrad": (2.0, -1.0)},
]


@pytest.mark.parametrize("projection", ["exact", "abtem"])
@pytest.mark.parametrize("options", PROBES, ids=["plain", "aberrations", "tilt"])
def test_patterns_equal_abtem(crystal, options, projection):
    """Same grid, another way through abTEM: full pattern of the exit wave, summed by hand."""
    specimen = crystal("RU", a_site="ordered", cells=(4, 4))
    position = np.array([1.2, 1.6]) * specimen.cell[:2]
    detector = detector_of(specimen)
    common = {"pixels_per_cell": 24, "detector": detector, "projection": projection}
    settings = Simulate.model_validate(common | options)
    ours = simulate_patterns(specimen, position[None], [4.0], settings, seed=0)
    renamed = {"tilt" if key == "tilt_mrad" else key: value for key, value in options.items()}
    slab = slab_by_hand(specimen, specimen.grid_points(24), projection)
    array = bare_abtem(slab, position, **renamed)
    expected = summed(array)
    assert expected.sum() > 0.9
    assert np.abs(ours.intensity[0, 0] - expected).sum() / expected.sum() < 1e-4
    assert ours.total[0, 0] == pytest.approx(array.sum(), abs=2e-5)
    if options:
        plain = Simulate.model_validate(common)
        other = simulate_patterns(specimen, position[None], [4.0], plain, seed=0)
        assert np.abs(ours.intensity - other.intensity).sum() > 1e-2


@pytest.mark.parametrize(("projection", "rtol"), [("exact", 2e-6), ("abtem", 1e-7)])
def test_all_thicknesses_of_one_run_equal_single_runs(crystal, simulate, projection, rtol):
    """Sums of phases are rounded in another order where a slab has another number of atoms."""
    specimen = crystal("MU")
    options = {"projection": projection}
    together = simulate(specimen, [(0.3, 0.1)], nm=(4.0, 2.0), **options).intensity
    for index, nm in enumerate((4.0, 2.0)):
        alone = simulate(specimen, [(0.3, 0.1)], nm=(nm,), **options).intensity
        np.testing.assert_allclose(together[index], alone[0], rtol=rtol, atol=1e-9)
    assert np.abs(together[0] - together[1]).sum() > 1e-2


def test_batches_change_nothing(crystal, simulate, monkeypatch):
    fractions = np.random.default_rng(0).random((7, 2))
    whole = simulate(crystal(), fractions)
    monkeypatch.setattr(abtem_run, "batch_size", lambda *_: 2)
    parts = simulate(crystal(), fractions)
    np.testing.assert_array_equal(whole.intensity, parts.intensity)
    np.testing.assert_array_equal(whole.total, parts.total)


def test_a_virtual_site_is_the_mean_potential(crystal, settings):
    specimen = crystal(a_site="virtual", cells=(1, 1), thickness_nm=0.4)

    def built(symbol):
        atoms = specimen.atoms.copy()
        atoms.symbols[atoms.symbols == "K"] = symbol
        pure = Crystal(atoms, (1, 1, 1), 2, specimen.lattice_constant, {}, {})
        return projected_potential(pure, atoms, settings, [1]).array

    virtual = projected_potential(specimen, specimen.atoms, settings, [1]).array
    np.testing.assert_allclose(virtual, (built("K") + built("Na")) / 2, rtol=1e-5, atol=1e-3)
    assert np.abs(built("K") - built("Na")).max() > 1


def test_vacuum_shows_the_aperture(settings):
    """No atoms: a uniform disc of 24 mrad that holds the whole beam."""
    a = 4.0
    empty = Crystal(ase.Atoms(cell=[3 * a, 3 * a, 8]), (3, 3, 2), 4, a, {}, {})
    atoms = ase.Atoms("H", positions=[(0, 0, 1)], cell=[3 * a, 3 * a, 8])
    thick = Crystal(atoms, (3, 3, 2), 4, a, {}, {})
    slab = projected_slices(thick, atoms, settings, [2]).build(lazy=False)
    slab.array[:] = 0
    assert empty.grid_points(24) == (72, 72)
    with abtem_settings("cpu", 1):
        probe = abtem.Probe(energy=200e3, semiangle_cutoff=24)
        patterns = scan_patterns(probe, slab, np.array([[5.0, 5.0]]), 1)
    image = on_camera(patterns[0], Sampling.of(np.array([3 * a, 3 * a]), 200.0), Camera(32, 3.0))[0]
    assert image.sum() == pytest.approx(1, abs=1e-5)
    angles = (np.arange(32) - 15.5) * 3
    radius = np.hypot(*np.meshgrid(angles, angles))
    assert image[radius > 30].max() < 1e-6
    assert image[radius < 18].min() > 0.5 * image.max()


def test_phonons_conserve_and_converge(crystal, simulate):
    specimen = crystal("RM")
    static = simulate(specimen, [(0.5, 0.5)])
    warm = simulate(specimen, [(0.5, 0.5)], phonons=Phonons(configurations=4))
    again = simulate(specimen, [(0.5, 0.5)], phonons=Phonons(configurations=4))
    np.testing.assert_array_equal(warm.intensity, again.intensity)
    assert warm.total.max() <= 1.001
    # thermal motion weakens channelling, so less of the beam leaves the simulated angles
    assert np.abs(warm.intensity - static.intensity).sum() > 1e-2
    cold = simulate(specimen, [(0.5, 0.5)], phonons=Phonons(configurations=1, scale=1e-4))
    np.testing.assert_allclose(cold.intensity, static.intensity, atol=1e-5)


def test_grids_are_even_for_every_zone(crystal):
    for zone, phase_class in (((0, 0, 1), "RM"), ((1, 1, 0), "RM")):
        specimen = crystal(phase_class, zone_axis=zone)
        for pixels in (24, 32, 46):
            per_cell = np.array(specimen.grid_points(pixels)) / specimen.repeats[:2]
            assert (per_cell % 2 == 0).all()
            spacing = np.array(specimen.cell[:2]) / per_cell
            wanted = specimen.lattice_constant / pixels
            np.testing.assert_allclose(spacing, wanted, rtol=0.06)


def test_exit_periods():
    assert exit_periods([10, 20, 50], 4.0, 125) == [25, 50, 125]
    with pytest.raises(PolarstemError, match="same number"):
        exit_periods([10, 10.1], 4.0, 50)
    with pytest.raises(PolarstemError, match=r"8\.00 nm thick"):
        exit_periods([20], 4.0, 20)


def test_a_detector_wider_than_the_simulation_is_refused(crystal, simulate, settings):
    wide = settings.detector.model_copy(update={"pixels": 64})
    with pytest.raises(PolarstemError, match=r"raise simulate\.pixels_per_cell to"):
        simulate(crystal(), [(0, 0)], detector=wide)
