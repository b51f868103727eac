# SPDX-License-Identifier: GPL-3.0-or-later
"""The scattering-matrix engine against abTEM's multislice of the whole field."""

from __future__ import annotations

from dataclasses import replace

import abtem
import numpy as np
import pytest
import scipy.stats
import torch
from abtem.core.energy import energy2wavelength

from polarstem.config.physics import ABERRATIONS, Detector, Simulate
from polarstem.errors import PolarstemError
from polarstem.simulate import multislice
from polarstem.simulate.multislice import Crystal, simulate_patterns
from polarstem.simulate.scattering.matrix import ScatteringMatrix
from polarstem.simulate.scattering.measure import VirtualMicroscope
from polarstem.simulate.scattering.noise import count_electrons
from polarstem.simulate.scattering.optics import Optics, aberration_phase
from polarstem.simulate.scattering.propagate import compute_scattering_matrix
from polarstem.simulate.scattering.unit import projected_potentials, repeating_unit

# on the A column, off every axis, near an edge of the cell [fractions of the cell]
FRACTIONS = np.array([(0.0, 0.0), (0.21, 0.63), (0.98, 0.47)])
DETECTOR = {"pixels": 36, "mrad_per_pixel": 2.2}
AGREEMENT = 5e-5


def optics_of(settings: Simulate, **changes) -> Optics:
    optics = Optics(settings.semiangle_mrad, settings.aberrations, settings.tilt_mrad)
    return replace(optics, **changes)


def microscope(**settings) -> Simulate:
    return Simulate.model_validate({"pixels_per_cell": 24, "detector": DETECTOR, **settings})


def places(specimen: Crystal, fractions=FRACTIONS) -> np.ndarray:
    return (np.asarray(fractions) + 1) * specimen.cell[:2]


def relative(ours, theirs) -> float:
    """Largest relative L1 distance of patterns."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    return float((np.abs(ours - theirs).sum((-1, -2)) / theirs.sum((-1, -2))).max())


def both_engines(specimen: Crystal, settings: Simulate, nm, **options):
    """Patterns of the scattering matrix and of abTEM, and the matrix."""
    cells = specimen.repeats[:2]
    matrix = compute_scattering_matrix(specimen, nm, settings, cells=cells, **options)
    eye = VirtualMicroscope(matrix, settings.detector)
    ours = eye.measure(places(specimen), nm, optics_of(settings))
    theirs = simulate_patterns(specimen, places(specimen), nm, settings, seed=0).intensity
    return ours.numpy(), theirs, matrix


CONDITIONS = [
    {"energy_kv": 200, "semiangle_mrad": 24},
    {
        "energy_kv": 200,
        "semiangle_mrad": 24,
        "aberrations": {"C10": -80.0, "C12": 40, "phi12": 0.3},
    },
    {"energy_kv": 80, "semiangle_mrad": 10},
    {"energy_kv": 80, "semiangle_mrad": 30, "aberrations": {"C10": 50.0}},
    {"energy_kv": 300, "semiangle_mrad": 30, "aberrations": {"C30": 1e4, "C21": 200, "phi21": 1}},
    {"energy_kv": 300, "semiangle_mrad": 10, "aberrations": {"C12": 60.0, "phi12": -0.7}},
    {"energy_kv": 300, "semiangle_mrad": 2},  # within one reciprocal cell: dark samples between
]


@pytest.mark.parametrize("options", CONDITIONS, ids=str)
def test_patterns_equal_abtem(crystal, options):
    specimen = crystal("RU", thickness_nm=10.0)
    settings = microscope(**options)
    if options["energy_kv"] == 300:  # abTEM's grid ends at smaller angles
        settings = settings.model_copy(update={"detector": Detector(pixels=30, mrad_per_pixel=2.0)})
    ours, theirs, _ = both_engines(specimen, settings, [5.0, 10.0])
    assert theirs.sum((-1, -2)).min() > 0.8
    assert relative(ours, theirs) < AGREEMENT


def test_ordered_superstructure_and_other_zone_equal_abtem(crystal):
    """Rock-salt order repeats every 2 x 2 x 2 cells; the cell of [110] is no square."""
    ordered = crystal("MU", a_site="ordered", cells=(4, 4), thickness_nm=5.0)
    assert repeating_unit(ordered).repeats == (2, 2, 2)
    ours, theirs, _ = both_engines(ordered, microscope(), [4.0])
    assert relative(ours, theirs) < AGREEMENT
    oblong = crystal("RM", zone_axis=(1, 1, 0), cells=(2, 3), thickness_nm=5.0)
    assert repeating_unit(oblong).repeats == (1, 1, 1)
    ours, theirs, _ = both_engines(oblong, microscope(), [3.0, 5.0])
    assert relative(ours, theirs) < AGREEMENT


@pytest.mark.slow
@pytest.mark.parametrize("semiangle", [10, 24, 30])
def test_patterns_equal_abtem_at_fifty_nanometres(crystal, semiangle):
    specimen = crystal("RU", thickness_nm=50.0, cells=(4, 4))
    settings = microscope(semiangle_mrad=semiangle, aberrations={"C10": -60.0, "C12": 30.0})
    ours, theirs, _ = both_engines(specimen, settings, [20.0, 50.0])
    assert relative(ours, theirs) < AGREEMENT


def grid_tilt(specimen: Crystal, steps) -> tuple[float, float]:
    """Tilt by whole steps of the field's reciprocal grid [mrad]."""
    step = energy2wavelength(200e3) / specimen.atoms.cell.lengths()[:2]
    x, y = (np.arctan(steps * step) * 1e3).tolist()
    return x, y


