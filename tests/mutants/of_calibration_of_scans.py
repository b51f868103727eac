# SPDX-License-Identifier: GPL-3.0-or-later
"""Calibration of scans: pixels, disc, centres, counts, vacuum and the sample."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_HERE = "polarstem/scans/calibration"
_TESTS = "tests/unit/scans"
_CALIBRATE = f"{_TESTS}/test_calibrate.py"
_GAPS = f"{_TESTS}/test_gaps.py"
_COUNTS = f"{_TESTS}/test_counts.py"
_DISC = f"{_TESTS}/test_disc.py"
_VACUUM = f"{_TESTS}/test_vacuum.py"
_SAMPLE = f"{_TESTS}/test_sample.py"

MUTATIONS = [
    Mutation(
        "gaps of one pixel only",
        f"{_HERE}/gaps.py",
        "WIDEST = 8",
        "WIDEST = 1",
        f"{_GAPS}::test_a_dead_cross_is_found",
    ),
    Mutation(
        "any row between discs is a dead line",
        f"{_HERE}/gaps.py",
        "constant or dark.sum() >= _ALONG * lit.sum()",
        "True",
        f"{_GAPS}::test_the_dark_around_and_between_discs_is_no_fault",
    ),
    Mutation(
        "wide pixels beside a gap stay",
        f"{_HERE}/gaps.py",
        "= dead | beside",
        "= dead",
        f"{_GAPS}::test_wide_pixels_beside_a_gap_belong_to_it",
    ),
    Mutation(
        "holes are not looked for",
        f"{_HERE}/gaps.py",
        "return found | _holes(total, found, least)",
        "return found",
        f"{_GAPS}::test_a_beam_stop_does_not_move_the_disc",
    ),
    Mutation(
        "the dark around a pattern is a hole",
        f"{_HERE}/gaps.py",
        " or number in at_corners",
        "",
        f"{_GAPS}::test_a_dead_cross_is_found",
    ),
    Mutation(
        "rays that end on bad pixels count",
        f"{_HERE}/disc.py",
        "whole &= ~(hit > 0).any(1)",
        "whole &= True",
        f"{_GAPS}::test_a_disc_whose_edge_is_covered_is_refused",
    ),
    Mutation(
        "a soft aperture is not thought of",
        f"{_HERE}/disc.py",
        "self.radius + apart + soft",
        "self.radius + apart",
        f"{_DISC}::test_radius_lies_within_its_interval",
    ),
    Mutation(
        "what the specimen does to the edge is not thought of",
        f"{_HERE}/disc.py",
        "_STRUCTURE = 0.12",
        "_STRUCTURE = 0.0",
        f"{_DISC}::test_radius_of_a_sharp_aperture_lies_within_its_interval",
    ),
    Mutation(
        "descan is always a plane",
        f"{_HERE}/centre.py",
        "    if bends.any():\n        every",
        "    if False:\n        every",
        f"{_DISC}::test_descan_that_bends_is_followed",
    ),
    Mutation(
        "bends are made up",
        f"{_HERE}/centre.py",
        "_SURELY_BENT = 5.0",
        "_SURELY_BENT = 1.0",
        f"{_DISC}::test_descan_that_is_not_there_is_not_made_up",
    ),
    Mutation(
        "a residual of centres is not warned of",
        f"{_HERE}/sentences.py",
        "_BENT = 0.3",
        "_BENT = 30.0",
        f"{_CALIBRATE}::test_descan_that_bends_is_undone_and_its_residual_told",
    ),
    Mutation(
        "a disc far off is not looked for",
        f"{_HERE}/disc.py",
        "reach / 3 < apart < disc.radius",
        "disc.radius < apart < 0",
        f"{_DISC}::test_a_disc_far_from_where_it_is_on_average_is_followed",
    ),
    Mutation(
        "values that occur tell nothing",
        f"{_HERE}/counts.py",
        "if law is not None and law != 1.0:",
        "if False:",
        f"{_COUNTS}::test_floating_point_powers_are_told_by_their_values",
    ),
    Mutation(
        "the noise of a readout is a square root",
        f"{_HERE}/counts.py",
        "max(exponent, noise.ends[1]) < _BENT and pairs.dtype.itemsize == 1",
        "exponent < 0.9",
        f"{_COUNTS}::test_readout_noise_is_not_taken_for_a_square_root",
    ),
    Mutation(
        "one electron or none passes for a scale",
        f"{_HERE}/counts.py",
        "    if noise.hidden:",
        "    if np.isnan(exponent):",
        f"{_COUNTS}::test_too_few_electrons_tell_no_scale",
    ),
    Mutation(
        "two patterns differ by the noise of one",
        f"{_HERE}/counts.py",
        "np.square(change)[whole] / 40",
        "np.square(change)[whole] / 20",
        f"{_COUNTS}::test_counts_and_their_multiples_are_linear",
    ),
    Mutation(
        "nothing was counted where the least value occurs",
        f"{_HERE}/counts.py",
        "return present.astype(np.float64), times[present]",
        "return present + 1.0, times[present]",
        f"{_COUNTS}::test_powers_and_logarithms_are_told_with_their_name",
    ),
    Mutation(
        "threads wait for nobody",
        "polarstem/scans/ahead.py",
        "if len(waiting) >= threads:",
        "if len(waiting) >= 100 * threads:",
        f"{_TESTS}/test_ahead.py::test_results_come_in_order_and_no_more_run_than_threads",
    ),
    Mutation(
        "the latest result comes first",
        "polarstem/scans/ahead.py",
        "        while waiting:\n            yield waiting.popleft().result()",
        "        while waiting:\n            yield waiting.pop().result()",
        f"{_TESTS}/test_ahead.py::test_results_come_in_order_and_no_more_run_than_threads",
    ),
    Mutation(
        "saturation only where the file says so",
        f"{_HERE}/counts.py",
        "_SATURATED_RATIO = 2.0",
        "_SATURATED_RATIO = 1e9",
        f"{_COUNTS}::test_a_full_detector_is_noticed_whatever_it_says",
    ),
    Mutation(
        "the brightest values of a pattern are saturated",
        f"{_HERE}/counts.py",
        "if times[-1] <= _SATURATED_RATIO * times[-4:-1].max():",
        "if False:",
        f"{_COUNTS}::test_a_full_detector_is_noticed_whatever_it_says",
    ),
    Mutation(
        "a gain is not undone in the dose",
        f"{_HERE}/findings.py",
        "electrons = Sourced(counts / unit,",
        "electrons = Sourced(counts,",
        f"{_CALIBRATE}::test_dose_is_told_in_electrons_and_for_an_area",
    ),
    Mutation(
        "vacuum stays in the mean pattern",
        f"{_HERE}/calibrate.py",
        "if 0 < len(empty) < count:",
        "if False:",
        f"{_CALIBRATE}::test_vacuum_is_left_out_of_the_mean_and_told",
    ),
    Mutation(
        "a scan of vacuum is not told",
        f"{_HERE}/sentences.py",
        "if found.share > _MOSTLY:",
        "if found.share > 2:",
        f"{_CALIBRATE}::test_a_scan_of_vacuum_says_so",
    ),
    Mutation(
        "vacuum by few positions, however dim they are",
        "polarstem/scans/specimen/vacuum.py",
        "_SIZES = (3, 5, 9, 17, 33, 65)",
        "_SIZES = (3,)",
        f"{_VACUUM}::test_vacuum_is_told_from_a_thin_crystal_at_any_dose",
    ),
    Mutation(
        "vacuum by too few electrons",
        "polarstem/scans/specimen/vacuum.py",
        "_ENOUGH = 25.0",
        "_ENOUGH = 0.0",
        f"{_VACUUM}::test_a_film_is_no_vacuum",
    ),
    Mutation(
        "a narrow detector sees vacuum",
        "polarstem/scans/specimen/vacuum.py",
        "np.float64) / covered",
        "np.float64)",
        f"{_VACUUM}::test_what_a_narrow_detector_does_not_see_is_made_up_for",
    ),
    Mutation(
        "tiles of two by two positions",
        f"{_HERE}/sample.py",
        "int(np.ceil(cell_nm / step)) + 1",
        "2",
        f"{_SAMPLE}::test_a_sample_is_bounded_and_its_tiles_cover_a_cell",
    ),
    Mutation(
        "a pair is a pattern and itself",
        f"{_HERE}/sample.py",
        "self._kept[np.searchsorted(self._wanted, self.positions)]",
        "self._kept[np.searchsorted(self._wanted, self.positions[:, [0, 0]])]",
        f"{_SAMPLE}::test_pairs_are_kept_as_they_come",
    ),
    Mutation(
        "tiles without bound",
        f"{_HERE}/sample.py",
        "_TILE_BYTES, _MOST_BYTES = 256e6, 800e6",
        "_TILE_BYTES, _MOST_BYTES = 256e9, 800e9",
        f"{_SAMPLE}::test_a_sample_is_bounded_and_its_tiles_cover_a_cell",
    ),
    Mutation(
        "exchanged axes are not noticed",
        f"{_HERE}/exchanged.py",
        "_FLAT = 0.6",
        "_FLAT = 0.0",
        f"{_CALIBRATE}::test_axes_that_are_exchanged_are_refused_with_the_way_out",
    ),
    Mutation(
        "tables of centres are kept without bound",
        f"{_HERE}/resample.py",
        "_KEPT_BYTES = 96e6",
        "_KEPT_BYTES = 96e9",
        f"{_TESTS}/test_resample.py::test_tables_of_many_centres_take_bounded_memory",
    ),
    Mutation(
        "the mean of parts is not weighted",
        f"{_HERE}/calibrated.py",
        "np.average(self.parts, axis=0, weights=self.part_counts)",
        "np.average(self.parts, axis=0)",
        f"{_CALIBRATE}::test_the_mean_is_that_of_all_positions",
    ),
]
