# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores of predicted polarization classes: their names, and those of a confusion matrix.

Every function takes confusion matrices of shape (..., true, predicted) and returns an array of
shape (...), so that thousands of resampled matrices are scored in one call. The counts may be
weighted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

FLIP_TOLERANCE_DEG = 1.0


def angular_difference(a: ArrayLike, b: ArrayLike) -> FloatArray:
    """Smallest angle between directions, both in degrees.

    Returns
    -------
    ndarray
        Angles in [0, 180] [deg]; NaN where a direction is NaN.
    """
    difference = np.abs(np.asarray(a, dtype=float) - np.asarray(b, dtype=float)) % 360.0
    return np.minimum(difference, 360.0 - difference)


def accuracy(confusion: ArrayLike, directions: ArrayLike) -> FloatArray:
    """Fraction of patterns whose class is predicted right."""
    counts = np.asarray(confusion, dtype=float)
    return _ratio(np.trace(counts, axis1=-2, axis2=-1), counts.sum((-2, -1)))


def balanced_accuracy(confusion: ArrayLike, directions: ArrayLike) -> FloatArray:
    """Mean over the classes present in the truth of the fraction predicted right."""
    counts = np.asarray(confusion, dtype=float)
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    return _mean_over_present(_ratio(right, counts.sum(-1)), counts)


def macro_f1(confusion: ArrayLike, directions: ArrayLike) -> FloatArray:
    """Mean F1 score over the classes present in the truth.

    A class that is predicted but absent from the truth is not averaged in (scikit-learn's
    ``labels=`` the classes of the truth): the patterns it took lower the recall of theirs.
    """
    counts = np.asarray(confusion, dtype=float)
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    return _mean_over_present(_ratio(2 * right, counts.sum(-1) + counts.sum(-2)), counts)


def mean_angular_error(confusion: ArrayLike, directions: ArrayLike) -> FloatArray:
    """Mean angle between the predicted and the true direction [deg].

    Random guesses give 90 degrees whatever the classes, if every direction has its opposite.
    Classes without an in-plane direction (NaN) are left out.
    """
    angles = _angles(directions)
    return _weighted(confusion, np.nan_to_num(angles), np.isfinite(angles))


def flip_rate(confusion: ArrayLike, directions: ArrayLike) -> FloatArray:
    """Fraction of patterns predicted opposite: 180 degrees from the truth, within 1 degree.

    A flip is the error that symmetry makes cheapest: the same axis, the wrong sign. Classes
    without an in-plane direction (NaN) are left out.
    """
    angles = _angles(directions)
    return _weighted(confusion, angles >= 180.0 - FLIP_TOLERANCE_DEG, np.isfinite(angles))


@dataclass(frozen=True)
class Metric:
    """How a score is computed, named and bounded.

    Attributes
    ----------
    score : callable or None
        Function of (confusion, directions); None if confusion matrices do not suffice.
    unit : str
        "fraction", "deg" or "1".
    upper : float
        Largest possible value; the smallest is 0.
    meaning : str
        One line for tables and captions.
    better : int
        1 if larger values are better, -1 if smaller ones are, 0 if neither.
    """

    score: Callable[[ArrayLike, ArrayLike], FloatArray] | None
    unit: str
    upper: float
    meaning: str
    better: int


def _fraction(meaning: str, better: int, score: Any = None) -> Metric:
    return Metric(score, "fraction", 1.0, meaning, better)


TABLE_METRICS: dict[str, Metric] = {
    "accuracy": _fraction("patterns predicted right", 1, accuracy),
    "balanced_accuracy": _fraction(
        "patterns predicted right, mean over the classes", 1, balanced_accuracy
    ),
    "macro_f1": _fraction("F1 score, mean over the classes", 1, macro_f1),
    "mean_angular_error": Metric(
        mean_angular_error, "deg", 180.0, "mean angle between predicted and true direction", -1
    ),
    "flip_rate": _fraction("patterns predicted 180 degrees off", -1, flip_rate),
    "majority_accuracy": _fraction("scans whose patterns vote for the right class", 1),
}
"""Those of the report's tables."""

