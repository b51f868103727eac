# SPDX-License-Identifier: GPL-3.0-or-later
"""The limit and models over the unit cell, under conditions that are not the same."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_CELL = "polarstem/evaluate/limit/over_cell.py"
_FIGURE = "polarstem/report/figures/position.py"
_TESTS = "tests/unit/evaluate/test_over_cell.py"
_DRAWN = "tests/unit/report/test_position_figure.py"

MUTATIONS = [
    Mutation(
        "another thickness than the reference's is compared",
        _CELL,
        "if dose is not None and nm == thickness:",
        "if dose is not None:",
        f"{_TESTS}::test_doses_at_which_the_place_matters_are_taken",
    ),
    Mutation(
        "the smallest doses are taken",
        _CELL,
        "key=lambda condition: condition.dose)[-most:]",
        "key=lambda condition: condition.dose)[:most]",
        f"{_TESTS}::test_doses_at_which_the_place_matters_are_taken",
    ),
    Mutation(
        "a limit that is the same everywhere is compared",
        _CELL,
        "if right[0] - right[-1] >= LEAST_SPREAD else []",
        "if right[0] - right[-1] >= 0 else []",
        f"{_TESTS}::test_doses_at_which_the_place_matters_are_taken",
    ),
    Mutation(
        "positions are grouped as they stand",
        _CELL,
        'rank[np.argsort(needed, kind="stable")] = np.arange(len(needed))',
        "rank[:] = np.arange(len(needed))",
        f"{_TESTS}::test_groups_are_of_equal_size_and_in_the_order_of_electrons",
    ),
    Mutation(
        "models of another dose stand beside the limit",
        _CELL,
        "read = read_predictions(path, only=(condition.domain,))",
        'read = read_predictions(path, only=("static20",))',
        f"{_TESTS}::test_models_are_judged_where_much_and_where_little_is_known",
    ),
    Mutation(
        "errors stand for right predictions over the cell",
        _CELL,
        "np.divide(count - wrong, count,",
        "np.divide(wrong, count,",
        f"{_TESTS}::test_models_are_judged_where_much_and_where_little_is_known",
    ),
    Mutation(
        "a group that no pattern was taken at has the mean accuracy",
        _CELL,
        "if not taken[number]:",
        "if not taken.any():",
        f"{_TESTS}::test_places_that_no_pattern_was_taken_at_have_no_accuracy",
    ),
    Mutation(
        "the interval does not follow its level",
        _CELL,
        "[sample.interval(confidence) for sample in samples]",
        "[sample.interval(0.9) for sample in samples]",
        f"{_TESTS}::test_intervals_are_over_crystals",
    ),
    Mutation(
        "the figure's limit is that of an unknown position",
        _FIGURE,
        "known = limit_by_group(information, condition)",
        'known = limit_by_group(information, condition, "unknown")',
        f"{_DRAWN}::test_limit_and_models_are_drawn_where_they_are",
    ),
    Mutation(
        "the figure has nothing to compare and draws nothing",
        _FIGURE,
        "if information is None or not found:",
        "if information is None:",
        f"{_DRAWN}::test_figure_is_whole_and_says_where_it_has_nothing_to_compare",
    ),
]
