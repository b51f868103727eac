# SPDX-License-Identifier: GPL-3.0-or-later
"""Predictions of a data domain reduced to what the metrics need of each specimen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from polarstem.data.cells import group_index, unit_cells
from polarstem.errors import PolarstemError
from polarstem.evaluate.scores.confidence import ConfidenceCounts, count_confidences
from polarstem.evaluate.scores.metrics import (
    FLIP_TOLERANCE_DEG,
    METRICS,
    FloatArray,
    angular_difference,
    majority_votes,
)
from polarstem.evaluate.scores.predictions import DomainPredictions
from polarstem.models.calibration import Calibration

ENSEMBLE = "_ensemble"
"""What the model name of an ensemble over seeds ends with."""
_TINY = 1e-12

Shares = dict[str, tuple[FloatArray, FloatArray]]


@dataclass(frozen=True)
class SpecimenScores:
    """What the metrics of one model on one data domain depend on, per specimen.

    Attributes
    ----------
    class_index : ndarray of int, shape (specimens,)
        True class.
    confusion : ndarray, shape (specimens, classes, classes)
        Counts of its patterns, true x predicted.
    votes_right, votes : ndarray, shape (specimens,)
        Scans (the specimen at one thickness) whose patterns vote right, and scans in all.
    directions : ndarray, shape (classes,)
        Directions of the classes [deg].
    shares : dict of str to (ndarray, ndarray), each of shape (specimens,)
        Metrics that are a mean over patterns or unit cells: their sum and number.
    confidences : ConfidenceCounts or None
        Patterns by confidence.
    """

    class_index: NDArray[np.int64]
    confusion: NDArray[np.int64]
    votes_right: NDArray[np.int64]
    votes: NDArray[np.int64]
    directions: FloatArray
    shares: Shares = field(default_factory=dict)
    confidences: ConfidenceCounts | None = None

    @property
    def n(self) -> int:
        """Number of specimens."""
        return len(self.class_index)

    def evaluate(self, weights: FloatArray) -> dict[str, FloatArray]:
        """Every metric of the specimens under weights.

        Parameters
        ----------
        weights : ndarray, shape (rows, specimens)
            How much each specimen counts.

        Returns
        -------
        dict of str to ndarray, shape (rows,)
            Values by metric.
        """
        k = self.confusion.shape[-1]
        confusion = (weights @ self.confusion.reshape(self.n, k * k)).reshape(-1, k, k)
        scores = {
            name: metric.score(confusion, self.directions)
            for name, metric in METRICS.items()
            if metric.score is not None
        }
        with np.errstate(invalid="ignore"):  # none of those counted is left
            for name, (total, number) in self._all_shares().items():
                scores[name] = (weights @ total) / (weights @ number)
        if self.confidences is not None:
            scores |= self.confidences.evaluate(weights)
        return {name: scores[name] for name in METRICS if name in scores}

    def counted(self, metric: str) -> float:
        """Patterns, scans or unit cells that a metric is a mean over."""
        share = self._all_shares().get(metric)
        return float(self.confusion.sum() if share is None else share[1].sum())

    def _all_shares(self) -> Shares:
        votes = self.votes_right.astype(float), self.votes.astype(float)
        return {"majority_accuracy": votes, **self.shares}


def specimen_scores(part: DomainPredictions) -> SpecimenScores:
    """Reduce predictions to what the metrics need per specimen.

    A scan, for the majority vote, is one specimen at one thickness: what a microscope records.
    Unit cells are cut out of scans (`polarstem.data.cells.unit_cells`).

    Parameters
    ----------
    part : DomainPredictions
        Predictions of one model on one data domain.

    Returns
    -------
    SpecimenScores
        Counts per specimen. Scores of conformal sets are left out where the model has no
        thresholds, and those of cells where no cell has enough positions.
    """
    predicted, n = part.predicted, len(part.specimen_names)
    n_classes = len(part.class_names)
    first = np.unique(part.specimen, return_index=True)[1]
    confusion = np.zeros((n, n_classes, n_classes), dtype=np.int64)
    np.add.at(confusion, (part.specimen, part.class_index, predicted), 1)
    scan = group_index(part.specimen, part.thickness)
    scan_first = np.unique(scan, return_index=True)[1]
    votes = majority_votes(predicted, part.probability, scan, len(scan_first))
    right = votes == part.class_index[scan_first]
    owner = part.specimen[scan_first]
    flipped, directed = _flips(part, part.class_index, predicted)
    confidences = count_confidences(
        part.probability.max(axis=1).astype(float),
        predicted == part.class_index,
        flipped,
        directed,
        part.specimen,
    )
    return SpecimenScores(
        class_index=part.class_index[first],
        confusion=confusion,
        votes_right=np.bincount(owner, weights=right, minlength=n).astype(np.int64),
        votes=np.bincount(owner, minlength=n),
        directions=part.class_directions,
        shares=_pattern_shares(part) | _cell_shares(part),
        confidences=confidences,
    )


def ensemble(parts: Sequence[DomainPredictions]) -> DomainPredictions:
    """Average the calibrated probabilities that several training seeds give the same patterns.

    Parameters
    ----------
    parts : sequence of DomainPredictions
        One per seed, for one data domain.

    Returns
    -------
    DomainPredictions
        Under the model's name and `ENSEMBLE`, with the first seed's number. Thresholds and the
        temperature of cells are the seeds' means, so that conformal sets have no guarantee of
        their own.

    Raises
    ------
    PolarstemError
        If the patterns are not the same.
    """
    first = parts[0]
    for part in parts[1:]:
        same = part.specimen_names == first.specimen_names and all(
            np.array_equal(getattr(part, name), getattr(first, name))
            for name in ("class_index", "specimen", "thickness", "scan_y", "scan_x")
        )
        if not same:
            raise PolarstemError(
                f"Seeds {first.run['seed']} and {part.run['seed']} of {first.run['model']} trained "
                f"on {first.run['source']} were tested on different patterns of {first.domain}; "
                "delete their predictions and run the same command again."
            )
    probability = np.stack([part.probability for part in parts]).mean(axis=0, dtype=np.float64)
    fitted = [part.calibration.attributes() for part in parts]
    common = set.intersection(*map(set, fitted))
    return replace(
        first,
        run={**first.run, "model": first.run["model"] + ENSEMBLE},
        probability=probability.astype(np.float32),
        calibration=Calibration.from_mapping(
            {name: float(np.mean([values[name] for values in fitted])) for name in common}
        ),
    )


def _flips(
    part: DomainPredictions, truth: NDArray[np.int64], predicted: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which predictions are opposite to the truth, and which angles exist."""
    angle = angular_difference(part.class_directions[truth], part.class_directions[predicted])
    return angle >= 180.0 - FLIP_TOLERANCE_DEG, np.isfinite(angle)


