# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's section on maps of experiments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PREFIX = "maps."


def report_panel(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """Collect the scores of the maps for the report.

    Parameters
    ----------
    summary : mapping
        ``summary.json`` of the run: numbers under ``maps.{experiment}.{score}``.

    Returns
    -------
    dict or None
        ``scores`` (meaning of each score, by its name in the order of the summary), ``rows`` (for
        each experiment its ``name`` and ``scores``) and ``others``, the keys of numbers that belong
        to no single experiment (``maps.{score}``). None if the run maps nothing.
    """
    rows: dict[str, dict[str, Any]] = {}
    scores: dict[str, str] = {}
    others = []
    for key, entry in summary.items():
        if not key.startswith(PREFIX):
            continue
        experiment, _, score = key.removeprefix(PREFIX).partition(".")
        if not score:
            others.append(key)
            continue
        rows.setdefault(experiment, {})[score] = entry
        scores.setdefault(score, str(entry["meaning"]))
    if not rows and not others:
        return None
    return {
        "scores": scores,
        "rows": [{"name": name, "scores": found} for name, found in rows.items()],
        "others": others,
    }
