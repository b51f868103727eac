# SPDX-License-Identifier: GPL-3.0-or-later
"""Displacements that are not what they are said to be."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_GRID = "polarstem/models/displacement_grid.py"
_JOIN = "polarstem/models/displacement_calibration.py"
_SCORES = "polarstem/evaluate/scores/vector_scores.py"
_DESIGN = "polarstem/config/crystal_design.py"
_PLAN = "polarstem/config/plan.py"
_JOBS = "polarstem/config/jobs.py"
_OF_GRID = "tests/unit/models/test_displacement_grid.py"
_OF_JOIN = "tests/unit/models/test_displacement_calibration.py"
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
        "shares of nodes are drawn to the nearest",
        _GRID,
        "rest = place - first",
        "rest = np.rint(place - first)",
        f"{_OF_GRID}::test_shares_keep_the_vector",
    ),
    Mutation(
        "nodes turn the wrong way",
        _GRID,
        "np.rint(nodes() @ matrices.swapaxes(1, 2) / STEP)",
        "np.rint(nodes() @ matrices / STEP)",
        f"{_OF_GRID}::test_images_are_turned_nodes",
    ),
    Mutation(
        "a vector of zero has a class",
        _GRID,
        "nearest[np.hypot(*places.T) < STEP / 2] = True",
        "pass",
        f"{_OF_GRID}::test_a_class_is_the_sector_around_its_direction",
    ),
    Mutation(
        "second moments are about zero",
        _GRID,
        "covariance = second - mean[:, :, None] * mean[:, None, :]",
        "covariance = second",
        f"{_OF_JOIN}::test_ellipses_hold_as_many_as_they_say",
    ),
    Mutation(
        "patterns of a cell are independent",
        _JOIN,
        "gain=float(np.exp(best[0])),",
        "gain=float(most),",
        f"{_OF_JOIN}::test_ellipses_hold_as_many_as_they_say",
    ),
    Mutation(
        "what was known before counts for each pattern",
        _JOIN,
        "np.log(np.maximum(density, _LEAST)) - np.log(np.maximum(prior, _LEAST))",
        "np.log(np.maximum(density, _LEAST))",
        f"{_OF_JOIN}::test_the_prior_counts_once",
    ),
    Mutation(
        "the gain does not know the dose",
        _JOIN,
        "gain_per_decade=float(np.exp(best[1])),",
        "gain_per_decade=1.0,",
        f"{_OF_JOIN}::test_the_gain_follows_the_dose",
    ),
    Mutation(
        "an unknown dose is a good one",
        _JOIN,
        "worst = low if self.gain_per_decade >= 1 else -low",
        "worst = -low if self.gain_per_decade >= 1 else low",
        f"{_OF_JOIN}::test_the_gain_follows_the_dose",
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
        "turned = np.angle(np.exp(1j * (_angle(cells.mean) - _angle(cells.true))))",
        "turned = _angle(cells.mean) - _angle(cells.true)",
        f"{_OF_SCORES}::test_an_angle_goes_the_short_way_round",
    ),
    Mutation(
        "ellipses are those of one dimension",
        _SCORES,
        "distance <= -2 * np.log(1 - percent / 100)",
        "distance <= {68: 1.0, 95: 4.0}[percent]",
        f"{_OF_SCORES}::test_ellipses_are_those_of_the_covariance",
    ),
    Mutation(
        "cells of a scan are the next patterns",
        _SCORES,
        "order = random.permutation(len(scan))",
        "order = np.arange(len(scan))",
        f"{_OF_SCORES}::test_cells_are_dealt_at_random_from_one_scan",
    ),
    Mutation(
        "streams tell the vector of another",
        "polarstem/data/stream.py",
        'column([part[1]["polar"] for part in parts]).astype(np.float32)',
        'column([parts[0][1]["polar"] for part in parts]).astype(np.float32)',
        "tests/unit/data/test_stream.py::test_blocks_tell_polar_vectors",
    ),
    Mutation(
        "ever more patterns are ever more sure",
        _JOIN,
        "share = np.minimum(size / self.positions, 1.0)",
        "share = size / self.positions",
        f"{_OF_JOIN}::test_more_patterns_than_a_cell_was_fitted_on_tell_no_more",
    ),
    Mutation(
        "the Gaussian is about the other end of the vector",
        "polarstem/models/displacement_scores.py",
        "distance = torch.cdist(labels, self.nodes).square()",
        "distance = torch.cdist(-labels, self.nodes).square()",
        "tests/unit/models/test_displacement_scores.py::test_it_learns_vectors",
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
