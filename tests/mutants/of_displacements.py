# SPDX-License-Identifier: GPL-3.0-or-later
"""Displacements that are not what they are said to be."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_SCORES = "polarstem/evaluate/scores/vector_scores.py"
_DESIGN = "polarstem/config/crystal_design.py"
_PLAN = "polarstem/config/plan.py"
_JOBS = "polarstem/config/jobs.py"
_OF_SCORES = "tests/unit/evaluate/test_vector_scores.py"
_OF_FREE = "tests/unit/core/test_free_directions.py"

MUTATIONS = [
    Mutation(
        "free directions crowd about the beam",
        _DESIGN,
        "across = math.sqrt(1 - beam**2)",
        "across = 1 - abs(beam)",
        f"{_OF_FREE}::test_directions_are_unit_vectors_of_their_class",
    ),
    Mutation(
        "free directions leave their class",
        _DESIGN,
        "before, after = (others[-1] - 360) / 2, others[0] / 2",
        "before, after = others[-1] - 360, others[0]",
        f"{_OF_FREE}::test_directions_are_unit_vectors_of_their_class",
    ),
    Mutation(
        "free specimens are not turned with their class",
        _PLAN,
        "x, y = (row[0] * right + row[1] * up for row in turn)",
        "x, y = right, up",
        f"{_OF_FREE}::test_training_specimens_are_turns_of_few_crystals_and_test_ones_are_crystals",
    ),
    Mutation(
        "free test crystals are copies",
        _PLAN,
        "if structures.octahedral_tilt_deg or own:",
        "if structures.octahedral_tilt_deg:",
        f"{_OF_FREE}::test_training_specimens_are_turns_of_few_crystals_and_test_ones_are_crystals",
    ),
    Mutation(
        "free directions are not built",
        _JOBS,
        '**({} if plan.direction is None else {"polar_direction": list(plan.direction)}),',
        "",
        f"{_OF_FREE}::test_a_crystal_is_built_as_its_direction_says",
    ),
    Mutation(
        "vectors of classes are as long as in space",
        _JOBS,
        "length = plan.amplitude * plan.polar_class.projected_fraction",
        "length = plan.amplitude",
        f"{_OF_FREE}::test_vectors_of_classes_are_seen_as_long_as_their_projection",
    ),
    Mutation(
        "bias is that of cells",
        _SCORES,
        "[np.hypot(*each.mean(axis=0)) for each in parts]",
        "[np.hypot(*each.T).mean() for each in parts]",
        f"{_OF_SCORES}::test_bias_is_of_specimens_not_of_cells",
    ),
    Mutation(
        "angles go the long way round",
        _SCORES,
        "np.abs((np.degrees(angle) - degrees + 180) % 360 - 180)",
        "np.abs(np.degrees(angle) - degrees)",
        f"{_OF_SCORES}::test_an_angle_goes_the_short_way_round",
    ),
    Mutation(
        "ellipses are those of one dimension",
        "polarstem/evaluate/ellipses.py",
        "square <= -2 * np.log(1 - level)",
        "square <= (1.0 if level < 0.9 else 4.0)",
        f"{_OF_SCORES}::test_ellipses_are_those_of_the_covariance",
    ),
    Mutation(
        "what is not told is right",
        _SCORES,
        "np.where(np.isnan(angle), np.nan, directions",
        "np.where(np.isnan(angle), class_deg, directions",
        f"{_OF_SCORES}::test_what_is_not_told_counts_in_no_error_and_as_a_wrong_class",
    ),
    Mutation(
        "classes are scored where crystals point between them",
        _SCORES,
        "_ALONG_DEG = 1.0",
        "_ALONG_DEG = 50.0",
        f"{_OF_SCORES}::test_what_is_not_told_counts_in_no_error_and_as_a_wrong_class",
    ),
    Mutation(
        "other doses are scored with the rest",
        _SCORES,
        "np.isin(fits.domain, apart, invert=True)",
        "np.isin(fits.domain, (), invert=True)",
        f"{_OF_SCORES}::test_from_files_to_the_file",
    ),
    Mutation(
        "the share of the bound is one of variances",
        _SCORES,
        "float(np.sqrt(np.divide(*np.mean(members, axis=0))))",
        "float(np.divide(*np.mean(members, axis=0)))",
        f"{_OF_SCORES}::test_from_files_to_the_file",
    ),
    Mutation(
        "the summary passes displacements over",
        "polarstem/evaluate/summary/headlines.py",
        "if displacements_json is not None:",
        "if False:",
        "tests/unit/evaluate/test_table_summary.py::test_scores_of_displacements_are_taken_over",
    ),
    Mutation(
        "what lies beside a mapping model is not looked at",
        "polarstem/maps/gather.py",
        "_verified(path)",
        "pass",
        "tests/unit/maps/test_gather.py::test_damage_is_named_where_it_is",
    ),
    Mutation(
        "a paired set points elsewhere",
        _DESIGN,
        "derive_share(config.seed, pair, *specimen,",
        "derive_share(config.seed, specimen_set, *specimen,",
        f"{_OF_FREE}::test_a_paired_set_points_where_its_pair_does",
    ),
]
