# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores of many models under the same resamples of the test specimens.

Data domains that hold the same specimens share their resamples, so that differences between
models and between conditions are paired: what is common to both, such as an easy specimen, drops
out of their interval. Data domains of other specimens are resampled on their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from polarstem.errors import PolarstemError
from polarstem.evaluate.scores.bootstrap import resampling_weights
from polarstem.evaluate.scores.metrics import FloatArray
from polarstem.evaluate.scores.per_specimen import specimen_scores
from polarstem.evaluate.scores.predictions import DomainPredictions, read_predictions
from polarstem.evaluate.scores.tables import position_bin, positions_per_cell
from polarstem.seeds import derive_seed


@dataclass(frozen=True)
class Sample:
    """A number and its resamples.

    Attributes
    ----------
    draws : ndarray, shape (1 + resamples,)
        The number itself, then its value in each resample of the specimens.
    n : int
        Number of specimens; with fewer than two there is no interval.
    """

    draws: FloatArray
    n: int

    @property
    def value(self) -> float:
        """The number itself."""
        return float(self.draws[0])

    def interval(self, confidence: float) -> tuple[float, float]:
        """Percentile interval over specimens; NaN where they tell nothing of the spread."""
        finite = self.draws[1:][np.isfinite(self.draws[1:])]
        if self.n < 2 or not finite.size:
            return np.nan, np.nan
        tail = (1 - confidence) / 2
        low, high = np.quantile(finite, [tail, 1 - tail])
        # a ratio or a rank correlation may be biased under resampling
        return float(min(low, self.draws[0])), float(max(high, self.draws[0]))


class Evidence:
    """The predictions of a run, ready to be compared.

    Parameters
    ----------
    prediction_paths : sequence of path
        Prediction files, ``{model}/{source}/{seed}.nc``.
    resamples : int
        Resamples of the specimens.
    seed : int
        The global seed.
    """

    def __init__(
        self, prediction_paths: Sequence[Path | str], *, resamples: int = 1000, seed: int = 0
    ) -> None:
        self._paths: dict[tuple[str, str], list[Path]] = {}
        for path in map(Path, prediction_paths):
            model, source = path.parts[-3:-1]
            self._paths.setdefault((model, source), []).append(path)
        self._resamples, self._seed = resamples, seed
        self._weights: dict[tuple[str, ...], FloatArray] = {}
        self._scored = cache(self._score_file)

    @property
    def runs(self) -> list[tuple[str, str]]:
        """Every (model, source) that has predictions."""
        return list(self._paths)

    def has(self, model: str, source: str, *domains: str) -> bool:
        """Whether a model trained on a source has predicted all these data domains."""
        paths = self._paths.get((model, source), [])
        return bool(paths) and all(self._scored(path, d) for path in paths for d in domains)

    def score(
        self, model: str, source: str, domains: Sequence[str], metric: str = "balanced_accuracy"
    ) -> Sample:
        """A metric, averaged over data domains and training seeds; resamples draw seeds as well.

        Parameters
        ----------
        model, source : str
            Trained model.
        domains : sequence of str
            Data domains, each counting alike.
        metric : str
            A metric of `SpecimenScores.evaluate`; NaN where it has no value.

        Returns
        -------
        Sample
            Its `n` is that of the data domain with the fewest specimens.

        Raises
        ------
        PolarstemError
            If one of the data domains was not predicted.
        """
        scored = [[self._found(p, d) for d in domains] for p in self._paths[model, source]]
        nothing = np.full(1 + self._resamples, np.nan)
        values = [[scores.get(metric, nothing) for scores, _ in parts] for parts in scored]
        draws = np.mean(self._seeds(model, source) * np.mean(values, axis=1), axis=0)
        return Sample(draws, min(n for parts in scored for _, n in parts))

    def predictions(self, model: str, source: str, domain: str) -> list[DomainPredictions]:
        """Predictions of one data domain, one for each training seed."""
        return [
            part
            for path in self._paths[model, source]
            for part in read_predictions(path, only=(domain,))
        ]

    def recurrence(self, model: str, source: str, domain: str, splits: int = 200) -> Sample:
        """Whether errors return at the same places of the cell in other specimens.

        Returns
        -------
        Sample
            Spearman's correlation between the error maps over the cell of two random halves of
            the specimens, each class split evenly: the mean over splits, and one draw for each
            split, with the specimens of each half resampled. NaN where no map varies, or a class
            has a single specimen.
        """
        parts = self.predictions(model, source, domain)
        bins = positions_per_cell(parts[0])
        maps = [_Maps.of(part, bins) for part in parts]
        joined = _Maps(
            np.sum([m.wrong for m in maps], axis=0), np.sum([m.count for m in maps], axis=0)
        )
        class_index = parts[0].class_index[np.unique(parts[0].specimen, return_index=True)[1]]
        rng = np.random.default_rng(derive_seed(self._seed, "halves", domain))
        whole, drawn = np.full((2, splits), np.nan)
        # halves of different classes would differ by their classes
        enough = np.unique(class_index, return_counts=True)[1].min() > 1
        for i in range(splits if enough else 0):
            half = _half(class_index, rng)
            weights = resampling_weights(2 * class_index + half, 1, rng)[0]
            whole[i] = _correlation(joined.rate(half), joined.rate(~half))
            drawn[i] = _correlation(joined.rate(weights * half), joined.rate(weights * ~half))
        value = np.nanmean(whole) if np.isfinite(whole).any() else np.nan
        return Sample(np.append(value, drawn), len(class_index))

    def _found(self, path: Path, domain: str) -> tuple[dict[str, FloatArray], int]:
        scored = self._scored(path, domain)
        if scored is None:
            raise PolarstemError(
                f"The predictions {path} lack the data domain {domain}; delete them and run the "
                "same command again."
            )
        return scored

    def _score_file(self, path: Path, domain: str) -> tuple[dict[str, FloatArray], int] | None:
        """Every metric under the resamples, and the number of specimens."""
        for part in read_predictions(path, only=(domain,)):
            scores = specimen_scores(part)
            weights = self._resampled(part.specimen_names, scores.class_index)
            return scores.evaluate(weights), scores.n
        return None

    def _seeds(self, model: str, source: str) -> FloatArray:
        """Weights of the training seeds, the same on every data domain: they are one network."""
        count = len(self._paths[model, source])
        rng = np.random.default_rng(derive_seed(self._seed, "seeds", model, source))
        weights = resampling_weights(np.zeros(count, np.int64), self._resamples, rng)
        return np.concatenate([np.ones((1, count)), weights]).T

    def _resampled(self, names: Sequence[str], class_index: NDArray[np.int64]) -> FloatArray:
        key = tuple(names)
        if key not in self._weights:
            rng = np.random.default_rng(derive_seed(self._seed, "evidence", *key))
            weights = resampling_weights(class_index, self._resamples, rng)
            self._weights[key] = np.concatenate([np.ones((1, len(key))), weights])
        return self._weights[key]


