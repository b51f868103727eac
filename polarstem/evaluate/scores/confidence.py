# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores of confidences, from counts per specimen, for thousands of resamples at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarstem.evaluate.scores.metrics import FloatArray

ECE_BINS = 15
RANK_BINS = 200
COVERAGE = 0.8


@dataclass(frozen=True)
class ConfidenceCounts:
    """Patterns of each specimen by their confidence, the probability of the predicted class.

    Attributes
    ----------
    calibration : ndarray, shape (specimens, 3, ECE_BINS)
        Number, added confidences and right predictions in equal bins of confidence from 0 to 1.
    ranked : ndarray, shape (specimens, 4, bins)
        Number, errors, flips, and patterns of classes with a direction, added up from the most
        to the least confident. Patterns of one confidence share a bin.
    """

    calibration: FloatArray
    ranked: FloatArray

    def evaluate(self, weights: FloatArray) -> dict[str, FloatArray]:
        """Every score of the specimens under weights (resamples, specimens)."""
        number, _, _ = bins = _weighted(weights, self.calibration)
        gap = np.abs(bins[1] - bins[2]).sum(1) / number.sum(1)
        patterns, errors, flips, directed = _weighted(weights, self.ranked)
        coverage = np.diff(patterns, axis=1, prepend=0) / patterns[:, -1:]
        with np.errstate(invalid="ignore"):  # no pattern yet, or none with a direction
            risk = np.where(patterns > 0, errors / patterns, 0.0)
            kept = COVERAGE * patterns[:, -1]
            errors, flips, directed = _reach(patterns, kept, (errors, flips, directed))
            return {
                "ece": gap,
                "aurc": (coverage * risk).sum(1),
                "accuracy_at_80": 1 - errors / kept,
                "flip_rate_at_80": flips / directed,
            }


def count_confidences(
    confidence: FloatArray,
    right: NDArray[np.bool_],
    flipped: NDArray[np.bool_],
    directed: NDArray[np.bool_],
    specimen: NDArray[np.int64],
) -> ConfidenceCounts:
    """Count patterns by confidence.

    Parameters
    ----------
    confidence : ndarray, shape (n,)
        Probability of the predicted class.
    right, flipped, directed : ndarray of bool, shape (n,)
        Predicted right; predicted opposite; of a class with an in-plane direction.
    specimen : ndarray of int, shape (n,)
        Specimen of each pattern, counted from 0.

    Returns
    -------
    ConfidenceCounts
        The counts. Their `ece` is the expected calibration error (C. Guo et al., Proc. ICML 70,
        1321 (2017)), their `aurc` the area under the risk-coverage curve (Y. Geifman, G. Uziel
        and R. El-Yaniv, ICLR 2019), exact up to 200 different confidences and else with them
        binned by rank.
    """
    level = np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)
    values, place = np.unique(-confidence, return_inverse=True)
    rank = place
    if len(values) > RANK_BINS:
        before = np.cumsum(np.bincount(place)) - np.bincount(place)
        rank = (before * RANK_BINS // len(confidence))[place]
    ones = np.ones(len(confidence))
    calibration = [_histogram(specimen, level, ECE_BINS, w) for w in (ones, confidence, right)]
    kinds = (ones, ~right, flipped, directed)
    ranked = [_histogram(specimen, rank, min(len(values), RANK_BINS), w) for w in kinds]
    return ConfidenceCounts(np.stack(calibration, axis=1), np.stack(ranked, axis=1).cumsum(axis=-1))


def _histogram(
    specimen: NDArray[np.int64], place: NDArray[np.int64], bins: int, weight: NDArray[np.generic]
) -> FloatArray:
    """Added weights by specimen and bin, shape (specimens, bins)."""
    size = int(specimen.max() + 1) * bins
    counts = np.bincount(specimen * bins + place, weight.astype(float), size).astype(float)
    return counts.reshape(-1, bins)


def _weighted(weights: FloatArray, counts: FloatArray) -> FloatArray:
    """Sums over specimens, shape (kinds, resamples, bins)."""
    specimens, kinds, bins = counts.shape
    total = weights @ counts.reshape(specimens, kinds * bins)
    return total.reshape(len(weights), kinds, bins).swapaxes(0, 1)


def _reach(
    patterns: FloatArray, kept: FloatArray, others: tuple[FloatArray, ...]
) -> list[FloatArray]:
    """Values of other running sums (resamples, bins) where that of patterns reaches `kept`."""
    rows = np.arange(len(kept))
    here = np.minimum((patterns < kept[:, None]).sum(1), patterns.shape[1] - 1)
    reached = []
    for sums in (patterns, *others):
        before = np.where(here > 0, sums[rows, here - 1], 0.0)
        reached.append((before, sums[rows, here] - before))
    (before, step), *rest = reached
    share = np.divide(kept - before, step, out=np.zeros_like(kept), where=step > 0)
    return [start + share * gain for start, gain in rest]
