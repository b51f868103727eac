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

from polarstem.config.independence import independent_crystals
from polarstem.config.limit import KNOWLEDGE, ideal_domains
from polarstem.config.model import Config
from polarstem.evaluate.limit.vector_bound import bound_entries
from polarstem.evaluate.scores.errors_over_cell import error_maps, error_rates, rank_correlation
from polarstem.evaluate.scores.jackknife import Replicates, crystals_of_part, leave_one_out
from polarstem.evaluate.scores.metrics import FloatArray
from polarstem.evaluate.scores.predictions import (
    DomainPredictions,
    classes_of_specimens,
    read_predictions,
)
from polarstem.evaluate.scores.sample import Sample, over_seeds
from polarstem.evaluate.summary.headlines import HEADLINE, Entry, entry, pool_seeds, read_metrics
from polarstem.files import atomic_path, open_netcdf

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
    vector_bound_nc: Path | str | None = None,
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
        Entries of the summary under ``learning.limit``; none where there is no limit.
    vector_bound_nc : path, optional
        From `polarstem.evaluate.limit.displacement_limit.compute_vector_bound`: its entries, under
        ``vector``, stand with the others.
    """
    information = read_information(information_nc)
    entries: dict[str, Entry] = {}
    if information is not None:
        entries |= limit_entries(information, config)
        entries |= _fractions(information, metrics_csv, config)
        entries |= _correlations(information, prediction_paths, config)
    if vector_bound_nc is not None:
        entries |= bound_entries(vector_bound_nc)
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
    electrons: FloatArray, part: DomainPredictions, weights: FloatArray
) -> FloatArray:
    """Rank correlation over the cell between the electrons needed and a model's errors.

    Spearman's; positive if the model fails where patterns hold little information. The few
    patterns of each position draw it towards zero.

    Parameters
    ----------
    electrons : ndarray, shape (bins, bins)
        Electrons for 1 % error, rows along cell_y.
    part : DomainPredictions
        Predictions of one model on one data domain.
    weights : ndarray, shape (rows, specimens)
        How much each specimen counts.

    Returns
    -------
    ndarray, shape (rows,)
        NaN where the model makes no errors, or as many everywhere.
    """
    wrong, count = error_maps(part, len(electrons))
    visited = count.sum(0) > 0
    rates = error_rates((wrong[:, visited], count[:, visited]), weights)
    return rank_correlation(rates, electrons.ravel()[visited])


def _fractions(
    information: xr.Dataset, metrics_csv: Path | str, config: Mapping[str, Any]
) -> dict[str, Entry]:
    """Accuracy of every model on counted patterns, divided by the Bayes classifier's."""
    table = pool_seeds(read_metrics(metrics_csv))
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
            low_high = {"low": np.maximum(0.0, value - below), "high": value + above}  # keeps NaN
            found[key] = entry(value, "fraction", meaning, **low_high, n=row["n"])
    return found


def _correlations(
    information: xr.Dataset, prediction_paths: Sequence[Path | str], config: Mapping[str, Any]
) -> dict[str, Entry]:
    """Correlation of every model's errors over the cell with the electrons needed there."""
    domains = covered_domains(information, config)
    crystals = independent_crystals(Config.model_validate(config))
    draws: dict[tuple[str, str, str], list[FloatArray]] = defaultdict(list)
    left_out: dict[str, Replicates] = {}
    for path in prediction_paths:
        for part in read_predictions(path, only=domains):
            domain, (thickness, _) = part.domain, domains[part.domain]
            if domain not in left_out:
                owner = crystals_of_part(crystals, domain, part.specimen_names)
                left_out[domain] = leave_one_out(owner, classes_of_specimens(part))
            electrons = information["electrons"].sel(thickness=thickness).values
            found = position_correlation(electrons, part, left_out[domain].weights)
            draws[domain, part.run["model"], part.run["source"]].append(found)
    entries: dict[str, Entry] = {}
    for (domain, model, source), values in draws.items():
        mean, strata = over_seeds(values, left_out[domain].strata)
        sample = Sample(mean, left_out[domain].n, strata, bounds=(-1.0, 1.0))
        low, high = sample.interval(float(config["evaluate"]["confidence"]))
        seeds = f"; mean of {len(values)} training seeds" if len(values) > 1 else ""
        meaning = (
            "Spearman correlation over the unit cell between the electrons needed for 1 % error "
            f"and the errors of {model} trained on {source}, tested on data domain {domain}; "
            f"interval over crystals{seeds}"
        )
        key = f"learning.limit.position_correlation.{domain}.{model}.{source}"
        entries[key] = entry(sample.value, "1", meaning, low=low, high=high, n=sample.n)
    return entries


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
