# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting a calibration to patterns that serve for nothing else, counted by scan.

The patterns of a scan share its specimen, tilt, thickness and dose, and are right or wrong
together. So each scan weighs the same, whatever its number of patterns, and the thresholds are
those of Y. Lee, R. F. Barber and R. Willett (arXiv:2306.06342): in the scans' joint distribution of
scores a new scan, whose scores may be the worst, has a share too. How many independent scans there
are is estimated from how much the scans differ: no fewer than they are, no more than patterns.

Cells, which maps answer for, have a second demand: no more than 1 % of them may be answered wrong
(A. N. Angelopoulos et al., ICLR 2024, for a loss of 0 or 1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from polarstem.data.cells import CELL_POSITIONS, unit_cells
from polarstem.models.calibration import (
    LEAST,
    LEVEL,
    TEMPERATURES,
    Calibration,
    FloatArray,
    mass_above,
    pooled,
    tempered,
)

if TYPE_CHECKING:
    from polarstem.data.patterns import PatternSet

RISK = 0.01
"""Largest share of cells that are answered wrong."""
_BATCH = 1024
_GUESSES = (1e-5, 0.9)
_POWERS = (0.0, 1.0)  # patterns that err together, patterns that err apart
_SLOPES = (-1.5, 1.5)  # of logarithms of temperatures, per decade of dose
_TINY = 1e-12
_ROUNDING = 1e-6  # of a probability: those on file are in single precision
_DECADES = 0.5  # fewest that doses must span, and
_SCANS = 40  # fewest scans, for a trend with the dose
_SMALLEST_CELL = 4  # patterns

IntArray = NDArray[np.int64]


class Predicts(Protocol):
    """A model, or what else answers patterns."""

    def predict_proba(self, patterns: NDArray[Any], /) -> NDArray[np.float32]:
        """Class probabilities (n, classes) of patterns (n, ky, kx)."""
        ...


def class_probabilities(model: Predicts, patterns: PatternSet) -> tuple[FloatArray, PatternSet]:
    """What a model gives for the patterns that have a class, and those patterns."""
    usable = patterns.select(np.flatnonzero(patterns.class_index >= 0))
    scores = [model.predict_proba(some) for _, some in usable.batches(_BATCH)]
    return np.concatenate(scores).astype(float), usable


def calibrate(
    model: Predicts, patterns: PatternSet, positions: int = CELL_POSITIONS
) -> Calibration:
    """Fit temperatures and conformal thresholds of a trained model.

    Parameters
    ----------
    model : Model
        The trained model.
    patterns : PatternSet
        Patterns that neither trained it nor chose its epoch; those of a negative class are left
        out.
    positions : int
        Fewest patterns that make up a unit cell.

    Returns
    -------
    Calibration
        The fitted numbers; see `fit_calibration`.
    """
    return fit_calibration(*class_probabilities(model, patterns), positions)


def fit_calibration(
    probability: NDArray[np.floating], patterns: PatternSet, positions: int = CELL_POSITIONS
) -> Calibration:
    """Fit temperatures and conformal thresholds to class probabilities.

    Parameters
    ----------
    probability : ndarray, shape (n, classes)
        Of the patterns, before any calibration.
    patterns : PatternSet
        Their classes, scans and doses.
    positions : int
        Fewest patterns that make up a unit cell.

    Returns
    -------
    Calibration
        A handful of scans that err together cannot support a level of 90 %: with fewer than 9
        the threshold is that of the least certain pattern.

    Notes
    -----
    Temperatures minimise the cross entropy with smoothed labels, ``(n + 1) / (n + classes)`` for
    the true class of n patterns and the rest spread evenly (after J. Platt, in Advances in Large
    Margin Classifiers, MIT Press (1999)). Without them a set without an error would ask for
    certainty. Their logarithm, and the threshold of patterns, are straight lines in the logarithm
    of the dose where it spans half a decade or more in 40 scans or more.
    """
    given, labels, scan = np.asarray(probability, float), patterns.class_index, patterns.scan
    decades, low, high = _doses(patterns.dose, scan)
    sample = _Sample(given, labels, scan, decades)
    ruled_out = bool((given[np.arange(len(labels)), labels] == 0).any())
    temperature, slope, guesses, _ = _fit(sample, dose=decades is not None, guesses=ruled_out)
    found = Calibration(
        temperature=_largest(temperature, slope, decades),
        guesses=guesses,
        temperature_per_decade=float(np.exp(slope)),
        dose_low=low,
        dose_high=high,
        scans=float(len(np.unique(scan))),
    )
    calibrated = found.apply(given, patterns.dose)
    threshold, per_decade = _pattern_threshold(replace(sample, probability=calibrated))
    found = replace(found, threshold=threshold, threshold_per_decade=per_decade)
    columns = patterns.scan_y, patterns.scan_x, patterns.cell_y, patterns.cell_x
    cell = unit_cells((scan, labels), *columns, positions=positions)
    return found if cell.max() < 0 else _with_cells(found, calibrated, patterns, cell, decades)


def coverage_by_halves(
    probability: NDArray[np.floating], patterns: PatternSet, positions: int = CELL_POSITIONS
) -> dict[str, float]:
    """Fit to one half of the scans, and look at the other; both ways.

    Parameters
    ----------
    probability, patterns, positions
        As for `fit_calibration`.

    Returns
    -------
    dict
        ``coverage`` and ``answered``: share of patterns whose set holds the truth, and whose set
        is one class, both as means over scans. Empty with fewer than 4 scans.
    """
    scan = patterns.scan
    count = int(scan.max(initial=-1)) + 1
    if count < 4:
        return {}
    second = np.random.default_rng(0).permutation(count)[scan] % 2 == 1
    held, alone = np.empty(len(scan)), np.empty(len(scan))
    for fitted, tested in ((second, ~second), (~second, second)):
        rows = np.flatnonzero(tested)
        found = fit_calibration(probability[fitted], patterns.select(fitted), positions)
        dose = patterns.dose[rows]
        sets = found.sets(found.apply(probability[rows], dose), dose)
        held[rows] = sets[np.arange(len(rows)), patterns.class_index[rows]]
        alone[rows] = sets.sum(axis=1) == 1
    weights = scan_weights(scan)
    return {"coverage": float(weights @ held), "answered": float(weights @ alone)}


@dataclass(frozen=True)
class _Sample:
    """Probabilities (n, classes), true classes, scans, and what temperatures depend on (n,).

    `decades` are those of the dose from the middle of its range, None where it does not count;
    `size` is the number of patterns of each cell over the largest.
    """

    probability: FloatArray
    labels: IntArray
    scan: IntArray
    decades: FloatArray | None
    size: FloatArray | None = None

    @property
    def above(self) -> FloatArray:
        """Added probabilities of the classes above the true one, shape (n,)."""
        return mass_above(self.probability)[np.arange(len(self.labels)), self.labels]


def scan_weights(scan: IntArray) -> FloatArray:
    """Weights of patterns that add up to one, and to the same for each scan, shape (n,)."""
    _, index, number = np.unique(scan, return_inverse=True, return_counts=True)
    return np.asarray(1 / (len(number) * number[index]), float)


def _doses(
    dose: FloatArray, scan: IntArray
) -> tuple[FloatArray | None, float | None, float | None]:
    """Decades of each dose from the middle of the range, if a trend can be told; the range."""
    known = np.isfinite(dose) & (dose > 0)
    if not known.all():
        return None, None, None
    low, high = float(dose.min()), float(dose.max())
    if np.log10(high / low) < _DECADES or len(np.unique(scan)) < _SCANS:
        return None, low, high
    return np.log10(dose.astype(float) / np.sqrt(low * high)), low, high


def _largest(middle: float, slope: float, decades: FloatArray | None) -> float:
    """Value at the end of the range where ``middle * exp(slope * decades)`` is largest."""
    reach = 0.0 if decades is None else float(np.abs(decades).max())
    return float(np.clip(middle * np.exp(abs(slope) * reach), *TEMPERATURES))


def _with_cells(
    found: Calibration,
    calibrated: FloatArray,
    patterns: PatternSet,
    cell: IntArray,
    decades: FloatArray | None,
) -> Calibration:
    """Fit the temperature and threshold of unit cells, whole ones and parts of them."""
    rows, first = np.flatnonzero(cell >= 0), np.unique(cell[cell >= 0], return_index=True)[1]
    owner = rows[first]
    most = int(np.bincount(cell[rows]).max())
    # each pattern's place in its cell, at random
    shuffled = np.random.default_rng(0).permutation(rows)
    shuffled = shuffled[np.argsort(cell[shuffled], kind="stable")]
    starts = np.searchsorted(cell[shuffled], cell[shuffled])
    place = np.full(len(cell), most)
    place[shuffled] = np.arange(len(shuffled)) - starts
    kept_cells, size = [cell], most // 2
    while size >= _SMALLEST_CELL:
        kept_cells.append(np.where(place < size, cell, -1))
        size //= 2
    sizes = [np.bincount(kept[kept >= 0]) / most for kept in kept_cells]
    repeats = len(sizes)

    def each(column: NDArray[np.generic]) -> NDArray[np.generic]:
        return np.tile(column[owner], repeats)

    sample = _Sample(
        np.concatenate([pooled(calibrated, kept) for kept in kept_cells]),
        each(patterns.class_index).astype(np.int64),
        each(patterns.scan).astype(np.int64),
        None if decades is None else each(decades).astype(float),
        np.concatenate(sizes),
    )
    temperature, slope, _, power = _fit(sample, decades is not None, guesses=False)
    found = replace(
        found,
        cell_temperature=_largest(temperature, slope, decades),
        cell_temperature_per_decade=float(np.exp(slope)),
        cell_positions=float(most),
        cell_power=power,
    )
    labels, scan = patterns.class_index[owner], patterns.scan[owner]
    thresholds = []
    for kept in kept_cells:
        own = _Sample(found.pool(calibrated, kept, patterns.dose), labels, scan, None)
        safe = _safe_threshold(own.probability, labels, scan)
        thresholds.append(max(LEAST, _threshold(own.above, scan), safe))
    # a line through the first: each of the others hangs on a few cells
    halvings, rise = np.arange(len(thresholds)), np.array(thresholds) - thresholds[0]
    per_halving = float(halvings @ rise) / max(1.0, float(halvings @ halvings))
    return replace(
        found,
        cell_threshold=thresholds[0],
        cell_threshold_per_halving=max(0.0, per_halving),
    )


def _fit(sample: _Sample, dose: bool, guesses: bool) -> tuple[float, float, float, float]:
    """Temperature, its logarithm's slope per decade, guesses, and power of the cells' size."""
    n, classes = sample.probability.shape
    weights = scan_weights(sample.scan)
    target = np.full((n, classes), 1 / (n + classes))
    target[np.arange(n), sample.labels] = (n + 1) / (n + classes)
    # name: start, step, bounds; the others are 0
    free = {"temperature": (0.0, 1.0, tuple(np.log(TEMPERATURES)))}
    if dose:
        free["slope"] = (0.0, 0.3, _SLOPES)
    if guesses:
        free["guesses"] = (np.log(0.01), 1.0, tuple(np.log(_GUESSES)))
    if sample.size is not None:
        free["power"] = (0.3, 0.2, _POWERS)

    def loss(values: FloatArray) -> float:
        at = dict(zip(free, values, strict=True))
        logarithm = np.full(n, at["temperature"])
        if sample.decades is not None and dose:
            logarithm = logarithm + at["slope"] * sample.decades
        if sample.size is not None:
            logarithm = logarithm - at["power"] * np.log(sample.size)
        share = float(np.exp(at["guesses"])) if guesses else 0.0
        fitted = tempered(sample.probability, np.exp(logarithm), share)
        each = np.sum(target * np.log(np.maximum(fitted, _TINY)), axis=1)
        return float(-weights @ each)

    start, step, bounds = zip(*free.values(), strict=True)
    simplex = np.vstack([start, np.array(start) + np.diag(step)])  # the default one is tiny at 0
    options = {"initial_simplex": simplex, "xatol": 1e-3, "fatol": 1e-6}
    best = minimize(loss, start, bounds=bounds, method="Nelder-Mead", options=options)
    at = dict.fromkeys(("temperature", "slope", "guesses", "power"), 0.0)
    at |= {name: float(value) for name, value in zip(free, best.x, strict=True)}
    share = float(np.exp(at["guesses"])) if guesses else 0.0
    return float(np.exp(at["temperature"])), at["slope"], share, at["power"]


def _pattern_threshold(sample: _Sample) -> tuple[float, float]:
    """Largest threshold in the range of doses, and its slope per decade.

    A line through the 90 % quantile of the scores (R. Koenker and G. Bassett, Econometrica 46, 33
    (1978)) where that is more than `LEAST`, and raised by the quantile of what is left (Y. Romano
    et al., NeurIPS 32, 3543 (2019)). It is not lowered: at doses at which the first class alone
    is right more often than 90 %, sets hold the truth more often, and that is no reason to hold
    it less often at others.
    """
    own = sample.above
    plain = max(LEAST, _threshold(own, sample.scan))
    if sample.decades is None:
        return plain, 0.0
    reach, weights = float(np.abs(sample.decades).max()), scan_weights(sample.scan)
    share = (sample.decades / reach + 1) / 2

    def line(ends: FloatArray) -> FloatArray:
        return np.maximum(LEAST, ends[0] + (ends[1] - ends[0]) * share)

    def pinball(ends: FloatArray) -> float:
        rest = own - line(ends)
        return float(weights @ np.maximum(LEVEL * rest, (LEVEL - 1) * rest))

    start = np.array([plain, plain])
    simplex = np.vstack([start, start - 0.1 * np.eye(2)])
    options = {"initial_simplex": simplex, "xatol": 1e-3}
    bounds = [(LEAST - 1.0, 1.0)] * 2
    best = minimize(pinball, start, bounds=bounds, method="Nelder-Mead", options=options)
    ends = best.x + max(0.0, _threshold(own - line(best.x), sample.scan))
    if ends.max() > 1:  # no line: a set cannot add up to more than everything
        return plain, 0.0
    return max(LEAST, float(ends.max())), float((ends[1] - ends[0]) / (2 * reach))


def _threshold(score: FloatArray, scan: IntArray) -> float:
    """Just above the score that 90 % of a new scan's patterns do not exceed, counted by scan."""
    order = np.argsort(score)
    weights = scan_weights(scan)
    reached = weights[order].cumsum()

    def quantile(level: float) -> float:
        place = int(np.searchsorted(reached, min(level, 1.0) - 10 * _TINY))
        return float(score[order[min(place, len(order) - 1)]])

    # the share of each scan's patterns that are no worse, and how much it differs between scans
    _, index, number = np.unique(scan, return_inverse=True, return_counts=True)
    held = np.bincount(index, score <= quantile(LEVEL)) / number
    independent = float(len(number))
    if len(number) > 1:
        spread = max(float(held.var(ddof=1)), _TINY)
        independent *= max(1.0, LEVEL * (1 - LEVEL) / spread)
    independent = min(independent, len(score))
    return quantile(LEVEL * (1 + 1 / independent)) + _ROUNDING


def _safe_threshold(probability: FloatArray, labels: IntArray, scan: IntArray) -> float:
    """Just above what leaves no more than `RISK` of the scans' cells answered wrong.

    Where scans are too few to tell, just above the surest wrong answer.
    """
    scans = len(np.unique(scan))
    allowed = max(0.0, RISK * (scans + 1) - 1) / scans
    wrong = np.flatnonzero(probability.argmax(axis=1) != labels)
    wrong = wrong[np.argsort(-probability[wrong].max(axis=1))]
    lost = scan_weights(scan)[wrong].cumsum()
    place = int(np.searchsorted(lost, allowed + _TINY, side="right"))
    return float(probability[wrong[place]].max()) + _ROUNDING if place < len(wrong) else 0.0
