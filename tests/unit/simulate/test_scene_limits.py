# SPDX-License-Identifier: GPL-3.0-or-later
"""What the config says that a scan of a scene can hold, against the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from polarstem.config.experiment_conditions import ExperimentConditions
from polarstem.config.physics import Simulate
from polarstem.config.scene_limits import (
    band_problem,
    margin_problem,
    source_problem,
    window_cells,
)
from polarstem.errors import PolarstemError
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.microscope.drawn_conditions import Drawn
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.multislice.scene_scan import _axes, _Axis, scan_scene
from polarstem.simulate.multislice.windows import windows
from polarstem.simulate.potential.crystal import Crystal
from polarstem.structures.scenes.build import build_scene
from polarstem.structures.scenes.recipe import SceneRecipe, make_scene
from polarstem.structures.scenes.scan_frame import ScanFrame

# windows of five cells
WINDOWED = Simulate.model_validate({"accuracy": 0.02})


def scene(**settings: Any) -> SceneRecipe:
    usual = {"kind": "single_domain", "name": "s", "material": "KNN", "thickness_nm": 0.4}
    return make_scene(usual | {"cells": [3, 3], "seed": 5} | settings)


def microscope(
    pixels_per_cell: int, detector: tuple[int, float] = (20, 2.0), **settings: Any
) -> Simulate:
    size = dict(zip(("pixels", "mrad_per_pixel"), detector, strict=True))
    return Simulate.model_validate(
        {"pixels_per_cell": pixels_per_cell, "detector": size, "accuracy": 0.1} | settings
    )


def within(recipe: SceneRecipe, fwhm: float) -> bool:
    """Whether all windows of a scan lie within the crystal, wherever it starts."""
    for offset in ((0.0, 0.0), (0.999, 0.999)):
        frame = ScanFrame.over(recipe, 6, offset)
        down, right = _axes(frame, fwhm, recipe.cell)
        places = frame.places(down.samples, right.samples).reshape(-1, 2)
        side = window_cells(WINDOWED, recipe.cell, recipe.field[2] * recipe.cell / 10)
        for window in windows(places, np.arange(len(places)), recipe.cell, 1, side):
            first = np.array(window.first)
            if (first < 0).any() or (first + side > recipe.field[:2]).any():
                return False
    return True


@pytest.mark.parametrize("turn", [0.0, 17.0])
@pytest.mark.parametrize("cells", [(3, 4), (6, 6)])
def test_a_margin_that_is_asked_for_holds_the_windows(cells, turn):
    for fwhm in np.arange(0.8, 8, 0.4):
        conditions = ExperimentConditions(source_fwhm_angstrom=(fwhm, fwhm))
        recipe = scene(cells=list(cells), margin_cells=3, crystal_rotation_deg=turn)
        problem = margin_problem(recipe, WINDOWED, conditions)
        if problem is None:
            assert within(recipe, fwhm)
            continue
        needed = int(problem.rsplit(" ", 1)[1])
        enough = scene(cells=list(cells), margin_cells=needed, crystal_rotation_deg=turn)
        assert within(enough, fwhm)
        assert margin_problem(enough, WINDOWED, conditions) is None
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
        conditions = ExperimentConditions(source_fwhm_angstrom=(fwhm, fwhm))
        assert (source_problem(moving, conditions, recipe.cell) is None) == fits
        if fits:
            _Axis.of(frame.along()[1][None, :3], fwhm, recipe.cell)
        else:
            with pytest.raises(PolarstemError, match="cannot join samples"):
                _Axis.of(frame.along()[1][None, :3], fwhm, recipe.cell)


def test_a_scene_has_nothing_beyond_the_angles_that_the_config_says():
    crystal = Crystal.of(build_scene(scene(margin_cells=3)))
    a, optics = crystal.cell[0], Optics(24.0)
    frame = ScanFrame((4.2 * a, 4.7 * a), (1, 2), a / 3)
    band = 41.97  # mrad that 20 pixels of a cell of 3.983 Å hold
    fits, wide = microscope(20, detector=(40, 2.09)), microscope(20, detector=(40, 2.11))
    assert band_problem(fits, ExperimentConditions(), a, 20) is None
    images = scan_scene(crystal, frame, fits, Drawn(optics, Camera(40, 2.09), None), 1)
    along = 2.09 * (np.arange(40) - 19.5)
    radius = np.hypot(*np.meshgrid(along, along))
    light = images.sum((0, 1))
    assert (light[radius < band - 2.09] > 0).all()
    assert light[radius > band + 2 * 2.09].max() < 1e-9 * light.max()
    # the engine refuses what the config does
    said = band_problem(wide, ExperimentConditions(), a, 20)
    assert said is not None
    assert "42.2 mrad, but 20 pixels per cell hold angles up to 42.0 mrad" in said
    with pytest.raises(PolarstemError, match=r"simulate angles up to 42\.0 mrad only"):
        scan_scene(crystal, frame, wide, Drawn(optics, Camera(40, 2.11), None), 1)
    assert "pixels_per_cell to 22 or more" in said
    assert band_problem(wide, ExperimentConditions(), a, 22) is None
    # what stretches and shifts the pattern counts, too
    for more in ({"camera_length_error": 0.01}, {"shift_pixels": 0.5}, {"ellipticity": 0.02}):
        assert band_problem(fits, ExperimentConditions.model_validate(more), a, 20) is not None
