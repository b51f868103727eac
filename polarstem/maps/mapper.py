# SPDX-License-Identifier: GPL-3.0-or-later
"""From a detector file to a map of polarization directions.

A sample of the scan calibrates it, and its mean pattern tells how the crystal lies on the detector.
Then every pattern is read once, resampled into the crystal's frame and predicted. The scan's own
periodicity tells where each unit cell lies, whose answers are pooled, and one rotation turns what
was found in the crystal's frame into the scan's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError
from polarstem.files import atomic_path
from polarstem.logs import progress
from polarstem.maps.compose import (
    aligned,
    anomalies_of,
    handedness_of,
    lattice_of,
    lattice_step,
    map_of,
)
from polarstem.maps.dataset import Classes
from polarstem.maps.diagnostics import diagnostics_of
from polarstem.maps.frames import angle_on_detector, confirmed, settle
from polarstem.maps.outputs import write_maps, write_summary
from polarstem.maps.predict import Answers, Block, Predictor
from polarstem.maps.setup import Setup, set_up
from polarstem.maps.specimen import Specimen
from polarstem.maps.summary import listed, plain, summarise
from polarstem.provenance import provenance
from polarstem.scans.calibration.calibrate import Calibration, calibrate
from polarstem.scans.calibration.steps import Step
from polarstem.scans.sourced import Sourced
from polarstem.simulate.parallel import one_blas_thread

BLOCK_MB = 32
"""Patterns that are read at once [MB]."""


class Stopwatch:
    """Seconds of the stages of a run.

    Attributes
    ----------
    seconds : dict
        By stage.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time a stage."""
        start = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - start


def map_scan(
    scan_path: Path | str,
    model_dir: Path | str,
    out_dir: Path | str,
    sheet: Path | str | Mapping[str, Any] | Sheet | None = None,
    *,
    force: bool = False,
    threads: int = 1,
    finish: Callable[[Path], None] | None = None,
) -> None:
    """Map the polarization directions of a scan.

    Parameters
    ----------
    scan_path : path
        Detector file or folder, see `polarstem.scans.files.readers.open_scan`.
    model_dir : path
        Saved model, with its library and its anomaly reference where it has them.
    out_dir : path
        Folder to make: ``map.nc``, ``map.hspy``, ``labels.tif``, ``cells.csv``, ``summary.json``
        and ``diagnostics.nc``.
    sheet : path, mapping, Sheet or None
        What is known of the scan beside its file.
    force : bool
        Go on with a model that was trained for another energy, semi-angle or zone axis; every
        output then says so.
    threads : int
        Threads that resample and predict.
    finish : callable, optional
        Adds to the finished folder, figures for instance, before it takes its name.

    Raises
    ------
    PolarstemError
        If `out_dir` exists, or the scan cannot be mapped. Nothing is then written.
    """
    out_dir = Path(out_dir)
    if out_dir.exists():
        raise PolarstemError(
            f"The output folder {out_dir} exists, and nothing is overwritten; name another one, or "
            "delete it."
        )
    clock = Stopwatch()
    with _one_thread_each():
        with clock("opening"):
            setup = set_up(scan_path, model_dir, sheet, force=force)
        with atomic_path(out_dir) as folder:
            folder.mkdir()
            _map(setup, folder, threads, clock)
            if finish is not None:
                finish(folder)


def _map(setup: Setup, folder: Path, threads: int, clock: Stopwatch) -> None:
    """Map a scan into a folder."""
    scan = setup.scan
    with clock("calibrating"):
        assumed = Sourced(
            setup.trained["semiangle_mrad"], "mrad", "assumed", "as the model was trained for"
        )
        calibration = calibrate(scan, setup.sheet, assumed, threads)
        setup.settings |= calibration.settings
        specimen = Specimen(setup)
        detector, crystal = (setup.given(f"{n}_rotation_deg") for n in ("detector", "crystal"))
        known = detector is not None and crystal is not None
        fitted = None if known else specimen.orientation(calibration)
        angle = angle_on_detector(detector, crystal, fitted)
        specimen.turn_to(angle.value)
    with clock("reading and predicting"):
        answers = _predict(setup, calibration, angle.value, threads)
    with clock("thickness and cells"):
        specimen.look(answers.mean_pattern())
        curl = calibration.detector_rotation if detector is None else None
        rough = angle.value - (detector or curl or angle).value
        lattice = lattice_of(setup, answers, specimen.templates_nm, rough)
        frames = settle(angle, detector, crystal, curl, lattice.rotation)
        lattice = aligned(lattice, frames.crystal.value)
        cells = lattice.cells(*scan.shape[:2])
        seen = handedness_of(setup, answers, lattice, cells, specimen.templates_nm)
        if seen is not None:
            frames, turned = confirmed(frames, seen, detector)
            if turned:
                lattice = aligned(lattice, frames.crystal.value)
                cells = lattice.cells(*scan.shape[:2])
    setup.settings["detector_rotation_deg"] = frames.detector
    setup.settings["crystal_rotation_deg"] = frames.crystal
    with clock("anomalies"):
        anomalies = anomalies_of(setup, answers, lattice, cells)
    with clock("writing"):
        names, directions = setup.model.class_names, setup.model.class_directions
        classes = Classes(names, directions, frames.crystal.value)
        attributes = _attributes(setup, specimen, classes)
        data = map_of(setup, answers, cells, anomalies, classes, attributes)
        told = [Step("handedness", "done", seen.sentence)] if seen is not None else []
        steps = [*calibration.steps, lattice_step(setup, lattice), *told, *specimen.steps()]
        diagnostics = diagnostics_of(steps, calibration, lattice, frames.detector.value)
        made = {name: data.attrs[name] for name in provenance({})}
        write_maps(data, diagnostics.assign_attrs(made), folder)
    doubts = list(calibration.warnings)
    if seen is not None and seen.clear and not seen.mirrored:  # which settles the rotation
        doubts = [text for text in doubts if "detector_rotation_deg" not in text]
    grid = setup.trained["pixels"], setup.trained["mrad_per_pixel"]
    doubts += calibration.unseen(angle.value, *grid)
    warnings = [*setup.warnings, *doubts, *frames.warnings, *specimen.warnings()]
    summary = {
        "scan": str(scan.path),
        "model": attributes["model"],
        "forced": setup.forced or None,
        **summarise(data),
        "thickness_nm": listed(specimen.thickness_nm),
        "tilt_mrad": listed(specimen.tilt_mrad),
        "settings": {name: listed(value) for name, value in setup.settings.items()},
        "steps": [
            {"name": s.name, "status": s.status, "sentence": s.sentence, "values": s.values}
            for s in steps
        ],
        "warnings": list(dict.fromkeys(warnings)),
        "seconds": clock.seconds,
    }
    write_summary(summary, folder)


def _predict(setup: Setup, calibration: Calibration, angle_deg: float, threads: int) -> Answers:
    """Read, resample and predict every pattern."""
    scan, trained = setup.scan, setup.trained

    def resampler() -> Callable[[Block], NDArray[np.float32]]:
        resample = calibration.resampler(angle_deg, trained["pixels"], trained["mrad_per_pixel"])
        return lambda block: resample(block[1], calibration.centres(block[0]))

    predictor = Predictor(
        setup.model,
        setup.reference,
        resampler,
        trained["mrad_per_pixel"],
        trained["semiangle_mrad"],
    )
    size = np.prod(scan.shape[2:]) * scan.dtype.itemsize
    count = int(np.ceil(scan.included.sum() * size / (BLOCK_MB * 1e6)))
    blocks = progress(scan.blocks(BLOCK_MB), count, "mapping blocks of patterns")
    answers = predictor.predict(blocks, scan.shape[0] * scan.shape[1], threads)
    if not answers.measured.any():
        raise PolarstemError(
            f"No pattern of {scan.path} has counts within the model's field of view; check "
            "`centre` and `mrad_per_pixel` in the scan sheet."
        )
    return answers


def _attributes(setup: Setup, specimen: Specimen, classes: Classes) -> dict[str, Any]:
    """What holds for the whole map, safe for netCDF."""
    listing = plain({name: listed(value) for name, value in setup.settings.items()})
    model = str(setup.model.info.get("name", setup.model.family))
    numbers = {
        "crystal_rotation_deg": float(classes.rotation_deg),
        "step_nm": list(setup.step_nm),
        "anomaly_threshold": 1.0,
    }
    if specimen.thickness_nm is not None:
        numbers["thickness_nm"] = float(np.mean(specimen.thickness_nm.value))
    told = {
        "title": "Polarization map",
        "scan": setup.scan.path.name,
        "model": model,
        "forced": setup.forced,
        "settings": json.dumps(listing),
        "conventions": "directions counter-clockwise from +x (right), y up; arrays y down",
    }
    return told | numbers | provenance({"model": model, "settings": listing})


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Keep torch and BLAS to the thread that calls them: blocks are shared out as a whole."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with one_blas_thread():
            yield
    finally:
        torch.set_num_threads(before)
