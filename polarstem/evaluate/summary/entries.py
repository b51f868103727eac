# SPDX-License-Identifier: GPL-3.0-or-later
"""How a number stands in the summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from polarstem.evaluate.scores.metrics import METRICS

HEADLINE = "balanced_accuracy"
RELATIVE = "relative L1"
"""Unit of changes of patterns."""

Entry = dict[str, Any]


def entry(value: float, unit: str, meaning: str, **numbers: float | int | None) -> Entry:
    """One number of the summary; what is not finite becomes null, and an interval as a whole."""
    low, high, n = _finite(numbers.get("low")), _finite(numbers.get("high")), numbers.get("n")
    if low is None or high is None:
        low = high = None
    return {
        "value": _finite(value),
        "low": low,
        "high": high,
        "n": None if n is None else int(n),
        "unit": unit,
        "meaning": meaning,
    }


def scored(row: Mapping[str, Any], meaning: str) -> Entry:
    """A row of `pool_seeds` as a number of the summary."""
    seeds = f"; mean of {row['seeds']} training seeds" if row["seeds"] > 1 else ""
    unit = METRICS[row["metric"]].unit
    return entry(row["value"], unit, meaning + seeds, low=row["low"], high=row["high"], n=row["n"])


def meaning_of(row: Mapping[str, Any], described: Mapping[str, str]) -> str:
    """Say what a score is, given each data domain in words."""
    metric, domain = row["metric"], row["domain"]
    name = metric.replace("_", " ").capitalize()
    return (
        f"{name} ({METRICS[metric].meaning}) of {row['model']} trained on {row['source']}, "
        f"tested on data domain {domain} ({described[domain]})"
    )


def _finite(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)
