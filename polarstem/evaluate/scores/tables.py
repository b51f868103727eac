# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of scores, and the counts that figures are drawn from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from polarstem.checked_netcdf import save_netcdf
from polarstem.errors import PolarstemError
from polarstem.evaluate.scores.errors_over_cell import error_maps, positions_per_cell
from polarstem.evaluate.scores.jackknife import (
    Crystals,
    Replicates,
    crystals_of_part,
    leave_one_out,
)
from polarstem.evaluate.scores.metrics import CONTROL_METRICS, METRICS
from polarstem.evaluate.scores.per_specimen import SpecimenScores, ensemble, specimen_scores
from polarstem.evaluate.scores.predictions import (
    RUN_ATTRIBUTES,
    DomainPredictions,
    classes_of_specimens,
    read_predictions,
    read_run,
)
from polarstem.evaluate.scores.sample import Sample, over_seeds
from polarstem.files import atomic_path
from polarstem.logs import progress
from polarstem.provenance import provenance

COLUMNS = (
    *(*RUN_ATTRIBUTES, "domain", "metric", "value", "low", "high", "n"),
    *("mean_low", "mean_high"),
)


def compute_metrics(
    prediction_paths: Sequence[Path | str],
    output_csv: Path | str,
    output_confusion_nc: Path | str,
    *,
    confidence: float = 0.95,
    crystals: Crystals | None = None,
    position_bins: int | None = None,
    controls: Collection[str] = (),
    seed: int = 0,
) -> None:
    """Score every model on every data domain.

    Parameters
    ----------
    prediction_paths : sequence of path
        Prediction files, one per trained model.
    output_csv : path
        Long table with the columns of `COLUMNS`; `n` is the number of independent crystals,
        `value` in the unit of `polarstem.evaluate.scores.metrics.METRICS`, `low` and `high` its
        interval over crystals. Where a model was trained with several seeds, `mean_low` and
        `mean_high` are the interval of their mean, over crystals and seeds, and their ensemble
        follows as a model of its own.
    output_confusion_nc : path
        Counts per model and data domain: confusion matrices and maps over the unit cell.
    confidence : float
        Level of the intervals.
    crystals : Crystals or None
        Which specimens are turned copies of one crystal; None if none are.
    position_bins : int or None
        Bins along each side of the unit cell for the position maps. None for as many as the first
        scan has positions per cell (at most 12), so that every bin is visited alike.
    controls : collection of str
        Data domains whose specimens have no polarization: labels mean nothing there.
    seed : int
        The global seed, for the record: nothing here is drawn.

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
            whole = [ensemble(parts)] if len(parts) > 1 else []
            names, truth = parts[0].specimen_names, classes_of_specimens(parts[0])
            left_out = leave_one_out(crystals_of_part(crystals, parts[0].domain, names), truth)
            scores = [specimen_scores(part) for part in parts]
            rows += _rows(parts, scores, left_out, confidence, controls)
            rows += _rows(whole, [*map(specimen_scores, whole)], left_out, confidence, controls)
            for part, counted in zip(parts, scores, strict=True):
                position_bins = position_bins or positions_per_cell(part)
                counts.append(_counts(part, counted, position_bins))
                _check_classes(counts[0], counts[-1], paths[0])
    if not rows:
        raise PolarstemError(
            "There are no predictions to score; list at least one data domain in evaluate.domains."
        )
    settings = {"confidence": confidence, "position_bins": position_bins}
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    merged = xr.concat(counts, dim="run", data_vars="minimal")
    merged.attrs = {"title": "Counts of test patterns", **provenance(settings, seed=seed)}
    encoding = {name: {"zlib": True} for name in ("confusion", "position_right", "position_count")}
    with atomic_path(output_csv) as path:
        table.to_csv(path, index=False, float_format="%.9g")
    save_netcdf(merged, output_confusion_nc, encoding)


def _same_training(paths: Sequence[Path | str]) -> list[list[Path | str]]:
    """Prediction files by model and source, which differ in the training seed alone."""
    groups: dict[tuple[str, str], list[Path | str]] = {}
    for path in paths:
        run = read_run(path)
        groups.setdefault((run["model"], run["source"]), []).append(path)
    return list(groups.values())


def _rows(
    parts: Sequence[DomainPredictions],
    scores: Sequence[SpecimenScores],
    left_out: Replicates,
    confidence: float,
    controls: Collection[str],
) -> list[dict[str, object]]:
    """Rows of one model on one data domain, seed by seed.

    Metrics without a value, and those of labels in controls, are left out.
    """
    found = [of_seed.evaluate(left_out.weights) for of_seed in scores]
    rows: list[dict[str, object]] = []
    for metric in METRICS:
        values = [of_seed[metric] for of_seed in found if metric in of_seed]
        values = [draws for draws in values if np.isfinite(draws[0])]
        if not values or (parts[0].domain in controls and metric not in CONTROL_METRICS):
            continue
        # copies of one crystal are no more patterns of it
        counted = scores[0].counted(metric) * left_out.n / scores[0].n
        bounds = (0.0, METRICS[metric].upper)
        mean, strata = over_seeds(values, left_out.strata)
        of_mean = Sample(mean, left_out.n, strata, bounds, counted).interval(confidence)
        for part, of_seed in zip(parts, found, strict=True):
            if metric not in of_seed or not np.isfinite(of_seed[metric][0]):
                continue
            sample = Sample(of_seed[metric], left_out.n, left_out.strata, bounds, counted)
            low, high = sample.interval(confidence)
            numbers = (sample.value, low, high, left_out.n, *of_mean)
            labels = {**part.run, "domain": part.domain, "metric": metric}
            rows.append(labels | dict(zip(COLUMNS[-len(numbers) :], numbers, strict=True)))
    return rows


def _counts(part: DomainPredictions, scores: SpecimenScores, bins: int) -> xr.Dataset:
    wrong, count = (of.sum(0).reshape(bins, bins) for of in error_maps(part, bins))
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
                (count - wrong)[None],
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
