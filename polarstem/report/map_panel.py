# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's section on maps of experiments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polarstem.evaluate.map_scores.reality_ladder import PREFIX as LADDER

PREFIX = "maps."
SHOWN = (
    "cell_accuracy",
    "cell_accuracy_answered",
    "answered",
    "confidently_wrong",
    "mean_confidence",
    "wall_found",
    "wall_error_cells",
    "wall_largest_error_cells",
    "wall_error_right_labels_cells",
    "wall_confidently_wrong",
    "wall_error_known_directions_cells",
    "wall_types",
    "defect_auroc",
    "defect_average_precision",
    "sound_flagged",
    "wall_flagged",
    "control_flagged",
    "thickness_error_nm",
    "displacement_rms_pm",
    "displacement_sigma_pm",
    "displacement_angle_deg",
)
"""Scores of the report's table, in its order; the summary holds more."""


def report_panel(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """Collect the scores of the maps for the report.

    Parameters
    ----------
    summary : mapping
        ``summary.json`` of the run: numbers under ``maps.{experiment}.{score}``.

    Returns
    -------
    dict or None
        ``scores`` (meaning of each score of `SHOWN` that some map has), ``rows`` (for each
        experiment its ``name`` and ``scores``) and ``others``, the keys of numbers that belong
        to no single experiment (``maps.{score}``). None if the run maps nothing.
    """
    rows: dict[str, dict[str, Any]] = {}
    meanings: dict[str, str] = {}
    others = []
    for key, entry in summary.items():
        if not key.startswith(PREFIX):
            continue
        if key.startswith(LADDER):  # a section of its own
            continue
        experiment, _, score = key.removeprefix(PREFIX).partition(".")
        if not score:
            others.append(key)
            continue
        rows.setdefault(experiment, {})[score] = entry
        meanings.setdefault(score, str(entry["meaning"]))
    if not rows and not others:
        return None
    return {
        "scores": {score: meanings[score] for score in SHOWN if score in meanings},
        "rows": [{"name": name, "scores": found} for name, found in rows.items()],
        "others": others,
    }
