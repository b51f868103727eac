# SPDX-License-Identifier: GPL-3.0-or-later
"""Test crystals that are no crystals of their own, or that were trained on unnoticed."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_DESIGN = "polarstem/config/crystal_design.py"
_PLAN = "polarstem/config/plan.py"
_COMPARED = "polarstem/config/separation.py"
_MEASURED = "polarstem/data/separation.py"
_DRAWN = "tests/unit/core/test_crystal_design.py"
_GAP = f"{_DRAWN}::test_a_gap_parts_test_crystals_from_all_others"
_EVEN = f"{_DRAWN}::test_crystals_lie_evenly_and_none_meets_another"
_LIMIT = f"{_DRAWN}::test_the_limit_stands_for_the_mean_over_the_test_crystals"
_NAMED = f"{_DRAWN}::test_composition_is_in_the_crystal_and_in_its_name"
_COUNTED = "tests/unit/core/test_independence.py"
_NEAR = "tests/unit/data/test_separation.py"
_BY_HAND = f"{_NEAR}::test_distances_by_hand"
_TWIN = f"{_NEAR}::test_a_twin_of_a_training_crystal_stops_the_run"
_COMMON = f"{_NEAR}::test_what_is_compared_has_a_thickness_and_a_microscope_in_common"

MUTATIONS = [
    Mutation("test crystals lie anywhere", _DESIGN, "return INNER * place", "return place", _GAP),
    Mutation(
        "training crystals lie anywhere",
        _DESIGN,
        "return (OUTER if place >= 0 else -OUTER) + (1 - OUTER) * place",
        "return place",
        _GAP,
    ),
    Mutation(
        "training crystals lie at one end",
        _DESIGN,
        "(OUTER if place >= 0 else -OUTER) + (1 - OUTER) * place",
        "OUTER + (1 - OUTER) * abs(place)",
        _GAP,
    ),
    Mutation(
        "the amplitude is parted beside a composition",
        _DESIGN,
        "if parting(config, pair) != what:",
        "if parting(config, pair) is None:",
        _GAP,
    ),
    Mutation(
        "classes share their test crystals",
        _DESIGN,
        "number = index * len(every) + polar_class.index",
        "number = index",
        f"{_DRAWN}::test_test_specimens_have_crystals_of_their_own_and_others_share_them",
    ),
    Mutation(
        "validation crystals are training crystals",
        _DESIGN,
        'number = index if split == "train" else -1 - index',
        "number = index",
        _EVEN,
    ),
    Mutation(
        "draws crowd together",
        _DESIGN,
        "start + number * _STEPS[what]",
        "start + number * 0.01",
        _EVEN,
    ),
    Mutation(
        "random orders are parted, too",
        _DESIGN,
        'return "amplitude" if rests(config, specimen_set) else None',
        'return "amplitude"',
        f"{_DRAWN}::test_an_order_of_cations_needs_no_gap",
    ),
    Mutation(
        "all sets draw the same",
        _DESIGN,
        "start = derive_share(config.seed, pair,",
        'start = derive_share(config.seed, "",',
        f"{_DRAWN}::test_more_specimens_move_no_other_and_other_sets_draw_others",
    ),
    Mutation(
        "a pair is parted by its own settings",
        _DESIGN,
        'place = _place(config, pair, split, "amplitude", number)',
        'place = _place(config, specimen_set, split, "amplitude", number)',
        f"{_DRAWN}::test_a_pair_draws_what_its_pair_draws",
    ),
    Mutation(
        "the limit is that of the ends of the range",
        _DESIGN,
        "[-(3**-0.5), 3**-0.5]",
        "[-1.0, 1.0]",
        _LIMIT,
    ),
    Mutation(
        "the limit knows no parted amplitudes",
        _DESIGN,
        'INNER if parting(config, pair) == "amplitude" else 1',
        "1",
        _LIMIT,
    ),
    Mutation(
        "the limit has no matrices of its own",
        _PLAN,
        "for each in (plan, other_sign(config, plan)) if",
        "for each in [other_sign(config, plan)] if",
        "tests/unit/core/test_plan.py"
        "::test_crystals_of_their_own_for_tests_and_two_for_each_other_amplitude",
    ),
    Mutation(
        "crystals of two compositions have one name",
        _PLAN,
        'name += "" if plan.drawn_share is None else f"-{plan.drawn_share:.4f}"',
        "pass",
        _NAMED,
    ),
    Mutation(
        "compositions are not built",
        "polarstem/config/jobs.py",
        '"drawn_share": plan.drawn_share,',
        '"drawn_share": None,',
        _NAMED,
    ),
    Mutation(
        "recipes forget their composition",
        "polarstem/structures/recipes.py",
        "loaded if drawn_share is None else",
        "loaded if True else",
        _NAMED,
    ),
    Mutation(
        "the other elements keep their shares",
        "polarstem/structures/crystals.py",
        "(1 - share) * part / (1 - own)",
        "part",
        f"{_DRAWN}::test_shares_of_the_others_stay_in_proportion",
    ),
    Mutation(
        "two compositions count as one crystal",
        "polarstem/config/independence.py",
        'drawn.append(f"{specimen.drawn_share:.4f}")',
        "pass",
        f"{_COUNTED}::test_specimens_that_share_all_that_is_drawn_are_one_crystal",
    ),
    Mutation(
        "crystals of streams are not compared",
        _COMPARED,
        "used.update(name for stream in config.streams().values() for name in stream.specimens)",
        "pass",
        f"{_NEAR}::test_crystals_of_streams_are_trained_on",
    ),
    Mutation(
        "thicknesses need not be common",
        _COMPARED,
        "set(ours) & set(theirs)",
        "set(ours)",
        _COMMON,
    ),
    Mutation(
        "microscopes need not be common",
        _COMPARED,
        "if _microscope(config, tested) != _microscope(config, trained):",
        "if False:",
        _COMMON,
    ),
    Mutation(
        "validation crystals stand for training crystals",
        _COMPARED,
        '_members(config, trained, "train")',
        '_members(config, trained, "validation")',
        f"{_NEAR}::test_crystals_of_the_design_are_far_enough",
    ),
    Mutation(
        "twins are let through",
        _MEASURED,
        'if every and result["value"] < settings["least"]:',
        "if False:",
        _TWIN,
    ),
    Mutation(
        "crystals are compared without their turns",
        _MEASURED,
        "optics, turn=turn)",
        "optics)",
        f"{_NEAR}::test_crystals_of_the_design_are_far_enough",
    ),
    Mutation("the farthest is nearest", _MEASURED, "np.argmin(", "np.argmax(", _BY_HAND),
    Mutation(
        "other classes are near, too",
        _MEASURED,
        'for each in trained if each["class_name"] == name]',
        "for each in trained]",
        _BY_HAND,
    ),
    Mutation(
        "the unit is the class least alike",
        _MEASURED,
        "append(min(found))",
        "append(max(found))",
        _BY_HAND,
    ),
    Mutation(
        "the unit is that of the last crystal",
        _MEASURED,
        "float(np.mean(found)) for name",
        "float(found[-1]) for name",
        _BY_HAND,
    ),
    Mutation(
        "positions are added up",
        _MEASURED,
        ".sum(axis=1).mean())",
        ".sum(axis=1).max())",
        _BY_HAND,
    ),
    Mutation(
        "the manifest is silent on what was compared",
        "polarstem/data/leakage.py",
        "if separation is not None:",
        "if separation is None:",
        "tests/unit/data/test_assemble.py::test_the_manifest_says_what_was_not_compared",
    ),
    Mutation(
        "the summary is silent on leakage",
        "polarstem/evaluate/summary/headlines.py",
        'summary["learning.leakage.nearest"] =',
        "_ =",
        "tests/unit/evaluate/test_table_summary.py"
        "::test_learning_says_how_far_models_carry_and_what_they_cost",
    ),
]
