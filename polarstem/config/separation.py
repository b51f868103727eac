# SPDX-License-Identifier: GPL-3.0-or-later
"""Which test crystals are held against which training crystals."""

from __future__ import annotations

from typing import Any

from polarstem.config import plan
from polarstem.config.conditions import Drawn
from polarstem.config.model import Config

POSITIONS = 16
"""Probe positions in the cell that patterns of two crystals are compared at."""

_MICROSCOPE = ("energy_kv", "semiangle_mrad", "aberrations", "tilt_mrad", "detector")


def separation_settings(config: Config) -> dict[str, Any]:
    """Everything that the distance of test crystals from training crystals depends on.

    Crystals that repeat in the plane and rest are compared on their scattering matrices, wherever a
    tested and a trained specimen set have a microscope and a thickness in common: the thickness
    nearest to that of the reference domain. Specimens whose A site is random, or whose atoms move,
    have an order and a motion of their own each.

    Returns
    -------
    dict
        ``least`` (`evaluate.crystal_separation`), ``positions``, ``seed``, ``comparisons`` and
        ``not_compared``, a reason for each tested specimen set that is left out.
    """
    comparisons, not_compared = [], {}
    for tested in _tested_sets(config):
        if (reason := _obstacle(config, tested)) is not None:
            not_compared[tested] = reason
            continue
        found = [
            _comparison(config, tested, trained, nm)
            for trained in trained_sets(config)
            if _obstacle(config, trained) is None
            and (nm := _common_thickness(config, tested, trained)) is not None
        ]
        if not found:
            not_compared[tested] = "no training set has its thickness and microscope"
        comparisons += found
    return {
        "least": config.evaluate.crystal_separation,
        "positions": POSITIONS,
        "seed": config.seed,
        "comparisons": comparisons,
        "not_compared": not_compared,
    }


def separation_crystals(config: Config) -> list[str]:
    """Names of the crystals whose scattering matrices are compared, each once."""
    members = [
        member["crystal"]
        for comparison in separation_settings(config)["comparisons"]
        for kind in ("tested", "trained")
        for member in comparison[kind]
    ]
    return list(dict.fromkeys(members))


def trained_sets(config: Config) -> list[str]:
    """Specimen sets that some model in use learns from, in config order."""
    used = {
        config.domains[d].specimens for s in config.used_sources() for d in config.domains_of(s)
    }
    used.update(name for stream in config.streams().values() for name in stream.specimens)
    return [name for name in config.specimens if name in used]


def _tested_sets(config: Config) -> list[str]:
    used = {config.domains[name].specimens for name in config.evaluate.domains}
    return [n for n, s in config.specimens.items() if n in used and s.per_class.test]


def _obstacle(config: Config, specimen_set: str) -> str | None:
    """Why the crystals of a set are not compared; None where they are."""
    engine, reason = plan.engine_of(config, specimen_set)
    if engine != "scattering_matrix":
        return f"{engine}: {reason}"
    if not config.structures_of(specimen_set).amplitude:
        return "it has no displacements, and so no class"
    if isinstance(config.specimens[specimen_set].thicknesses_nm, Drawn):
        return "each of its specimens has thicknesses of its own"
    return None


def _common_thickness(config: Config, tested: str, trained: str) -> float | None:
    if _microscope(config, tested) != _microscope(config, trained):
        return None
    reference = config.domains[config.evaluate.reference_domain]
    given = reference.thicknesses_nm or config.specimens[reference.specimens].thicknesses_nm
    wanted = 0.0 if isinstance(given, Drawn) else given[0]
    ours, theirs = (config.specimens[name].thicknesses_nm for name in (tested, trained))
    assert not isinstance(ours, Drawn)
    assert not isinstance(theirs, Drawn)
    return min(set(ours) & set(theirs), key=lambda nm: (abs(nm - wanted), nm), default=None)


def _microscope(config: Config, specimen_set: str) -> dict[str, Any]:
    return config.simulate_of(specimen_set).model_dump(mode="json", include=set(_MICROSCOPE))


def _comparison(config: Config, tested: str, trained: str, thickness_nm: float) -> dict[str, Any]:
    return {
        "set": tested,
        "thickness_nm": thickness_nm,
        "simulate": _microscope(config, tested),
        "tested": _members(config, tested, "test"),
        "trained": _members(config, trained, "train"),
    }


def _members(config: Config, specimen_set: str, split: str) -> list[dict[str, Any]]:
    members = []
    for specimen in plan.specimens_of(config, specimen_set):
        if specimen.split == split:
            crystal, turn = plan.crystal_of(config, specimen)
            members.append(
                {
                    "specimen": specimen.name,
                    "class_name": specimen.polar_class.name,
                    "index": specimen.index,
                    "crystal": crystal.name,
                    "turn": [list(row) for row in turn],
                }
            )
    return members
