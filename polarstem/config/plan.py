# SPDX-License-Identifier: GPL-3.0-or-later
"""The specimens that a configuration asks for, and how each is simulated."""

from __future__ import annotations

from dataclasses import dataclass, replace

from polarstem.config.conditions import Conditions, Drawn
from polarstem.config.crystal_design import (
    Direction,
    drawn_crystal,
    drawn_direction,
    mean_crystals,
    random_site,
)
from polarstem.config.model import Config, known_material
from polarstem.config.physics import Simulate, Structures
from polarstem.seeds import derive_seed, derive_share
from polarstem.structures.recipes import doubled_cells
from polarstem.structures.symmetry import IDENTITY, Turn, mirrored, representative
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
    drawn_share : float or None
        Share of the first element of its varied site; None where the material's own holds.
    seed : int
        Seed of the order on its sites, thermal motion and scan offset.
    index : int
        Its number among those of its class and split.
    thicknesses_nm : tuple of float
        Thicknesses that it is simulated at [nm].
    direction : tuple of float or None
        Where its polar vector points, on the screen; None: along `variant`.
    """

    name: str
    specimen_set: str
    split: str
    polar_class: PolarClass
    variant: Vector
    amplitude: float
    drawn_share: float | None
    seed: int
    index: int
    thicknesses_nm: tuple[float, ...]
    direction: Direction | None = None


def class_table(config: Config) -> tuple[PolarClass, ...]:
    """All classes of the configuration, counter-clockwise from +x."""
    structures = config.structures
    return classes(structures.phase, structures.zone_axis, structures.end_on)


def specimens_of(config: Config, specimen_set: str) -> list[SpecimenPlan]:
    """Plan the specimens of one set: each class, then each split.

    The variants of a class take turns over its specimens, so that every split sees both
    in-plane and oblique ones where the numbers allow. Specimens of a paired set draw as those that
    they are paired with.
    """
    settings = config.specimens[specimen_set]
    structures = config.structures_of(specimen_set)
    pair = settings.paired_with or specimen_set
    plans = []
    table = classes(structures.phase, structures.zone_axis, structures.end_on)
    chosen = settings.chosen([polar_class.name for polar_class in table])
    for polar_class in table:
        if polar_class.name not in chosen:
            continue
        first = 0
        for split in SPLITS:
            for index in range(getattr(settings.per_class, split)):
                number = f"{polar_class.name}-{split}-{index}"
                drawn = f"{pair}-{number}"
                amplitude, share = drawn_crystal(config, specimen_set, split, polar_class, index)
                plan = SpecimenPlan(
                    name=f"{specimen_set}-{number}",
                    specimen_set=specimen_set,
                    split=split,
                    polar_class=polar_class,
                    variant=polar_class.variant_of(first + index),
                    amplitude=amplitude,
                    drawn_share=share,
                    seed=derive_seed(config.seed, drawn),
                    index=index,
                    thicknesses_nm=_thicknesses(config, specimen_set, split, index, drawn),
                )
                plans.append(replace(plan, direction=_direction(config, plan)))
            first += getattr(config.specimens[pair].per_class, split)
    return plans


def _direction(config: Config, plan: SpecimenPlan) -> Direction | None:
    """Where the polar vector of a specimen points; None along its variant."""
    structures = config.structures_of(plan.specimen_set)
    if structures.polar_direction == "class" or not plan.amplitude:
        return None
    if plan.split == "test":
        name, index = plan.polar_class.name, plan.index
        return drawn_direction(config, plan.specimen_set, plan.polar_class, name, index)
    crystal, turn = crystal_of(config, plan)
    assert crystal.direction is not None
    right, up, along = crystal.direction
    x, y = (row[0] * right + row[1] * up for row in turn)
    return x, y, along


def _thicknesses(
    config: Config, specimen_set: str, split: str, index: int, name: str
) -> tuple[float, ...]:
    """Thicknesses of a specimen; drawn ones are the same for all classes that share a crystal."""
    given = config.specimens[specimen_set].thicknesses_nm
    if not isinstance(given, Drawn):
        return given
    shared = engine_of(config, specimen_set)[0] != "multislice" and split != "test"
    of = (specimen_set, split, index) if shared else (name,)
    low, high = given.between
    part = (high - low) / given.count
    drawn = []
    for number in range(given.count):
        share = derive_share(config.seed, *of, "thickness", number)
        if given.count > 1:
            share = 0.1 + 0.8 * share  # neighbours stay apart
        drawn.append(round(low + (number + share) * part, 3))
    return tuple(drawn)


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


def repeating_cells(structures: Structures) -> tuple[int, int]:
    """Projected cells along x and y that a crystal repeats.

    Rock-salt order and octahedral tilts double some.
    """
    ordered = structures.a_site == "ordered"
    x, y = (1 + sum(axis) % 2 * ordered for axis in screen_axes(structures.zone_axis)[:2])
    material = known_material(structures) if structures.octahedral_tilt_deg else None
    if material is not None:
        tilted = doubled_cells(structures.zone_axis, material.tilt_system(structures.phase))
        x, y = max(x, tilted[0]), max(y, tilted[1])
    return x, y


def obstacle(
    structures: Structures, simulate: Simulate, conditions: Conditions | None = None
) -> str | None:
    """Say why no scattering matrix describes a specimen; None where one does."""
    if (site := random_site(structures)) is not None:
        return f"its {site[0].upper()} site is random (structures.{site})"
    if structures.defect is not None:
        return "it has a defect (structures.defect)"
    if simulate.phonons.configurations:
        return "its atoms move (simulate.phonons)"
    if conditions is not None:
        return "it emulates an experiment (conditions)"
    return None


def engine_of(config: Config, specimen_set: str) -> tuple[str, str]:
    """Engine that simulates a specimen set, and why this one."""
    simulate = config.simulate_of(specimen_set)
    if simulate.engine == "thermal_matrices":
        return "thermal_matrices", "simulate.engine asks for it"
    conditions = config.specimens[specimen_set].conditions
    why_not = obstacle(config.structures_of(specimen_set), simulate, conditions)
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
        Named ``{set}-{polar axis}-{amplitude}``, "m" standing for minus, and the share of the first
        element of the varied site where it is drawn, in every split; with thermal matrices
        ``{set}-{polar axis}-{split}{index}``, in the test split with the class. Where thicknesses
        or directions are drawn, both. Without displacements, and with a cubic cell, all variants
        are one crystal. With octahedral tilts each variant is a crystal of its own, and with free
        directions each test specimen.
    turn : Turn
        Turns it into the specimen; with planes as slices, into one whose polarization may have
        the other sign along the beam, which the beam cannot see.
    """
    structures = config.structures_of(plan.specimen_set)
    zone_axis, (nx, ny) = structures.zone_axis, structures.cells
    flat = config.simulate_of(plan.specimen_set).slices == "planes"
    free = structures.polar_direction == "free" and bool(plan.amplitude)
    own = free and plan.split == "test"
    if structures.octahedral_tilt_deg or own:
        variant, turn = plan.variant, IDENTITY  # a turn about an A column exchanges the octahedra
    elif not plan.amplitude and structures.metric == "cubic":
        variant, turn = classes(structures.phase, zone_axis)[0].variants[0], IDENTITY
    else:
        variant, turn = representative(plan.variant, zone_axis, square=nx == ny, flat=flat)
    axis = "".join(str(i).replace("-", "m") for i in variant)
    thermal = engine_of(config, plan.specimen_set)[0] == "thermal_matrices"
    place = f"{plan.polar_class.name}-" * (plan.split == "test") + f"{plan.split}{plan.index}"
    name = f"{plan.specimen_set}-{axis}"
    if not thermal:
        name += f"-{plan.amplitude:.6f}"
        name += "" if plan.drawn_share is None else f"-{plan.drawn_share:.4f}"
    drawn = isinstance(config.specimens[plan.specimen_set].thicknesses_nm, Drawn)
    if thermal or free or drawn:
        name += f"-{place}"
    polar_class = next(
        c for c in classes(structures.phase, zone_axis, end_on=True) if variant in c.variants
    )
    direction = plan.direction
    if free and not own:
        direction = drawn_direction(config, plan.specimen_set, polar_class, axis, place)
    crystal = SpecimenPlan(
        name=name,
        specimen_set=plan.specimen_set,
        split=plan.split if thermal else "all",
        polar_class=polar_class,
        variant=variant,
        amplitude=plan.amplitude,
        drawn_share=plan.drawn_share,
        seed=derive_seed(config.seed, name) if thermal else 0,
        index=plan.index if thermal else 0,
        thicknesses_nm=plan.thicknesses_nm,
        direction=direction,
    )
    return crystal, turn


