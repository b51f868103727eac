# SPDX-License-Identifier: GPL-3.0-or-later
"""What the config says that a scan of a scene can hold, against the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from polarstem.config.conditions import Conditions
from polarstem.config.physics import Simulate
from polarstem.config.scene_limits import (
    WINDOW_CELLS,
    band_problem,
    margin_problem,
    source_problem,
)
from polarstem.errors import PolarstemError
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.microscope.drawn_conditions import Drawn
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.multislice.scene_scan import _Axis, scan_scene
from polarstem.simulate.multislice.windows import windows
from polarstem.simulate.potential.crystal import Crystal
from polarstem.structures.scenes.build import build_scene
from polarstem.structures.scenes.recipe import SceneRecipe, make_scene
from polarstem.structures.scenes.truth import ScanFrame


def scene(**settings: Any) -> SceneRecipe:
    usual = {"kind": "single_domain", "name": "s", "material": "KNN", "thickness_nm": 0.4}
    return make_scene(usual | {"cells": [3, 3], "seed": 5} | settings)


def microscope(pixels: int, **settings: Any) -> Simulate:
    detector = {"pixels": pixels, "mrad_per_pixel": 2.0}
    return Simulate.model_validate({"pixels_per_cell": 20, "detector": detector} | settings)


def within(recipe: SceneRecipe, fwhm: float) -> bool:
    """Whether all windows of a scan lie within the crystal, wherever it starts."""
    for offset in ((0.0, 0.0), (0.999, 0.999)):
        frame = ScanFrame.over(recipe, 6, offset)
        down, right = (_Axis.of(n, frame.step, fwhm, recipe.cell) for n in frame.shape)
        places = frame.places(down.samples, right.samples).reshape(-1, 2)
        for window in windows(places, np.arange(len(places)), recipe.cell, 1, WINDOW_CELLS):
            first = np.array(window.first)
            if (first < 0).any() or (first + WINDOW_CELLS > recipe.field[:2]).any():
                return False
    return True


@pytest.mark.parametrize("turn", [0.0, 17.0])
@pytest.mark.parametrize("cells", [(3, 4), (6, 6)])
def test_a_margin_that_is_asked_for_holds_the_windows(cells, turn):
    for fwhm in np.arange(0.8, 8, 0.4):
        conditions = Conditions(source_fwhm_angstrom=(fwhm, fwhm))
        recipe = scene(cells=list(cells), margin_cells=3, crystal_rotation_deg=turn)
        problem = margin_problem(recipe, conditions)
        if problem is None:
            assert within(recipe, fwhm)
            continue
        needed = int(problem.rsplit(" ", 1)[1])
        enough = scene(cells=list(cells), margin_cells=needed, crystal_rotation_deg=turn)
        assert within(enough, fwhm)
        assert margin_problem(enough, conditions) is None
        if not turn:
            # nor is more asked for than is needed, but for the places of single samples
            less = scene(cells=list(cells), margin_cells=needed - 1)
            assert not within(less, fwhm + 0.4)
    assert problem is not None


def test_a_source_that_is_let_through_joins_the_samples_and_no_narrower_one():
    recipe, moving = scene(), microscope(20, phonons={"configurations": 2})
    frame = ScanFrame.over(recipe, 6)
    least = 2 * recipe.cell / 10
    for fwhm, fits in ((least, True), (0.99 * least, False)):
        conditions = Conditions(source_fwhm_angstrom=(fwhm, fwhm))
        assert (source_problem(moving, conditions, recipe.cell) is None) == fits
        if fits:
            _Axis.of(3, frame.step, fwhm, recipe.cell)
        else:
            with pytest.raises(PolarstemError, match="cannot join samples"):
                _Axis.of(3, frame.step, fwhm, recipe.cell)


def test_a_scene_has_nothing_beyond_the_angles_that_the_config_says():
    crystal = Crystal.of(build_scene(scene(margin_cells=3)))
    a = crystal.cell[0]
    settings = microscope(60)  # +-60 mrad, where 20 pixels per cell hold 42
    frame = ScanFrame((4.2 * a, 4.7 * a), (1, 2), a / 3)
    images = scan_scene(crystal, frame, settings, Drawn(Optics(24.0), Camera(60, 2.0), None), 1)
    along = np.abs(2.0 * (np.arange(60) - 29.5))
    row = images.sum((0, 1)).max(axis=0)
    reach = along[row > 1e-12].max() + 1
    said = band_problem(settings, Conditions(), a, 20)
    assert said is not None
    assert float(said.split("up to ")[1].split()[0]) == pytest.approx(reach, abs=2)
    needed = int(said.split("pixels_per_cell to ")[1].split()[0])
    assert band_problem(settings, Conditions(), a, needed) is None
    assert band_problem(settings, Conditions(), a, needed - 2) is not None
    # what stretches and shifts the pattern counts, too
    for more in ({"camera_length_error": 0.1}, {"shift_pixels": 2.0}, {"ellipticity": 0.2}):
        assert band_problem(settings, Conditions.model_validate(more), a, needed) is not None
