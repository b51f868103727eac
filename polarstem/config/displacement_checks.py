# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of free directions, and of what is to measure displacements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from polarstem.structures.phase_numbers import MOST_AMPLITUDE

if TYPE_CHECKING:
    from polarstem.config.model import Config


def displacement_checks(config: Config) -> Iterator[str]:
    """Say what does not fit together, each in one sentence."""
    for name in config.specimens:
        if config.structures_of(name).polar_direction == "free":
            yield from _directions(config, name)
    section = config.evaluate.displacements
    if section is None:
        return
    if config.evaluate.recommended is None:
        yield (
            "evaluate.displacements: thickness and tilt of a scan are told by the library of a "
            "recommended model, but there is none; set evaluate.recommended"
        )
    if not section.fitted and not section.experiments:
        yield "evaluate.displacements: names neither domains nor experiments; name one, or set null"
    if section.also and not section.domains:
        yield "evaluate.displacements.also: stands beside domains; name one in `domains`"
    for domain in section.fitted:
        if domain not in config.domains:
            yield f"evaluate.displacements: {domain!r} is not in domains; add it"
    for name in section.experiments:
        if name not in config.mapped():
            yield f"evaluate.displacements.experiments: {name!r} is no experiment that is mapped"
    if section.experiments and config.structures.zone_axis != (0, 0, 1):
        yield (
            "evaluate.displacements.experiments: displacements of maps were tested along [0, 0, 1] "
            "alone; leave them out"
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
