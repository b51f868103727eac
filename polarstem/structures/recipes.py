# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipes: everything that one specimen depends on, checked before anything is built."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from polarstem.errors import PolarstemError
from polarstem.structures.cell_metric import Metric, cell_lengths
from polarstem.structures.crystals import Material, load_material
from polarstem.structures.glazer import turns_back
from polarstem.structures.imperfections import Imperfections, imperfection_problem
from polarstem.structures.variants import (
    Phase,
    Vector,
    phase_variants,
    projection,
    screen_axes,
    zone_vector,
)

ASite = Literal["random", "ordered", "virtual"]
BSite = Literal["random", "virtual"]
_DEFECTS = {"vacancy_column": ("A", "B", "O"), "antisite_column": ("A", "B")}


@dataclass(frozen=True, kw_only=True)
class SpecimenRecipe(Imperfections):
    """One specimen to build, with its imperfections.

    Attributes
    ----------
    name, specimen_set, split : str
        Identity of the specimen.
    class_index : int
        Index of its class in the class table.
    class_name : str
        Name of its class.
    direction_deg : float
        Projected polarization [degrees], counter-clockwise from +x with y up; nan if end-on.
    variant : tuple of int
        Polar axis, pseudo-cubic.
    phase : str
        Polar phase.
    zone_axis : tuple of int
        Beam direction, pseudo-cubic.
    material : Material
        Composition, lattices, displacements and charges.
    a_site : {"random", "ordered", "virtual"}
        Elements on the A sites: the exact composition in random order, rock-salt order of two
        elements, or one average atom.
    b_site : {"random", "virtual"} or None
        Elements on the B sites; None: see `b_order`.
    amplitude : float
        Factor on all displacements; 0 puts every atom on its cubic place.
    polar_vector_pm : tuple of float or None
        Displacement of B against the mean of its oxygens: to the right, up and along the beam
        [pm]. Atoms then follow `polarstem.structures.polar_vector` in place of `variant` and
        `amplitude`; class and variant are labels.
    metric : {"cubic", "phase"}
        Common cubic cell (default: unequal axes tell the polar axis without any displacement), or
        the axes of the phase. The metric does not scale with the amplitude.
    cells : tuple of int
        Repeats of the projected cell along x and y.
    thickness_cells : int
        Repeats along the beam.
    defect : mapping or None
        ``{"kind": "vacancy_column" | "antisite_column", "site": "A" | "B" | "O"}``.
    seed : int
        Seed of the order on the sites, of static disorder and amorphous layers.
    """

    name: str
    specimen_set: str
    split: str
    class_index: int
    class_name: str
    direction_deg: float
    variant: Vector
    phase: Phase
    zone_axis: Vector
    material: Material
    a_site: ASite = "random"
    b_site: BSite | None = None
    amplitude: float = 1.0
    polar_vector_pm: tuple[float, float, float] | None = None
    metric: Metric = "cubic"
    cells: tuple[int, int] = (6, 6)
    thickness_cells: int = 1
    defect: Mapping[str, str] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        self.material.require_phase(self.phase)
        self._check_orientation()
        choices = {"a_site": ASite, "b_order": BSite, "metric": Metric}
        for key, kinds in choices.items():
            given, allowed = getattr(self, key), get_args(kinds)
            if given not in allowed:
                key = key.replace("order", "site")
                self._fail(f"{key} {given!r} is not one of {', '.join(allowed)}")
        if not (math.isfinite(self.amplitude) and self.amplitude >= 0):
            self._fail(f"amplitude {self.amplitude} must be zero or positive")
        if self.polar_vector_pm is not None:
            self._check_vector(self.polar_vector_pm)
        sizes = (*self.cells, self.thickness_cells)
        if len(sizes) != 3 or not all(isinstance(n, int) and n >= 1 for n in sizes):
            self._fail(f"cells {self.cells} x {self.thickness_cells} must be three whole numbers")
        if problem := metric_problem(self.material, self.phase, self.metric):
            self._fail(f"metric {problem}")
        if self.defect is not None:
            self._check_defect(self.defect)
        if problem := imperfection_problem(self, self.material):
            self._fail(problem)
        if self.octahedral_tilt_deg:
            x, y = doubled_cells(self.zone_axis, self.material.tilt_system(self.phase))
            if self.cells[0] % x or self.cells[1] % y:
                self._fail(
                    f"octahedral tilts alternate from cell to cell and need an even number of "
                    f"them, not {self.cells[0]} x {self.cells[1]}"
                )

    def _fail(self, problem: str) -> None:
        raise PolarstemError(f"Specimen {self.name}: {problem}; correct its structure settings.")

    def _check_orientation(self) -> None:
        if self.variant not in phase_variants(self.phase):
            self._fail(f"variant {self.variant} is no polar axis of phase {self.phase}")
        direction, _ = projection(self.variant, self.zone_axis)
        both = (direction, self.direction_deg)
        if not (all(map(math.isnan, both)) or math.isclose(*both, abs_tol=1e-6)):
            self._fail(
                f"direction {self.direction_deg:g} degrees does not belong to variant "
                f"{self.variant}, which points to {direction:g} degrees"
            )

    def _check_vector(self, vector: tuple[float, ...]) -> None:
        if len(vector) != 3 or not all(map(math.isfinite, vector)):
            self._fail(f"polar_vector_pm {vector} must be three numbers: right, up, along the beam")
        if self.metric != "cubic":
            self._fail(
                "polar_vector_pm needs metric cubic: the axes of a phase belong to a variant"
            )

    def _check_defect(self, defect: Mapping[str, str]) -> None:
        kind, site = defect.get("kind"), defect.get("site")
        if set(defect) != {"kind", "site"} or site not in _DEFECTS.get(str(kind), ()):
            allowed = "; ".join(f"{k} of {', '.join(sites)}" for k, sites in _DEFECTS.items())
            self._fail(f"defect {dict(defect)} needs a kind and a site out of {allowed}")

    @property
    def b_order(self) -> BSite:
        """Order on the B sites."""
        return b_order(self.a_site, self.b_site)

    @property
    def cell_lengths(self) -> tuple[float, float, float]:
        """Projected cell along x, y and the beam [Å]."""
        return cell_lengths(self.material, self.phase, self.variant, self.zone_axis, self.metric)


