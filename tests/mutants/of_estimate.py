# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run is said to take before it starts, and what its jobs ask for."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_WORK = "polarstem/config/work.py"
_ESTIMATE = "polarstem/config/estimate.py"
_TEST = "tests/unit/core/test_estimate.py"
_FOLLOWS = f"{_TEST}::test_work_follows_what_it_is_done_on"
_TRAINING = f"{_TEST}::test_training_counts_each_use_of_a_pattern"
_CORES = f"{_TEST}::test_time_on_cores_is_that_of_the_longest_or_of_all"

MUTATIONS = [
    Mutation(
        "waves of a wide field cost what those of a cell do",
        _WORK,
        "return waves * shape.x",
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
]
