# SPDX-License-Identifier: GPL-3.0-or-later
"""Walls that are found where they are not, or with more knowledge than a map gives."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_LABELS = "polarstem/evaluate/map_scores/delivered_walls.py"
_KNOWN = "polarstem/evaluate/map_scores/known_walls.py"
_TESTS = "tests/unit/maps/test_delivered_walls.py"
_SCORED = "tests/unit/maps/test_score_map.py"

MUTATIONS = [
    Mutation(
        "a single wrong arrow is a domain",
        _LABELS,
        "LEAST_CELLS = 2",
        "LEAST_CELLS = 1",
        f"{_TESTS}::test_a_row_of_wrong_arrows_along_a_wall_is_seen",
    ),
    Mutation(
        "a missing answer ends a domain",
        _LABELS,
        "        if label < 0:\n            continue\n",
        "        if label < 0:\n            runs.append([number])\n            continue\n",
        f"{_TESTS}::test_labels_change_where_one_domain_gives_way_to_another",
    ),
    Mutation(
        "labels that are withheld are read all the same",
        _LABELS,
        "delivered = np.where(answered, classes, -1)",
        "delivered = classes",
        f"{_TESTS}::test_missing_answers_put_a_wall_into_their_middle",
    ),
    Mutation(
        "a wall stands at the last cell of the domain before it",
        _LABELS,
        "return float(s[change.last] + s[change.first]) / 2",
        "return float(s[change.last])",
        f"{_TESTS}::test_right_labels_are_off_by_what_the_cells_cost",
    ),
    Mutation(
        "any change of labels is the wall",
        _LABELS,
        "if apart[w, c] <= REACH_CELLS",
        "if apart[w, c] <= 1e3",
        f"{_TESTS}::test_a_change_out_of_reach_is_not_the_wall",
    ),
    Mutation(
        "rows without the wall do not count",
        _LABELS,
        "            len(seen) / len(lines) if lines else np.nan,\n",
        "            1.0 if lines else np.nan,\n",
        f"{_TESTS}::test_a_map_that_says_nothing_has_no_wall_and_no_error",
    ),
    Mutation(
        "errors to one side are negative",
        _LABELS,
        "errors = np.abs([line.delivered",
        "errors = np.array([line.delivered",
        f"{_TESTS}::test_right_labels_are_off_by_what_the_cells_cost",
    ),
    Mutation(
        "walls are looked for on lines that run beside them",
        _LABELS,
        "if (by_row <= by_column) == (across is row):",
        "if (by_row <= by_column) != (across is row):",
        f"{_TESTS}::test_walls_across_columns_are_looked_for_along_them",
    ),
    Mutation(
        "changes that are no wall are forgotten",
        _LABELS,
        "elsewhere += len(told) - len(given) if wanted else 0",
        "elsewhere += 0",
        f"{_TESTS}::test_each_wall_needs_a_change_of_its_own",
    ),
    Mutation(
        "walls are looked for where right labels would not show them",
        _LABELS,
        "wanted = _matched(changes(right[cells].tolist()), crossed)",
        "wanted = {w: Change(0, 1) for w in range(len(crossed))}",
        f"{_TESTS}::test_walls_that_right_labels_would_not_show_are_not_looked_for",
    ),
    Mutation(
        "arrows at walls are right if one of the sides has them",
        _LABELS,
        "wrong = near & answered & ~(agrees(found, classes, own) & np.isfinite(own))",
        "wrong = near & answered & ~np.logical_or(*(agrees(found, classes, s) for s in beside.T))",
        f"{_TESTS}::test_a_row_of_wrong_arrows_along_a_wall_is_seen",
    ),
    Mutation(
        "cells without an answer are wrong arrows",
        _LABELS,
        "neither = near & answered & ~",
        "neither = near & ~",
        f"{_TESTS}::test_missing_answers_put_a_wall_into_their_middle",
    ),
    Mutation(
        "the step in the probabilities is the first one",
        _KNOWN,
        "best = int(total.argmax())",
        "best = 0",
        f"{_SCORED}::test_a_shifted_wall_is_off_by_the_shift",
    ),
]
