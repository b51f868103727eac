# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that are withheld or given wrongly."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_SETS = "polarstem/models/calibration.py"
_FIT = "polarstem/models/calibration_fit.py"
_SPLIT = "polarstem/models/calibration_split.py"
_PREDICT = "polarstem/evaluate/scores/write_predictions.py"
_SCORES = "polarstem/evaluate/scores/per_specimen.py"
_TESTS = "tests/unit/models/test_calibration.py"
_BY_HAND = f"{_TESTS}::test_sets_by_hand"
_DOSE = f"{_TESTS}::test_temperature_and_threshold_follow_the_dose"
_FOREIGN = f"{_TESTS}::test_unknown_and_foreign_doses_are_taken_for_the_worst"
_CELLS = f"{_TESTS}::test_cells_are_as_sure_as_their_patterns_allow_and_hardly_ever_answered_wrong"
_SIZES = f"{_TESTS}::test_a_smaller_cell_is_less_sure_and_a_larger_one_no_surer"
_FITTED = (
    "tests/unit/evaluate/test_predict.py::test_a_fitted_model_is_calibrated_as_what_it_has_become"
)
_CONFIDENCE = "tests/unit/evaluate/test_confidence.py"
_PARTED = "tests/unit/models/test_calibration_split.py"

MUTATIONS = [
    Mutation(
        "a set without the first class",
        _SETS,
        "inside[np.arange(len(given)), given.argmax(axis=1)] = True",
        "pass",
        _BY_HAND,
    ),
    Mutation(
        "of equally probable classes one is in",
        _SETS,
        "sums[tied, rank] = sums[tied, rank - 1]",
        "pass",
        _BY_HAND,
    ),
    Mutation(
        "an answer that is less probable than not",
        _SETS,
        "LEAST = 0.5 + 1e-6",
        "LEAST = 0.4",
        _BY_HAND,
    ),
    Mutation(
        "foreign doses are trusted",
        _SETS,
        "np.maximum(change, 0.0))",
        "change)",
        _FOREIGN,
    ),
    Mutation(
        "an unknown dose is the best one",
        _SETS,
        "end = self.dose_low if slope < 0 else self.dose_high",
        "end = self.dose_high if slope < 0 else self.dose_low",
        _FOREIGN,
    ),
    Mutation(
        "more positions make any cell surer",
        _SETS,
        "share = np.minimum(count / self.cell_positions, 1.0)",
        "share = count / self.cell_positions",
        _SIZES,
    ),
    Mutation(
        "a part of a cell is as sure as the whole",
        _SETS,
        "temperature = temperature * share**-self.cell_power",
        "pass",
        _SIZES,
    ),
    Mutation(
        "thresholds of earlier versions are taken for sums",
        _SETS,
        "found[name] = max(found[name], 1 - found[name])",
        "pass",
        f"{_TESTS}::test_models_of_earlier_versions_answer_no_more_than_they_did",
    ),
    Mutation(
        "patterns count, not scans",
        _FIT,
        "return np.asarray(1 / (len(number) * number[index]), float)",
        "return np.full(len(scan), 1 / len(scan))",
        f"{_TESTS}::test_scans_count_whatever_their_size",
    ),
    Mutation(
        "a new scan has no share",
        _FIT,
        "return quantile(LEVEL * (1 + 1 / independent)) + _ROUNDING",
        "return quantile(LEVEL) + _ROUNDING",
        f"{_TESTS}::test_few_scans_ask_for_more_than_their_own_share",
    ),
    Mutation(
        "patterns of a scan are independent",
        _FIT,
        "independent *= max(1.0, LEVEL * (1 - LEVEL) / spread)",
        "independent = float(len(score))",
        f"{_TESTS}::test_few_scans_ask_for_more_than_their_own_share",
    ),
    Mutation(
        "one temperature for all doses",
        _FIT,
        "_fit(sample, dose=decades is not None, guesses=ruled_out)",
        "_fit(sample, dose=False, guesses=ruled_out)",
        _DOSE,
    ),
    Mutation(
        "one threshold for all doses",
        _FIT,
        "    if sample.decades is None:\n        return plain, 0.0\n",
        "    if True:\n        return plain, 0.0\n",
        _DOSE,
    ),
    Mutation(
        "the temperature is that of the middle of the range",
        _FIT,
        "return float(np.clip(middle * np.exp(abs(slope) * reach), *TEMPERATURES))",
        "return float(np.clip(middle, *TEMPERATURES))",
        _DOSE,
    ),
    Mutation(
        "cells are answered at the level alone",
        _FIT,
        "thresholds.append(max(LEAST, _threshold(own.above, scan), safe))",
        "thresholds.append(max(LEAST, _threshold(own.above, scan)))",
        _CELLS,
    ),
    Mutation(
        "ten times as many wrong cells are allowed",
        _FIT,
        "RISK = 0.01",
        "RISK = 0.1",
        _CELLS,
    ),
    Mutation(
        "both halves of the scans are fitted and tested",
        _FIT,
        "for fitted, tested in ((second, ~second), (~second, second)):",
        "for fitted, tested in ((~second, second),):",
        f"{_TESTS}::test_the_other_half_of_the_scans_is_covered",
    ),
    Mutation(
        "what chose the epoch calibrates",
        _SPLIT,
        "return validation.select(np.flatnonzero(~last)), calibrating\n    last",
        "return validation, calibrating\n    last",
        f"{_PARTED}::test_every_pattern_serves_for_one_thing",
    ),
    Mutation(
        "halves of a cell instead of quarters",
        _SPLIT,
        "(2 * y // ny + 2 * x // nx) % 2 == 1",
        "(2 * y // ny) % 2 == 1",
        f"{_PARTED}::test_a_single_specimen_gives_opposite_quarters_of_its_scans",
    ),
    Mutation(
        "calibrated on the stream's own validation patterns",
        "polarstem/data/stream.py",
        'self._block(number, "validation", False, "calibration", CELL_POSITIONS)',
        'self._block(number, "validation", False, "validation", self.settings["positions"])',
        "tests/unit/data/test_stream.py::test_scans_for_calibration_are_none_that_chose_an_epoch",
    ),
    Mutation(
        "fitted models keep the calibration of what they were",
        _PREDICT,
        "    if given is None:\n        return Calibration()\n",
        "    return Calibration.of(model)\n",
        _FITTED,
    ),
    Mutation(
        "calibrated without fitting to the scans",
        _PREDICT,
        "for _, part in _answers(model, patterns.select(rows), batch, adaptation)",
        "for _, part in _answers(model, patterns.select(rows), batch, None)",
        _FITTED,
    ),
    Mutation(
        "data domains are fitted to together",
        _PREDICT,
        "for rows in np.split(np.arange(patterns.n), starts)\n        for _, part",
        "for rows in [np.arange(patterns.n)]\n        for _, part",
        _FITTED,
    ),
    Mutation(
        "doses do not reach the calibration",
        _PREDICT,
        "calibration.apply(probability, dose)",
        "calibration.apply(probability)",
        "tests/unit/evaluate/test_predict.py::test_doses_reach_the_probabilities",
    ),
    Mutation(
        "coverage by pattern",
        _SCORES,
        "np.bincount(scan, values) / patterns for",
        "np.bincount(scan, values) / patterns * (patterns / patterns.mean()) for",
        f"{_CONFIDENCE}::test_scans_count_the_same_for_coverage",
    ),
    Mutation(
        "sets whatever the dose",
        _SCORES,
        "sets = part.calibration.sets(probability, part.dose)",
        "sets = part.calibration.sets(probability)",
        f"{_CONFIDENCE}::test_doses_decide_how_sure_a_pattern_is",
    ),
    Mutation(
        "neighbours beyond the fifth vote like the first",
        "polarstem/models/family/pca_knn.py",
        "weights[voters:] = BEYOND * beyond / max(float(beyond.sum()), 1.0)",
        "pass",
        "tests/unit/models/test_pca_knn.py::test_equals_the_plain_pipeline_when_one_chunk_holds_all",
    ),
    Mutation(
        "no wider circle",
        "polarstem/models/family/pca_knn.py",
        "CIRCLE = 4",
        "CIRCLE = 1",
        "tests/unit/models/test_pca_knn.py::test_classes_without_a_vote_are_told_apart",
    ),
]
