# SPDX-License-Identifier: GPL-3.0-or-later
"""Scanning scenes: windows against abTEM on the whole field, the source against its definition."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from polarstem.config.physics import Simulate
from polarstem.config.scene_limits import window_cells
from polarstem.errors import PolarstemError
from polarstem.simulate.abtem_settings import abtem_settings
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.microscope.drawn_conditions import Drawn
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.multislice.abtem_run import scan_patterns
from polarstem.simulate.multislice.probes import Sampling, on_camera, probe_of
from polarstem.simulate.multislice.scene_scan import scan_scene
from polarstem.simulate.multislice.windows import Field, Window, windows
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.potential.frozen_phonons import thermal_configurations
from polarstem.simulate.potential.projection import projected_slices
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.structures.crystals import load_material
from polarstem.structures.scenes.build import build_scene
from polarstem.structures.scenes.recipe import SceneRecipe, make_scene
from polarstem.structures.scenes.scan_frame import ScanFrame

OPTICS = Optics(24.0, {"C10": 40.0, "C12": 15.0, "phi12": 0.4}, (2.0, 1.0))
CAMERA = Camera(26, 3.0)
PIXELS = 20  # per cell: coarse, but the same on both sides


def microscope(**settings: Any) -> Simulate:
    detector = {"pixels": 26, "mrad_per_pixel": 3.0}
    return Simulate.model_validate({"pixels_per_cell": PIXELS, "detector": detector, **settings})


def scene(kind: str, nm: float, **options: Any) -> SceneRecipe:
    settings = {"kind": kind, "name": kind, "material": "KNN", "cells": [2, 2], "seed": 5}
    return make_scene(settings | {"thickness_nm": nm} | options)


def slab_of(crystal: Crystal, settings: Simulate) -> Any:
    (atoms,) = thermal_configurations(crystal, settings.phonons, 1)
    return projected_slices(crystal, atoms, settings, [crystal.repeats[2]]).build(lazy=False)


def middle(crystal: Crystal, count: int) -> np.ndarray:
    """Places in the four cells of the middle."""
    random = np.random.default_rng(0).random((count, 2))
    return (np.array(crystal.repeats[:2]) // 2 - 1 + 2 * random) * crystal.cell[0]


def distance(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    return np.abs(ours - theirs).sum((-1, -2)) / theirs.sum((-1, -2))


def test_a_window_of_the_whole_field_gives_the_patterns_of_abtem():
    crystal = Crystal.of(build_scene(scene("b_antisite", 1.6, columns=1)))
    settings = microscope(phonons={"configurations": 1})
    places = middle(crystal, 3)
    with abtem_settings("cpu", 1):
        slab = slab_of(crystal, settings)
        theirs = scan_patterns(probe_of(200.0, OPTICS, 25.0), slab, places, 1)
        field = Field(slab, 200.0, slab.gpts[0])
        light = field.illuminate(probe_of(200.0, OPTICS, 25.0))
        ours = field.scan(Window((0, 0), np.arange(3), places), light)
    expected = on_camera(theirs[0], Sampling.of(field.lengths, 200.0), CAMERA)
    assert (
        distance(on_camera(ours, Sampling.of(field.lengths, 200.0), CAMERA), expected).max() < 2e-5
    )


@pytest.mark.parametrize("kind", ["four_domains", "antiphase_boundary"])
def test_windows_of_five_cells_stand_for_the_whole_field(kind):
    crystal = Crystal.of(build_scene(scene(kind, 8.0)))
    settings = microscope(phonons={"configurations": 1})
    places = middle(crystal, 6)
    with abtem_settings("cpu", 1):
        slab = slab_of(crystal, settings)
        whole = Field(slab, 200.0, slab.gpts[0])
        light_of_whole = whole.illuminate(probe_of(200.0, OPTICS, 0.0))
        patterns = whole.scan(Window((0, 0), np.arange(6), places), light_of_whole)
        expected = on_camera(patterns, Sampling.of(whole.lengths, 200.0), CAMERA)
        for cells, most in ((5, 0.025), (3, 0.06)):
            part = Field(slab, 200.0, cells * PIXELS)
            light = part.illuminate(probe_of(200.0, OPTICS, 0.0))
            found = np.zeros_like(expected)
            for window in windows(places, np.arange(6), crystal.cell[0], PIXELS, cells):
                found[window.members] = on_camera(
                    part.scan(window, light), Sampling.of(part.lengths, 200.0), CAMERA
                )
            assert distance(found, expected).max() < most
        # a quarter of a cell away they are others: the bound is not an empty one
        moved = places + crystal.cell[0] / 4
        patterns = whole.scan(Window((0, 0), np.arange(6), moved), light_of_whole)
        assert (
            distance(on_camera(patterns, Sampling.of(whole.lengths, 200.0), CAMERA), expected).min()
            > 0.1
        )


def test_windows_hold_their_positions_in_the_middle():
    places = np.random.default_rng(1).random((50, 2)) * 40 + 20
    for cells in (5, 6):
        found = list(windows(places, np.arange(0, 50, 2), 4.0, 8, cells))
        assert np.array_equal(np.sort(np.concatenate([w.members for w in found])), range(0, 50, 2))
        for window in found:
            assert np.array(window.first) * 0.5 + window.places == pytest.approx(
                places[window.members]
            )
            assert np.abs(window.places - 2 * cells).max() <= 2.0 + 1e-9


def virtual_crystal() -> Crystal:
    """A column of the perfect crystal with one element on the A site, field of 10 x 10 cells."""
    recipe = scene("single_domain", 1.6)
    material = recipe.material.model_dump(mode="json", exclude_unset=True)
    material |= {"a_site": {"K": 1.0}}
    for key in ("born_charges", "debye_waller_rms_angstrom"):
        material[key] = {k: v for k, v in material[key].items() if k != "Na"}
    return Crystal.of(build_scene(replace(recipe, material=load_material(material))))


def test_the_source_joins_samples_to_what_it_is_defined_as():
    crystal, settings = virtual_crystal(), microscope()
    optics = replace(OPTICS, source_fwhm=0.9, tilt_mrad=(0.0, 0.0))
    a = crystal.cell[0]
    frame = ScanFrame((4.3 * a, 5.8 * a), (4, 4), a / 4)
    found = scan_scene(crystal, frame, settings, Drawn(optics, CAMERA, None), seed=1)
    side = window_cells(settings, a, 1.6)
    matrix = compute_scattering_matrix(crystal, [1.6], settings, cells=(side, side))
    eye = VirtualMicroscope(matrix, settings.detector)
    places = frame.places(*frame.along()).reshape(-1, 2)
    expected = eye.measure(places, [1.6], optics).numpy().reshape(found.shape)
    assert distance(found, expected).max() < 0.01
    point = eye.measure(places, [1.6], replace(optics, source_fwhm=0.0)).numpy()
    assert distance(point.reshape(found.shape), expected).mean() > 0.05


@pytest.fixture(scope="module")
def wide_eye() -> VirtualMicroscope:
    """Of a field so large that copies of the probe do not matter."""
    matrix = compute_scattering_matrix(virtual_crystal(), [1.6], microscope(), cells=(10, 10))
    return VirtualMicroscope(matrix, microscope().detector)


def many_configurations(count: int, optics: Optics) -> tuple[np.ndarray, np.ndarray]:
    """Patterns of a scene whose atoms are as good as at rest, and their places."""
    crystal = virtual_crystal()
    settings = microscope(phonons={"configurations": count, "scale": 1e-4})
    a = crystal.cell[0]
    frame = ScanFrame((4.3 * a, 5.8 * a), (4, 4), a / 4)
    found = scan_scene(crystal, frame, settings, Drawn(optics, CAMERA, None), seed=1)
    places = frame.places(*frame.along()).reshape(-1, 2)
    return found.reshape(len(places), *found.shape[2:]), places


@pytest.mark.parametrize("count", [5, 24])
def test_the_number_of_configurations_alone_changes_nothing(wide_eye, count):
    """However few of them a source joins."""
    optics = Optics(24.0, source_fwhm=0.9)
    found, places = many_configurations(count, optics)
    expected = wide_eye.measure(places, [1.6], optics)[0].numpy()
    assert distance(found, expected).mean() < 0.03


def test_defocus_spreads_over_the_configurations_of_a_scene(wide_eye):
    """The scattering matrix with the same spread is nearest."""
    optics = Optics(24.0, source_fwhm=1.2, defocus_spread=60.0)
    found, places = many_configurations(24, optics)

    def apart(factor: float) -> float:
        spread = replace(optics, defocus_spread=factor * optics.defocus_spread)
        expected = wide_eye.measure(places, [1.6], spread)[0].numpy()
        return float(distance(found, expected).mean())

    assert min((0.0, 0.5, 1.0, 2.0, 10.0), key=apart) == 1.0
    assert apart(1.0) < 0.8 * min(apart(0.0), apart(10.0))


def test_a_turned_scan_and_detector_see_the_turned_patterns():
    crystal, settings = virtual_crystal(), microscope()
    a = crystal.cell[0]
    optics = replace(OPTICS, aberrations={"C10": 30.0}, tilt_mrad=(0.0, 0.0))
    plain = ScanFrame((4.1 * a, 5.2 * a), (2, 3), a / 3)
    # the first position of the turned scan is the upper right one of the plain one
    right = plain.places(np.zeros(1), np.array([2 * a / 3]))[0, 0]
    turned = ScanFrame((right[0], right[1]), (3, 2), a / 3, turn_deg=90.0)
    one = scan_scene(crystal, plain, settings, Drawn(optics, CAMERA, None), 1)
    camera = Camera(26, 3.0, rotation_deg=90.0)
    other = scan_scene(crystal, turned, settings, Drawn(optics, camera, None), 1)
    expected = np.rot90(np.rot90(one), axes=(2, 3))
    assert distance(other, expected).max() < 1e-5
    assert distance(other, one.swapaxes(0, 1)).max() > 0.01


def test_tilts_of_a_ramp_belong_to_their_columns():
    crystal, settings = virtual_crystal(), microscope()
    a = crystal.cell[0]
    frame = ScanFrame((4.5 * a, 5.5 * a), (1, 2), a)  # two cells: two windows
    drawn = Drawn(replace(OPTICS, source_fwhm=0.0), CAMERA, None)
    tilts = np.array([(-3.0, 0.0), (2.0, 1.0)])
    ramp = scan_scene(crystal, frame, settings, drawn, 1, tilts)
    fixed = scan_scene(crystal, frame, settings, drawn, 1)  # (2, 1) everywhere
    assert np.array_equal(ramp[:, 1], fixed[:, 1])
    assert distance(ramp[:, 0], fixed[:, 0]).max() > 0.02


def test_thermal_motion_needs_a_source_that_joins_it():
    crystal = virtual_crystal()
    a = crystal.cell[0]
    frame = ScanFrame((4 * a, 5 * a), (2, 2), a / 4)
    for fwhm, message in ((0.0, "needs a source"), (0.5, "at least 0.80 Å")):
        drawn = Drawn(replace(OPTICS, source_fwhm=fwhm), CAMERA, None)
        with pytest.raises(PolarstemError, match=message):
            scan_scene(crystal, frame, microscope(phonons={"configurations": 2}), drawn, 1)
