# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole configuration as one model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field, model_validator

from polarstem.config.conditions import Ladder
from polarstem.config.experiments import Experiment
from polarstem.config.learning import (
    Adaptation,
    Evaluate,
    ModelSettings,
    Report,
    Stream,
    Train,
    Training,
)
from polarstem.config.physics import Section, Simulate, Structures
from polarstem.config.specimens import DataDomain, SpecimenSet

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]


def merge(base: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
    """Merge mappings key by key; lists and scalars of `override` replace those of `base`."""
    merged = dict(base)
    for key, value in override.items():
        old = merged.get(key)
        # a material or the aberrations are one value, not a section to be merged into
        whole = key in ("material", "aberrations")
        if isinstance(old, dict) and isinstance(value, dict) and not whole:
            value = merge(old, value)
        merged[key] = value
    return merged


class Config(Section):
    """Everything that a run depends on."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(
        description="the seed all others derive from"
    )
    structures: Structures = Field(default_factory=Structures, description="the crystals")
    simulate: Simulate = Field(default_factory=Simulate, description="the microscope")
    specimens: dict[Name, SpecimenSet] = Field(
        min_length=1, description="sets of specimens that are made and simulated alike"
    )
    domains: dict[Name, DataDomain] = Field(
        min_length=1, description="data domains: conditions to train on or to test on"
    )
    ladder: Ladder | None = Field(
        None,
        description="data domains that differ from one in a single factor, tested with the others",
    )
    models: dict[Name, ModelSettings] = Field(
        min_length=1, description="models that `train.runs` can name"
    )
    train: Train = Field(description="what is trained on what")
    experiments: dict[Name, Experiment] = Field(
        default_factory=dict,
        description="scans that the recommended model maps: files, or virtual experiments; they "
        "are left alone without one (`evaluate.recommended: null`)",
    )
    evaluate: Evaluate = Field(description="what is tested, and the headline numbers")
    report: Report = Field(default_factory=Report, description="the HTML report")

    @model_validator(mode="before")
    @classmethod
    def _climb(cls, data: Any) -> Any:
        """Write the rungs of the ladder down as data domains that are evaluated."""
        try:
            ladder = Ladder.model_validate(data["ladder"])
            base = dict(data["domains"][ladder.base])
            tested = list(data["evaluate"]["domains"])
        except (KeyError, TypeError, ValueError):
            return data  # none, or wrong: told by the checks of its keys
        domains = dict(data["domains"])
        for name, (factor, severity, conditions) in ladder.rungs().items():
            if name not in domains:
                rung = {"conditions": conditions, "factor": factor, "severity": severity}
                domains[name] = base | rung
            if name not in tested:
                tested.append(name)
        return {**data, "domains": domains, "evaluate": {**data["evaluate"], "domains": tested}}

    def structures_of(self, specimen_set: str) -> Structures:
        """Crystal settings of a specimen set, its own keys applied."""
        override = self.specimens[specimen_set].structures
        return Structures.model_validate(merge(self.structures.model_dump(mode="json"), override))

    def simulate_of(self, specimen_set: str) -> Simulate:
        """Microscope settings of a specimen set, its own keys applied."""
        override = self.specimens[specimen_set].simulate
        return Simulate.model_validate(merge(self.simulate.model_dump(mode="json"), override))

    def simulate_of_scene(self, experiment: str) -> Simulate:
        """Microscope settings of a virtual experiment, its own keys applied."""
        scene = self.experiments[experiment].scene
        override = scene.simulate if scene is not None else {}
        return Simulate.model_validate(merge(self.simulate.model_dump(mode="json"), override))

    def training_of(self, model: str, source: str | None = None) -> Training:
        """Training settings of a network, its own keys applied, then those of a stream."""
        settings = self.train.training.model_dump(mode="json")
        settings = merge(settings, getattr(self.models[model], "training", {}))
        stream = self.train.sources.get(source) if source is not None else None
        if isinstance(stream, Stream):
            settings = merge(settings, stream.training)
        return Training.model_validate(settings)

    def used_domains(self) -> list[str]:
        """Data domains that some run trains on or the evaluation tests, in config order."""
        used = set(self.evaluate.domains)
        for source in self.used_sources():
            used.update(self.domains_of(source))
        return [name for name in self.domains if name in used]

    def domains_of(self, source: str) -> tuple[str, ...]:
        """Data domains that a training source joins; none for a stream."""
        members = self.train.sources[source]
        return () if isinstance(members, Stream) else members

    def streams(self) -> dict[str, Stream]:
        """Training sources in use that are streams."""
        sources = {name: self.train.sources[name] for name in self.used_sources()}
        return {name: source for name, source in sources.items() if isinstance(source, Stream)}

    def used_sources(self) -> list[str]:
        """Training sources that some run names, in config order."""
        used = _union(run.sources for run in self.train.runs)
        return [name for name in self.train.sources if name in used]

    def used_models(self) -> list[str]:
        """Models that some run names, in config order."""
        used = _union(run.models for run in self.train.runs)
        return [name for name in self.models if name in used]

    def mapped(self) -> list[str]:
        """Experiments that are mapped, in config order; those of `evaluate.defect_free` are not.

        None are without a recommended model.
        """
        if self.evaluate.recommended is None:
            return []
        return [name for name in self.experiments if name not in self.evaluate.defect_free]

    def adaptations(self) -> dict[str, Adaptation]:
        """Adaptations by their name in the results."""
        return {adaptation.row: adaptation for adaptation in self.evaluate.adaptation}

    def adapted_runs(self) -> list[tuple[str, str, int]]:
        """Every (name in the results, source, seed) of a trained model fitted to scans."""
        return [
            (name, source, seed)
            for name, adaptation in self.adaptations().items()
            for model, source, seed in self.runs()
            if model == adaptation.model
        ]

    def runs(self) -> list[tuple[str, str, int]]:
        """Every (model, source, seed) to train, without repeats, in config order."""
        pairs = {(m, s) for run in self.train.runs for m in run.models for s in run.sources}
        return [
            (model, source, seed)
            for model in self.models
            for source in self.train.sources
            if (model, source) in pairs
            for seed in self.train.seeds
        ]


def _union(groups: Iterable[tuple[str, ...]]) -> set[str]:
    return {name for group in groups for name in group}
