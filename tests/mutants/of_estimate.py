# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run is said to take before it starts, and what its jobs ask for."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_WORK = "polarstem/config/work.py"
_ESTIMATE = "polarstem/config/estimate.py"
_TEST = "tests/unit/core/test_estimate.py"
_SCENES = f"{_TEST}::test_scenes_go_by_their_cells_and_libraries_by_their_crystals"
_SCHEDULER = "tests/workflow/test_scheduler.py"
_FOLLOWS = f"{_TEST}::test_work_follows_what_it_is_done_on"
_TRAINING = f"{_TEST}::test_training_counts_each_use_of_a_pattern"
_CORES = f"{_TEST}::test_time_on_cores_is_that_of_the_longest_or_of_all"

MUTATIONS = [
    Mutation(
        "waves of a wide field cost what those of a cell do",
        _WORK,
        "return jobs.plane_waves(settings) * shape.x",
        "return shape.x",
        _FOLLOWS,
    ),
    Mutation(
        "thermal configurations cost nothing",
        _WORK,
        "1e-9 * count * _propagated(settings)",
        "1e-9 * _propagated(settings)",
        _FOLLOWS,
    ),
    Mutation(
        "specimens are as thin as one wave's step",
        _WORK,
        "1e-9 * waves * shape.x * shape.y * shape.slices",
        "1e-9 * waves * shape.x * shape.slices",
        _FOLLOWS,
    ),
    Mutation(
        "every configuration is scanned whole",
        _WORK,
        "            configurations /= 4",
        "            configurations /= 1",
        f"{_TEST}::test_a_source_shares_positions_out_among_configurations",
    ),
    Mutation(
        "a pattern of a stream is used once",
        _WORK,
        "stream.patterns * stream.reuse if network",
        "stream.patterns if network",
        _TRAINING,
    ),
    Mutation(
        "a narrow network costs what a wide one does",
        "polarstem/config/families.py",
        "count = self.channels * (pixels",
        "count = 128 * (pixels",
        _TRAINING,
    ),
    Mutation(
        "every training takes two cores",
        _WORK,
        "threads = 2 if network and source in streams else 1",
        "threads = 2",
        _TRAINING,
    ),
    Mutation(
        "two cores share one job",
        _ESTIMATE,
        "key=seconds, reverse=True",
        "key=seconds",
        _CORES,
    ),
    Mutation(
        "a job on two cores takes as long as on one",
        _ESTIMATE,
        "end = begin + seconds(job) / taken",
        "end = begin + seconds(job)",
        _CORES,
    ),
    Mutation(
        "a scene of many cells costs what one of a cell does",
        _WORK,
        "samples = math.prod(recipe.scanned(SAMPLES_PER_CELL)[:2])",
        "samples = SAMPLES_PER_CELL**2",
        _SCENES,
    ),
    Mutation(
        "one crystal serves every library",
        _WORK,
        "float(len(crystals) * library",
        "float(library",
        _SCENES,
    ),
    Mutation(
        "no tilt widens the aperture",
        "polarstem/config/jobs.py",
        'radius = 1e-3 * (simulate["semiangle_mrad"] + settings["margin_mrad"])',
        'radius = 1e-3 * simulate["semiangle_mrad"]',
        _SCENES,
    ),
    Mutation(
        "all thicknesses of a matrix are read for one",
        _WORK,
        "run.sizes[n] * part / count",
        "run.sizes[n] * part",
        f"{_TEST}::test_data_sets_read_their_thickness_of_every_specimens_matrix",
    ),
    Mutation(
        "a run on no core",
        "polarstem/cli.py",
        "if arguments.cores < 1:",
        "if arguments.cores < 0:",
        f"{_TEST}::test_a_run_needs_a_core",
    ),
    Mutation(
        "another attempt with the same memory",
        "workflow/rules/needs.smk",
        "return attempt * first",
        "return first",
        f"{_SCHEDULER}::test_each_attempt_asks_for_more",
    ),
    Mutation(
        "a timer for every finished job",
        "workflow/rules/scheduler.smk",
        'if not getattr(scheduler, "timed", False):',
        "if True:",
        f"{_SCHEDULER}::test_one_timer_at_a_time_and_another_after_it",
    ),
    Mutation(
        "one timer and never another",
        "workflow/rules/scheduler.smk",
        "        scheduler.timed = False  # before the look, which may ask for the next one\n",
        "",
        f"{_SCHEDULER}::test_one_timer_at_a_time_and_another_after_it",
    ),
    Mutation(
        "a GPU is expected of what uses none",
        _WORK,
        'gpu = network and config.train.device == "gpu"',
        'gpu = config.train.device == "gpu"',
        f"{_TEST}::test_what_a_gpu_takes_is_not_claimed_to_be_known",
    ),
    Mutation(
        "all hours are said to be trainings",
        _ESTIMATE,
        "for job in planned if job.wants_gpu) / 3600",
        "for job in planned) / 3600",
        f"{_TEST}::test_what_a_gpu_takes_is_not_claimed_to_be_known",
    ),
]
