# SPDX-License-Identifier: GPL-3.0-or-later
"""Displacements that are too short, turned, or surer than they are."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_HERE = "tests/unit/displacements"
_CRYSTALS = "polarstem/displacements/displaced_crystals.py"
_BUILT = (
    f"{_HERE}/test_displaced_crystals.py"
    "::test_patterns_are_those_of_crystals_built_for_the_displacement"
)
_SLOPES = f"{_HERE}/test_displaced_crystals.py::test_derivatives_are_differences_of_surfaces"
_CELL = "polarstem/displacements/cell_displacement.py"
_CELLS = f"{_HERE}/test_cell_displacement.py"
_KNOWN = f"{_CELLS}::test_known_conditions_leave_the_counting_error"
_FOUND = f"{_CELLS}::test_conditions_are_found_with_the_displacements"
_SCAN = "polarstem/displacements/scan_displacements.py"
_MAP = "polarstem/displacements/displacement_map.py"
_FRAME = f"{_HERE}/test_displacement_map.py::test_displacements_are_told_in_the_frame_of_the_scan"
_MEAN = "polarstem/simulate/potential/mean_transmission.py"
_AVERAGE = f"{_HERE}/test_mean_transmission.py::test_it_is_the_average_over_many_crystals"

_SPECIMENS = "polarstem/displacements/specimen_displacements.py"
_OWN = (
    f"{_HERE}/test_specimen_displacements.py"
    "::test_each_specimen_has_its_own_displacement_and_conditions"
)
_SHARE = "polarstem/displacements/bound_share.py"
_NEAR = f"{_HERE}/test_specimen_displacements.py::test_fits_come_near_the_bound_and_not_below_it"
_WALL = "polarstem/displacements/wall_profile.py"
_WALLS = f"{_HERE}/test_wall_profile.py"
_TOLD = f"{_CELLS}::test_the_error_that_is_told_is_that_of_many_fits"
_CHANCE = "polarstem/evaluate/scores/crystal_chance.py"
_OF_CHANCE = "tests/unit/evaluate/test_crystal_chance.py"
_CONDITIONS = "polarstem/displacements/microscope_conditions.py"

MUTATIONS = [
    Mutation(
        "the detector is taken for calibrated",
        _CRYSTALS,
        "camera = camera_of(conditions, self.simulate.detector)",
        "camera = camera_of(0 * conditions, self.simulate.detector)",
        _FOUND,
    ),
    Mutation(
        "a longer camera has larger pixels",
        _CONDITIONS,
        "detector.mrad_per_pixel * (1 + scale)",
        "detector.mrad_per_pixel * (1 + 3 * scale)",
        _FOUND,
    ),
    Mutation(
        "a specimen has the conditions of another",
        _SPECIMENS,
        "conditions = [fits[s.number].conditions",
        "conditions = [fits[min(fits)].conditions",
        _OWN,
    ),
    Mutation(
        "what the library does not know is told",
        _SPECIMENS,
        "known = [scan for scan in scans if np.isfinite(scan.thickness_nm)]",
        "known = [replace(s, thickness_nm=8.0, tilt_mrad=np.zeros(2)) for s in scans]",
        _OWN,
    ),
    Mutation(
        "errors leave out what conditions leave open",
        _SPECIMENS,
        "fit.covariance + common for fit in fits",
        "1e-4 * fit.covariance for fit in fits",
        _OWN,
    ),
    Mutation(
        "the bound is that of one pattern",
        _SHARE,
        "information = slope / expected.ravel() @ slope.T",
        "information = slope / expected.ravel() @ slope.T / len(weights)",
        _NEAR,
    ),
    Mutation(
        "errors of cells counted anew are those of their length",
        _SHARE,
        "float(np.square(errors).mean())",
        "float(np.square(errors).sum(-1).mean())",
        _NEAR,
    ),
    Mutation(
        "atoms of the mean wave stand still",
        _MEAN,
        "np.exp(-2 * (np.pi * rms) ** 2 * squared)",
        "np.exp(-2 * (np.pi * 0 * rms) ** 2 * squared)",
        _AVERAGE,
    ),
    Mutation(
        "a mixed site of the mean wave holds its last element alone",
        _MEAN,
        "changed += share * np.fft",
        "changed = np.fft",
        _AVERAGE,
    ),
    Mutation(
        "potentials are averaged where waves should be",
        _CRYSTALS,
        "mean_wave=True",
        "mean_wave=False",
        _BUILT,
    ),
    Mutation(
        "turned crystals are turned the wrong way",
        _CRYSTALS,
        "kept, inverse(images[kept])",
        "kept, images[kept]",
        _BUILT,
    ),
    Mutation(
        "y of a place points up",
        _CRYSTALS,
        "[right.ravel(), -down.ravel()]",
        "[right.ravel(), down.ravel()]",
        _BUILT,
    ),
    Mutation(
        "a place is the nearest one that was simulated",
        _CRYSTALS,
        "np.arange(1 - PLACES // 2, PLACES // 2)",
        "np.arange(-1, 2)",
        _BUILT,
    ),
    Mutation(
        "the crystal is as thick as the plane below",
        _CRYSTALS,
        "(1 - share) * images[0] + share * images[1]",
        "images[0]",
        f"{_HERE}/test_displaced_crystals.py::test_thickness_lies_between_planes",
    ),
    Mutation(
        "steps are as long as the slope alone says",
        _CELL,
        "step = solution[:2] / max(solution[2], 0.2)",
        "step = 0.1 * solution[:2]",
        _KNOWN,
    ),
    Mutation(
        "conditions stay where they start",
        _SCAN,
        "allowed(conditions + np.clip(step, -2 * SPREADS, 2 * SPREADS))",
        "allowed(conditions + np.clip(step, -0 * SPREADS, 0 * SPREADS))",
        _FOUND,
    ),
    Mutation(
        "walls are taken for scatter",
        _SCAN,
        "spread = 1.4826 * np.median(apart)",
        "spread = np.sqrt(np.mean(apart**2))",
        f"{_CELLS}::test_random_error_is_that_of_neighbours_and_leaves_walls_out",
    ),
    Mutation(
        "two pairs tell how much cells differ",
        _SCAN,
        "_LEAST_PAIRS = 8",
        "_LEAST_PAIRS = 2",
        f"{_CELLS}::test_random_error_is_that_of_neighbours_and_leaves_walls_out",
    ),
    Mutation(
        "a fifth of the scatter is taken for walls",
        _SCAN,
        "within = (apart <= 3 * spread).all(1)",
        "within = (apart <= 2 * spread).all(1)",
        f"{_CELLS}::test_random_error_is_that_of_neighbours_and_leaves_walls_out",
    ),
    Mutation(
        "walls that no map names are scatter",
        _SCAN,
        "within = (apart <= 3 * spread).all(1)",
        "within = (apart <= np.inf).all(1)",
        f"{_CELLS}::test_random_error_is_that_of_neighbours_and_leaves_walls_out",
    ),
    Mutation(
        "displacements stay in the crystal's frame",
        _MAP,
        "to_scan = reach_pm * turn.matrix",
        "to_scan = reach_pm * turn.inverse().matrix",
        _FRAME,
    ),
    Mutation(
        "tilts are turned the wrong way",
        _MAP,
        "tilt, thickness = turn.inverse().vectors(seen)",
        "tilt, thickness = turn.vectors(seen)",
        _FRAME,
    ),
    Mutation(
        "every pattern is as bright as any",
        _MAP,
        "patterns *= (total / np.median(total[total > 0]))[:, None]",
        "patterns *= (0 * total + 1)[:, None]",
        _FRAME,
    ),
    Mutation(
        "whatever fits badly is told all the same",
        _MAP,
        "foreign = misfit[cell] > _WORSE",
        "foreign = misfit[cell] > 1e9 * _WORSE",
        f"{_HERE}/test_displacement_map.py"
        "::test_cells_of_another_crystal_have_a_reason_and_no_displacement",
    ),
    Mutation(
        "displacements are told where the map says that nothing can be",
        _MAP,
        '    return np.isin(found["cell_withheld"].values, _NOTHING_TOLD)',
        '    return np.isin(found["cell_withheld"].values, ())',
        f"{_HERE}/test_displacement_map.py"
        "::test_cells_of_another_crystal_have_a_reason_and_no_displacement",
    ),
    Mutation(
        "walls are half as wide",
        _WALL,
        "np.tanh(2 * (distance - position[:, None, None]) / width[:, None])",
        "np.tanh((distance - position[:, None, None]) / width[:, None])",
        f"{_WALLS}::test_position_and_width_are_found",
    ),
    Mutation(
        "the middle of a wall's sides is the mean of the cells",
        _WALL,
        "middle = shift.mean(0) - rise.mean() * half",
        "middle = shift.mean(0)",
        f"{_WALLS}::test_position_and_width_are_found",
    ),
    Mutation(
        "intervals of walls are those of twice the error",
        _WALL,
        "squares.min() + variance)",
        "squares.min() + 4 * variance)",
        f"{_WALLS}::test_intervals_hold_the_truth_two_times_in_three",
    ),
    Mutation(
        "every line crosses a wall",
        _WALL,
        "_CLEAR = 5.0",
        "_CLEAR = 0.0",
        f"{_WALLS}::test_no_wall_no_line_and_few_cells_are_told",
    ),
    Mutation(
        "derivatives of the start serve to the end",
        _SCAN,
        "_RENEWALS = 4",
        "_RENEWALS = 1",
        f"{_CELLS}::test_derivatives_are_taken_anew_until_conditions_settle",
    ),
    Mutation(
        "diffuse scattering that is not there gives way",
        _CELL,
        "free[list(_HALOS)] = solution[list(_HALOS)] > 0",
        "free[list(_HALOS)] = True",
        _FOUND,
    ),
    Mutation(
        "displacements are told under conditions that were not found",
        _MAP,
        "if not fitted.settled:",
        "if False:",
        f"{_HERE}/test_displacement_map.py"
        "::test_nothing_is_told_under_conditions_that_were_not_found",
    ),
    Mutation(
        "displacements end where the grid does",
        "polarstem/displacements/verdicts.py",
        "_FARTHEST = 1.3",
        "_FARTHEST = 1.0",
        _FOUND,
    ),
    Mutation(
        "walls are measured along lines that slant",
        _WALL,
        "_ROUGH = 3.0",
        "_ROUGH = 300.0",
        f"{_WALLS}::test_a_line_that_is_not_perpendicular_to_the_wall_is_refused",
    ),
    Mutation(
        "a probe farther up is farther down",
        _CRYSTALS,
        'found["place_y"] = right, -down',
        'found["place_y"] = right, down',
        _SLOPES,
    ),
    Mutation(
        "the source spreads by its full width",
        _CRYSTALS,
        "-(SIGMA_PER_FWHM**2) * source_fwhm",
        "-SIGMA_PER_FWHM * source_fwhm",
        _SLOPES,
    ),
    Mutation(
        "derivatives by the thickness are those of another unit",
        _CRYSTALS,
        "(here[1] - here[0]) / (two[1] - two[0])",
        "here[1] - here[0]",
        _SLOPES,
    ),
    Mutation(
        "derivatives are those of other conditions",
        _CRYSTALS,
        "np.stack([found[name] for name in NAMES])",
        "np.stack([found[name] for name in sorted(NAMES)])",
        _SLOPES,
    ),
    Mutation(
        "all cameras are the first",
        "polarstem/simulate/scattering_matrix/measure.py",
        "part = camera.project(intensity, footprint)",
        "part = cameras[0].project(intensity, feet[0])",
        _SLOPES,
    ),
    Mutation(
        "deviations of neighbouring pixels are independent",
        _CELL,
        "spread = alike @ scores @ alike",
        "spread = scores",
        _TOLD,
    ),
    Mutation(
        "twenty pixels count as one, whatever they deviate by",
        _CELL,
        "found: NDArray[np.float64] = (inverse @ middle @ inverse)[:2, :2]",
        "found: NDArray[np.float64] = (variance * ALIKE * inverse)[:2, :2]",
        _TOLD,
    ),
    Mutation(
        "a specimen tells of its own chance",
        _CHANCE,
        "(mean.sum() - mean) / (count - 1)",
        "(mean.sum() - 0 * mean) / count",
        f"{_OF_CHANCE}::test_no_specimen_tells_of_itself",
    ),
    Mutation(
        "chance does as much to thick crystals",
        _CHANCE,
        "/ 2 * thickness",
        "/ 2 * thickness.mean()",
        f"{_OF_CHANCE}::test_it_is_what_fits_do_not_tell",
    ),
    Mutation(
        "what fits tell counts twice",
        _CHANCE,
        "np.square(error).sum(1) - np.trace(covariance, axis1=1, axis2=2)",
        "np.square(error).sum(1)",
        f"{_OF_CHANCE}::test_it_is_what_fits_do_not_tell",
    ),
    Mutation(
        "ellipses grow by the chance of 1 nm",
        "polarstem/evaluate/scores/vector_scores.py",
        "chance[owner] / cells.thickness",
        "chance[owner]",
        f"{_OF_CHANCE}::test_ellipses_hold_what_they_should_with_it_alone",
    ),
    Mutation(
        "a cell without neighbours is as sure as its own patterns",
        _MAP,
        "scatter = float(np.nanstd(shift, axis=0).max())",
        "scatter = 0.0",
        f"{_HERE}/test_displacement_map.py"
        "::test_without_neighbours_errors_are_as_large_as_all_differences",
    ),
    Mutation(
        "tilt, thickness and place are as expected in every cell",
        _CELL,
        "middle[np.diag_indices(count)] += best.pull * variance * ALIKE",
        "middle[np.diag_indices(count)] += 0 * best.pull",
        _TOLD,
    ),
    Mutation(
        "pixels of one pattern are as many as they need be",
        _CELL,
        "middle *= independent / max(1.0, independent - count)",
        "middle *= independent / independent",
        f"{_CELLS}::test_one_pattern_has_few_pixels_that_are_independent",
    ),
    Mutation(
        "derivatives are those of the farther plane",
        _CRYSTALS,
        "exposed[0], round(share)",
        "exposed[0], 1 - round(share)",
        _SLOPES,
    ),
]
