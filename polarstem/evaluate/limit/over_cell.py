# SPDX-License-Identifier: GPL-3.0-or-later
"""Where in the unit cell patterns hold little information, and how often models are right there.

The limit and the models are held against each other under the limit's own conditions: the same
specimens, static and with known optics, at the same thickness and dose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.config.independence import independent_crystals
from polarstem.config.model import Config
from polarstem.evaluate.limit.efficiency import covered_domains
from polarstem.evaluate.scores.errors_over_cell import error_maps, error_rates
from polarstem.evaluate.scores.jackknife import Replicates, crystals_of_part, leave_one_out
from polarstem.evaluate.scores.metrics import FloatArray
from polarstem.evaluate.scores.predictions import (
    DomainPredictions,
    classes_of_specimens,
    read_predictions,
)
from polarstem.evaluate.scores.sample import Sample, over_seeds

GROUPS = 6
"""Groups that the positions of the cell are sorted into by the information that they hold."""

MOST_CONDITIONS = 3
LEAST_SPREAD = 0.02
"""By how much the limit must differ between the first and the last group to be worth a look."""

Run = tuple[str, str]
"""A model and the source that it was trained on."""


class Condition(NamedTuple):
    """A tested data domain under the conditions that the limit was computed for.

    Attributes
    ----------
    domain : str
        Its name.
    thickness : float
        Thickness [nm].
    dose : float
        Electrons per pattern.
    """

    domain: str
    thickness: float
    dose: float


@dataclass(frozen=True)
class GroupedAccuracy:
    """Accuracy of a model at the positions of each group.

    Attributes
    ----------
    value, low, high : ndarray, shape (groups,)
        Shares of right predictions, with intervals over crystals; NaN where there is none.
    over_cell : ndarray, shape (bins, bins)
        The same at each position, rows along cell_y; NaN where no pattern was taken.
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    over_cell: FloatArray


def telling_conditions(
    information: xr.Dataset, config: Mapping[str, Any], most: int = MOST_CONDITIONS
) -> list[Condition]:
    """Find the data domains at which the limit depends on the place in the cell.

    Parameters
    ----------
    information : Dataset
        From `polarstem.evaluate.limit.efficiency.read_information`.
    config : mapping
        The resolved config.
    most : int
        How many to return at most: those of the largest doses, as few electrons tell little
        anywhere.

    Returns
    -------
    list of Condition
        Of those of the reference's thickness that have a dose, by dose. None of those at which the
        limit differs by less than `LEAST_SPREAD` between the first and the last group.
    """
    covered = covered_domains(information, config)
    thickness, _ = covered.get(config["evaluate"]["reference_domain"], (None, None))
    found = []
    for domain, (nm, dose) in covered.items():
        if dose is not None and nm == thickness:
            condition = Condition(domain, nm, dose)
            right = limit_by_group(information, condition)
            found += [condition] if right[0] - right[-1] >= LEAST_SPREAD else []
    return sorted(found, key=lambda condition: condition.dose)[-most:]


def groups_of_positions(electrons: FloatArray, groups: int = GROUPS) -> NDArray[np.int64]:
    """Sort positions into groups of equal size by the electrons that they need.

    Parameters
    ----------
    electrons : ndarray, shape (bins, bins)
        Electrons for 1 % error.
    groups : int
        How many groups, at most as many as positions.

    Returns
    -------
    ndarray of int, shape (bins * bins,)
        Group of each position, row by row; 0 needs fewest electrons.
    """
    needed = electrons.ravel()
    rank = np.empty(len(needed), np.int64)
    rank[np.argsort(needed, kind="stable")] = np.arange(len(needed))
    return rank * min(groups, len(needed)) // len(needed)


def limit_by_group(
    information: xr.Dataset, condition: Condition, knowledge: str = "known"
) -> FloatArray:
    """Accuracy of the Bayes classifier at the positions of each group, shape (groups,)."""
    group = groups_of_positions(electrons_at(information, condition))
    here = information["accuracy"].sel(
        thickness=condition.thickness, dose=condition.dose, knowledge=knowledge
    )
    return np.bincount(group, here.values.ravel()) / np.bincount(group)


def electrons_at(information: xr.Dataset, condition: Condition) -> FloatArray:
    """Electrons for 1 % error at the condition's thickness, shape (bins, bins)."""
    found: FloatArray = information["electrons"].sel(thickness=condition.thickness).values
    return found


def accuracy_by_group(
    information: xr.Dataset,
    condition: Condition,
    prediction_paths: Sequence[Path | str],
    config: Mapping[str, Any],
    runs: Sequence[Run],
) -> dict[Run, GroupedAccuracy]:
    """How often models are right where patterns hold much information, and where little.

    Parameters
    ----------
    information : Dataset
        The limit.
    condition : Condition
        The data domain.
    prediction_paths : sequence of path
        Prediction files, ``{model}/{source}/{seed}.nc``; all seeds of a model are averaged.
    config : mapping
        The resolved config.
    runs : sequence of (model, source)
        What to look at; those without predictions are left out.

    Returns
    -------
    dict of (model, source) to GroupedAccuracy
    """
    electrons = electrons_at(information, condition)
    group, bins = groups_of_positions(electrons), len(electrons)
    crystals = independent_crystals(Config.model_validate(config))
    parts: dict[Run, list[DomainPredictions]] = {}
    for path in prediction_paths:
        model, source = Path(path).parts[-3:-1]
        if (model, source) in runs:
            read = read_predictions(path, only=(condition.domain,))
            parts.setdefault((model, source), []).extend(read)
    found = {}
    for run in runs:
        if seeds := parts.get(run):
            names, classes = seeds[0].specimen_names, classes_of_specimens(seeds[0])
            owner = crystals_of_part(crystals, condition.domain, names)
            confidence = float(config["evaluate"]["confidence"])
            found[run] = _grouped(seeds, group, bins, leave_one_out(owner, classes), confidence)
    return found


def _grouped(
    seeds: Sequence[DomainPredictions],
    group: NDArray[np.int64],
    bins: int,
    left_out: Replicates,
    confidence: float,
) -> GroupedAccuracy:
    member = np.equal.outer(group, np.arange(group.max() + 1)).astype(np.int64)
    maps = [error_maps(part, bins) for part in seeds]
    grouped = [(wrong @ member, count @ member) for wrong, count in maps]
    draws = [1 - error_rates(one, left_out.weights) for one in grouped]
    copies = left_out.n / left_out.weights.shape[1]
    taken = np.sum([count.sum(0) for _, count in grouped], axis=0)
    samples = []
    for number in range(member.shape[1]):
        mean, strata = over_seeds([one[:, number] for one in draws], left_out.strata)
        counted = float(grouped[0][1][:, number].sum()) * copies
        if not taken[number]:  # no pattern was taken there
            mean = np.full_like(mean, np.nan)
        samples.append(Sample(mean, left_out.n, strata, bounds=(0.0, 1.0), counted=counted))
    low, high = np.array([sample.interval(confidence) for sample in samples]).T
    wrong, count = (np.sum([one[which].sum(0) for one in maps], axis=0) for which in (0, 1))
    right = np.divide(count - wrong, count, out=np.full(count.shape, np.nan), where=count > 0)
    return GroupedAccuracy(
        value=np.array([sample.value for sample in samples]),
        low=low,
        high=high,
        over_cell=right.reshape(bins, bins),
    )
