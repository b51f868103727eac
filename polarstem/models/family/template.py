# SPDX-License-Identifier: GPL-3.0-or-later
"""Template matching: how probable are the counts if a training pattern were the truth?

For a pattern p (fractions of the beam) of N electrons and a template t the Poisson log-likelihood
is N (sum p log t - sum t), up to what no template changes. A class is as probable as the mean
likelihood of its templates, so thickness, tilt and position are marginalised over those of the
training set: with templates as dense as the conditions vary, and the right N, that is Bayes' rule
and no classifier does better.

Templates are never that dense, and the misfit they leave has to count as noise. It is that of
N0 electrons, 1/N' = 1/N + 1/N0 takes the place of N, and N0 is fitted to the validation patterns.
There, the likeliest template leaves the misfit M0 (the median of `misfit`). A pattern of other
conditions leaves more; its answer stays and is less sure: the classes' log-likelihoods are divided
by the root of (1/N + M / M0 / N0) / (1/N + 1/N0). That is an estimate of the dispersion from the
residuals (R. W. M. Wedderburn, Biometrika 61, 439 (1974)); the root, where that theory has none,
was found to keep the confidence right at other thicknesses and with moving atoms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from threadpoolctl import threadpool_limits

from polarstem.models.arrays import ArrayModel
from polarstem.models.base import Array
from polarstem.models.options import FamilyOptions

if TYPE_CHECKING:
    from torch import Tensor

    from polarstem.data.patterns import PatternSet
    from polarstem.models.job import FitJob

BACKGROUND = 1e-3
"""Share of the beam that a template spreads evenly: no pixel is impossible."""
PRIOR = 1000.0
"""Electrons that the mean of all templates is worth beside a template that was counted."""
TABLE = 2**24
"""Log-likelihoods in memory at a time."""
MISMATCH = (1.0, 1e7)
"""Range of N0 [electrons]."""
MOST_ELECTRONS = 1e9
TINY = 1e-9
"""Least misfit [1/electron]."""


@dataclass(frozen=True)
class TemplateOptions(FamilyOptions):
    """Options of the family."""

    templates: int = 16384


class TemplateModel(ArrayModel):
    """Poisson likelihood of a pattern under the training patterns, in all their turns.

    A pattern is turned instead of the templates. Beyond `templates` training patterns, so many are
    drawn at random.
    """

    family = "template"
    respects_symmetry = True
    options_type = TemplateOptions
    settings: TemplateOptions

    @classmethod
    def describe(cls, settings: Mapping[str, Any]) -> str:
        """The likelihood."""
        return "Poisson likelihood under the training patterns, in all their turns"

    def fit(self, train: PatternSet, validation: PatternSet, job: FitJob) -> Self:
        """Learn from labelled patterns; see `Model.fit`. Quick enough not to need resuming."""
        self._check_training(train, validation)
        random = np.random.default_rng(job.seed)
        kept = np.sort(random.permutation(train.n)[: self.settings.templates])
        chosen = train.select(kept[np.argsort(train.class_index[kept], kind="stable")])
        patterns, labels = self._staged(chosen, validation, job)
        self._arrays = {"templates": np.array(patterns), "labels": labels}
        self._restored()
        some = random.permutation(validation.n)[: max(64, 4 * TABLE // self._size)]
        with threadpool_limits(job.threads):
            self._calibrate(validation.read(some), validation.class_index[some])
        return self

    def predict_proba(self, patterns: NDArray[Any]) -> Array:
        """Class probabilities (n, n_classes) of patterns (n, ky, kx)."""
        import torch

        return torch.from_numpy(self.embed(patterns)).softmax(dim=1).numpy()

    def embed(self, patterns: NDArray[Any]) -> Array:
        """Logarithm of the mean likelihood of each class (n, n_classes) for (n, ky, kx)."""
        checked = self._checked(patterns)
        evidence = np.empty((len(checked), len(self.class_names)), np.float32)
        size = max(1, TABLE // self._size)
        for start in range(0, len(checked), size):
            part = slice(start, start + size)
            evidence[part] = self._evidence(self._match(checked[part]))
        return evidence

    @property
    def _size(self) -> int:
        """Log-likelihoods of one pattern."""
        return len(self._symmetry.operations) * len(self._arrays["templates"])

    def _restored(self) -> None:
        import torch

        from polarstem.models.augmentation import SquareSymmetry
        from polarstem.models.turned import averaged

        self._symmetry = SquareSymmetry(self._fitted_shape(), self.class_directions.tolist())
        templates = torch.from_numpy(self._arrays["templates"])
        mean = averaged(self._symmetry, templates.mean(dim=0, keepdim=True))
        # what was counted is not what is expected: the posterior mean of a gamma distribution
        doubt = PRIOR / (PRIOR + electrons(self._arrays["templates"]))
        expected = torch.lerp(templates, mean, torch.from_numpy(doubt).float()[:, None, None])
        floor = BACKGROUND / mean.numel()
        self._means = ((1 - BACKGROUND) * expected + floor).flatten(1)
        # against what looks alike in all turns: smaller numbers, less rounding
        self._logs = (self._means / (mean.flatten() + floor)).log()
        self._sums = self._means.sum(dim=1)
        counts = np.bincount(self._arrays["labels"], minlength=len(self.class_names))
        self._counts = counts.tolist()
        # templates that a class is compared with, over all turns
        self._shares = torch.from_numpy(counts[self._symmetry.permutations].sum(axis=0))

    def _match(self, patterns: Array) -> _Match:
        """Compare patterns with all templates, in all turns."""
        import torch

        raw, labels = torch.from_numpy(patterns), torch.zeros(len(patterns)).long()
        turns = range(len(self._symmetry.operations))
        turned = [self._symmetry.apply(t, raw, labels)[0].flatten(1) for t in turns]
        values = torch.stack(turned, dim=1)
        likelihood = values @ self._logs.T - self._sums
        best = likelihood.flatten(1).argmax(dim=1)
        turn, template = best // len(self._sums), best % len(self._sums)
        mean = self._means[template]
        found = values[torch.arange(len(patterns)), turn]
        noise = torch.from_numpy(1 / electrons(patterns)).float()
        return _Match(likelihood, noise, misfit(found, mean, noise))

    def _evidence(self, match: _Match) -> Tensor:
        """Logarithm of the mean likelihood of each class (n, n_classes), tempered by the misfit."""
        import torch

        typical, mismatch = self._arrays["calibration"].tolist()
        noise = match.noise + 1 / mismatch
        excess = (match.misfit / typical - 1).clip(min=0)
        temperature = (1 + excess / mismatch / noise).sqrt()
        scaled = match.likelihood / noise[:, None, None]
        parts = scaled.split(self._counts, dim=2)  # templates are sorted by class
        turned = torch.stack([part.logsumexp(dim=2) for part in parts], dim=2)
        own = [turned[:, t, new] for t, new in enumerate(self._symmetry.permutations)]
        return (torch.stack(own).logsumexp(dim=0) - self._shares.log()) / temperature[:, None]

    def _calibrate(self, patterns: Array, labels: NDArray[np.int64]) -> None:
        """Find M0 and N0."""
        import torch
        from torch.nn.functional import cross_entropy

        match, classes = self._match(self._checked(patterns)), torch.from_numpy(labels)
        typical = max(float(match.misfit.median()), TINY)
        # as if one more pattern could have been of any class: all right is no proof of certainty
        doubt = 1 / (len(labels) + 1)

        def loss(log_mismatch: float) -> float:
            self._arrays["calibration"] = np.array([typical, np.exp(log_mismatch)])
            return float(cross_entropy(self._evidence(match), classes, label_smoothing=doubt))

        bounds = np.log(MISMATCH)
        found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 0.02})
        loss(found.x)


class _Match(NamedTuple):
    """Patterns compared with templates.

    Attributes
    ----------
    likelihood : Tensor, shape (n, turn, template)
        Poisson log-likelihood per electron.
    noise : Tensor, shape (n,)
        One over the electrons of each pattern.
    misfit : Tensor, shape (n,)
        Misfit of the likeliest template, see `misfit`.
    """

    likelihood: Tensor
    noise: Tensor
    misfit: Tensor


def misfit(patterns: Tensor, means: Tensor, noise: Tensor) -> Tensor:
    """Squared deviation of patterns from their means that counting does not explain.

    For a Poisson count k of mean m, ``(k - m)^2 / (m + 1)`` has the mean ``m / (m + 1)`` and the
    variance ``(2 m^2 + m) / (m + 1)^2``, both bounded, so that dark pixels do no harm.

    Parameters
    ----------
    patterns, means : Tensor, shape (n, pixel)
        Fractions of the beam, found and expected.
    noise : Tensor, shape (n,)
        One over the electrons of each pattern.

    Returns
    -------
    Tensor, shape (n,)
        Sum over the pixels beyond its expectation and two standard deviations; without noise,
        chi squared per electron.
    """
    noise = noise[:, None]
    weight = 1 / (means + noise)
    square = (patterns - means).square() * weight
    expected = noise * means * weight
    variance = noise**2 * (2 * means**2 + noise * means) * weight**2
    return square.sum(1) - expected.sum(1) - 2 * variance.sum(1).sqrt()


def electrons(patterns: NDArray[np.float32]) -> NDArray[np.float64]:
    """Electrons of each pattern, told by its smallest step: counts are whole numbers.

    Parameters
    ----------
    patterns : ndarray, shape (n, ky, kx)
        Fractions of the beam.

    Returns
    -------
    ndarray, shape (n,)
        At most `MOST_ELECTRONS`, which a pattern without counting noise gets.
    """
    steps = np.diff(np.sort(patterns.reshape(len(patterns), -1), axis=1), axis=1)
    smallest = np.where(steps > 0, steps, np.inf).min(axis=1)
    return np.clip(1 / smallest.astype(float), 1.0, MOST_ELECTRONS)
