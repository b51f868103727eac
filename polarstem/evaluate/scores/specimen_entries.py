# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers of the summary that are statistics of specimens, with intervals over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from polarstem.evaluate.summary.entries import Entry, entry

Floats = NDArray[np.float64]

_DRAWS = 2000


def mean(parts: Sequence[Floats]) -> float:
    """Of all that specimens have."""
    return float(np.concatenate(parts).mean())


def of_specimens(
    members: Sequence[Floats],
    statistic: Callable[[Sequence[Floats]], float],
    unit: str,
    meaning: str,
    confidence: float,
) -> Entry:
    """A statistic of specimens, with an interval over them by the bootstrap.

    Parameters
    ----------
    members : sequence of ndarray
        What each specimen has; with fewer than three there is no interval.
    statistic : callable
        Of such a sequence.
    unit, meaning : str
        See `entry`.
    confidence : float
        Level of the interval.
    """
    count = len(members)
    if not count:
        return entry(np.nan, unit, meaning, n=0)
    value = statistic(members)
    if count < 3:
        return entry(value, unit, meaning, n=count)
    random = np.random.default_rng(0)
    draws = [
        statistic([members[n] for n in random.integers(count, size=count)]) for _ in range(_DRAWS)
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return entry(value, unit, meaning, low=float(low), high=float(high), n=count)
