# SPDX-License-Identifier: GPL-3.0-or-later
"""Every score of a run, as the report's script reads it."""

from __future__ import annotations

from typing import Any

import pandas as pd
from markupsafe import Markup

from polarstem.evaluate.scores.metrics import METRICS
from polarstem.report.embedding import script_data

DIGITS = 6
"""Significant ones of what the page holds; ``metrics.csv`` has all."""


def score_data(table: pd.DataFrame) -> Markup:
    """Pack the scores for the page.

    Parameters
    ----------
    table : DataFrame
        Rows of `polarstem.evaluate.summary.headlines.pool_seeds`.

    Returns
    -------
    Markup
        JSON: ``metrics``, name to unit and meaning, and ``rows``, each with model, source, data
        domain, n and, for each metric, value, low and high or null.
    """
    metrics = list(dict.fromkeys(table["metric"]))
    rows: dict[tuple[str, str, str], list[Any]] = {}
    for record in table.astype(object).where(table.notna(), None).to_dict("records"):
        key = (record["model"], record["source"], record["domain"])
        row = rows.setdefault(key, [*key, record["n"], *[None] * len(metrics)])
        if record["value"] is not None:
            numbers = [_short(record[name]) for name in ("value", "low", "high")]
            row[4 + metrics.index(record["metric"])] = numbers
    about = {name: [METRICS[name].unit, METRICS[name].meaning] for name in metrics}
    return script_data({"metrics": about, "rows": list(rows.values())})


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")
