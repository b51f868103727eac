# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of mixed B sites: composition, order, potentials and plans."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_BUILD = "polarstem/structures/build.py"
_CRYSTALS = "polarstem/structures/crystals.py"
_SITES = "tests/unit/structures/test_mixed_b_sites.py"
_POTENTIALS = "tests/unit/simulate/test_mixed_b_potentials.py"
_PLANS = "tests/unit/core/test_mixed_site_plans.py"

MUTATIONS = [
    Mutation(
        "shares of the B site need not add up",
        _CRYSTALS,
        'for name, site in (("a_site", self.a_site), ("b_site", self.b_site)):',
        'for name, site in [("a_site", self.a_site)]:',
        f"{_SITES}::test_wrong_b_sites_are_told",
    ),
    Mutation(
        "both sites may hold an element",
        _CRYSTALS,
        "or set(self.a_site) & set(self.b_site)",
        "or False",
        f"{_SITES}::test_wrong_b_sites_are_told",
    ),
    Mutation(
        "the first B element has the whole charge",
        _CRYSTALS,
        "return self._charge(self.b_site)",
        "return self._charge({next(iter(self.b_site)): 1.0})",
        f"{_SITES}::test_polarization_is_the_mean_over_the_composition",
    ),
    Mutation(
        "A is varied though B alone is mixed",
        _CRYSTALS,
        'return "b_site" if len(self.a_site) == 1 < len(self.b_site) else "a_site"',
        'return "a_site"',
        f"{_PLANS}::test_composition_is_drawn_on_the_site_that_is_mixed",
    ),
    Mutation(
        "the first B element has the whole mass",
        "polarstem/structures/templates.py",
        "mass(material.b_site)",
        "mass({next(iter(material.b_site)): 1.0})",
        f"{_SITES}::test_centre_of_mass_stays",
    ),
    Mutation(
        "B cations in one order for all seeds",
        _BUILD,
        "np.random.default_rng(derive_seed(recipe.seed, purpose))",
        "np.random.default_rng(derive_seed(0, purpose))",
        f"{_SITES}::test_random_order_has_the_exact_composition_and_follows_the_seed",
    ),
    Mutation(
        "B cations in the order of A",
        _BUILD,
        'int((site == _B).sum()), "b_site")',
        'int((site == _B).sum()), "a_site")',
        f"{_SITES}::test_random_order_has_the_exact_composition_and_follows_the_seed",
    ),
    Mutation(
        "an antisite column is of the first B element",
        _BUILD,
        'symbols[column] = _mixture(recipe, "b_site", len(column), "antisite")',
        "symbols[column] = next(iter(recipe.material.b_site))",
        f"{_SITES}::test_antisite_column_takes_the_composition_of_b",
    ),
    Mutation(
        "B does not follow A",
        "polarstem/structures/recipes.py",
        'return b_site or ("random" if a_site == "random" else "virtual")',
        'return b_site or "random"',
        f"{_SITES}::test_order_on_the_b_site",
    ),
    Mutation(
        "layers are of the first B element",
        "polarstem/structures/amorphous.py",
        "only = len(material.b_site) == 1",
        "only = True",
        f"{_SITES}::test_amorphous_layers_have_the_composition",
    ),
    Mutation(
        "one element is drawn, too",
        "polarstem/structures/amorphous.py",
        "only = len(material.b_site) == 1",
        "only = False",
        f"{_SITES}::test_one_element_gives_the_atoms_that_it_gave",
    ),
    Mutation(
        "a scene's B cations in one order for all seeds",
        "polarstem/structures/scenes/build.py",
        "random = np.random.default_rng(derive_seed(recipe.seed, purpose))",
        "random = np.random.default_rng(derive_seed(0, purpose))",
        f"{_SITES}::test_scenes_have_b_cations_at_random",
    ),
    Mutation(
        "the potential knows one virtual site",
        "polarstem/simulate/potential/crystal.py",
        'for key in ("virtual_a_site", "virtual_b_site") if',
        'for key in ["virtual_a_site"] if',
        f"{_POTENTIALS}::test_both_sites_are_weighted_means_each_smeared_by_its_own",
    ),
    Mutation(
        "averaged B atoms move as their first element",
        "polarstem/simulate/potential/frozen_phonons.py",
        "return found | means",
        "return means | found",
        f"{_POTENTIALS}::test_averaged_b_atoms_move_as_their_composition_does",
    ),
    Mutation(
        "compositions of crystals are not compared",
        "polarstem/simulate/jobs/measure_patterns.py",
        "or crystal.occupancy != other.occupancy:",
        "or False:",
        f"{_POTENTIALS}::test_another_composition_is_another_crystal",
    ),
    Mutation(
        "B cations at random have a scattering matrix",
        "polarstem/config/crystal_design.py",
        'return "b_site" if material and len(material.b_site) > 1 else None',
        "return None",
        f"{_PLANS}::test_engine_knows_whether_b_cations_repeat",
    ),
    Mutation(
        "one B element at random does not repeat",
        "polarstem/config/crystal_design.py",
        'return "b_site" if material and len(material.b_site) > 1 else None',
        'return "b_site"',
        f"{_PLANS}::test_engine_knows_whether_b_cations_repeat",
    ),
    Mutation(
        "a composition is drawn beside an exact order",
        "polarstem/config/crystal_design.py",
        'return b_order(structures.a_site, structures.b_site) == "virtual"',
        "return True",
        f"{_PLANS}::test_no_composition_is_drawn_for_b_cations_at_random",
    ),
    Mutation(
        "orders of B cations are one crystal",
        "polarstem/config/independence.py",
        "if random_site(structures) or moving or",
        'if structures.a_site == "random" or moving or',
        f"{_PLANS}::test_no_composition_is_drawn_for_b_cations_at_random",
    ),
]