def shifted_disc(specimen: Crystal, settings: Simulate, position, steps) -> np.ndarray:
    """The same tilt in abTEM as a probe whose waves are moved by hand, shape (kx, ky)."""
    slices = [specimen.repeats[2]]
    with multislice.abtem_settings("cpu", 1):
        slab = multislice.potential(specimen, specimen.atoms, settings, slices)
        probe = abtem.Probe(energy=200e3, semiangle_cutoff=24, aberrations=settings.aberrations)
        probe.grid.match(slab)
        waves = probe.build(abtem.CustomScan([position]), lazy=False)
        nx, ny = waves.gpts
        ramp = np.add.outer(steps[0] * np.arange(nx) / nx, steps[1] * np.arange(ny) / ny)
        waves.array[:] *= np.exp(2j * np.pi * ramp)
        pattern = waves.multislice(slab).diffraction_patterns(max_angle="full").array
    return np.roll(np.asarray(pattern).reshape(nx, ny), (-steps[0], -steps[1]), axis=(0, 1))


def test_tilt_is_a_shifted_disc(crystal):
    """Waves on the field's grid: to the last digits, aberrations and detector move along."""
    specimen = crystal("RU", cells=(4, 4), thickness_nm=6.0)
    steps = (3, -2)
    settings = microscope(aberrations={"C10": -80.0, "C12": 40.0}).model_copy(
        update={"tilt_mrad": grid_tilt(specimen, np.array(steps))}
    )
    matrix = compute_scattering_matrix(specimen, [6.0], settings, cells=(4, 4), margin_mrad=7.0)
    eye = VirtualMicroscope(matrix, settings.detector)
    position = places(specimen)[1]
    ours = eye.measure(position[None], [6.0], optics_of(settings))[0, 0]
    array = shifted_disc(specimen, settings, position, steps)
    step = matrix.grid.mrad_per_sample
    detector = settings.detector
    theirs = multislice.measure(array, (step[1], step[0]), detector.pixels, detector.mrad_per_pixel)
    assert relative(ours, theirs) < AGREEMENT


def test_tilt_equals_that_of_abtem(crystal):
    """abTEM's aperture against aliasing stays with the beam, ours with the crystal.

    What differs is scattered to the rim of the simulated angles and vanishes on finer grids.
    """
    specimen = crystal("RU", cells=(3, 3), thickness_nm=4.0)
    tilt = grid_tilt(specimen, np.array((2, -1)))
    errors = []
    for pixels in (24, 48):
        settings = microscope(tilt_mrad=tilt, pixels_per_cell=pixels)
        ours, theirs, matrix = both_engines(specimen, settings, [4.0], margin_mrad=6.0)
        errors.append(relative(ours, theirs))
    assert errors[1] < 1e-3
    assert errors[1] < errors[0] / 4
    eye = VirtualMicroscope(matrix, settings.detector)
    flipped = optics_of(settings, tilt_mrad=(-tilt[0], -tilt[1]))
    wrong = eye.measure(places(specimen), [4.0], flipped)
    assert relative(wrong, theirs) > 0.1


