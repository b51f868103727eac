# SPDX-License-Identifier: GPL-3.0-or-later
"""Scanning scenes seen along [110], whose projected cell is oblong: against independent engines."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from polarstem.config.experiment_conditions import ExperimentConditions
from polarstem.config.physics import Simulate
from polarstem.config.scene_limits import lacking_margin, margin_problem, window_cells, window_shape
from polarstem.errors import PolarstemError
from polarstem.simulate.abtem_settings import abtem_settings
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.microscope.drawn_conditions import Drawn
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.multislice.abtem_run import scan_patterns
from polarstem.simulate.multislice.probes import Sampling, on_camera, probe_of
from polarstem.simulate.multislice.scene_scan import scan_scene
from polarstem.simulate.multislice.windows import Field, windows
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.potential.frozen_phonons import thermal_configurations
from polarstem.simulate.potential.projection import projected_slices
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.structures.scenes.build import build_scene
from polarstem.structures.scenes.recipe import SceneRecipe, make_scene
from polarstem.structures.scenes.scan_frame import ScanFrame

OPTICS = Optics(24.0, {"C10": 40.0, "C12": 15.0, "phi12": 0.4})
CAMERA = Camera(26, 3.0)
SETTINGS = Simulate.model_validate(
    {"pixels_per_cell": 20, "detector": {"pixels": 26, "mrad_per_pixel": 3.0}}
)


def scene(kind: str, nm: float, **options: object) -> SceneRecipe:
    settings = {"kind": kind, "name": kind, "material": "KNbO3", "zone_axis": [1, 1, 0], "seed": 5}
    return make_scene(settings | {"cells": [2, 2], "thickness_nm": nm} | options)


def distance(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    return np.abs(ours - theirs).sum((-1, -2)) / theirs.sum((-1, -2))


def test_windows_stand_for_the_whole_field_of_abtem():
    crystal = Crystal.of(build_scene(scene("four_domains", 4.0)))
    cell = np.array(crystal.cell[:2])
    moving = Simulate.model_validate(SETTINGS.model_dump() | {"phonons": {"configurations": 1}})
    places = (np.array(crystal.repeats[:2]) // 2 - 1) * cell
    places = places + 2 * np.random.default_rng(0).random((6, 2)) * cell
    pixels = np.array(crystal.grid_points(20)) // crystal.repeats[:2]
    assert pixels.tolist() == [28, 20]
    sides = np.array([4, 5])
    with abtem_settings("cpu", 1):
        (atoms,) = thermal_configurations(crystal, moving.phonons, 1)
        slices = projected_slices(crystal, atoms, moving, [crystal.repeats[2]])
        slab = slices.build(lazy=False)
        theirs = scan_patterns(probe_of(200.0, OPTICS, 25.0), slab, places, 1)[0]
        whole = Sampling.of(np.array(slab.extent), 200.0)
        expected = on_camera(theirs, whole, CAMERA)
        part = Field(slab, 200.0, sides * pixels)
        light = part.illuminate(probe_of(200.0, OPTICS, 25.0))
        sampling = Sampling.of(part.lengths, 200.0)
        found = np.zeros_like(expected)
        for window in windows(places, np.arange(6), cell, pixels, sides):
            patterns = part.scan(window, light)
            assert patterns.shape[1:] == tuple(sides * pixels)
            found[window.members] = on_camera(patterns, sampling, CAMERA)
    assert distance(found, expected).max() < 0.035
    # of neighbouring places they are others: the bound is not an empty one
    assert distance(found, np.roll(expected, 1, axis=0)).min() > 0.15


def test_a_scan_is_what_the_scattering_matrix_measures():
    recipe = scene("single_domain", 6.2, phase="O")
    crystal, cell = Crystal.of(build_scene(recipe)), recipe.lengths
    optics = replace(OPTICS, source_fwhm=0.9)
    frame = ScanFrame((4.3 * cell[0], 5.8 * cell[1]), (5, 4), cell[1] / 4)
    found = scan_scene(crystal, frame, SETTINGS, Drawn(optics, CAMERA, None), seed=1)
    sides = window_shape(SETTINGS, cell, 6.2)
    matrix = compute_scattering_matrix(crystal, [6.2], SETTINGS, cells=sides)
    microscope = VirtualMicroscope(matrix, SETTINGS.detector)
    places = frame.places(*frame.along()).reshape(-1, 2)
    expected = microscope.measure(places, [6.2], optics).numpy().reshape(found.shape)
    assert distance(found, expected).max() < 0.01
    other = Crystal.of(build_scene(replace(recipe, classes=(recipe.table[1].name,))))
    assert recipe.domain_classes[0] is recipe.table[0]
    matrix = compute_scattering_matrix(other, [6.2], SETTINGS, cells=sides)
    wrong = VirtualMicroscope(matrix, SETTINGS.detector).measure(places, [6.2], optics).numpy()
    assert distance(found, wrong.reshape(found.shape)).mean() > 0.03


@pytest.mark.parametrize("nm", [1.6, 20.0])
def test_windows_are_as_wide_along_both_edges(nm):
    recipe = scene("single_domain", nm)
    edge_x, edge_y, _ = recipe.lengths
    x, y = window_shape(SETTINGS, recipe.lengths, nm)
    assert y == window_cells(SETTINGS, edge_y, nm)
    assert 0 <= x * edge_x - y * edge_y < edge_x
    assert x == math.ceil(y / math.sqrt(2))


@pytest.mark.parametrize("turn", [0.0, 30.0])
def test_the_margin_that_is_asked_for_holds_the_windows(turn):
    conditions = ExperimentConditions(source_fwhm_angstrom=(1.2, 1.2))
    lengths = scene("single_domain", 8.0).lengths
    small = scene("single_domain", 8.0, margin_cells=1, crystal_rotation_deg=turn)
    lacking = lacking_margin(small, SETTINGS, conditions)
    assert lacking > 0
    sides = window_shape(SETTINGS, lengths, small.field[2] * lengths[2] / 10)
    assert sides[0] < sides[1]
    told = f"windows of {sides[0]} x {sides[1]} cells"
    assert told in str(margin_problem(small, SETTINGS, conditions))
    enough = scene("single_domain", 8.0, margin_cells=1 + lacking, crystal_rotation_deg=turn)
    assert margin_problem(enough, SETTINGS, conditions) is None
    drawn = Drawn(replace(OPTICS, source_fwhm=1.2), CAMERA, None)
    thin = replace(enough, thickness_nm=0.6)
    assert thin.lengths == lengths
    crystal = Crystal.of(build_scene(thin))
    images = scan_scene(crystal, ScanFrame.over(thin, 2), SETTINGS, drawn, 1)
    assert np.isfinite(images).all()
    assert images.shape[:2] == thin.scanned(2)[:2]
    x, y = window_shape(SETTINGS, lengths, thin.field[2] * lengths[2] / 10)
    wide = replace(drawn, optics=replace(OPTICS, source_fwhm=9.0))
    with pytest.raises(PolarstemError, match=f"windows of {x} x {y} cells around the probes reach"):
        scan_scene(crystal, ScanFrame.over(thin, 2), SETTINGS, wide, 1)
