# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual experiments: scenes scanned, counted and written as a detector would."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from polarstem.checked_netcdf import save_netcdf
from polarstem.config.physics import Simulate
from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError
from polarstem.files import atomic_path
from polarstem.provenance import provenance
from polarstem.scans.files.writers import as_stored, write_hspy, write_raw
from polarstem.seeds import derive_seed
from polarstem.simulate.microscope.drawn_conditions import drawn_for
from polarstem.simulate.multislice.running_sums import RunningSums
from polarstem.simulate.multislice.scene_scan import scan_scene
from polarstem.simulate.potential.crystal import Crystal
from polarstem.structures.build import read_specimen
from polarstem.structures.scenes.recipe import make_scene
from polarstem.structures.scenes.scan_frame import ScanFrame
from polarstem.structures.scenes.truth import scene_truth

logger = logging.getLogger("polarstem")

_MOST = np.iinfo(np.uint16).max


def write_scene(
    structure: Path | str,
    output: Path | str,
    truth: Path | str,
    settings: Mapping[str, Any],
) -> None:
    """Scan a scene and write what a detector would, and the truth apart.

    What is done is kept beside the output after each thermal configuration, and a job that was
    stopped goes on there.

    Parameters
    ----------
    structure : path
        Extended XYZ of a scene.
    output : path
        Scan to write: .hspy, or .mib for raw frames. Its sheet is written beside it, with the
        suffix .yaml, and holds what an experimenter would know.
    truth : path
        netCDF file to write, see `scene_truth`.
    settings : mapping
        ``simulate`` and ``conditions`` (sections of the config), ``positions_per_cell``,
        ``detector_rotation_deg``, ``stored`` (keys of the sheet that say how the file is
        transposed and flipped) and ``seed``.

    Raises
    ------
    PolarstemError
        If the structure is no scene, the output has another suffix, no dose is given, the
        source is too narrow or too wide, or the detector is wider than the simulated angles.
    """
    output, seed = Path(output), settings["seed"]
    atoms = read_specimen(structure)
    if "scene" not in atoms.info:
        raise PolarstemError(f"The structure {structure} is no scene; build one by `build_scene`.")
    if output.suffix not in (".hspy", ".mib"):
        raise PolarstemError(f"A scene is written as .hspy or .mib, not {output.name}; rename it.")
    recipe = make_scene(atoms.info["scene"])
    simulate = Simulate.model_validate(settings["simulate"])
    drawn = drawn_for(settings["conditions"], simulate, seed)
    if drawn.dose is None:
        raise PolarstemError("A detector counts electrons; set dose_electrons in the conditions.")
    turned = drawn.camera.rotation_deg + settings["detector_rotation_deg"]
    camera = replace(drawn.camera, rotation_deg=turned + recipe.crystal_rotation_deg)
    drawn = replace(drawn, camera=camera)
    logger.info("%s (%s): %s", recipe.name, recipe.kind, drawn.described())

    offset = np.random.default_rng(derive_seed(seed, "scan offset")).random(2)
    wanted = ScanFrame.over(recipe, settings["positions_per_cell"], offset.tolist())
    frame = drawn.over(wanted, seed)
    tilts = np.tile(np.array(drawn.optics.tilt_mrad), (frame.shape[1], 1))
    if recipe.kind == "tilt_ramp":
        tilts[:, 0] = np.linspace(-recipe.tilt_mrad, recipe.tilt_mrad, len(tilts))
        tilts[:, 1] = 0
    start = time.perf_counter()
    ramp = tilts if recipe.kind == "tilt_ramp" else None
    sums = RunningSums.beside(output, atoms, settings)
    images = scan_scene(Crystal.of(atoms), frame, simulate, drawn, seed, ramp, sums=sums)
    logger.info("%d positions in %.0f s", len(images[0]) * len(images), time.perf_counter() - start)
    noise = derive_seed(seed, "noise")
    counts = camera.expose(torch.from_numpy(images), drawn.dose, noise).numpy()
    patterns = _whole(counts.clip(0, _MOST, out=counts), derive_seed(seed, "rounding"))

    found = scene_truth(recipe, frame)
    for axis, values in zip("xy", tilts.T, strict=True):
        text = f"tilt of the beam along the crystal's {axis} axis"
        attributes = {"units": "mrad", "long_name": text}
        found[f"tilt_{axis}"] = (("y", "x"), np.tile(values, (len(images), 1)), attributes)
    found.attrs |= provenance(settings, seed=seed) | {"conditions": json.dumps(drawn.described())}
    save_netcdf(found, truth)

    told = {
        "zone_axis": list(recipe.zone_axis),
        "detector_rotation_deg": settings["detector_rotation_deg"],
        **settings["stored"],
    }
    known: dict[str, Any] = {
        "step_nm": (frame.step / 10, frame.step / 10),
        "mrad_per_pixel": simulate.detector.mrad_per_pixel,
        "energy_kv": simulate.energy_kv,
        "semiangle_mrad": simulate.semiangle_mrad,
    }
    if output.suffix == ".mib":
        write_raw(output, patterns, **known, sheet=told)
    else:
        stored = np.ascontiguousarray(as_stored(patterns, Sheet.model_validate(told)))
        write_hspy(output, stored, **known, title=recipe.name, compression="gzip")
        with atomic_path(output.with_suffix(".yaml")) as temporary:
            temporary.write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")
    sums.forget()


def _whole(counts: NDArray[np.float32], seed: int) -> NDArray[np.uint16]:
    """Round counts times gain, row by row, up or down at random so that every mean stays.

    To the nearest number would take the gain away where counts are few.
    """
    random = np.random.default_rng(seed)
    whole = np.empty(counts.shape, np.uint16)
    for kept, row in zip(whole, counts, strict=True):
        below = np.floor(row)
        kept[:] = below + (random.random(row.shape, np.float32) < row - below)
    return whole
