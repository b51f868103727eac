# SPDX-License-Identifier: GPL-3.0-or-later
"""Models on ideal patterns and on the stream, side by side."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_FAIR = "polarstem/evaluate/summary/fair_table.py"
_FIGURE = "polarstem/report/figures/fair_comparison.py"
_DRAWN = "tests/unit/report/test_fair_figure.py"
_TABLE = "tests/unit/evaluate/test_table_summary.py"
_APART = f"{_TABLE}::test_data_and_architecture_stand_apart"
_LENGTHS = f"{_TABLE}::test_streams_that_differ_in_length_alone_are_compared"

MUTATIONS = [
    Mutation(
        "data and architecture are compared on one source",
        _FAIR,
        'evaluate["reference_source"], recommended["source"]',
        'evaluate["reference_source"], evaluate["reference_source"]',
        _APART,
    ),
    Mutation(
        "the worst model of a comparison comes first",
        _FAIR,
        "key=best, reverse=True",
        "key=best",
        _APART,
    ),
    Mutation(
        "streams of other conditions are compared",
        _FAIR,
        '_KIND = ("specimens", "conditions")',
        '_KIND = ("specimens",)',
        _LENGTHS,
    ),
    Mutation(
        "streams of other crystals are compared",
        _FAIR,
        '_KIND = ("specimens", "conditions")',
        '_KIND = ("conditions",)',
        _LENGTHS,
    ),
    Mutation(
        "a model that saw no ideal pattern is compared",
        _FAIR,
        "if IDEAL in found and len(found) > 1:",
        "if found:",
        _LENGTHS,
    ),
    Mutation(
        "a pattern counts once, however often it was used",
        "polarstem/evaluate/summary/scores_and_costs.py",
        "return int(uses * info",
        "return int(info",
        f"{_TABLE}::test_patterns_seen_count_each_use",
    ),
    Mutation(
        "the recommended source is compared with itself",
        _FAIR,
        "    if ideal == varied:\n        return {}\n",
        "",
        _LENGTHS,
    ),
    Mutation(
        "a stream named like a column takes its place",
        _FAIR,
        "taken = {ideal, varied, IDEAL, VARIED}",
        "taken = {ideal, varied}",
        _LENGTHS,
    ),
    Mutation(
        "full for ideal patterns, hollow for the stream",
        _FIGURE,
        "if column == IDEAL else {}",
        "if column != IDEAL else {}",
        f"{_DRAWN}::test_scores_stand_beside_their_models_hollow_for_ideal_patterns",
    ),
    Mutation(
        "scores stand beside other models",
        _FIGURE,
        "for y, row in enumerate(reversed(rows)):",
        "for y, row in enumerate(rows):",
        f"{_DRAWN}::test_scores_stand_beside_their_models_hollow_for_ideal_patterns",
    ),
    Mutation(
        "learning goes by epochs",
        _FIGURE,
        "/ len(epochs) * patterns_seen(folder)",
        "* patterns_seen(folder)",
        f"{_DRAWN}::test_learning_goes_by_patterns_seen_and_by_minutes_on_streams_alone",
    ),
    Mutation(
        "learning on ideal patterns is drawn as if on the stream",
        _FIGURE,
        "if column != IDEAL}\n    compared",
        "}\n    compared",
        f"{_DRAWN}::test_learning_goes_by_patterns_seen_and_by_minutes_on_streams_alone",
    ),
]
