# SPDX-License-Identifier: GPL-3.0-or-later
"""What a claim is answered with: a number, its interval, and a verdict that follows from both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import xarray as xr

from polarstem.evaluate.claims.evidence import Evidence, Sample, combine
from polarstem.evaluate.scores.rungs import joint_sources, streams
from polarstem.evaluate.scores.tested_domains import Reference, reference_of
from polarstem.evaluate.summary.entries import Entry, entry

Run = tuple[str, str]  # model and source
Verdict = Literal["holds", "does not hold", "undecided"]


@dataclass(frozen=True)
class Claim:
    """A claim and its answer.

    Attributes
    ----------
    key : str
        ``paper_1`` to ``paper_5`` and ``h1`` to ``h5``; of several parts, ``.part`` follows.
    statement : str
        What is claimed.
    verdict : str
        "holds", "does not hold" or "undecided".
    how : str
        What was compared, or why the run cannot tell.
    number : str
        What the number is; empty without one.
    value, low, high : float
        The number and its interval, NaN where there is none.
    n : int or None
        Number of independent test crystals behind it, or what `how` says.
    unit : str
        Unit of the number.
    """

    key: str
    statement: str
    verdict: Verdict
    how: str
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
            "statement": self.statement,
            "verdict": self.verdict,
            "how": self.how,
        }


@dataclass(frozen=True)
class Question:
    """A claim to be answered.

    Attributes
    ----------
    key, statement, number, unit : str
        As in `Claim`.
    threshold : float
        The claim holds if the number is above.
    below : bool
        The claim holds if the number is below instead.
    """

    key: str
    statement: str
    number: str
    threshold: float = 0.0
    unit: str = "fraction"
    below: bool = False

    def answer(self, sample: Sample, confidence: float, how: str) -> Claim:
        """Judge by the interval: it lies above the threshold, below it, or across it."""
        low, high = sample.interval(confidence)
        return self.judge(sample.value, low, high, sample.n, how)

    def judge(self, value: float, low: float, high: float, n: int, how: str) -> Claim:
        """Judge a number whose interval is known; without an interval nothing is decided."""
        verdict: Verdict = "undecided"
        if low > self.threshold or high < self.threshold:
            verdict = "holds" if (high < self.threshold) == self.below else "does not hold"
        return Claim(
            self.key, self.statement, verdict, how, self.number, value, low, high, n, self.unit
        )

    def open(self, why: str) -> Claim:
        """Leave the claim undecided for want of something in the run."""
        return Claim(self.key, self.statement, "undecided", why)


@dataclass(frozen=True)
class Case:
    """Everything that claims are judged by.

    Attributes
    ----------
    config : mapping
        The resolved config.
    evidence : Evidence
        The predictions.
    validated : mapping of str to mapping
        Training source -> network -> validation accuracy.
    information : Dataset or None
        The information limit, where it was computed.
    """

    config: Mapping[str, Any]
    evidence: Evidence
    validated: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    information: xr.Dataset | None = None

    @property
    def confidence(self) -> float:
        """Level of the intervals."""
        return float(self.config["evaluate"]["confidence"])

    @property
    def reference(self) -> Reference:
        """The reference condition."""
        return reference_of(self.config)

    @property
    def experiment(self) -> str | None:
        """Data domain of the emulated experiment."""
        name = self.config["evaluate"].get("experiment")
        return None if name is None else str(name)

    def target(self) -> tuple[list[str], str]:
        """Data domains beyond the gap, and what they are: the experiment, or other thicknesses."""
        if self.experiment is not None:
            return [self.experiment], f"the emulated experiment ({self.experiment})"
        others = list(self.reference.other.values())
        return others, f"thicknesses that {self.reference.source} does not train on"

    def best(self, source: str, *, also: str | None = None) -> str | None:
        """Network with the highest validation accuracy on a source, if `also` on another."""
        scores = self.validated.get(source, {})
        known = [m for m in scores if also is None or m in self.validated.get(also, {})]
        return max(known, key=lambda model: scores[model], default=None)

    def chosen(self, model: str, source: str) -> str:
        """Say how a network was chosen."""
        count = len(self.validated[source])
        if count == 1:
            return f"{model} is the only network trained on {source}"
        return f"{model} has the highest validation accuracy of {count} networks on {source}"

    def strongest(self) -> Run | None:
        """Best network on the widest source: a stream, several thicknesses, or the reference."""
        for source in (*streams(self.config), *joint_sources(self.config), self.reference.source):
            model = self.best(source)
            if model is not None:
                return model, source
        return None

    def twins(self, option: Sequence[str], plain: Any, changed: Any) -> list[tuple[str, str]]:
        """Models that differ in one option alone, as (plain, changed)."""
        models = self.config["models"]
        with_plain = [m for m in models if _get(models[m], option, plain) == plain]
        with_change = [m for m in models if _get(models[m], option, plain) == changed]
        return [
            (a, b)
            for b in with_change
            for a in with_plain
            if _without(models[a], option) == _without(models[b], option)
        ]

    def on_one_source(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[Run, Run]]:
        """Pairs of models with a source that both were trained on, the reference's if it is one."""
        found = []
        for plain, changed in pairs:
            common = [s for m, s in self.evidence.runs if m == plain and self.trained(changed, s)]
            if common:
                source = min(common, key=lambda s: s != self.reference.source)
                found.append(((plain, source), (changed, source)))
        return found

    def trained(self, model: str, source: str) -> bool:
        """Whether a model was trained on a source."""
        return (model, source) in self.evidence.runs

    def gain(
        self, pairs: Sequence[tuple[Run, Run]], domains: Sequence[str]
    ) -> tuple[Sample, str] | None:
        """Mean difference in balanced accuracy of the second of each pair to the first.

        Parameters
        ----------
        pairs : sequence of pairs of (model, source)
            What is compared.
        domains : sequence of str
            Data domains, each counting alike.

        Returns
        -------
        (Sample, str) or None
            The difference, and which models were compared on what accuracies; None without pairs.
        """
        found, words = [], []
        for plain, changed in pairs:
            a, b = (self.evidence.score(*run, domains) for run in (plain, changed))
            found.append(combine(np.subtract, b, a))
            # the source is named once where both share it
            names = [f"{m} trained on {s}" for m, s in (changed, plain)]
            if plain[1] == changed[1]:
                names[0] = changed[0]
            words.append(f"{names[0]} ({b.value:.1%}) against {names[1]} ({a.value:.1%})")
        if not found:
            return None
        return combine(lambda *draws: np.mean(draws, axis=0), *found), "; ".join(words)


def _get(settings: Mapping[str, Any], path: Sequence[str], default: Any) -> Any:
    value: Any = settings
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return default if value is None else value


def _without(settings: Mapping[str, Any], path: Sequence[str]) -> dict[str, Any]:
    first, *rest = path
    left = {key: value for key, value in settings.items() if key != first}
    if rest and (inner := _without(settings.get(first) or {}, rest)):
        left[first] = inner
    return left
