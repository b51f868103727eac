# SPDX-License-Identifier: GPL-3.0-or-later
"""What the error budget of a run is measured on, as plain values."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from polarstem.config.accuracy import LEAST_BEAMS, projected_cells
from polarstem.config.conditions import Drawn
from polarstem.config.map_jobs import scene_settings
from polarstem.config.model import Config, thickest
from polarstem.config.physics import Simulate, wavelength
from polarstem.config.plan import used_sets
from polarstem.config.scene_limits import MOST_OFFSETS, window_shape
from polarstem.structures.crystals import load_material
from polarstem.structures.recipes import whole_periods
from polarstem.structures.scenes.recipe import make_scene
from polarstem.structures.symmetry import representative
from polarstem.structures.variants import classes

POSITIONS = 64
"""Probe positions, at random in the cell."""
WIDER = 2
"""The wide field over that of the run, along each side."""
ENSEMBLES = 3
"""Independent ensembles of thermal configurations, each as large as that of the run."""
_MOST_CRYSTALS = 2
_FINER, _FINEST = 1.5, 80  # pixels per cell over those of the run, and at the least
# What tells one microscope from another, apart from its detector.
_MICROSCOPE = ("energy_kv", "semiangle_mrad", "pixels_per_cell", "slices", "projection")


def accuracy_settings(config: Config) -> dict[str, Any]:
    """Everything that the error budget depends on, as plain values.

    Crystals are those of the reference domain's set, with an averaged A site and atoms that move;
    thicknesses the smallest, the largest and the reference one of the run.

    Parameters
    ----------
    config : Config
        The configuration.

    Returns
    -------
    dict
        For `polarstem.evaluate.summary.simulation_accuracy.measure_accuracy`.
    """
    domain = config.domains[config.evaluate.reference_domain]
    structures = config.structures_of(domain.specimens)
    simulate = config.simulate_of(domain.specimens)
    cells = projected_cells(load_material(structures.material), structures)
    period = min(lengths[2] for lengths in cells)
    sides = [min(lengths[axis] for lengths in cells) for axis in (0, 1)]
    given = domain.thicknesses_nm or _ends(config, domain.specimens)
    reference = sorted(given)[len(given) // 2]
    ends = [end for name in sets_in_use(config) for end in _ends(config, name)]
    thicknesses = _apart([min(ends), max(ends), reference], period)
    pixels = simulate.pixels_per_cell
    wide = [_wide(n, simulate.phonons.configurations) for n in structures.cells]
    largest = thickest(config.specimens[domain.specimens])
    return {
        "structure": structures.model_dump(
            mode="json", include={"material", "phase", "zone_axis", "metric", "amplitude"}
        ),
        "variants": _variants(config, domain.specimens),
        "specimens": domain.specimens,
        "simulate": _plain(simulate),
        "thermal_scale": simulate.phonons.scale,
        "thicknesses_nm": thicknesses,
        # what does not depend on the field is measured in one that just samples the aperture
        "cells": [
            min(most, _sampling(simulate, side))
            for most, side in zip(structures.cells, sides, strict=True)
        ],
        "finer": max(_FINEST, 2 * math.ceil(_FINER * pixels / 2)),
        "field": {
            "cells": list(structures.cells),
            "offsets": max(1, simulate.phonons.configurations),
            "wide": wide,
            "thicknesses_nm": _apart([largest, *(t for t in thicknesses if t < largest)], period),
        },
        "window": _window(config, simulate, thicknesses, wide),
        "phonons": _phonons(config, period, thicknesses),
        "positions": POSITIONS,
        "seed": config.seed,
    }


def accuracy_mb(config: Config) -> float:
    """Size of the largest scattering matrix of the error budget [MB], near enough.

    Plane waves in the aperture times beams on the detector.
    """
    settings = accuracy_settings(config)
    structures = config.structures_of(settings["specimens"])
    cell = min(projected_cells(load_material(structures.material), structures))
    sizes = []
    for field in filter(None, (settings["field"], settings["window"])):
        simulate = Simulate.model_validate(field.get("simulate", settings["simulate"]))
        half = simulate.detector.pixels * simulate.detector.mrad_per_pixel / 2
        waves = beams = 1.0
        for count, side in zip(field["wide"], cell, strict=False):
            per_mrad = side / (1e3 * wavelength(simulate.energy_kv))
            waves *= math.sqrt(math.pi) * simulate.semiangle_mrad * per_mrad * count
            beams *= 2 * half * per_mrad + 2
        sizes.append(8e-6 * waves * beams * (len(settings["thicknesses_nm"]) + 1))
    return max(sizes)


def sets_in_use(config: Config) -> list[str]:
    """Specimen sets that some data domain or stream of the run uses, in config order."""
    used = set(used_sets(config))
    used.update(name for stream in config.streams().values() for name in stream.specimens)
    return [name for name in config.specimens if name in used]


def _ends(config: Config, name: str) -> list[float]:
    given = config.specimens[name].thicknesses_nm
    return list(given.between) if isinstance(given, Drawn) else list(given)


def _apart(thicknesses: Iterable[float], period: float) -> list[float]:
    """Whole periods, ascending [nm]; what is nearer than two to one before it is left out."""
    kept: list[int] = []
    for thickness in thicknesses:
        count = whole_periods(thickness, period)
        if all(abs(count - other) >= 2 for other in kept):
            kept.append(count)
    return [round(count * period / 10, 6) for count in sorted(kept)]


def _variants(config: Config, name: str) -> list[list[int]]:
    """Polar axes that no turn maps onto one another, and that the beam can tell apart."""
    structures = config.structures_of(name)
    zone = structures.zone_axis
    table = classes(structures.phase, zone, structures.end_on)
    found = [
        representative(variant, zone, square=zone == (0, 0, 1), flat=True)[0]
        for entry in table
        for variant in entry.variants
    ]
    return [list(variant) for variant in dict.fromkeys(found)][:_MOST_CRYSTALS]


def _plain(simulate: Simulate) -> dict[str, Any]:
    needed = {*_MICROSCOPE, "detector", "tilt_mrad", "aberrations", "device"}
    return simulate.model_dump(mode="json", include=needed)


def _sampling(simulate: Simulate, side: float) -> int:
    """Fewest cells, each so long [Å], that sample the aperture."""
    least = LEAST_BEAMS * wavelength(simulate.energy_kv) / (simulate.semiangle_mrad / 1e3)
    return math.ceil(least / side)


def _wide(cells: int, offsets: int) -> int:
    return math.ceil(WIDER * cells * math.sqrt(max(1, offsets)))


def _window(
    config: Config, simulate: Simulate, thicknesses: list[float], wide: list[int]
) -> dict[str, Any] | None:
    """Windows of the thickest scene; None without scenes."""
    scenes = {n: e.scene.thickness_nm for n, e in config.experiments.items() if e.scene is not None}
    if not scenes:
        return None
    name = max(scenes, key=scenes.__getitem__)
    lengths = make_scene(scene_settings(config, name)).lengths
    own = config.simulate_of_scene(name)
    shared = all(getattr(own, key) == getattr(simulate, key) for key in _MICROSCOPE)
    if shared:  # on the detector of the run, so that its wide field serves both
        own = simulate.model_copy(update={"phonons": own.phonons})
    offsets = min(max(1, own.phonons.configurations), MOST_OFFSETS)
    sides = window_shape(own, lengths, scenes[name])
    near = [t for t in thicknesses if abs(t - scenes[name]) < 0.2 * lengths[2]]
    enough = [_wide(side, offsets) for side in sides]
    wider = shared and all(w >= 0.9 * e for w, e in zip(wide, enough, strict=True))
    return {
        "experiment": name,
        "simulate": _plain(own),
        "thicknesses_nm": near[:1] or _apart([scenes[name]], lengths[2]),
        "cells": list(sides),
        "offsets": offsets,
        "wide": wide if wider else enough,
    }


def _phonons(config: Config, period: float, thicknesses: list[float]) -> dict[str, Any] | None:
    """The set with the fewest thermal configurations; None where no atom moves."""
    counts = {name: config.simulate_of(name).phonons.configurations for name in sets_in_use(config)}
    moving = [name for name, count in counts.items() if count]
    if not moving:
        return None
    name = min(moving, key=lambda n: (counts[n], -thickest(config.specimens[n])))
    largest = thickest(config.specimens[name])
    return {
        "specimens": name,
        "configurations": counts[name],
        "thicknesses_nm": _apart([largest, *(t for t in thicknesses if t < largest)], period),
    }
