# SPDX-License-Identifier: GPL-3.0-or-later
"""Joining the densities of a cell's patterns to one, which says how far it can be trusted.

The patterns of a cell share crystal, tilt and thickness, and err together: their log-likelihoods
add up to less than so many independent ones. With p the density of a pattern and p0 that of
patterns in general, the density of a cell of n patterns is

    p0 exp(g (n / N)^a <log p - log p0>)

with a gain g at the N patterns of a whole cell, whose logarithm is a straight line in that of the
dose, and a power a. The three numbers make the true vectors of scans that serve for nothing else
most likely, each scan weighing the same. p0 is the mean density of their patterns in all their
turns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from polarstem.models import displacement_grid as grid

if TYPE_CHECKING:
    from polarstem.data.patterns import PatternSet

Floats = NDArray[np.float64]

INFO_KEY = "displacements"
_LEAST = 1e-9  # of a probability: what a network calls impossible may be true
_SMALLEST = 1e-12
_BOUNDS = ((-4.0, 6.0), (-1.5, 1.5), (0.0, 1.0))


@dataclass(frozen=True)
class DisplacementCalibration:
    """What joins the densities of patterns to that of a cell.

    Attributes
    ----------
    template_pm : float
        Length of the template's polar vector, the unit of the grid [pm].
    gain : float
        Of a whole cell, in the middle of the range of doses.
    gain_per_decade : float
        Factor on it for ten times the dose.
    power : float
        The gain grows with this power of the number of patterns.
    positions : float
        Patterns of a whole cell; more do not count.
    dose_low, dose_high : float
        Range of the doses that it was fitted on [electrons per pattern]; beyond it the nearer end
        holds, and where the dose is not known the smallest gain of the range.
    scans : float
        Number of scans that it was fitted on.
    prior : tuple of float, one for each node
        Mean density of patterns.
    """

    template_pm: float
    gain: float
    gain_per_decade: float
    power: float
    positions: float
    dose_low: float
    dose_high: float
    scans: float
    prior: tuple[float, ...]

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> Self | None:
        """What a model carries (`Model.info`); None if it gives no displacements."""
        found = info.get(INFO_KEY)
        return None if found is None else cls(**{**found, "prior": tuple(found["prior"])})

    def attributes(self) -> dict[str, Any]:
        """What was fitted, by name."""
        return asdict(self) | {"prior": [float(f"{p:.4g}") for p in self.prior]}

    def pool(
        self, density: ArrayLike, cell: ArrayLike, dose: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Densities of cells.

        Parameters
        ----------
        density : array_like, shape (n, node)
            Of patterns.
        cell : array_like of int, shape (n,)
            Cell of each pattern, from 0; patterns of -1 are left out.
        dose : array_like, shape (n,), optional
            Electrons per pattern; nan or None where it is not known.

        Returns
        -------
        ndarray, shape (cells, node)
        """
        cells = np.asarray(cell)
        kept = cells >= 0
        prior = np.asarray(self.prior)
        ratio, size = _cell_means(np.asarray(density)[kept], cells[kept], prior)
        decades = np.full(len(size), np.nan)
        if dose is not None:
            owner = np.unique(cells[kept], return_index=True)[1]
            decades = self._decades(np.asarray(dose, float)[kept][owner])
        low = np.log10(self.dose_low / self.dose_high) / 2
        worst = low if self.gain_per_decade >= 1 else -low
        decades = np.where(np.isnan(decades), worst, decades)
        share = np.minimum(size / self.positions, 1.0)
        gain = self.gain * self.gain_per_decade**decades * share**self.power
        return _joined(ratio, gain, prior)

    def _decades(self, dose: Floats) -> Floats:
        """Decades from the middle of the range, at most to its ends."""
        inside = np.clip(np.where(dose > 0, dose, np.nan), self.dose_low, self.dose_high)
        return np.asarray(np.log10(inside / np.sqrt(self.dose_low * self.dose_high)))


def fit_displacements(
    density: NDArray[np.floating], patterns: PatternSet, symmetric: NDArray[np.int64], unit: float
) -> DisplacementCalibration:
    """Fit what joins the patterns of scans.

    Parameters
    ----------
    density : ndarray, shape (n, node)
        Of the patterns.
    patterns : PatternSet
        Their scans, doses and polar vectors; a scan is a cell.
    symmetric : ndarray, shape (operation, node)
        The node that each becomes by the network's symmetries.
    unit : float
        Length of the template's polar vector [pm].
    """
    scan = np.unique(patterns.scan, return_inverse=True)[1]
    mean = density.mean(axis=0, dtype=float)
    prior = np.mean([mean[image] for image in symmetric], axis=0)
    most = int(np.bincount(scan).max())
    order = np.random.default_rng(0).permutation(len(scan))
    order = order[np.argsort(scan[order], kind="stable")]
    place = np.empty(len(scan), np.int64)
    place[order] = np.arange(len(scan)) - np.searchsorted(scan[order], scan[order])
    ratios, shares, owners = [], [], []
    size = most
    while size >= 1:
        kept = place < size
        ratio, count = _cell_means(density[kept], scan[kept], prior)
        ratios.append(ratio)
        shares.append(count / most)
        owners.append(np.unique(scan[kept]))
        size //= 2 if size > 8 else 4
    first = np.unique(scan, return_index=True)[1]
    dose = np.asarray(patterns.dose, float)[first]
    known = np.isfinite(dose) & (dose > 0)
    low, high = (float(dose[known].min()), float(dose[known].max())) if known.any() else (1.0, 1.0)
    decades = np.where(known, np.log10(np.where(known, dose, 1.0) / np.sqrt(low * high)), 0.0)
    index, share = grid.shares(patterns.polar[first])
    ratio, part = np.concatenate(ratios), np.concatenate(shares)
    owner = np.concatenate(owners)

    def loss(values: Floats) -> float:
        gain = np.exp(values[0] + values[1] * decades[owner]) * part ** values[2]
        found = np.take_along_axis(_joined(ratio, gain, prior), index[owner], axis=1)
        return -float(np.log(np.maximum((share[owner] * found).sum(axis=1), _SMALLEST)).mean())

    start = np.array([0.5, 0.0, 0.3])
    simplex = np.vstack([start, start + np.diag([1.0, 0.3, 0.2])])
    options = {"initial_simplex": simplex, "xatol": 1e-3, "fatol": 1e-6}
    best = minimize(loss, start, bounds=_BOUNDS, method="Nelder-Mead", options=options).x
    return DisplacementCalibration(
        template_pm=unit,
        gain=float(np.exp(best[0])),
        gain_per_decade=float(np.exp(best[1])),
        power=float(best[2]),
        positions=float(most),
        dose_low=low,
        dose_high=high,
        scans=float(len(first)),
        prior=tuple(prior.tolist()),
    )


def _cell_means(
    density: NDArray[np.floating], cell: NDArray[np.int64], prior: Floats
) -> tuple[Floats, Floats]:
    """Mean of the logarithms of densities over the prior in each cell, and its patterns."""
    order = np.argsort(cell, kind="stable")
    _, first, size = np.unique(cell[order], return_index=True, return_counts=True)
    ratio = np.log(np.maximum(density, _LEAST)) - np.log(np.maximum(prior, _LEAST))
    total = np.add.reduceat(ratio[order], first, axis=0)
    return total / size[:, None], size.astype(float)


def _joined(ratio: Floats, gain: Floats, prior: Floats) -> Floats:
    """Normalized densities of cells."""
    logarithm = np.log(np.maximum(prior, _LEAST)) + gain[:, None] * ratio
    weights = np.exp(logarithm - logarithm.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
