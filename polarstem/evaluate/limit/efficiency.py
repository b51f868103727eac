# SPDX-License-Identifier: GPL-3.0-or-later
"""Models against the information limit: how much of it they reach, and where they fail."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from polarstem.config.limit import KNOWLEDGE, ideal_domains
from polarstem.evaluate.scores.bootstrap import resampling_weights
from polarstem.evaluate.scores.metrics import FloatArray
from polarstem.evaluate.scores.predictions import DomainPredictions, read_predictions
from polarstem.evaluate.summary.headlines import HEADLINE, Entry, entry, pool_seeds, read_metrics
from polarstem.files import atomic_path, open_netcdf
from polarstem.seeds import derive_seed

Estimate = tuple[float, float, float]
_STRAIGHT = 1 - 1e-6  # a correlation of one has no finite inverse tangent
_KNOWN = {
    "known": "thickness and probe position known",
    "thickness_unknown": "thickness unknown, probe position known",
    "unknown": "thickness and probe position unknown",
}


def compare_with_limit(
    information_nc: Path | str,
    metrics_csv: Path | str,
    prediction_paths: Sequence[Path | str],
    config: Mapping[str, Any],
    output_json: Path | str,
) -> None:
    """Hold every model against the information limit.

    Parameters
    ----------
    information_nc : path
        From `polarstem.evaluate.limit.crystal_information.compute_information`.
    metrics_csv : path
        The table of scores.
    prediction_paths : sequence of path
        Prediction files.
    config : mapping
        The resolved config.
    output_json : path
        Entries of the summary, all under ``learning.limit``; none where there is no limit.
    """
    information = read_information(information_nc)
    entries: dict[str, Entry] = {}
    if information is not None:
        entries |= limit_entries(information, config)
        entries |= _fractions(information, metrics_csv, config)
        entries |= _correlations(information, prediction_paths, config)
    with atomic_path(output_json) as path:
        text = json.dumps(entries, indent=1, ensure_ascii=False, allow_nan=False)
        path.write_text(text + "\n", encoding="utf-8")


def read_information(path: Path | str) -> xr.Dataset | None:
    """Read a file of `compute_information`; None where it holds no limits."""
    with open_netcdf(path, "information") as file:
        data = file.load()
    return data if data.sizes["group"] else None


def limit_entries(information: xr.Dataset, config: Mapping[str, Any]) -> dict[str, Entry]:
    """The limit itself: electrons needed at each thickness, accuracy at the reference thickness."""
    found: dict[str, Entry] = {}
    alike = "for 1 % error against the class most alike, mean over the classes"
    for thickness in information["thickness"].values:
        plane = information["electrons"].sel(thickness=thickness)
        for name in ("min", "median", "max"):
            value = float(getattr(plane, name)())
            meaning = f"Electrons per pattern {alike}, {name} over the cell, {thickness:g} nm"
            found[f"learning.limit.electrons.{thickness:g}.{name}"] = entry(value, "1", meaning)
    found |= _beam_sign(information)
    reference = ideal_domains(config).get(config["evaluate"]["reference_domain"])
    if reference is None:
        return found
    thickness = reference[0]
    classes = information.sizes["true"]
    for dose in information["dose"].values:
        for knowledge in KNOWLEDGE:
            value, low, high, drawn = bayes_accuracy(information, thickness, dose, knowledge)
            meaning = (
                f"Accuracy that no model can exceed on patterns of {dose:g} electrons, "
                f"{thickness:g} nm, {classes} classes, {_KNOWN[knowledge]}: Bayes classifier, "
                "n simulated patterns"
            )
            key = f"learning.limit.accuracy.{thickness:g}.{dose:g}.{knowledge}"
            found[key] = entry(value, "fraction", meaning, low=low, high=high, n=drawn)
    return found


def _beam_sign(information: xr.Dataset) -> dict[str, Entry]:
    """What it takes to see which way a polarization points along the beam."""
    found: dict[str, Entry] = {}
    if "electrons_beam_sign" not in information:
        return found
    pairs = information.sizes["pair"]
    for thickness in information["thickness"].values:
        needed = information["electrons_beam_sign"].sel(thickness=thickness)
        hidden = bool(np.isinf(needed).all())
        for name in ("min", "median", "max"):
            meaning = (
                "Electrons per pattern for 1 % error between the two signs of a polarization's "
                f"component along the beam, {name} over the cell and all pairs of variants, "
                f"{thickness:g} nm, n pairs"
            )
            if hidden:
                meaning += "; none are enough: with planes as slices both have the same patterns"
            key = f"learning.limit.beam_sign_electrons.{thickness:g}.{name}"
            found[key] = entry(float(getattr(needed, name)()), "1", meaning, n=pairs)
    return found


def bayes_accuracy(
    information: xr.Dataset, thickness: float, dose: float, knowledge: str = "known"
) -> tuple[float, float, float, int]:
    """Accuracy of the Bayes classifier over the cell.

    Parameters
    ----------
    information : Dataset
        From `read_information`.
    thickness, dose : float
        One of each that the limit was computed for [nm, electrons per pattern].
    knowledge : str
        One of `KNOWLEDGE`.

    Returns
    -------
    value, low, high : float
        Share of right guesses, and plus and minus two standard errors of its simulation.
    drawn : int
        Simulated patterns; 0 where a bound left no doubt.
    """
    here = information.sel(thickness=thickness, dose=dose)
    value = float(here["accuracy"].sel(knowledge=knowledge).mean())
    drawn = int(here["drawn"])
    error = 2 * np.sqrt(value * (1 - value) / drawn) if drawn else 0.0
    return value, max(0.0, value - error), min(1.0, value + error), drawn


def position_correlation(
    electrons: FloatArray, part: DomainPredictions, resamples: int, confidence: float, seed: int
) -> Estimate:
    """Rank correlation over the cell between the electrons needed and a model's errors.

    Spearman's, with average ranks for ties; positive if the model fails where patterns hold little
    information. The few patterns of each position draw it towards zero, and a resample, which
    repeats some, draws it further. So the interval is centred on the value: the resampling of
    specimens gives the standard error of its inverse hyperbolic tangent (R. A. Fisher, Metron 1, 3
    (1921)).

    Parameters
    ----------
    electrons : ndarray, shape (bins, bins)
        Electrons for 1 % error, rows along cell_y.
    part : DomainPredictions
        Predictions of one model on one data domain.
    resamples : int
        Bootstrap resamples over specimens.
    confidence : float
        Level of the interval.
    seed : int
        Seed of the resampling.

    Returns
    -------
    value, low, high : float
        NaN where the model makes no errors, or as many everywhere; no interval for a single
        specimen.
    """
    wrong, count, classes = _position_errors(part, len(electrons))
    visited = count.sum(0) > 0
    needed = rankdata(electrons.ravel()[visited])

    def correlation(weights: FloatArray) -> FloatArray:
        errors, patterns = weights @ wrong[:, visited], weights @ count[:, visited]
        # a position whose specimens are all left out of a resample counts as an average one
        mean = (errors.sum(1) / patterns.sum(1))[:, None]
        rate = np.where(patterns > 0, errors / np.maximum(patterns, 1e-9), mean)
        ranks = rankdata(rate.round(9), axis=1)
        return _pearson(ranks, needed)

    value = float(correlation(np.ones((1, len(wrong))))[0])
    if len(wrong) < 2 or np.isnan(value):
        return value, np.nan, np.nan
    weights = resampling_weights(classes, resamples, np.random.default_rng(seed))
    draws = _fisher(correlation(weights))
    reach = norm.ppf((1 + confidence) / 2) * np.nanstd(draws)
    low, high = np.tanh(_fisher(np.array(value)) + np.array([-reach, reach]))
    return value, float(low), float(high)


def _fisher(correlation: FloatArray) -> FloatArray:
    return np.arctanh(np.clip(correlation, -_STRAIGHT, _STRAIGHT))


def _position_errors(
    part: DomainPredictions, bins: int
) -> tuple[FloatArray, FloatArray, NDArray[np.int64]]:
    """Wrong and all patterns of each specimen in each bin, (specimen, bin), and its class."""
    row, column = (
        np.minimum((cell % 1.0 * bins).astype(int), bins - 1) for cell in (part.cell_y, part.cell_x)
    )
    where = (part.specimen, row * bins + column)
    wrong, count = np.zeros((2, len(part.specimen_names), bins**2))
    np.add.at(count, where, 1)
    np.add.at(wrong, where, part.predicted != part.class_index)
    return wrong, count, part.class_index[np.unique(part.specimen, return_index=True)[1]]


def _pearson(rows: FloatArray, other: FloatArray) -> FloatArray:
    """Correlation of each row with one vector; NaN for constant rows."""
    rows = rows - rows.mean(1, keepdims=True)
    other = other - other.mean()
    scale = np.sqrt((rows**2).sum(1) * (other**2).sum())
    return np.divide(rows @ other, scale, out=np.full(len(rows), np.nan), where=scale > 0)


def _fractions(
    information: xr.Dataset, metrics_csv: Path | str, config: Mapping[str, Any]
) -> dict[str, Entry]:
    """Accuracy of every model on counted patterns, divided by the Bayes classifier's."""
    table = pool_seeds(read_metrics(metrics_csv), float(config["evaluate"]["confidence"]))
    table = table[table["metric"] == HEADLINE]
    found: dict[str, Entry] = {}
    for domain, (thickness, dose) in covered_domains(information, config).items():
        if dose is None:
            continue
        limit, low, high, _ = bayes_accuracy(information, thickness, dose)
        for row in table[table["domain"] == domain].to_dict("records"):
            # the limit's own uncertainty joins the model's
            value = row["value"] / limit
            below = np.hypot(row["value"] - row["low"], value * (high - limit)) / limit
            above = np.hypot(row["high"] - row["value"], value * (limit - low)) / limit
            meaning = (
                f"Balanced accuracy of {row['model']} trained on {row['source']}, tested on data "
                f"domain {domain} ({thickness:g} nm, {dose:g} electrons per pattern), divided by "
                f"that of the Bayes classifier with {_KNOWN['known']} ({limit:.3f})"
            )
            key = f"learning.limit.fraction.{domain}.{row['model']}.{row['source']}"
            low_high = {"low": max(0.0, value - below), "high": value + above}
            found[key] = entry(value, "fraction", meaning, **low_high, n=row["n"])
    return found


