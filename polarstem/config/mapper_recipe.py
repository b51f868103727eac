# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of a mapper of one's own: what differs from the standard benchmark, and why.

Settings are those of ``config.yaml``: its stream, its emulated experiment and its scenes without
defects, for another crystal and microscope. What the optics or the crystal forbid is changed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import ValidationError

from polarstem.config.accuracy import field_error, projected_cells
from polarstem.config.check import check, explain, laid_over, read_standard
from polarstem.config.map_jobs import scene_settings, scenes
from polarstem.config.model import Config, thickest
from polarstem.config.physics import Simulate, Structures, wavelength
from polarstem.config.physics_checks import least_joined, longest_cell
from polarstem.config.plan import crystal_of, specimens_of
from polarstem.config.scene_limits import lacking_margin, least_source
from polarstem.errors import PolarstemError
from polarstem.structures.crystals import Material, load_material
from polarstem.structures.scenes.recipe import ZONE_AXIS, make_scene, wall_kinds
from polarstem.structures.variants import classes

STREAM, POLAR, UNPOLAR = "varied", "thermal", "thermal_cubic"
EXPERIMENT, CONTROL, KNOWN = "emulated", "emulated_cubic", "phonons"
DOMAINS = ("phonons_t20", "phonons_t30", EXPERIMENT, CONTROL)
"""Data domains of the standard benchmark that the mapper is tested on, the first for reference."""
_CONTROLS = 3  # unpolar crystals that it is tested on
_CHOSEN_BY = 2  # polar crystals that choose when to stop
_MEMORY_MB = 1000  # of training patterns; a stream keeps fewer


class Effort(NamedTuple):
    """How much is simulated and learned.

    Attributes
    ----------
    share : float
        Of the patterns of the standard benchmark's stream.
    crystals : int or None
        Polar crystals to learn from in all, each turned into all classes that are turns of it, and
        at least one for every class; None for those of the standard benchmark.
    tested : int
        Least number of crystals of the emulated experiment.
    scenes : tuple of str or None
        Defect-free scenes that anomaly scores are calibrated on; None for all.
    rough : bool
        Coarse grids and two thermal configurations: to see that everything runs.
    """

    share: float
    crystals: int | None
    tested: int
    scenes: tuple[str, ...] | None
    rough: bool = False


EFFORTS: Mapping[str, Effort] = {
    "look": Effort(0.02, 1, 4, ("calm_thin",), rough=True),
    "short": Effort(0.12, 6, 8, ("calm_thin", "calm_wall")),
    "default": Effort(0.4, 10, 12, ("calm_thin", "calm", "calm_wall")),
    "long": Effort(1.0, None, 24, None),
}


@dataclass(frozen=True)
class Request:
    """What a mapper is asked for.

    Attributes
    ----------
    material : str or mapping
        Crystal, by its name in ``resources/crystals.yaml`` or as `load_material` takes it.
    phase : str
        Its polar phase.
    energy_kv, semiangle_mrad : float
        Accelerating voltage [kV] and convergence semi-angle [mrad].
    zone_axis : tuple of int
        Beam direction.
    effort : str
        One of `EFFORTS`.
    reach_mrad, pixel_mrad : float or None
        Angle to which the scan's detector sees on every side, and that of its pixels [mrad], where
        they are known: the detector to train for sees no further and no finer.
    """

    material: str | Mapping[str, Any]
    phase: str
    energy_kv: float
    semiangle_mrad: float
    zone_axis: tuple[int, int, int] = ZONE_AXIS
    effort: str = "default"
    reach_mrad: float | None = None
    pixel_mrad: float | None = None

    def __str__(self) -> str:
        given = self.material
        name = given if isinstance(given, str) else load_material(given).formula
        return (
            f"{name}, phase {self.phase}, beam along {list(self.zone_axis)}, "
            f"{self.energy_kv:g} kV, {self.semiangle_mrad:g} mrad, effort {self.effort}"
        )


