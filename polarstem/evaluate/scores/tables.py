# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of scores, and the counts that figures are drawn from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.evaluate.scores.bootstrap import SpecimenScores, bootstrap_metrics
from polarstem.evaluate.scores.metrics import CONTROL_METRICS
from polarstem.evaluate.scores.per_specimen import ensemble, specimen_scores
from polarstem.evaluate.scores.predictions import (
    RUN_ATTRIBUTES,
    DomainPredictions,
    read_predictions,
    read_run,
)
from polarstem.files import atomic_path
from polarstem.logs import progress
from polarstem.provenance import provenance
from polarstem.seeds import derive_seed

COLUMNS = (*RUN_ATTRIBUTES, "domain", "metric", "value", "low", "high", "n")


def compute_metrics(
    prediction_paths: Sequence[Path | str],
    output_csv: Path | str,
    output_confusion_nc: Path | str,
    *,
    bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    position_bins: int | None = None,
    controls: Collection[str] = (),
) -> None:
    """Score every model on every data domain.

    Parameters
    ----------
    prediction_paths : sequence of path
        Prediction files, one per trained model.
    output_csv : path
        Long table with the columns of `COLUMNS`; `n` is the number of test specimens, `value`
        in the unit of `polarstem.evaluate.scores.metrics.METRICS`. Where a model was trained with
        several seeds, their ensemble follows as a model of its own.
    output_confusion_nc : path
        Counts per model and data domain: confusion matrices and maps over the unit cell.
    bootstrap : int
        Resamples over specimens.
    confidence : float
        Level of the intervals.
    seed : int
        The global seed. All models share the resamples of a data domain.
    position_bins : int or None
        Bins along each side of the unit cell for the position maps. None for as many as the first
        scan has positions per cell (at most 12), so that every bin is visited alike.
    controls : collection of str
        Data domains whose specimens have no polarization: labels mean nothing there.

    Raises
    ------
    PolarstemError
        If no file is given, one is broken, or their classes differ.
    """
    rows: list[dict[str, object]] = []
    counts: list[xr.Dataset] = []
    groups = _same_training(prediction_paths)
    for paths in progress(groups, len(groups), "scoring"):
        for parts in zip(*map(read_predictions, paths), strict=True):
            resampling_seed = derive_seed(seed, "bootstrap", parts[0].domain)
            for part in parts:
                scores = specimen_scores(part)
                rows += _rows(part, scores, controls, bootstrap, confidence, resampling_seed)
                position_bins = position_bins or positions_per_cell(part)
                counts.append(_counts(part, scores, position_bins))
                _check_classes(counts[0], counts[-1], paths[0])
            if len(parts) > 1:
                whole = ensemble(parts)
                scores = specimen_scores(whole)
                rows += _rows(whole, scores, controls, bootstrap, confidence, resampling_seed)
    if not rows:
        raise PolarstemError(
            "There are no predictions to score; list at least one data domain in evaluate.domains."
        )
    settings = {"bootstrap": bootstrap, "confidence": confidence, "position_bins": position_bins}
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    merged = xr.concat(counts, dim="run", data_vars="minimal")
    merged.attrs = {"title": "Counts of test patterns", **provenance(settings, seed=seed)}
    encoding = {name: {"zlib": True} for name in ("confusion", "position_right", "position_count")}
    with atomic_path(output_csv) as path:
        table.to_csv(path, index=False, float_format="%.9g")
    with atomic_path(output_confusion_nc) as path:
        merged.to_netcdf(path, engine="netcdf4", encoding=encoding)


def _same_training(paths: Sequence[Path | str]) -> list[list[Path | str]]:
    """Prediction files by model and source, which differ in the training seed alone."""
    groups: dict[tuple[str, str], list[Path | str]] = {}
    for path in paths:
        run = read_run(path)
        groups.setdefault((run["model"], run["source"]), []).append(path)
    return list(groups.values())


