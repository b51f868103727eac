# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether one score is better than another, by bootstrap over specimens.

Two models tested on the same specimens err on the same ones, so that their difference is known
much better than either score: it is resampled with the same specimens drawn for both (a paired
bootstrap). Scores on different specimens are resampled independently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from polarstem.errors import PolarstemError
from polarstem.evaluate.bootstrap import SpecimenScores, resampling_weights
from polarstem.evaluate.metrics import METRICS, FloatArray
from polarstem.evaluate.predictions import DomainPredictions
from polarstem.evaluate.scores import specimen_scores

Verdict = Literal["first", "second", "undecided"]
Predictions = DomainPredictions | Sequence[DomainPredictions]


@dataclass(frozen=True)
class Comparison:
    """A difference between two scores.

    Attributes
    ----------
    metric : str
        Name of the score.
    first, second : float
        The two scores, each the mean of its training seeds.
    difference, low, high : float
        First minus second, and its interval; NaN for a single specimen.
    n : int
        Specimens; the smaller number if they differ.
    paired : bool
        Whether both were tested on the same specimens.
    verdict : {"first", "second", "undecided"}
        Which is better: undecided if the interval holds 0.
    """

    metric: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    n: int
    paired: bool
    verdict: Verdict


def compare(
    first: Predictions,
    second: Predictions,
    metric: str,
    *,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Compare two models, or two data domains with the same specimens, specimen by specimen.

    Parameters
    ----------
    first, second : DomainPredictions or sequence of them
        What is compared; several are training seeds of one model on one data domain, whose
        scores are averaged and which are resampled too.
    metric : str
        A name in `polarstem.evaluate.metrics.METRICS`.
    resamples : int
        Bootstrap resamples.
    confidence : float
        Level of the interval, in (0, 1).
    seed : int
        Seed of the resampling.

    Raises
    ------
    PolarstemError
        If the specimens differ, or a side has no such score.
    """
    sides = [_scores(side, metric) for side in (first, second)]
    names = [_listed(side)[0].specimen_names for side in (first, second)]
    if names[0] != names[1]:
        raise PolarstemError(
            f"The predictions of {_name(first)} and {_name(second)} are of different specimens, so "
            "that they cannot be compared in pairs; use compare_unpaired."
        )
    rng = np.random.default_rng(seed)
    weights = resampling_weights(sides[0][0].class_index, resamples, rng)
    draws = [_draws(side, metric, weights, rng) for side in sides]
    return _comparison(sides, metric, draws, confidence, paired=True)


def compare_unpaired(
    first: Predictions,
    second: Predictions,
    metric: str,
    *,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Compare scores on different specimens, such as those of two data domains.

    Parameters and errors are those of `compare`, but for the specimens, which may differ.
    """
    sides = [_scores(side, metric) for side in (first, second)]
    rng = np.random.default_rng(seed)
    draws = [
        _draws(side, metric, resampling_weights(side[0].class_index, resamples, rng), rng)
        for side in sides
    ]
    return _comparison(sides, metric, draws, confidence, paired=False)


def _listed(side: Predictions) -> Sequence[DomainPredictions]:
    return [side] if isinstance(side, DomainPredictions) else side


def _name(side: Predictions) -> str:
    part = _listed(side)[0]
    return f"{part.run['model']} trained on {part.run['source']} and tested on {part.domain}"


def _scores(side: Predictions, metric: str) -> list[SpecimenScores]:
    """Scores of each seed."""
    parts = _listed(side)
    if any(part.specimen_names != parts[0].specimen_names for part in parts):
        raise PolarstemError(f"The seeds of {_name(side)} are of different specimens.")
    scores = [specimen_scores(part) for part in parts]
    if any(metric not in part.evaluate(np.ones((1, part.n))) for part in scores):
        raise PolarstemError(
            f"There is no {metric!r} of {_name(side)}; it has no such score, or none is known "
            f"of this name ({', '.join(METRICS)})."
        )
    return scores


def _draws(
    scores: list[SpecimenScores], metric: str, weights: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Resampled scores, shape (resamples,): over specimens and, if there are several, seeds."""
    values = np.stack([part.evaluate(weights)[metric] for part in scores], axis=1)
    seeds = resampling_weights(np.zeros(len(scores), np.int64), len(weights), rng)
    mean: FloatArray = (seeds * values).mean(axis=1)
    return mean


def _comparison(
    sides: list[list[SpecimenScores]],
    metric: str,
    draws: list[FloatArray],
    confidence: float,
    paired: bool,
) -> Comparison:
    first, second = (
        float(np.mean([part.evaluate(np.ones((1, part.n)))[metric] for part in side]))
        for side in sides
    )
    n = min(side[0].n for side in sides)
    low = high = np.nan
    differences = draws[0] - draws[1]
    differences = differences[np.isfinite(differences)]
    if n > 1 and differences.size:
        tail = (1 - confidence) / 2
        low, high = (float(q) for q in np.quantile(differences, [tail, 1 - tail]))
    better: Verdict = "undecided"
    sign = METRICS[metric].better
    if sign and (low > 0 or high < 0):
        better = "first" if (low > 0) == (sign > 0) else "second"
    return Comparison(metric, first, second, first - second, low, high, n, paired, better)
