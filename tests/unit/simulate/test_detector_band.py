# SPDX-License-Identifier: GPL-3.0-or-later
"""A detector wider than the simulated angles is refused by whatever engine, before it starts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from polarstem.config.conditions import Conditions
from polarstem.config.physics import Simulate, band_mrad
from polarstem.errors import PolarstemError
from polarstem.simulate.jobs.emulate_specimen import emulate_specimen
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.microscope.drawn_conditions import Drawn
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.multislice.abtem_run import check_band
from polarstem.simulate.multislice.scene_scan import scan_scene
from polarstem.simulate.potential.crystal import Crystal
from polarstem.structures.build import write_specimen
from polarstem.structures.scenes.build import build_scene
from polarstem.structures.scenes.recipe import make_scene
from polarstem.structures.scenes.scan_frame import ScanFrame

PIXELS = 24


def test_edges_are_as_far_from_the_axis_as_they_are():
    assert Camera(20, 2.0, rotation_deg=30.0).edges_mrad == pytest.approx(np.full(4, 20.0))
    shifted = Camera(20, 2.0, shift_pixels=(1.5, 0.0))
    assert sorted(shifted.edges_mrad) == pytest.approx([17, 20, 20, 23])
    stretched = Camera(20, 2.0, ellipticity=0.21)
    # the long axis of a circle's image is along x: its edges meet smaller angles
    assert sorted(stretched.edges_mrad) == pytest.approx([20 / 1.1] * 2 + [20 * 1.1] * 2)


CASES = [
    pytest.param({}, False, id="as wide as the grid"),
    pytest.param({"rotation_deg": 45.0}, False, id="turned: corners lie beyond it anyway"),
    pytest.param({"mrad_per_pixel": 1.005}, True, id="camera length"),
    pytest.param({"shift_pixels": (0.0, 0.3)}, True, id="shift"),
    pytest.param({"ellipticity": 0.02}, True, id="ellipticity"),
]


def camera_of(crystal: Crystal, mrad_per_pixel: float = 1.0, **changes) -> Camera:
    """A detector that reaches to the end of the band, but for its changes."""
    sampling = max(crystal.atoms.cell.lengths()[:2] / crystal.grid_points(PIXELS))
    return Camera(20, mrad_per_pixel * band_mrad(200.0, sampling) / 10, **changes)


@pytest.mark.parametrize(("changes", "refused"), CASES)
def test_all_that_moves_an_edge_counts(crystal, changes, refused):
    specimen = crystal("RU")
    settings = Simulate(pixels_per_cell=PIXELS)
    camera = camera_of(specimen, **changes)
    if not refused:
        check_band(camera, specimen, settings)
        return
    with pytest.raises(PolarstemError, match=r"pixels_per_cell to (26|28)"):
        check_band(camera, specimen, settings)


def test_scenes_refuse_it_and_hold_what_they_accept():
    wanted = {"kind": "single_domain", "name": "s", "material": "KNN", "thickness_nm": 0.8}
    scene = Crystal.of(build_scene(make_scene(wanted | {"cells": [2, 2], "margin_cells": 5})))
    a = scene.cell[0]
    frame = ScanFrame((6.2 * a, 6.4 * a), (1, 1), a)
    settings = Simulate(pixels_per_cell=PIXELS)
    camera = camera_of(scene)
    (image,) = scan_scene(scene, frame, settings, Drawn(Optics(24.0), camera, None), 1)[0]
    # something is scattered to the middle of every edge
    edges = [side[9:11].sum() for side in (image[0], image[-1], image[:, 0], image[:, -1])]
    assert min(edges) > 1e-9
    wide = camera_of(scene, 1.1)
    with pytest.raises(PolarstemError, match="The detector reaches"):
        scan_scene(scene, frame, settings, Drawn(Optics(24.0), wide, None), 1)


def test_an_emulated_experiment_goes_by_the_drawn_camera(crystal, tmp_path):
    specimen = crystal("RU")
    write_specimen(specimen.atoms, tmp_path / "x.xyz")
    camera = camera_of(specimen)
    simulate = Simulate.model_validate(
        {
            "pixels_per_cell": PIXELS,
            "scan": {"positions": [2, 2]},
            "detector": {"pixels": camera.pixels, "mrad_per_pixel": camera.mrad_per_pixel},
        }
    )
    settings = {"simulate": simulate.model_dump(mode="json"), "thicknesses_nm": [4.0], "seed": 1}
    plain = Conditions().model_dump(mode="json")
    emulate_specimen(tmp_path / "x.xyz", tmp_path / "x.nc", settings | {"conditions": plain})
    longer = Conditions.model_validate({"camera_length_error": 0.03}).model_dump(mode="json")
    output = Path(tmp_path) / "out" / "x.nc"
    with pytest.raises(PolarstemError, match="The detector reaches"):
        emulate_specimen(tmp_path / "x.xyz", output, settings | {"conditions": longer})
    assert not output.parent.exists()
