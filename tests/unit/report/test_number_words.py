# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers as the report writes them."""

from __future__ import annotations

import pytest

from polarstem.report.number_words import interval, number, percent


def test_numbers_in_words():
    entry = {"value": 0.98765, "low": None, "high": None, "unit": "fraction"}
    assert number(entry) == "98.8\u00a0%"
    assert interval(entry) == "no interval"
    assert interval(entry | {"low": 0.9, "high": 1.0}) == "90.0 – 100.0\u00a0%"
    assert number({"value": 12.34, "unit": "deg"}) == "12.3°"
    assert number({"value": 0.73, "unit": "1"}) == "0.73"
    assert number({"value": 0.214, "unit": "mrad"}) == "0.21\u00a0mrad"
    assert number({"value": -0.083, "unit": "fraction"}) == "\u22128.3\u00a0%"
    assert interval({"low": -0.1, "high": 0.05, "unit": "fraction"}) == "\u221210.0 to 5.0\u00a0%"
    assert interval({"low": 0.7, "high": 0.75, "unit": "1"}) == "0.70 – 0.75"
    assert number({"value": 12345.6, "unit": "MB"}) == "12,346\u00a0MB"
    assert number({"value": None, "unit": "s"}) == "–"


@pytest.mark.parametrize(
    ("share", "shown"), [(0.00055, "0.055"), (0.0049, "0.49"), (0.0999, "10"), (1.234, "123")]
)
def test_shares_of_any_size(share, shown):
    assert percent(share) == f"{shown}\u00a0%"
