# SPDX-License-Identifier: GPL-3.0-or-later
"""Models on ideal patterns and on the stream, side by side."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_FAIR = "polarstem/evaluate/summary/fair_table.py"
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
]
