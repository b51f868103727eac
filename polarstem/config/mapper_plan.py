# SPDX-License-Identifier: GPL-3.0-or-later
"""What making a mapper of one's own takes and is tested on, and its configuration as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from polarstem.config import plan
from polarstem.config.estimate import sentence
from polarstem.config.independence import independent_crystals
from polarstem.config.learning import Stream
from polarstem.config.mapper_recipe import EXPERIMENT, KNOWN, STREAM, Request
from polarstem.config.model import Config
from polarstem.config.work import Job, all_jobs

_NOT_MADE = frozenset(
    (
        "build_structures",
        "compute_metrics",
        "answer_claims",
        "draw_figures",
        "compute_information",
        "measure_accuracy",
        "map_scan",
    )
)
"""Rules that only a report needs."""
_WIDTH = 100
_COMMENTS = {
    "structures": "the crystal; names stand in resources/crystals.yaml, or its numbers here",
    "structures.phase": "T polar along <001>, O along <110>, R along <111>, M113 along <113>",
    "structures.zone_axis": "direction of the beam",
    "structures.composition_spread": "one element on the A site: nothing varies",
    "simulate": "the microscope",
    "simulate.energy_kv": "kV",
    "simulate.semiangle_mrad": "mrad",
    "simulate.accuracy": "rough: grid and field may change a pattern by so much",
    "specimens": "numbers of crystals; sources [Å] that join the probe positions of this cell",
    "ladder": "null: not made",
    "models": "null: left out, as they need wide detectors",
    "train": "one model, on one stream of patterns of moving atoms",
    "train.memory_mb": "MB of patterns",
    "experiments": "scenes without defects, for anomaly scores; null: left out",
    "evaluate": "independent simulations that the card tells the accuracy on",
}


def settings_text(request: Request, part: Mapping[str, Any]) -> str:
    """Write a mapper's configuration as YAML, each part with what it is and its units.

    Parameters
    ----------
    request : Request
        What was asked for.
    part : mapping
        From `polarstem.config.mapper_recipe.mapper_settings`.
    """
    head = [
        "# SPDX-License-Identifier: GPL-3.0-or-later",
        f"# A mapper for {request}.",
        "# Written by `python -m polarstem model`; what is not here is that of config.yaml.",
    ]
    return "\n".join([*head, *_lines(part, "", "")]) + "\n"


def _lines(section: Mapping[str, Any], indent: str, path: str) -> Iterator[str]:
    for key, value in section.items():
        where = f"{path}{key}"
        comment = f" # {_COMMENTS[where]}" if where in _COMMENTS else ""
        line = f"{indent}{key}: {_flow(value)}"
        whole = not path and isinstance(value, Mapping)  # a section has a line for each of its keys
        if isinstance(value, Mapping) and (whole or len(line) > _WIDTH):
            yield f"{indent}{key}:{comment}"
            yield from _lines(value, indent + "  ", f"{where}.")
        else:
            yield line + comment


def _flow(value: Any) -> str:
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6)
    return str(text).removesuffix("\n").removesuffix("\n...")


def mapper_jobs(config: Config) -> list[Job]:
    """Jobs of a mapper that take more than seconds, those that a report needs left out."""
    return [job for job in all_jobs(config) if job.rule not in _NOT_MADE]


def plan_sentences(config: Config, cores: int | None) -> Iterator[str]:
    """Say what making a mapper takes, what it learns from and what it is tested on.

    Parameters
    ----------
    config : Config
        From `polarstem.config.mapper_recipe.mapper_config`.
    cores : int or None
        Of this machine; None where a cluster does the work.
    """
    yield sentence(mapper_jobs(config), cores)
    stream = config.train.sources[STREAM]
    assert isinstance(stream, Stream)
    seen = stream.patterns * stream.reuse
    learned, chosen = (_crystals_of_stream(config, split) for split in ("train", "validation"))
    yield (
        f"It learns from {stream.patterns:,} patterns, each seen {stream.reuse} times ({seen:,} in "
        f"all), of {learned}; {chosen} choose when to stop and calibrate its probabilities."
    )
    tested = {
        name: len(set(found.values())) for name, found in independent_crystals(config).items()
    }
    known = next(name for name in tested if config.domains[name].specimens == KNOWN)
    unpolar = sum(tested[name] for name in config.evaluate.controls)
    yield (
        f"It is tested on {tested[EXPERIMENT]} crystals of an emulated experiment, {tested[known]} "
        f"under known conditions and {unpolar} without polarization, all simulated apart."
    )


def _crystals_of_stream(config: Config, split: str) -> str:
    """How many crystals of a split there are, in words."""
    names: dict[bool, set[str]] = {True: set(), False: set()}
    for specimen in plan.specimens_of_stream(config, STREAM, split):
        polar = config.structures_of(specimen.specimen_set).amplitude > 0
        names[polar].add(plan.crystal_of(config, specimen)[0].name)
    return f"{len(names[True])} polar and {len(names[False])} unpolar crystals"
