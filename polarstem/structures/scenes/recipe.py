# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipes of scenes: everything that one virtual specimen depends on."""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any, Literal, get_args

from polarstem.errors import PolarstemError
from polarstem.structures.cell_metric import cell_lengths, cell_points
from polarstem.structures.crystals import Material, load_material
from polarstem.structures.imperfections import Imperfections, imperfection_problem
from polarstem.structures.variants import Phase, PolarClass, Vector, classes, dot, zone_vector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WallKind = Literal[
    "wall_180",
    "wall_90",
    "wall_60",
    "wall_120",
    "wall_71",
    "wall_109",
    "wall_inclined",
    "wall_seen_90",
    "wall_bloch",
    "wall_neel",
]
DefectKind = Literal[
    "a_vacancy_column",
    "b_antisite",
    "antiphase_boundary",
    "ruddlesden_popper",
    "edge_dislocation",
]
ControlKind = Literal["single_domain", "tilt_ramp", "a_cluster"]
FieldKind = Literal["four_domains", "vortex", "gradient", "monoclinic"]
SceneKind = Literal[WallKind, DefectKind, ControlKind, FieldKind]
Charge = Literal["neutral", "head_to_head", "tail_to_tail"]

ZONE_AXIS: Vector = (0, 0, 1)
"""Beam direction of a scene that names none."""
# of these the atoms are laid out for that direction alone
_ALONG_001 = ("antiphase_boundary", "ruddlesden_popper", "edge_dislocation")
_OBTUSE = math.degrees(math.acos(-1 / 3))  # of two body diagonals
# angle of the polar axes on both sides of a wall
_ANGLES: dict[SceneKind, float] = {
    "wall_180": 180.0,
    "wall_90": 90.0,
    "wall_60": 60.0,
    "wall_120": 120.0,
    "wall_71": 180 - _OBTUSE,
    "wall_109": _OBTUSE,
    **dict.fromkeys(("wall_inclined", "wall_bloch", "wall_neel"), 180.0),
}
# angle of their projections instead, which any phase may have
_SEEN: dict[SceneKind, float] = {"wall_seen_90": 90.0}
_WALLS = _ANGLES | _SEEN
_HALF = 0.5 + 1e-9
# of four domains, counter-clockwise, from the direction of the first
_QUADRANTS = (0, 180, 270, 90)


