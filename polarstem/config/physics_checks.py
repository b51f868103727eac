# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the physics: what no job could build, simulate or measure, told before the first.

All of it follows from the configuration and the crystal's numbers, without arrays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from polarstem.config.accuracy import coarsest_sampling, projected_cells
from polarstem.config.angles import edge_of
from polarstem.config.conditions import Conditions, Drawn
from polarstem.config.experiment_conditions import ExperimentConditions, disorder_problem
from polarstem.config.library import TILT_MRAD
from polarstem.config.map_jobs import recommended_library
from polarstem.config.model import Config
from polarstem.config.physics import Simulate, Structures, band_mrad
from polarstem.config.plan import engine_of, repeating_cells, specimens_of, used_sets
from polarstem.config.specimens import SOURCE_STEPS
from polarstem.errors import PolarstemError
from polarstem.structures.cell_metric import cell_lengths
from polarstem.structures.crystals import Material, load_material
from polarstem.structures.recipes import doubled_cells, metric_problem, whole_periods
from polarstem.structures.variants import classes

_MOST_PIXELS = 512  # per cell, the largest that the config takes


class _Problem(NamedTuple):
    """What is wrong with a key of one specimen set, or with one that several sets share."""

    key: str
    text: str


def physics_checks(config: Config) -> Iterator[str]:
    """Say what the physics forbids, each in one sentence that names every set it is true of."""
    sets: dict[_Problem, list[str]] = {}
    for name in config.specimens:
        for problem in _of_set(config, name):
            sets.setdefault(problem, []).append(name)
    for (key, text), names in sets.items():
        if key.startswith(("structures.", "simulate.")):
            yield f"{key} (for {_listed(names)}): {text}"
        else:
            yield from (f"specimens.{name}.{key}: {text}" for name in names)
    yield from _thermal_sets(config)
    yield from _end_on(config)
    yield from _one_microscope(config)
    yield from _library(config)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"specimens.{name}" for name in names)


def _of_set(config: Config, name: str) -> Iterator[_Problem]:
    structures = config.structures_of(name)
    try:
        material = load_material(structures.material)
        material.require_phase(structures.phase)
    except PolarstemError:
        return  # told by the checks of the classes
    if problem := metric_problem(material, structures.phase, structures.metric):
        yield _Problem("structures.metric", problem)
    yield from _cations(material, structures)
    if structures.octahedral_tilt_deg:
        doubled = _doubled(material, structures)
        yield from _odd_cells(
            structures, doubled, "octahedral tilts of structures.octahedral_tilt_deg"
        )
    yield from _angles(config, name, material)
    yield from _periods(config, name, material)
    if name in {domain.specimens for domain in config.domains.values()}:
        yield from _scan(structures, config.simulate_of(name))
    emulated = config.specimens[name].conditions is not None
    if emulated and engine_of(config, name)[0] == "multislice":
        yield from _emulated(config, name, material)


def _cations(material: Material, structures: Structures) -> Iterator[_Problem]:
    """Rock-salt order of the A site."""
    if structures.a_site != "ordered":
        return
    if list(material.a_site.values()) != [0.5, 0.5]:
        yield _Problem(
            "structures.a_site",
            "'ordered' alternates two elements in equal shares, which "
            f"{material.formula} does not have; use random or virtual",
        )
        return
    untilted = structures.model_copy(update={"octahedral_tilt_deg": 0.0})
    yield from _odd_cells(
        structures, repeating_cells(untilted), "rock-salt order of a_site 'ordered'"
    )


def _odd_cells(structures: Structures, repeats: tuple[int, int], what: str) -> Iterator[_Problem]:
    """Fields that do not hold whole periods of a crystal that repeats every other cell."""
    for axis, count, unit in zip("xy", structures.cells, repeats, strict=True):
        if count % unit:
            yield _Problem(
                "structures.cells",
                f"an odd number of cells along {axis}, {count}, breaks the {what}; use {count + 1}",
            )


def _doubled(material: Material, structures: Structures) -> tuple[int, int]:
    return doubled_cells(structures.zone_axis, material.tilt_system(structures.phase))


def _angles(config: Config, name: str, material: Material) -> Iterator[_Problem]:
    """Angles that the grid does not hold."""
    structures, simulate = config.structures_of(name), config.simulate_of(name)
    if engine_of(config, name)[0] == "multislice":
        # a tilt is in the propagator, so detector and grid move together
        conditions = config.specimens[name].conditions or Conditions()
        margin, reach = 0.0, edge_of(simulate.detector, conditions)
    else:
        margin, reach = config.reserve_mrad(name)
    yield from _beyond(material, structures, simulate, reach, margin)


