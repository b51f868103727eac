# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers of the summary as the report writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polarstem.evaluate.summary.entries import RELATIVE

MINUS = "\u2212"
_SMALL = {"1", "nm", "mrad", "pm", "unit cells"}  # units of numbers that need decimals


def number(entry: Mapping[str, Any]) -> str:
    """A value as the page shows it: per cent, degrees, or a plain count."""
    value, unit = entry["value"], entry["unit"]
    if value is None:
        return "–"
    if unit == "fraction":
        text = f"{100 * value:.1f}\u00a0%"
    elif unit == RELATIVE:
        text = percent(value)
    elif unit == "deg":
        text = f"{value:.1f}°"
    elif unit in _SMALL and value != round(value):
        text = f"{value:.2f}" + ("" if unit == "1" else f"\u00a0{unit}")
    else:
        text = f"{value:,.0f}" + ("" if unit == "1" else f"\u00a0{unit}")
    return text.replace("-", MINUS)


def percent(share: float) -> str:
    """A share of any size, in per cent with two digits."""
    text = f"{100 * share:.2g}" if abs(share) < 0.1 else f"{100 * share:.0f}"
    return f"{text}\u00a0%"


def interval(entry: Mapping[str, Any]) -> str:
    """An interval in the unit of its value, or "no interval" for a single specimen."""
    low, high = entry["low"], entry["high"]
    if low is None or high is None:
        return "no interval"
    dash = "–" if low >= 0 else "to"
    if entry["unit"] == "fraction":
        text = f"{100 * low:.1f} {dash} {100 * high:.1f}\u00a0%"
    elif entry["unit"] == RELATIVE:
        text = f"{percent(low)} {dash} {percent(high)}"
    elif entry["unit"] == "deg":
        text = f"{low:.1f} {dash} {high:.1f}°"
    else:
        text = f"{low:.2f} {dash} {high:.2f}"
    return text.replace("-", MINUS)