def _correlations(
    information: xr.Dataset, prediction_paths: Sequence[Path | str], config: Mapping[str, Any]
) -> dict[str, Entry]:
    """Correlation of every model's errors over the cell with the electrons needed there."""
    domains = covered_domains(information, config)
    resamples, confidence = (config["evaluate"][key] for key in ("bootstrap", "confidence"))
    estimates: dict[tuple[str, str, str], list[Estimate]] = defaultdict(list)
    specimens: dict[str, int] = {}
    for path in prediction_paths:
        for part in read_predictions(path):
            if part.domain in domains:
                electrons = information["electrons"].sel(thickness=domains[part.domain][0]).values
                seed = derive_seed(config["seed"], "bootstrap", part.domain)
                estimate = position_correlation(electrons, part, resamples, confidence, seed)
                estimates[part.domain, part.run["model"], part.run["source"]].append(estimate)
                specimens[part.domain] = len(part.specimen_names)
    found: dict[str, Entry] = {}
    for (domain, model, source), values in estimates.items():
        value, low, high = np.mean(values, axis=0)
        seeds = f"; mean of {len(values)} training seeds" if len(values) > 1 else ""
        meaning = (
            "Spearman correlation over the unit cell between the electrons needed for 1 % error "
            f"and the errors of {model} trained on {source}, tested on data domain {domain}; "
            f"interval over specimens{seeds}"
        )
        key = f"learning.limit.position_correlation.{domain}.{model}.{source}"
        found[key] = entry(value, "1", meaning, low=low, high=high, n=specimens[domain])
    return found


def covered_domains(
    information: xr.Dataset, config: Mapping[str, Any]
) -> dict[str, tuple[float, float | None]]:
    """Data domains whose thickness and dose the limit was computed for."""
    thicknesses, doses = information["thickness"].values, information["dose"].values
    return {
        name: (thickness, dose)
        for name, (thickness, dose) in ideal_domains(config).items()
        if thickness in thicknesses and (dose is None or dose in doses)
    }
