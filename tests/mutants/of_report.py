# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings that are not true, figures of the wrong numbers, tables that lie."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_FINDINGS = "polarstem/report/findings.py"
_SAID = "tests/unit/report/test_findings.py"
_DATA = "polarstem/report/figures/drawn_data.py"
_DRAWN = "tests/unit/report/test_drawn_data.py"
_RUNGS = "polarstem/evaluate/scores/rungs.py"
_LINES = "tests/unit/evaluate/test_ladder.py"
_SCORES = "polarstem/report/score_table.py"
_STORY = "polarstem/report/figures/story.py"
_CARRIED = "polarstem/report/figures/transfer.py"
_FIGURES = "tests/unit/report/test_story_and_transfer.py"

MUTATIONS = [
    Mutation(
        "a claim that does not hold is told as one that holds",
        _FINDINGS,
        "{HOLDS: holds, FAILS: fails}",
        "{HOLDS: holds, FAILS: holds}",
        f"{_SAID}::test_a_claim_is_told_as_it_was_decided",
    ),
    Mutation(
        "data count for more although intervals overlap",
        _FINDINGS,
        'max(summary[key]["high"] for key in ideal)',
        'max(summary[key]["low"] for key in ideal)',
        f"{_SAID}::test_data_come_first_only_if_every_interval_says_so",
    ),
    Mutation(
        "the best model on varied patterns stands for the worst",
        _FINDINGS,
        "worst = min(varied",
        "worst = max(varied",
        f"{_SAID}::test_data_come_first_only_if_every_interval_says_so",
    ),
    Mutation(
        "a grid that may cost more than there is to see is told as cheap",
        _FINDINGS,
        'high, low = grid.get("high"), signal.get("low")',
        'high, low = grid.get("low"), signal.get("low")',
        f"{_SAID}::test_grid_is_told_where_it_costs_less_than_there_is_to_see",
    ),
    Mutation(
        "what would change a verdict is on its own side",
        _FINDINGS,
        'return f"an interval that reaches down to {smallest}"',
        'return f"an interval that reaches up to {smallest}"',
        f"{_SAID}::test_what_would_change_our_mind",
    ),
    Mutation(
        "bounds along x are taken from y",
        _DATA,
        "along = 0 if container.has_xerr else 1",
        "along = 1",
        f"{_DRAWN}::test_intervals_of_both_directions",
    ),
    Mutation(
        "rows of an image are upside down in its data",
        _DATA,
        "*((bottom, top) if up else (top, bottom))",
        "*((top, bottom) if up else (bottom, top))",
        f"{_DRAWN}::test_bands_bars_and_tiles",
    ),
    Mutation(
        "the shortest stream of a model is drawn",
        _RUNGS,
        "key=lambda run: -length[run[1]]",
        "key=lambda run: length[run[1]]",
        f"{_LINES}::test_of_many_lines_six_are_drawn_and_none_is_chosen_by_its_score",
    ),
    Mutation(
        "the page holds the values for their lower bounds",
        _SCORES,
        'for name in ("value", "low", "high")',
        'for name in ("value", "value", "high")',
        "tests/unit/report/test_html.py::test_page_holds_every_score",
    ),
    Mutation(
        "the story's last score is that of ideal training",
        _STORY,
        "keys = (same, away, *learned[:1])",
        "keys = (same, away, away)",
        f"{_FIGURES}::test_story_has_three_stages_for_each_network",
    ),
    Mutation(
        "controls stand in the transfer matrix",
        _CARRIED,
        "if domain in tested and domain not in controls",
        "if domain in tested",
        f"{_FIGURES}::test_transfer_has_a_row_for_each_training_and_no_controls",
    ),
    Mutation(
        "names may overlap",
        "polarstem/report/figures/looks.py",
        "places[-1] + gap if places else low",
        "places[-1] if places else low",
        f"{_FIGURES}::test_names_stand_apart",
    ),
    Mutation(
        "models at chance have a row each",
        "polarstem/report/figures/experiment.py",
        'above = scores["low"] > chance',
        'above = scores["value"] > chance',
        f"{_FIGURES}::test_models_are_told_from_chance_by_their_interval",
    ),
    Mutation(
        "what stands under the wheel is cut off",
        "polarstem/report/figures/maps.py",
        "height = max(height, _WHEEL + _LINE * count + top)",
        "height = 0.8 * height",
        "tests/unit/report/test_map_figures.py::test_a_map_that_has_much_to_say_is_whole",
    ),
    Mutation(
        "the wheel stands too low for what is under it",
        "polarstem/report/figures/maps.py",
        'axes.set_anchor("N")',
        'axes.set_anchor("S")',
        "tests/unit/report/test_map_figures.py::test_a_map_that_has_much_to_say_is_whole",
    ),
    Mutation(
        "ellipses of 95 % are those of 68 %",
        "resources/report/limit.html.j2",
        """(key, key | replace("_68", "_95"))""",
        """(key, key | replace("_68", "_68"))""",
        "tests/unit/report/test_html.py::test_every_number_of_displacements_is_there_once",
    ),
    Mutation(
        "displacements of a map are linked from nowhere",
        "resources/report/maps.html.j2",
        """{% if "displacement_told" in row.scores %}""",
        """{% if "displacement" in row.scores %}""",
        "tests/unit/report/test_map_figures.py::test_report_shows_the_scores_of_maps",
    ),
]
