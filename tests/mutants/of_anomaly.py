# SPDX-License-Identifier: GPL-3.0-or-later
"""Anomaly scores: what they are relative to, their thresholds, and which flags lie at walls."""

from tests.mutants.mutation import Mutation

_SCORE = "polarstem/maps/anomaly.py"
_FIT = "polarstem/maps/anomaly_fit.py"
_AROUND = "polarstem/maps/neighbours.py"
_TESTED = "tests/unit/maps/test_anomaly.py"
_NEIGHBOURS = "tests/unit/maps/test_neighbours.py"
_OTHERS = "tests/unit/maps/test_left_out_scans.py"

MUTATIONS = [
    Mutation(
        "scores are not relative to the surroundings",
        _SCORE,
        "logs -= local_median(logs, side)",
        "logs -= np.nanmedian(logs)",
        f"{_TESTED}::test_scores_are_relative_to_the_surroundings",
    ),
    Mutation(
        "the rim is held against the inside",
        _SCORE,
        "_RINGS = (26,)",
        "_RINGS = (0,)",
        f"{_OTHERS}::test_rim_is_held_against_the_rim",
    ),
    Mutation(
        "what cells in a row continue to is not used at the rim",
        _AROUND,
        "self._mean(2 * a - b, known_a * known_b, 6)",
        "self._mean(a - 2 * b, known_a * known_b, 6)",
        f"{_TESTED}::test_what_changes_evenly_over_the_scan_is_no_disagreement",
    ),
    Mutation(
        "cells on opposite sides are subtracted",
        _AROUND,
        "self._mean((a + b) / 2, known_a * known_b, 1.5)",
        "self._mean((a - b) / 2, known_a * known_b, 1.5)",
        f"{_TESTED}::test_what_changes_evenly_over_the_scan_is_no_disagreement",
    ),
    Mutation(
        "scans that scatter more than is usual are not scaled down",
        _SCORE,
        "logs * min(1.0, usual",
        "logs * max(1.0, usual",
        f"{_TESTED}::test_scores_that_scatter_more_than_is_usual_are_scaled_down",
    ),
    Mutation(
        "a defect counts as scatter",
        _SCORE,
        "np.median(known) - np.quantile(known, _BELOW)",
        "np.quantile(known, 1 - _BELOW) - np.median(known)",
        f"{_TESTED}::test_scores_that_scatter_more_than_is_usual_are_scaled_down",
    ),
    Mutation(
        "a scan is held against a threshold that it had part in",
        _FIT,
        "[each for each in scored if each is not own]",
        "[each for each in scored]",
        f"{_TESTED}::test_scan_is_held_against_the_thresholds_of_the_others",
    ),
    Mutation(
        "the worst scan does not govern",
        _FIT,
        "(above.sum(0) + above.max(0)) / (len(above) + 1)",
        "above.mean(0)",
        f"{_TESTED}::test_threshold_counts_each_scan_as_one_and_the_worst_twice",
    ),
    Mutation(
        "median for the anomaly quantile",
        _AROUND,
        "_QUANTILE = 0.25",
        "_QUANTILE = 0.5",
        f"{_TESTED}::test_cells_where_four_domains_meet_agree_with_their_own",
    ),
    Mutation(
        "coefficients of a spline weigh too little",
        _AROUND,
        "(4 - 6 * t**2 + 3 * t**3) / 6",
        "(3 - 6 * t**2 + 3 * t**3) / 6",
        f"{_NEIGHBOURS}::test_splines_are_read_as_scipy_does_inside_and_beyond_the_rim",
    ),
    Mutation(
        "medians of cells for their upper quartiles",
        _SCORE,
        "0.75 * (held - 1)",
        "0.5 * (held - 1)",
        f"{_NEIGHBOURS}::test_quartiles_of_cells_are_those_of_numpy",
    ),
    Mutation(
        "the threshold is the median of the scores",
        _SCORE,
        "SHARE = 0.01",
        "SHARE = 0.5",
        f"{_OTHERS}::test_other_crystals_are_rarely_flagged",
    ),
    Mutation(
        "a line of positions is scored",
        _SCORE,
        "_LEAST_CELLS = 2.7",
        "_LEAST_CELLS = 0.0",
        f"{_TESTED}::test_line_scans_and_small_ones_cannot_be_told",
    ),
    Mutation(
        "a single cell of another direction makes a wall",
        _SCORE,
        "_LEAST_DOMAIN = 4",
        "_LEAST_DOMAIN = 1",
        f"{_TESTED}::test_walls_are_where_domains_of_the_map_meet",
    ),
    Mutation(
        "domains with an unanswered cell between them have no wall",
        _SCORE,
        "gap = wall & (domain < 0)",
        "gap = wall & (domain > 99)",
        f"{_TESTED}::test_walls_are_where_domains_of_the_map_meet",
    ),
    Mutation(
        "an earlier version's thresholds are taken for these",
        _SCORE,
        "if lacking := {field.name for field in fields(cls)} - set(values):",
        "if lacking := set[str]():",
        f"{_TESTED}::test_file_of_an_earlier_version_is_refused",
    ),
]
