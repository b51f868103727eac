# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong scores of maps, and bounds that cannot be missed."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_MAPS = "polarstem/evaluate/map_scores/cells_and_walls.py"
_TRUTH = "polarstem/evaluate/map_scores/beside_truth.py"
_SCANS = "polarstem/evaluate/map_scores/over_scans.py"
_DEFECTS = "polarstem/evaluate/map_scores/defects_found.py"
_SUMMARY = "polarstem/evaluate/map_scores/over_experiments.py"
_LADDER = "polarstem/evaluate/map_scores/reality_ladder.py"
_PANEL = "polarstem/report/reality_panel.py"
_SCORED = "tests/unit/maps/test_score_map.py"
_FLAGGED = "tests/unit/maps/test_score_defects.py"
_RUNGS = "tests/unit/evaluate/test_reality_ladder.py"
_INTERVALS = "tests/unit/evaluate/test_over_scans.py"
_PAGE = "tests/unit/report/test_reality.py"
_BESIDE = "polarstem/evaluate/map_scores/displacements_beside_truth.py"
_ELLIPSES = "polarstem/evaluate/ellipses.py"
_DISPLACED = "tests/unit/evaluate/test_displacements_beside_truth.py"

MUTATIONS = [
    Mutation(
        "wrong cells without an answer count as confidently wrong",
        _MAPS,
        "wrong, n = int((far & answered & ~right).sum())",
        "wrong, n = int((far & ~right).sum())",
        f"{_SCORED}::test_confidently_wrong_are_answered_and_wrong_of_all_judged",
    ),
    Mutation(
        "confidently wrong are of the answered cells alone",
        _MAPS,
        "int((far & answered & ~right).sum()), int(far.sum())",
        "int((far & answered & ~right).sum()), int((far & answered).sum())",
        f"{_SCORED}::test_confidently_wrong_are_answered_and_wrong_of_all_judged",
    ),
    Mutation(
        "cells at walls are judged",
        _MAPS,
        'far = (own["wall_distance"] > AWAY_CELLS * cell_nm) & ~own["defect"]',
        'far = ~own["defect"]',
        f"{_SCORED}::test_cells_at_walls_and_defects_are_not_judged",
    ),
    Mutation(
        "cells with a defect are judged",
        _MAPS,
        'far = (own["wall_distance"] > AWAY_CELLS * cell_nm) & ~own["defect"]',
        'far = own["wall_distance"] > AWAY_CELLS * cell_nm',
        f"{_SCORED}::test_cells_at_walls_and_defects_are_not_judged",
    ),
    Mutation(
        "an answer where nothing is polar is not judged",
        _MAPS,
        "    if far.any():\n        wrong",
        "    far = clean\n    if far.any():\n        wrong",
        f"{_SCORED}::test_an_answer_where_nothing_is_polar_is_wrong",
    ),
    Mutation(
        "the nearest class is right however the map is turned",
        _TRUTH,
        "& (apart <= _DIRECTION_TOLERANCE)",
        "& (apart <= 360)",
        f"{_SCORED}::test_a_map_that_is_turned_is_wrong_although_its_classes_are_nearest",
    ),
    Mutation(
        "positions without an answer count as confidently wrong",
        _MAPS,
        "            answered & ~right,\n",
        "            ~right,\n",
        f"{_SCORED}::test_positions_are_counted_as_cells_are",
    ),
    Mutation(
        "flags at walls are among those of sound cells",
        _DEFECTS,
        '("sound_flagged", ~wall & ~border & ~defective,',
        '("sound_flagged", ~border & ~defective,',
        f"{_FLAGGED}::test_flags_of_sound_cells_are_told_apart_at_walls_and_defects",
    ),
    Mutation(
        "flags beside defects are among those of sound cells",
        _DEFECTS,
        '("sound_flagged", ~wall & ~border & ~defective,',
        '("sound_flagged", ~wall & ~defective,',
        f"{_FLAGGED}::test_flags_of_sound_cells_are_told_apart_at_walls_and_defects",
    ),
    Mutation(
        "the interval is narrower than its level",
        _SCANS,
        "of - count + 1)) if count > 0",
        "of - count + 1)) * 1.1 if count > 0",
        f"{_INTERVALS}::test_exact_interval_is_the_binomial_one",
    ),
    Mutation(
        "cells of a scan are independent samples",
        _SCANS,
        "effective = n if variance == 0 else min(n, value * (1 - value) / variance)",
        "effective = n",
        f"{_INTERVALS}::test_intervals_hold_the_truth_where_cells_of_a_scan_are_alike",
    ),
    Mutation(
        "few scans are as good as many",
        _SCANS,
        "    effective *= (student.ppf(1 - tail, n - 1) / student.ppf(1 - tail, scans - 1)) ** 2\n",
        "",
        f"{_INTERVALS}::test_where_all_scans_say_the_same_cells_are_counted",
    ),
    Mutation(
        "one scan has an interval",
        _SCANS,
        "    if len(of) < 2:\n        return np.nan, np.nan\n",
        "    if len(of) < 2:\n        return 0.0, 1.0\n",
        f"{_INTERVALS}::test_one_scan_gives_no_interval",
    ),
    Mutation(
        "a fraction of nothing meets its bound",
        _LADDER,
        '        if found["value"] is None:\n            return CANNOT_TELL\n',
        '        if found["value"] is None:\n            return MET\n',
        f"{_RUNGS}::test_bounds_are_met_or_missed_where_the_interval_lies_on_one_side",
    ),
    Mutation(
        "bounds are turned round",
        _LADDER,
        "(low >= self.limit if self.least else high <= self.limit)",
        "(high <= self.limit if self.least else low >= self.limit)",
        f"{_RUNGS}::test_bounds_are_met_or_missed_where_the_interval_lies_on_one_side",
    ),
    Mutation(
        "a bound is met wherever it is not missed",
        _LADDER,
        "return MISSED if beyond else CANNOT_TELL",
        "return MISSED if beyond else MET",
        f"{_RUNGS}::test_each_verdict_comes_out",
    ),
    Mutation(
        "a bound is missed wherever it is not met",
        _LADDER,
        "return MISSED if beyond else CANNOT_TELL",
        "return MISSED",
        f"{_RUNGS}::test_each_verdict_comes_out",
    ),
    Mutation(
        "one scan meets a bound",
        _LADDER,
        "        if low is None:\n            count = round",
        "        if low is None:\n            return MET\n            count = round",
        f"{_RUNGS}::test_one_scan_may_miss_a_bound_but_cannot_meet_it",
    ),
    Mutation(
        "scans with a wrong cell are counted by their cells",
        _LADDER,
        'if wrong := [each["value"] > 0 for each in',
        'if wrong := [each["value"] > 0.99 for each in []] + [False for each in',
        f"{_RUNGS}::test_wrong_answers_of_all_virtual_experiments_stand_together",
    ),
    Mutation(
        "sparse scans have the bounds of dense ones",
        _LADDER,
        "return SPARSE_BOUNDS if factor.endswith(SPARSE) else DENSE_BOUNDS",
        "return DENSE_BOUNDS",
        f"{_RUNGS}::test_bounds_are_met_or_missed_where_the_interval_lies_on_one_side",
    ),
    Mutation(
        "experiments count alike however many cells they have",
        _LADDER,
        'of_scans(counts, [each["n"] for each in known], meaning, confidence)',
        'of_scans([round(99 * e["value"]) for e in known], [99] * len(known), meaning, confidence)',
        f"{_RUNGS}::test_fractions_are_pooled_by_what_they_count",
    ),
    Mutation(
        "the smallest error of a factor stands",
        _LADDER,
        "max(known) if largest else min(known)",
        "min(known)",
        f"{_RUNGS}::test_largest_error_of_a_factor_stands",
    ),
    Mutation(
        "answered stands for right among answered",
        _LADDER,
        '"right_of_answered": ("cell_accuracy_answered"',
        '"right_of_answered": ("cells_answered"',
        f"{_RUNGS}::test_ladder_has_the_numbers_of_its_factor_and_their_verdicts",
    ),
    Mutation(
        "a wedge is compared with its nominal thickness",
        _SUMMARY,
        '    if "thickness" in truth:\n',
        "    if not truth:\n",
        f"{_RUNGS}::test_thickness_of_a_wedge_is_compared_with_its_mean",
    ),
    Mutation(
        "a map of the thickness is compared with one value",
        _SUMMARY,
        "np.abs(values - _thickness(truth)[rows, columns])",
        "np.abs(values - _thickness(truth).mean())",
        f"{_RUNGS}::test_thickness_on_a_grid_of_tiles",
    ),
    Mutation(
        "a factor is said to have met its bounds if it missed none",
        _PANEL,
        "        elif parts[CANNOT_TELL]:",
        "        elif not parts[CANNOT_TELL]:",
        f"{_PAGE}::test_it_is_said_which_bounds_are_met_missed_and_left_open",
    ),
    Mutation(
        "sparse scans are drawn with the numbers of dense ones",
        "polarstem/report/figures/reality.py",
        "return row.sparse if sparse else row.dense",
        "return row.dense or row.sparse",
        f"{_PAGE}::test_bounds_and_numbers_stand_where_they_are",
    ),
    Mutation(
        "the ladder stands among the maps as an experiment",
        "polarstem/report/map_panel.py",
        "if key.startswith(LADDER):",
        "if not key:",
        f"{_PAGE}::test_page_has_the_ladder_where_there_is_one",
    ),
    Mutation(
        "displacements of cells at walls count",
        _BESIDE,
        'away = own["wall_distance"] > AWAY_CELLS * float(truth.attrs["cell_nm"])',
        'away = own["wall_distance"] > 0 * float(truth.attrs["cell_nm"])',
        f"{_DISPLACED}::test_errors_are_those_of_cells_away_from_walls_and_defects",
    ),
    Mutation(
        "displacements of defects count",
        _BESIDE,
        'away &= ~own["defect"]',
        'away &= ~own["defect"] | own["defect"]',
        f"{_DISPLACED}::test_errors_are_those_of_cells_away_from_walls_and_defects",
    ),
    Mutation(
        "an ellipse is told for half of what it holds",
        _ELLIPSES,
        "-2 * np.log(1 - level)",
        "-np.log(1 - level)",
        f"{_DISPLACED}::test_errors_are_those_of_cells_away_from_walls_and_defects",
    ),
    Mutation(
        "displacements are held against none",
        _BESIDE,
        "axis=1)[told] - true",
        "axis=1)[told] - 0 * true",
        f"{_DISPLACED}::test_errors_are_those_of_cells_away_from_walls_and_defects",
    ),
    Mutation(
        "scans without a truth are scored by the benchmark",
        "benchmarks/displacements.py",
        "if truth.exists():",
        "if truth.parent.exists():",
        f"{_DISPLACED}::test_the_benchmark_prints_what_the_summary_holds",
    ),
    Mutation(
        "a component's error is told to be that of both",
        _BESIDE,
        "np.trace(covariance, axis1=1, axis2=2).mean() / 2",
        "np.trace(covariance, axis1=1, axis2=2).mean()",
        f"{_DISPLACED}::test_errors_are_those_of_cells_away_from_walls_and_defects",
    ),
    Mutation(
        "an ellipse leans the other way",
        _ELLIPSES,
        "mixed = correlation * sigma_x * sigma_y",
        "mixed = -correlation * sigma_x * sigma_y",
        f"{_DISPLACED}::test_errors_are_those_of_cells_away_from_walls_and_defects",
    ),
    Mutation(
        "maps are scored without their displacements",
        "polarstem/evaluate/map_scores/over_experiments.py",
        "if fitted := (displacements or {}).get(name):",
        "if fitted := {}.get(name):",
        f"{_DISPLACED}::test_the_summary_of_maps_takes_displacements_where_there_are_some",
    ),
]
