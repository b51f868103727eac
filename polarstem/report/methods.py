# SPDX-License-Identifier: GPL-3.0-or-later
"""How models were trained, and under what conditions: rows for the report's tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polarstem.config.model import Config
from polarstem.evaluate.scores.rungs import streams
from polarstem.evaluate.scores.tested_domains import condition_ranges, thicknesses_in_words
from polarstem.models import model_class

TRAINING = {
    "learning_rate": "learning rate",
    "schedule": "schedule",
    "batch_size": "batch",
    "max_epochs": "epochs at most",
    "max_steps": "steps at most",
    "patience": "patience [epochs]",
    "weight_decay": "weight decay",
}
"""Settings of a network's training, and what the table calls them."""


def training_rows(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Settings of every network's training; those that are trained alike share a row.

    Parameters
    ----------
    config : mapping
        The resolved config.

    Returns
    -------
    list of dict
        ``networks``, which ones on which sources, and the keys of `TRAINING`.
    """
    checked = Config.model_validate(config)
    alike: dict[tuple[Any, ...], dict[str, list[str]]] = {}
    for run in config["train"]["runs"]:
        for model in run["models"]:
            if not model_class(config["models"][model]["family"]).is_network:
                continue
            for source in run["sources"]:
                settings = checked.training_of(model, source).model_dump(mode="json")
                key = tuple(settings[name] for name in TRAINING)
                sources = alike.setdefault(key, {}).setdefault(model, [])
                if source not in sources:
                    sources.append(source)
    return [
        {"networks": "; ".join(f"{m} on {', '.join(s)}" for m, s in networks.items())}
        | dict(zip(TRAINING, key, strict=True))
        for key, networks in alike.items()
    ]


def condition_rows(config: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Ranges of every condition, of the experiment and of the streams.

    Parameters
    ----------
    config : mapping
        The resolved config.

    Returns
    -------
    columns : list of str
        The experiment's data domain, if there is one, and the streams of each kind.
    rows : list of (str, list of str)
        What varies, and its range in each column; "–" where it does not.
    """
    found: dict[str, dict[str, str]] = {}
    experiment = config["evaluate"].get("experiment")
    if experiment is not None:
        domain = config["domains"][experiment]
        drawn = domain.get("conditions") or config["specimens"][domain["specimens"]].get(
            "conditions"
        )
        found[experiment] = {"thickness": thicknesses_in_words(config, experiment)}
        found[experiment] |= condition_ranges(drawn or {})
    for name in streams(config):
        source = config["train"]["sources"][name]
        ranges = {"thickness": _thicknesses(config, source["specimens"])}
        ranges |= condition_ranges(source.get("conditions") or {})
        twin = next((other for other, known in found.items() if known == ranges), None)
        if twin is None or twin == experiment:
            found[name] = ranges
        else:
            found[f"{twin}, {name}"] = found.pop(twin)
    names = list(dict.fromkeys(name for ranges in found.values() for name in ranges))
    rows = [
        (name or "dose", [ranges.get(name, "–") for ranges in found.values()]) for name in names
    ]
    return list(found), rows


def _thicknesses(config: Mapping[str, Any], specimen_sets: list[str]) -> str:
    """Least and largest thickness of some sets of specimens."""
    ends: list[float] = []
    for name in specimen_sets:
        given = config["specimens"][name]["thicknesses_nm"]
        ends += given["between"] if isinstance(given, Mapping) else given
    return f"{min(ends):g} to {max(ends):g} nm"
