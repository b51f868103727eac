# SPDX-License-Identifier: GPL-3.0-or-later
"""Mappers for another crystal, microscope or scan than they are asked for."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_RECIPE = "polarstem/config/mapper_recipe.py"
_PLAN = "polarstem/config/mapper_plan.py"
_OWN = "polarstem/own_mapper.py"
_SERVED = "polarstem/scans/served_by.py"
_LIMIT = "polarstem/evaluate/limit/before_training.py"
_RECIPES = "tests/unit/core/test_mapper_recipe.py"
_OWNS = "tests/unit/core/test_own_mapper.py"
_SERVES = "tests/unit/scans/test_served_by.py"
_LIMITS = "tests/unit/evaluate/test_before_training.py"
_SCENES = "tests/unit/structures/test_scenes.py"
_EVERY = f"{_SCENES}::test_every_kind_has_domains_in_every_phase_that_can_have_it"
_DETECTOR = f"{_RECIPES}::test_the_detector_sees_no_further_and_no_finer_than_the_scans"
_ABSENT = f"{_RECIPES}::test_what_a_crystal_does_not_have_is_left_out"
_ROOM = f"{_RECIPES}::test_fields_and_margins_grow_where_the_optics_need_them"
_GOES_ON = f"{_OWNS}::test_an_interrupted_mapper_goes_on_and_keeps_what_is_done"

MUTATIONS = [
    Mutation(
        "discs that do not overlap have a mapper",
        "polarstem/config/mapper_recipe.py",
        "if 2 * request.semiangle_mrad <= apart:",
        "if False:",
        "tests/unit/core/test_mapper_recipe.py::test_what_is_wrong_is_told_in_one_sentence",
    ),
    Mutation(
        "discs must not only overlap but reach the next beam",
        "polarstem/config/mapper_recipe.py",
        "if 2 * request.semiangle_mrad <= apart:",
        "if request.semiangle_mrad <= apart:",
        "tests/unit/core/test_mapper_recipe.py::test_discs_that_just_overlap_have_a_mapper",
    ),
    Mutation(
        "every crystal has every wall along [110]",
        "polarstem/config/mapper_recipe.py",
        'found["kind"] = "wall_180"',
        "pass",
        "tests/unit/core/test_mapper_recipe.py"
        "::test_along_110_anomalies_are_known_from_the_same_scenes",
    ),
    Mutation(
        "a mapper computes the bound that it does not need",
        _RECIPE,
        '"vector_bound": None,',
        "",
        f"{_RECIPES}::test_no_report_is_made",
    ),
    Mutation(
        "a detector of any optics is that of 24 mrad",
        _RECIPE,
        "* pixels / 2 * request.semiangle_mrad / semiangle",
        "* pixels / 2",
        _DETECTOR,
    ),
    Mutation(
        "a detector sees further than the scan's",
        _RECIPE,
        "reach = min(reach, request.reach_mrad)",
        "reach = max(reach, request.reach_mrad)",
        _DETECTOR,
    ),
    Mutation(
        "pixels finer than the scan's",
        _RECIPE,
        "pixels = min(pixels, 2 * math.floor(",
        "pixels = max(pixels, 2 * math.floor(",
        _DETECTOR,
    ),
    Mutation(
        "scenes keep the detector of 24 mrad",
        _RECIPE,
        "detector['mrad_per_pixel'] * scale:.4g",
        "detector['mrad_per_pixel']:.4g",
        f"{_RECIPES}::test_every_crystal_has_a_mapper",
    ),
    Mutation(
        "sources of a smaller cell",
        _RECIPE,
        "    least = _rounded_up(least_source(cell))\n    if low < least:",
        "    least = _rounded_up(least_source(cell))\n    if low > least:",
        _ABSENT,
    ),
    Mutation(
        "static disorder without numbers",
        _RECIPE,
        'conditions["disorder"] = 0',
        'conditions["disorder"] = 1',
        _ABSENT,
    ),
    Mutation(
        "a cluster of the only element",
        _RECIPE,
        "or len(material.a_site) > 1",
        "or len(material.a_site) > 0",
        _ABSENT,
    ),
    Mutation(
        "a field that is too small for the probe",
        _RECIPE,
        "if _field_error(config, name) > 1.1 * allowed:",
        "if _field_error(config, name) > 11 * allowed:",
        _ROOM,
    ),
    Mutation(
        "margins that are too narrow for the probe",
        _RECIPE,
        "scene.margin_cells + lacking",
        "scene.margin_cells",
        _ROOM,
    ),
    Mutation(
        "twice the crystals are tested",
        _RECIPE,
        "math.ceil(effort.tested / len(table))",
        "2 * math.ceil(effort.tested / len(table))",
        f"{_RECIPES}::test_efforts_differ_in_what_is_learned_and_tested",
    ),
    Mutation(
        "twice the crystals where classes are turns of two",
        _RECIPE,
        "math.ceil(n / apart)",
        "math.ceil(n / 1)",
        f"{_RECIPES}::test_no_report_is_made",
    ),
    Mutation(
        "the mapper learns at another rate than the standard's",
        _RECIPE,
        '[run | {"models": [model], "sources": [STREAM]}]',
        '[{"models": [model], "sources": [STREAM]}]',
        f"{_RECIPES}::test_every_crystal_has_a_mapper",
    ),
    Mutation(
        "the report is counted",
        _PLAN,
        "if job.rule not in _NOT_MADE",
        "if job.rule",
        f"{_RECIPES}::test_no_report_is_made",
    ),
    Mutation(
        "crystals are counted once per class",
        _PLAN,
        "plan.crystal_of(config, specimen)[0].name)",
        "specimen.name)",
        f"{_RECIPES}::test_efforts_differ_in_what_is_learned_and_tested",
    ),
    Mutation(
        "another configuration is written over",
        _OWN,
        "    if there == part:\n        return\n",
        "    if there:\n        return\n",
        _GOES_ON,
    ),
    Mutation(
        "a failed workflow leaves what looks like a mapper",
        _OWN,
        "    if code:\n",
        "    if code > 1:\n",
        _GOES_ON,
    ),
    Mutation(
        "a folder of something else is taken",
        _OWN,
        "if any(folder.iterdir()):",
        "if not any(folder.iterdir()):",
        f"{_OWNS}::test_a_folder_of_something_else_is_left_alone",
    ),
    Mutation(
        "a dry run works",
        "polarstem/cli.py",
        "    if arguments.dry_run:\n",
        "    if not arguments.dry_run:\n",
        f"{_OWNS}::test_a_dry_run_says_everything_and_writes_nothing",
    ),
    Mutation(
        "a cluster counts as this machine's cores",
        _OWN,
        "None if elsewhere else cores",
        "cores",
        f"{_OWNS}::test_on_a_cluster_the_longest_job_counts",
    ),
    Mutation(
        "the beam is taken for the middle of the detector",
        _SERVED,
        "min(row, column, height - 1 - row, width - 1 - column) + 0.5",
        "min(height, width) / 2",
        f"{_SERVES}::test_optics_zone_axis_and_detector_are_those_of_the_scan",
    ),
    Mutation(
        "the command has the last word against the scan",
        _SERVED,
        "abs(given - value) > AGREE * value",
        "abs(given - value) > value",
        f"{_SERVES}::test_a_command_that_contradicts_the_scan_is_refused",
    ),
    Mutation(
        "every scan is seen along [001]",
        _OWN,
        "zone_axis = wanted.zone_axis.value",
        "zone_axis = (0, 0, 1)",
        f"{_SERVES}::test_optics_zone_axis_and_detector_are_those_of_the_scan",
    ),
    Mutation(
        "electrons are told by their logarithm",
        _LIMIT,
        "np.exp(np.log(needed).mean((0, 2)))",
        "np.log(needed).mean((0, 2))",
        f"{_LIMITS}::test_half_the_displacements_take_four_times_the_electrons",
    ),
    Mutation(
        "thicknesses without an answer are not told",
        _LIMIT,
        "if n > doses[1]]",
        "if n < doses[0]]",
        f"{_LIMITS}::test_thicknesses_without_an_answer_are_named",
    ),
    Mutation(
        "a wall of any angle is seen at a right one",
        "polarstem/structures/scenes/recipe.py",
        "if not math.isclose(apart, _SEEN[kind], abs_tol=1e-6):",
        "if math.isclose(apart, _SEEN[kind], abs_tol=1e-6):",
        _EVERY,
    ),
    Mutation(
        "of variants that look alike the furthest",
        "polarstem/structures/scenes/recipe.py",
        "return min(other.variants, key=lambda v:",
        "return max(other.variants, key=lambda v:",
        _EVERY,
    ),
    Mutation(
        "the first class is the last",
        "polarstem/config/specimens.py",
        "return tuple(table[:1])",
        "return tuple(table[-1:])",
        "tests/unit/core/test_config.py::test_the_first_class_of_whichever_phase",
    ),
    Mutation(
        "what is null stays",
        "polarstem/config/model.py",
        "for name, value in section.items() if value is not None}",
        "for name, value in section.items() if value is not name}",
        "tests/unit/core/test_config.py::test_what_a_part_sets_to_null_is_left_out",
    ),
]