def mapper_settings(request: Request) -> dict[str, Any]:
    """What a mapper's configuration changes in the standard benchmark.

    Parameters
    ----------
    request : Request
        Crystal, optics, detector and effort.

    Returns
    -------
    dict
        To be laid over ``config.yaml``.

    Raises
    ------
    PolarstemError
        If there is no such material, phase, zone axis or effort, no such microscope, or its discs
        do not overlap.
    """
    material = _known(request)
    standard, effort = read_standard(), EFFORTS[request.effort]
    detector = training_detector(request, standard)
    structures: dict[str, Any] = {
        "material": request.material,
        "phase": request.phase,
        "zone_axis": list(request.zone_axis),
    }
    if len(material.a_site) == 1:
        structures["composition_spread"] = 0
    simulate: dict[str, Any] = {
        "energy_kv": request.energy_kv,
        "semiangle_mrad": request.semiangle_mrad,
        "detector": detector,
    }
    if effort.rough:
        simulate["accuracy"] = 0.2
    found: dict[str, Any] = {"structures": structures, "simulate": simulate}
    found["specimens"] = _specimens(request, standard, material)
    found["ladder"] = None
    # models by reflections, which a narrow detector does not see
    deflected = [n for n, m in standard["models"].items() if m["family"] == "deflection"]
    found["models"] = dict.fromkeys(deflected)
    found["train"] = _training(effort, standard)
    chosen = _scenes(request, material, standard)
    reach = detector["pixels"] * detector["mrad_per_pixel"]
    usual = standard["simulate"]["detector"]
    scale = reach / (usual["pixels"] * usual["mrad_per_pixel"])
    found["experiments"] = {
        name: _scene(standard["experiments"][name]["scene"], material, request, scale)
        for name in chosen
    } | dict.fromkeys(name for name in standard["experiments"] if name not in chosen)
    found["evaluate"] = {
        "domains": list(DOMAINS),
        "reference_source": STREAM,
        "reference_domain": DOMAINS[0],
        "controls": [CONTROL],
        "defect_free": chosen,
        "adaptation": [],
        "vector_bound": None,
    }
    return _with_room(found, standard)


def mapper_config(request: Request) -> Config:
    """The whole configuration of a mapper, checked.

    Raises
    ------
    PolarstemError
        As `mapper_settings`, or listing what else does not fit together.
    """
    return check(laid_over(read_standard(), mapper_settings(request)))


def training_detector(request: Request, standard: Mapping[str, Any]) -> dict[str, Any]:
    """Detector to train for: as wide as the standard's in semi-angles, unless the scan's is not.

    Raises
    ------
    PolarstemError
        If the scan's detector sees too little of the pattern, or too coarsely.
    """
    usual, semiangle = standard["simulate"]["detector"], standard["simulate"]["semiangle_mrad"]
    pixels: int = usual["pixels"]
    reach = usual["mrad_per_pixel"] * pixels / 2 * request.semiangle_mrad / semiangle
    if request.reach_mrad is not None:
        reach = min(reach, request.reach_mrad)
    if reach < request.semiangle_mrad:
        raise PolarstemError(
            f"The scan's detector sees to {reach:.3g} mrad from its middle, less than the disc of "
            f"{request.semiangle_mrad:g} mrad; correct `mrad_per_pixel` in the scan sheet."
        )
    if request.pixel_mrad is not None:
        pixels = min(pixels, 2 * math.floor(reach / request.pixel_mrad + 1e-6))
    if pixels < 8:
        raise PolarstemError(
            f"The scan's pixels of {request.pixel_mrad:.3g} mrad leave {pixels} across the "
            "pattern, and a mapper needs 8; correct `mrad_per_pixel` in the scan sheet."
        )
    return {"pixels": pixels, "mrad_per_pixel": float(f"{2 * reach / pixels:.4g}")}


