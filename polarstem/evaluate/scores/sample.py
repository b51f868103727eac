# SPDX-License-Identifier: GPL-3.0-or-later
"""A number, how it changes without a crystal or a training seed, and the interval that follows.

The interval is Student's, with the standard error of the jackknife over strata. Its degrees of
freedom are those of Welch (B. L. Welch, Biometrika 34, 28 (1947)): a sum of variances that are
known from few crystals each is itself badly known, and two crystals tell little. Percentiles of a
bootstrap over so few are far too narrow. A score between bounds has its interval on the logit
scale, where it is less skew. Where all crystals are alike, for instance without any error, it has
the one that the counted patterns alone allow (C. Clopper and E. Pearson, Biometrika 26, 404
(1934)), as is usual for surveys (E. L. Korn and B. I. Graubard, Survey Methodology 24, 193 (1998)).
`benchmarks/coverage.py` measures how often these intervals hold the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from polarstem.evaluate.scores.metrics import FloatArray

_ROUNDING = 1e-24  # variance of numbers that are the same
_TELLS_NOTHING = 7.0  # an interval a thousand times as wide either way, and beyond
_EDGE = 5e-3  # nearer to a bound, in units of their distance, the logit scale says nothing


@dataclass(frozen=True)
class Sample:
    """A number and its replicates.

    Attributes
    ----------
    draws : ndarray, shape (1 + replicates,)
        The number itself, then its value without each crystal, and without each training seed.
    n : int
        Number of independent crystals; with fewer than two there is no interval.
    strata : ndarray of int, shape (replicates, 2), or None
        What each replicate leaves a part out of: the crystals of a test set or the seeds of a
        training, and the stratum of it. None if all belong together.
    bounds : (float, float) or None
        Between what the number lies; None for differences and ratios. The upper one may be
        infinite.
    counted : float
        Patterns, scans or cells that a score between bounds is a mean over, turned copies of one
        crystal counted once; 0 where nothing was counted.
    """

    draws: FloatArray
    n: int
    strata: NDArray[np.int64] | None = None
    bounds: tuple[float, float] | None = None
    counted: float = 0.0

    @property
    def value(self) -> float:
        """The number itself."""
        return float(self.draws[0])

    def error(self) -> tuple[float, float]:
        """Standard error and its degrees of freedom."""
        squares = (self.draws[1:] - self.draws[0]) ** 2
        strata = np.zeros((len(squares), 2), int) if self.strata is None else self.strata
        sources = []
        for source in np.unique(strata[:, 0]):
            parts = []
            for stratum in np.unique(strata[strata[:, 0] == source, 1]):
                here = squares[(strata == (source, stratum)).all(axis=1)]
                parts.append((here.sum() * (len(here) - 1) / len(here), len(here) - 1.0))
            sources.append(_added(parts, alike=True))
        variance, freedom = _added(sources, alike=False)
        return float(np.sqrt(variance)), freedom

    def interval(self, confidence: float) -> tuple[float, float]:
        """Interval at a level in (0, 1); NaN where the crystals tell nothing of the spread."""
        from scipy.stats import t as student_t  # which takes a second

        if self.n < 2 or len(self.draws) < 3 or not np.isfinite(self.draws).all():
            return np.nan, np.nan
        error, freedom = self.error()
        reach = float(student_t.ppf((1 + confidence) / 2, freedom)) * error
        if self.bounds is None:
            return self.value - reach, self.value + reach
        lower, upper = self.bounds
        if np.isinf(upper):
            power = reach / (self.value - lower) if reach else 0.0
            if power > _TELLS_NOTHING:
                return np.nan, np.nan
            factor = float(np.exp(power))
            return lower + (self.value - lower) / factor, lower + (self.value - lower) * factor
        width = upper - lower
        share = (self.value - lower) / width
        if reach:
            edge = 0.5 / self.counted if self.counted else _EDGE
            low, high = _on_logit_scale(share, reach / width, edge)
        elif self.counted:
            low, high = _counted_alone(share, self.counted, confidence)
        else:
            return self.value, self.value
        return lower + width * low, lower + width * high


def _added(parts: Sequence[tuple[float, float]], *, alike: bool) -> tuple[float, float]:
    """Add independent variances, each with its degrees of freedom, by Welch's estimate.

    Strata of a test set are much alike, and one that happens to show no spread does have some: so
    their sum has no fewer than half the degrees of freedom that it had if they were equal.
    """
    variance, freedom = (np.array(column, float) for column in zip(*parts, strict=True))
    counts = variance > max(_ROUNDING, _ROUNDING * variance.max())
    total = float(variance.sum())
    if not counts.any():
        return 0.0, float(freedom.sum())
    # of variances that are estimates themselves
    pooled = total**2 / (variance**2 / (freedom + 2)).sum() - 2
    most = freedom.sum() if alike else freedom[counts].sum()
    least = max(freedom[counts].min(), most / 2 if alike else 0.0)
    return total, float(np.clip(pooled, least, most))


def combine(function: Callable[..., Any], *samples: Sample) -> Sample:
    """Compute a number from others, replicate by replicate, so that what they share drops out."""
    draws: FloatArray = function(*(sample.draws for sample in samples))
    return Sample(draws, min(sample.n for sample in samples), samples[0].strata)


def average(*samples: Sample) -> Sample:
    """Mean of numbers of one kind, such as a score on several data domains."""
    mean = combine(lambda *draws: np.mean(draws, axis=0), *samples)
    if len({sample.bounds for sample in samples}) > 1:
        return mean
    counted = sum(sample.counted for sample in samples)
    return replace(mean, bounds=samples[0].bounds, counted=counted)


def over_seeds(
    draws: Sequence[FloatArray], strata: NDArray[np.int64]
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Average training seeds, whose replicates follow those of the crystals.

    Parameters
    ----------
    draws : sequence of ndarray, each of shape (1 + replicates,)
        The number and its replicates over crystals, for each seed.
    strata : ndarray of int, shape (replicates, 2)
        Strata of the crystals.

    Returns
    -------
    draws : ndarray, shape (1 + replicates,) or (1 + replicates + seeds,)
        Their mean; with several seeds, then the mean without each.
    strata : ndarray of int, shape (replicates, 2)
        Theirs, and that of the seeds.
    """
    mean = np.mean(draws, axis=0)
    if len(draws) < 2:
        return mean, strata
    seeds = np.full((len(draws), 2), (strata[:, 0].max(initial=-1) + 1, 0))
    return (
        np.append(mean, without_each([float(d[0]) for d in draws])),
        np.concatenate([strata, seeds]),
    )


def without_each(values: Sequence[float]) -> FloatArray:
    """Means of all values but one, for each, shape (values,)."""
    array = np.asarray(values, float)
    mean: FloatArray = (array.sum() - array) / (len(array) - 1)
    return mean


def _on_logit_scale(share: float, step: float, edge: float) -> tuple[float, float]:
    """Interval of a share in [0, 1]; plain and cut off where the share lies at a bound."""
    if not edge <= share <= 1 - edge:
        return max(0.0, share - step), min(1.0, share + step)
    slope = share * (1 - share)
    low, high = expit(logit(share) + np.array([-1, 1]) * step / slope)
    return float(low), float(high)


def _counted_alone(share: float, counted: float, confidence: float) -> tuple[float, float]:
    """Interval of a share if all that was counted were independent."""
    from scipy.stats import beta

    tail, right = (1 - confidence) / 2, share * counted
    low = beta.ppf(tail, right, counted - right + 1) if right > 0 else 0.0
    high = beta.ppf(1 - tail, right + 1, counted - right) if counted - right > 1e-9 else 1.0
    return float(low), float(high)
