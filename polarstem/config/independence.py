# SPDX-License-Identifier: GPL-3.0-or-later
"""Which test specimens are independent, and which are turned copies of one crystal."""

from __future__ import annotations

from polarstem.config import plan
from polarstem.config.conditions import Drawn
from polarstem.config.crystal_design import random_site
from polarstem.config.model import Config


def independent_crystals(config: Config) -> dict[str, dict[str, str]]:
    """Name the crystal of every test specimen.

    Specimens that share all that is drawn at random for them are copies of one crystal: they count
    once, however many classes they are turned into. A specimen with cations in an order of its
    own, with moving atoms, or with a microscope of its own is a crystal of its own. Sets that are
    paired have the same crystals.

    Parameters
    ----------
    config : Config

    Returns
    -------
    dict of str to dict of str to str
        Tested data domain -> specimen -> crystal.
    """
    return {
        domain: {
            specimen.name: _crystal(config, domain, specimen)
            for specimen in plan.specimens_of_domain(config, domain)
            if specimen.split == "test"
        }
        for domain in config.evaluate.domains
    }


def _crystal(config: Config, domain: str, specimen: plan.SpecimenPlan) -> str:
    name = specimen.specimen_set
    section, structures = config.specimens[name], config.structures_of(name)
    drawn_as = section.paired_with or name
    own = drawn_as + specimen.name.removeprefix(name)
    if plan.engine_of(config, name)[0] == "thermal_matrices":
        return plan.crystal_of(config, specimen)[0].name
    moving = config.simulate_of(name).phonons.configurations > 0
    free = structures.polar_direction == "free"
    if random_site(structures) or moving or free or section.conditions is not None:
        return own
    drawn = []
    if structures.amplitude_spread and structures.amplitude:
        drawn.append(f"{specimen.amplitude / structures.amplitude:.5f}")
    if specimen.drawn_share is not None:
        drawn.append(f"{specimen.drawn_share:.4f}")
    if isinstance(section.thicknesses_nm, Drawn):
        drawn += [f"{nm:g}" for nm in specimen.thicknesses_nm]
    if not drawn and config.domains[domain].conditions is not None:
        return own  # what differs is the microscope alone
    return "-".join([drawn_as, *drawn])
