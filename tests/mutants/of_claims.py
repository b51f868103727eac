# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts that cannot fail, or fail for the wrong reason."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_CLAIMS = "polarstem/evaluate/claims"
_VERDICTS = f"{_CLAIMS}/verdicts.py"
_CASE = f"{_CLAIMS}/case.py"
_PAPER = f"{_CLAIMS}/paper.py"
_HYPOTHESES = f"{_CLAIMS}/hypotheses.py"
_DISTURBANCES = f"{_CLAIMS}/disturbances.py"
_PERIODICITY = f"{_CLAIMS}/periodicity.py"
_PLAN = "polarstem/config/plan.py"
_TEST = "tests/unit/evaluate/test_verdicts.py"
_MAPS = "tests/unit/evaluate/test_periodicity.py"
_PAIRED = "tests/unit/core/test_plan.py::test_paired_specimens_draw_as_those_they_are_paired_with"
_DECIDES = f"{_TEST}::test_the_interval_against_the_smallest_effect_decides"

MUTATIONS = [
    Mutation(
        "a gain holds however small",
        _VERDICTS,
        "low - allowance > self.smallest",
        "low - allowance > 0",
        _DECIDES,
    ),
    Mutation(
        "a claim does not hold where its value is small",
        _VERDICTS,
        "high + allowance < self.smallest",
        "value < self.smallest",
        _DECIDES,
    ),
    Mutation(
        "models that guess are compared all the same",
        _VERDICTS,
        "if doubt is not None:\n            how",
        "if doubt is not None and np.isnan(value):\n            how",
        _DECIDES,
    ),
    Mutation(
        "the worse model must be better than chance",
        _CASE,
        "better = max(first, second,",
        "better = min(first, second,",
        f"{_TEST}::test_models_better_than_chance_are_compared_with_those_that_guess",
    ),
    Mutation(
        "controls stand for their family",
        _CASE,
        'if not each.get("shuffled_labels")}',
        "if each}",
        f"{_TEST}::test_controls_stand_for_nothing",
    ),
    Mutation(
        "the best network may be a control",
        _CASE,
        "if model in self.models and (also",
        "if (also",
        f"{_TEST}::test_controls_stand_for_nothing",
    ),
    Mutation(
        "the strongest is on the first stream of the config",
        _CASE,
        "key=lambda name: -drawn[name])",
        "key=lambda name: 0)",
        f"{_TEST}::test_strongest_is_else_the_best_validated_on_the_widest_source",
    ),
    Mutation(
        "a recommended control is the strongest",
        _CASE,
        "if run in self.evidence.runs and run[0] in self.models:",
        "if run in self.evidence.runs:",
        f"{_TEST}::test_recommended_model_that_was_not_trained_or_is_a_control_is_not_the_strongest",
    ),
    Mutation(
        "one training tells the spread between trainings",
        _CASE,
        "if count >= TRAININGS:",
        "if count >= 1:",
        f"{_TEST}::test_few_trainings_widen_the_interval_of_differences_between_models",
    ),
    Mutation(
        "points are taken for a share of the loss",
        _HYPOTHESES,
        "allowance /= max(gap.value, 1e-9)",
        "allowance /= 1.0",
        f"{_TEST}::test_share_of_a_loss_is_widened_by_points_of_the_loss",
    ),
    Mutation(
        "a gap that may not be there is closed",
        _HYPOTHESES,
        "if gap.interval(case.confidence)[0] <= case.smallest_gain:",
        "if gap.value < 0:",
        f"{_TEST}::test_without_a_gap_there_is_nothing_to_close",
    ),
    Mutation(
        "tilts count that the experiment does not have",
        _HYPOTHESES,
        "<= rung.severity <= most]",
        "<= rung.severity]",
        f"{_TEST}::test_tilt_and_thickness_are_compared_at_the_ends_of_the_experiments_ranges",
    ),
    Mutation(
        "the share of errors stands for the loss",
        _PAPER,
        "loss = combine(np.subtract, same, away)",
        "loss = combine(lambda a, b: (a - b) / (1 - b + 1e-9), same, away)",
        f"{_TEST}::test_numbers_are_those_given",
    ),
    Mutation(
        "defects need not stand out",
        _DISTURBANCES,
        " - np.max(",
        " - 0 * np.max(",
        f"{_TEST}::test_numbers_are_those_given",
    ),
    Mutation(
        "defects are compared with any specimens",
        _DISTURBANCES,
        'settings.get("paired_with")',
        'case.config["domains"][case.reference.domain]["specimens"]',
        f"{_TEST}::test_defects_are_compared_with_the_same_specimens",
    ),
    Mutation(
        "copies of one crystal confirm each other",
        _PERIODICITY,
        "turned[crystal, np.arange",
        "turned = np.eye(len(crystal)); turned[np.arange(len(crystal)), np.arange",
        f"{_MAPS}::test_what_a_single_crystal_repeats_in_its_copies_is_no_recurrence",
    ),
    Mutation(
        "counting noise passes for periodicity",
        _PERIODICITY,
        "(a.sum(0) ** 2 - (a**2).sum(0)).sum()",
        "(a.sum(0) ** 2).sum()",
        f"{_MAPS}::test_variance_is_that_of_the_rate_however_few_errors",
    ),
    Mutation(
        "a specimen that is hard everywhere is periodic",
        _PERIODICITY,
        "wrong - own_rate * count",
        "wrong - own_rate.mean() * count",
        f"{_MAPS}::test_specimens_that_are_harder_everywhere_are_not_periodic",
    ),
    Mutation(
        "errors are counted, not rates",
        _PERIODICITY,
        "(wrong[half].sum() / count[half].sum() for half in halves)",
        "(wrong[half].sum() for half in halves)",
        f"{_MAPS}::test_share_of_errors_where_electrons_are_needed",
    ),
    Mutation(
        "paired specimens have crystals of their own",
        _PLAN,
        "pair = settings.paired_with or specimen_set",
        "pair = specimen_set",
        _PAIRED,
    ),
    Mutation(
        "paired specimens have variants of their own",
        _PLAN,
        "first += getattr(config.specimens[pair].per_class, split)",
        "first += getattr(settings.per_class, split)",
        _PAIRED,
    ),
]