def test_tilt_between_grid_points_converges(crystal):
    """Half a step off the grid, the aperture is sampled at other points; larger fields agree."""
    errors = []
    for cells in (3, 6):
        specimen = crystal("RU", cells=(cells, cells), thickness_nm=2.0)
        settings = microscope(tilt_mrad=grid_tilt(specimen, np.array((0.5, 0))))
        ours, theirs, _ = both_engines(specimen, settings, [2.0], margin_mrad=2.0)
        errors.append(relative(ours, theirs))
    assert errors[1] < 0.02
    assert errors[1] < errors[0] / 2


def test_smaller_apertures_are_measured_from_the_same_matrix(crystal):
    specimen = crystal("RM", thickness_nm=4.0)
    small, large = microscope(semiangle_mrad=12.5), microscope(semiangle_mrad=24)
    _, theirs, _ = both_engines(specimen, small, [4.0])
    matrix = compute_scattering_matrix(specimen, [4.0], large, cells=(3, 3))
    ours = VirtualMicroscope(matrix, large.detector).measure(
        places(specimen), [4.0], optics_of(small)
    )
    assert relative(ours, theirs) < AGREEMENT


@pytest.fixture(scope="module")
def matrix(crystal) -> ScatteringMatrix:
    """A polar crystal of 4 nm with tilts up to 4 mrad."""
    specimen = crystal("RU")
    return compute_scattering_matrix(
        specimen, [2.0, 4.0], microscope(), cells=(3, 3), margin_mrad=4.0
    )


@pytest.fixture(scope="module")
def eye(matrix) -> VirtualMicroscope:
    return VirtualMicroscope(matrix, Detector(**DETECTOR))


POSITIONS = np.array([(0.3, 1.1), (2.2, 3.9)])


def test_aberrations_follow_abtem():
    rng = np.random.default_rng(1)
    values = {
        name: float(rng.normal() * (1 if name.startswith("phi") else 10.0 ** (2 * int(name[1]))))
        for name in ABERRATIONS
    }
    transfer = abtem.transfer.Aberrations(
        energy=200e3, extent=20, gpts=32, aberration_coefficients=values
    )
    alpha, azimuth = transfer._angular_grid("cpu")
    inside = alpha < 0.02
    expected = transfer._evaluate_from_angular_grid(alpha, azimuth)[inside]
    chi = aberration_phase(
        values,
        alpha[inside].astype(float),
        azimuth[inside].astype(float),
        energy2wavelength(200e3),
    )
    np.testing.assert_allclose(np.exp(-1j * chi), expected, atol=2e-3)
    assert np.abs(chi).max() > 10


def test_source_size_is_a_sum_over_positions(eye):
    """Against a direct sum over source points."""
    fwhm = 0.8
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    shifts = nodes * fwhm / np.sqrt(8 * np.log(2))
    weights = np.multiply.outer(weights, weights).ravel() / weights.sum() ** 2
    grid = np.stack(np.meshgrid(shifts, shifts), -1).reshape(-1, 2)
    optics = Optics(24.0, {"C10": 30.0})
    for position in POSITIONS:
        points = eye.measure(position + grid, [4.0], optics)[0]
        expected = np.einsum("p,pyx->yx", weights, points.double().numpy())
        ours = eye.measure(position[None], [4.0], replace(optics, source_fwhm=fwhm))[0, 0]
        assert relative(ours, expected) < 2e-4
        sharp = eye.measure(position[None], [4.0], optics)[0, 0]
        assert relative(sharp, expected) > 1e-2


