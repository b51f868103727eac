# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole configuration as one model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Annotated, Any

from pydantic import Field, PrivateAttr, model_validator

from polarstem.config.accuracy import least_cells, least_pixels
from polarstem.config.angles import edge_of, reserve_mrad
from polarstem.config.conditions import Drawn, Ladder
from polarstem.config.experiments import Experiment
from polarstem.config.families import ModelSettings
from polarstem.config.learning import (
    Adaptation,
    Evaluate,
    Report,
    Stream,
    Train,
    Training,
)
from polarstem.config.physics import (
    AUTO,
    Section,
    Simulate,
    SimulateSection,
    Structures,
    StructuresSection,
)
from polarstem.config.specimens import DataDomain, SpecimenSet
from polarstem.errors import PolarstemError
from polarstem.structures.crystals import Material, load_material

LONGEST_NAME = 60
"""Characters of a name: three of them and more make a name of a file, of at most 255."""
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$", max_length=LONGEST_NAME)]


def merge(
    base: dict[str, Any],
    override: dict[str, Any],
    whole: Collection[str] = ("material", "aberrations"),
) -> dict[str, Any]:
    """Merge mappings key by key; lists and scalars of `override` replace those of `base`.

    A key of `whole` is one value, not a section to be merged into: a material, the aberrations.
    """
    merged = dict(base)
    for key, value in override.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and key not in whole:
            value = merge(old, value, whole)
        merged[key] = value
    return merged


