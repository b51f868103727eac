# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured from a scattering matrix: optics, turns, sums and counts."""

from __future__ import annotations

from dataclasses import replace

import abtem
import numpy as np
import pytest
import torch
from abtem.core.energy import energy2wavelength
from scattering_cases import (
    DETECTOR,
    POSITIONS,
    microscope,
    optics_of,
    places,
    relative,
)

from polarstem.config.physics import ABERRATIONS, Detector
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.microscope.noise import count_electrons
from polarstem.simulate.microscope.optics import Optics, aberration_phase
from polarstem.simulate.multislice.abtem_run import simulate_patterns
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.structures.symmetry import IDENTITY

QUARTER = ((0, -1), (1, 0))
MIRROR = ((-1, 0), (0, 1))


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


def test_threads_and_batches_change_nothing(crystal, matrix, eye):
    one, several = (
        compute_scattering_matrix(
            crystal("RU"), [4.0, 2.0], microscope(), cells=(3, 3), margin_mrad=4.0, threads=threads
        )
        for threads in (1, 3)
    )
    np.testing.assert_array_equal(one.array, several.array)
    means = torch.linspace(0, 30, 1000)
    counts = []
    before = torch.get_num_threads()
    for threads in (1, 3):
        torch.set_num_threads(threads)
        counts.append(count_electrons(means.clone(), 5))
    torch.set_num_threads(before)
    assert torch.equal(*counts)
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


def test_mean_over_positions_is_incoherent(eye):
    """Probes averaged over the cell are the incoherent sum of the plane waves (PACBED)."""
    side = np.arange(8) / 8 * eye.matrix.grid.size[0]
    positions = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    probes = eye.measure(positions, [4.0], Optics(24.0)).mean(1)[0]
    # a source as wide as many cells
    wide = eye.measure(POSITIONS[:1], [4.0], Optics(24.0, source_fwhm=25.0))[0, 0]
    assert relative(wide, probes) < 1e-3


def test_a_turned_matrix_is_a_turned_crystal(crystal):
    """RM turned by a quarter is MU, mirrored LM; optics and camera stay in the laboratory."""
    settings = microscope()
    optics = Optics(
        22.0, {"C12": 40.0, "phi12": 0.3, "C21": 300.0, "phi21": 1.0}, (1.5, -0.7), 0.5, 20.0
    )
    camera = Camera(28, 2.2, 8.0, 0.03, 20.0, (0.4, -0.3))
    matrices = {
        name: compute_scattering_matrix(
            crystal(name), [4.0], settings, cells=(3, 3), margin_mrad=2.0, reach_mrad=39.6
        )
        for name in ("RM", "MU", "LM")
    }
    eyes = {name: VirtualMicroscope(matrix, camera) for name, matrix in matrices.items()}
    for name, turn in (("MU", QUARTER), ("LM", MIRROR), ("RM", IDENTITY)):
        direct = eyes[name].measure(POSITIONS, [4.0], optics)
        turned = eyes["RM"].measure(POSITIONS, [4.0], optics, turn=turn)
        assert relative(turned, direct) < 1e-5
        if turn != IDENTITY:
            assert relative(eyes["RM"].measure(POSITIONS, [4.0], optics), direct) > 1e-2
        totals = [
            eyes[name].total(POSITIONS, [4.0], optics),
            eyes["RM"].total(POSITIONS, [4.0], optics, turn=turn),
        ]
        np.testing.assert_allclose(*totals, rtol=1e-5)


def test_an_oblong_cell_is_mirrored(crystal):
    """Along [110] the cell is no square: mirrors stay, steps along x and y differ."""
    options = {"zone_axis": (1, 1, 0), "cells": (2, 3)}
    settings = microscope()
    right, left = (
        compute_scattering_matrix(crystal(name, **options), [4.0], settings, cells=(2, 3))
        for name in ("RM", "LM")
    )
    optics = Optics(24.0, {"C12": 30.0, "phi12": 0.4})
    direct = VirtualMicroscope(left, settings.detector).measure(POSITIONS, [4.0], optics)
    turned = VirtualMicroscope(right, settings.detector).measure(
        POSITIONS, [4.0], optics, turn=MIRROR
    )
    assert relative(turned, direct) < 1e-5


def test_total_equals_abtem(crystal):
    """All that stays within the simulated angles, though the matrix keeps fewer."""
    specimen = crystal("RU", thickness_nm=10.0)
    settings = microscope(aberrations={"C10": -60.0})
    matrix = compute_scattering_matrix(specimen, [5.0, 10.0], settings, cells=(3, 3))
    theirs = simulate_patterns(specimen, places(specimen), [5.0, 10.0], settings, seed=0)
    for optics in (optics_of(settings), optics_of(settings, source_fwhm=1.0)):
        ours = VirtualMicroscope(matrix, settings.detector).total(
            places(specimen), [5.0, 10.0], optics
        )
        np.testing.assert_allclose(ours, theirs.total, rtol=2e-5)
    narrow = microscope(semiangle_mrad=6.0)
    theirs = simulate_patterns(specimen, places(specimen), [10.0], narrow, seed=0)
    ours = VirtualMicroscope(matrix, settings.detector).total(
        places(specimen), [10.0], optics_of(narrow)
    )
    np.testing.assert_allclose(ours, theirs.total, rtol=2e-5)


def test_another_camera_for_one_measurement(eye, matrix):
    camera = Camera(24, 2.5, rotation_deg=5.0)
    own = VirtualMicroscope(matrix, camera).measure(POSITIONS, [4.0], Optics(24.0))
    assert torch.equal(own, eye.measure(POSITIONS, [4.0], Optics(24.0), camera=camera))
