# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions of emulated and virtual experiments: microscopes, and specimens that are not ideal."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from polarstem.config.conditions import Conditions, Range
from polarstem.config.physics import Simulate
from polarstem.seeds import derive_share
from polarstem.structures.crystals import Material
from polarstem.structures.imperfections import MOST_DISORDER, MOST_TILT_DEG, AmorphousKind

MOST_DRIFT, MOST_JITTER, MOST_WEDGE, MOST_AMORPHOUS = 0.2, 2.0, 0.9, 20.0
_NONE = (0.0, 0.0)


def _at_most(limit: float) -> AfterValidator:
    def checked(value: tuple[float, float]) -> tuple[float, float]:
        if value[1] > limit:
            raise ValueError(f"must not be more than {limit:g}")
        return value

    return AfterValidator(checked)


class ExperimentConditions(Conditions):
    """Ranges [lowest, highest] that a microscope, a specimen and a scan are drawn from."""

    disorder: Annotated[Range, _at_most(MOST_DISORDER)] = Field(
        _NONE,
        description="factor on the material's `static_disorder_rms_angstrom`: every atom is "
        "displaced for good, independently of the others and of its thermal motion",
    )
    octahedral_tilt_deg: Annotated[Range, _at_most(MOST_TILT_DEG)] = Field(
        _NONE,
        description="turn of the oxygen octahedra [degrees] about each axis that the material's "
        "`octahedral_tilts` of the phase turns them about: a0a0c+ in Glazer's notation, about "
        "[001], where it names none; it doubles the cell seen along [001]",
    )
    amorphous_nm: Annotated[Range, _at_most(MOST_AMORPHOUS)] = Field(
        _NONE,
        description="thickness of the amorphous layer on each of both surfaces, drawn apart [nm]",
    )
    amorphous_of: AmorphousKind = Field(
        "crystal",
        description="what amorphous layers are of: the crystal's composition at 0.9 of its "
        "density, or carbon of 2.0 g/cm^3",
    )
    drift: Annotated[Range, _at_most(MOST_DRIFT)] = Field(
        _NONE,
        description="distance that the specimen drifts while the probe moves on by one along the "
        "slow axis of the scan; its direction is random: it shears and stretches the scan",
    )
    row_jitter_angstrom: Annotated[Range, _at_most(MOST_JITTER)] = Field(
        _NONE,
        description="standard deviation of the rows' shifts along the fast axis, none more than "
        "three times as large [Å]",
    )


class SceneConditions(ExperimentConditions):
    """Ranges [lowest, highest] that a virtual experiment is drawn from, which has a field."""

    wedge: Annotated[Range, _at_most(MOST_WEDGE)] = Field(
        _NONE,
        description="largest change of the thickness within the field, as a share of it; it is "
        "linear, and its direction is random",
    )


def disorder_problem(
    conditions: ExperimentConditions, simulate: Simulate, material: Material
) -> str | None:
    """Say that a material has no static disorder, or its slices cannot hold any."""
    if not conditions.disorder[1]:
        return None
    if simulate.slices == "atoms":
        return (
            "displaces every atom, so that simulate.slices `atoms`, a slice for each height, "
            "would need one for each atom; use `planes`"
        )
    if material.static_disorder_rms_angstrom:
        return None
    return (
        f"is a factor on static_disorder_rms_angstrom, which {material.formula} does not have; "
        "add them to the material, or leave disorder out"
    )


def drawn_imperfections(conditions: ExperimentConditions, *seed: object) -> dict[str, Any]:
    """Draw how a specimen departs from an ideal crystal.

    Parameters
    ----------
    conditions : ExperimentConditions
        The ranges.
    *seed : object
        What it is drawn for.

    Returns
    -------
    dict
        Keys of `polarstem.structures.imperfections.Imperfections`, and of a wedge, without those
        that nothing is asked of.
    """

    def one(key: str, *which: str) -> float:
        low, high = getattr(conditions, key)
        return float(round(low + (high - low) * derive_share(*seed, key, *which), 6))

    found: dict[str, Any] = {}
    for key in ("disorder", "octahedral_tilt_deg"):
        if getattr(conditions, key)[1]:
            found[key] = one(key)
    if conditions.amorphous_nm[1]:
        found["amorphous_nm"] = [one("amorphous_nm", side) for side in ("entrance", "exit")]
        found["amorphous_of"] = conditions.amorphous_of
    if isinstance(conditions, SceneConditions) and conditions.wedge[1]:
        found["wedge"] = one("wedge")
        found["wedge_deg"] = round(360 * derive_share(*seed, "wedge direction"), 3)
    return found
