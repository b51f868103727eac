# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong lattices, steps, drifts and turns of the detector."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_SPECIMEN = "polarstem/scans/specimen"
_HANDEDNESS = f"{_SPECIMEN}/handedness.py"
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
]
