# SPDX-License-Identifier: GPL-3.0-or-later
"""The job of the rule train_model: data sets or a stream in, saved model out."""

from __future__ import annotations

import logging
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from polarstem.data.patterns import PatternSet
from polarstem.files import atomic_path
from polarstem.models.calibration_split import CalibrationPatterns, split_validation
from polarstem.models.filtering import FILTERS
from polarstem.models.job import FitJob
from polarstem.models.registry import create
from polarstem.provenance import provenance

if TYPE_CHECKING:
    from polarstem.data.stream import PatternStream
    from polarstem.models.base import Model

logger = logging.getLogger(__name__)


def train_model(
    name: str,
    options: Mapping[str, Any],
    train_paths: Sequence[Path | str],
    output: Path | str,
    workdir: Path | str,
    seed: int,
    threads: int = 1,
    device: str = "auto",
    memory_mb: int = 1500,
    stream: PatternStream | None = None,
    shuffled_labels: bool = False,
    trained_for: Mapping[str, Any] | None = None,
) -> None:
    """Train a model on the training splits of data sets, or on a stream, and save it.

    Parameters
    ----------
    name : str
        The model's name in the config.
    options : mapping
        Its options, `family` among them; `training` complete for networks.
    train_paths : sequence of path
        Data set files; their training splits are joined, and their validation splits.
    output : path
        Directory of the saved model; written whole or not at all.
    workdir : path
        Folder for working files, removed at the end. After a kill, the same call goes on
        from what is there.
    seed : int
        Seed of all that is random.
    threads : int
        Threads of the numerical libraries; on a stream, processes.
    device : {"auto", "cpu", "gpu"}
        Where networks compute.
    memory_mb : int
        Larger sets of patterns are read from a file in `workdir` [MB].
    stream : PatternStream, optional
        What to learn from instead of data sets.
    shuffled_labels : bool
        Whether the specimens of the data sets exchange their labels: a control.
    trained_for : mapping, optional
        What patterns these are (`polarstem.config.jobs.trained_for`), for whoever maps a scan.
    """
    workdir = Path(workdir)
    job = FitJob(workdir, seed, threads, device, sys.stderr.isatty(), memory_mb)
    started = time.monotonic()
    if stream is not None:
        model = create(
            str(options["family"]), options, stream.class_names, stream.class_directions.tolist()
        )
        specimens = sorted(s["name"] for s in stream.specimens("train"))
        logger.info("%s: a stream of patterns of %d specimens", name, len(specimens))
        model.fit_stream(stream, job)
        facts: dict[str, Any] = {
            **CalibrationPatterns.of_stream(stream).facts(model),
            "training_patterns": model.info["stream"]["patterns"],
            "training_specimens": specimens,
            "validation_specimens": sorted(s["name"] for s in stream.specimens("validation")),
            "training_domains": [],
        }
    else:
        model, facts = _fit_sets(name, options, train_paths, job, shuffled_labels)
    model.info |= {
        "name": name,
        "seed": seed,
        **facts,
        "trained_for": trained_for,
        "training_seconds": time.monotonic() - started,
        "provenance": provenance(dict(options), seed=seed),
    }
    with atomic_path(output) as temporary:
        model.save(temporary)
    shutil.rmtree(workdir, ignore_errors=True)


def _fit_sets(
    name: str,
    options: Mapping[str, Any],
    train_paths: Sequence[Path | str],
    job: FitJob,
    shuffled: bool,
) -> tuple[Model, dict[str, Any]]:
    """Train on data sets; gives the model and what it was trained on."""
    paths = [Path(path) for path in train_paths]
    with PatternSet.open(paths, "train") as train, PatternSet.open(paths, "validation") as check:
        model = create(
            str(options["family"]), options, train.class_names, train.class_directions.tolist()
        )
        if shuffled:
            train, check = (part.with_shuffled_labels(job.seed) for part in (train, check))
        chosen = FILTERS[model.filter](train) if model.filter in FILTERS else train
        logger.info(
            "%s: %d of %d training patterns (filter: %s), %d validation patterns",
            name,
            chosen.n,
            train.n,
            model.filter,
            check.n,
        )
        choosing, calibrating = split_validation(check)
        model.fit(chosen, choosing, job)
        return model, {
            "training_patterns": chosen.n,
            "training_specimens": np.unique(chosen.specimen).tolist(),
            "validation_specimens": np.unique(check.specimen).tolist(),
            "training_domains": np.unique(chosen.domain).tolist(),
            **calibrating.facts(model),
        }