def other_sign(config: Config, plan: SpecimenPlan) -> SpecimenPlan | None:
    """The specimen whose polarization has the other sign along the beam.

    None where nothing points along the beam. With planes as slices the sign is hidden, and both
    have one crystal; along [110] they have two, as the mirror reverses the order of the planes, and
    then the answer is None, too: it would tell that order and not the sign.
    """
    structures = config.structures_of(plan.specimen_set)
    variant = mirrored(plan.variant, structures.zone_axis)
    if variant == plan.variant or not plan.amplitude:
        return None
    other = replace(plan, variant=variant)
    hidden = config.simulate_of(plan.specimen_set).slices == "planes"
    if hidden and crystal_of(config, other) != crystal_of(config, plan):
        return None
    return other


def limit_specimens(config: Config) -> list[SpecimenPlan]:
    """Specimens that the information limit compares, in groups of one `index`.

    They are test specimens of the reference domain, but for their crystals: within a group these
    differ in class alone, and all groups together stand for all test crystals (`mean_crystals`). No
    specimen where they do not repeat in the plane, or have thicknesses of their own each.
    """
    name = config.domains[config.evaluate.reference_domain].specimens
    drawn = isinstance(config.specimens[name].thicknesses_nm, Drawn)
    if drawn or engine_of(config, name)[0] != "scattering_matrix":
        return []
    crystals = mean_crystals(config, name, config.specimens[name].per_class.test)
    return [
        replace(plan, amplitude=crystals[plan.index][0], drawn_share=crystals[plan.index][1])
        for plan in specimens_of(config, name)
        if plan.split == "test" and plan.index < len(crystals)
    ]


def specimens_of_stream(config: Config, source: str, split: str) -> list[SpecimenPlan]:
    """Specimens of one split that a stream measures."""
    sets = config.streams()[source].specimens
    return [plan for name in sets for plan in specimens_of(config, name) if plan.split == split]


def all_crystals(config: Config) -> list[SpecimenPlan]:
    """Every crystal that needs a scattering matrix, or several, once."""
    plans = [
        plan
        for plan in all_specimens(config)
        if engine_of(config, plan.specimen_set)[0] == "scattering_matrix"
    ]
    for source in config.streams():
        for split in ("train", "validation"):
            plans += specimens_of_stream(config, source, split)
    for plan in limit_specimens(config):
        plans += [each for each in (plan, other_sign(config, plan)) if each is not None]
    return list(dict.fromkeys(crystal_of(config, plan)[0] for plan in plans))