@dataclass(frozen=True, kw_only=True)
class SceneRecipe(Imperfections):
    """One scene to build, with its imperfections, on the common cubic cell.

    Attributes
    ----------
    kind : str
        What is in the field, see `SceneKind`.
    name : str
        Name of the specimen.
    material : Material
        Composition, lattices, displacements and charges.
    phase : str
        Polar phase.
    zone_axis : tuple of int
        Beam direction, pseudo-cubic. Cells are those of the projection along it, see
        `polarstem.structures.variants.screen_axes`.
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
        Names of the domains' classes; None for the usual ones of the kind: the first at 45 degrees
        where the phase has such a class, the others by their angle from it. ``four_domains``:
        counter-clockwise from the upper right; walls: first and second side.
    wall_width_nm : float
        Width w of a wall, whose polarization changes as ``tanh(2 s / w)`` [nm].
    charge : {"neutral", "head_to_head", "tail_to_tail"}
        How a wall is turned, and with it its bound charge.
    inclination_deg : float
        Angle between the wall and the beam in ``wall_inclined`` [degrees].
    turned_deg : float
        ``monoclinic``: angle of the polar axis to that of its class, about the beam [degrees].
    columns : int
        Defective columns of ``a_vacancy_column`` and ``b_antisite``.
    cluster_radius_nm, cluster_share : float
        Radius of the sphere of ``a_cluster`` [nm] and share of the first A-site element in it.
    tilt_mrad : float
        ``tilt_ramp``: the beam's tilt goes from minus to plus this along the scan's x [mrad].
    wedge, wedge_deg : float
        Largest change of the thickness within the scanned cells, as a share of it, and the
        direction in which it grows, counter-clockwise from the scan's x axis [degrees].
    seed : int
        Seed of the A-site order, of static disorder and amorphous layers.
    """

    kind: SceneKind
    name: str
    material: Material
    phase: Phase = "O"
    zone_axis: Vector = ZONE_AXIS
    amplitude: float = 1.0
    cells: tuple[int, int] = (12, 12)
    margin_cells: int = 4
    thickness_nm: float = 20.0
    crystal_rotation_deg: float = 0.0
    classes: tuple[str, ...] | None = None
    wall_width_nm: float = 0.8
    charge: Charge = "neutral"
    inclination_deg: float = 8.0
    turned_deg: float = 15.0
    columns: int = 4
    cluster_radius_nm: float = 2.0
    cluster_share: float = 0.9
    tilt_mrad: float = 2.5
    wedge: float = 0.0
    wedge_deg: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        self.material.require_phase(self.phase)
        zone_vector(self.zone_axis)
        if self.kind not in get_args(SceneKind):
            self._fail(f"there is no kind {self.kind!r}; choose {', '.join(get_args(SceneKind))}")
        if self.kind in _ALONG_001 and self.zone_axis != ZONE_AXIS:
            self._fail(
                f"this defect is known for a beam along {list(ZONE_AXIS)} only, not "
                f"{list(self.zone_axis)}; choose another kind"
            )
        if min(self.cells) < 2 or not self.thickness_nm > 0:
            self._fail(f"cells {self.cells} must be at least 2 and the thickness positive")
        known = [c.name for c in self.table]
        if unknown := [name for name in self.classes or () if name not in known]:
            self._fail(
                f"class {', '.join(unknown)} is not one of {', '.join(known)}, which phase "
                f"{self.phase} has"
            )
        if self.kind in _WALLS:
            self._check_wall()
        elif self.kind == "vortex" and self.classes is not None:
            self._fail(f"it has every class of phase {self.phase}; leave its classes out")
        elif self.kind == "vortex" and not self._evenly_spread():
            self._fail(
                f"the directions in which phase {self.phase} is seen are not evenly spread, and a "
                "vortex shares each direction between its neighbours alike; choose another phase"
            )
        self._check_count()
        if self.kind in ("a_vacancy_column", "b_antisite"):
            self._check_columns()
        if problem := imperfection_problem(self, self.material):
            self._fail(problem)
        if not 0 <= self.wedge < 1:
            self._fail(f"wedge {self.wedge:g} must be a share of the thickness below 1")

    def _evenly_spread(self) -> bool:
        """Whether the classes' directions are equal steps apart."""
        directions = [c.direction_deg for c in self.table]
        steps = zip(directions, [*directions[1:], directions[0] + 360], strict=True)
        return all(math.isclose(b - a, 360 / len(directions), abs_tol=1e-6) for a, b in steps)

    def _check_count(self) -> None:
        """Refuse more or fewer classes than there are domains."""
        count = 2 if self.kind in _WALLS else 4 if self.kind == "four_domains" else 1
        if self.classes is not None and len(self.classes) != count:
            domains = f"{count} domain{'s' * (count > 1)}"
            self._fail(f"it has {domains}, but the classes are {', '.join(self.classes)}")

    def _check_wall(self) -> None:
        """Refuse a wall that the phase, or two of its classes, cannot have."""
        possible = wall_kinds(self.phase, self.zone_axis)
        if self.kind not in possible:
            angles = sorted({_ANGLES[k] for k in possible if k in _ANGLES})
            *some, most = (f"{angle:.0f}" for angle in angles)
            listed = f"{', '.join(some)} and {most}" if some else most
            along = "" if self.zone_axis == ZONE_AXIS else f" seen along {list(self.zone_axis)}"
            self._fail(
                f"phase {self.phase} has walls of {listed} degrees{along}; choose "
                f"{', '.join(possible)}"
            )
        if self.kind in ("wall_bloch", "wall_neel") and self.charge != "neutral":
            self._fail("its polarization turns as that of neutral walls does; leave the charge out")
        if self.classes is None or len(self.classes) != 2:
            return
        one, other = (next(c for c in self.table if c.name == name) for name in self.classes)
        if _facing(self.kind, one, other) is None:
            fit = [c.name for c in self.table if _facing(self.kind, one, c)]
            kinds = [k for k in _WALLS if _facing(k, one, other)]
            these = f", or {' or '.join(kinds)} for these two" if kinds else ""
            seen = " as they are seen" if self.kind in _SEEN else ""
            self._fail(
                f"{one.name} and {other.name} are not {_WALLS[self.kind]:.0f} degrees apart{seen}; "
                f"choose {one.name} with {' or '.join(fit)}{these}"
            )

    def _check_columns(self) -> None:
        """Refuse more defective columns than can be spread over the scan."""
        if len(set(self.defect_columns)) == self.columns:
            return
        most = next(
            n
            for n in range(min(self.columns - 1, self.cells[0] * self.cells[1]), 0, -1)
            if len(set(self._spread_columns(n))) == n
        )
        x, y = self.cells
        self._fail(
            f"{self.columns} defective columns do not fit evenly on {x} x {y} cells; ask for "
            f"{most} at most"
        )

    def _fail(self, problem: str) -> None:
        raise PolarstemError(f"Scene {self.name} ({self.kind}): {problem}; correct its settings.")

    @property
    def table(self) -> tuple[PolarClass, ...]:
        """Classes of the phase along the beam."""
        return classes(self.phase, self.zone_axis)

    @property
    def domain_classes(self) -> tuple[PolarClass, ...]:
        """Class of each domain."""
        if self.kind == "vortex":
            return self.table
        if self.classes is not None:
            known = {c.name: c for c in self.table}
            return tuple(known[name] for name in self.classes)
        first = next((c for c in self.table if c.direction_deg == 45), self.table[0])
        if self.kind in _WALLS:
            pairs = ((one, other) for one in (first, *self.table) for other in self.table)
            return next(pair for pair in pairs if _facing(self.kind, *pair))
        turns = _QUADRANTS if self.kind == "four_domains" else (0,)
        return tuple(
            min(self.table, key=lambda c: _apart(c.direction_deg, first.direction_deg + turn))
            for turn in turns
        )

    @property
    def domain_variants(self) -> tuple[Vector, ...]:
        """Polar axis of each domain; on the second side of a wall the one at the wall's angle."""
        members = self.domain_classes
        variants = [c.variants[0] for c in members]
        if self.kind in _WALLS:
            variants[1] = _facing(self.kind, *members) or variants[1]
        return tuple(variants)

    @property
    def defect_columns(self) -> tuple[tuple[int, int], ...]:
        """A columns spread evenly over the scanned cells, along x and y from the origin [cells]."""
        return self._spread_columns(self.columns)

    @property
    def cell(self) -> float:
        """Edge of the pseudo-cubic cell [Å]."""
        return self.material.cell_volume(self.phase) ** (1 / 3)

    @property
    def lengths(self) -> tuple[float, float, float]:
        """Edges of the projected cell along x and y, and the period along the beam [Å]."""
        variant = self.table[0].variants[0]
        return cell_lengths(self.material, self.phase, variant, self.zone_axis, "cubic")

    def scanned(self, positions_per_cell: int) -> tuple[int, int, float]:
        """Rows, columns and step [Å] of a scan with so many positions along a cell's shorter edge.

        The step is the same along both axes, as a microscope's.
        """
        x, y, _ = self.lengths
        step = min(x, y) / positions_per_cell
        columns, rows = (round(n * edge / step) for n, edge in zip(self.cells, (x, y), strict=True))
        return rows, columns, step

    def grid(self, pixels_per_cell: int) -> tuple[int, int]:
        """Grid points of a projected cell along x and y, as `Crystal.grid_points` takes them."""
        x, y = (cell_points(pixels_per_cell, length, self.cell) for length in self.lengths[:2])
        return x, y

    @property
    def field(self) -> tuple[int, int, int]:
        """Cells of the box along x, y and the beam."""
        turn = math.radians(self.crystal_rotation_deg)
        c, s = abs(math.cos(turn)), abs(math.sin(turn))
        edge_x, edge_y, period = self.lengths
        aspect = edge_x / edge_y
        x, y = self.cells[0] * aspect, self.cells[1]
        sizes = (math.ceil(n - 1e-9) for n in ((x * c + y * s) / aspect, x * s + y * c))
        nx, ny = (n + 2 * self.margin_cells for n in sizes)
        thickest = self.thickness_nm * (1 + self.wedge)
        return nx, ny, max(1, round(10 * thickest / period))

    @property
    def origin(self) -> NDArray[np.float64]:
        """Where it begins in its box: the A column nearest the middle, half-way through [Å]."""
        import numpy as np  # not where a config is read

        nx, ny, nz = self.field
        return np.array(self.lengths) * [nx // 2, ny // 2, nz / 2]

    def _spread_columns(self, count: int) -> tuple[tuple[int, int], ...]:
        edge_x, edge_y, _ = self.lengths
        aspect = edge_x / edge_y
        side = math.ceil(math.sqrt(count))
        turn = cmath.exp(-1j * math.radians(self.crystal_rotation_deg))
        found = []
        for number in range(count):
            along = ((n + 0.5) / side - 0.5 for n in (number % side, number // side))
            x, y = (share * length for share, length in zip(along, self.cells, strict=True))
            place = turn * (x * aspect + 1j * y)
            # half-way between two columns always the one on the same side, so that none is taken
            # twice
            found.append((math.floor(place.real / aspect + _HALF), math.floor(place.imag + _HALF)))
        return tuple(found)


def wall_kinds(phase: str, zone_axis: Vector = ZONE_AXIS) -> tuple[SceneKind, ...]:
    """Kinds of walls between classes of a phase that are seen along a beam."""
    pairs = list(permutations(classes(phase, zone_axis), 2))
    return tuple(kind for kind in _WALLS if any(_facing(kind, *pair) for pair in pairs))


def _facing(kind: SceneKind, one: PolarClass, other: PolarClass) -> Vector | None:
    """Variant of a class at the wall's angle to the first of another; None without."""
    if one.name == other.name:
        return None  # no wall to be seen
    if kind in _SEEN:
        apart = _apart(other.direction_deg, one.direction_deg)
        if not math.isclose(apart, _SEEN[kind], abs_tol=1e-6):
            return None
        # of those that look alike the nearest: the wall of the lesser strain
        return min(other.variants, key=lambda v: angle_between(one.variants[0], v))
    for variant in other.variants:
        if math.isclose(angle_between(one.variants[0], variant), _ANGLES[kind], abs_tol=1e-6):
            return variant
    return None


def _apart(one_deg: float, other_deg: float) -> float:
    """Angle between two directions [degrees]."""
    return abs((one_deg - other_deg + 180) % 360 - 180)


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
