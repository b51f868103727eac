# SPDX-License-Identifier: GPL-3.0-or-later
"""What the information limit is computed from: crystals, conditions, doses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polarstem.config import plan
from polarstem.config.conditions import Drawn
from polarstem.config.model import Config

DOSES = (30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 1e5)
MOST_BINS = 12
KNOWLEDGE = ("known", "thickness_unknown", "unknown")
"""What a guess may use: thickness and probe position, the position alone, or neither."""


def ideal_domains(config: Mapping[str, Any]) -> dict[str, tuple[float, float | None]]:
    """Tested data domains under the conditions that the limit is computed for.

    Parameters
    ----------
    config : mapping
        The resolved config.

    Returns
    -------
    dict of str to (thickness, dose)
        Name -> thickness [nm] and electrons per pattern (None: no noise), for the data domains of
        the reference domain's specimens that differ from it in thickness or dose alone.
    """
    domains, evaluate = config["domains"], config["evaluate"]
    specimens = domains[evaluate["reference_domain"]]["specimens"]
    found = {}
    for name in evaluate["domains"]:
        domain = domains[name]
        given = domain["thicknesses_nm"] or config["specimens"][specimens]["thicknesses_nm"]
        thicknesses = [] if isinstance(given, Mapping) else list(given)
        factor, dose = domain.get("factor"), domain.get("dose_electrons")
        if factor == "dose":
            dose = domain["severity"]
        elif domain.get("conditions") or factor not in (None, "thickness"):
            continue
        if domain["specimens"] == specimens and len(thicknesses) == 1:
            found[name] = (float(thicknesses[0]), None if dose is None else float(dose))
    return found


def limit_settings(config: Config) -> dict[str, Any]:
    """Everything that the information limit depends on, as plain values.

    The hypotheses are crystals that stand for the test specimens of the reference domain's set
    (`plan.limit_specimens`). Those of one group differ in class alone, and are compared.
    ``other_sign`` of one is the crystal whose polarization has the other sign along the beam.
    """
    name = config.domains[config.evaluate.reference_domain].specimens
    simulate = config.simulate_of(name)
    thicknesses = config.specimens[name].thicknesses_nm
    groups: dict[int, list[dict[str, Any]]] = {}
    for specimen in plan.limit_specimens(config):
        member = {
            "class_name": specimen.polar_class.name,
            "direction_deg": specimen.polar_class.direction_deg,
            **_crystal(config, specimen),
        }
        if (other := plan.other_sign(config, specimen)) is not None:
            member["other_sign"] = _crystal(config, other)
        groups.setdefault(specimen.index, []).append(member)
    asked = {dose for _, dose in ideal_domains(config.model_dump(mode="json")).values() if dose}
    scan = simulate.scan
    per_cell = (n / cells for n, cells in zip(scan.positions, scan.cells, strict=True))
    needed = {"semiangle_mrad", "aberrations", "tilt_mrad", "detector"}
    return {
        "specimens": name,
        "groups": list(groups.values()),
        "thicknesses_nm": [] if isinstance(thicknesses, Drawn) else list(thicknesses),
        "doses": sorted({*DOSES, *asked}),
        "cells_per_unit": list(plan.repeating_cells(config.structures_of(name))),
        "bins": max(1, min(MOST_BINS, round(max(per_cell)))),
        "simulate": simulate.model_dump(mode="json", include=needed),
        "seed": config.seed,
    }


def limit_crystals(config: Config) -> list[str]:
    """Names of the crystals whose scattering matrices the limit needs, each once."""
    members = [member for group in limit_settings(config)["groups"] for member in group]
    others = [member["other_sign"] for member in members if "other_sign" in member]
    return list(dict.fromkeys(each["crystal"] for each in members + others))


def _crystal(config: Config, specimen: plan.SpecimenPlan) -> dict[str, Any]:
    crystal, turn = plan.crystal_of(config, specimen)
    return {"crystal": crystal.name, "turn": [list(row) for row in turn]}
