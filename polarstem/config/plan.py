# SPDX-License-Identifier: GPL-3.0-or-later
"""The specimens that a configuration asks for, and how each is simulated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from polarstem.config.model import Config
from polarstem.config.physics import Simulate, Structures, wavelength
from polarstem.seeds import derive_seed
from polarstem.structures.crystals import cell_lengths, load_material
from polarstem.structures.symmetry import Turn, representative
from polarstem.structures.variants import PolarClass, Vector, classes, screen_axes

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
    amplitude : float
        Factor on its polar displacements.
    seed : int
        Seed of its A-site order, thermal motion and scan offset.
    """

    name: str
    specimen_set: str
    split: str
    polar_class: PolarClass
    variant: Vector
    amplitude: float
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
                plans.append(
                    SpecimenPlan(
                        name=name,
                        specimen_set=specimen_set,
                        split=split,
                        polar_class=polar_class,
                        variant=polar_class.variant_of(turn),
                        amplitude=_amplitude(config, specimen_set, split, index),
                        seed=derive_seed(config.seed, name),
                    )
                )
                turn += 1
    return plans


def _amplitude(config: Config, specimen_set: str, split: str, index: int) -> float:
    """Draw the amplitude of a specimen, the same for all classes.

    A specimen that repeats in the plane is a polar axis, an amplitude and a thickness. Classes
    that share their amplitudes differ by turns, so that one scattering matrix serves them all;
    splits stay apart, for each specimen of a class has an amplitude of its own.
    """
    structures = config.structures_of(specimen_set)
    if not structures.amplitude_spread:
        return structures.amplitude
    drawn = derive_seed(config.seed, specimen_set, split, index, "amplitude") / 2**31
    return round(structures.amplitude * (1 + structures.amplitude_spread * (2 * drawn - 1)), 6)


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
        **structures.model_dump(mode="json", exclude={"end_on", "amplitude_spread"}),
        "amplitude": plan.amplitude,
    }


def simulation_settings(config: Config, plan: SpecimenPlan) -> dict[str, Any]:
    """Everything that the simulation of a specimen depends on, as plain values."""
    engine, reason = engine_of(config, plan.specimen_set)
    settings = {
        "simulate": config.simulate_of(plan.specimen_set).model_dump(
            mode="json", exclude={"engine"}
        ),
        "engine": engine,
        "engine_reason": reason,
        "thicknesses_nm": list(config.specimens[plan.specimen_set].thicknesses_nm),
        "seed": plan.seed,
    }
    if engine == "scattering_matrix":
        settings["turn"] = [list(row) for row in crystal_of(config, plan)[1]]
    return settings


def repeating_cells(structures: Structures) -> tuple[int, int]:
    """Projected cells along x and y that a crystal repeats: rock-salt order doubles some."""
    ordered = structures.a_site == "ordered"
    x, y = (1 + sum(axis) % 2 * ordered for axis in screen_axes(structures.zone_axis)[:2])
    return x, y


def obstacle(structures: Structures, simulate: Simulate) -> str | None:
    """Say why no scattering matrix describes a specimen; None where one does."""
    if structures.a_site == "random":
        return "its A site is random (structures.a_site)"
    if structures.defect is not None:
        return "it has a defect (structures.defect)"
    if simulate.phonons.configurations:
        return "its atoms move (simulate.phonons)"
    if any(n % m for n, m in zip(structures.cells, repeating_cells(structures), strict=True)):
        return "an odd number of cells breaks its rock-salt order (structures.cells)"
    return None


def engine_of(config: Config, specimen_set: str) -> tuple[str, str]:
    """Engine that simulates a specimen set, and why this one."""
    simulate = config.simulate_of(specimen_set)
    why_not = obstacle(config.structures_of(specimen_set), simulate)
    if why_not is not None:
        return "multislice", why_not
    if simulate.engine == "multislice":
        return "multislice", "simulate.engine asks for it"
    return "scattering_matrix", "the crystal repeats in the plane and rests"


def crystal_of(config: Config, plan: SpecimenPlan) -> tuple[SpecimenPlan, Turn]:
    """Crystal whose scattering matrix serves a specimen.

    Returns
    -------
    crystal : SpecimenPlan
        Named ``{set}-{polar axis}-{amplitude}``, "m" standing for minus; in every split.
    turn : Turn
        Turns it into the specimen.
    """
    structures = config.structures_of(plan.specimen_set)
    zone_axis, (nx, ny) = structures.zone_axis, structures.cells
    variant, turn = representative(plan.variant, zone_axis, square=nx == ny)
    axis = "".join(str(i).replace("-", "m") for i in variant)
    crystal = SpecimenPlan(
        name=f"{plan.specimen_set}-{axis}-{plan.amplitude:.6f}",
        specimen_set=plan.specimen_set,
        split="all",
        polar_class=next(
            c for c in classes(structures.phase, zone_axis, end_on=True) if variant in c.variants
        ),
        variant=variant,
        amplitude=plan.amplitude,
        seed=0,
    )
    return crystal, turn


def all_crystals(config: Config) -> list[SpecimenPlan]:
    """Every crystal that needs a scattering matrix, once."""
    crystals = [
        crystal_of(config, plan)[0]
        for plan in all_specimens(config)
        if engine_of(config, plan.specimen_set)[0] == "scattering_matrix"
    ]
    return list(dict.fromkeys(crystals))


def matrix_settings(config: Config, crystal: SpecimenPlan) -> dict[str, Any]:
    """Everything that a scattering matrix depends on, as plain values."""
    structures = config.structures_of(crystal.specimen_set)
    simulate = config.simulate_of(crystal.specimen_set)
    needed = {"device", "energy_kv", "semiangle_mrad", "pixels_per_cell", "detector"}
    return {
        "structure": structure_settings(config, crystal)
        | {"cells": [*repeating_cells(structures)]},
        "simulate": simulate.model_dump(mode="json", include=needed),
        "thicknesses_nm": list(config.specimens[crystal.specimen_set].thicknesses_nm),
        "cells": list(structures.cells),
        # a tilted disc of waves moves by the tangent
        "margin_mrad": math.hypot(*(1e3 * math.tan(t / 1e3) for t in simulate.tilt_mrad)),
    }


def matrix_mb(config: Config, crystal: SpecimenPlan) -> float:
    """Size of a scattering matrix [MB], near enough to ask for memory.

    Plane waves in the aperture times beams on the detector and products within each group of
    waves, which ``WaveGrid.predicted_mb`` counts one by one.
    """
    settings = matrix_settings(config, crystal)
    structures, simulate = settings["structure"], settings["simulate"]
    lengths = cell_lengths(
        load_material(structures["material"]),
        structures["phase"],
        crystal.variant,
        structures["zone_axis"],
        structures["metric"],
    )
    detector = simulate["detector"]
    half = detector["pixels"] * detector["mrad_per_pixel"] / 2
    groups, members, beams = 1, math.pi, 1.0  # of waves that differ by lattice vectors
    for length, cells, unit in zip(lengths, settings["cells"], structures["cells"], strict=False):
        per_mrad = unit * length / (1e3 * wavelength(simulate["energy_kv"]))
        members *= (simulate["semiangle_mrad"] + settings["margin_mrad"]) * per_mrad
        groups *= cells // unit
        beams *= 2 * (half + settings["margin_mrad"]) * per_mrad + 1
    return 8e-6 * len(settings["thicknesses_nm"]) * groups * members * (members + beams)
