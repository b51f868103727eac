# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipes of scenes: everything that one virtual specimen depends on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from polarstem.errors import PolarstemError
from polarstem.structures.crystals import Material, cell_lengths, load_material
from polarstem.structures.variants import Phase, PolarClass, Vector, classes, dot

WallKind = Literal["wall_180", "wall_90", "wall_60", "wall_120", "wall_inclined"]
DefectKind = Literal[
    "a_vacancy_column",
    "nb_antisite",
    "antiphase_boundary",
    "ruddlesden_popper",
    "edge_dislocation",
]
ControlKind = Literal["single_domain", "tilt_ramp", "k_na_cluster"]
SceneKind = Literal[WallKind, DefectKind, ControlKind, "four_domains", "vortex"]
Charge = Literal["neutral", "head_to_head", "tail_to_tail"]

ZONE_AXIS: Vector = (0, 0, 1)
# the classes of a scene's domains where its settings name none
_CLASSES: dict[str, tuple[str, ...]] = {
    "four_domains": ("RU", "LD", "RD", "LU"),
    "wall_180": ("RU", "LD"),
    "wall_90": ("RU", "LU"),
    "wall_60": ("RU", "RM"),
    "wall_120": ("RU", "LM"),
    "wall_inclined": ("RU", "LD"),
}
_ANGLES = {"wall_180": 180, "wall_90": 90, "wall_60": 60, "wall_120": 120, "wall_inclined": 180}


@dataclass(frozen=True, kw_only=True)
class SceneRecipe:
    """One scene to build, seen along [001] on the common cubic cell.

    Attributes
    ----------
    kind : str
        What is in the field, see `SceneKind`.
    name : str
        Name of the specimen.
    material : Material
        Composition, lattices, displacements and charges.
    phase : {"T", "O", "R"}
        Polar phase.
    amplitude : float
        Factor on all polar displacements.
    cells : tuple of int
        Unit cells that the scan covers along its x and y.
    margin_cells : int
        Cells around the scanned ones: crystal that the probes spread into.
    thickness_nm : float
        Thickness [nm], rounded to whole cells.
    crystal_rotation_deg : float
        Direction of the crystal's x axis against the scan's, counter-clockwise [degrees].
    classes : tuple of str or None
        Names of the domains' classes; None for the usual ones of the kind. ``four_domains``:
        counter-clockwise from the upper right; walls: first and second side.
    wall_width_nm : float
        Width w of a wall, whose polarization changes as ``tanh(2 s / w)`` [nm].
    charge : {"neutral", "head_to_head", "tail_to_tail"}
        How a wall is turned, and with it its bound charge.
    inclination_deg : float
        Angle between the wall and the beam in ``wall_inclined`` [degrees].
    columns : int
        Defective columns of ``a_vacancy_column`` and ``nb_antisite``.
    cluster_radius_nm, cluster_share : float
        Radius of the sphere of ``k_na_cluster`` [nm] and share of the first A-site element in it.
    tilt_mrad : float
        ``tilt_ramp``: the beam's tilt goes from minus to plus this along the scan's x [mrad].
    seed : int
        Seed of the A-site order.
    """

    kind: SceneKind
    name: str
    material: Material
    phase: Phase = "O"
    amplitude: float = 1.0
    cells: tuple[int, int] = (12, 12)
    margin_cells: int = 4
    thickness_nm: float = 20.0
    crystal_rotation_deg: float = 0.0
    classes: tuple[str, ...] | None = None
    wall_width_nm: float = 0.8
    charge: Charge = "neutral"
    inclination_deg: float = 8.0
    columns: int = 4
    cluster_radius_nm: float = 2.0
    cluster_share: float = 0.9
    tilt_mrad: float = 2.5
    seed: int = 0

    def __post_init__(self) -> None:
        self.material.require_phase(self.phase)
        if self.kind not in get_args(SceneKind):
            self._fail(f"there is no kind {self.kind!r}; choose {', '.join(get_args(SceneKind))}")
        if min(self.cells) < 2 or not self.thickness_nm > 0:
            self._fail(f"cells {self.cells} must be at least 2 and the thickness positive")
        known = [c.name for c in self.table]
        if unknown := [name for name in self.classes or self._usual if name not in known]:
            self._fail(
                f"class {', '.join(unknown)} is not one of {', '.join(known)}, which phase "
                f"{self.phase} has"
            )
        count = len(self.table) if self.kind == "vortex" else len(self._usual)
        if len(self.domain_classes) != count:
            self._fail(f"it has {count} domains, but the classes are {self.classes}")
        if self.kind in _ANGLES:
            found = angle_between(*(c.variants[0] for c in self.domain_classes))
            if abs(found - _ANGLES[self.kind]) > 0.5:
                names = " and ".join(c.name for c in self.domain_classes)
                self._fail(f"{names} are {found:.0f} degrees apart, not {_ANGLES[self.kind]}")

    def _fail(self, problem: str) -> None:
        raise PolarstemError(f"Scene {self.name} ({self.kind}): {problem}; correct its settings.")

    @property
    def table(self) -> tuple[PolarClass, ...]:
        """Classes of the phase along the beam."""
        return classes(self.phase, ZONE_AXIS)

    @property
    def domain_classes(self) -> tuple[PolarClass, ...]:
        """Class of each domain."""
        if self.kind == "vortex":
            return self.table
        known = {c.name: c for c in self.table}
        return tuple(known[name] for name in self.classes or self._usual)

    @property
    def _usual(self) -> tuple[str, ...]:
        return _CLASSES.get(self.kind, ("RU",))

    @property
    def cell(self) -> float:
        """Edge of the cubic cell [Å]."""
        variant = self.table[0].variants[0]
        return cell_lengths(self.material, self.phase, variant, ZONE_AXIS, "cubic")[0]

    @property
    def field(self) -> tuple[int, int, int]:
        """Cells of the box along x, y and the beam."""
        turn = math.radians(self.crystal_rotation_deg)
        c, s = abs(math.cos(turn)), abs(math.sin(turn))
        x, y = self.cells
        sizes = (math.ceil(n - 1e-9) for n in (x * c + y * s, x * s + y * c))
        nx, ny = (n + 2 * self.margin_cells for n in sizes)
        return nx, ny, max(1, round(10 * self.thickness_nm / self.cell))


def angle_between(u: Vector, v: Vector) -> float:
    """Angle of two polar axes [degrees]."""
    return math.degrees(math.acos(dot(u, v) / math.sqrt(dot(u, u) * dot(v, v))))


def make_scene(settings: Mapping[str, Any]) -> SceneRecipe:
    """Make a recipe from plain values.

    Parameters
    ----------
    settings : mapping
        Fields of `SceneRecipe`; the material as for `load_material`.

    Returns
    -------
    SceneRecipe

    Raises
    ------
    PolarstemError
        If they do not fit together.
    """
    values: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()
    }
    values["material"] = load_material(settings["material"])
    return SceneRecipe(**values)
