# SPDX-License-Identifier: GPL-3.0-or-later
"""Choice of informative training patterns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polarstem.data.cells import group_index
from polarstem.data.chernoff import chernoff_information
from polarstem.errors import PolarstemError
from polarstem.models.staging import CHUNK

if TYPE_CHECKING:
    from polarstem.data.patterns import PatternSet

DROPPED = 0.3
"""Share of the training patterns that the information filter drops."""
_FREQUENCIES = 6  # per cell; more did not bring a probe of 24 mrad nearer to the true information


def centre_of_mass(patterns: NDArray[np.floating]) -> NDArray[np.float64]:
    """Centres of mass (n, 2) of patterns (n, ky, kx), as (row, column) [pixels]."""
    values = patterns.astype(np.float64)
    total = values.sum(axis=(1, 2))
    total[total == 0] = 1.0
    rows = values.sum(axis=2) @ np.arange(values.shape[1])
    columns = values.sum(axis=1) @ np.arange(values.shape[2])
    return np.stack([rows, columns], axis=1) / total[:, None]


def filter_by_centre_of_mass(patterns: PatternSet) -> PatternSet:
    """Keep the patterns whose beam is deflected more than usual (the paper's filter).

    Within each scan (one specimen at one thickness in one data domain) a pattern is kept if
    its centre of mass lies farther from the scan's mean centre than the patterns do on
    average. A scan whose patterns all lie equally far is kept whole.
    """
    centres = np.empty((patterns.n, 2))
    for part, values in patterns.batches(CHUNK):
        centres[part] = centre_of_mass(values)
    keep = np.zeros(patterns.n, bool)
    for scan in _scans(patterns):
        deviation = np.linalg.norm(centres[scan] - centres[scan].mean(axis=0), axis=1)
        above = deviation > deviation.mean()
        keep[scan] = above if above.any() else True
    return patterns.select(keep)


def filter_by_information(patterns: PatternSet) -> PatternSet:
    """Drop the patterns that hold least information about their class.

    Of each class, at each thickness in each data domain, the share `DROPPED` goes: those at probe
    positions whose Chernoff information against the class most alike is lowest there.

    No two specimens are scanned at the same positions, and a shift changes a pattern more than its
    class does. So a Fourier series over the projected cell is fitted to the patterns of each class,
    and the series are compared at one position. The aperture's diameter bounds their frequencies.

    Raises
    ------
    PolarstemError
        If a class has too few patterns at one thickness for such a series.
    """
    keep = np.zeros(patterns.n, bool)
    for group in _grouped(patterns.domain, patterns.thickness):
        information = _information(patterns.select(group))
        for members in _grouped(patterns.class_index[group]):
            own = information[members]
            keep[group[members]] = own >= np.quantile(own, DROPPED)
    return patterns.select(keep)


def _information(patterns: PatternSet) -> NDArray[np.float64]:
    """Information of each pattern's class against the one most alike at its position."""
    present, which, counts = np.unique(
        patterns.class_index, return_inverse=True, return_counts=True
    )
    # twice as many patterns as terms
    most = min(_FREQUENCIES, int((np.sqrt(counts.min() / 2) - 1) / 2))
    if most < 1 or len(present) < 2:
        raise PolarstemError(
            f"The information filter found {counts.min()} patterns of a class at one thickness of "
            f"{patterns.domain[0]}, but needs 18 of two classes or more; train on data domains of "
            "whole scans, or choose another filter."
        )
    terms = _series(patterns.cell_y, patterns.cell_x, most)
    products = np.zeros((len(present), terms.shape[1], terms.shape[1]))
    moments = np.zeros((len(present), terms.shape[1], int(np.prod(patterns.shape))))
    for part, values in patterns.batches(CHUNK):
        flat = values.reshape(len(values), -1)
        for number in range(len(present)):
            own = which[part] == number
            products[number] += terms[part][own].T @ terms[part][own]
            moments[number] += terms[part][own].T @ flat[own]
    series = [np.linalg.lstsq(a, b, rcond=None)[0] for a, b in zip(products, moments, strict=True)]
    found = np.empty(patterns.n)
    for start in range(0, patterns.n, CHUNK):
        part = slice(start, start + CHUNK)
        expected = np.stack([np.maximum(terms[part] @ one, 0) for one in series])
        own = which[part]
        rows = np.arange(len(own))
        true = expected[own, rows]
        against = np.stack([chernoff_information(true, other) for other in expected])
        against[own, rows] = np.inf
        found[part] = against.min(0)
    return found


def _series(
    cell_y: NDArray[np.floating], cell_x: NDArray[np.floating], most: int
) -> NDArray[np.float64]:
    """Terms of a real Fourier series over the cell, shape (position, (2 most + 1)^2)."""
    along = []
    for fraction in (cell_y, cell_x):
        phase = 2 * np.pi * np.outer(fraction, np.arange(most + 1))
        along.append(np.concatenate([np.cos(phase), np.sin(phase[:, 1:])], axis=1))
    return np.einsum("ni,nj->nij", *along).reshape(len(cell_y), -1)


def _scans(patterns: PatternSet) -> list[NDArray[np.int64]]:
    """Indices of the patterns of each scan."""
    return _grouped(patterns.domain, patterns.specimen, patterns.thickness)


def _grouped(*keys: NDArray[Any]) -> list[NDArray[np.int64]]:
    """Indices of the patterns that agree in every key, group by group."""
    labels = group_index(*keys)
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)


FILTERS: dict[str, Callable[[PatternSet], PatternSet]] = {
    "centre_of_mass": filter_by_centre_of_mass,
    "information": filter_by_information,
}
"""How training patterns are chosen, by the models' option `filter`; "none" keeps all."""