def _known(request: Request) -> Material:
    """The material asked for; what is wrong with crystal or optics in one sentence."""
    material = load_material(request.material)
    material.require_phase(request.phase)
    if request.effort not in EFFORTS:
        raise PolarstemError(
            f"There is no effort {request.effort!r}; choose one of {', '.join(EFFORTS)}."
        )
    problems: list[str] = []
    crystal = {"phase": request.phase, "zone_axis": list(request.zone_axis)}
    optics = {"energy_kv": request.energy_kv, "semiangle_mrad": request.semiangle_mrad}
    for model, section in ((Structures, crystal), (Simulate, optics)):
        try:
            model.model_validate(section)
        except ValidationError as error:
            problems += explain(error, model)
    if not problems:
        problems += _parted_discs(request, material)
    if problems:
        raise PolarstemError(f"No mapper can be made: {'; '.join(problems)}.")
    return material


def _parted_discs(request: Request, material: Material) -> Iterator[str]:
    """Say that discs do not overlap.

    The phase between two beams, and with it the place of the probe in the cell, is seen where
    their discs overlap and nowhere else.
    """
    edge = material.cell_volume(request.phase) ** (1 / 3)
    apart = 1e3 * wavelength(request.energy_kv) / edge
    if 2 * request.semiangle_mrad <= apart:
        yield (
            f"discs of {request.semiangle_mrad:g} mrad lie {apart:.1f} mrad apart and do not "
            "overlap, so that patterns are alike all over a cell, and the cells of a scan cannot "
            f"be found; a mapper needs a semi-angle above {math.ceil(5 * apart) / 10:g} mrad"
        )


def _specimens(request: Request, standard: Mapping[str, Any], material: Material) -> dict[str, Any]:
    """Numbers of crystals, and sources that an emulated scan of this cell can join."""
    effort = EFFORTS[request.effort]
    structures = Structures.model_validate(
        {"material": request.material, "phase": request.phase, "zone_axis": request.zone_axis}
    )
    longest = longest_cell(material, structures)
    base = Config.model_validate(standard)
    table = classes(request.phase, request.zone_axis)
    tested = {"test": math.ceil(effort.tested / len(table))}
    found: dict[str, Any] = {
        EXPERIMENT: {"per_class": tested},
        CONTROL: {"per_class": {"test": _CONTROLS}, "classes": "first"},
    }
    for name in (EXPERIMENT, CONTROL):
        positions = base.simulate_of(name).scan.positions
        low, high = standard["specimens"][name]["conditions"]["source_fwhm_angstrom"]
        least = _rounded_up(least_joined(longest, positions))
        if low < least:
            wider = {"source_fwhm_angstrom": [least, max(high, least)]}
            found[name]["conditions"] = wider
    if request.phase not in material.lattice:  # an axis of one's own has no cell of its own
        cubic = {"structures": {"metric": "cubic"}}
        found |= {
            name: found.get(name, {}) | cubic
            for name, settings in standard["specimens"].items()
            if settings.get("structures", {}).get("metric", "cubic") != "cubic"
        }
    if effort.crystals is not None:
        apart = _not_turns(laid_over(dict(standard), {"structures": structures.model_dump()}))
        crystals = {"train": effort.crystals, "validation": _CHOSEN_BY}
        found[POLAR] = {"per_class": {s: math.ceil(n / apart) for s, n in crystals.items()}}
    if effort.rough:
        coarse = {"phonons": {"configurations": 2}}
        found[POLAR] = {"per_class": {"train": 1, "validation": 1}, "simulate": coarse}
        found[UNPOLAR] = found[POLAR]
        found[CONTROL]["per_class"] = {"test": 1}
    return found


def _not_turns(settings: dict[str, Any]) -> int:
    """Crystals that it takes to have one of every class."""
    config = Config.model_validate(settings)
    first = [p for p in specimens_of(config, POLAR) if (p.split, p.index) == ("train", 0)]
    return len({crystal_of(config, specimen)[0].name for specimen in first})


