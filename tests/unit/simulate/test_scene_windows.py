# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows that reach beyond a scene are refused in one sentence."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.config.experiment_conditions import ExperimentConditions
from polarstem.config.physics import Simulate
from polarstem.config.scene_limits import margin_problem, window_cells
from polarstem.errors import PolarstemError
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.microscope.drawn_conditions import Drawn
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.multislice.scene_scan import scan_scene
from polarstem.simulate.potential.crystal import Crystal
from polarstem.structures.scenes.build import build_scene
from polarstem.structures.scenes.recipe import SceneRecipe, make_scene
from polarstem.structures.scenes.scan_frame import ScanFrame

SETTINGS = Simulate.model_validate(
    {"pixels_per_cell": 16, "detector": {"pixels": 10, "mrad_per_pixel": 5.0}}
)


def scan(recipe: SceneRecipe, fwhm: float) -> np.ndarray:
    crystal = Crystal.of(build_scene(recipe))
    drawn = Drawn(Optics(24.0, source_fwhm=fwhm), Camera(10, 5.0), None)
    return scan_scene(crystal, ScanFrame.over(recipe, 2), SETTINGS, drawn, 1)


@pytest.mark.parametrize("cells", [[2, 3], [3, 2]])
def test_a_source_too_wide_for_its_windows(cells):
    wanted = {"kind": "single_domain", "name": "s", "material": "KNN", "thickness_nm": 0.4}
    recipe = make_scene(wanted | {"cells": cells})
    margin = window_cells(SETTINGS, recipe.cell, 0.4) // 2 + 1
    recipe = make_scene(wanted | {"cells": cells, "margin_cells": margin})
    narrow, wide = 1.4, 5.0
    conditions = [
        ExperimentConditions(source_fwhm_angstrom=(fwhm, fwhm)) for fwhm in (narrow, wide)
    ]
    # the config's check says the same
    assert [bool(margin_problem(recipe, SETTINGS, c)) for c in conditions] == [False, True]
    assert np.isfinite(scan(recipe, narrow)).all()
    with pytest.raises(PolarstemError, match=r"reach [12] cells beyond this crystal of \d+ x \d+"):
        scan(recipe, wide)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("side", ["near", "far"])
def test_every_side_counts(axis, side):
    wanted = {"kind": "single_domain", "name": "s", "material": "KNN", "thickness_nm": 0.4}
    crystal = Crystal.of(build_scene(make_scene(wanted | {"cells": [2, 2], "margin_cells": 5})))
    window, repeats = window_cells(SETTINGS, crystal.cell[0], 0.4), crystal.repeats[0]
    assert window % 2 == 1, "centred on the cell of its probes"
    # the outermost cells whose windows the crystal holds
    cell = window // 2 if side == "near" else repeats - 1 - window // 2
    outwards = -1 if side == "near" else 1
    drawn = Drawn(Optics(24.0), Camera(10, 5.0), None)
    for shift in (0, outwards):
        place = [repeats / 2 + 0.3] * 2
        place[axis] = cell + shift + 0.5
        first = (place[0] * crystal.cell[0], place[1] * crystal.cell[0])
        frame = ScanFrame(first, (1, 1), 1.0)
        if not shift:
            assert np.isfinite(scan_scene(crystal, frame, SETTINGS, drawn, 1)).all()
            continue
        with pytest.raises(PolarstemError, match=r"reach 1 cells beyond this crystal of 12 x 12"):
            scan_scene(crystal, frame, SETTINGS, drawn, 1)
