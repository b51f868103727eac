# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory asked for: what is counted from settings is what the arrays take."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polarstem.config.needs import LIBRARIES_MB, batch_size, multislice_mb, scene_mb, scene_shape
from polarstem.config.physics import Simulate
from polarstem.config.scene_limits import window_shape
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.potential.slices import Slices
from polarstem.structures.scenes.build import build_scene
from polarstem.structures.scenes.recipe import make_scene
from polarstem.structures.variants import classes

ROOT = Path(__file__).resolve().parents[3]


def settings(
    cells: tuple[int, int] = (6, 6),
    nm: tuple[float, ...] = (20.0,),
    zone: tuple[int, int, int] = (0, 0, 1),
    **simulate: Any,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Structure and simulation of a specimen, as the jobs get them."""
    polar = classes("O", zone)[0]
    structure = {
        "name": "t",
        "specimen_set": "t",
        "split": "train",
        "class_index": polar.index,
        "class_name": polar.name,
        "direction_deg": polar.direction_deg,
        "variant": list(polar.variants[0]),
        "material": "KNN",
        "phase": "O",
        "zone_axis": list(zone),
        "metric": "cubic",
        "a_site": "random",
        "cells": list(cells),
        "thickness_nm": max(nm),
        "seed": 1,
    }
    whole = Simulate.model_validate({"pixels_per_cell": 32, **simulate}).model_dump(mode="json")
    return structure, {"simulate": whole, "thicknesses_nm": list(nm), "seed": 1}


@pytest.mark.parametrize("zone", [(0, 0, 1), (1, 1, 0)])
@pytest.mark.parametrize("kind", ["planes", "atoms"])
def test_a_potential_counts_where_batches_share_it(zone, kind):
    thicknesses, crystals = (8.0, 16.0), []
    for nm in thicknesses:
        structure, _ = settings((10, 8), (nm,), zone)
        crystals.append(Crystal.build(structure))
    thin, thick = crystals
    gpts = thick.grid_points(32)
    slices = len(Slices.of(thick, kind).thickness) - len(Slices.of(thin, kind).thickness)
    atoms = 320e-6 * (len(thick.atoms) - len(thin.atoms))
    for positions, memory_mb, kept in (((40, 40), 1000, True), ((8, 8), 1000, False)):
        several = batch_size(gpts, 1, memory_mb) < positions[0] * positions[1]
        assert several == kept
        options = {"scan": {"positions": positions}, "memory_mb": memory_mb, "slices": kind}
        less, more = (
            multislice_mb(*settings((10, 8), (nm,), zone, **options)) for nm in thicknesses
        )
        potential = 4e-6 * slices * gpts[0] * gpts[1] if kept else 0.0
        found = more - less - atoms
        if kind == "planes":
            assert found == pytest.approx(potential, abs=1e-6)
        else:  # atoms may share a height
            assert potential <= found + 1e-6 <= 2 * potential + 2e-6


def test_what_is_asked_for_follows_grid_planes_positions_and_thickness():
    few = multislice_mb(*settings())
    assert multislice_mb(*settings((24, 24))) > few + 500, "waves of 768 x 768"
    assert multislice_mb(*settings(nm=tuple(range(2, 22, 2)))) > few + 50, "exit planes"
    wide = {"pixels": 256, "mrad_per_pixel": 0.3}
    assert multislice_mb(*settings(detector=wide)) > few + 20, "images"
    more = settings(scan={"positions": [64, 64]}, detector=wide)
    assert multislice_mb(*more) > few + 4e-6 * 4096 * 256**2, "images of every position"
    # 1600 x 1600 points and 50 nm: waves as asked for, without the 2.6 GB of the whole potential
    large = settings((50, 50), (50.0,), scan={"positions": [16, 16]}, memory_mb=1000)
    waves = batch_size((1600, 1600), 1, 1000) * 52e-6 * 1600**2
    assert LIBRARIES_MB + waves + 500 < multislice_mb(*large) < LIBRARIES_MB + waves + 1200


@pytest.mark.parametrize("zone_axis", [[0, 0, 1], [1, 1, 0]])
def test_a_scene_counts_slices_and_points_as_its_scan_has_them(zone_axis):
    recipe = make_scene(
        {"kind": "single_domain", "name": "s", "material": "KNbO3", "phase": "O", "seed": 1}
        | {"zone_axis": zone_axis, "cells": [2, 3], "margin_cells": 3, "thickness_nm": 2.0}
    )
    simulate = Simulate.model_validate({"pixels_per_cell": 18})
    crystal = Crystal.of(build_scene(recipe))
    sides = window_shape(simulate, crystal.cell, crystal.cell[2] * crystal.repeats[2] / 10)
    pixels = np.array(crystal.grid_points(18)) // crystal.repeats[:2]
    slices = Slices.of(crystal, "planes").per_period * crystal.repeats[2]
    assert recipe.grid(18) == tuple(pixels)
    assert scene_shape(recipe, simulate.model_dump()) == (slices, np.prod(sides * pixels))


def test_a_scene_counts_its_transmission_functions():
    scene = {"kind": "single_domain", "name": "s", "material": "KNN", "phase": "O", "seed": 1}
    simulate = Simulate(pixels_per_cell=32).model_dump(mode="json")
    scan = {"simulate": simulate, "positions_per_cell": 4}
    found = {}
    for cells, nm in ((6, 20.0), (12, 20.0), (12, 40.0)):
        whole = scene | {"cells": [cells, cells], "margin_cells": 4, "thickness_nm": nm}
        nx, ny, periods = make_scene(whole).field
        found[cells, nm] = scene_mb(whole, scan) - 8e-6 * 2 * periods * nx * ny * 32**2
    rest = np.array(list(found.values()))
    assert (rest > LIBRARIES_MB).all()
    assert rest.max() < 1500


@pytest.mark.parametrize("zone_axis", [[0, 0, 1], [1, 1, 0]])
def test_a_thicker_scene_needs_its_slices_and_atoms_more(zone_axis):
    scene = {"kind": "single_domain", "name": "s", "material": "KNbO3", "zone_axis": zone_axis}
    scan = {"simulate": Simulate(pixels_per_cell=32).model_dump(mode="json")}
    made = [scene | {"cells": [6, 6], "thickness_nm": nm} for nm in (3.6, 4.5)]
    thin, thick = (build_scene(make_scene(s)) for s in made)
    slices, points = zip(*(scene_shape(make_scene(s), scan["simulate"]) for s in made), strict=True)
    assert points[0] == points[1], "the windows alike"
    field = np.prod(Crystal.of(thin).grid_points(32)) + points[0]
    found = [scene_mb(s, scan | {"positions_per_cell": 4}) for s in made]
    more = 8e-6 * (slices[1] - slices[0]) * field + 320e-6 * (len(thick) - len(thin))
    assert found[1] - found[0] == pytest.approx(more)


JOB = """
import json, sys
from pathlib import Path
from polarstem.simulate.jobs.simulate_patterns import simulate_specimen
from polarstem.structures.build import build_specimen, write_specimen
from polarstem.structures.recipes import make_recipe
folder, structure, simulation = Path(sys.argv[1]), *map(json.loads, sys.argv[2:])
write_specimen(build_specimen(make_recipe(**structure)), folder / "x.xyz")
simulate_specimen(folder / "x.xyz", folder / "x.nc", simulation)
# ru_maxrss would count what the parent had in memory when it started the process
lines = open("/proc/self/status").read().splitlines()
print(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6)
"""


def peak_mb(folder: Path, structure: dict[str, Any], simulation: dict[str, Any]) -> float:
    """Largest resident memory of a job in a process of its own."""
    command = [
        sys.executable,
        "-c",
        JOB,
        str(folder),
        json.dumps(structure),
        json.dumps(simulation),
    ]
    done = subprocess.run(command, capture_output=True, check=True, cwd=ROOT, text=True)
    return float(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells the peak of a process")
def test_a_job_stays_within_what_is_asked_for(tmp_path):
    wanted = settings((12, 12), (1.6, 2.4), scan={"positions": [8, 8]}, pixels_per_cell=32)
    predicted, peak = multislice_mb(*wanted), peak_mb(tmp_path, *wanted)
    # arrays are most of it, and the request adds a quarter
    assert predicted - LIBRARIES_MB > 500
    assert 0.75 * predicted < peak < 1.15 * predicted
