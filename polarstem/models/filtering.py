# SPDX-License-Identifier: GPL-3.0-or-later
"""Choice of informative training patterns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from polarstem.models.staging import CHUNK

if TYPE_CHECKING:
    from polarstem.data.patterns import PatternSet


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


def _scans(patterns: PatternSet) -> list[NDArray[np.int64]]:
    """Indices of the patterns of each scan."""
    labels = np.zeros(patterns.n, np.int64)
    for key in (patterns.domain, patterns.specimen, patterns.thickness):
        values, index = np.unique(key, return_inverse=True)
        labels = np.unique(labels * len(values) + index, return_inverse=True)[1]
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