def test_defocus_spread_is_a_sum_over_defoci(eye):
    spread, tilt = 40.0, (2.0, -1.5)
    nodes, weights = np.polynomial.hermite_e.hermegauss(21)
    optics = Optics(24.0, {"C10": 30.0}, tilt)
    each = [
        eye.measure(POSITIONS, [4.0], replace(optics, aberrations={"C10": 30.0 + spread * node}))
        for node in nodes
    ]
    expected = sum(w * e.double() for w, e in zip(weights / weights.sum(), each, strict=True))
    ours = eye.measure(POSITIONS, [4.0], replace(optics, defocus_spread=spread))
    assert relative(ours, expected) < 2e-4
    assert relative(each[10], expected) > 1e-2


def test_intensity_is_conserved(crystal):
    """Waves leave the simulated angles, none appear; in 4 Å of vacuum all stay."""
    wide = {"detector": {"pixels": 40, "mrad_per_pixel": 2.4}}
    specimen = crystal("RM", thickness_nm=4.0)
    matrix = compute_scattering_matrix(
        specimen, [0.8, 4.0], microscope(**wide), cells=(3, 3), margin_mrad=2.0
    )
    eye = VirtualMicroscope(matrix, microscope(**wide).detector)
    for optics in (
        Optics(24.0),
        Optics(20.0, {"C10": 50.0}, (1.0, 1.2)),
        Optics(24.0, source_fwhm=0.9, defocus_spread=30.0),
    ):
        sums = eye.measure(places(specimen), [0.8, 4.0], optics).sum((-1, -2))
        assert sums.max() < 1 + 1e-5
        assert (sums[0] > sums[1]).all()
        assert sums[0].min() > 0.97
    empty = specimen.atoms[:1]
    empty.symbols[:] = "H"
    vacuum = replace(specimen, atoms=empty, occupancy={}, repeats=(1, 1, 1), planes=2)
    vacuum.atoms.set_cell(specimen.cell)
    through = compute_scattering_matrix(vacuum, [4.0], microscope(**wide), cells=(3, 3))
    light = VirtualMicroscope(through, microscope(**wide).detector)
    assert light.measure(POSITIONS, [4.0], Optics(24.0)).sum((-1, -2)) == pytest.approx(1, abs=1e-3)


def asymmetry(patterns: torch.Tensor) -> float:
    return relative(patterns.flip(-1, -2), patterns)


def test_a_cubic_crystal_has_no_odd_asymmetry(crystal):
    fourfold = np.array([(0.0, 0.0), (0.5, 0.5)])
    optics = Optics(24.0, {"C10": -60.0}, source_fwhm=0.7, defocus_spread=20.0)
    for amplitude in (0.0, 1.0):
        specimen = crystal("RU", amplitude=amplitude, thickness_nm=10.0)
        matrix = compute_scattering_matrix(specimen, [10.0], microscope(), cells=(4, 4))
        eye = VirtualMicroscope(matrix, Detector(**DETECTOR))
        found = asymmetry(eye.measure(fourfold * specimen.cell[:2], [10.0], optics))
        assert found < 1e-5 if amplitude == 0 else found > 1e-3


def test_turning_the_crystal_turns_the_pattern(crystal):
    turned = np.stack([-FRACTIONS[:, 1], FRACTIONS[:, 0]], axis=1)
    patterns = []
    for name, fractions in (("RM", FRACTIONS), ("MU", turned)):
        specimen = crystal(name)
        matrix = compute_scattering_matrix(specimen, [4.0], microscope(), cells=(3, 3))
        eye = VirtualMicroscope(matrix, Detector(**DETECTOR))
        patterns.append(eye.measure(fractions * specimen.cell[0], [4.0], Optics(24.0)))
    assert relative(patterns[1], patterns[0].rot90(1, (-2, -1))) < 1e-5
    assert relative(patterns[1], patterns[0].rot90(-1, (-2, -1))) > 1e-3


