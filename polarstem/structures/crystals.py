# SPDX-License-Identifier: GPL-3.0-or-later
"""Materials: ABO3 perovskites described by numbers alone.

A material comes by name from ``resources/crystals.yaml`` or from a mapping of the same form in
the config. Light to import (standard library, pydantic, yaml), so that a config can be checked
without numpy.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from polarstem.errors import PolarstemError
from polarstem.shipped_files import shipped
from polarstem.structures.elements import ATOMIC_NUMBERS
from polarstem.structures.glazer import IN_PHASE, tilt_signs
from polarstem.structures.phase_numbers import (
    ATOMS,
    TEMPLATE,
    Displacements,
    Frozen,
    PhaseName,
    UnitCell,
)
from polarstem.structures.variants import Phase, dot, phase_variants, polar_axis
from polarstem.yaml_files import read_yaml

CRYSTALS = shipped("resources/crystals.yaml")
ROOM_KELVIN = 300.0
"""Temperature of the thermal amplitudes in a material [K]."""

# Born charges of a cell add to zero; published ones do so within their rounding and the
# difference between end members. More means a wrong digit or sign.
_SUM_RULE_TOLERANCE = 0.2


def _tilt_system(given: str) -> str:
    tilt_signs(given)
    return given


def _shares(given: Any) -> Any:
    return {given: 1.0} if isinstance(given, str) else given


Site = Annotated[dict[str, float], BeforeValidator(_shares)]
"""Share of each element on a site; one element may stand for itself."""


class Material(Frozen):
    """An ABO3 perovskite.

    Attributes
    ----------
    a_site, b_site : dict
        Share of each element on the site; the shares add to one.
    lattice : dict
        Cell of each polar phase.
    template : dict
        Displacements of each polar phase.
    born_charges : dict or None
        Born effective charges [e] of every cation, ``O_parallel`` (moving along its B-O bond)
        and ``O_perpendicular``; None where they are not known, and the polarization with them.
    debye_waller_rms_angstrom : dict
        Root-mean-square thermal displacement of every element along one axis at 300 K [Å];
        `polarstem.structures.thermal_motion` has those of a phase.
    temperature_kelvin : dict
        Temperature of each phase [K], 300 where it is not named.
    octahedral_tilts : dict
        Tilt system of each phase in Glazer's notation, see `polarstem.structures.glazer`; its angle
        is a condition of a specimen.
    static_disorder_rms_angstrom : dict
        Root-mean-square static displacement of every element along one axis [Å]; empty where it
        is not known.
    sources : dict
        Where the numbers come from.
    """

    a_site: Site
    b_site: Site
    lattice: dict[PhaseName, UnitCell]
    template: dict[PhaseName, Displacements]
    born_charges: dict[str, float] | None = None
    debye_waller_rms_angstrom: dict[str, float]
    temperature_kelvin: dict[PhaseName, Annotated[float, Field(ge=1, le=2000)]] = Field(
        default_factory=dict
    )
    static_disorder_rms_angstrom: dict[str, Annotated[float, Field(ge=0, le=0.3)]] = Field(
        default_factory=dict
    )
    octahedral_tilts: dict[PhaseName, Annotated[str, AfterValidator(_tilt_system)]] = Field(
        default_factory=dict
    )
    sources: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Material:
        problems = [*self._composition_problems(), *self._phase_problems()]
        cations = {*self.a_site, *self.b_site}
        expected = {
            "born_charges": cations | {"O_parallel", "O_perpendicular"},
            "debye_waller_rms_angstrom": cations | {"O"},
        }
        for name, keys in expected.items():
            found = getattr(self, name)
            if found is not None and set(found) != keys:
                problems.append(
                    f"{name} has {', '.join(sorted(found))} where "
                    f"{', '.join(sorted(keys))} are needed"
                )
        static = self.static_disorder_rms_angstrom
        if lacking := sorted((cations | {"O"}) - set(static)) if static else []:
            problems.append(f"static_disorder_rms_angstrom lacks {', '.join(lacking)}")
        if not problems:
            charges = self.born_charges or {}
            total = charges.get("O_parallel", 0) + 2 * charges.get("O_perpendicular", 0)
            total += self.a_charge + self.b_charge if charges else 0
            if abs(total) > _SUM_RULE_TOLERANCE:
                problems.append(f"born_charges of one cell add to {total:+.2f} e instead of zero")
            if min(self.debye_waller_rms_angstrom.values()) < 0:
                problems.append("debye_waller_rms_angstrom has a negative value")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _composition_problems(self) -> list[str]:
        problems = []
        cations = (*self.a_site, *self.b_site)
        unknown = [e for e in cations if e not in ATOMIC_NUMBERS]
        if unknown:
            problems.append(f"{', '.join(unknown)} is no chemical element")
        if "O" in cations or set(self.a_site) & set(self.b_site):
            problems.append("a_site and b_site must be different cations")
        for name, site in (("a_site", self.a_site), ("b_site", self.b_site)):
            whole = math.isclose(sum(site.values()), 1.0, abs_tol=1e-6)
            if not whole or min(site.values()) <= 0:
                problems.append(f"the shares in {name} must be positive and add to 1")
        return problems

    def _phase_problems(self) -> list[str]:
        if not self.lattice or set(self.lattice) != set(self.template):
            return ["lattice and template must describe the same phases, at least one"]
        problems = []
        for name in ("temperature_kelvin", "octahedral_tilts"):
            if unknown := [p for p in getattr(self, name) if p not in self.lattice]:
                problems.append(f"{name} names {', '.join(unknown)}, which has no lattice")
        for name in ("lattice", "template"):
            for phase, numbers in getattr(self, name).items():
                if problem := numbers.problem(phase):
                    problems.append(f"{name}.{phase} {problem}")
        return problems

    @property
    def formula(self) -> str:
        """Chemical formula, such as K0.5Na0.5NbO3."""
        shares = (*self.a_site.items(), *self.b_site.items())
        parts = (f"{e}{'' if share == 1 else f'{share:g}'}" for e, share in shares)
        return f"{''.join(parts)}O3"

    @property
    def a_charge(self) -> float:
        """Born charge of the average A-site cation [e]; nan where it is not known."""
        return self._charge(self.a_site)

    @property
    def b_charge(self) -> float:
        """Born charge of the average B-site cation [e]; nan where it is not known."""
        return self._charge(self.b_site)

    def _charge(self, site: Mapping[str, float]) -> float:
        charges = self.born_charges or {}
        return sum(share * charges.get(e, math.nan) for e, share in site.items())

    @property
    def varied_site(self) -> Literal["a_site", "b_site"]:
        """Site whose composition specimens may draw: B where it alone is mixed, else A."""
        return "b_site" if len(self.a_site) == 1 < len(self.b_site) else "a_site"

    @property
    def varied_share(self) -> float:
        """Share of the first element of the varied site."""
        return next(iter(getattr(self, self.varied_site).values()))

    def with_share(self, share: float) -> Material:
        """The same material with another share of the first element of its varied site.

        The others keep their shares of the rest; lattice and displacements stay.
        """
        site = self.varied_site
        (first, own), *others = getattr(self, site).items()
        if not (others and 0 < share < 1):
            raise PolarstemError(
                f"{self.formula} cannot have a share of {share:g} of {first} on its "
                f"{site[0].upper()} site; choose one between 0 and 1 in a material with two "
                "elements there."
            )
        rest = {element: round((1 - share) * part / (1 - own), 9) for element, part in others}
        return self.model_copy(update={site: {first: share} | rest})

    def tilt_system(self, phase: Phase) -> str:
        """Tilt system of a phase, in Glazer's notation."""
        return self.octahedral_tilts.get(self.described(phase), IN_PHASE)

    def kelvin(self, phase: Phase) -> float:
        """Temperature of a phase [K]."""
        return self.temperature_kelvin.get(self.described(phase), ROOM_KELVIN)

    def require_phase(self, phase: str) -> Phase:
        """Return `phase` if the material describes it, or it is a polar axis of one's own.

        Else say which phases it has.
        """
        if phase in self.lattice or (phase.startswith("M") and polar_axis(phase)):
            return phase
        raise PolarstemError(
            f"{self.formula} has no lattice and template for phase {phase}; it has "
            f"{', '.join(self.lattice)}, so choose one of these or add the numbers."
        )

    def described(self, phase: Phase) -> Phase:
        """The phase whose numbers serve for a phase.

        The phase itself where the material describes it. For another polar axis that whose axis is
        nearest to it: its cell serves as a cube of its volume, and its template is scaled and
        turned (`polarstem.structures.templates.PolarMode`).
        """
        if phase in self.lattice:
            return phase
        axis = polar_axis(self.require_phase(phase))

        def cosine(known: str) -> float:
            one = polar_axis(known)
            nearest = max(dot(axis, variant) for variant in phase_variants(known))
            return nearest / math.sqrt(dot(one, one))

        return max(self.lattice, key=cosine)

    def stretches(self, phase: Phase) -> tuple[float, float, float]:
        """Principal lengths of the pseudo-cubic cell of T, O or R, see `UnitCell` [Å]."""
        return self.lattice[phase].stretches(phase)

    def cell_volume(self, phase: Phase) -> float:
        """Volume of one formula unit [Å^3]."""
        known = self.described(phase)
        return self.lattice[known].volume(known)


