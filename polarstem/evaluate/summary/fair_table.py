# SPDX-License-Identifier: GPL-3.0-or-later
"""Data or architecture: the same models on ideal patterns and on the recommended stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from polarstem.evaluate.scores.tested_domains import describe_domain
from polarstem.evaluate.summary.entries import HEADLINE, Entry, meaning_of, scored

KEY = "learning.fair."
IDEAL, VARIED = "ideal", "varied"
_KIND = ("specimens", "conditions")


def fair_sources(config: Mapping[str, Any]) -> dict[str, str]:
    """Training sources to compare, by column.

    Parameters
    ----------
    config : mapping
        The resolved config.

    Returns
    -------
    dict of str to str
        ``ideal``, the reference source; each stream of the recommended one's specimens and
        conditions but of another length, under its own name; ``varied``, the recommended one.
        Empty where the run has no experiment, recommends nothing, or recommends ideal patterns.
    """
    evaluate, sources = config["evaluate"], config["train"]["sources"]
    recommended = evaluate.get("recommended")
    if evaluate.get("experiment") is None or recommended is None:
        return {}
    ideal, varied = evaluate["reference_source"], recommended["source"]
    if ideal == varied:
        return {}
    taken = {ideal, varied, IDEAL, VARIED}
    other = {
        name: name
        for name in sources
        if name not in taken and _kind(sources[name]) == _kind(sources[varied])
    }
    return {IDEAL: ideal, **other, VARIED: varied}


def _kind(source: Any) -> Any:
    """What sources share that differ in their length alone; domains of fixed ones."""
    return [source.get(key) for key in _KIND] if isinstance(source, Mapping) else source


def fair_entries(pooled: pd.DataFrame, config: Mapping[str, Any]) -> dict[str, Entry]:
    """What data and what architecture is worth on the experiment.

    Down a column of the table differ architectures, along a row the data.

    Parameters
    ----------
    pooled : DataFrame
        Rows of `polarstem.evaluate.summary.headlines.pool_seeds`.
    config : mapping
        The resolved config.

    Returns
    -------
    dict of str to Entry
        ``learning.fair.{model}.{column}``, columns as in `fair_sources`: balanced accuracy per
        pattern on the experiment, of every model that was trained on ideal patterns and on some
        stream of the comparison.
    """
    columns = fair_sources(config)
    if not columns:
        return {}
    domain = config["evaluate"]["experiment"]
    rows = pooled[(pooled["domain"] == domain) & (pooled["metric"] == HEADLINE)]
    rows = rows[rows["model"].isin(list(config["models"]))]
    by_run = {(row["model"], row["source"]): row for row in rows.to_dict("records")}
    described = {domain: describe_domain(config, domain)}
    entries: dict[str, Entry] = {}
    for model in dict.fromkeys(rows["model"]):
        found = {c: by_run[model, s] for c, s in columns.items() if (model, s) in by_run}
        if IDEAL in found and len(found) > 1:
            entries |= {
                f"{KEY}{model}.{column}": scored(row, meaning_of(row, described))
                for column, row in found.items()
            }
    return entries


def fair_rows(summary: Mapping[str, Entry], config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Lines of the table, for the report.

    Parameters
    ----------
    summary : mapping
        The summary, which holds what `fair_entries` gives.
    config : mapping
        The resolved config.

    Returns
    -------
    list of dict
        For every model its name and, by column, the key of its score; best on a stream first.
    """
    columns = fair_sources(config)
    rows = []
    for model in config["models"]:
        keys = {c: f"{KEY}{model}.{c}" for c in columns if f"{KEY}{model}.{c}" in summary}
        if keys:
            rows.append({"model": model, "keys": keys})

    def best(row: Mapping[str, Any]) -> float:
        scores = [summary[key]["value"] for c, key in row["keys"].items() if c != IDEAL]
        return max((s for s in scores if s is not None), default=0.0)

    return sorted(rows, key=best, reverse=True)
