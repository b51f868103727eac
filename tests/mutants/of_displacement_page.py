# SPDX-License-Identifier: GPL-3.0-or-later
"""A page that shows other displacements, or another wall, than were measured."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_WALL = "resources/report/wall.js"
_DRAWN = "resources/report/displacements.js"
_PAGE = "polarstem/report/displacement_page.py"
_TESTS = "tests/unit/report/test_displacement_page.py"

MUTATIONS = [
    Mutation(
        "the page forgets what a fit of six numbers costs",
        _WALL,
        "const freedom = 2 * count - unknowns;",
        "const freedom = 2 * count;",
        f"{_TESTS}::test_a_wall_is_fitted_as_by_the_command",
    ),
    Mutation(
        "the page looks once for a wall",
        _WALL,
        "for (let round = 0; round < 2; round++)",
        "for (let round = 0; round < 1; round++)",
        f"{_TESTS}::test_a_wall_is_fitted_as_by_the_command",
    ),
    Mutation(
        "the page finds walls in noise",
        _WALL,
        "clear = 5,",
        "clear = 0,",
        f"{_TESTS}::test_a_wall_is_fitted_as_by_the_command",
    ),
    Mutation(
        "the page measures walls along lines that slant",
        _WALL,
        "rough = 3;",
        "rough = 300;",
        f"{_TESTS}::test_a_wall_is_fitted_as_by_the_command",
    ),
    Mutation(
        "cells before the line take part",
        _WALL,
        "along < -rounding || ",
        "",
        f"{_TESTS}::test_a_wall_is_fitted_as_by_the_command",
    ),
    Mutation(
        "ellipses of one standard deviation are called those of 68 %",
        _DRAWN,
        "scale * Math.sqrt(-2 * Math.log(0.32))",
        "scale",
        f"{_TESTS}::test_what_is_drawn_is_what_was_measured",
    ),
    Mutation(
        "ellipses lean the other way",
        _DRAWN,
        "far * right).toFixed(2)},${(y - far * up)",
        "far * right).toFixed(2)},${(y + far * up)",
        f"{_TESTS}::test_what_is_drawn_is_what_was_measured",
    ),
    Mutation(
        "the mouse points a cell too far down",
        _DRAWN,
        "event.clientY - box.top) * scale) / unit];",
        "event.clientY - box.top) * scale) / unit + side];",
        f"{_TESTS}::test_clicks_keys_and_drags",
    ),
    Mutation(
        "cells of a turned lattice are drawn upright",
        _PAGE,
        "if np.linalg.matrix_rank(numbers) < 2:",
        "if True:",
        f"{_TESTS}::test_cells_are_drawn_as_they_lie",
    ),
    Mutation(
        "arrows that point up have the colours of those that point down",
        _PAGE,
        'np.arctan2(data["uy"].values, data["ux"].values)',
        'np.arctan2(-data["uy"].values, data["ux"].values)',
        f"{_TESTS}::test_colours_are_those_of_the_directions",
    ),
    Mutation(
        "errors of two components count for that of one",
        "polarstem/displacements/wall_profile.py",
        '(data["sigma_x"] ** 2 + data["sigma_y"] ** 2) / 2',
        'data["sigma_x"] ** 2 + data["sigma_y"] ** 2',
        "tests/unit/displacements/test_wall_profile.py"
        "::test_a_line_that_is_not_perpendicular_to_the_wall_is_refused",
    ),
]
