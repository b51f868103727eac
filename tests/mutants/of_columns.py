# SPDX-License-Identifier: GPL-3.0-or-later
"""Columns that are fitted where they are not, and errors that are made smaller than they are."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_TESTS = "tests/unit/benchmarks/test_columns.py"
_FIT = "polarstem/displacements/column_fit.py"
_IMAGES = "benchmarks/virtual_images.py"
_SCORES = "benchmarks/columns.py"
_SPECIMENS = "polarstem/evaluate/scores/column_scores.py"
_OF_SPECIMENS = "tests/unit/evaluate/test_column_scores.py"

MUTATIONS = [
    Mutation(
        "dark columns are taken for bright ones",
        _FIT,
        "scaled = sign * (values",
        "scaled = (values",
        f"{_TESTS}::test_columns_are_found_where_they_are",
    ),
    Mutation(
        "columns of the next cells are forgotten",
        _FIT,
        "np.meshgrid([-1, 0, 1], [-1, 0, 1])",
        "np.meshgrid([0], [0])",
        f"{_TESTS}::test_columns_are_found_where_they_are",
    ),
    Mutation(
        "a field is integrated upside down",
        _IMAGES,
        "    down = -up\n",
        "    down = up\n",
        f"{_TESTS}::test_a_field_is_integrated",
    ),
    Mutation(
        "rows of cells are counted upwards",
        _IMAGES,
        "-(row + 0.5)",
        "row + 0.5",
        f"{_TESTS}::test_places_are_those_of_the_crystal",
    ),
    Mutation(
        "a scene is calibrated on itself",
        _SCORES,
        "if k != left_out]",
        "]",
        f"{_TESTS}::test_a_scene_is_not_calibrated_on_itself",
    ),
    Mutation(
        "tilt is never taken out",
        _SCORES,
        "plain * thicker, tilt, tilt * thicker",
        "plain * thicker",
        f"{_TESTS}::test_tilt_is_an_error_until_it_is_taken_out",
    ),
    Mutation(
        "scatter is about the truth",
        _SCORES,
        "about[domain == each].mean(0)",
        "0.0",
        f"{_TESTS}::test_tilt_is_an_error_until_it_is_taken_out",
    ),
    Mutation(
        "cells without a fit are right",
        _SCORES,
        "right = np.zeros(len(fitted), bool)",
        "right = np.ones(len(fitted), bool)",
        f"{_TESTS}::test_cells_without_a_fit_are_wrong",
    ),
    Mutation(
        "small scenes count as much as large ones",
        _SCORES,
        "np.average(squares, axis=0, weights=sizes)",
        "np.average(squares, axis=0) + 0 * len(sizes)",
        f"{_TESTS}::test_all_cells_come_last",
    ),
    Mutation(
        "specimens calibrate themselves",
        _SPECIMENS,
        "others[left_out] = False",
        "others[left_out] = True",
        f"{_OF_SPECIMENS}::test_gains_are_those_of_all_other_specimens",
    ),
    Mutation(
        "gains are the same at all thicknesses",
        _SPECIMENS,
        "_POWERS = (0, 1, 2)",
        "_POWERS = (0,)",
        f"{_OF_SPECIMENS}::test_gains_are_those_of_all_other_specimens",
    ),
    Mutation(
        "the worst way to fit columns stands for all",
        _SPECIMENS,
        "min(ratios",
        "max(ratios",
        f"{_OF_SPECIMENS}::test_the_best_way_stands_beside_the_fit",
    ),
    Mutation(
        "columns of a specimen are upside down",
        _FIT,
        "-fractions[:, 0]], axis=1) - (0.5, -0.5)",
        "fractions[:, 0]], axis=1) - (0.5, 0.5)",
        "tests/unit/displacements/test_column_fit.py"
        "::test_columns_of_a_cell_are_found_where_they_are",
    ),
    Mutation(
        "Friedel pairs of a specimen are turned",
        _FIT,
        "np.stack([right, up], axis=1) / total",
        "np.stack([up, right], axis=1) / total",
        "tests/unit/displacements/test_column_fit.py"
        "::test_columns_of_a_cell_are_found_where_they_are",
    ),
    Mutation(
        "thick crystals are thin ones",
        "polarstem/evaluate/scores/vector_scores.py",
        "cells.thickness > 28",
        "cells.thickness < 28",
        "tests/unit/evaluate/test_vector_scores.py"
        "::test_ellipses_are_told_at_the_edges_of_the_ranges",
    ),
    Mutation(
        "one who tells nothing is right",
        _SPECIMENS,
        "[np.square(truth[name]) for name in squares]",
        "[0 * np.square(truth[name]) for name in squares]",
        f"{_OF_SPECIMENS}::test_the_best_way_stands_beside_the_fit",
    ),
]