def _pattern_shares(part: DomainPredictions) -> Shares:
    """Added values and numbers of patterns, by metric and specimen."""
    probability = part.probability.astype(float)
    own = probability[np.arange(len(probability)), part.class_index]
    values = {
        "nll": -np.log(np.maximum(own, _TINY)),
        "brier": (probability**2).sum(1) - 2 * own + 1,
    }
    n = len(part.specimen_names)
    if part.calibration.threshold is None:
        return _by_specimen(values, part.specimen, n)
    sets = part.calibration.sets(probability, part.dose)
    held, size = sets[np.arange(len(sets)), part.class_index], sets.sum(1)
    values |= {"conformal_size": size, "conformal_coverage": held, "abstained": size != 1}
    # scans are what is alike or not, so each counts the same
    scan = group_index(part.specimen, part.thickness)
    first = np.unique(scan, return_index=True)[1]
    patterns = np.bincount(scan)
    scans = {"coverage": held, "answered": size == 1}
    means = {name: np.bincount(scan, values) / patterns for name, values in scans.items()}
    return _by_specimen(values, part.specimen, n) | _by_specimen(means, part.specimen[first], n)


def _cell_shares(part: DomainPredictions) -> Shares:
    """The same for unit cells."""
    cell = unit_cells(
        (part.specimen, part.thickness), part.scan_y, part.scan_x, part.cell_y, part.cell_x
    )
    inside = np.flatnonzero(cell >= 0)
    if not inside.size:
        return {}
    first = inside[np.unique(cell[inside], return_index=True)[1]]
    truth, specimen = part.class_index[first], part.specimen[first]
    probability = part.calibration.pool(part.probability, cell, part.dose)
    predicted = probability.argmax(axis=1)
    right = predicted == truth
    flipped, directed = _flips(part, truth, predicted)
    n = len(part.specimen_names)
    shares = _by_specimen({"cell_accuracy": right}, specimen, n)
    shares |= _by_specimen({"cell_flip_rate": flipped}, specimen, n, directed)
    if part.calibration.cell_threshold is not None:
        sets = part.calibration.cell_sets(probability, np.bincount(cell[inside]))
        answered, held = sets.sum(1) == 1, sets[np.arange(len(sets)), truth]
        told = {
            "abstained_cells": ~answered,
            "cell_coverage": held,
            "cells_answered_wrong": answered & ~right,
        }
        shares |= _by_specimen({"answered_cell_accuracy": right}, specimen, n, answered)
        shares |= _by_specimen(told, specimen, n)
    return shares


def _by_specimen(
    values: dict[str, NDArray],
    specimen: NDArray[np.int64],
    n: int,
    counted: NDArray[np.bool_] | None = None,
) -> Shares:
    """Sums and numbers per specimen, of those counted."""
    keep = np.ones(len(specimen), bool) if counted is None else counted
    where = specimen[keep]
    number = np.bincount(where, minlength=n).astype(float)
    return {
        name: (np.bincount(where, column[keep].astype(float), n).astype(float), number)
        for name, column in values.items()
    }