def metric_problem(material: Material, phase: Phase, metric: str) -> str | None:
    """Say that a material has no cell of its own for a phase whose metric is asked for."""
    if metric != "phase" or phase in material.lattice:
        return None
    return (
        f"'phase' needs the lattice of phase {phase}, which {material.formula} does not have; use "
        "cubic, or add its lattice and template to the material"
    )


def b_order(a_site: ASite, b_site: BSite | None) -> BSite:
    """Order on the B sites: by default random where the A sites are, and averaged elsewhere."""
    return b_site or ("random" if a_site == "random" else "virtual")


def doubled_cells(zone_axis: Vector, tilt_system: str) -> tuple[int, int]:
    """Projected cells along x and y after which octahedral tilts repeat."""
    x, y = (1 + max(turns_back(tilt_system, axis)) for axis in screen_axes(zone_axis)[:2])
    return x, y


def make_recipe(
    *,
    material: str | Mapping[str, Any] | Material,
    variant: Sequence[int],
    zone_axis: Sequence[int],
    cells: Sequence[int],
    thickness_nm: float,
    drawn_share: float | None = None,
    polar_direction: Sequence[float] | None = None,
    **settings: Any,
) -> SpecimenRecipe:
    """Make a recipe from the plain values of a config.

    Parameters
    ----------
    material : str or mapping or Material
        As for `load_material`.
    variant, zone_axis, cells : sequence of int
        As in `SpecimenRecipe`.
    thickness_nm : float
        Thickness [nm], rounded to whole cells (at least one).
    drawn_share : float, optional
        Share of the first element of the varied site, where it is not the material's.
    polar_direction : sequence of float, optional
        Where the polar vector points, in place of the variant: to the right, up and along the
        beam; `amplitude` is its length over that of the template.
    **settings
        The other fields of `SpecimenRecipe`.

    Returns
    -------
    SpecimenRecipe
    """
    if "amorphous_nm" in settings:
        settings["amorphous_nm"] = tuple(settings["amorphous_nm"])
    loaded = load_material(material)
    if polar_direction is not None:
        from polarstem.structures.polar_mode import PolarMode  # which takes numpy

        full = PolarMode.of(loaded, settings["phase"]).full_pm * settings.get("amplitude", 1.0)
        settings["polar_vector_pm"] = tuple(full * float(part) for part in polar_direction)
    recipe = SpecimenRecipe(
        material=loaded if drawn_share is None else loaded.with_share(drawn_share),
        variant=tuple(variant),  # type: ignore[arg-type]
        zone_axis=zone_vector(zone_axis),
        cells=tuple(cells),  # type: ignore[arg-type]
        **settings,
    )
    if not 0 < thickness_nm < math.inf:
        raise PolarstemError(
            f"Specimen {recipe.name}: thickness {thickness_nm} nm must be positive; correct it."
        )
    cells_along = whole_periods(thickness_nm, recipe.cell_lengths[2])
    return replace(recipe, thickness_cells=cells_along)


def whole_periods(thickness_nm: float, period: float) -> int:
    """Whole periods along the beam [Å] nearest to a thickness [nm], at least one."""
    return max(1, round(10 * thickness_nm / period))
