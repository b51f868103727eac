# SPDX-License-Identifier: GPL-3.0-or-later
"""The bound of a measured displacement: its section of the config, and what it is computed from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator

from polarstem.config.accuracy import least_cells
from polarstem.config.physics import Cells, Count, Positive, Section
from polarstem.structures.crystals import load_material
from polarstem.structures.variants import classes

if TYPE_CHECKING:
    from polarstem.config.model import Config

PARAMETERS = {
    "ux": "pm",
    "uy": "pm",
    "thickness": "nm",
    "tilt_x": "mrad",
    "tilt_y": "mrad",
    "defocus": "angstrom",
    "x": "angstrom",
    "y": "angstrom",
    "thermal": "1",
}
"""What a pattern depends on, with units: the projected displacement of B first, then nuisances.
`thermal` is a factor on the thermal amplitudes."""
Nuisance = Literal["thickness", "tilt", "defocus", "position", "thermal"]
_BEHIND: dict[str, tuple[str, ...]] = {"tilt": ("tilt_x", "tilt_y"), "position": ("x", "y")}
KNOWLEDGE = ("known", "unknown")
"""Whether the nuisances are known, or estimated with the displacement."""
_LEAST_NM, _MOST_AMPLITUDE = 2.0, 1.3  # that leave room for differences on both sides


class VectorBound(Section):
    """The Cramér-Rao bound of B's projected displacement, from crystals that are displaced."""

    amplitudes: Annotated[
        tuple[Annotated[float, Field(ge=0, le=_MOST_AMPLITUDE)], ...], Field(min_length=1)
    ] = Field(
        (0.0, 1.0), description="lengths of the polar vector, over that of the template; one is 0"
    )
    direction: tuple[float, float, float] = Field(
        (1.0, 1.0, 0.0),
        description="where it points: right, up and along the beam, of any length but zero",
    )
    thicknesses_nm: Annotated[
        tuple[Annotated[float, Field(ge=_LEAST_NM)], ...], Field(min_length=1)
    ] = Field((10.0, 20.0, 40.0), description="thicknesses, rounded to whole cells [nm]")
    doses: Annotated[tuple[Positive, ...], Field(min_length=1)] = Field(
        (1e2, 1e3, 1e4, 1e5), description="electrons per pattern"
    )
    positions: Count = Field(
        6, description="probe positions along each side of the unit cell, of which each has a dose"
    )
    nuisance: tuple[Nuisance, ...] = Field(
        ("thickness", "tilt", "defocus", "position", "thermal"),
        description="what is unknown beside the displacement, the same for all patterns of a cell: "
        "`thickness`, crystal `tilt` (2), `defocus`, probe `position` (2), and `thermal`, a factor "
        "on the thermal amplitudes. The bound is stated with all of them known, and unknown",
    )
    cells: Cells | None = Field(
        None,
        description="field of the probes [unit cells along x and y]; null: the fewest that "
        "`simulate.accuracy` allows at the largest of these thicknesses",
    )
    draws: Annotated[int, Field(ge=0)] = Field(
        300,
        description="simulated scans of a cell that a maximum-likelihood fit is tested on, at the "
        "middle thickness and each dose: does it reach the bound? 0: none",
    )

    @field_validator("amplitudes", "thicknesses_nm", "doses", "nuisance")
    @classmethod
    def _once(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(value)) < len(value):
            raise ValueError("must not name anything twice")
        return value

    @field_validator("amplitudes")
    @classmethod
    def _zero(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if 0 not in value:
            raise ValueError("must hold 0, which displacements are told from")
        return value

    @field_validator("direction")
    @classmethod
    def _points(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not any(value):
            raise ValueError("must not be zero: it is the direction of the polar vector")
        return value


def parameters_of(nuisance: Sequence[str]) -> list[str]:
    """Those of `PARAMETERS` that are behind the names of `VectorBound.nuisance`."""
    return [name for group in nuisance for name in _BEHIND.get(group, (group,))]


def bound_matrix(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The largest scattering matrix of the bound, in the form of `polarstem.config.jobs`."""
    structure = settings["structure"]
    first = classes(structure["phase"], structure["zone_axis"])[0].variants[0]
    detector, tilt = settings["simulate"]["detector"], settings["simulate"]["tilt_mrad"]
    return {
        "structure": {**structure, "variant": first, "metric": "cubic", "cells": (1, 1)},
        "simulate": settings["simulate"],
        "cells": settings["cells"],
        "thicknesses_nm": settings["thicknesses_nm"],
        "margin_mrad": math.hypot(*tilt),
        "reach_mrad": detector["pixels"] * detector["mrad_per_pixel"] / 2,
    }


def vector_bound_settings(config: Config) -> dict[str, Any] | None:
    """Everything that the bound depends on, as plain values; None where it is not asked for.

    Crystal and microscope are those of the reference domain's specimens, with an averaged A site
    and atoms that are smeared by their thermal motion.
    """
    section = config.evaluate.vector_bound
    if section is None:
        return None
    name = config.domains[config.evaluate.reference_domain].specimens
    structures = config.structures_of(name).model_copy(update={"metric": "cubic"})
    simulate = config.simulate_of(name)
    thickest = max(section.thicknesses_nm)
    material = load_material(structures.material)
    length = math.hypot(*section.direction)
    needed = {"energy_kv", "semiangle_mrad", "pixels_per_cell", "slices", "projection", "detector"}
    needed |= {"tilt_mrad", "aberrations", "device"}
    return {
        "structure": structures.model_dump(mode="json", include={"material", "phase", "zone_axis"}),
        "simulate": simulate.model_dump(mode="json", include=needed),
        "thermal_scale": simulate.phonons.scale,
        "cells": list(section.cells or least_cells(material, structures, simulate, thickest)),
        "amplitudes": list(section.amplitudes),
        "direction": [part / length for part in section.direction],
        "thicknesses_nm": sorted(section.thicknesses_nm),
        "doses": sorted(section.doses),
        "positions": section.positions,
        "nuisance": parameters_of(section.nuisance),
        "draws": section.draws,
        "seed": config.seed,
    }
