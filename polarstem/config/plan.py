# SPDX-License-Identifier: GPL-3.0-or-later
"""The specimens that a configuration asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from polarstem.config.model import Config
from polarstem.seeds import derive_seed
from polarstem.structures.variants import PolarClass, classes

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class SpecimenPlan:
    """One specimen to be made and simulated.

    Attributes
    ----------
    name : str
        ``{set}-{class}-{split}-{index}``.
    specimen_set, split : str
        The set it belongs to; "train", "validation" or "test".
    polar_class : PolarClass
        Its class.
    variant : tuple of int
        Its polar axis among those of the class.
    seed : int
        Seed of its A-site order, thermal motion and scan offset.
    """

    name: str
    specimen_set: str
    split: str
    polar_class: PolarClass
    variant: tuple[int, int, int]
    seed: int


def class_table(config: Config) -> tuple[PolarClass, ...]:
    """All classes of the configuration, counter-clockwise from +x."""
    structures = config.structures
    return classes(structures.phase, structures.zone_axis, structures.end_on)


def specimens_of(config: Config, specimen_set: str) -> list[SpecimenPlan]:
    """Plan the specimens of one set: each class, then each split.

    The variants of a class take turns over its specimens, so that every split sees both
    in-plane and oblique ones where the numbers allow.
    """
    settings = config.specimens[specimen_set]
    structures = config.structures_of(specimen_set)
    plans = []
    for polar_class in classes(structures.phase, structures.zone_axis, structures.end_on):
        if settings.classes is not None and polar_class.name not in settings.classes:
            continue
        turn = 0
        for split in SPLITS:
            for index in range(getattr(settings.per_class, split)):
                name = f"{specimen_set}-{polar_class.name}-{split}-{index}"
                variant = polar_class.variant_of(turn)
                seed = derive_seed(config.seed, name)
                plans.append(SpecimenPlan(name, specimen_set, split, polar_class, variant, seed))
                turn += 1
    return plans


def used_sets(config: Config) -> list[str]:
    """Specimen sets that some used data domain needs, in config order."""
    needed = {config.domains[domain].specimens for domain in config.used_domains()}
    return [name for name in config.specimens if name in needed]


def all_specimens(config: Config) -> list[SpecimenPlan]:
    """Every specimen that the run needs."""
    return [plan for name in used_sets(config) for plan in specimens_of(config, name)]


def specimens_of_domain(config: Config, domain: str) -> list[SpecimenPlan]:
    """The specimens whose patterns a data domain holds."""
    return specimens_of(config, config.domains[domain].specimens)


def structure_settings(config: Config, plan: SpecimenPlan) -> dict[str, Any]:
    """Everything that the structure of a specimen depends on, as plain values."""
    structures = config.structures_of(plan.specimen_set)
    return {
        "name": plan.name,
        "specimen_set": plan.specimen_set,
        "split": plan.split,
        "class_index": [c.name for c in class_table(config)].index(plan.polar_class.name),
        "class_name": plan.polar_class.name,
        "direction_deg": plan.polar_class.direction_deg,
        "variant": list(plan.variant),
        "seed": plan.seed,
        "thickness_nm": max(config.specimens[plan.specimen_set].thicknesses_nm),
        **structures.model_dump(mode="json", exclude={"end_on"}),
    }


def simulation_settings(config: Config, plan: SpecimenPlan) -> dict[str, Any]:
    """Everything that the simulation of a specimen depends on, as plain values."""
    return {
        "simulate": config.simulate_of(plan.specimen_set).model_dump(mode="json"),
        "thicknesses_nm": list(config.specimens[plan.specimen_set].thicknesses_nm),
        "seed": plan.seed,
    }
