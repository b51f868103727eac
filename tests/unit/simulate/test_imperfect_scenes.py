# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes that are not ideal, against ideal ones, scattering matrices and cross sections."""

from __future__ import annotations

from typing import Any

import abtem
import numpy as np
import pytest

from polarstem.config.physics import Phonons, Simulate, wavelength
from polarstem.config.scene_limits import window_cells
from polarstem.errors import PolarstemError
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.microscope.drawn_conditions import Drawn
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.multislice.scene_scan import scan_scene
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.potential.frozen_phonons import thermal_configurations
from polarstem.simulate.potential.projection import projected_potential, projected_slices
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.structures.amorphous import CARBON_DENSITY
from polarstem.structures.crystals import load_material
from polarstem.structures.scenes.build import build_scene
from polarstem.structures.scenes.recipe import SceneRecipe, make_scene
from polarstem.structures.scenes.scan_frame import ScanFrame
from polarstem.structures.scenes.truth import scene_truth

CAMERA = Camera(26, 3.0)
STILL = Drawn(Optics(24.0), CAMERA, None)
SIMULATE = Simulate.model_validate(
    {"pixels_per_cell": 20, "accuracy": 0.03, "detector": {"pixels": 26, "mrad_per_pixel": 3.0}}
)
LAYERS = {"amorphous_nm": [1.0, 0.6]}


def scene(kind: str = "single_domain", nm: float = 1.6, **options: Any) -> SceneRecipe:
    """All A sites alike: scenes of other sizes have the same atoms."""
    material = load_material("KNN").model_dump(mode="json", exclude_unset=True)
    settings = {"kind": kind, "name": kind, "cells": [2, 2], "seed": 5, "thickness_nm": nm}
    return make_scene(settings | {"material": material | _POTASSIUM} | options)


_KNN = load_material("KNN")
_POTASSIUM: dict[str, Any] = {
    "a_site": {"K": 1.0},
    "born_charges": {k: v for k, v in _KNN.born_charges.items() if k != "Na"},
    "debye_waller_rms_angstrom": {
        k: v for k, v in _KNN.debye_waller_rms_angstrom.items() if k != "Na"
    },
}


def scanned(recipe: SceneRecipe, frame: ScanFrame, drawn: Drawn = STILL) -> np.ndarray:
    return scan_scene(Crystal.of(build_scene(recipe)), frame, SIMULATE, drawn, 1)


