# SPDX-License-Identifier: GPL-3.0-or-later
"""A wrong error budget, and warnings of grids and fields that are not given."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_BUDGET = "polarstem/evaluate/summary/simulation_accuracy.py"
_SETTINGS = "polarstem/config/error_budget.py"
_WARNINGS = "polarstem/config/accuracy_warnings.py"
_MEASURED = "tests/unit/evaluate/test_accuracy.py"
_CONFIG = "tests/unit/core/test_accuracy_warnings.py"
_SIGNAL = f"{_MEASURED}::test_signal_stands_above_the_costs_of_the_simulation"
_OFFSETS = f"{_MEASURED}::test_offsets_of_configurations_make_a_field_larger"
_STANDARD = f"{_CONFIG}::test_the_fields_of_the_standard_run_are_told_with_their_error"
_FOLLOWS = f"{_CONFIG}::test_the_budget_follows_the_reference_and_the_ends_of_the_run"

MUTATIONS = [
    Mutation(
        "an error relative to the worse pattern",
        _BUDGET,
        ".sum(-1) / b.sum(-1)",
        ".sum(-1) / a.sum(-1)",
        f"{_MEASURED}::test_difference_is_relative_to_the_better_pattern",
    ),
    Mutation(
        "the scatter of the other ensembles is counted",
        _BUDGET,
        "share = np.sqrt((ENSEMBLES - 1) / ENSEMBLES)",
        "share = 1.0",
        f"{_MEASURED}::test_error_of_a_mean_is_that_of_independent_configurations",
    ),
    Mutation(
        "all configurations sample the same points",
        _BUDGET,
        "for o in spread_offsets(count)]",
        "for o in np.zeros((count, 2))]",
        _OFFSETS,
    ),
    Mutation("planes against planes", _BUDGET, '"slices": kind}', '"slices": "planes"}', _SIGNAL),
    Mutation(
        "a grid against itself",
        _BUDGET,
        '"pixels_per_cell": settings["finer"]}',
        '"pixels_per_cell": simulate.pixels_per_cell}',
        _SIGNAL,
    ),
    Mutation("no reversal", _BUDGET, "[-i for i in variant]", "[i for i in variant]", _SIGNAL),
    Mutation(
        "no cubic crystal",
        _BUDGET,
        'recipe["amplitude"] = amplitude',
        'recipe["amplitude"] = 1.0',
        _SIGNAL,
    ),
    Mutation(
        "the reference thickness is the smallest",
        _SETTINGS,
        "reference = sorted(given)[len(given) // 2]",
        "reference = min(ends)",
        _FOLLOWS,
    ),
    Mutation(
        "sets of streams are forgotten",
        _SETTINGS,
        "used.update(name for stream in config.streams().values() for name in stream.specimens)",
        "pass",
        f"{_CONFIG}::test_a_stream_counts_among_the_sets_of_a_run",
    ),
    Mutation(
        "an error ten times as large is no warning",
        _WARNINGS,
        "if error <= simulate.accuracy:",
        "if error <= 10 * simulate.accuracy:",
        _STANDARD,
    ),
    Mutation(
        "auto is what was set by hand",
        _WARNINGS,
        'without(found.structures, "cells")',
        "found.structures",
        _STANDARD,
    ),
    Mutation(
        "scenes count offsets that they do not use",
        "polarstem/config/scene_limits.py",
        "min(simulate.phonons.configurations, MOST_OFFSETS)",
        "simulate.phonons.configurations",
        f"{_CONFIG}::test_more_configurations_than_offsets_make_no_smaller_windows",
    ),
]
