# SPDX-License-Identifier: GPL-3.0-or-later
"""Bootstrap intervals over specimens.

Patterns of one specimen share its atoms and its thickness, so they are no independent samples:
the specimen is. Each resample therefore draws whole specimens, within their classes, because the
number of specimens of a class is set by the design and is not random.

Plain resampling of n specimens makes intervals too narrow by sqrt((n - 1) / n), which matters at
the two or three specimens per class that simulation affords. Each stratum therefore draws n - 1
specimens and weights them by n / (n - 1) (Rao and Wu, J. Am. Stat. Assoc. 83, 231 (1988)), which
makes the variance of a mean unbiased. Classes with a single specimen are pooled into one stratum:
what differs between classes then widens the interval instead of vanishing from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from polarstem.evaluate.scores.confidence import ConfidenceCounts
from polarstem.evaluate.scores.metrics import METRICS, FloatArray


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
    shares: dict[str, tuple[FloatArray, FloatArray]] = field(default_factory=dict)
    confidences: ConfidenceCounts | None = None

    @property
    def n(self) -> int:
        """Number of specimens."""
        return len(self.class_index)

    def evaluate(self, weights: FloatArray) -> dict[str, FloatArray]:
        """Every metric of the specimens under weights.

        Parameters
        ----------
        weights : ndarray, shape (resamples, specimens)
            How much each specimen counts.

        Returns
        -------
        dict of str to ndarray, shape (resamples,)
            Values by metric.
        """
        k = self.confusion.shape[-1]
        confusion = (weights @ self.confusion.reshape(self.n, k * k)).reshape(-1, k, k)
        scores = {
            name: metric.score(confusion, self.directions)
            for name, metric in METRICS.items()
            if metric.score is not None
        }
        shares = {"majority_accuracy": (self.votes_right, self.votes), **self.shares}
        with np.errstate(invalid="ignore"):  # a resample without one of those counted
            for name, (total, number) in shares.items():
                scores[name] = (weights @ total) / (weights @ number)
        if self.confidences is not None:
            scores |= self.confidences.evaluate(weights)
        return {name: scores[name] for name in METRICS if name in scores}


def resampling_weights(
    class_index: NDArray[np.int64], resamples: int, rng: np.random.Generator
) -> FloatArray:
    """Weights of the specimens in each resample.

    Parameters
    ----------
    class_index : ndarray of int, shape (specimens,)
        Class of each specimen.
    resamples : int
        Number of resamples.
    rng : Generator
        Source of the draws.

    Returns
    -------
    ndarray, shape (resamples, specimens)
        Non-negative weights whose sum within a stratum is its number of specimens. A stratum of
        one specimen keeps weight 1.
    """
    class_index = np.asarray(class_index)
    _, inverse, sizes = np.unique(class_index, return_inverse=True, return_counts=True)
    stratum = np.where(sizes[inverse] > 1, inverse, -1)
    weights = np.ones((resamples, len(class_index)))
    for label in np.unique(stratum):
        members = np.flatnonzero(stratum == label)
        n = len(members)
        if n > 1:
            draws = rng.multinomial(n - 1, np.full(n, 1 / n), size=resamples)
            weights[:, members] = draws * (n / (n - 1))
    return weights


def bootstrap_metrics(
    scores: SpecimenScores, resamples: int, confidence: float, seed: int
) -> dict[str, tuple[float, float, float]]:
    """Every metric with its percentile interval over specimens.

    Parameters
    ----------
    scores : SpecimenScores
        What was counted per specimen.
    resamples : int
        Number of resamples.
    confidence : float
        Level of the interval, in (0, 1).
    seed : int
        Seed of the resampling; the same specimens and seed give the same resamples, so that
        models are compared on equal draws.

    Returns
    -------
    dict of str to (value, low, high)
        By metric. `low` and `high` are NaN for a single specimen, which says nothing about the
        spread between specimens. An interval of zero width means that all resamples agree (for
        instance that no specimen has an error), not that nothing is uncertain.
    """
    values = scores.evaluate(np.ones((1, scores.n)))
    if scores.n < 2:
        return {name: (float(value[0]), np.nan, np.nan) for name, value in values.items()}
    rng = np.random.default_rng(seed)
    draws = scores.evaluate(resampling_weights(scores.class_index, resamples, rng))
    tail = (1 - confidence) / 2
    intervals = {}
    for name, value in values.items():
        finite = draws[name][np.isfinite(draws[name])]
        low, high = np.quantile(finite, [tail, 1 - tail]) if finite.size else (np.nan, np.nan)
        intervals[name] = (float(value[0]), float(low), float(high))
    return intervals
