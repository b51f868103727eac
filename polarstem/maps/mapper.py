# SPDX-License-Identifier: GPL-3.0-or-later
"""From a scan to a map of polarization directions: open, inspect, place, predict, pool, write.

A sample of the scan calibrates it and tells how the crystal lies on the detector. Then every
pattern is read once, resampled into the crystal's frame and predicted. The scan's own periodicity
tells where each unit cell lies, whose answers are pooled, and one turn takes what was found in the
crystal's frame into the scan's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from polarstem.config.sheet import Sheet
from polarstem.errors import PolarstemError
from polarstem.files import atomic_path
from polarstem.logs import progress
from polarstem.maps.anomalies import anomalies_of
from polarstem.maps.compose import Pooled, map_of
from polarstem.maps.dataset import Classes
from polarstem.maps.diagnostics import diagnostics_of
from polarstem.maps.dose import dose_of
from polarstem.maps.outputs import write_maps, write_summary
from polarstem.maps.placing import orient, place, thinnest_share
from polarstem.maps.predict import Answers, Predictor
from polarstem.maps.setup import ModelSource, ScanSource, Setup, set_up
from polarstem.maps.specimen import Specimen
from polarstem.maps.summary import attributes_of, summary_of
from polarstem.maps.withheld import Doubt, Reason
from polarstem.provenance import provenance
from polarstem.scans.calibration.steps import Step
from polarstem.scans.inspection import Inspection, inspect
from polarstem.simulate.parallel import available_cores, one_blas_thread

BLOCK_MB, BLOCKS_MB = 32, 256
"""Patterns that a thread reads at once, and all threads together at most [MB]."""


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


@dataclass(frozen=True)
class Made:
    """A map and what belongs to it.

    Attributes
    ----------
    data, diagnostics : Dataset
        The map, and the arrays behind figures of its making.
    summary : dict
        What it comes to.
    """

    data: xr.Dataset
    diagnostics: xr.Dataset
    summary: dict[str, Any]


def map_scan(
    scan: ScanSource,
    model: ModelSource,
    out_dir: Path | str | None = None,
    sheet: Path | str | Mapping[str, Any] | Sheet | None = None,
    *,
    force: bool = False,
    threads: int | None = None,
    finish: Callable[[Path], None] | None = None,
) -> xr.Dataset:
    """Map the polarization directions of a scan.

    Parameters
    ----------
    scan : path, ndarray or Scan
        Detector file or folder, see `polarstem.scans.files.readers.open_scan`, or counts of shape
        (ny, nx, ky, kx).
    model : path or sequence of paths
        Saved models, the first with its library and its anomaly reference where it has them. Of
        several, the mean of the probabilities is taken, and an answer is one that all give.
    out_dir : path, optional
        Folder to make: ``map.nc``, ``map.hspy``, ``labels.tif``, ``cells.csv``, ``summary.json``
        and ``diagnostics.nc``. Nothing is written without.
    sheet : path, mapping, Sheet or None
        What is known of the scan beside its file.
    force : bool
        Go on with a model that was trained for another energy, semi-angle or zone axis; every
        output then says so.
    threads : int, optional
        Threads that resample and predict; all cores by default.
    finish : callable, optional
        Adds to the finished folder, figures for instance, before it takes its name.

    Returns
    -------
    Dataset
        What ``map.nc`` holds; its attribute ``summary`` is ``summary.json``.

    Raises
    ------
    PolarstemError
        If `out_dir` exists, or the scan cannot be mapped. Nothing is then written.
    """
    out = None if out_dir is None else Path(out_dir)
    if out is not None and out.exists():
        raise PolarstemError(
            f"The output folder {out} exists, and nothing is overwritten; name another one, or "
            "delete it."
        )
    threads = threads or available_cores()
    clock = Stopwatch()
    with _one_thread_each():
        with clock("opening"):
            setup = set_up(scan, model, sheet, force=force)
        if out is None:
            return _made(setup, threads, clock).data
        with atomic_path(out) as folder:
            folder.mkdir()
            made = _made(setup, threads, clock)
            with clock("writing"):
                write_maps(made.data, made.diagnostics, folder)
            write_summary(made.summary | {"seconds": clock.seconds}, folder)
            if finish is not None:
                finish(folder)
    return made.data


def _made(setup: Setup, threads: int, clock: Stopwatch) -> Made:
    """Map a scan."""
    scan, trained, model = setup.scan, setup.trained, setup.model
    specimen = Specimen(setup)
    with clock("inspecting"), _at_the_same_time(specimen.prepare, threads):
        inspection = inspect(
            scan,
            setup.settings["semiangle_mrad"],
            tuple(trained["cell_angstrom"]),
            threads,
            thinnest_share(setup.library),
        )
    setup.settings |= inspection.calibration.settings
    with clock("orienting"):
        found = orient(setup, inspection, specimen, threads)
    with clock("reading and predicting"):
        grid = found.angle.value, trained["pixels"], trained["mrad_per_pixel"]
        answers = _predict(setup, inspection, found.angle.value, threads)
    with clock("placing"):
        where = place(setup, inspection, specimen, found, answers)
        answers = answers.turned(where.orientation.turn, model.class_directions)
        pooled = Pooled.of(where.cells, answers.measured & ~where.vacuum)
    with clock("thickness and tilt"):
        lit = np.where(where.vacuum, 0, answers.total)
        seen = inspection.calibration.seen(*grid)
        specimen.seen = where.orientation.turn.images(seen).astype(bool)
        specimen.look(answers.mean_pattern, lit, where.lattice, where.cells)
        specimen.look_at_tiles(
            answers.pattern,
            lit,
            pooled.index,
            *(axis[pooled.kept] for axis in (where.cells.row, where.cells.column)),
            threads=threads,
        )
    setup.settings |= where.settings
    with clock("anomalies"):
        anomalies = anomalies_of(setup, answers, where, threads)
    with clock("composing"):
        found_dose = inspection.settings.get("dose_electrons")
        linear = inspection.calibration.linearity
        unit = None if linear is None else linear.unit
        dose = dose_of(setup, answers.total, lit > 0, found_dose, unit)
        doubts = [*_doubts(inspection, lit), *where.orientation.doubts, *specimen.doubts]
        doubts += dose.doubts
        turned = where.orientation.crystal.value
        classes = Classes(model.class_names, model.class_directions, turned)
        attributes = attributes_of(setup, specimen, classes)
        data = map_of(
            setup,
            answers,
            where.cells,
            pooled,
            anomalies,
            where.vacuum,
            specimen,
            classes,
            doubts,
            attributes,
        )
        sampled = [step for step in inspection.calibration.steps if step.name != "vacuum"]
        steps = [*sampled, *where.steps, *specimen.steps(), *_anomaly_step(setup)]
        diagnostics = diagnostics_of(
            steps, inspection.calibration, where.lattice, where.orientation.detector.value
        )
        diagnostics = diagnostics.assign_attrs({n: data.attrs[n] for n in provenance({})})
    warnings = [
        *setup.warnings,
        *(doubt.sentence for doubt in doubts),
        *_of_calibration(inspection, where.orientation.known),
        *inspection.calibration.unseen(*grid),
        *where.warnings,
        *specimen.warnings(),
    ]
    summary = summary_of(
        data, setup, specimen, where, dose.electrons, steps, list(dict.fromkeys(warnings))
    )
    data.attrs["summary"] = json.dumps(summary)
    return Made(data, diagnostics, summary)


def _doubts(inspection: Inspection, lit: NDArray[np.floating]) -> list[Doubt]:
    """Why no answer of the scan can be believed, whatever the model says."""
    found, linear = [], inspection.calibration.linearity
    if not (lit > 0).any():
        sentence = "The scan shows vacuum alone: there is no crystal in it."
        found.append(Doubt(Reason.VACUUM, sentence))
    if linear is not None and linear.linear is False:
        sentence = (
            f"{linear.sentence} No answer is given, as intensities are not linear: export the scan "
            "as counts, or say by `gamma` in the scan sheet how they were stored."
        )
        found.append(Doubt(Reason.NOT_LINEAR, sentence))
    return found


def _anomaly_step(setup: Setup) -> list[Step]:
    """What the anomaly scores rest on."""
    if setup.reference is None:
        return []
    return [Step("anomaly", "done", setup.reference.sentence)]


def _of_calibration(inspection: Inspection, turn_known: bool) -> list[str]:
    """Warnings of the calibration, but for what patterns over the cell have settled."""
    told = "detector_rotation_deg"
    return [text for text in inspection.warnings if not (turn_known and told in text)]


def _predict(setup: Setup, inspection: Inspection, angle_deg: float, threads: int) -> Answers:
    """Read, resample and predict every pattern."""
    scan, trained, calibration = setup.scan, setup.trained, inspection.calibration

    resampler = calibration.resampler(angle_deg, trained["pixels"], trained["mrad_per_pixel"])
    predictor = Predictor(
        setup.models,
        setup.reference,
        lambda index, patterns: resampler(patterns, calibration.centres(index)),
        trained["mrad_per_pixel"],
        trained["semiangle_mrad"],
    )
    size = np.prod(scan.shape[2:]) * scan.dtype.itemsize
    block_mb = min(BLOCK_MB, BLOCKS_MB / threads)
    count = int(np.ceil(scan.included.sum() * size / (block_mb * 1e6)))
    pieces = progress(scan.pieces(block_mb), count, "mapping blocks of patterns")
    answers = predictor.predict(pieces, scan.shape[0] * scan.shape[1], threads)
    if not answers.measured.any():
        raise PolarstemError(
            f"No pattern of {scan.path} has counts within the model's field of view; check "
            "`centre` and `mrad_per_pixel` in the scan sheet."
        )
    return answers


@contextmanager
def _at_the_same_time(work: Callable[[], None], threads: int) -> Iterator[None]:
    """Do something in a thread of its own, where there may be more than one."""
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(work) if threads > 1 else None
        yield
        if done is not None:
            done.result()


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
