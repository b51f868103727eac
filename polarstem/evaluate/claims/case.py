# SPDX-License-Identifier: GPL-3.0-or-later
"""What claims are judged by: which models stand for what, and how two of them are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from polarstem.evaluate.claims.evidence import Evidence, Sample, combine
from polarstem.evaluate.claims.verdicts import Claim, Question
from polarstem.evaluate.scores.metrics import FloatArray
from polarstem.evaluate.scores.rungs import joint_sources, streams
from polarstem.evaluate.scores.tested_domains import Reference, reference_of
from polarstem.models.base import Model
from polarstem.models.registry import model_class
from polarstem.structures.variants import classes

Run = tuple[str, str]  # model and source

TRAININGS = 3
"""Fewest trainings of a model whose spread the interval holds."""


def on_components(family: type[Model]) -> bool:
    """Whether models of a family see principal components."""
    return family.on_principal_components


def image_network(family: type[Model]) -> bool:
    """Whether models of a family are networks that know nothing of the square's symmetry."""
    return family.is_network and not family.respects_symmetry


def symmetric_network(family: type[Model]) -> bool:
    """Whether models of a family are networks that turn with the pattern."""
    return family.is_network and family.respects_symmetry


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
    def smallest_gain(self) -> float:
        """Smallest difference in balanced accuracy worth having."""
        return float(self.config["evaluate"]["smallest_gain"])

    @cached_property
    def chance(self) -> float:
        """Balanced accuracy of random guesses."""
        structures = self.config["structures"]
        end_on = bool(structures.get("end_on"))
        return 1 / len(classes(structures["phase"], structures["zone_axis"], end_on))

    @cached_property
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

    @property
    def models(self) -> dict[str, Mapping[str, Any]]:
        """Models that may stand for their kind: all but the controls."""
        models: Mapping[str, Mapping[str, Any]] = self.config["models"]
        return {name: each for name, each in models.items() if not each.get("shuffled_labels")}

    def of(self, kind: Callable[[type[Model]], bool]) -> list[str]:
        """Models of a kind of family that learn classes, not vectors or prototypes."""
        return [
            name
            for name, settings in self.models.items()
            if kind(model_class(settings["family"]))
            and settings.get("head", "classification") == "classification"
        ]

    def trained(self, model: str, source: str) -> bool:
        """Whether a model was trained on a source."""
        return (model, source) in self.evidence.runs

    def best(self, source: str, *, also: str | None = None) -> str | None:
        """Network with the highest validation accuracy on a source, if `also` on another."""
        scores = self.validated.get(source, {})
        known = [
            model
            for model in scores
            if model in self.models and (also is None or model in self.validated.get(also, {}))
        ]
        return max(known, key=lambda model: scores[model], default=None)

    def chosen(self, model: str, source: str) -> str:
        """Say how a network was chosen."""
        count = sum(name in self.models for name in self.validated[source])
        if count == 1:
            return f"{model} is the only network trained on {source}"
        return f"{model} has the highest validation accuracy of {count} networks on {source}"

    def strongest(self) -> tuple[Run, str] | None:
        """The model that may be expected to go farthest, and how it was chosen.

        The one that the config recommends: named before the run. Else the best network on the
        widest source, by validation accuracy; those on different sources are of different
        patterns, so they choose no source.
        """
        named = self.config["evaluate"].get("recommended") or {}
        run = (named.get("model"), named.get("source"))
        if run in self.evidence.runs and run[0] in self.models:
            return run, f"{run[0]} trained on {run[1]} is what the config recommends"
        for source in (*self.wide_streams(), *joint_sources(self.config), self.reference.source):
            model = self.best(source)
            if model is not None:
                why = f"{self.chosen(model, source)}, the widest source that trained one"
                return (model, source), why
        return None

    def wide_streams(self) -> list[str]:
        """Streams, that with the most conditions drawn at random first."""
        drawn = {
            name: sum(
                1
                for span in (self.config["train"]["sources"][name].get("conditions") or {}).values()
                if isinstance(span, (list, tuple)) and span[0] < span[1]
            )
            for name in streams(self.config)
        }
        return sorted(drawn, key=lambda name: -drawn[name])

    def twins(self, option: Sequence[str], plain: Any, changed: Any) -> list[tuple[str, str]]:
        """Models that differ in one option alone, as (plain, changed)."""
        models = self.models
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

    def no_better(self, sample: Sample, who: str) -> str | None:
        """Say so if the interval of a balanced accuracy reaches down to that of random guesses."""
        reaches = sample.interval(self.confidence)[0] <= self.chance
        return f"{who} better than chance ({self.chance:.1%})." if reaches else None

    def allowance(self) -> tuple[float, str]:
        """What trainings may differ by where too few tell, and a sentence that says so."""
        count = len(self.config["train"]["seeds"])
        if count >= TRAININGS:
            return 0.0, ""
        spread = float(self.config["evaluate"]["training_spread"])
        times = "One training each" if count == 1 else f"{count} trainings each"
        return spread, (
            f" {times}: the interval does not hold the spread between trainings, so {spread:.0%} "
            "on either side are allowed for it."
        )

    def compare(
        self, question: Question, pairs: Sequence[tuple[Run, Run]], domains: Sequence[str]
    ) -> Claim:
        """Answer by the mean gain in balanced accuracy of the second of each pair over the first.

        Parameters
        ----------
        question : Question
            Whose number is such a gain.
        pairs : sequence of pairs of (model, source)
            What is compared; at least one pair.
        domains : sequence of str
            Data domains, each counting alike.

        Returns
        -------
        Claim
            Undecided where neither side is better than chance.
        """
        sides = [list(dict.fromkeys(side)) for side in zip(*pairs, strict=True)]
        scores = {
            (model, source): self.evidence.score(model, source, domains)
            for model, source in [*sides[0], *sides[1]]
        }
        first, second = (combine(_mean, *(scores[pair[k]] for pair in pairs)) for k in (0, 1))
        better = max(first, second, key=lambda side: side.value)
        doubt = self.no_better(better, "Neither is")
        allowance, warning = self.allowance()
        how = f"{_told(sides, scores)}.{warning}"
        gain = combine(np.subtract, second, first)
        return question.answer(gain, self.confidence, how, allowance=allowance, doubt=doubt)


def _told(sides: Sequence[Sequence[Run]], scores: Mapping[Run, Sample]) -> str:
    """Say which models were compared; a source that all share is named once."""
    shared = len({source for _, source in scores}) == 1
    plain, changed = (
        ", ".join(
            f"{model}{'' if shared else f' trained on {source}'} "
            f"({scores[model, source].value:.1%})"
            for model, source in side
        )
        for side in sides
    )
    source = f", trained on {sides[0][0][1]}" if shared else ""
    return f"{changed} against {plain}{source}"


def _mean(*draws: FloatArray) -> FloatArray:
    mean: FloatArray = np.mean(draws, axis=0)
    return mean


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
