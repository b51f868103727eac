# SPDX-License-Identifier: GPL-3.0-or-later
"""Ensembles of scattering matrices of crystals whose atoms move."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from scattering_cases import DETECTOR, microscope, relative

from polarstem.config.physics import Detector
from polarstem.simulate.jobs.compute_thermal_matrices import compute_thermal_matrices
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.potential.frozen_phonons import thermal_columns
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.simulate.scattering_matrix.thermal_matrices import ThermalMatrices, ThermalMicroscope
from polarstem.simulate.wave import antialias
from polarstem.simulate.wave.plane_waves import spread_offsets

OPTICS = Optics(24.0, {"C10": -30.0, "C12": 15.0, "phi12": 0.7}, (1.0, -2.0), source_fwhm=0.8)
TURN = ((0, -1), (1, 0))
POSITIONS = np.random.default_rng(2).random((5, 2)) * 40


def random():
    return np.random.default_rng(7)


def test_members_that_are_alike_are_one_matrix(matrix, eye):
    one = replace(matrix, array=matrix.array[1:], nominal_nm=(4.0,), thickness_nm=(4.0,))
    several = ThermalMicroscope([one, one, one], Detector(**DETECTOR))
    for optics in (OPTICS, replace(OPTICS, source_fwhm=0.0)):
        ours = several.measure(POSITIONS, optics, random(), TURN)
        theirs = eye.measure(POSITIONS, [4.0], optics, turn=TURN)[0]
        assert relative(ours, theirs) < 1e-5


def test_no_source_averages_the_members(matrix, eye):
    planes = [
        replace(matrix, array=matrix.array[k : k + 1], nominal_nm=(n,), thickness_nm=(n,))
        for k, n in enumerate(matrix.nominal_nm)
    ]
    sharp = replace(OPTICS, source_fwhm=0.0)
    ours = ThermalMicroscope(planes, Detector(**DETECTOR)).measure(POSITIONS, sharp, random())
    theirs = eye.measure(POSITIONS, [2.0, 4.0], sharp).mean(0)
    assert relative(ours, theirs) < 1e-5
    # a wide source draws on each of them about as often
    wide = replace(OPTICS, source_fwhm=3.0)
    dealt = ThermalMicroscope(planes, Detector(**DETECTOR)).measure(POSITIONS, wide, random())
    mean = eye.measure(POSITIONS, [2.0, 4.0], wide).mean(0)
    apart = eye.measure(POSITIONS, [2.0, 4.0], wide)
    assert relative(dealt, mean) < 0.5 * relative(apart[0], mean)


@pytest.fixture(scope="module")
def recipe():
    return {
        "material": "KNN",
        "name": "test",
        "specimen_set": "test",
        "split": "train",
        "class_index": 0,
        "class_name": "RM",
        "direction_deg": 0.0,
        "variant": (1, 0, 0),
        "phase": "T",
        "zone_axis": (0, 0, 1),
        "a_site": "random",
        "cells": (1, 1),
        "thickness_nm": 4.0,
        "seed": 3,
    }


def test_columns_are_disordered_and_displaced_across_the_beam(recipe):
    first, second = thermal_columns(recipe, 2, 1.0)
    assert first.atoms.get_chemical_symbols() != second.atoms.get_chemical_symbols()
    still = next(iter(thermal_columns(recipe, 1, 0.0)))
    moved = (first.atoms.positions - still.atoms.positions)[:, :2]
    np.testing.assert_array_equal(first.atoms.positions[:, 2], still.atoms.positions[:, 2])
    niobium = still.atoms.symbols == "Nb"
    many = [c.atoms.positions[niobium, :2] for c in thermal_columns(recipe, 40, 1.0)]
    spread = np.std(many, axis=0).mean()
    assert spread == pytest.approx(first.rms_displacement["Nb"], rel=0.1)
    assert np.abs(moved).max() > 0


def test_mean_amplitude_is_that_of_the_smeared_potential(recipe):
    """Coherent part of many configurations of a thin crystal: Debye and Waller's damping."""
    virtual = {**recipe, "a_site": "virtual"}
    settings = microscope()
    common = {"cells": (2, 2), "reach_mrad": 42.0}
    columns = list(thermal_columns(virtual, 60, 2.0))
    amplitudes = [compute_scattering_matrix(c, [0.8], settings, **common).array for c in columns]
    still = next(iter(thermal_columns(virtual, 1, 0.0)))
    smeared = compute_scattering_matrix(still, [0.8], settings, thermal_scale=2.0, **common).array
    sharp = compute_scattering_matrix(still, [0.8], settings, **common).array
    mean = np.mean(amplitudes, axis=0)
    damping = np.linalg.norm(smeared - sharp)
    assert np.linalg.norm(mean - smeared) < 0.25 * damping


