# SPDX-License-Identifier: GPL-3.0-or-later
"""What a material tells of a phase: its cell and its atoms' displacements. Light: no numpy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from polarstem.errors import PolarstemError
from polarstem.structures.variants import PHASES, Carrier, carriers, polar_axis

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Gram = tuple[tuple[float, float, float], ...]
"""Scalar products of the three pseudo-cubic axes [Å^2]."""

TEMPLATE, ATOMS = "as a template", "atom by atom"
"""Tags of the two forms of displacements, in the places that errors name."""
_CELL_KEYS = {"T": {"a", "c"}, "O": {"a", "b", "c"}, "R": {"a", "alpha"}}
_OWN_KEYS = {"a", "b", "c", "alpha", "beta", "gamma"}
_SHORTEST, _LONGEST = 3.0, 5.0  # of a pseudo-cubic axis [Å]
_ALIKE_PM, _ALIKE_GRAM = 1e-3, 1e-4  # rounding of numbers that symmetry makes equal [pm, Å^2]


MOST_AMPLITUDE = 1.4
"""Longest polar vector in a free direction, over that of the template."""


class Frozen(BaseModel):
    """Numbers that nothing changes, and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def turned_gram(gram: Gram | NDArray[np.float64], operation: Carrier) -> Gram:
    """Scalar products of the axes of a turned cell."""
    rows = [
        [s * t * gram[i][j] for j, t in zip(*operation, strict=True)]
        for i, s in zip(*operation, strict=True)
    ]
    return tuple((x, y, z) for x, y, z in rows)


def _phase(given: str) -> str:
    try:
        polar_axis(given)
    except PolarstemError as error:
        raise ValueError(str(error).rstrip(".")) from None
    return given


PhaseName = Annotated[str, AfterValidator(_phase)]
"""A phase as a key or value that is checked."""


class UnitCell(Frozen):
    """Cell of a phase.

    Attributes
    ----------
    a, b, c : float
        Axes [Å]. T (P4mm): a, and c along P. O (Amm2, twice the volume): a short axis, b, and c
        along P. R: a of the pseudo-cubic rhombohedral cell. Other polar axes: the pseudo-cubic
        axes, in which the polar axis has the components of its name.
    alpha, beta, gamma : float
        Angles between b and c, c and a, a and b [degrees]; of R the one angle.
    """

    a: float = Field(gt=0)
    b: float | None = Field(None, gt=0)
    c: float | None = Field(None, gt=0)
    alpha: float | None = Field(None, gt=60, lt=120)
    beta: float | None = Field(None, gt=60, lt=120)
    gamma: float | None = Field(None, gt=60, lt=120)

    def problem(self, phase: str) -> str | None:
        """Say what is wrong with it as the cell of a phase; None where all is well."""
        given, needed = set(self.model_dump(exclude_none=True)), _CELL_KEYS.get(phase, _OWN_KEYS)
        if given != needed:
            return f"needs {', '.join(sorted(needed))} and nothing else"
        lengths = self.stretches(phase) if phase in PHASES else (self.a, self.b, self.c)
        if not all(length and _SHORTEST < length < _LONGEST for length in lengths):
            return f"has a pseudo-cubic axis outside {_SHORTEST:g}-{_LONGEST:g} Å"
        if phase in PHASES:
            return None
        gram, axis = self.gram, polar_axis(phase)
        if not self.volume(phase) > 0:
            return "has angles that no cell has"
        for operation in carriers(axis, axis):
            for row, image in zip(gram, turned_gram(gram, operation), strict=True):
                if max(abs(u - v) for u, v in zip(row, image, strict=True)) > _ALIKE_GRAM:
                    return f"lacks the mirror plane that the axis {list(axis)} lies in"
        return None

    def stretches(self, phase: str) -> tuple[float, float, float]:
        """Principal lengths of the pseudo-cubic cell of T, O or R [Å].

        The pseudo-cubic axes are the cubic unit vectors under a symmetric deformation. Its
        principal values belong to the polar axis, the two-fold axis of the O phase (see
        `polarstem.structures.cell_metric`) and the direction perpendicular to both.
        """
        if phase == "T" and self.c:
            return self.c, self.a, self.a
        if phase == "O" and self.b and self.c:
            return self.c / math.sqrt(2), self.a, self.b / math.sqrt(2)
        cosine = math.cos(math.radians(self.alpha or 90.0))
        across = self.a * math.sqrt(1 - cosine)
        return self.a * math.sqrt(1 + 2 * cosine), across, across

    @property
    def gram(self) -> Gram:
        """Scalar products of the pseudo-cubic axes of a cell with six numbers [Å^2]."""
        lengths = [float(length or self.a) for length in (self.a, self.b, self.c)]
        angles = (self.alpha, self.beta, self.gamma)
        bc, ca, ab = (math.cos(math.radians(angle or 90.0)) for angle in angles)
        cosines = ((1.0, ab, ca), (ab, 1.0, bc), (ca, bc, 1.0))
        rows = [[lengths[i] * lengths[j] * cosines[i][j] for j in range(3)] for i in range(3)]
        return tuple((x, y, z) for x, y, z in rows)

    def volume(self, phase: str) -> float:
        """Volume of one formula unit [Å^3]."""
        if phase in PHASES:
            return math.prod(self.stretches(phase))
        (aa, ab, ca), (_, bb, bc), (_, _, cc) = self.gram
        square = aa * bb * cc + 2 * ab * bc * ca - aa * bc**2 - bb * ca**2 - cc * ab**2
        return math.sqrt(max(square, 0.0))


