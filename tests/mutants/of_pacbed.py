# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the comparison of mean patterns with a library."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_PLACE = "polarstem/scans/specimen"
_TESTS = "tests/unit/scans/test_pacbed.py"
_COVER = "tests/unit/scans/test_cover.py"

MUTATIONS = [
    Mutation(
        "diffuse scattering may be negative",
        f"{_PLACE}/pacbed_solve.py",
        "solution = bounded(normal, sides, _HALVES)",
        "solution = bounded(normal, sides, ())",
        f"{_TESTS}::test_shares_of_scattering_are_not_negative",
    ),
    Mutation(
        "no diffuse scattering in the fit",
        f"{_PLACE}/pacbed_model.py",
        "maps[:, len(shapes) :] = self.halos(maps[:, 0]) - maps[:, :1]",
        "maps[:, len(shapes) :] = 0",
        f"{_TESTS}::test_diffuse_scattering_is_no_thickness",
    ),
    Mutation(
        "the measured thickness knows what was known",
        f"{_PLACE}/pacbed.py",
        "alone, both = profile(planes, chi_squared), profile(planes, chi_squared, known)",
        "alone, both = 2 * (profile(planes, chi_squared, known),)",
        f"{_TESTS}::test_a_known_thickness_narrows_the_interval",
    ),
    Mutation(
        "a contradicted thickness is not told",
        f"{_PLACE}/pacbed.py",
        "both.least - alone.least > QUANTILE",
        "both.least - alone.least > 1e9",
        f"{_TESTS}::test_a_contradicted_thickness_is_told",
    ),
    Mutation(
        "orientations of a rectangle repeat after a quarter turn",
        f"{_PLACE}/pacbed_search.py",
        "self.period = 360 / model.library.fold",
        "self.period = 90",
        f"{_TESTS}::test_half_a_turn_is_the_period_along_110",
    ),
    Mutation(
        "another orientation never fits better",
        f"{_PLACE}/pacbed.py",
        "gain > QUANTILE,",
        "False,",
        f"{_TESTS}::test_orientation_near_an_angle",
    ),
    Mutation(
        "the better of two orientations is taken however little better it is",
        f"{_PLACE}/pacbed.py",
        "gain > -_SURE",
        "gain > 0",
        f"{_TESTS}::test_too_few_electrons_give_no_orientation",
    ),
    Mutation(
        "an orientation leaves the range that it was looked for in",
        f"{_PLACE}/pacbed_search.py",
        "return float(np.clip(angle, middle - within, middle + within))",
        "return angle",
        f"{_TESTS}::test_orientation_near_an_angle",
    ),
    Mutation(
        "vacuum is a thin crystal",
        f"{_PLACE}/lattice_seen.py",
        "_OF_STRUCTURE**2 * structure + unsure), among)",
        "_OF_STRUCTURE**2 * structure + unsure), 0)",
        f"{_TESTS}::test_without_a_crystal_there_is_no_thickness",
    ),
    Mutation(
        "noise without a crystal has a thickness",
        f"{_PLACE}/lattice_seen.py",
        "if structure < unsure:",
        "if structure < 0:",
        f"{_TESTS}::test_without_a_crystal_there_is_no_thickness",
    ),
    Mutation(
        "intensities need not be linear",
        f"{_PLACE}/lattice_seen.py",
        "_OF_ALL = 0.022",
        "_OF_ALL = 0.08",
        f"{_TESTS}::test_what_is_not_this_crystal_is_told",
    ),
    Mutation(
        "tiles have no noise",
        f"{_PLACE}/pacbed_tiles.py",
        "scale = noise + ALIKE * model",
        "scale = ALIKE * model",
        f"{_TESTS}::test_noise_widens_the_intervals_of_tiles",
    ),
    Mutation(
        "neighbouring pixels of a tile count each",
        f"{_PLACE}/pacbed_tiles.py",
        "scale = noise + ALIKE * model",
        "scale = noise + model",
        f"{_TESTS}::test_intervals_of_tiles_hold_the_truth",
    ),
    Mutation(
        "second orders do not matter for the cover",
        f"{_PLACE}/cover.py",
        ", (1, -1), (0, 2), (2, 0))",
        ", (1, -1))",
        f"{_COVER}::test_scans_that_are_position_averages",
    ),
    Mutation(
        "a third of a cell is an even cover",
        f"{_PLACE}/cover.py",
        "EVEN = 0.1",
        "EVEN = 0.7",
        f"{_COVER}::test_scans_that_are_position_averages",
    ),
    Mutation(
        "parts of the cell count by how often they are seen",
        f"{_PLACE}/cover.py",
        "len(places) / (bins * bins * held[part])",
        "np.ones(len(places))",
        f"{_COVER}::test_weights_make_a_cover_even",
    ),
]