def part_of_the_damping(recipe, settings, count=60) -> tuple[float, float]:
    """Of the mean amplitude: its share of Debye and Waller's damping, and what is left over."""
    common = {"cells": (1, 1), "reach_mrad": 42.0}
    virtual = {**recipe, "a_site": "virtual", "thickness_nm": 0.8}
    mean = np.mean(
        [
            compute_scattering_matrix(column, [0.8], settings, **common).array
            for column in thermal_columns(virtual, count, 1.0)
        ],
        axis=0,
    )
    still = next(iter(thermal_columns(virtual, 1, 0.0)))
    smeared, sharp = (
        compute_scattering_matrix(still, [0.8], settings, thermal_scale=scale, **common).array
        for scale in (1.0, 0.0)
    )
    damping = smeared - sharp
    share = np.vdot(damping, mean - sharp).real / np.vdot(damping, damping).real
    return share, float(np.linalg.norm(mean - smeared) / np.linalg.norm(damping))


def test_real_displacements_damp_as_debye_and_waller_say(recipe, monkeypatch):
    """At 300 K on the standard grid.

    Electrons that scatter diffusely are missing from the mean as if absorbed, of which a smeared
    potential knows nothing: a few per cent of the damping, and none where scattering is weak.
    """
    settings = microscope(pixels_per_cell=40)
    share, _ = part_of_the_damping(recipe, settings)
    assert share == pytest.approx(0.95, abs=0.05)
    strength = antialias.interaction
    monkeypatch.setattr(antialias, "interaction", lambda energy: 0.3 * strength(energy))
    share, rest = part_of_the_damping(recipe, settings)
    assert share == pytest.approx(1, abs=0.05)
    assert rest < 0.25


def test_file_keeps_every_thickness_of_every_member(recipe, tmp_path):
    settings = {
        "structure": recipe,
        "simulate": microscope(phonons={"configurations": 2}).model_dump(mode="json"),
        "thicknesses_nm": [2.0, 4.0],
        "cells": [2, 2],
        "margin_mrad": 2.0,
        "reach_mrad": 41.0,
    }
    path = tmp_path / "x.nc"
    compute_thermal_matrices(path, settings)
    matrices = ThermalMatrices.open(path)
    assert matrices.nominal_nm == (2.0, 4.0)
    assert matrices.settings == json.loads(json.dumps(settings))
    wanted = [
        compute_scattering_matrix(
            column,
            [2.0, 4.0],
            microscope(),
            cells=(2, 2),
            margin_mrad=2.0,
            reach_mrad=41.0,
            offset=(y, x),
            ensemble=2,
        )
        for column, (y, x) in zip(
            thermal_columns(recipe, 2, 1.0), spread_offsets(2).tolist(), strict=True
        )
    ]
    for plane in (0, 1):
        for one, other in zip(matrices.plane(plane), wanted, strict=True):
            np.testing.assert_array_equal(one.array[0], other.array[plane])
            assert one.grid == other.grid


def test_file_of_one_matrix_counts_as_one_member(matrix, tmp_path):
    matrix.save(tmp_path / "x.nc")
    (alone,) = ThermalMatrices.open(tmp_path / "x.nc").plane(1)
    np.testing.assert_array_equal(alone.array[0], matrix.array[1])
    eye = VirtualMicroscope(alone, Detector(**DETECTOR))
    assert torch.isfinite(eye.measure(POSITIONS, [4.0], OPTICS)).all()
