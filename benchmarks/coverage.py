# SPDX-License-Identifier: GPL-3.0-or-later
"""How often the intervals of scores hold the truth, on simulated runs whose truth is known.

``python -m benchmarks.coverage`` simulates test sets as the configs design them: crystals of
random difficulty, of which some are turned into several classes, scans whose positions differ in
difficulty, networks that each training seed makes better or worse, on some crystals more than on
others. It prints, for each design, accuracy and number of training seeds, how many of the 95 %
intervals hold the true balanced accuracy, and beside it how many percentile intervals of a
bootstrap over the same crystals do. Of pairs, two networks on the same crystals, it is the
difference.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit

from polarstem.evaluate.scores.jackknife import Replicates, leave_one_out
from polarstem.evaluate.scores.metrics import balanced_accuracy
from polarstem.evaluate.scores.sample import Sample, over_seeds, without_each

FloatArray = NDArray[np.float64]
LEVEL = 0.95
CLASSES = 8
ACCURACIES = (0.15, 0.5, 0.85, 0.97)
PAIRS = ((0.85, 0.8), (0.97, 0.95), (0.5, 0.15))
SEEDS = (1, 3)
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(30)
_OVER_CELL = (np.arange(24) + 0.5) / 24


@dataclass(frozen=True)
class Design:
    """A test set and how much of what is random in it moves the accuracy, on the logit scale.

    Attributes
    ----------
    name : str
        What it is.
    crystal : tuple of int
        Crystal of each specimen; their classes follow one another.
    side : int
        Probe positions along each side of the cell.
    of_crystals, of_copies, of_seeds, of_both : float
        Standard deviations between crystals, between turned copies of one, between training
        seeds, and of how differently seeds take the same crystal.
    of_classes, of_positions : float
        How far classes and positions in the cell lie apart, which is the same in every test set.
    """

    name: str
    crystal: tuple[int, ...]
    side: int = 8
    of_crystals: float = 0.3
    of_copies: float = 0.1
    of_seeds: float = 0.15
    of_both: float = 0.1
    of_classes: float = 0.5
    of_positions: float = 0.7

    @property
    def class_index(self) -> NDArray[np.int64]:
        """Class of each specimen."""
        return np.arange(len(self.crystal)) % CLASSES

    @property
    def random(self) -> float:
        """Standard deviation of all that a specimen of a trained network draws."""
        return float(np.sqrt(self.of_crystals**2 + self.of_copies**2 + self.of_both**2))

    def left_out(self) -> Replicates:
        """The crystals, each left out once."""
        return leave_one_out([str(c) for c in self.crystal], self.class_index)


DESIGNS = (
    Design("4 crystals in 16 specimens", tuple(2 * (k // 8) + k % 2 for k in range(16))),
    Design("2 crystals in 16 specimens", tuple(k // 8 for k in range(16))),
    Design("ideal: 16 crystals", tuple(range(16))),
    Design("3 crystals in 24 specimens", tuple(k // 8 for k in range(24))),
    Design("phonons: 8 crystals", tuple(range(8)), side=6, of_crystals=0.5),
    Design("emulated: 24 crystals", tuple(range(24)), side=12, of_crystals=1.0),
    Design("emulated: 24 very different", tuple(range(24)), side=12, of_crystals=1.5),
)


@cache
def level(design: Design, accuracy: float, seeds: int) -> float:
    """Logit that gives a design this accuracy, on average over the seeds if there are several."""
    spread = float(np.hypot(design.random, design.of_seeds))
    return float(brentq(lambda at: expected(design, at, spread) - accuracy, -15, 15))


def expected(design: Design, at: float, spread: float) -> float:
    """Accuracy over all classes, positions and crystals, where a logit spreads so far."""
    fixed = _of_classes(design)[:, None] + _of_place(design, _OVER_CELL, _OVER_CELL).ravel()
    values, times = np.unique(fixed.round(6), return_counts=True)
    by_node = expit(at + values[:, None] + spread * _NODES) @ (_WEIGHTS / _WEIGHTS.sum())
    return float(by_node @ times / times.sum())


def _of_classes(design: Design) -> FloatArray:
    return design.of_classes * np.linspace(-1, 1, CLASSES)[[0, 4, 1, 5, 2, 6, 3, 7]]


def _of_place(design: Design, y: FloatArray, x: FloatArray) -> FloatArray:
    """Difficulty over a scan, shape (..., y, x)."""
    down, right = (np.cos(2 * np.pi * along) for along in (y, x))
    found: FloatArray = design.of_positions * (down[..., :, None] + right[..., None, :]) / 2
    return found


def simulate(
    design: Design, accuracies: Sequence[float], seeds: int, rng: np.random.Generator
) -> tuple[list[float], list[list[FloatArray]]]:
    """Test networks on one test set.

    Parameters
    ----------
    design : Design
    accuracies : sequence of float
        True accuracy of each network, on average over the training seeds.
    seeds : int
        Training seeds of each network. With one, the truth is that of this very network.
    rng : Generator

    Returns
    -------
    truths : list of float
        True balanced accuracy of each network.
    found : list of list of ndarray, shape (1 + crystals,)
        Of each network and seed, the balanced accuracy with all crystals and without each.
    """
    crystal, left_out = np.array(design.crystal), design.left_out()
    n = int(crystal.max()) + 1
    of_specimens = (
        _of_classes(design)[design.class_index]
        + design.of_crystals * rng.normal(size=n)[crystal]
        + design.of_copies * rng.normal(size=len(crystal))
    )
    y, x = (np.arange(design.side) + rng.random((2, len(crystal), 1))) / design.side
    common = of_specimens[:, None, None] + _of_place(design, y, x)
    truths, found = [], []
    for accuracy in accuracies:
        middle, of_network = level(design, accuracy, seeds), []
        for _ in range(seeds):
            at = middle + design.of_seeds * rng.normal()
            own = design.of_both * rng.normal(size=n)[crystal]
            right = rng.random(common.shape) < expit(at + own[:, None, None] + common)
            of_network.append(_scored(design, right.sum((1, 2)), left_out.weights))
        truths.append(expected(design, at, design.random) if seeds == 1 else accuracy)
        found.append(of_network)
    return truths, found


def _scored(design: Design, right: NDArray[np.int64], weights: FloatArray) -> FloatArray:
    """Balanced accuracy of specimens under weights, shape (rows,)."""
    classes, rows = design.class_index, np.arange(len(design.crystal))
    confusion = np.zeros((len(rows), CLASSES, CLASSES))
    confusion[rows, classes, classes] = right
    confusion[rows, classes, (classes + 1) % CLASSES] = design.side**2 - right
    weighted = (weights @ confusion.reshape(len(rows), -1)).reshape(-1, CLASSES, CLASSES)
    return balanced_accuracy(weighted, np.zeros(CLASSES))


def estimate(design: Design, found: Sequence[Sequence[FloatArray]]) -> Sample:
    """Accuracy of one network, or the difference of two that were trained with own seeds."""
    left_out = design.left_out()
    if len(found) == 1:
        mean, strata = over_seeds(found[0], left_out.strata)
        counted = design.side**2 * left_out.n
        return Sample(mean, left_out.n, strata, (0.0, 1.0), counted)
    strata = left_out.strata
    difference = np.mean(found[0], axis=0) - np.mean(found[1], axis=0)
    for network, sign in zip(found, (1, -1), strict=True):
        if len(network) > 1:
            values = np.array([draws[0] for draws in network])
            changes = sign * (without_each(values) - values.mean())
            difference = np.append(difference, difference[0] + changes)
            seeds = np.full((len(network), 2), (strata[:, 0].max() + 1, 0))
            strata = np.concatenate([strata, seeds])
    return Sample(difference, left_out.n, strata)


def percentiles(
    design: Design, found: Sequence[FloatArray], rng: np.random.Generator, resamples: int = 400
) -> tuple[float, float]:
    """Percentile interval of a bootstrap over crystals: what these intervals replace.

    For a mean over equally large crystals, whose values follow from leaving each out (Rao and Wu,
    J. Am. Stat. Assoc. 83, 231 (1988), for strata of few).
    """
    left_out, mean = design.left_out(), np.mean(found, axis=0)
    draws = np.full(resamples, mean[0])
    for stratum in np.unique(left_out.strata[:, 1]):
        changes = mean[1:][left_out.strata[:, 1] == stratum] - mean[0]
        size = len(changes)
        counts = rng.multinomial(size - 1, np.full(size, 1 / size), size=resamples)
        draws += (1 - counts * size / (size - 1)) @ changes * (size - 1) / size
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class Coverage:
    """How often intervals hold the truth, their median width, and percentiles for comparison."""

    design: str
    accuracy: str
    seeds: int
    trials: int
    held: float
    width: float
    percentiles: float


def coverage(
    design: Design, accuracies: Sequence[float], seeds: int, trials: int, seed: int = 0
) -> Coverage:
    """Simulate a test set many times over; of two accuracies the difference is estimated."""
    rng = np.random.default_rng([seed, len(design.crystal), seeds])
    held, widths, by_percentiles = 0, [], 0
    for _ in range(trials):
        truths, found = simulate(design, accuracies, seeds, rng)
        truth = truths[0] if len(truths) == 1 else truths[0] - truths[1]
        low, high = estimate(design, found).interval(LEVEL)
        held += low <= truth <= high
        widths.append(high - low)
        if len(found) == 1:
            low, high = percentiles(design, found[0], rng)
            by_percentiles += low <= truth <= high
    return Coverage(
        design.name,
        " - ".join(f"{a:g}" for a in accuracies),
        seeds,
        trials,
        held / trials,
        float(np.median(widths)),
        by_percentiles / trials if len(accuracies) == 1 else np.nan,
    )


def main() -> None:
    """Print the table, and write it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=2000, help="test sets (default: 2000)")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    given = parser.parse_args()
    rows = []
    print(f"{'test set':34s} {'accuracy':12s} seeds  held   width  percentiles")
    for design in DESIGNS:
        for seeds in SEEDS:
            for accuracies in (*((a,) for a in ACCURACIES), *PAIRS):
                row = coverage(design, accuracies, seeds, given.trials)
                print(
                    f"{row.design:34s} {row.accuracy:12s} {row.seeds:5d}  {row.held:.3f}  "
                    f"{row.width:.3f}  {row.percentiles:.3f}",
                    flush=True,
                )
                rows.append(asdict(row))
    if given.output:
        given.output.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