def _training(effort: Effort, standard: Mapping[str, Any]) -> dict[str, Any]:
    """The stream, shortened, and the one model that learns from it."""
    stream = standard["train"]["sources"][STREAM]
    parts = max(2, round(effort.share * stream["training"]["max_epochs"]))
    made: dict[str, Any] = {"specimens": [POLAR, UNPOLAR]}  # atoms of a real crystal move
    if effort.share < 1:
        made["patterns"] = round(effort.share * stream["patterns"])
        made["training"] = {"max_epochs": parts}
    model = standard["evaluate"]["recommended"]["model"]
    run = next(
        run
        for run in standard["train"]["runs"]
        if model in run["models"] and STREAM in run["sources"]
    )
    return {
        "sources": {STREAM: made},
        "runs": [run | {"models": [model], "sources": [STREAM]}],
        "memory_mb": _MEMORY_MB,
    }


def _scenes(request: Request, material: Material, standard: Mapping[str, Any]) -> list[str]:
    """Defect-free scenes of the standard benchmark that the crystal can have."""
    wanted = EFFORTS[request.effort].scenes
    return [
        name
        for name in standard["evaluate"]["defect_free"]
        if (wanted is None or name in wanted)
        # with one element on the A site there is nothing to cluster
        and (
            standard["experiments"][name]["scene"]["kind"] != "a_cluster"
            or len(material.a_site) > 1
        )
    ]


def _scene(
    scene: Mapping[str, Any], material: Material, request: Request, scale: float
) -> dict[str, Any]:
    """What a scene changes: its detector, its source and imperfections that are not known."""
    detector = scene["simulate"]["detector"]
    width = float(f"{detector['mrad_per_pixel'] * scale:.4g}")
    found: dict[str, Any] = {"simulate": {"detector": {"mrad_per_pixel": width}}}
    if EFFORTS[request.effort].rough:
        found["simulate"]["phonons"] = {"configurations": 4}
    conditions: dict[str, Any] = {}
    structures = Structures.model_validate(
        {"material": request.material, "phase": request.phase, "zone_axis": request.zone_axis}
    )
    walls = wall_kinds(request.phase, request.zone_axis)
    if scene["kind"].startswith("wall_") and scene["kind"] not in walls:
        found["kind"] = "wall_180"  # which every crystal has
    cell = min(longest_cell(material, structures))
    given = scene["conditions"]["source_fwhm_angstrom"]
    low, high = given if isinstance(given, list) else (given, given)
    least = _rounded_up(least_source(cell))
    if low < least:
        conditions["source_fwhm_angstrom"] = [least, max(high, least)]
    if scene["conditions"].get("disorder") and not material.static_disorder_rms_angstrom:
        conditions["disorder"] = 0
    return {"scene": found | ({"conditions": conditions} if conditions else {})}


def _with_room(part: dict[str, Any], standard: dict[str, Any]) -> dict[str, Any]:
    """Fields and margins as large as the optics need where the standard sets them by hand."""
    usual = Config.model_validate(standard)
    config = Config.model_validate(laid_over(standard, part))
    for name in (EXPERIMENT, CONTROL, KNOWN):
        allowed = max(config.simulate_of(name).accuracy, _field_error(usual, name))
        if _field_error(config, name) > 1.1 * allowed:
            part["specimens"].setdefault(name, {})["structures"] = {"cells": "auto"}
    for name in scenes(config):
        recipe = make_scene(scene_settings(config, name))
        scene = config.experiments[name].scene
        assert scene is not None
        lacking = lacking_margin(recipe, config.simulate_of_scene(name), scene.conditions)
        if lacking:
            part["experiments"][name]["scene"]["margin_cells"] = scene.margin_cells + lacking
    return part


def _field_error(config: Config, name: str) -> float:
    """Error of a set's patterns by the size of its field."""
    structures, material = config.structures_of(name), config.material_of(name)
    length = min(
        structures.cells[axis] * lengths[axis]
        for lengths in projected_cells(material, structures)
        for axis in (0, 1)
    )
    return field_error(config.simulate_of(name), length, thickest(config.specimens[name]))


def _rounded_up(angstrom: float) -> float:
    return math.ceil(100 * angstrom - 1e-9) / 100