def test_threads_and_batches_change_nothing(crystal, matrix, eye):
    again = compute_scattering_matrix(
        crystal("RU"), [4.0, 2.0], microscope(), cells=(3, 3), margin_mrad=4.0, threads=3
    )
    np.testing.assert_array_equal(matrix.array, again.array)
    means = torch.linspace(0, 30, 1000)
    several = []
    before = torch.get_num_threads()
    for threads in (1, 3):
        torch.set_num_threads(threads)
        several.append(count_electrons(means.clone(), 5))
    torch.set_num_threads(before)
    assert torch.equal(*several)
    small = VirtualMicroscope(matrix, Detector(**DETECTOR), memory_mb=0.1)
    positions = np.random.default_rng(0).random((9, 2)) * 12
    optics = Optics(24.0, source_fwhm=0.5)
    whole = eye.measure(positions, [2.0, 4.0], optics, dose=1e4, seed=5)
    parts = small.measure(positions, [2.0, 4.0], optics, dose=1e4, seed=5)
    assert relative(parts, whole) < 1e-2  # a count may change where the mean's last digit does
    quiet = [v.measure(positions, [4.0], optics) for v in (eye, small)]
    assert relative(*quiet) < 1e-6


def test_dose(eye):
    optics = Optics(24.0)
    mean = eye.measure(POSITIONS, [4.0], optics) * 5e4
    counts = eye.measure(POSITIONS, [4.0], optics, dose=5e4, seed=1)
    assert (counts == counts.round()).all()
    assert torch.equal(counts, eye.measure(POSITIONS, [4.0], optics, dose=5e4, seed=1))
    assert not torch.equal(counts, eye.measure(POSITIONS, [4.0], optics, dose=5e4, seed=2))
    bright = mean > 5
    spread = ((counts - mean)[bright].square() / mean[bright]).mean()
    assert spread == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("mean", [0.0, 1e-3, 0.7, 9.9, 10.1, 60.0, 4e4])
def test_counts_are_poisson(mean):
    number = 100_000
    counts = count_electrons(torch.full((number,), mean), seed=3).numpy()
    expected = scipy.stats.poisson(mean)
    quantiles = np.linspace(0.02, 0.98, 25)
    edges = np.arange(5) if mean < 1 else np.unique(expected.ppf(quantiles))
    shares = np.diff(expected.cdf([-1, *edges, np.inf]))
    found = np.histogram(counts, [-0.5, *(edges + 0.5), np.inf])[0]
    likely = shares * number > 5
    chi2 = ((found - shares * number)[likely] ** 2 / (shares * number)[likely]).sum()
    assert chi2 < scipy.stats.chi2(max(1, likely.sum() - 1)).ppf(0.999)
    other = count_electrons(torch.full((number,), mean), seed=4).numpy()
    if mean > 0.5:
        assert abs(np.corrcoef(counts, other)[0, 1]) < 0.015
        assert abs(np.corrcoef(counts[1:], counts[:-1])[0, 1]) < 0.015


def test_thermal_smearing(crystal):
    """The potential of a moving atom is the mean over its places."""
    specimen = replace(
        crystal("RM"), rms_displacement={"K": 0.1, "Na": 0.12, "Nb": 0.07, "O": 0.09}
    )
    unit = repeating_unit(specimen)
    still = projected_potentials(unit, microscope())
    warm = projected_potentials(unit, microscope(), thermal_scale=1.0)
    np.testing.assert_allclose(warm.mean((1, 2)), still.mean((1, 2)), rtol=1e-4)
    assert warm.max() < 0.95 * still.max()
    # niobium alone, on a grid that resolves the static atom: the mean by hand
    fine = microscope(pixels_per_cell=72)
    alone = replace(
        unit,
        atoms=unit.atoms[unit.atoms.symbols == "Nb"],
        occupancy={},
        rms_displacement={"Nb": 0.4},
    )
    still = projected_potentials(alone, fine)
    warm = projected_potentials(alone, fine, thermal_scale=0.5)
    pixel = unit.atoms.cell[0, 0] / 72
    shifts = np.arange(-20, 21)  # whole pixels, over more than five times the displacement
    weights = np.exp(-((shifts * pixel / 0.2) ** 2) / 2)
    mean = still
    for axis in (1, 2):
        moved = [np.roll(mean, shift, axis) for shift in shifts]
        mean = np.tensordot(weights / weights.sum(), moved, 1)
    assert np.abs(warm - mean).max() < 1e-4 * warm.max()
    assert np.abs(warm - still).max() > 0.5 * warm.max()


