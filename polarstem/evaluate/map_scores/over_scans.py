# SPDX-License-Identifier: GPL-3.0-or-later
"""Fractions of the unit cells of scans, and how well several scans tell them.

The cells of one scan share crystal, thickness, tilt, dose and detector, and neighbours share atoms:
they are no independent samples. So one scan gives no interval, and of several the scans are what
was sampled.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from polarstem.evaluate.summary.entries import Entry, entry

Interval = tuple[float, float]


def of_one_scan(count: int, of: int, meaning: str) -> Entry:
    """A fraction of the cells of one scan: without an interval, and `n` is the number of cells."""
    return entry(count / of if of else np.nan, "fraction", meaning, n=of)


def of_scans(
    counts: Sequence[int], totals: Sequence[int], meaning: str, confidence: float
) -> Entry:
    """A fraction of the cells of several scans together.

    Parameters
    ----------
    counts, totals : sequence of int
        Cells of each scan that are counted, and those that they are counted among.
    meaning : str
        What the fraction is.
    confidence : float
        Level of the interval.

    Returns
    -------
    entry
        With the interval of `interval_over_scans`; ``n`` is the number of cells, and ``scans`` that
        of the scans which have some.
    """
    low, high = interval_over_scans(counts, totals, confidence)
    total, scans = sum(totals), sum(each > 0 for each in totals)
    value = sum(counts) / total if total else np.nan
    return entry(value, "fraction", meaning, low=low, high=high, n=total) | {"scans": scans}


def interval_over_scans(
    counts: Sequence[int], totals: Sequence[int], confidence: float
) -> Interval:
    """Interval of a fraction of cells that were sampled scan by scan.

    E. Korn and B. Graubard, Survey Methodology 24, 193 (1998): the exact binomial interval of as
    many independent cells as would leave the variance that the scans show among themselves, fewer
    still where there are few scans. Where all scans say the same, all or none, nothing tells how
    alike their cells are, and these count as single ones: a fault that takes a scan as a whole is
    bounded by the number of scans alone.

    Parameters
    ----------
    counts, totals : sequence of int
        As for `of_scans`.
    confidence : float
        Level of the interval.

    Returns
    -------
    low, high : float
        NaN for fewer than two scans with cells.
    """
    from scipy.stats import t as student  # which takes a second

    of = np.array([each for each in totals if each > 0], float)
    if len(of) < 2:
        return np.nan, np.nan
    count = np.array([c for c, each in zip(counts, totals, strict=True) if each > 0], float)
    n, scans, tail = of.sum(), len(of), (1 - confidence) / 2
    value = count.sum() / n
    variance = scans / (scans - 1) * ((count - value * of) ** 2).sum() / n**2
    effective = n if variance == 0 else min(n, value * (1 - value) / variance)
    effective *= (student.ppf(1 - tail, n - 1) / student.ppf(1 - tail, scans - 1)) ** 2
    return exact_interval(value * effective, effective, confidence)


def exact_interval(count: float, of: float, confidence: float) -> Interval:
    """Exact binomial interval; C. Clopper and E. Pearson, Biometrika 26, 404 (1934).

    Parameters
    ----------
    count, of : float
        Independent samples that are counted, and all of them; effective numbers need not be whole.
    confidence : float
        Level of the interval.
    """
    from scipy.stats import beta

    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, count, of - count + 1)) if count > 0 else 0.0
    high = float(beta.ppf(1 - tail, count + 1, of - count)) if count < of else 1.0
    return low, high