def distance(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    return np.abs(ours - theirs).sum((-1, -2)) / theirs.sum((-1, -2))


def test_disorder_is_the_same_in_every_thermal_configuration_and_layers_rest():
    crystal, ideal = (
        Crystal.of(build_scene(scene(disorder=d, **LAYERS))).atoms.positions for d in (1.0, 0.0)
    )
    whole = Crystal.of(build_scene(scene(disorder=1.0, **LAYERS)))
    count = 60
    moving = Phonons(configurations=count)
    found = np.stack([a.positions for a in thermal_configurations(whole, moving, seed=7)])
    assert found.shape[1] == len(crystal), "the layers are not among what moves"
    niobium = np.array(whole.atoms.get_chemical_symbols()) == "Nb"
    static, mean = (crystal - ideal)[niobium, :2], (found.mean(axis=0) - ideal)[niobium, :2]
    thermal = 0.075
    assert static.std() == pytest.approx(0.07, rel=0.1)
    assert (mean - static).std() == pytest.approx(thermal / np.sqrt(count), rel=0.1)
    about = (found - crystal)[:, niobium, :2]
    assert about.std() == pytest.approx(thermal, rel=0.02)
    # what two configurations have in common is the static part
    first, second = (found[:2] - ideal)[:, niobium, :2]
    assert (first * second).mean() == pytest.approx(0.07**2, rel=0.25)


@pytest.mark.parametrize("layers", [{}, LAYERS], ids=["bare", "layers"])
def test_a_wedge_shows_the_patterns_of_uniform_scenes_of_the_local_thickness(layers):
    recipe = scene(nm=2.4, wedge=0.4, wedge_deg=40.0, cells=[3, 2], **layers)
    frame = ScanFrame.over(recipe, 3)
    found = scanned(recipe, frame)
    thickness = scene_truth(recipe, frame)["thickness"].values
    levels = np.unique(thickness)
    assert len(levels) >= 4
    sides = {window_cells(SIMULATE, recipe.cell, nm) for nm in levels.tolist()}
    assert len(sides) == 1
    for nm in levels.tolist():
        here = thickness == nm
        uniform = scanned(scene(nm=nm, cells=[3, 2], **layers), frame)
        assert distance(found[here], uniform[here]).max() < 1e-5
        assert distance(found[~here], uniform[~here]).min() > 0.01


def test_in_a_drifting_scan_patterns_are_those_of_the_places_where_probes_are():
    recipe = scene("four_domains")
    a = recipe.cell
    plain = ScanFrame((4.4 * a, 6.2 * a), (5, 4), a / 3, turn_deg=10.0)
    frame = plain.distorted((0.15, -0.1), 0.3, 2)
    found = scanned(recipe, frame)
    assert distance(found, scanned(recipe, plain)).max() > 0.1
    for row, column in ((0, 0), (2, 1), (4, 3)):
        x, y = frame.positions()[row, column].tolist()
        alone = scanned(recipe, ScanFrame((x, y), (1, 1), a))
        assert distance(found[row, column], alone[0, 0]).max() < 1e-5


def test_a_source_joins_samples_around_the_places_where_probes_are():
    recipe = scene()
    crystal, a = Crystal.of(build_scene(recipe)), recipe.cell
    optics = Optics(24.0, {"C10": 40.0}, source_fwhm=0.9)
    plain = ScanFrame((4.3 * a, 5.8 * a), (4, 4), a / 4)
    frame = plain.distorted((0.15, 0.2), 0.4, 3)
    found = scanned(recipe, frame, Drawn(optics, CAMERA, None))
    side = window_cells(SIMULATE, a, 1.6)
    matrix = compute_scattering_matrix(crystal, [1.6], SIMULATE, cells=(side, side))
    eye = VirtualMicroscope(matrix, SIMULATE.detector)
    expected = eye.measure(frame.positions().reshape(-1, 2), [1.6], optics).numpy()
    assert distance(found, expected.reshape(found.shape)).max() < 0.01
    wanted = eye.measure(plain.positions().reshape(-1, 2), [1.6], optics).numpy()
    assert distance(found, wanted.reshape(found.shape)).mean() > 0.05


def test_moving_atoms_and_a_source_serve_a_drifting_scan_of_a_wedge():
    recipe = scene(
        "four_domains", nm=1.2, wedge=0.35, disorder=1.0, octahedral_tilt_deg=4, **LAYERS
    )
    frame = ScanFrame.over(recipe, 3).distorted((0.04, 0.0), 0.25, 2)
    simulate = SIMULATE.model_copy(update={"phonons": Phonons(configurations=3)})
    drawn = Drawn(Optics(24.0, source_fwhm=0.9), CAMERA, None)
    images = scan_scene(Crystal.of(build_scene(recipe)), frame, simulate, drawn, 1)
    light = images.sum((2, 3))
    assert light.max() < 1 + 1e-3
    assert light.min() > 0.9


def test_layers_stand_before_and_behind_the_slices_of_the_crystal():
    bare, layered = (Crystal.of(build_scene(scene(**o))) for o in ({}, LAYERS))
    alone = projected_potential(bare, bare.atoms, SIMULATE, [4])
    whole = projected_potential(layered, layered.atoms, SIMULATE, [4])
    # 1.0 nm in five slices, 0.6 nm in three
    assert whole.array.shape[0] == 5 + alone.array.shape[0] + 3
    assert np.sum(whole.slice_thickness) == pytest.approx(np.sum(alone.slice_thickness) + 16.0)
    assert np.sum(whole.slice_thickness[:5]) == pytest.approx(10.0)
    crystal = whole.array[5:-3]
    assert np.abs(crystal - alone.array).max() < 1e-4 * alone.array.max()
    # V Å per volume: 0.9 of the crystal's, but for what atoms of a slice happen to be
    entrance, exit_ = whole.array[:5].mean() / 2.0, whole.array[-3:].mean() / 2.0
    mean = alone.array.mean() / (bare.cell[2] / 2)
    assert entrance / mean == pytest.approx(0.9, rel=0.03)
    assert exit_ / mean == pytest.approx(0.9, rel=0.03)
    with pytest.raises(PolarstemError, match="has one thickness, not 2"):
        projected_potential(layered, layered.atoms, SIMULATE, [2, 4])


def plane_wave(**imperfections: Any) -> tuple[np.ndarray, np.ndarray]:
    """Intensities of a plane wave behind 8 x 8 cells of cubic crystal, and frequencies [1/Å]."""
    crystal = Crystal.of(build_scene(scene(amplitude=0.0, margin_cells=3, **imperfections)))
    slab = projected_slices(crystal, crystal.atoms, SIMULATE, [crystal.repeats[2]])
    wave = abtem.PlaneWave(energy=200e3).multislice(slab, lazy=False)
    wave = np.fft.fft2(wave.array.reshape(slab.gpts))
    intensity = np.abs(wave) ** 2 / wave.size**2
    k = np.fft.fftfreq(slab.gpts[0], slab.sampling[0])
    return intensity, np.hypot(*np.meshgrid(k, k, indexing="ij"))


def diffuse(intensity: np.ndarray) -> float:
    """Fraction of the beam that is not in the beams of a cubic crystal."""
    return float(intensity.sum() - intensity[::8, ::8].sum())


def test_layers_scatter_electrons_out_of_the_beams_and_lose_none():
    ideal, _ = plane_wave(nm=0.4)
    assert diffuse(ideal) < 1e-6
    assert ideal.sum() == pytest.approx(1.0, abs=2e-3)
    per_nm = []
    for layers in ([0.5, 0.5], [1.5, 1.5], [3.0, 3.0]):
        found, _ = plane_wave(nm=0.4, amorphous_nm=layers)
        assert found.sum() <= 1 + 1e-4
        # what is scattered beyond the grid's band is lost
        assert found.sum() > 0.98
        # as much more as there is more of it
        per_nm.append(diffuse(found) / sum(layers))
    assert per_nm == pytest.approx([np.mean(per_nm)] * 3, rel=0.25)
    assert per_nm[-1] > 0.01
    # both sides count
    for layers in ([3.0, 0.0], [0.0, 3.0]):
        found, _ = plane_wave(nm=0.4, amorphous_nm=layers)
        assert diffuse(found) / 3.0 == pytest.approx(per_nm[-1], rel=0.25)


def test_carbon_scatters_as_much_as_its_cross_section_says():
    """Atoms that scatter each by itself, once: n t times the integral of |f|^2.

    Small angles are left out, at which their distances count, and large ones beyond the band.
    """
    nm, energy = 3.0, 200.0
    found, k = plane_wave(nm=0.4, amorphous_nm=[nm, 0.0], amorphous_of="carbon")
    counted = (k > 0.8) & (k < 1.6)
    counted[::8, ::8] = False
    f = abtem.parametrizations.LobatoParametrization().scattering_factor("C")(k**2)
    gamma = 1 + energy / 510.99895
    # solid angle of a pixel: wavelength^2 over the area of the field
    pixel = wavelength(energy) ** 2 * k[0, 1] ** 2
    expected = 10 * nm * CARBON_DENSITY * ((gamma * f) ** 2 * pixel)[counted].sum()
    assert found[counted].sum() == pytest.approx(expected, rel=0.15)


def test_tilts_double_the_projected_cell():
    """Beams of half orders, whose amplitude grows with the tilt."""
    beams = {t: plane_wave(nm=1.6, octahedral_tilt_deg=t)[0] for t in (0.0, 1.0, 2.0)}
    half = {t: float(found[4::8, 4::8].sum()) for t, found in beams.items()}
    assert half[0.0] < 1e-9
    assert half[2.0] > 1e-4
    assert half[2.0] / half[1.0] == pytest.approx(4.0, rel=0.05)
    # nothing at half orders along one axis alone: the projected cell is centred
    assert float(beams[2.0][4::8, ::8].sum()) < 1e-3 * half[2.0]
