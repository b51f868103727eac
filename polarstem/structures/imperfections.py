# SPDX-License-Identifier: GPL-3.0-or-later
"""How a specimen departs from an ideal crystal, as numbers. Light: no numpy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from polarstem.structures.crystals import Material

AmorphousKind = Literal["crystal", "carbon"]
MOST_DISORDER = 3.0
"""Largest factor on the static displacements: atoms stay in their planes."""
LAYER_SLICE = 2.0
"""Thickness of the slices of amorphous layers, about that of the crystal's [Å]."""
MOST_TILT_DEG = 10.0
"""Largest octahedral tilt [degrees]."""


@dataclass(frozen=True, kw_only=True)
class Imperfections:
    """How a specimen departs from an ideal crystal; by default not at all.

    Attributes
    ----------
    disorder : float
        Factor on the material's static displacements: each atom has its own, the same in every
        thermal configuration.
    octahedral_tilt_deg : float
        Angle by which octahedra are turned about each axis that the material's tilt system turns
        them about, `polarstem.structures.crystals.Material.tilt_system` [degrees].
    amorphous_nm : tuple of float
        Thickness of an amorphous layer on the entrance and on the exit surface [nm].
    amorphous_of : {"crystal", "carbon"}
        What the layers are of: the crystal's composition, or carbon.
    """

    disorder: float = 0.0
    octahedral_tilt_deg: float = 0.0
    amorphous_nm: tuple[float, float] = (0.0, 0.0)
    amorphous_of: AmorphousKind = "crystal"


def layer_slices(height: float) -> int:
    """Slices that an amorphous layer of a height is cut into [Å]; none without a layer."""
    return max(1, round(height / LAYER_SLICE)) if height > 0 else 0


def imperfection_problem(given: Imperfections, material: Material) -> str | None:
    """Say what no specimen of a material can have; None where all is well."""
    if not 0 <= given.disorder <= MOST_DISORDER:
        return f"disorder {given.disorder:g} must lie between 0 and {MOST_DISORDER:g}"
    if given.disorder and not material.static_disorder_rms_angstrom:
        return (
            f"disorder is {given.disorder:g}, but {material.formula} has no "
            "static_disorder_rms_angstrom; add them to the material, or leave disorder out"
        )
    if not abs(given.octahedral_tilt_deg) <= MOST_TILT_DEG:
        return (
            f"octahedral_tilt_deg {given.octahedral_tilt_deg:g} must lie within "
            f"{MOST_TILT_DEG:g} degrees of zero"
        )
    if not all(0 <= t < math.inf for t in given.amorphous_nm) or len(given.amorphous_nm) != 2:
        return "amorphous_nm must be two thicknesses, of the entrance and the exit surface"
    return None
