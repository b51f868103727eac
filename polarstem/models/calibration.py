# SPDX-License-Identifier: GPL-3.0-or-later
"""Probabilities that can be taken at their word, and when to give no answer.

The probability of a class becomes ``softmax(log(p) / T)`` with a temperature T (C. Guo et al.,
Proc. ICML 70, 1321 (2017)) that may change with the dose. Where a model rules the truth out, as
neighbours that vote do, no temperature helps, and a share of guesses is mixed in as well. The most
probable class stays the same.

A conformal set holds the classes from the most probable one on until their probabilities add up to
a threshold (Y. Romano, M. Sesia and E. J. Candès, NeurIPS 33, 3581 (2020), without their random
choice at the edge): never less than one class. The threshold is chosen so that sets hold the truth
with a probability of 90 % or more (`polarstem.models.calibration_fit`). The model has an answer
where the set is one class: where the most probable class reaches the threshold. It is never less
than a half, so that an answer is more probable than all others together.

The patterns of a unit cell are pooled by the mean of their log-probabilities, with a temperature
and a threshold of their own, since neighbouring patterns err together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from polarstem.models.base import Model

LEVEL = 0.9
"""Probability with which a conformal set holds the true class, at least."""
INFO_KEY = "calibration"
"""Where `Model.info` keeps it."""
PREFIX = "calibration_"
"""How the attributes of a prediction file begin that keep it."""
LEAST = 0.5 + 1e-6
"""Smallest threshold: of two classes that are equally probable, none is an answer."""
TEMPERATURES = (0.02, 50.0)
"""Smallest and largest temperature."""
_TINY = 1e-12
_ROUNDING = 1e-6  # doses on file are in single precision

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """What turns a model's class scores into probabilities and sets of classes.

    Where the dose is not known, or outside of the range that was calibrated, the largest
    temperature and the largest threshold of the range hold, or larger ones that the trend gives.

    Attributes
    ----------
    temperature, guesses : float
        Of single patterns, the temperature at that end of the range of doses where it is largest;
        1 and 0 leave the probabilities as they are.
    threshold : float or None
        What the probabilities of a pattern's conformal set add up to, at that end of the range of
        doses where it is largest; None if it was not fitted.
    cell_temperature, cell_threshold : float, float or None
        The same for unit cells of `cell_positions` patterns; not fitted if the calibration
        patterns do not fill any.
    temperature_per_decade, cell_temperature_per_decade : float
        Factor on the temperature for ten times the dose.
    threshold_per_decade : float
        What is added to `threshold` for ten times the dose.
    cell_positions : float
        Patterns of the cells that were fitted; more do not count. 0 if that is not known.
    cell_power : float
        `cell_temperature` falls with this power of the number of patterns.
    cell_threshold_per_halving : float
        What is added to `cell_threshold` for half the patterns.
    dose_low, dose_high : float or None
        Range of doses of the calibration patterns [electrons per pattern]; None where no electrons
        were counted, or it is not known.
    scans : float
        Number of scans that it was fitted on.
    """

    temperature: float = 1.0
    guesses: float = 0.0
    threshold: float | None = None
    cell_temperature: float = 1.0
    cell_threshold: float | None = None
    temperature_per_decade: float = 1.0
    threshold_per_decade: float = 0.0
    cell_temperature_per_decade: float = 1.0
    cell_positions: float = 0.0
    cell_power: float = 0.0
    cell_threshold_per_halving: float = 0.0
    dose_low: float | None = None
    dose_high: float | None = None
    scans: float = 0.0

    @classmethod
    def of(cls, model: Model) -> Self:
        """Calibration that a model carries; the identity if it has none."""
        return cls.from_mapping(model.info.get(INFO_KEY, {}))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], prefix: str = "") -> Self:
        """Take what `attributes` gave; other keys are passed over.

        Files of earlier versions do not count scans. Their threshold t is one that each class of a
        set reaches by itself, so that a probability of max(t, 1 - t) was an answer in any case.
        """
        keys = {field.name: prefix + field.name for field in fields(cls)}
        found = {name: float(values[key]) for name, key in keys.items() if key in values}
        if found and "scans" not in found:
            for name in {"threshold", "cell_threshold"} & set(found):
                found[name] = max(found[name], 1 - found[name])
        return cls(**found)

    def attributes(self, prefix: str = "") -> dict[str, float]:
        """What was fitted, by name."""
        return {prefix + name: value for name, value in asdict(self).items() if value is not None}

    def apply(self, probability: ArrayLike, dose: ArrayLike | None = None) -> FloatArray:
        """Calibrated probabilities of patterns.

        Parameters
        ----------
        probability : array_like, shape (n, classes)
            What the model's `predict_proba` gives.
        dose : array_like, shape (n,), optional
            Electrons per pattern; nan or None where it is not known.

        Returns
        -------
        ndarray, shape (n, classes)
            Probabilities with the same order of the classes.
        """
        given = np.asarray(probability, float)
        if not given.size:
            return given
        temperature = self._at_dose(self.temperature, self.temperature_per_decade, dose)
        return tempered(given, temperature, self.guesses)

    def pool(
        self,
        probability: ArrayLike,
        cell: NDArray[np.integer],
        dose: ArrayLike | None = None,
    ) -> FloatArray:
        """Calibrated probabilities of unit cells.

        Parameters
        ----------
        probability : array_like, shape (n, classes)
            Calibrated probabilities of patterns.
        cell : ndarray of int, shape (n,)
            Cell of each pattern, counted from 0; -1 for none.
        dose : array_like, shape (n,), optional
            Electrons per pattern; nan or None where it is not known.

        Returns
        -------
        ndarray, shape (cells, classes)
            Softmax of the mean log-probability over `cell_temperature` at the cell's dose and for
            its number of patterns.
        """
        inside = np.flatnonzero(cell >= 0)
        count = np.bincount(cell[inside]).astype(float)
        means = pooled(np.asarray(probability, float), cell)
        if dose is not None:
            with np.errstate(divide="ignore"):
                logarithm = np.log10(np.asarray(dose, float)[inside])
            # of the geometric mean; one unknown dose makes that of the cell unknown
            dose = 10 ** (np.bincount(cell[inside], logarithm) / np.maximum(count, 1))
        temperature = self._at_dose(self.cell_temperature, self.cell_temperature_per_decade, dose)
        if self.cell_positions:
            share = np.minimum(count / self.cell_positions, 1.0)
            temperature = temperature * share**-self.cell_power
        return tempered(means, temperature)

    def sets(self, probability: ArrayLike, dose: ArrayLike | None = None) -> NDArray[np.bool_]:
        """Conformal sets of patterns.

        Parameters
        ----------
        probability : array_like, shape (n, classes)
            Calibrated; nan where nothing was measured.
        dose : array_like, shape (n,), optional
            Electrons per pattern; nan or None where it is not known.

        Returns
        -------
        ndarray of bool, shape (n, classes)
            Which classes are in the set: one is an answer, several are none. Without a
            threshold, the most probable class alone; of what was not measured, no class.
        """
        if self.threshold is None:
            return class_sets(probability, 0.0)
        threshold = self.threshold + self._change(self.threshold_per_decade, dose)
        return class_sets(probability, np.clip(threshold, LEAST, 1.0))

    def cell_sets(
        self, probability: ArrayLike, count: ArrayLike | None = None
    ) -> NDArray[np.bool_]:
        """Conformal sets of unit cells.

        Parameters
        ----------
        probability : array_like, shape (cells, classes)
            What `pool` gives; nan where nothing was measured.
        count : array_like, shape (cells,), optional
            Patterns of each cell; `cell_positions` if left out.

        Returns
        -------
        ndarray of bool, shape (cells, classes)
            As `sets`.
        """
        if self.cell_threshold is None:
            return class_sets(probability, 0.0)
        if count is None or not self.cell_positions:
            return class_sets(probability, self.cell_threshold)
        halvings = -np.log2(np.clip(np.asarray(count) / self.cell_positions, _TINY, 1.0))
        threshold = self.cell_threshold + self.cell_threshold_per_halving * halvings
        return class_sets(probability, np.minimum(threshold, 1.0))

    def covers(self, dose: ArrayLike) -> NDArray[np.bool_]:
        """Whether doses lie in the calibrated range, shape (n,); never where either is unknown."""
        if self.dose_low is None or self.dose_high is None:
            return np.zeros(np.shape(dose), bool)
        given = np.asarray(dose, float)
        low, high = self.dose_low * (1 - _ROUNDING), self.dose_high * (1 + _ROUNDING)
        return (given >= low) & (given <= high)

    def _at_dose(self, worst: float, factor: float, dose: ArrayLike | None) -> FloatArray:
        """Temperatures at doses."""
        change = self._change(float(np.log(factor)), dose)
        return np.clip(worst * np.exp(change), *TEMPERATURES)

    def _change(self, slope: float, dose: ArrayLike | None) -> FloatArray:
        """What a slope per decade adds to the largest value in the range of doses.

        Nothing or less inside of the range, and nothing or more elsewhere.
        """
        if dose is None or self.dose_low is None or self.dose_high is None or slope == 0:
            return np.zeros(() if dose is None else np.shape(dose))
        given = np.asarray(dose, float)
        known = np.isfinite(given) & (given > 0)
        end = self.dose_low if slope < 0 else self.dose_high
        change = slope * np.log10(np.where(known, given, end) / end)
        change = np.where(self.covers(given), change, np.maximum(change, 0.0))
        return np.asarray(change, float)


def class_sets(probability: ArrayLike, threshold: ArrayLike) -> NDArray[np.bool_]:
    """Classes from the most probable one on until they add up to a threshold.

    Parameters
    ----------
    probability : array_like, shape (n, classes)
        Probabilities; nan where nothing was measured.
    threshold : array_like, scalar or shape (n,)
        What they must add up to.

    Returns
    -------
    ndarray of bool, shape (n, classes)
        At least the most probable class; no class where nothing was measured.
    """
    given = np.asarray(probability, float)
    inside = mass_above(given) < np.reshape(threshold, (-1, 1))
    if given.size:
        inside[np.arange(len(given)), given.argmax(axis=1)] = True
    return inside & np.isfinite(given)


def mass_above(probability: FloatArray) -> FloatArray:
    """Added probabilities of the classes that are more probable than each, shape (n, classes)."""
    order = np.argsort(-probability, axis=1)
    ranked = np.take_along_axis(probability, order, axis=1)
    sums = ranked.cumsum(axis=1) - ranked
    for rank in range(1, sums.shape[1]):  # equally probable ones are in together
        tied = ranked[:, rank] == ranked[:, rank - 1]
        sums[tied, rank] = sums[tied, rank - 1]
    above = np.empty_like(sums)
    np.put_along_axis(above, order, sums, axis=1)
    return above


def tempered(probability: FloatArray, temperature: ArrayLike, guesses: float = 0.0) -> FloatArray:
    """Sharpen or flatten probabilities, and mix in guesses; zeros stay exact.

    Parameters
    ----------
    probability : ndarray, shape (n, classes)
        Up to a factor for each row.
    temperature : array_like, scalar or shape (n,)
        Above 1 flattens.
    guesses : float
        Share of the probability that is spread evenly.
    """
    power = 1 / np.reshape(temperature, (-1, 1))
    scaled = (probability / probability.max(axis=1, keepdims=True)) ** power
    scaled /= scaled.sum(axis=1, keepdims=True)
    return np.asarray((1 - guesses) * scaled + guesses / scaled.shape[1])


def pooled(probability: FloatArray, cell: NDArray[np.integer]) -> FloatArray:
    """Geometric means over cells (cells, classes), up to a factor for each cell."""
    inside = cell >= 0
    count = np.bincount(cell[inside])
    total = np.zeros((len(count), probability.shape[1]))
    np.add.at(total, cell[inside], np.log(np.maximum(probability[inside], _TINY)))
    means = total / count[:, None]
    return np.exp(means - means.max(axis=1, keepdims=True))