def _beyond(
    material: Material, structures: Structures, simulate: Simulate, reach: float, margin: float
) -> Iterator[_Problem]:
    pixels = simulate.pixels_per_cell
    widest = _band(material, structures, simulate, pixels)
    what, key = "detector", "simulate.detector"
    if simulate.semiangle_mrad > reach:
        what, key = "aperture", "simulate.semiangle_mrad"
    largest = max(reach, simulate.semiangle_mrad) + margin
    if largest <= widest:
        return
    finer = range(pixels + 2, _MOST_PIXELS + 1, 2)
    enough = (n for n in finer if _band(material, structures, simulate, n) >= largest)
    needed = next(enough, None)
    raised = f"raise simulate.pixels_per_cell to {needed}, or " if needed else ""
    reaches = "and the largest tilt reach" if margin else "reaches"
    yield _Problem(
        key,
        f"{what} {reaches} {largest:.4g} mrad, but {pixels} pixels per cell simulate angles up to "
        f"{widest:.1f} mrad only; {raised}choose a smaller {what}",
    )


def _band(material: Material, structures: Structures, simulate: Simulate, pixels: int) -> float:
    """Largest angle that a grid simulates, of the crystals of a set the smallest [mrad]."""
    return band_mrad(simulate.energy_kv, coarsest_sampling(material, structures, pixels))


def _periods(config: Config, name: str, material: Material) -> Iterator[_Problem]:
    """Thicknesses that are the same number of periods of a crystal."""
    structures = config.structures_of(name)
    for plan in specimens_of(config, name):
        period = cell_lengths(
            material, structures.phase, plan.variant, structures.zone_axis, structures.metric
        )[2]
        if pair := _same_periods(sorted(plan.thicknesses_nm), period):
            drawn = isinstance(config.specimens[name].thicknesses_nm, Drawn)
            hint = "draw fewer, or from a wider range" if drawn else "keep them a period apart"
            yield _Problem(
                "thicknesses_nm",
                f"{pair[0]:g} and {pair[1]:g} nm are the same number of {period / 10:.3f} nm "
                f"periods along the beam; {hint}",
            )
            return


def _same_periods(thicknesses_nm: list[float], period: float) -> tuple[float, float] | None:
    """Neighbours among ascending thicknesses that are rounded to the same whole periods."""
    for low, high in pairwise(thicknesses_nm):
        if low < high and whole_periods(low, period) == whole_periods(high, period):
            return low, high
    return None


def _scan(structures: Structures, simulate: Simulate) -> Iterator[_Problem]:
    """Scans of more cells than the field has."""
    for axis, wanted, there in zip("yx", simulate.scan.cells, structures.cells[::-1], strict=True):
        if wanted > there:
            yield _Problem(
                "simulate.scan.cells",
                f"asks for {wanted} cells along {axis}, but the field has {there}; enlarge "
                "structures.cells or scan fewer cells",
            )


def _emulated(config: Config, name: str, material: Material) -> Iterator[_Problem]:
    """Emulated experiments that their scan or their thermal motion cannot sample."""
    settings, simulate = config.specimens[name], config.simulate_of(name)
    conditions, given = settings.conditions, settings.thicknesses_nm
    assert conditions is not None
    count = given.count if isinstance(given, Drawn) else len(given)
    if count > 1:
        yield _Problem(
            "thicknesses_nm",
            f"an emulated experiment has one thickness, not {count}; use "
            "{between: [lowest, highest]}, or a set for each",
        )
    yield from _imperfect(conditions, config.structures_of(name), simulate, material)
    low, high = conditions.source_fwhm_angstrom
    shape = simulate.scan.positions
    longest = longest_cell(material, config.structures_of(name))
    least = least_joined(longest, shape)
    if high > 0 and low < least:
        needed = [math.ceil(SOURCE_STEPS * length / low - 1e-9) if low else 0 for length in longest]
        more = f"raise simulate.scan.positions to {needed}, or " if low else ""
        yield _Problem(
            "conditions.source_fwhm_angstrom",
            f"may be {low:g} Å, but on {shape[0]} x {shape[1]} probe positions a source joins "
            f"neighbours only from {math.ceil(100 * least) / 100:.2f} Å on; {more}use a wider "
            "source or 0",
        )
    if conditions.defocus_spread_angstrom[1] > 0 and simulate.phonons.configurations < 2:
        yield _Problem(
            "conditions.defocus_spread_angstrom",
            "is sampled by the thermal configurations, but simulate.phonons.configurations is "
            f"{simulate.phonons.configurations}; use 8, say",
        )


def longest_cell(material: Material, structures: Structures) -> tuple[float, float]:
    """Longest edges of a set's projected cells along y and x [Å]."""
    cells = projected_cells(material, structures)
    y, x = (max(lengths[axis] for lengths in cells) for axis in (1, 0))
    return y, x


def least_joined(longest: tuple[float, float], positions: tuple[int, int]) -> float:
    """Least full width of a source that joins an emulated scan's neighbouring positions [Å].

    Parameters
    ----------
    longest : tuple of float
        Edges of the cell that is scanned along y and x [Å].
    positions : tuple of int
        Probe positions along y and x.
    """
    return SOURCE_STEPS * max(length / n for length, n in zip(longest, positions, strict=True))


