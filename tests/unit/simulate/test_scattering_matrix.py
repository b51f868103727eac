# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scattering matrix is, keeps and refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scattering_cases import POSITIONS, microscope

from polarstem.config.physics import Detector, Simulate
from polarstem.errors import PolarstemError
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.potential.projection import projected_potential
from polarstem.simulate.potential.repeating_unit import repeating_unit
from polarstem.simulate.scattering_matrix import equivalent, propagate
from polarstem.simulate.scattering_matrix.matrix import ScatteringMatrix
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.simulate.wave import antialias
from polarstem.simulate.wave.plane_waves import WaveGrid
from polarstem.structures.symmetry import IDENTITY


def potentials(unit: Crystal, settings: Simulate, thermal_scale: float = 0.0) -> np.ndarray:
    """Of the slices of a repeating unit, shape (slice, x, y) [V Å]."""
    return projected_potential(unit, unit.atoms, settings, [unit.repeats[2]], thermal_scale).array


def test_thermal_smearing(crystal):
    """The potential of a moving atom is the mean over its places."""
    specimen = replace(
        crystal("RM"), rms_displacement={"K": 0.1, "Na": 0.12, "Nb": 0.07, "O": 0.09}
    )
    unit = repeating_unit(specimen)
    still = potentials(unit, microscope())
    warm = potentials(unit, microscope(), thermal_scale=1.0)
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
    still = potentials(alone, fine)
    warm = potentials(alone, fine, thermal_scale=0.5)
    pixel = unit.atoms.cell[0, 0] / 72
    shifts = np.arange(-20, 21)  # whole pixels, over more than five times the displacement
    weights = np.exp(-((shifts * pixel / 0.2) ** 2) / 2)
    mean = still
    for axis in (1, 2):
        moved = [np.roll(mean, shift, axis) for shift in shifts]
        mean = np.tensordot(weights / weights.sum(), moved, 1)
    assert np.abs(warm - mean).max() < 1e-4 * warm.max()
    assert np.abs(warm - still).max() > 0.5 * warm.max()


@pytest.mark.parametrize("units", [1, 2, 3, 4, 5, 6])
def test_kept_samples_cover_the_detector_on_both_sides(units):
    """Even fields have a sample less on the positive side."""
    for reach in np.linspace(20, 50, 61):
        grid = WaveGrid((4.0, 4.0), (units, units), 200.0, 24.0, 0.0, float(reach))
        step = float(grid.mrad_per_sample[0])
        reduced = grid.groups.reduced[:, 0]
        for beams, sign in ((grid.beams[0], 1), (grid.beams[0], -1)):
            outermost = beams * units + (sign * reduced).max()
            assert (outermost + 0.5) * step > reach - 1e-6


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


def test_torch_propagates_alike(crystal, matrix):
    """The way for a GPU, run on the CPU."""
    again = compute_scattering_matrix(
        crystal("RU"), [2.0, 4.0], microscope(), cells=(3, 3), margin_mrad=4.0, device="cpu:0"
    )
    scale = np.abs(matrix.array).max()
    assert np.abs(again.array - matrix.array).max() < 1e-4 * scale
    np.testing.assert_allclose(again.overlap, matrix.overlap, atol=1e-4)


def test_waves_are_orthogonal_while_none_is_lost(crystal):
    """Scattering is unitary: thin crystals keep the product of two different waves at zero."""
    matrix = compute_scattering_matrix(crystal("RM"), [0.4], microscope(), cells=(3, 3))
    groups = matrix.grid.groups
    for group, used in enumerate(groups.used):
        count = used.sum()
        products = matrix.overlap[0, groups.rows[group, :count], :count]
        assert np.abs(products - np.eye(count)).max() < 0.05
        np.testing.assert_allclose(products, products.conj().T, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "turns"),
    [
        ({"amplitude": 0.0}, 8),
        ({"class_name": "RM"}, 2),
        ({"class_name": "RU"}, 2),
        ({"class_name": "RM", "zone_axis": (1, 1, 0)}, 2),
    ],
    ids=str,
)
def test_equivalent_waves_are_copied(crystal, monkeypatch, options, turns):
    """The crystal's own turns save propagation and change nothing."""
    specimen = crystal(**options)
    copied = []

    def compute(own):
        def chosen(*arguments):
            copied.append(own(*arguments))
            return copied[-1]

        monkeypatch.setattr(propagate, "own_turns", chosen)
        return compute_scattering_matrix(specimen, [3.0], microscope(), cells=(4, 4))

    shared = compute(equivalent.own_turns)
    alone = compute(lambda *_: [IDENTITY])
    assert len(copied[0]) == turns
    assert len(equivalent.copies(shared.grid, copied[0])) >= len(shared.grid.groups.rows) / 4
    assert not equivalent.copies(shared.grid, [IDENTITY])
    np.testing.assert_allclose(shared.array, alone.array, atol=1e-5)
    np.testing.assert_allclose(shared.overlap, alone.overlap, atol=1e-5)


def test_displaced_atoms_leave_no_turn(crystal):
    unit = repeating_unit(crystal("RM"))
    unit.atoms.positions[2, 1] += 0.05
    slices = potentials(unit, microscope()).swapaxes(1, 2)
    size = (unit.atoms.cell[1, 1], unit.atoms.cell[0, 0])
    assert equivalent.own_turns(slices, size) == [IDENTITY]


@pytest.mark.parametrize("pixels", [26, 34, 46])
def test_finer_transforms_change_nothing(crystal, monkeypatch, pixels):
    """The transmission functions are limited in frequency, so a finer grid gives the same."""
    settings = microscope(pixels_per_cell=pixels)
    assert antialias.transform_size(pixels) > pixels
    found = compute_scattering_matrix(crystal("RU"), [3.0], settings, cells=(3, 3)).array
    monkeypatch.setattr(antialias, "transform_size", lambda points: points)
    plain = compute_scattering_matrix(crystal("RU"), [3.0], settings, cells=(3, 3)).array
    np.testing.assert_allclose(found, plain, atol=1e-5)