@cache
def _library(path: Path) -> dict[str, Any]:
    content = read_yaml(path, "The crystal file")
    if not isinstance(content, dict):
        raise PolarstemError(
            f"The crystal file {path} must map names to materials; restore it from the repository."
        )
    return content


def load_material(
    material: str | Mapping[str, Any] | Material, library: Path = CRYSTALS
) -> Material:
    """Load a material by name or build it from a mapping.

    Parameters
    ----------
    material : str or mapping or Material
        A name in `library`, or the material itself.
    library : Path
        YAML file of named materials.

    Returns
    -------
    Material

    Raises
    ------
    PolarstemError
        If the name is unknown or the numbers are incomplete or inconsistent.
    """
    if isinstance(material, Material):
        return material
    label = "from the config"
    if isinstance(material, str):
        known = _library(library)
        if material not in known:
            near = difflib.get_close_matches(material, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}? " if near else ""
            raise PolarstemError(
                f"There is no material {material!r} in {library.name}; {hint}known are "
                f"{', '.join(known)}; or give a mapping of the same form."
            )
        label, material = f"{material!r} in {library.name}", known[material]
    try:
        return Material.model_validate(material)
    except ValidationError as error:
        problems = "; ".join(_problem(item) for item in error.errors())
        raise PolarstemError(f"The material {label} is not usable: {problems}.") from error


def _problem(item: Any) -> str:
    where = ".".join(str(part) for part in item["loc"] if part not in ("[key]", TEMPLATE, ATOMS))
    match item["type"]:
        case "extra_forbidden":
            text = "is no key here"
        case "missing":
            text = "is missing"
        case "value_error":
            text = str(item["ctx"]["error"])
        case _:
            text = f"{item['input']!r}: {item['msg'][0].lower()}{item['msg'][1:]}"
    return f"{where}: {text}" if where else text
