# SPDX-License-Identifier: GPL-3.0-or-later
"""The scattering-matrix engine against abTEM's multislice of the whole field."""

from __future__ import annotations

import abtem
import numpy as np
import pytest
from abtem.core.energy import energy2wavelength
from scattering_cases import AGREEMENT, both_engines, microscope, optics_of, places, relative

from polarstem.config.physics import Detector, Simulate
from polarstem.simulate.abtem_settings import abtem_settings
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.multislice.probes import Sampling, on_camera
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.potential.projection import projected_slices
from polarstem.simulate.potential.repeating_unit import repeating_unit
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix

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


@pytest.mark.parametrize(
    ("material", "phase", "name", "repeats"),
    [("KNN", "O", "MU", (2, 2, 1)), ("BiFeO3", "R", "LD", (2, 2, 2))],
)
def test_octahedral_tilts_equal_abtem(crystal, material, phase, name, repeats):
    """In-phase tilts repeat every 2 x 2 cells, those of a-a-a- every 2 x 2 x 2."""
    made = {"material": material, "phase": phase, "cells": (4, 4), "thickness_nm": 4.0}
    specimen = crystal(name, octahedral_tilt_deg=7.0, **made)
    assert repeating_unit(specimen).repeats == repeats
    ours, theirs, _ = both_engines(specimen, microscope(), [4.0])
    assert relative(ours, theirs) < AGREEMENT
    straight, _, _ = both_engines(crystal(name, **made), microscope(), [4.0])
    assert relative(straight, theirs) > 0.02


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
    with abtem_settings("cpu", 1):
        slab = projected_slices(specimen, specimen.atoms, settings, slices)
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
    theirs = on_camera(array[None], Sampling((step[1], step[0])), Camera.of(settings.detector))[0]
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
