# SPDX-License-Identifier: GPL-3.0-or-later
"""One-line errors of the way from a scan to its map, with the tests that must notice them."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

FULL = "tests/unit/maps/test_full_map.py"
DEPARTURES = "tests/unit/maps/test_departures.py"
ORIENTATION = "tests/unit/maps/test_orientation.py"

MUTATIONS = [
    Mutation(
        "cells judged by the threshold of patterns",
        "polarstem/maps/compose.py",
        "c.cell_sets(each, count)",
        "c.sets(each, None)",
        f"{FULL}::test_cells_have_a_threshold_of_their_own",
    ),
    Mutation(
        "the lattice aligned the wrong way round",
        "polarstem/maps/placing.py",
        "down, right = right, -down",
        "down, right = -right, down",
        f"{FULL}::test_an_axis_of_the_crystal_near_the_scans_y",
    ),
    Mutation(
        "probabilities not calibrated",
        "polarstem/maps/predict.py",
        "found.by_model[index, number] = calibration.apply(",
        "found.by_model[index, number] = (lambda given, _: given)(",
        f"{FULL}::test_probabilities_are_calibrated",
    ),
    Mutation(
        "angles beyond the detector not told",
        "polarstem/maps/mapper.py",
        "*inspection.calibration.unseen(*grid),",
        "",
        f"{FULL}::test_angles_beyond_the_detector_are_told",
    ),
    Mutation(
        "answers beyond the trained thickness",
        "polarstem/maps/specimen.py",
        "if measured.interval[1] < low or measured.interval[0] > high:",
        "if False:",
        f"{FULL}::test_a_thickness_beyond_what_the_model_was_trained_for_gives_no_answer",
    ),
    Mutation(
        "centres of mass point down",
        "polarstem/maps/predict.py",
        "detector_weights(right, -down, np.ones_like(angle), fields)",
        "detector_weights(right, down, np.ones_like(angle), fields)",
        "tests/unit/maps/test_mapper.py::test_what_virtual_detectors_see",
    ),
    Mutation(
        "mean pattern not weighted by counts",
        "polarstem/maps/predict.py",
        "factors = self.total * weights",
        "factors = 1.0 * weights",
        f"{FULL}::test_the_mean_pattern_is_that_of_the_electrons",
    ),
    Mutation(
        "tilt not turned into the scan",
        "polarstem/maps/specimen.py",
        "tilt = classes.vectors_in_scan(self.tiles.tilt_mrad)",
        "tilt = self.tiles.tilt_mrad",
        f"{FULL}::test_an_axis_of_the_crystal_near_the_scans_y",
    ),
    Mutation(
        "any turn called clear",
        "polarstem/maps/orientation.py",
        "if seen is None or not seen.clear:",
        "if seen is None:",
        f"{ORIENTATION}::test_what_is_not_clear_settles_nothing",
    ),
    Mutation(
        "x and y of the place in the cell exchanged",
        "polarstem/maps/compose.py",
        "getattr(cells, n[-1])",
        'getattr(cells, {"y": "x", "x": "y"}[n[-1]])',
        f"{FULL}::test_an_axis_of_the_crystal_near_the_scans_y",
    ),
    Mutation(
        "patterns over the cell never asked",
        "polarstem/maps/placing.py",
        'wanted = setup.wants("handedness") and lattice.found',
        "wanted = False",
        f"{DEPARTURES}::test_a_sheet_that_is_wrong_by_quarter_turns",
    ),
    Mutation(
        "the sheet's rotation kept against the patterns",
        "polarstem/maps/orientation.py",
        "return Orientation(rotation, orientation.crystal, turn.inverse(), tuple(warnings), True)",
        "return Orientation(rotation, orientation.crystal, PlaneTurn(), tuple(warnings), True)",
        f"{DEPARTURES}::test_a_sheet_that_is_wrong_by_quarter_turns",
    ),
    Mutation(
        "classes turned back instead of forth",
        "polarstem/maps/predict.py",
        "by_model[..., becomes] = self.by_model",
        "by_model[:] = self.by_model[..., becomes]",
        f"{DEPARTURES}::test_a_sheet_that_is_wrong_by_quarter_turns",
    ),
    Mutation(
        "directions given though nothing tells the turn",
        "polarstem/maps/orientation.py",
        "known = known and (detector is not None or settled)",
        "known = True",
        f"{ORIENTATION}::test_what_nothing_tells_is_not_answered",
    ),
    Mutation(
        "the origin of a region lost",
        "polarstem/maps/compose.py",
        "origin = np.array(setup.scan.origin) * setup.step_nm",
        "origin = np.zeros(2)",
        f"{DEPARTURES}::test_a_region_keeps_its_place",
    ),
    Mutation(
        "thickness told though positions do not cover the cell",
        "polarstem/maps/specimen.py",
        "if cover > EVEN:",
        "if False:",
        f"{DEPARTURES}::test_few_positions",
    ),
    Mutation(
        "answers in vacuum",
        "polarstem/maps/withheld.py",
        "found[vacuum] = Reason.VACUUM",
        "pass",
        f"{DEPARTURES}::test_vacuum_in_a_third_of_the_scan",
    ),
    Mutation(
        "vacuum in the mean pattern",
        "polarstem/maps/mapper.py",
        "lit = np.where(where.vacuum, 0, answers.total)",
        "lit = answers.total",
        f"{DEPARTURES}::test_vacuum_in_a_third_of_the_scan",
    ),
    Mutation(
        "answers of fewer electrons than trained for",
        "polarstem/maps/mapper.py",
        "doubts += dose.doubts",
        "pass",
        f"{DEPARTURES}::test_few_electrons",
    ),
    Mutation(
        "answers from intensities that are not linear",
        "polarstem/maps/mapper.py",
        "if linear is not None and linear.linear is False:",
        "if False:",
        f"{DEPARTURES}::test_intensities_that_are_no_counts",
    ),
    Mutation(
        "a step that is wrong not told",
        "polarstem/maps/placing.py",
        "if np.abs(off).max() <= _STEP_AGREES:",
        "if True:",
        f"{DEPARTURES}::test_a_step_that_is_wrong",
    ),
    Mutation(
        "models that disagree are an answer",
        "polarstem/maps/withheld.py",
        "found[~agreed] = Reason.MODELS_DISAGREE",
        "pass",
        f"{FULL}::test_models_that_disagree_give_no_answer",
    ),
    Mutation(
        "what the detector does not see compared with the library",
        "polarstem/maps/mapper.py",
        "specimen.seen = where.orientation.turn.images(seen).astype(bool)",
        "specimen.seen = None",
        f"{FULL}::test_a_turned_crystal_on_a_turned_detector",
    ),
    Mutation(
        "vacuum pooled in cells",
        "polarstem/maps/mapper.py",
        "answers.measured & ~where.vacuum)",
        "answers.measured)",
        f"{DEPARTURES}::test_vacuum_in_a_third_of_the_scan",
    ),
    Mutation(
        "rotation of the lattice not taken for the crystal's",
        "polarstem/maps/orientation.py",
        "found = _moved(lattice, nearest(lattice.value, towards, period))",
        "found = _moved(lattice, towards)",
        f"{ORIENTATION}::test_a_sheet_that_contradicts_the_lattice_is_told",
    ),
]
