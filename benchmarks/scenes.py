# SPDX-License-Identifier: GPL-3.0-or-later
"""Scanning a scene: a window for each probe against abTEM's PRISM over the whole field.

Both scan what one thermal configuration of a scene has to give. PRISM interpolates so that its
probes are as wide as a window: its plane waves are as many whatever the field, each goes through
all of it, and both costs grow with its area.
"""

from __future__ import annotations

from typing import Any

import abtem
import numpy as np

from benchmarks.common import alternate, knn, main, say
from benchmarks.rows import Options, Row, compare
from polarstem.config.physics import Simulate
from polarstem.config.scene_limits import SAMPLES_PER_CELL, window_cells
from polarstem.simulate.abtem_settings import abtem_settings
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.multislice.probes import Sampling, on_camera, probe_of
from polarstem.simulate.multislice.windows import Field, windows
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.potential.frozen_phonons import thermal_configurations
from polarstem.simulate.potential.projection import projected_slices
from polarstem.structures.scenes.build import build_scene
from polarstem.structures.scenes.recipe import make_scene
from polarstem.structures.scenes.scan_frame import ScanFrame

CONFIGURATIONS = 8
SIDE, MRAD = 44, 3.0  # of the detector that both are compared on


def rows(options: Options) -> list[Row]:
    """Measure both on a field of two windows' width, scanned in the middle."""
    say("scenes: windows against PRISM")
    settings = Simulate.model_validate({"phonons": {"configurations": 1}})
    nm = 1.6 if options.reduced else 6.0
    side = window_cells(settings, knn(1, nm).cell[0], nm)
    margin = side // 2
    cells = 2 * side - 2 * margin
    recipe = make_scene(
        {
            **{"kind": "four_domains", "name": "benchmark", "material": "KNN"},
            **{"cells": [cells, cells], "margin_cells": margin},
            "thickness_nm": nm,
        }
    )
    crystal = Crystal.of(build_scene(recipe))
    pixels, cell = settings.pixels_per_cell, crystal.cell[0]
    frame = ScanFrame.over(recipe, SAMPLES_PER_CELL)
    places = frame.places(*frame.along()).reshape(-1, 2)[::CONFIGURATIONS]
    optics, camera = Optics(settings.semiangle_mrad), Camera(SIDE, MRAD)
    with abtem_settings("cpu", 1):
        (atoms,) = thermal_configurations(crystal, settings.phonons, 1)
        slices = projected_slices(crystal, atoms, settings, [crystal.repeats[2]])
        slab: Any = slices.build(lazy=False)

        def by_windows() -> np.ndarray:
            field = Field(slab, settings.energy_kv, side * pixels)
            light = field.illuminate(probe_of(settings.energy_kv, optics))
            sampling = Sampling.of(field.lengths, settings.energy_kv)
            found = np.zeros((len(places), SIDE, SIDE), np.float32)
            for window in windows(places, np.arange(len(places)), cell, pixels, side):
                patterns = field.scan(window, light)
                found[window.members] = on_camera(patterns, sampling, camera)
            return found

        def by_prism() -> np.ndarray:
            matrix = abtem.SMatrix(
                potential=slab,
                energy=settings.energy_kv * 1e3,
                semiangle_cutoff=optics.semiangle_mrad,
                interpolation=2,
                downsample=False,
            )
            found: Any = matrix.scan(
                scan=abtem.CustomScan(places),
                detectors=abtem.PixelatedDetector(max_angle="cutoff"),
                lazy=False,
            )
            x, y = found.angular_sampling
            return on_camera(np.asarray(found.array), Sampling((x, y)), camera)

        alone = Options(options.reduced, threads=1, runs=1 if options.reduced else options.runs)
        (ours, theirs), (a, b) = alternate({"windows": by_windows, "PRISM": by_prism}, alone.runs)
    distance = float((np.abs(a - b).sum((1, 2)) / b.sum((1, 2))).max())
    return [
        compare(
            f"{len(places)} probes, one of {CONFIGURATIONS} configurations of {cells} x {cells} "
            f"cells of {recipe.thickness_nm:g} nm: windows of {side} cells; PRISM",
            ours,
            theirs,
            alone,
            target=">= 1",
            disagreement=distance,
            note=f"field of {crystal.repeats[0]} x {crystal.repeats[1]} cells",
        )
    ]


if __name__ == "__main__":
    main(rows, __doc__)
