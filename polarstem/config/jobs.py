# SPDX-License-Identifier: GPL-3.0-or-later
"""What each job depends on, as plain values: Snakemake keeps them and reruns a job by them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from polarstem.config.conditions import Conditions, Drawn
from polarstem.config.experiment_conditions import drawn_imperfections
from polarstem.config.model import Config
from polarstem.config.physics import wavelength
from polarstem.config.plan import (
    SpecimenPlan,
    class_table,
    crystal_of,
    engine_of,
    repeating_cells,
    specimens_of_domain,
    specimens_of_stream,
)
from polarstem.structures.cell_metric import cell_lengths, lengths_of
from polarstem.structures.crystals import load_material


def structure_settings(config: Config, plan: SpecimenPlan) -> dict[str, Any]:
    """Everything that the structure of a specimen depends on, as plain values."""
    structures = config.structures_of(plan.specimen_set)
    conditions = config.specimens[plan.specimen_set].conditions
    imperfect = drawn_imperfections(conditions, config.seed, plan.name) if conditions else {}
    return {
        "name": plan.name,
        "specimen_set": plan.specimen_set,
        "split": plan.split,
        "class_index": [c.name for c in class_table(config)].index(plan.polar_class.name),
        "class_name": plan.polar_class.name,
        "direction_deg": plan.polar_class.direction_deg,
        "variant": list(plan.variant),
        "seed": plan.seed,
        "thickness_nm": max(plan.thicknesses_nm),
        **structures.model_dump(
            mode="json",
            exclude={"end_on", "amplitude_spread", "composition_spread", "polar_direction"},
        ),
        "amplitude": plan.amplitude,
        "drawn_share": plan.drawn_share,
        **({} if plan.direction is None else {"polar_direction": list(plan.direction)}),
        **imperfect,
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
        "thicknesses_nm": list(plan.thicknesses_nm),
        "seed": plan.seed,
    }
    if (conditions := config.specimens[plan.specimen_set].conditions) is not None:
        settings["conditions"] = conditions.model_dump(mode="json")
    if engine == "scattering_matrix":
        settings["turn"] = [list(row) for row in crystal_of(config, plan)[1]]
    return settings


def matrix_settings(config: Config, crystal: SpecimenPlan) -> dict[str, Any]:
    """Everything that a scattering matrix depends on, as plain values."""
    structures = config.structures_of(crystal.specimen_set)
    simulate = config.simulate_of(crystal.specimen_set)
    margin, reach = config.reserve_mrad(crystal.specimen_set)
    needed = {"device", "energy_kv", "semiangle_mrad", "pixels_per_cell", "detector"}
    needed |= {"slices", "projection"}
    if crystal.split != "all":
        needed |= {"phonons"}
    return {
        "structure": structure_settings(config, crystal)
        | {"cells": [*repeating_cells(structures)]},
        "simulate": simulate.model_dump(mode="json", include=needed),
        "thicknesses_nm": list(crystal.thicknesses_nm),
        "cells": list(structures.cells),
        "margin_mrad": margin,
        "reach_mrad": reach,
    }


def matrix_mb(config: Config, crystal: SpecimenPlan) -> float:
    """Size of a scattering matrix [MB], near enough to ask for memory.

    Plane waves in the aperture times beams on the detector and products within each group of
    waves, which ``WaveGrid.predicted_mb`` counts one by one.
    """
    return size_mb(matrix_settings(config, crystal))


def size_mb(settings: Mapping[str, Any]) -> float:
    """As `matrix_mb`, of a matrix's settings."""
    structures, simulate = settings["structure"], settings["simulate"]
    groups, beams = 1, 1.0  # groups of waves that differ by lattice vectors
    lengths = lengths_of(structures)
    for length, cells, unit in zip(lengths, settings["cells"], structures["cells"], strict=False):
        per_mrad = unit * length / (1e3 * wavelength(simulate["energy_kv"]))
        groups *= cells // unit
        beams *= 2 * (settings["reach_mrad"] + settings["margin_mrad"]) * per_mrad + 1
    waves = plane_waves(settings)
    count = simulate.get("phonons", {}).get("configurations", 1)
    return 8e-6 * count * len(settings["thicknesses_nm"]) * waves * (waves / groups + beams)


