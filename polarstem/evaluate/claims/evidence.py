# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores of many models without each crystal and each training seed in turn.

Data domains that hold the same crystals leave out the same ones, so that differences between models
and between conditions are paired: what is common to both, such as an easy crystal, drops out of
their interval. Crystals of other data domains are left out on their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.evaluate.scores.jackknife import (
    Crystals,
    Replicates,
    crystals_of_part,
    leave_one_out,
)
from polarstem.evaluate.scores.metrics import METRICS, FloatArray
from polarstem.evaluate.scores.per_specimen import SpecimenScores, specimen_scores
from polarstem.evaluate.scores.predictions import (
    DomainPredictions,
    read_predictions,
    read_specimens,
)
from polarstem.evaluate.scores.sample import Sample, average, combine, without_each

__all__ = ["Evidence", "Sample", "average", "combine"]

Statistic = Callable[[Sequence[DomainPredictions], Sequence[FloatArray]], float]
"""A number from the predictions of one or more data domains and the weights of their specimens."""


class Evidence:
    """The predictions of a run, ready to be compared.

    Parameters
    ----------
    prediction_paths : sequence of path
        Prediction files, ``{model}/{source}/{seed}.nc``.
    crystals : Crystals or None
        Which specimens are turned copies of one crystal; None if none are.
    """

    def __init__(
        self,
        prediction_paths: Sequence[Path | str],
        *,
        crystals: Crystals | None = None,
    ) -> None:
        self._paths: dict[tuple[str, str], list[Path]] = {}
        self._left_out: dict[tuple[tuple[str, ...], ...], Replicates] = {}
        self._columns: dict[object, slice] = {}  # of all draws, by what is left out
        self._of_domain: dict[tuple[Path, str], tuple[tuple[str, ...], ...]] = {}
        self._strata = np.empty((0, 2), np.int64)
        for path in map(Path, prediction_paths):
            model, source = path.parts[-3:-1]
            self._paths.setdefault((model, source), []).append(path)
            for domain, (names, class_index) in read_specimens(path).items():
                key = (names, tuple(crystals_of_part(crystals, domain, names)))
                self._of_domain[path, domain] = key
                if key not in self._left_out:
                    self._left_out[key] = leave_one_out(key[1], class_index)
                    # which of its crystals has which classes
                    carried = frozenset(zip(key[1], class_index.tolist(), strict=True))
                    if carried not in self._columns:
                        self._add(carried, self._left_out[key].strata)
                    self._columns[key] = self._columns[carried]
        for run, paths in self._paths.items():
            if len(paths) > 1:
                self._add(run, np.zeros((len(paths), 2), np.int64))
        self._scored = cache(self._score_file)

    @property
    def runs(self) -> list[tuple[str, str]]:
        """Every (model, source) that has predictions."""
        return list(self._paths)

    def has(self, model: str, source: str, *domains: str) -> bool:
        """Whether a model trained on a source has predicted all these data domains."""
        paths = self._paths.get((model, source), [])
        return bool(paths) and all((path, d) in self._of_domain for path in paths for d in domains)

    def score(
        self, model: str, source: str, domains: Sequence[str], metric: str = "balanced_accuracy"
    ) -> Sample:
        """A metric, averaged over data domains and training seeds.

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
            Its replicates leave out crystals, and seeds if there are several; its `n` is that of
            the data domain with the fewest crystals.

        Raises
        ------
        PolarstemError
            If one of the data domains was not predicted.
        """
        paths, counted = self._paths[model, source], 0.0
        draws = np.zeros((len(paths), 1 + len(self._strata)))
        for domain in domains:
            for seed, path in enumerate(paths):
                key = self._key(path, domain)
                values, scores = self._scored(path, domain)
                found = values.get(metric, np.full(1 + len(self._left_out[key].strata), np.nan))
                row = np.full(draws.shape[1], found[0])
                row[self._columns[key]] = found[1:]
                draws[seed] += row / len(domains)
            counted += scores.counted(metric) * self._left_out[key].n / scores.n
        bounds = (0.0, METRICS[metric].upper) if metric in METRICS else None
        return self._sample((model, source), domains, draws, bounds, counted)

    def statistic(
        self,
        model: str,
        source: str,
        domains: Sequence[str],
        function: Statistic,
        bounds: tuple[float, float] | None = None,
    ) -> Sample:
        """A number of the predictions of some data domains together, averaged over seeds.

        Parameters
        ----------
        model, source : str
            Trained model.
        domains : sequence of str
            Data domains.
        function : Statistic
            Computes the number from the predictions of each data domain and weights of shape
            (specimens,).
        bounds : (float, float) or None
            Between what the number lies, see `Sample`.

        Returns
        -------
        Sample

        Raises
        ------
        PolarstemError
            If one of the data domains was not predicted.
        """
        paths = self._paths[model, source]
        draws = np.empty((len(paths), 1 + len(self._strata)))
        for seed, path in enumerate(paths):
            keys = [self._key(path, domain) for domain in domains]
            read = {part.domain: part for part in read_predictions(path, only=domains)}
            parts = [read[domain] for domain in domains]
            whole = [self._left_out[key].weights[0] for key in keys]
            draws[seed] = function(parts, whole)
            for start, stop in {self._place(key) for key in keys}:
                here = [self._place(key) == (start, stop) for key in keys]
                for row in range(stop - start):
                    weights = [
                        self._left_out[key].weights[1 + row] if inside else all_of_it
                        for key, inside, all_of_it in zip(keys, here, whole, strict=True)
                    ]
                    draws[seed, start + row] = function(parts, weights)
        return self._sample((model, source), domains, draws, bounds)

    def crystals(self, model: str, source: str, domain: str) -> NDArray[np.int64]:
        """Crystal of each specimen of a data domain, numbered from 0, shape (specimens,)."""
        _, crystals = self._key(self._paths[model, source][0], domain)
        return np.unique(crystals, return_inverse=True)[1]

    def _add(self, what: object, strata: NDArray[np.int64]) -> None:
        """Make room for the replicates that leave out some crystals, or the seeds of a run."""
        start = 1 + len(self._strata)
        self._columns[what] = slice(start, start + len(strata))
        source = self._strata[:, 0].max(initial=-1) + 1
        self._strata = np.concatenate([self._strata, strata + np.array([source, 0])])

    def _place(self, what: object) -> tuple[int, int]:
        """First and last of the replicates that leave out some crystals, or seeds."""
        columns = self._columns[what]
        return columns.start, columns.stop

    def _key(self, path: Path, domain: str) -> tuple[tuple[str, ...], ...]:
        if (path, domain) not in self._of_domain:
            raise PolarstemError(
                f"The predictions {path} lack the data domain {domain}; delete them and run the "
                "same command again."
            )
        return self._of_domain[path, domain]

    def _score_file(self, path: Path, domain: str) -> tuple[dict[str, FloatArray], SpecimenScores]:
        """Every metric without each crystal, and what they were counted from."""
        weights = self._left_out[self._key(path, domain)].weights
        (part,) = read_predictions(path, only=(domain,))
        scores = specimen_scores(part)
        return scores.evaluate(weights), scores

    def _sample(
        self,
        run: tuple[str, str],
        domains: Sequence[str],
        draws: FloatArray,
        bounds: tuple[float, float] | None,
        counted: float = 0.0,
    ) -> Sample:
        """Average seeds (seeds, 1 + replicates); they are left out on all data domains at once."""
        mean = draws.mean(axis=0)
        if len(draws) > 1:
            mean[self._columns[run]] = without_each(draws[:, 0].tolist())
        path = self._paths[run][0]
        n = min(self._left_out[self._key(path, domain)].n for domain in domains)
        return Sample(mean, n, self._strata, bounds, counted)
