# SPDX-License-Identifier: GPL-3.0-or-later
"""Probabilities that can be taken at their word, and when to give no answer.

Everything here is fitted on validation patterns alone. The probability of a class becomes
``softmax(log(p) / T)`` with a temperature T (C. Guo et al., Proc. ICML 70, 1321 (2017)). Where a
model rules the truth out, as neighbours that vote do, no temperature helps, and a share of guesses
is mixed in as well. The most probable class stays the same.

A pattern's conformal set holds the classes at least as probable as a threshold, which is chosen so
that the sets of new patterns of the same conditions hold the truth with a probability of 90 %
(M. Sadinle, J. Lei and L. Wasserman, J. Am. Stat. Assoc. 114, 223 (2019)). A set of several classes
says that the pattern is ambiguous, an empty one that it is unlike the validation patterns; the
model has an answer where the set is one class.

The patterns of a unit cell are pooled by the mean of their log-probabilities, with a temperature
and a threshold of their own, since neighbouring patterns err together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from polarstem.data.cells import unit_cells

if TYPE_CHECKING:
    from polarstem.data.patterns import PatternSet
    from polarstem.models.base import Model

LEVEL = 0.9
"""Probability with which a conformal set holds the true class."""
INFO_KEY = "calibration"
"""Where `Model.info` keeps it."""
PREFIX = "calibration_"
"""How the attributes of a prediction file begin that keep it."""
_BATCH = 1024
_TEMPERATURES = (0.02, 50.0)
_GUESSES = (1e-5, 0.9)
_TINY = 1e-12
_ROUNDING = 1e-6  # of a probability: those on file are in single precision

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """What turns a model's class scores into probabilities and sets of classes.

    Attributes
    ----------
    temperature, guesses : float
        Of single patterns; 1 and 0 leave the probabilities as they are.
    threshold : float or None
        Smallest probability of a class in a pattern's conformal set; None if it was not fitted.
    cell_temperature, cell_threshold : float, float or None
        The same for unit cells; not fitted if the validation patterns do not fill any.
    """

    temperature: float = 1.0
    guesses: float = 0.0
    threshold: float | None = None
    cell_temperature: float = 1.0
    cell_threshold: float | None = None

    @classmethod
    def of(cls, model: Model) -> Self:
        """Calibration that a model carries; the identity if it has none."""
        return cls.from_mapping(model.info.get(INFO_KEY, {}))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], prefix: str = "") -> Self:
        """Take what `attributes` gave; other keys are passed over."""
        keys = {field.name: prefix + field.name for field in fields(cls)}
        return cls(**{name: float(values[key]) for name, key in keys.items() if key in values})

    def attributes(self, prefix: str = "") -> dict[str, float]:
        """What was fitted, by name."""
        return {prefix + name: value for name, value in asdict(self).items() if value is not None}

    def apply(self, probability: ArrayLike) -> FloatArray:
        """Calibrated probabilities of patterns.

        Parameters
        ----------
        probability : array_like, shape (n, classes)
            What the model's `predict_proba` gives.

        Returns
        -------
        ndarray, shape (n, classes)
            Probabilities with the same order of the classes.
        """
        given = np.asarray(probability, float)
        return _tempered(given, self.temperature, self.guesses) if given.size else given

    def pool(self, probability: ArrayLike, cell: NDArray[np.integer]) -> FloatArray:
        """Calibrated probabilities of unit cells.

        Parameters
        ----------
        probability : array_like, shape (n, classes)
            Calibrated probabilities of patterns.
        cell : ndarray of int, shape (n,)
            Cell of each pattern, counted from 0; -1 for none.

        Returns
        -------
        ndarray, shape (cells, classes)
            Softmax of the mean log-probability over `cell_temperature`.
        """
        return _tempered(_pooled(np.asarray(probability, float), cell), self.cell_temperature)


def calibrate(model: Model, validation: PatternSet) -> Calibration:
    """Fit temperatures and conformal thresholds of a trained model.

    Parameters
    ----------
    model : Model
        The trained model.
    validation : PatternSet
        Patterns that it was not trained on; those of a negative class are left out.

    Returns
    -------
    Calibration
        The fitted numbers. A handful of cells cannot support a level of 90 %: with fewer than 9
        the cell threshold is that of the least certain one.

    Notes
    -----
    Temperatures minimise the cross entropy with smoothed labels, ``(n + 1) / (n + classes)`` for
    the true class of n patterns and the rest spread evenly (after J. Platt, in Advances in Large
    Margin Classifiers, MIT Press (1999)). Without them a validation set without an error would
    ask for certainty.
    """
    usable = validation.select(np.flatnonzero(validation.class_index >= 0))
    scores = [model.predict_proba(patterns) for _, patterns in usable.batches(_BATCH)]
    given, labels = np.concatenate(scores).astype(float), usable.class_index
    ruled_out = (given[np.arange(len(labels)), labels] == 0).any()
    ranges = (_TEMPERATURES, _GUESSES) if ruled_out else (_TEMPERATURES,)
    temperature, guesses = (*_fit(given, labels, ranges), 0.0)[:2]
    probability = _tempered(given, temperature, guesses)
    found = Calibration(temperature, guesses, _threshold(probability, labels))
    scan = (usable.domain, usable.specimen, usable.thickness, labels)
    cell = unit_cells(scan, usable.scan_y, usable.scan_x, usable.cell_y, usable.cell_x)
    if cell.max() < 0:
        return found
    means = _pooled(probability, cell)
    _, first = np.unique(cell[cell >= 0], return_index=True)
    labels = labels[cell >= 0][first]
    (cell_temperature,) = _fit(means, labels, (_TEMPERATURES,))
    cell_threshold = _threshold(_tempered(means, cell_temperature), labels)
    return Calibration(temperature, guesses, found.threshold, cell_temperature, cell_threshold)


def _tempered(probability: FloatArray, temperature: float, guesses: float = 0.0) -> FloatArray:
    """Sharpen or flatten probabilities (n, classes), and mix in guesses; zeros stay exact."""
    scaled = (probability / probability.max(axis=1, keepdims=True)) ** (1 / temperature)
    scaled /= scaled.sum(axis=1, keepdims=True)
    return (1 - guesses) * scaled + guesses / scaled.shape[1]


def _pooled(probability: FloatArray, cell: NDArray[np.integer]) -> FloatArray:
    """Geometric means over cells (cells, classes), up to a factor for each cell."""
    inside = cell >= 0
    count = np.bincount(cell[inside])
    total = np.zeros((len(count), probability.shape[1]))
    np.add.at(total, cell[inside], np.log(np.maximum(probability[inside], _TINY)))
    means = total / count[:, None]
    return np.exp(means - means.max(axis=1, keepdims=True))


def _fit(
    probability: FloatArray, labels: NDArray[np.integer], ranges: tuple[tuple[float, float], ...]
) -> tuple[float, ...]:
    """Parameters of `_tempered`, searched in their logarithms, that fit the labels best."""
    n, classes = probability.shape
    target = np.full((n, classes), 1 / (n + classes))
    target[np.arange(n), labels] = (n + 1) / (n + classes)

    def loss(logarithms: FloatArray) -> float:
        fitted = _tempered(probability, *np.exp(logarithms))
        return float(-np.mean(np.sum(target * np.log(np.maximum(fitted, _TINY)), axis=1)))

    start = np.log([1.0, 0.01][: len(ranges)])
    simplex = np.vstack([start, start + np.eye(len(start))])  # the default one is tiny at 0
    options = {"initial_simplex": simplex, "xatol": 1e-3}
    found = minimize(loss, start, bounds=np.log(ranges), method="Nelder-Mead", options=options)
    return tuple(float(value) for value in np.exp(found.x))


def _threshold(probability: FloatArray, labels: NDArray[np.integer]) -> float:
    """The probability that ``ceil(0.9 (n + 1))`` of n true classes reach, or all if n is small."""
    own = np.sort(probability[np.arange(len(labels)), labels])[::-1]
    rank = min(len(own), math.ceil(LEVEL * (len(own) + 1)))
    return float(own[rank - 1] * (1 - _ROUNDING))
