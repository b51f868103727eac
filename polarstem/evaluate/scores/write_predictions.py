# SPDX-License-Identifier: GPL-3.0-or-later
"""Class probabilities of every test pattern, kept on file."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import netCDF4
import numpy as np

from polarstem.checked_netcdf import new_netcdf
from polarstem.errors import PolarstemError
from polarstem.files import open_netcdf
from polarstem.logs import progress
from polarstem.models.calibration import PREFIX, Calibration
from polarstem.models.saved import CHECKSUM, read_description
from polarstem.provenance import provenance

if TYPE_CHECKING:
    from polarstem.data.patterns import PatternSet
    from polarstem.models.base import Array, Model
    from polarstem.models.calibration_split import CalibrationPatterns

logger = logging.getLogger(__name__)

_KEYS = "answers_to"  # attribute: the keys of the data domains' answers, in their order
SAMPLE = 2048  # patterns of a scan that a model is fitted to at most
# variable: (type, units, long name), one value per pattern, copied from the data sets
_COPIED = {
    "class_index": ("i2", "1", "true class"),
    "thickness": ("f4", "nm", "nominal thickness"),
    "cell_y": ("f4", "1", "position in the projected unit cell, downwards"),
    "cell_x": ("f4", "1", "position in the projected unit cell, to the right"),
    "scan_y": ("i4", "1", "row of the scan"),
    "scan_x": ("i4", "1", "column of the scan"),
    "dose": ("f4", "1", "electrons per pattern, infinite where none were counted"),
}


@dataclass(frozen=True)
class Adaptation:
    """How a model is fitted to unlabelled scans before it answers.

    Attributes
    ----------
    method : str
        See `polarstem.models.adaptation.adapt`.
    scan : {"specimen", "domain"}
        What is one scan: a specimen at one thickness, or all test patterns of a data domain.
    turned_copies : bool
        Whether each pattern stands for its turned and mirrored copies.
    """

    method: str
    scan: str = "specimen"
    turned_copies: bool = True


def predict_patterns(
    model_dir: Path | str,
    dataset_paths: Sequence[Path | str],
    output: Path | str,
    *,
    model: str | None = None,
    source: str | None = None,
    seed: int | None = None,
    batch: int = 1024,
    device: str = "auto",
    adaptation: Adaptation | None = None,
    calibration: CalibrationPatterns | None = None,
    code: str | None = None,
) -> None:
    """Predict the test split of every data domain with one model.

    Answers of the same model and code to the same patterns that `output` holds already are taken
    over: a new data domain costs its own patterns.

    Parameters
    ----------
    model_dir : path
        A saved model.
    dataset_paths : sequence of path
        Data sets, one per data domain.
    output : path
        The prediction file: per pattern the calibrated class probabilities, the truth and where
        the pattern comes from. Its attributes hold the model's `Calibration`.
    model, source, seed : optional
        What the file is labelled with; by default the last three folders of `model_dir`.
    batch : int
        Patterns in memory at a time.
    device : {"auto", "cpu", "gpu"}
        Where a network computes.
    adaptation : Adaptation or None
        Fits the model to each scan before it predicts the scan's patterns; the file then holds
        them scan by scan.
    calibration : CalibrationPatterns or None
        Labelled scans of the model's source, which a model that is fitted to scans is fitted to
        and calibrated on anew. Without them its probabilities are as they come, and it has no
        conformal sets: those of the model that it was made of are not its own.
    code : str or None
        Digest of the code that answers; without one, and with an adaptation, nothing is taken over.

    Raises
    ------
    PolarstemError
        If a file is broken, the classes of a data set are not those of the model, or it cannot be
        fitted to a scan.
    """
    from polarstem.data.patterns import PatternSet
    from polarstem.models import load_model

    loaded = load_model(model_dir, device=device)
    parts = Path(model_dir).resolve().parts[-3:]
    labels = {
        "model": model if model is not None else parts[0],
        "family": loaded.family,
        "head": str(loaded.options.get("head", "none")),
        "source": source if source is not None else parts[1],
        "seed": str(seed if seed is not None else parts[2]),
    }
    with ExitStack() as stack:
        sets = [stack.enter_context(PatternSet.open([p], split="test")) for p in dataset_paths]
        for path, patterns in zip(dataset_paths, sets, strict=True):
            _check(loaded, patterns, path)
        if adaptation is not None:
            sets = [_by_scan(patterns) for patterns in sets]
        fitted = _calibration(loaded, adaptation, calibration, batch)
        keys = [""] * len(sets)
        if code is not None and adaptation is None:
            checksum = read_description(model_dir).get(CHECKSUM)
            if checksum is not None:
                answering = f"{code} {checksum}"
                keys = [_answers_key(answering, path) for path in dataset_paths]
        kept = _kept_answers(output, keys)
        if any(keys):
            logger.info("%d of %d data domains are answered already", len(kept), len(sets))
        # seeds are alike in all models and sources
        with new_netcdf(output, folders=3) as file:
            file.setncatts({"title": "Predicted polarization classes", **provenance(labels)})
            file.setncatts(labels)
            file.setncatts(fitted.attributes(PREFIX))
            if adaptation is not None:
                file.setncattr("adaptation", json.dumps(asdict(adaptation)))
            file.setncattr(_KEYS, json.dumps(keys))
            _write(file, loaded, sets, batch, adaptation, fitted, [kept.get(k) for k in keys])


def _answers_key(answering: str, dataset: Path | str) -> str:
    """Digest of who answers and of the patterns that are asked about; empty where none tells."""
    digest = hashlib.blake2b(answering.encode(), digest_size=16)
    with open_netcdf(dataset, "data set") as data:
        if "pattern_hash" not in data:
            return ""
        for name in ("pattern_hash", "split", "dose"):
            if name in data:
                digest.update(np.ascontiguousarray(data[name].values).tobytes())
    return digest.hexdigest()


def _kept_answers(output: Path | str, keys: Sequence[str]) -> dict[str, Array]:
    """Probabilities that a file holds already, by their keys."""
    if not any(keys) or not Path(output).is_file():
        return {}
    try:
        with open_netcdf(output, "predictions") as file:
            names = [str(name) for name in file["domain_name"].values]
            before = dict(zip(json.loads(file.attrs[_KEYS]), names, strict=True))
            domain, probability = file["domain_index"].values, file["probability"].values
            return {
                key: probability[domain == names.index(name)]
                for key, name in before.items()
                if key and key in keys
            }
    except (PolarstemError, KeyError, ValueError):
        return {}  # of another version, or damaged: it is written anew


def _check(model: Model, patterns: PatternSet, path: Path | str) -> None:
    if list(patterns.class_names) != list(model.class_names):
        raise PolarstemError(
            f"The data set {path} has the classes {', '.join(patterns.class_names)}, the model "
            f"{', '.join(model.class_names)}; train and test with one config."
        )
    if not patterns.n:
        raise PolarstemError(
            f"The data set {path} has no test pattern; give its specimens a test split "
            "(specimens: per_class: test), or take it out of evaluate.domains."
        )


def _by_scan(patterns: PatternSet) -> PatternSet:
    return patterns.select(np.argsort(patterns.scan, kind="stable"))


def _calibration(
    model: Model,
    adaptation: Adaptation | None,
    given: CalibrationPatterns | None,
    batch: int,
) -> Calibration:
    """Calibration of a model, or of what it becomes when it is fitted to scans."""
    if adaptation is None:
        return Calibration.of(model)
    if given is None:
        return Calibration()
    from polarstem.models.calibration_fit import fit_calibration

    patterns = _by_scan(given.patterns)  # of one data domain after the other
    starts = np.flatnonzero(patterns.domain[1:] != patterns.domain[:-1]) + 1
    found = [
        part
        for rows in np.split(np.arange(patterns.n), starts)
        for _, part in _answers(model, patterns.select(rows), batch, adaptation)
    ]
    return fit_calibration(np.concatenate(found), patterns, given.positions)


def _answers(
    model: Model, patterns: PatternSet, batch: int, adaptation: Adaptation | None
) -> Iterator[tuple[slice, Array]]:
    """Yield probabilities batch by batch, of the model or of one fitted to each scan."""
    if adaptation is None:
        for where, intensity in patterns.batches(batch):
            yield where, model.predict_proba(intensity)
        return
    from polarstem.models.adaptation import adapt

    per_specimen = adaptation.scan == "specimen"
    starts = np.flatnonzero(np.diff(patterns.scan)) + 1 if per_specimen else np.empty(0, int)
    for rows in np.split(np.arange(patterns.n), starts):
        scan = patterns.select(rows)
        chosen = np.random.default_rng(0).permutation(scan.n)[:SAMPLE]
        sample = scan.read(np.sort(chosen))
        fitted = adapt(model, sample, adaptation.method, adaptation.turned_copies)
        for where, intensity in scan.batches(batch):
            found = slice(rows[0] + where.start, rows[0] + where.stop)
            yield found, fitted.predict_proba(intensity)


def _write(
    file: netCDF4.Dataset,
    model: Model,
    sets: Sequence[PatternSet],
    batch: int,
    adaptation: Adaptation | None,
    calibration: Calibration,
    kept: Sequence[Array | None],
) -> None:
    domains = list(dict.fromkeys(str(name) for s in sets for name in np.unique(s.domain)))
    specimens = sorted({str(name) for s in sets for name in np.unique(s.specimen)})
    total = sum(patterns.n for patterns in sets)
    n_classes = len(model.class_names)
    sizes = {"pattern": total, "class": n_classes}
    sizes |= {"specimen": len(specimens), "domain": len(domains)}
    for name, size in sizes.items():
        file.createDimension(name, size)
    for name, values in (
        ("class_name", model.class_names),
        ("specimen_name", specimens),
        ("domain_name", domains),
    ):
        _variable(file, name, str, name.removesuffix("_name"), "1", name.replace("_", " "))
        file[name][:] = np.array(values, dtype=object)
    _variable(file, "class_direction", "f8", "class", "degree", "counter-clockwise from right")
    file["class_direction"][:] = model.class_directions
    _variable(file, "specimen_index", "i4", "pattern", "1", "specimen of the pattern")
    _variable(file, "domain_index", "i2", "pattern", "1", "data domain of the pattern")
    for name, (kind, units, long_name) in _COPIED.items():
        _variable(file, name, kind, "pattern", units, long_name)
    file.createVariable(
        "probability",
        "f4",
        ("pattern", "class"),
        zlib=True,
        chunksizes=(min(total, 16384), n_classes),
    ).setncatts({"units": "1", "long_name": "calibrated probability of the class"})

    start = 0
    pairs = zip(sets, kept, strict=True)
    for patterns, answers in progress(pairs, len(sets), "predicting data domains"):
        rows = slice(start, start + patterns.n)
        for name in _COPIED:
            file[name][rows] = getattr(patterns, name)
        file["specimen_index"][rows] = np.searchsorted(specimens, patterns.specimen.astype(str))
        file["domain_index"][rows] = [domains.index(str(name)) for name in patterns.domain]
        if answers is not None:
            file["probability"][rows] = answers
        else:
            for where, probability in _answers(model, patterns, batch, adaptation):
                part = slice(start + where.start, start + where.stop)
                dose = patterns.dose[where]
                file["probability"][part] = calibration.apply(probability, dose)
        start += patterns.n


def _variable(
    file: netCDF4.Dataset, name: str, kind: Any, dimension: str, units: str, long_name: str
) -> None:
    variable = file.createVariable(name, kind, (dimension,), zlib=kind is not str)
    variable.setncatts({"units": units, "long_name": long_name})