def _rows(
    part: DomainPredictions,
    scores: SpecimenScores,
    controls: Collection[str],
    resamples: int,
    confidence: float,
    seed: int,
) -> list[dict[str, object]]:
    """Rows of the table; metrics without a value, and those of labels in controls, are left out."""
    intervals = bootstrap_metrics(scores, resamples, confidence, seed)
    return [
        {
            **part.run,
            "domain": part.domain,
            "metric": metric,
            "value": value,
            "low": low,
            "high": high,
            "n": scores.n,
        }
        for metric, (value, low, high) in intervals.items()
        if np.isfinite(value) and (part.domain not in controls or metric in CONTROL_METRICS)
    ]


def positions_per_cell(part: DomainPredictions, most: int = 12) -> int:
    """Count the distinct probe positions along a side of the unit cell in one scan."""
    scan = part.specimen == 0
    counts = [len(np.unique(np.round(c[scan], 4))) for c in (part.cell_y, part.cell_x)]
    return min(most, max(counts))


def position_counts(
    part: DomainPredictions, bins: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count right predictions and patterns over the projected unit cell.

    Returns
    -------
    right, count : ndarray of int64, shape (bins, bins)
        Rows follow cell_y (downwards), columns cell_x.
    """
    flat = position_bin(part, bins)
    right = flat[part.predicted == part.class_index]
    return (
        np.bincount(right, minlength=bins**2).reshape(bins, bins),
        np.bincount(flat, minlength=bins**2).reshape(bins, bins),
    )


def position_bin(part: DomainPredictions, bins: int) -> NDArray[np.int64]:
    """Bin of the projected cell that each pattern falls into, counted row by row from the top."""
    rows = np.minimum((part.cell_y % 1.0 * bins).astype(np.int64), bins - 1)
    columns = np.minimum((part.cell_x % 1.0 * bins).astype(np.int64), bins - 1)
    return rows * bins + columns


def _counts(part: DomainPredictions, scores: SpecimenScores, bins: int) -> xr.Dataset:
    right, count = position_counts(part, bins)
    centres = (np.arange(bins) + 0.5) / bins
    names = np.array(part.class_names, dtype=object)
    cell = {"units": "1", "long_name": "position in the projected unit cell"}
    counted = "number of test patterns"
    return xr.Dataset(
        {
            "confusion": (
                ("run", "true", "predicted"),
                scores.confusion.sum(0)[None],
                {"units": "1", "long_name": counted},
            ),
            "position_right": (
                ("run", "cell_y", "cell_x"),
                right[None],
                {"units": "1", "long_name": f"{counted} predicted right"},
            ),
            "position_count": (
                ("run", "cell_y", "cell_x"),
                count[None],
                {"units": "1", "long_name": counted},
            ),
            "class_direction": (
                "true",
                part.class_directions,
                {"units": "degree", "long_name": "direction, counter-clockwise from right"},
            ),
        },
        coords={
            **{
                name: ("run", [part.run[name]], {"units": "1", "long_name": f"{name} of the run"})
                for name in RUN_ATTRIBUTES
                if name != "seed"
            },
            "seed": ("run", [int(part.run["seed"])], {"units": "1", "long_name": "training seed"}),
            "domain": ("run", [part.domain], {"units": "1", "long_name": "data domain"}),
            "true": ("true", names, {"units": "1", "long_name": "true class"}),
            "predicted": ("predicted", names, {"units": "1", "long_name": "predicted class"}),
            "cell_y": ("cell_y", centres, {**cell, "positive": "down"}),
            "cell_x": ("cell_x", centres, cell),
        },
    )


def _check_classes(first: xr.Dataset, other: xr.Dataset, path: Path | str) -> None:
    if list(first["true"].values) != list(other["true"].values):
        raise PolarstemError(
            f"The classes of {path} ({', '.join(other['true'].values)}) are not those of the other "
            f"predictions ({', '.join(first['true'].values)}); predict again with one config."
        )
