# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong lattices, steps, drifts and turns of the detector."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_SPECIMEN = "polarstem/scans/specimen"
_HANDEDNESS = f"{_SPECIMEN}/handedness.py"
_PERIODS = f"{_SPECIMEN}/periodicity.py"
_DOUBTS = f"{_SPECIMEN}/lattice_doubts.py"
_LATTICE = f"{_SPECIMEN}/lattice.py"
_ROWS = f"{_SPECIMEN}/row_shifts.py"
_CELLS = f"{_SPECIMEN}/cells.py"
_RINGS = f"{_SPECIMEN}/rings.py"
_FORM = f"{_SPECIMEN}/distortion.py"
_STEP = "tests/unit/scans/test_lattice_step.py"
_JITTER = "tests/unit/scans/test_row_shifts.py"
_WRONG = f"{_STEP}::test_a_wrong_step_is_told_and_the_lattice_found"
_ALIAS = f"{_STEP}::test_an_alias_of_the_lattice_is_not_believed"
_TURNS = "tests/unit/scans/test_handedness.py"

MUTATIONS = [
    Mutation(
        "every n-th position is compared",
        _HANDEDNESS,
        "chosen = np.sort(np.random.default_rng(0).choice(chosen, _MOST, replace=False))",
        "chosen = chosen[:: -(-len(chosen) // _MOST)]",
        f"{_TURNS}::test_a_regular_choice_is_not_made_of_many_positions",
    ),
    Mutation(
        "any turn is clear",
        _HANDEDNESS,
        "clear = margin > max(_CLEAR, _SURE * error) and float(correlation[best]) > _LEAST",
        "clear = True",
        f"{_TURNS}::test_too_few_electrons_tell_no_turn",
    ),
    Mutation(
        "the error of the margin does not count",
        _HANDEDNESS,
        "max(_CLEAR, _SURE * error)",
        "_CLEAR",
        f"{_TURNS}::test_a_margin_that_one_band_makes_is_not_clear",
    ),
    Mutation(
        "vacuum is compared",
        _HANDEDNESS,
        "usable &= ~vacuum",
        "usable &= True",
        f"{_TURNS}::test_vacuum_is_left_out",
    ),
    Mutation(
        "turns of a square along [110]",
        _HANDEDNESS,
        "turns = turns_of(library.zone_axis)",
        "turns = turns_of((0, 0, 1))",
        f"{_TURNS}::test_along_110_only_half_turns_and_mirrors_are_compared",
    ),
    Mutation(
        "the turn that fits worst",
        _HANDEDNESS,
        "order = np.argsort(correlation)",
        "order = np.argsort(-correlation)",
        f"{_TURNS}::test_the_angle_is_counter_clockwise_after_the_mirror",
    ),
    Mutation(
        "the lattice is looked for at the sheet's step alone",
        _PERIODS,
        "np.select([right, drift, one_axis], [1.25, 1.0, 0.8], 0.0)",
        "np.select([right, drift, one_axis], [1.25, 0.0, 0.0], 0.0)",
        _WRONG,
    ),
    Mutation(
        "no step is wrong along one axis",
        _PERIODS,
        "[1.25, 1.0, 0.8], 0.0)",
        "[1.25, 1.0, 0.0], 0.0)",
        f"{_STEP}::test_a_step_may_be_wrong_along_one_axis",
    ),
    Mutation(
        "aliases are believed",
        _DOUBTS,
        "return bool(fits.any())",
        "return False",
        _ALIAS,
    ),
    Mutation(
        "a dark field of any kind agrees",
        _LATTICE,
        "_AGREE_ELSEWHERE = 0.95",
        "_AGREE_ELSEWHERE = 0.0",
        _ALIAS,
    ),
    Mutation(
        "the lattice of all columns is believed",
        _DOUBTS,
        "if part or _is_part(periods, spectrum, templates):",
        "if False:",
        f"{_STEP}::test_the_lattice_of_all_columns_is_not_taken_for_the_crystals",
    ),
    Mutation(
        "the step that is implied is wrong by the square of the ratio",
        _FORM,
        "return float(step[0] / self.scale[0]), float(step[1] / self.scale[1])",
        "return float(step[0] * self.scale[0]), float(step[1] * self.scale[1])",
        _WRONG,
    ),
    Mutation(
        "drift goes the other way",
        _FORM,
        "(float(a - b) * height_nm, k * height_nm)",
        "(float(b - a) * height_nm, -k * height_nm)",
        f"{_STEP}::test_uniform_drift_is_told_as_a_shear_and_taken_out",
    ),
    Mutation(
        "without templates nothing is expected",
        _LATTICE,
        "judged = templates is not None or (cell is not None and _alike(cell))",
        "judged = templates is not None",
        _ALIAS,
    ),
    Mutation(
        "boxes are larger than the scan",
        _CELLS,
        "counts = np.minimum(counts, np.array(shape))",
        "counts = np.maximum(counts, 1)",
        f"{_STEP}::test_line_scans_are_pooled_in_boxes_along_the_line",
    ),
    Mutation(
        "noise moves rows",
        _ROWS,
        "signal[low:high] = mean if mean > _SURE * error else 0.0",
        "signal[low:high] = max(mean, 0.0) + level",
        f"{_JITTER}::test_rows_that_lie_right_are_left_there",
    ),
    Mutation(
        "rows are fitted from where they are thought to be alone",
        _ROWS,
        "starts = [(reciprocal, shift), ",
        "starts = [(reciprocal, shift), (reciprocal, shift)] or [",
        f"{_JITTER}::test_drift_that_bends_the_lattice_is_followed",
    ),
    Mutation(
        "rows are found and not moved",
        _CELLS,
        "probe_places(ny, nx, self.step_nm) + shift[:, None] - self.origin",
        "probe_places(ny, nx, self.step_nm) - self.origin",
        f"{_JITTER}::test_jitter_of_a_quarter_angstrom_is_found_in_a_sheared_scan",
    ),
    Mutation(
        "rows are moved the wrong way",
        _CELLS,
        "found: NDArray[np.float64] = places - moved",
        "found: NDArray[np.float64] = places + 3 * moved",
        f"{_JITTER}::test_cells_follow_the_rows",
    ),
    Mutation(
        "bad pixels count in rings",
        _RINGS,
        "share[np.unpackbits(bits, count=share.size).reshape(shape).astype(bool)] = 0",
        "pass",
        "tests/unit/scans/test_lattice.py::test_rings_on_the_detector_are_those_on_the_models_grid",
    ),
    Mutation(
        "y on the detector points down",
        _RINGS,
        "        -down,",
        "        down,",
        "tests/unit/scans/test_lattice.py::test_rings_on_the_detector_are_those_on_the_models_grid",
    ),
    Mutation(
        "pixels that an edge cuts lie in no ring",
        _RINGS,
        "value = shares[pixel] *",
        "value = 0 * shares[pixel] *",
        "tests/unit/scans/test_lattice.py::test_rings_on_the_detector_are_those_on_the_models_grid",
    ),
]
