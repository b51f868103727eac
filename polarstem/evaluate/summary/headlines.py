# SPDX-License-Identifier: GPL-3.0-or-later
"""The headline numbers, each under a stable key with its meaning."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from polarstem.errors import PolarstemError
from polarstem.evaluate.scores.metrics import SCAN_METRICS, TABLE_METRICS
from polarstem.evaluate.scores.tested_domains import Reference, describe_domain, reference_of
from polarstem.evaluate.summary.entries import HEADLINE, Entry, entry, meaning_of, scored
from polarstem.evaluate.summary.scores_and_costs import HISTORY, leakage_entry, learning_entries
from polarstem.evaluate.summary.stage_use import stage_use
from polarstem.files import atomic_path, open_netcdf
from polarstem.models import model_class


def summarise_results(
    metrics_csv: Path | str,
    confusion_nc: Path | str,
    config: Mapping[str, Any],
    benchmarks_dir: Path | str,
    output_json: Path | str,
    *,
    model_dirs: Sequence[Path | str] = (),
    limit_json: Path | str | None = None,
    claims_json: Path | str | None = None,
    accuracy_json: Path | str | None = None,
    manifest_json: Path | str | None = None,
    maps_json: Path | str | None = None,
    displacements_json: Path | str | None = None,
) -> None:
    """Write the headline numbers that the report is drawn from.

    Parameters
    ----------
    metrics_csv, confusion_nc : path
        The tables of `polarstem.evaluate.scores.tables.compute_metrics`.
    config : mapping
        The resolved config.
    benchmarks_dir : path
        Snakemake's benchmark files, ``{rule}.jsonl`` and ``{rule}/**/*.jsonl``.
    output_json : path
        ``{key: {value, low, high, n, unit, meaning}}``.
    model_dirs : sequence of path
        Saved models, ``{model}/{source}/{seed}``; the best network is chosen by the validation
        accuracy in their history.csv. Without one, the choice uses the test set, and the meaning
        says so.
    limit_json, claims_json, accuracy_json, maps_json : path, optional
        Entries of `polarstem.evaluate.limit.efficiency.compare_with_limit`,
        `polarstem.evaluate.claims.answers.answer_claims`,
        `polarstem.evaluate.summary.simulation_accuracy.measure_accuracy` and
        `polarstem.evaluate.map_scores.over_experiments.summarise_maps`, taken over as they are.
    displacements_json : path, optional
        From `polarstem.evaluate.scores.vector_scores.score_vectors`: its scores.
    manifest_json : path, optional
        From `polarstem.data.leakage.check_leakage`.

    Notes
    -----
    With several training seeds, `value` is their mean. Its interval holds the spread between
    crystals, which does not shrink with the number of seeds because they share the crystals, and
    that between seeds.
    """
    table = read_metrics(metrics_csv)
    pooled = pool_seeds(table)
    reference = reference_of(config)
    scores = _scores(pooled, config, reference)
    trained = pooled[pooled["model"].isin(list(config["models"]))]
    best, basis = _best_network(trained, reference, model_dirs)
    headlines = {} if best is None else _best_entries(scores, reference, best, basis)
    learning = learning_entries(pooled, config, model_dirs)
    stages = _stages(benchmarks_dir, config)
    summary = {**headlines, **scores, **learning, **_sizes(confusion_nc), **stages}
    for more in (limit_json, claims_json, accuracy_json, maps_json):
        if more is not None:
            summary |= json.loads(Path(more).read_text(encoding="utf-8"))
    if displacements_json is not None:
        summary |= json.loads(Path(displacements_json).read_text(encoding="utf-8"))["scores"]
    if manifest_json is not None:
        manifest = json.loads(Path(manifest_json).read_text(encoding="utf-8"))
        summary["learning.leakage.nearest"] = leakage_entry(manifest["nearest_training_crystal"])
    with atomic_path(output_json) as path:
        text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
        path.write_text(text + "\n", encoding="utf-8")


def read_metrics(path: Path | str) -> pd.DataFrame:
    """Read the table of scores, names as text."""
    names = ("model", "family", "head", "source", "domain", "metric")
    try:
        return pd.read_csv(path, dtype=dict.fromkeys(names, str), keep_default_na=True)
    except (OSError, ValueError) as error:
        raise PolarstemError(
            f"The table of scores {path} cannot be read ({error}); delete it and run the same "
            "command again."
        ) from error


def pool_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """Average the training seeds of each model, source, data domain and metric.

    Parameters
    ----------
    table : DataFrame
        Rows of `read_metrics`.

    Returns
    -------
    DataFrame
        One row per (model, source, domain, metric), in order of appearance, with family, head,
        value, low, high, n and seeds (their number). Intervals as in `summarise_results`.
    """
    keys = ["model", "family", "head", "source", "domain", "metric"]
    groups = table.groupby(keys, sort=False, dropna=False)
    pooled = groups.agg(
        value=("value", "mean"),
        low=("mean_low", "min"),
        high=("mean_high", "max"),
        n=("n", "min"),
        seeds=("value", "size"),
    )
    return pooled.reset_index()


def _scores(pooled: pd.DataFrame, config: Mapping[str, Any], reference: Reference) -> dict:
    domains = list(dict.fromkeys(pooled["domain"]))
    described = {domain: describe_domain(config, domain) for domain in domains}
    thickness = {domain: f"{nm:g}" for nm, domain in reference.other.items()}
    summary: dict[str, Entry] = {}
    names = ("same", "other", "domain", "transfer", "sets")
    groups: dict[str, dict[str, Entry]] = {name: {} for name in names}
    for row in pooled.to_dict("records"):
        model, source, domain, metric = (row[k] for k in ("model", "source", "domain", "metric"))
        told = {*TABLE_METRICS, *SCAN_METRICS}
        if metric not in told or config["domains"][domain].get("factor"):
            continue
        text = meaning_of(row, described)
        if metric in SCAN_METRICS:
            groups["sets"][f"{metric}.{source}.{domain}.{model}"] = scored(row, text)
            continue
        if metric == HEADLINE:
            groups["transfer"][f"transfer.{source}.{domain}.{model}"] = scored(row, text)
        if source != reference.source:
            continue
        if metric != HEADLINE:
            groups["domain"][f"{metric}.{domain}.{model}"] = scored(row, text)
            continue
        groups["domain"][f"domain.{domain}.{model}"] = scored(row, text)
        if domain == reference.domain:
            same = f"{text}: the condition it was trained on, other specimens"
            groups["same"][f"same_thickness.{model}"] = scored(row, same)
        elif domain in thickness:
            other = f"{text}: a thickness it was not trained on"
            key = f"other_thickness.{thickness[domain]}.{model}"
            groups["other"][key] = scored(row, other)
    for group in groups.values():
        summary |= group
    return summary


def _best_network(
    pooled: pd.DataFrame, reference: Reference, model_dirs: Sequence[Path | str]
) -> tuple[str | None, str]:
    """Name the best network on the reference source, and how it was chosen."""
    networks = [name for name in pooled["family"].unique() if model_class(name).is_network]
    here = pooled[
        (pooled["source"] == reference.source)
        & (pooled["domain"] == reference.domain)
        & (pooled["metric"] == HEADLINE)
        & pooled["family"].isin(networks)
    ]
    # models alone: what else has rows was made of them without a validation of its own
    trained = {Path(folder).parts[-3] for folder in model_dirs}
    here = here[here["model"].isin(trained)] if trained else here
    if here.empty:
        return None, ""
    tested = dict(zip(here["model"], here["value"], strict=True))
    validated = validation_accuracy(model_dirs, reference.source)
    if set(tested) <= set(validated):
        best = max(tested, key=lambda model: validated[model])
        return best, "chosen by validation accuracy, without the test set"
    best = max(tested, key=lambda model: tested[model])
    return best, "chosen on this very test set, so slightly optimistic"


def validation_accuracy(model_dirs: Sequence[Path | str], source: str) -> dict[str, float]:
    """Mean validation accuracy of the kept weights over seeds, by model.

    Training keeps the weights of the lowest validation loss; models without a history have no
    validation accuracy and are left out.
    """
    found: dict[str, list[float]] = {}
    for folder in map(Path, model_dirs):
        model, trained_on, _ = folder.parts[-3:]
        history = folder / HISTORY
        if trained_on == source and history.is_file():
            epochs = pd.read_csv(history)
            kept = epochs["validation_loss"].idxmin()
            found.setdefault(model, []).append(float(epochs["validation_accuracy"][kept]))
    return {model: float(np.mean(values)) for model, values in found.items()}


def _best_entries(
    summary: Mapping[str, Entry], reference: Reference, best: str, basis: str
) -> dict[str, Entry]:
    prefixes = ["same_thickness", *(f"other_thickness.{nm:g}" for nm in reference.other)]
    return {
        f"{prefix}.best": {
            **summary[f"{prefix}.{best}"],
            "meaning": f"{summary[f'{prefix}.{best}']['meaning']}; the best network, {basis}",
            "model": best,
        }
        for prefix in prefixes
        if f"{prefix}.{best}" in summary
    }


def _sizes(confusion_nc: Path | str) -> dict[str, Entry]:
    with open_netcdf(confusion_nc, "confusion") as file:
        classes = file.sizes["true"]
        patterns = _test_patterns(file)
    summary = {
        "classes": entry(classes, "1", "Number of polarization classes"),
        "chance": entry(1 / classes, "fraction", "Balanced accuracy of random guesses"),
    }
    for domain, count in patterns.items():
        meaning = f"Test patterns of data domain {domain}"
        summary[f"test_patterns.{domain}"] = entry(count, "1", meaning)
    return summary


def _test_patterns(file: xr.Dataset) -> dict[str, int]:
    totals = file["confusion"].sum(("true", "predicted")).values
    return {str(d): int(n) for d, n in zip(file["domain"].values, totals, strict=True)}


def _stages(benchmarks_dir: Path | str, config: Mapping[str, Any]) -> dict[str, Entry]:
    summary = {}
    stages = stage_use(benchmarks_dir, config)
    for rule, use in stages.items():
        key, jobs = f"stages.{rule}", f"{use.jobs} job{'s' if use.jobs != 1 else ''}"
        seconds = f"Wall-clock time of rule {rule}, added up over {jobs}"
        summary[f"{key}.seconds"] = entry(use.seconds, "s", seconds)
        if use.max_rss_mb is not None:
            memory = f"Largest resident memory of any of the {jobs} of rule {rule}"
            summary[f"{key}.max_rss_mb"] = entry(use.max_rss_mb, "MB", memory)
        summary[f"{key}.jobs"] = entry(use.jobs, "1", f"Jobs of rule {rule}")
    if stages:
        total = sum(use.seconds for use in stages.values())
        meaning = "Wall-clock time of all jobs before this summary, added up (they run in parallel)"
        summary["stages_total.seconds"] = entry(total, "s", meaning)
    return summary
