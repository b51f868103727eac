# SPDX-License-Identifier: GPL-3.0-or-later
"""What a claim is answered with: a number, its interval, and a verdict that follows from both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from polarstem.evaluate.claims.evidence import Sample
from polarstem.evaluate.summary.entries import Entry, entry

Verdict = Literal["holds", "does not hold", "undecided"]


@dataclass(frozen=True)
class Claim:
    """A claim and its answer.

    Attributes
    ----------
    key : str
        ``paper_1`` to ``paper_5`` and ``h1`` to ``h4``; of several parts, ``.part`` follows.
    statement : str
        What is claimed.
    verdict : str
        "holds", "does not hold" or "undecided".
    how : str
        What was compared, or why the run cannot tell.
    smallest : float
        Smallest effect worth having: what the number must exceed.
    number : str
        What the number is; empty without one.
    value, low, high : float
        The number and its interval, NaN where there is none.
    n : int or None
        Number of independent specimens behind it.
    unit : str
        Unit of the number.
    """

    key: str
    statement: str
    verdict: Verdict
    how: str
    smallest: float
    number: str = ""
    value: float = np.nan
    low: float = np.nan
    high: float = np.nan
    n: int | None = None
    unit: str = "fraction"

    def entry(self) -> Entry:
        """The answer as an entry of the summary, with its words."""
        numbers = {"low": self.low, "high": self.high, "n": self.n}
        return {
            **entry(self.value, self.unit, self.number or self.statement, **numbers),
            "smallest": self.smallest,
            "statement": self.statement,
            "verdict": self.verdict,
            "how": self.how,
        }


@dataclass(frozen=True)
class Question:
    """A claim to be answered.

    Attributes
    ----------
    key, statement, number, smallest, unit
        As in `Claim`; all are set before the run.
    """

    key: str
    statement: str
    number: str
    smallest: float
    unit: str = "fraction"

    def answer(
        self,
        sample: Sample,
        confidence: float,
        how: str,
        *,
        allowance: float = 0.0,
        doubt: str | None = None,
    ) -> Claim:
        """Judge a number by its resamples; see `judge`."""
        low, high = sample.interval(confidence)
        return self.judge(sample.value, low, high, sample.n, how, allowance=allowance, doubt=doubt)

    def judge(
        self,
        value: float,
        low: float,
        high: float,
        n: int,
        how: str,
        *,
        allowance: float = 0.0,
        doubt: str | None = None,
    ) -> Claim:
        """Judge a number whose interval is known.

        Parameters
        ----------
        value, low, high : float
            The number and its interval; without an interval nothing is decided.
        n : int
            Independent specimens behind it.
        how : str
            What was compared.
        allowance : float
            What the interval is widened by on both sides, for what it does not hold.
        doubt : str, optional
            Why the number decides nothing, whatever it is.

        Returns
        -------
        Claim
            It holds if the whole interval lies above the smallest effect, does not hold if all of
            it lies below, and is undecided otherwise.
        """
        verdict: Verdict = "undecided"
        if doubt is not None:
            how = f"{doubt} {how}"
        elif low - allowance > self.smallest:
            verdict = "holds"
        elif high + allowance < self.smallest:
            verdict = "does not hold"
        return Claim(
            self.key,
            self.statement,
            verdict,
            how,
            self.smallest,
            self.number,
            value,
            low,
            high,
            n,
            self.unit,
        )

    def open(self, why: str) -> Claim:
        """Leave the claim undecided for want of something in the run."""
        return Claim(self.key, self.statement, "undecided", why, self.smallest)