def test_save_and_load(matrix, tmp_path):
    path = tmp_path / "matrix.nc"
    matrix.save(path)
    again = ScatteringMatrix.load(path)
    np.testing.assert_array_equal(again.array, matrix.array)
    assert again.grid == matrix.grid
    assert again.thickness_nm == matrix.thickness_nm
    assert again.nominal_nm == matrix.nominal_nm
    assert again.settings == matrix.settings
    assert path.stat().st_size == pytest.approx(matrix.grid.predicted_mb(2) * 1e6, rel=0.1)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(PolarstemError, match="truncated"):
        ScatteringMatrix.load(path)
    with pytest.raises(PolarstemError, match="no scattering matrix file"):
        ScatteringMatrix.load(tmp_path / "absent.nc")


def test_bad_measurements_are_told_what_there_is(matrix, eye):
    def measure(nm=4.0, **optics):
        return eye.measure(POSITIONS, [nm], Optics(**{"semiangle_mrad": 24.0} | optics))

    with pytest.raises(PolarstemError, match=r"3 nm is no exit plane .* has 2, 4 nm"):
        measure(3.0)
    with pytest.raises(PolarstemError, match=r"25 mrad is outside .* up to 24 mrad"):
        measure(semiangle_mrad=25.0)
    with pytest.raises(PolarstemError, match=r"tilt of 4.24 mrad .* up to 4 mrad"):
        measure(tilt_mrad=(3.0, -3.0))
    with pytest.raises(PolarstemError, match=r"'C11' is no aberration"):
        measure(aberrations={"C11": 1.0})
    with pytest.raises(PolarstemError, match="must be zero or positive"):
        measure(source_fwhm=-1.0)
    with pytest.raises(PolarstemError, match=r"reaches 40 mrad, but .* up to 39.6 mrad"):
        VirtualMicroscope(matrix, Detector(pixels=40, mrad_per_pixel=2.0))


def test_bad_crystals_are_told_what_is_needed(crystal):
    def compute(specimen, cells=(3, 3), **settings):
        return compute_scattering_matrix(specimen, [2.0], microscope(**settings), cells=cells)

    with pytest.raises(PolarstemError, match=r"repeats every one or two cells .* 3 x 3 cells"):
        compute(crystal("RM", a_site="random"))
    with pytest.raises(PolarstemError, match=r"whole repeating units of 2 x 2 cells"):
        compute(crystal("RM", a_site="ordered", cells=(4, 4)))
    moved = crystal("RM")
    moved.atoms.positions[7, 0] += 0.01
    with pytest.raises(PolarstemError, match="repeats every one or two cells"):
        compute(moved)
    with pytest.raises(PolarstemError, match=r"up to 50\.\d mrad only; raise .* to 40"):
        compute(crystal("RM"), detector={"pixels": 40, "mrad_per_pixel": 4.0})


def test_the_unit_is_the_crystal(crystal):
    """One cell of the field, repeated, is the field; a crystal of one period goes on."""
    field = crystal("RU", thickness_nm=4.0)
    unit = repeating_unit(field)
    assert unit.repeats == (1, 1, 1)
    assert len(unit.atoms) == 5
    one = crystal("RU", cells=(1, 1), thickness_nm=0.4)
    settings = microscope()
    from_field, from_one = (
        compute_scattering_matrix(c, [4.0], settings, cells=(3, 3)).array for c in (field, one)
    )
    np.testing.assert_allclose(from_field, from_one, atol=1e-5)


def test_mean_over_positions_is_incoherent(eye):
    """Probes averaged over the cell are the incoherent sum of the plane waves (PACBED)."""
    side = np.arange(8) / 8 * eye.matrix.grid.size[0]
    positions = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    probes = eye.measure(positions, [4.0], Optics(24.0)).mean(1)[0]
    # a source as wide as many cells
    wide = eye.measure(POSITIONS[:1], [4.0], Optics(24.0, source_fwhm=25.0))[0, 0]
    assert relative(wide, probes) < 1e-3