CONFIDENCE_METRICS: dict[str, Metric] = {
    "nll": Metric(None, "1", np.inf, "mean negative log-probability of the true class", -1),
    "brier": Metric(None, "1", 2.0, "mean squared error of the probabilities, over classes", -1),
    "ece": _fraction("expected calibration error, 15 bins of confidence", -1),
    "aurc": _fraction("share of errors, averaged over coverages by falling confidence", -1),
    "accuracy_at_80": _fraction("the most confident 80 % of the patterns predicted right", 1),
    "flip_rate_at_80": _fraction(
        "the most confident 80 % of the patterns predicted 180 degrees off", -1
    ),
    "conformal_size": Metric(None, "1", np.inf, "classes in a pattern's conformal set", 0),
    "conformal_coverage": _fraction("patterns whose conformal set holds the true class", 0),
    "abstained": _fraction("patterns whose conformal set is not one class", 0),
    "coverage": _fraction("patterns whose conformal set holds the true class, mean over scans", 0),
    "answered": _fraction("patterns whose conformal set is one class, mean over scans", 0),
    "cell_accuracy": _fraction("unit cells predicted right, their patterns pooled", 1),
    "cell_flip_rate": _fraction("unit cells predicted 180 degrees off", -1),
    "answered_cell_accuracy": _fraction(
        "unit cells predicted right of those whose conformal set is one class", 1
    ),
    "abstained_cells": _fraction("unit cells whose conformal set is not one class", 0),
    "cell_coverage": _fraction("unit cells whose conformal set holds the true class", 0),
    "cells_answered_wrong": _fraction("unit cells whose conformal set is one wrong class", -1),
}
"""Those of probabilities, conformal sets and unit cells."""

METRICS = TABLE_METRICS | CONFIDENCE_METRICS

SCAN_METRICS = ("coverage", "answered")
"""Those of conformal sets that the summary tells for every model and data domain."""

CONTROL_METRICS = ("conformal_size", "abstained", "abstained_cells")
"""Those that mean something where no class is right."""


def majority_votes(
    predicted: ArrayLike, probability: ArrayLike, scan: ArrayLike, n_scans: int
) -> NDArray[np.int64]:
    """Class that most patterns of each scan are given; ties go to the larger mean probability.

    Parameters
    ----------
    predicted : array_like of int, shape (n,)
        Predicted class of each pattern.
    probability : array_like of float, shape (n, n_classes)
        Probabilities of the classes.
    scan : array_like of int, shape (n,)
        Which scan each pattern belongs to.
    n_scans : int
        Number of scans, each with at least one pattern.

    Returns
    -------
    ndarray of int64, shape (n_scans,)
        The voted classes.
    """
    probability = np.asarray(probability, dtype=np.float64)
    scan = np.asarray(scan, dtype=np.int64)
    n_classes = probability.shape[1]
    pairs = scan * n_classes + np.asarray(predicted, dtype=np.int64)
    votes = np.bincount(pairs, minlength=n_scans * n_classes).reshape(n_scans, n_classes)
    mean = np.zeros((n_scans, n_classes))
    np.add.at(mean, scan, probability)
    mean /= np.bincount(scan, minlength=n_scans)[:, None]
    leaders = votes == votes.max(axis=1, keepdims=True)
    return np.where(leaders, mean, -1.0).argmax(axis=1)


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    empty = np.full(numerator.shape, np.nan)
    return np.divide(numerator, denominator, out=empty, where=denominator > 0)


def _mean_over_present(score: FloatArray, counts: FloatArray) -> FloatArray:
    present = counts.sum(-1) > 0
    return _ratio(np.where(present, score, 0.0).sum(-1), present.sum(-1).astype(float))


def _angles(directions: ArrayLike) -> FloatArray:
    directions = np.asarray(directions, dtype=float)
    return angular_difference(directions[:, None], directions[None, :])


def _weighted(confusion: ArrayLike, value: ArrayLike, valid: NDArray[np.bool_]) -> FloatArray:
    counts = np.where(valid, np.asarray(confusion, dtype=float), 0.0)
    return _ratio((counts * np.asarray(value, dtype=float)).sum((-2, -1)), counts.sum((-2, -1)))
