# SPDX-License-Identifier: GPL-3.0-or-later
"""Data sets measured on matrices, what is drawn of them, and how they are summed up."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_MEASURED = "polarstem/data/measured.py"
_STREAM = "tests/unit/data/test_stream.py"
_RUNGS = f"{_STREAM}::test_rungs_are_measured_under_their_own_conditions"
_NOWHERE = f"{_STREAM}::test_light_from_nowhere_stops_a_data_set"
_EXAMPLES = "polarstem/report/figures/examples.py"
_FIRST = "tests/unit/report/test_examples_figure.py::test_first_specimens_at_the_thicknesses_of"
_FIRST += "_the_files"
_COSTS = "polarstem/evaluate/summary/scores_and_costs.py"
_TABLE = "tests/unit/evaluate/test_table_summary.py"

MUTATIONS = [
    Mutation(
        "a specimen is measured as the crystal that it is a turn of",
        _MEASURED,
        "drawn.optics, dose, noise, turn, drawn.camera",
        "drawn.optics, dose, noise, ((1, 0), (0, 1)), drawn.camera",
        _RUNGS,
    ),
    Mutation(
        "nothing can be trained on what matrices measure",
        "polarstem/config/jobs.py",
        'if section.conditions is not None and plan.split != "test":',
        'if plan.split != "test":',
        _RUNGS,
    ),
    Mutation(
        "the detector is not held against the beam",
        _MEASURED,
        "None if counted else images.sum(axis=(-1, -2), dtype=np.float64)",
        "None",
        _NOWHERE,
    ),
    Mutation(
        "counted patterns are not held against the beam",
        _MEASURED,
        "        check_beam(total, ",
        "        counted or check_beam(total, ",
        _NOWHERE,
    ),
    Mutation(
        "a fifth more than the beam passes",
        "polarstem/simulate/microscope/camera.py",
        "total.max() > 1 + _ROUNDING",
        "total.max() > 1.2 + _ROUNDING",
        _NOWHERE,
    ),
    Mutation(
        "the last specimen of a class is drawn",
        _EXAMPLES,
        "specimen[class_index == index].min()",
        "specimen[class_index == index].max()",
        _FIRST,
    ),
    Mutation(
        "positions are not nearer across the edge of the cell",
        _EXAMPLES,
        "PROBE + 0.5) % 1.0 - 0.5)",
        "PROBE))",
        _FIRST,
    ),
    Mutation(
        "thicknesses stand as single precision has them",
        _EXAMPLES,
        ".astype(float).round(4)",
        ".astype(float)",
        _FIRST,
    ),
    Mutation(
        "controls are among what the recommended model is worth",
        _COSTS,
        '    rows = rows[~rows["domain"].isin(evaluate.get("controls") or ())]\n',
        "",
        f"{_TABLE}::test_the_recommended_model_on_every_domain_but_controls",
    ),
    Mutation(
        "an interval may have one end",
        "polarstem/evaluate/summary/entries.py",
        "if low is None or high is None:",
        "if low is None and high is None:",
        f"{_TABLE}::test_an_interval_has_two_ends_or_none",
    ),
    Mutation(
        "parts of a config stand alone",
        "polarstem/config/check.py",
        "return check(data if is_whole(data) else laid_over(read_standard(), data))",
        "return check(data)",
        "tests/unit/core/test_config.py::"
        "test_load_lays_files_over_each_other_and_parts_over_the_standard",
    ),
]