@dataclass(frozen=True)
class _Maps:
    """Wrong predictions and patterns, each of shape (specimens, bins of the cell)."""

    wrong: FloatArray
    count: FloatArray

    @classmethod
    def of(cls, part: DomainPredictions, bins: int) -> _Maps:
        n, size = len(part.specimen_names), bins**2
        bin_of = part.specimen * size + position_bin(part, bins)
        wrong = part.predicted != part.class_index
        return cls(
            np.bincount(bin_of[wrong], minlength=n * size).reshape(n, size).astype(float),
            np.bincount(bin_of, minlength=n * size).reshape(n, size).astype(float),
        )

    def rate(self, weights: NDArray[Any]) -> FloatArray:
        """Share of wrong predictions in each bin, shape (bins,)."""
        count = weights @ self.count
        return np.divide(
            weights @ self.wrong, count, out=np.full(len(count), np.nan), where=count > 0
        )


def _half(class_index: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Choose half of the specimens of each class; an odd one falls on either side."""
    chosen = np.zeros(len(class_index), bool)
    for label in np.unique(class_index):
        members = rng.permutation(np.flatnonzero(class_index == label))
        chosen[members[: (len(members) + rng.integers(2)) // 2]] = True
    return chosen


def _correlation(a: FloatArray, b: FloatArray) -> float:
    """Spearman's correlation where both are known; NaN if one of them does not vary."""
    known = np.isfinite(a) & np.isfinite(b)
    if known.sum() < 3 or np.ptp(a[known]) == 0 or np.ptp(b[known]) == 0:
        return np.nan
    return float(spearmanr(a[known], b[known]).statistic)
