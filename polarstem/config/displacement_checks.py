# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of free directions, and of what is to measure displacements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from polarstem.config.families import VectorModel
from polarstem.structures.phase_numbers import MOST_AMPLITUDE

if TYPE_CHECKING:
    from polarstem.config.model import Config


def displacement_checks(config: Config) -> Iterator[str]:
    """Say what does not fit together, each in one sentence."""
    for name in config.specimens:
        if config.structures_of(name).polar_direction == "free":
            yield from _directions(config, name)
    for name, model in config.models.items():
        if isinstance(model, VectorModel):
            yield from _model(config, name, model)
    section = config.evaluate.displacements
    if section is None:
        return
    if not isinstance(config.models.get(section.model), VectorModel):
        yield (
            f"evaluate.displacements.model: {section.model!r} is no model of the family vector; "
            "only those give displacements"
        )
    elif (section.model, section.source) not in {run[:2] for run in config.runs()}:
        yield (
            f"evaluate.displacements: no run trains {section.model!r} on {section.source!r}; add "
            "it to train.runs"
        )
    for domain in section.domains:
        if domain not in config.evaluate.domains:
            yield f"evaluate.displacements.domains: {domain!r} is not in evaluate.domains; add it"


def _model(config: Config, name: str, model: VectorModel) -> Iterator[str]:
    """What a model of displacements cannot learn from."""
    if model.augmentation.symmetry:
        yield (
            f"models.{name}.augmentation.symmetry: turns classes with the patterns, not vectors, "
            "and the network turns by itself; leave it out"
        )
    for source in sorted({s for m, s, _ in config.runs() if m == name} - set(config.streams())):
        yield (
            f"train.runs: the model {name!r} learns displacements, but the source {source!r} is no "
            "stream and tells classes alone; give it a stream"
        )


def _directions(config: Config, name: str) -> Iterator[str]:
    """Free directions that the crystals of a set cannot have."""
    structures = config.structures_of(name)
    where = f"structures.polar_direction (for specimens.{name}): is `free`, but"
    if structures.metric != "cubic":
        yield f"{where} the axes of a phase (metric) belong to one direction; use metric: cubic"
    longest = structures.amplitude * (1 + structures.amplitude_spread)
    if longest > MOST_AMPLITUDE:
        yield (
            f"{where} the amplitude reaches {longest:.3g} and may be {MOST_AMPLITUDE:g} at most; "
            "lower amplitude or amplitude_spread"
        )
    reference = config.domains.get(config.evaluate.reference_domain)
    if reference is not None and reference.specimens == name:
        yield f"{where} evaluate.reference_domain compares classes; give it another set"