def plane_waves(settings: Mapping[str, Any]) -> float:
    """Plane waves in the aperture of a matrix's settings, widened by the largest tilt."""
    simulate = settings["simulate"]
    radius = 1e-3 * (simulate["semiangle_mrad"] + settings["margin_mrad"])
    x, y, _ = lengths_of(settings["structure"])
    columns, rows = settings["cells"]
    area = columns * x * rows * y  # of the field [Å^2]
    return math.pi * (radius / wavelength(simulate["energy_kv"])) ** 2 * area


def measured_settings(config: Config, domain: str) -> dict[str, Any]:
    """Everything that a data domain measured on scattering matrices depends on, as plain values.

    Under conditions of its own it holds test specimens alone: nothing is trained on it.
    """
    section = config.domains[domain]
    structures = config.structures_of(section.specimens)
    specimens = []
    for plan in specimens_of_domain(config, domain):
        if section.conditions is not None and plan.split != "test":
            continue
        crystal, turn = crystal_of(config, plan)
        specimens.append(
            {
                "name": plan.name,
                "split": plan.split,
                "class_name": plan.polar_class.name,
                "direction_deg": plan.polar_class.direction_deg,
                "thicknesses_nm": list(section.thicknesses_nm or plan.thicknesses_nm),
                "seed": plan.seed,
                "crystal": crystal.name,
                "turn": [list(row) for row in turn],
            }
        )
    return {
        "conditions": (section.conditions or Conditions()).model_dump(mode="json"),
        "simulate": config.simulate_of(section.specimens).model_dump(mode="json"),
        "engine_reason": engine_of(config, section.specimens)[1],
        "dose_electrons": section.dose_electrons,
        "cells": list(structures.cells),
        "unit_cells": list(repeating_cells(structures)),
        "specimens": specimens,
    }


def domain_settings(config: Config, domain: str) -> dict[str, Any]:
    """Everything that a data domain of simulated patterns depends on, as plain values."""
    section = config.domains[domain]
    settings: dict[str, Any] = section.model_dump(
        mode="json", include={"thicknesses_nm", "dose_electrons"}
    )
    conditions = config.specimens[section.specimens].conditions
    if conditions is not None:
        settings["conditions"] = conditions.model_dump(mode="json")
        settings["simulate"] = config.simulate_of(section.specimens).model_dump(mode="json")
    return settings


def stream_settings(config: Config, source: str) -> dict[str, Any]:
    """Everything that a stream of training patterns depends on, as plain values."""
    stream = config.streams()[source]
    names = [c.name for c in class_table(config)]
    specimens = []
    for split in ("train", "validation"):
        for plan in specimens_of_stream(config, source, split):
            crystal, turn = crystal_of(config, plan)
            polar = config.structures_of(plan.specimen_set).amplitude > 0
            specimens.append(
                {
                    "name": plan.name,
                    "split": split,
                    "class_index": names.index(plan.polar_class.name) if polar else -1,
                    "crystal": crystal.name,
                    "turn": [list(row) for row in turn],
                }
            )
    settings: dict[str, Any] = stream.model_dump(mode="json")
    # sets differ in their crystals only: one microscope measures them, at positions of its own
    simulate = config.simulate_of(stream.specimens[0])
    settings["simulate"] = simulate.model_dump(mode="json", exclude={"scan"})
    return settings | {"specimens": specimens}