class Template(Frozen):
    """Displacements of T, O or R relative to B [pm], positive against the polarization.

    Attributes
    ----------
    A : float
        A-site cation.
    O_parallel, O_perpendicular : float
        Oxygen whose B-O bond is closest to the polar axis, and perpendicular to it.
    O_transverse : float
        Oxygens whose bond is oblique to the axis: shift perpendicular to the axis.
    """

    A: float = Field(ge=-100, le=100)
    O_parallel: float = Field(ge=-100, le=100)
    O_perpendicular: float = Field(ge=-100, le=100)
    O_transverse: float = Field(0.0, ge=-100, le=100)

    def problem(self, phase: str) -> str | None:
        """Say why it cannot be that of a phase."""
        if phase in PHASES:
            return None
        return "needs A, O_x, O_y and O_z, each with three components"


_Picometres = Annotated[float, Field(ge=-100, le=100)]
_Shift = tuple[_Picometres, _Picometres, _Picometres]


class AtomShifts(Frozen):
    """Displacements relative to B [pm] along the pseudo-cubic axes, for any polar axis.

    Attributes
    ----------
    A : tuple of float
        A-site cation.
    O_x, O_y, O_z : tuple of float
        Oxygen whose bond to B is along x, y or z.
    """

    A: _Shift
    O_x: _Shift
    O_y: _Shift
    O_z: _Shift

    @property
    def oxygens(self) -> tuple[_Shift, _Shift, _Shift]:
        """Those of the three oxygens."""
        return self.O_x, self.O_y, self.O_z

    def problem(self, phase: str) -> str | None:
        """Say why they cannot be those of a phase."""
        if phase in PHASES:
            return "needs A, O_parallel and O_perpendicular"
        axis = polar_axis(phase)
        for order, signs in carriers(axis, axis):
            turned = [self.A, *(self.oxygens[j] for j in order)]
            for shift, other in zip((self.A, *self.oxygens), turned, strict=True):
                image = [sign * other[j] for sign, j in zip(signs, order, strict=True)]
                if max(abs(u - v) for u, v in zip(shift, image, strict=True)) > _ALIKE_PM:
                    return f"lacks the mirror plane that the axis {list(axis)} lies in"
        return None


def _form(given: Any) -> str:
    keys = given if isinstance(given, dict) else given.__class__.model_fields
    return ATOMS if {"O_x", "O_y", "O_z"} & set(keys) else TEMPLATE


Displacements = Annotated[
    Annotated[Template, Tag(TEMPLATE)] | Annotated[AtomShifts, Tag(ATOMS)], Discriminator(_form)
]
"""Either form, told apart by the names of the oxygens."""
