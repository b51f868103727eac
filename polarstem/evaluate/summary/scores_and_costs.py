# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers of the summary on how far models carry, and what they cost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from polarstem.evaluate.scores.metrics import METRICS
from polarstem.evaluate.scores.tested_domains import describe_domain
from polarstem.evaluate.summary.entries import HEADLINE, Entry, entry, meaning_of, scored
from polarstem.evaluate.summary.fair_table import fair_entries
from polarstem.models.saved import MODEL_FILE

HISTORY = "history.csv"
RUNG_METRICS = (HEADLINE, "ece", "flip_rate_at_80", "cell_accuracy")
"""What the summary holds of a rung of the ladder; the table of scores holds all."""


def learning_entries(
    pooled: pd.DataFrame, config: Mapping[str, Any], model_dirs: Sequence[Path | str]
) -> dict[str, Entry]:
    """Scores on the reference, the ladder, the experiment and the controls, and costs.

    Parameters
    ----------
    pooled : DataFrame
        Rows of `polarstem.evaluate.summary.headlines.pool_seeds`.
    config : mapping
        The resolved config.
    model_dirs : sequence of path
        Saved models, ``{model}/{source}/{seed}``.

    Returns
    -------
    dict of str to Entry
        ``learning.{domain}.{metric}.{model}.{source}``, those of `fair_entries` and of
        `recommended_entries`, and under ``learning.cost.`` the keys ``seconds.{model}.{source}``
        and ``patterns.{model}.{source}``.
    """
    evaluate = config["evaluate"]
    whole = {evaluate["reference_domain"], evaluate.get("experiment")}
    whole.update(evaluate.get("controls") or ())
    wanted = {
        name: tuple(METRICS) if name in whole else RUNG_METRICS
        for name, domain in config["domains"].items()
        if name in whole or domain.get("factor")
    }
    rows = pooled[pooled["domain"].isin(list(wanted))]
    described = {domain: describe_domain(config, domain) for domain in rows["domain"].unique()}
    scores = {
        ".".join(("learning", *(row[k] for k in ("domain", "metric", "model", "source")))): scored(
            row, meaning_of(row, described)
        )
        for row in rows.to_dict("records")
        if row["metric"] in wanted[row["domain"]]
    }
    compared = fair_entries(pooled, config) | recommended_entries(pooled, config)
    return scores | compared | _costs(model_dirs)


def recommended_entries(pooled: pd.DataFrame, config: Mapping[str, Any]) -> dict[str, Entry]:
    """Accuracy per cell of the recommended model on every tested domain but the controls.

    Keys ``learning.recommended.{domain}``.
    """
    evaluate = config["evaluate"]
    best = evaluate.get("recommended")
    if best is None:
        return {}
    rows = pooled[(pooled["model"] == best["model"]) & (pooled["source"] == best["source"])]
    rows = rows[(rows["metric"] == "cell_accuracy") & rows["domain"].isin(evaluate["domains"])]
    rows = rows[~rows["domain"].isin(evaluate.get("controls") or ())]
    described = {domain: describe_domain(config, domain) for domain in rows["domain"]}
    return {
        f"learning.recommended.{row['domain']}": scored(row, meaning_of(row, described))
        for row in rows.to_dict("records")
    }


def leakage_entry(found: Mapping[str, Any]) -> Entry:
    """The number of ``learning.leakage.nearest``.

    Parameters
    ----------
    found : mapping
        From `polarstem.data.separation.nearest_training_crystals`.
    """
    if found["value"] is None:
        meaning = "No test crystal is of a kind that training crystals could be near to"
        return entry(np.nan, found["unit"], meaning, n=0)
    return entry(
        found["value"],
        found["unit"],
        "Smallest distance of a test crystal from a training crystal, in noiseless patterns of "
        f"one class at {found['thickness_nm']:g} nm and the same {found['positions']} probe "
        f"positions: {found['test']} from {found['training']}. Below {found['least']:g} the run "
        "stops",
        n=found["n"],
    )


def _costs(model_dirs: Sequence[Path | str]) -> dict[str, Entry]:
    """Time and patterns of each model and source, mean over its seeds."""
    spent: dict[str, dict[str, list[float]]] = {}
    for folder in map(Path, model_dirs):
        if (folder / MODEL_FILE).is_file():
            info = json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))
            run = spent.setdefault(".".join(folder.parts[-3:-1]), {"seconds": [], "patterns": []})
            run["seconds"].append(info["training_seconds"])
            run["patterns"].append(patterns_seen(folder))
    entries = {}
    for name, found in spent.items():
        of = "training {} on {}".format(*name.split("."))
        if len(found["seconds"]) > 1:
            of += f"; mean of {len(found['seconds'])} training seeds"
        for kind, unit, meaning in (
            ("seconds", "s", "Wall-clock time of"),
            ("patterns", "1", "Patterns, counted each time they were used, in"),
        ):
            value = float(np.mean(found[kind]))
            entries[f"learning.cost.{kind}.{name}"] = entry(value, unit, f"{meaning} {of}")
    return entries


def patterns_seen(folder: Path) -> int:
    """Distinct patterns that a saved model was trained on, times how often each was used."""
    info = json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))
    history = folder / HISTORY
    uses = info.get("stream", {}).get("uses_of_each")
    if uses is None:
        uses = len(pd.read_csv(history)) if history.is_file() else 1
    return int(uses * info["training_patterns"])
