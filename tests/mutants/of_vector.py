# SPDX-License-Identifier: GPL-3.0-or-later
"""Polar vectors, the bound of their measurement, and fits that reach it."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_MODE = "polarstem/structures/polar_vector.py"
_TENSORS = "polarstem/structures/polar_mode.py"
_BUILD = "polarstem/structures/build.py"
_BOUND = "polarstem/evaluate/limit/vector_bound.py"
_FIT = "polarstem/evaluate/limit/count_fit.py"
_PATTERNS = "polarstem/evaluate/limit/displaced_patterns.py"
_JOB = "polarstem/evaluate/limit/displacement_limit.py"
_CONFIG = "polarstem/config/vector_bound.py"
_FIGURE = "polarstem/report/figures/vector_bound.py"
_OF_MODE = "tests/unit/structures/test_polar_vector.py"
_OF_BOUND = "tests/unit/evaluate/test_vector_bound.py"
_OF_PATTERNS = "tests/unit/evaluate/test_displaced_patterns.py"
_OF_JOB = "tests/unit/evaluate/test_displacement_limit.py"
_OF_FIGURE = "tests/unit/report/test_vector_bound_figure.py"

MUTATIONS = [
    Mutation(
        "oxygen moves along its bond as across it",
        _TENSORS,
        "tensors[_O] = np.where(bonds, along, across)",
        "tensors[_O] = (along + 2 * across) / 3",
        f"{_OF_MODE}::test_templates_of_t_and_r_are_met_in_all_variants",
    ),
    Mutation(
        "the vector is measured in displacements of B alone",
        _TENSORS,
        "full = tensors[_B, 0] - tensors[_O, 0].mean()",
        "full = tensors[_B, 0]",
        f"{_OF_MODE}::test_vector_is_the_displacement_of_b_against_its_oxygens",
    ),
    Mutation(
        "the screen is turned the wrong way",
        _MODE,
        "vector = np.asarray(vector_pm, dtype=np.float64) @ screen_rotation(zone_axis)\n"
        "    return PolarMode",
        "vector = screen_rotation(zone_axis) @ np.asarray(vector_pm, dtype=np.float64)\n"
        "    return PolarMode",
        f"{_OF_MODE}::test_cell_follows_the_screen",
    ),
    Mutation(
        "amplitudes have no end",
        _TENSORS,
        "if not length <= MOST_AMPLITUDE",
        "if not length <= 100 * MOST_AMPLITUDE",
        f"{_OF_MODE}::test_amplitudes_end_where_they_are_said_to",
    ),
    Mutation(
        "the farthest class is the label",
        _MODE,
        "int(np.argmax(np.round(cosines, 9)))",
        "int(np.argmin(np.round(cosines, 9)))",
        f"{_OF_MODE}::test_class_is_that_of_the_nearest_variant",
    ),
    Mutation(
        "a specimen with a vector takes its variant's template",
        _BUILD,
        "if recipe.polar_vector_pm is None:\n        shifts",
        "if True:\n        shifts",
        f"{_OF_MODE}::test_specimen_has_the_vector",
    ),
    Mutation(
        "information is that of Gaussian noise of equal width",
        _BOUND,
        "np.divide(1.0, patterns,",
        "np.divide(1.0, np.ones_like(patterns),",
        f"{_OF_BOUND}::test_information_of_one_counted_number",
    ),
    Mutation(
        "unknown nuisances cost nothing",
        _BOUND,
        "own = own - lost",
        "own = own - 0 * lost",
        f"{_OF_BOUND}::test_bound_is_the_displacements_part_of_the_inverse",
    ),
    Mutation(
        "weak nuisances are left out",
        _BOUND,
        "rcond=1e-10",
        "rcond=0.5",
        f"{_OF_BOUND}::test_bound_does_not_depend_on_what_nuisances_are_called",
    ),
    Mutation(
        "the error is that of both components together",
        _BOUND,
        "axis2=-1) / 2)",
        "axis2=-1))",
        f"{_OF_BOUND}::test_bound_is_the_displacements_part_of_the_inverse",
    ),
    Mutation(
        "a cell has the electrons of one pattern",
        _BOUND,
        'return dose * data.sizes["cell_y"] * data.sizes["cell_x"]',
        "return dose",
        f"{_OF_JOB}::test_numbers_follow_from_the_information",
    ),
    Mutation(
        "the fit takes one step",
        _FIT,
        "_MOST_STEPS = 30",
        "_MOST_STEPS = 1",
        f"{_OF_BOUND}::test_fits_reach_the_bound_and_no_less",
    ),
    Mutation(
        "patterns are expanded to first order",
        _FIT,
        "bends / 2]",
        "0 * bends]",
        f"{_OF_BOUND}::test_fits_find_other_parameters_than_those_of_the_expansion",
    ),
    Mutation(
        "fits that do not settle count",
        _FIT,
        "_AT_ONCE][there] = guess[there] * sigma",
        "_AT_ONCE] = guess * sigma",
        f"{_OF_BOUND}::test_fits_that_do_not_settle_are_told",
    ),
    Mutation(
        "the interval is that of half as many fits",
        _FIT,
        "freedom = errors.size",
        "freedom = len(errors)",
        f"{_OF_BOUND}::test_interval_is_that_of_normal_errors",
    ),
    Mutation(
        "the crystal is tilted the other way",
        _PATTERNS,
        "atoms.positions[:, :2] -= np.outer",
        "atoms.positions[:, :2] += np.outer",
        f"{_OF_PATTERNS}::test_tilted_crystal_is_a_tilted_beam",
    ),
    Mutation(
        "a shared matrix is turned the wrong way",
        _PATTERNS,
        "return self._eyes[key], inverse(images[chosen])",
        "return self._eyes[key], images[chosen]",
        f"{_OF_PATTERNS}::test_shared_matrices_give_what_each_crystal_of_its_own_gives",
    ),
    Mutation(
        "a tilt is not turned with its crystal",
        _PATTERNS,
        "(right, up)), _turned(turn, tilt)): turn",
        "(right, up)), tilt): turn",
        f"{_OF_PATTERNS}::test_shared_matrices_give_what_each_crystal_of_its_own_gives",
    ),
    Mutation(
        "thermal amplitudes are changed in steps that are too long",
        _PATTERNS,
        '"thermal": 0.01',
        '"thermal": 0.3',
        f"{_OF_PATTERNS}::test_halved_steps_change_nothing_that_matters",
    ),
    Mutation(
        "thicknesses differ to second order",
        _PATTERNS,
        "slopes[row] += (slopes[row] - (high - low) / (4 * step)) / 3",
        "slopes[row] += 0 * (slopes[row] - (high - low) / (4 * step)) / 3",
        f"{_OF_PATTERNS}::test_thickness_slope_is_that_of_a_curve_through_many_planes",
    ),
    Mutation(
        "slopes are differences",
        _PATTERNS,
        "slopes[row] = (high - low) / (2 * step)",
        "slopes[row] = (high - low) / 2",
        f"{_OF_PATTERNS}::test_thickness_slope_is_that_of_a_curve_through_many_planes",
    ),
    Mutation(
        "curvatures bend the other way",
        _PATTERNS,
        "curvatures[row] = (high - 2 * middle + low) / step**2",
        "curvatures[row] = -5 * (high - 2 * middle + low) / step**2",
        f"{_OF_PATTERNS}::test_fits_to_counts_of_another_crystal_reach_the_bound",
    ),
    Mutation(
        "fits stand where their expansion does not hold",
        _JOB,
        "FITTED_PM = 1.0",
        "FITTED_PM = 100.0",
        f"{_OF_JOB}::test_fits_stand_where_their_expansion_holds",
    ),
    Mutation(
        "a cell's information is that of its best position",
        _JOB,
        "of_cell = fisher.mean(2)",
        "of_cell = fisher.max(2)",
        f"{_OF_JOB}::test_numbers_follow_from_the_information",
    ),
    Mutation(
        "tilt has one component",
        _CONFIG,
        '"tilt": ("tilt_x", "tilt_y")',
        '"tilt": ("tilt_x",)',
        f"{_OF_BOUND}::test_bound_is_the_displacements_part_of_the_inverse",
    ),
    Mutation(
        "the direction's length counts",
        _CONFIG,
        "[part / length for part in section.direction]",
        "list(section.direction)",
        f"{_OF_JOB}::test_settings_are_those_of_the_run",
    ),
    Mutation(
        "the figure draws one standard deviation",
        _FIGURE,
        'told = SIGMAS * float(here["cell_error"])',
        'told = float(here["cell_error"])',
        f"{_OF_FIGURE}::test_curves_are_three_times_the_summary",
    ),
]