def _imperfect(
    conditions: ExperimentConditions,
    structures: Structures,
    simulate: Simulate,
    material: Material,
) -> Iterator[_Problem]:
    """Imperfections that a crystal cannot have, or its box cannot hold."""
    if problem := disorder_problem(conditions, simulate, material):
        yield _Problem("conditions.disorder", problem)
    if conditions.octahedral_tilt_deg[1]:
        doubled = _doubled(material, structures)
        what = "octahedral tilts of conditions.octahedral_tilt_deg"
        yield from _odd_cells(structures, doubled, what)


def _thermal_sets(config: Config) -> Iterator[str]:
    """Sets of thermal matrices that are asked for what only a stream of others can give."""
    thermal = [n for n in config.specimens if engine_of(config, n)[0] == "thermal_matrices"]
    for name in thermal:
        where = f"simulate.engine (for specimens.{name})"
        if config.structures_of(name).defect is not None:
            yield (
                f"{where}: thermal matrices are of columns one cell wide, so that "
                "structures.defect would be in every cell; use `multislice`"
            )
        if config.specimens[name].conditions is not None:
            yield (
                f"{where}: thermal matrices are measured under the conditions of a stream, so "
                f"that specimens.{name}.conditions mean nothing; leave them out"
            )
    for name, domain in config.domains.items():
        if domain.specimens in thermal and domain.conditions is None:
            yield (
                f"domains.{name}.specimens: {domain.specimens!r} are thermal matrices "
                "(simulate.engine), which a stream of train.sources measures; name another set"
            )


def _end_on(config: Config) -> Iterator[str]:
    """A class that looks exactly like the unpolar control."""
    used = dict.fromkeys(used_sets(config))
    for stream in config.streams().values():
        used |= dict.fromkeys(name for name in stream.specimens if name in config.specimens)
    unpolar = [name for name in used if not config.structures_of(name).amplitude]
    hidden = []
    for name in used:
        structures = config.structures_of(name)
        table = classes(structures.phase, structures.zone_axis, structures.end_on)
        names = [entry.name for entry in table]
        shown = "END" in config.specimens[name].chosen(names)
        if shown and structures.amplitude and config.simulate_of(name).slices == "planes":
            hidden.append(name)
    if unpolar and hidden:
        yield (
            f"structures.end_on (for {_listed(hidden)}): with "
            "simulate.slices `planes` a polarization along the beam cannot be seen, so that the "
            f"class END looks exactly like {', '.join(unpolar)}, whose amplitude is 0; use slices "
            "`atoms`, or leave one of them out"
        )


def _one_microscope(config: Config) -> Iterator[str]:
    """Sets that are used together, but were seen by different microscopes."""
    shared = ("energy_kv", "semiangle_mrad", "tilt_mrad", "aberrations", "detector")
    used = used_sets(config)
    for source, stream in config.streams().items():
        known = [name for name in stream.specimens if name in config.specimens]
        used += known[:1]
        for first, other in ((known[0], name) for name in known[1:]):
            for key in shared:
                one, two = (getattr(config.simulate_of(name), key) for name in (first, other))
                if one != two:
                    yield (
                        f"train.sources.{source}.specimens: {first!r} and {other!r} differ in "
                        f"simulate.{key}, but one microscope measures both; make it the same"
                    )
    sizes: dict[int, str] = {}
    for name in dict.fromkeys(used):
        sizes.setdefault(config.simulate_of(name).detector.pixels, name)
    if len(sizes) > 1:
        (few, first), (many, second), *_ = sizes.items()
        yield (
            f"simulate.detector.pixels (for specimens.{second}): is {many}, but specimens."
            f"{first} have {few}; models need patterns of one size, so make them the same"
        )


def _library(config: Config) -> Iterator[str]:
    """The library that scans are placed by."""
    best = config.evaluate.recommended
    if best is None or not config.mapped():
        return
    if best.source not in config.train.sources:
        return  # told by the checks of the learning
    try:
        settings = recommended_library(config)
        assert settings is not None
        material = load_material(settings["structure"]["material"])
        material.require_phase(settings["structure"]["phase"])
    except (PolarstemError, KeyError, IndexError, ValueError):
        return  # of sets that are told already
    structures = Structures.model_validate(settings["structure"])
    simulate = Simulate.model_validate(settings["simulate"])
    half = simulate.detector.pixels * simulate.detector.mrad_per_pixel / 2
    margin = 1e3 * math.tan(TILT_MRAD / 1e3)
    where = "evaluate.recommended: the library that scans are placed by"
    for problem in _beyond(material, structures, simulate, half, margin):
        yield f"{where} tilts by {TILT_MRAD:g} mrad: {problem.text}"
    period = next(iter(projected_cells(material, structures)))[2]
    if pair := _same_periods(settings["thicknesses_nm"], period):
        yield (
            f"{where} has {pair[0]:g} and {pair[1]:g} nm, the same number of {period / 10:.3f} nm "
            "periods along the beam; train on thicker specimens or a wider range"
        )
