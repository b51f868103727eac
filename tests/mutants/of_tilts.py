# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of octahedral tilt systems."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_GLAZER = "polarstem/structures/glazer.py"
_LOCAL = "polarstem/structures/local_displacements.py"
_SCENES = "polarstem/structures/scenes/build.py"
_TESTS = "tests/unit/structures/test_glazer_tilts.py"
_PEAKS = f"{_TESTS}::test_superlattice_reflections_appear_where_glazer_says_and_nowhere_else"
_MATRICES = "tests/unit/core/test_tilted_matrices.py"
_CORNERS = f"{_TESTS}::test_octahedra_share_their_corners"

MUTATIONS = [
    Mutation(
        "in phase is against each other", _GLAZER, '"+": 1, "-": -1', '"+": -1, "-": 1', _PEAKS
    ),
    Mutation(
        "every step along the axis turns back", _GLAZER, "(sign == 1) * step", "0 * step", _PEAKS
    ),
    Mutation(
        "every step across the axis turns back alike",
        _GLAZER,
        "(sum(vector) - (sign == 1) * step) % 2 if sign else 0",
        "(sum(vector) - step) % 2 if sign else 0",
        _PEAKS,
    ),
    Mutation(
        "angles may differ",
        _GLAZER,
        "if len(letters) != 1:",
        "if not letters:",
        f"{_TESTS}::test_wrong_systems_are_told",
    ),
    Mutation(
        "one axis is taken for another",
        _LOCAL,
        "first, second = (axis + 1) % 3, (axis + 2) % 3",
        "second, first = (axis + 1) % 3, (axis + 2) % 3",
        f"{_TESTS}::test_bismuth_ferrite_turns_about_its_polar_axis",
    ),
    Mutation(
        "octahedra are torn",
        _LOCAL,
        "found[:, first] += size * (site == _FIRST_O + second)",
        "found[:, first] -= size * (site == _FIRST_O + second)",
        _CORNERS,
    ),
    Mutation(
        "all domains turn about [111]",
        _LOCAL,
        "if sign < 0 and variant[axis] < 0:",
        "if False:",
        f"{_TESTS}::test_bismuth_ferrite_turns_about_its_polar_axis",
    ),
    Mutation(
        "a scene has one tilt axis",
        _SCENES,
        "if min(tilt_signs(system)) >= 0:",
        "if True:",
        f"{_TESTS}::test_domains_of_a_scene_turn_about_their_own_axes",
    ),
    Mutation(
        "a specimen knows one tilt system",
        "polarstem/structures/build.py",
        "system = recipe.material.tilt_system(recipe.phase)",
        'system = "a0a0c+"',
        _PEAKS,
    ),
    Mutation(
        "a field need not hold the tilts",
        "polarstem/structures/recipes.py",
        "1 + max(turns_back(tilt_system, axis))",
        '1 + max(turns_back("a0a0c+", axis))',
        f"{_TESTS}::test_fields_that_break_the_tilts_are_told",
    ),
    Mutation(
        "bismuth ferrite tilts as KNN",
        "resources/crystals.yaml",
        "octahedral_tilts: {R: a-a-a-}",
        "octahedral_tilts: {R: a0a0c+}",
        f"{_TESTS}::test_bismuth_ferrite_turns_about_its_polar_axis",
    ),
    Mutation(
        "a matrix holds half of a tilted crystal",
        "polarstem/config/plan.py",
        "x, y = max(x, tilted[0]), max(y, tilted[1])",
        "pass",
        f"{_MATRICES}::test_a_matrix_holds_the_cells_that_repeat",
    ),
    Mutation(
        "a tilted crystal is turned",
        "polarstem/config/plan.py",
        "if structures.octahedral_tilt_deg or own:\n        variant",
        "if False:\n        variant",
        f"{_MATRICES}::test_a_matrix_holds_the_cells_that_repeat",
    ),
    Mutation(
        "automatic fields break the tilts",
        "polarstem/config/model.py",
        "tilted = structures.octahedral_tilt_deg > 0",
        "tilted = False",
        f"{_MATRICES}::test_fields_of_an_odd_number_are_told_and_automatic_ones_are_even",
    ),
    Mutation(
        "odd fields are taken",
        "polarstem/config/physics_checks.py",
        "    if structures.octahedral_tilt_deg:\n",
        "    if False:\n",
        f"{_MATRICES}::test_fields_of_an_odd_number_are_told_and_automatic_ones_are_even",
    ),
]