class Config(Section):
    """Everything that a run depends on."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(
        description="the seed all others derive from"
    )
    structures: StructuresSection = Field(
        default_factory=StructuresSection, description="the crystals"
    )
    simulate: SimulateSection = Field(default_factory=SimulateSection, description="the microscope")
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
    _made: dict[tuple[str, str], Any] = PrivateAttr(default_factory=dict)

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

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        """Leave out what a part of a configuration set to null, as it cannot take keys away."""
        if not isinstance(data, dict):  # of such validators the last is called first
            return data
        kept = dict(data)
        for section in ("specimens", "domains", "models", "experiments"):
            kept |= {section: _without_null(kept[section])} if section in kept else {}
        if isinstance(kept.get("train"), dict) and "sources" in kept["train"]:
            sources = _without_null(kept["train"]["sources"])
            kept["train"] = {**kept["train"], "sources": sources}
        return kept

    def structures_of(self, specimen_set: str) -> Structures:
        """Crystal settings of a specimen set, its own keys applied and its field sized."""
        return self._once("structures", specimen_set, self._structures_of)

    def simulate_of(self, specimen_set: str) -> Simulate:
        """Microscope settings of a specimen set, its own keys applied and its grid sized."""
        return self._once("simulate", specimen_set, self._simulate_of)

    def material_of(self, specimen_set: str) -> Material:
        """Material of a specimen set."""
        return self._once(
            "material", specimen_set, lambda s: load_material(self.structures_of(s).material)
        )

    def _once(self, section: str, name: str, make: Callable[[str], Any]) -> Any:
        """Keep what is asked for many times over: a config does not change."""
        if (section, name) not in self._made:
            self._made[section, name] = make(name)
        return self._made[section, name]

    def _structures_of(self, specimen_set: str) -> Structures:
        settings = self.specimens[specimen_set]
        merged = merge(self.structures.model_dump(mode="json"), settings.structures)
        if merged["cells"] != AUTO:
            return Structures.model_validate(merged)
        structures = Structures.model_validate({**merged, "cells": (6, 6)})
        material = known_material(structures)
        if material is None:
            return structures
        simulate, thickness = self._unsized(settings.simulate), thickest(settings)
        cells = least_cells(material, structures, simulate, thickness)
        conditions = settings.conditions
        tilted = structures.octahedral_tilt_deg > 0
        tilted |= conditions is not None and conditions.octahedral_tilt_deg[1] > 0
        if structures.a_site == "ordered" or tilted:  # they repeat every other cell
            cells = cells[0] + cells[0] % 2, cells[1] + cells[1] % 2
        return structures.model_copy(update={"cells": cells})

    def _simulate_of(self, specimen_set: str) -> Simulate:
        settings = self.specimens[specimen_set]
        simulate = self._unsized(settings.simulate)
        if settings.conditions is not None:
            reach = edge_of(simulate.detector, settings.conditions)
        else:
            reach = sum(self.reserve_mrad(specimen_set))
        structures = merge(self.structures.model_dump(mode="json"), settings.structures)
        return self._sized(simulate, settings.simulate, structures, reach)

    def simulate_of_scene(self, experiment: str) -> Simulate:
        """Microscope settings of a virtual experiment, its own keys applied and its grid sized."""
        scene = self.experiments[experiment].scene
        if scene is None:
            return self._unsized({})
        simulate = self._unsized(scene.simulate)
        reach = edge_of(simulate.detector, scene.conditions)
        structures = self.structures.model_dump(mode="json")
        return self._sized(simulate, scene.simulate, structures, reach)

    def reserve_mrad(self, specimen_set: str) -> tuple[float, float]:
        """Largest tilt, and angle on the detector, that a set's matrices are measured under."""
        measured = [
            domain.conditions
            for name in self.used_domains()
            if (domain := self.domains[name]).specimens == specimen_set and domain.conditions
        ] + [s.conditions for s in self.streams().values() if specimen_set in s.specimens]
        return reserve_mrad(self._unsized(self.specimens[specimen_set].simulate), measured)

    @property
    def thickest_nm(self) -> float:
        """Largest thickness of the run: one grid serves all of it [nm]."""
        sets = [thickest(settings) for settings in self.specimens.values()]
        scenes = [e.scene for e in self.experiments.values() if e.scene is not None]
        return max(sets + [s.thickness_nm * (1 + s.conditions.wedge[1]) for s in scenes])

    def _unsized(self, override: dict[str, Any]) -> Simulate:
        """Microscope settings with some keys applied, the grid left at its default."""
        merged = merge(self.simulate.model_dump(mode="json"), override)
        if merged["pixels_per_cell"] == AUTO:
            del merged["pixels_per_cell"]
        return Simulate.model_validate(merged)

    def _sized(
        self, simulate: Simulate, override: dict[str, Any], structures: Any, reach: float
    ) -> Simulate:
        if override.get("pixels_per_cell", self.simulate.pixels_per_cell) != AUTO:
            return simulate
        checked = Structures.model_validate({**structures, "cells": (6, 6)})
        material = known_material(checked)
        if material is None:
            return simulate
        largest = max(reach, simulate.semiangle_mrad)
        pixels = least_pixels(material, checked, simulate, self.thickest_nm, largest)
        return simulate.model_copy(update={"pixels_per_cell": pixels})

    def training_of(self, model: str, source: str | None = None) -> Training:
        """Training settings of a network: its own keys, then those of a stream and of the run."""
        settings = self.train.training.model_dump(mode="json")
        settings = merge(settings, getattr(self.models[model], "training", {}))
        stream = self.train.sources.get(source) if source is not None else None
        if isinstance(stream, Stream):
            settings = merge(settings, stream.training)
        for run in self.train.runs:
            if model in run.models and source in run.sources:
                settings = merge(settings, run.training)
        return Training.model_validate(settings)

    def used_domains(self) -> list[str]:
        """Data domains that some run trains on or the evaluation tests, in config order."""
        used = set(self.evaluate.domains)
        if self.evaluate.displacements is not None:
            used.update(self.evaluate.displacements.fitted)
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


def _without_null(section: Any) -> Any:
    """A mapping of named things without those that are null."""
    if not isinstance(section, dict):
        return section
    return {name: value for name, value in section.items() if value is not None}


def thickest(settings: SpecimenSet) -> float:
    """Largest thickness of a set [nm]."""
    given = settings.thicknesses_nm
    return given.between[1] if isinstance(given, Drawn) else max(given)


def known_material(structures: Structures) -> Material | None:
    """The material of a section; None where the checks will say what is wrong with it."""
    try:
        material = load_material(structures.material)
        material.require_phase(structures.phase)
    except PolarstemError:
        return None
    return material


def _union(groups: Iterable[tuple[str, ...]]) -> set[str]:
    return {name for group in groups for name in group}