def seen_vector(plan: SpecimenPlan) -> tuple[float, float]:
    """Polar vector of a specimen to the right and up, over the length of the template's."""
    if plan.direction is not None:
        return plan.amplitude * plan.direction[0], plan.amplitude * plan.direction[1]
    length = plan.amplitude * plan.polar_class.projected_fraction
    if not length:  # along the beam, or none
        return 0.0, 0.0
    angle = math.radians(plan.polar_class.direction_deg)
    return length * math.cos(angle), length * math.sin(angle)


def true_vectors(config: Config) -> dict[str, dict[str, list[float]]]:
    """Vectors as they are seen and amplitudes of the specimens whose displacements are scored.

    Over the length of the template's; data domain -> specimen -> right, up, amplitude.
    """
    section = config.evaluate.displacements
    return {
        domain: {
            plan.name: [*seen_vector(plan), plan.amplitude]
            for plan in specimens_of_domain(config, domain)
            if plan.split == "test"
        }
        for domain in (section.fitted if section else ())
    }


def model_settings(config: Config, model: str, source: str | None = None) -> dict[str, Any]:
    """Options of a model, with what they take from other sections."""
    settings: dict[str, Any] = config.models[model].model_dump(
        mode="json", exclude={"shuffled_labels"}
    )
    if "training" in settings:
        settings["training"] = config.training_of(model, source).model_dump(mode="json")
    if settings.get("signal") == "friedel" and settings["spacing_pixels"] is None:
        settings["spacing_pixels"] = reflection_spacing(config)
    return settings


def trained_for(config: Config, source: str) -> dict[str, Any]:
    """What patterns a training source stands for: a scan must be like them to be mapped.

    Returns
    -------
    dict
        ``energy_kv``, ``semiangle_mrad``, ``pixels`` and ``mrad_per_pixel`` of the detector,
        ``pixels_per_cell``, ``accuracy`` and ``slices`` of the simulation, ``material``, ``phase``,
        ``zone_axis``, ``cell_angstrom`` (the projected cell along y and x), ``thickness_nm``
        (lowest and highest) and ``conditions`` of a stream, else null.
    """
    stream = config.streams().get(source)
    sets = (
        stream.specimens
        if stream
        else [config.domains[d].specimens for d in config.domains_of(source)]
    )
    simulate, structures = config.simulate_of(sets[0]), config.structures_of(sets[0])
    if stream:
        given = [config.specimens[name].thicknesses_nm for name in sets]
    else:
        domains = [config.domains[name] for name in config.domains_of(source)]
        given = [d.thicknesses_nm or config.specimens[d.specimens].thicknesses_nm for d in domains]
    ends = [t for some in given for t in (some.between if isinstance(some, Drawn) else some)]
    x, y = cell_size(config)
    return {
        "energy_kv": simulate.energy_kv,
        "semiangle_mrad": simulate.semiangle_mrad,
        "pixels": simulate.detector.pixels,
        "mrad_per_pixel": simulate.detector.mrad_per_pixel,
        "pixels_per_cell": simulate.pixels_per_cell,
        "accuracy": simulate.accuracy,
        "slices": simulate.slices,
        "material": structures.material,
        "phase": structures.phase,
        "zone_axis": list(structures.zone_axis),
        "cell_angstrom": [y, x],
        "thickness_nm": [min(ends), max(ends)],
        "conditions": stream.conditions.model_dump(mode="json") if stream else None,
    }


def cell_size(config: Config) -> tuple[float, float]:
    """Projected cell of the undistorted crystal along x and y [Å]."""
    structures = config.structures
    variant = class_table(config)[0].variants[0]
    material = load_material(structures.material)
    x, y, _ = cell_lengths(material, structures.phase, variant, structures.zone_axis, "cubic")
    return x, y


def reflection_spacing(config: Config) -> list[float]:
    """Distance of neighbouring reflections of the projected cell along x and y [pixels].

    Of the undistorted cell, on the detector of `simulate`.
    """
    simulate = config.simulate
    per_pixel = simulate.detector.mrad_per_pixel
    return [
        1e3 * wavelength(simulate.energy_kv) / length / per_pixel for length in cell_size(config)
    ]
