# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a classifier's doubt tells defects from everything else that changes a pattern.

A model doubts whatever it was not trained on. So patterns around a defect are compared with those
of the same specimens without it, and the doubt that sets them apart with the doubt that a small
tilt, another order of K and Na, or thermal motion cause where there is no defect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from polarstem.evaluate.claims.case import Case, Run
from polarstem.evaluate.claims.evidence import Sample, combine
from polarstem.evaluate.claims.verdicts import Claim, Question
from polarstem.evaluate.scores.metrics import FloatArray
from polarstem.evaluate.scores.predictions import DomainPredictions
from polarstem.evaluate.scores.rungs import rungs_of

DISTURBANCES = {"tilt": "tilt", "disorder": "disorder of K and Na", "phonons": "thermal motion"}
"""Factors of the ladder that no crystal is free of."""
STANDS_OUT = 0.05
"""Least difference of two areas under the ROC curve that is worth a word."""

Pair = tuple[str, str]  # a data domain, and the one that it is held against


def defects(case: Case) -> list[Claim]:
    """Claim 5: irregular predictions correlate with crystal defects."""
    question = Question(
        "paper_5",
        "Irregular predictions correlate with crystal defects.",
        "area under the ROC curve of 1 - confidence for specimens with a defect against the same "
        "specimens without it, minus the largest area for a disturbance that is no defect",
        STANDS_OUT,
        "1",
    )
    source = case.reference.source
    best, broken, others = case.best(source), defective(case), disturbed(case)
    if best is None:
        return [question.open(f"No network was trained on {source}.")]
    if not broken:
        return [question.open("This run tests no specimens both with a defect and without it.")]
    if lacking := [words for factor, words in DISTURBANCES.items() if factor not in others]:
        lack = " and no ".join(lacking)
        return [question.open(f"This run tests no {lack} to hold the defects against.")]
    pairs = [*broken, *others.values()]
    areas = [doubt_area(case, (best, source), pair) for pair in pairs]
    told = [
        f"{area.value:.2f} for {domain}" for (domain, _), area in zip(pairs, areas, strict=True)
    ]
    margin = combine(
        lambda *all: np.mean(all[: len(broken)], 0) - np.max(all[len(broken) :], 0), *areas
    )
    how = (
        f"{', '.join(told)}, each against like specimens without; 0.5 is chance. Doubt tells "
        f"defects only if they raise it more than what no crystal is free of. "
        f"{case.chosen(best, source)}."
    )
    doubt = case.no_better(
        case.evidence.score(best, source, [case.reference.domain]), f"{best} is not"
    )
    return [question.answer(margin, case.confidence, how, doubt=doubt)]


def defective(case: Case) -> list[Pair]:
    """Tested data domains with a defect, and those of the same specimens without it."""
    sets, found = case.config["specimens"], []
    tested = case.config["evaluate"]["domains"]
    for domain in tested:
        settings = sets[case.config["domains"][domain]["specimens"]]
        if not (settings.get("structures") or {}).get("defect"):
            continue
        twins = [
            other
            for other in tested
            if case.config["domains"][other]["specimens"] == settings.get("paired_with")
            and _alike(case, domain, other)
        ]
        found += [(domain, twin) for twin in twins[:1]]
    return found


def disturbed(case: Case) -> dict[str, Pair]:
    """The mildest rung of each disturbance, and the data domain that its ladder starts from."""
    rungs, found = rungs_of(case.config), {}
    for factor in DISTURBANCES:
        base = [rung for rung in rungs.get(factor, []) if rung.base]
        mild = [rung for rung in rungs.get(factor, []) if not rung.base]
        if mild:
            found[factor] = (mild[0].domain, base[0].domain)
    return found


def doubt_area(case: Case, run: Run, pair: Pair) -> Sample:
    """Probability that a model doubts a disturbed pattern more than one that is not.

    Parameters
    ----------
    case : Case
        With predictions of both data domains.
    run : (model, source)
        The model.
    pair : (str, str)
        The disturbed data domain, and the one without.

    Returns
    -------
    Sample
        Area under the ROC curve of 1 - confidence, mean over pairs of specimens of the same class
        and number, and over training seeds.
    """
    known: list[Any] = []  # the predictions and their areas: replicates differ in weights alone

    def mean_area(parts: Sequence[DomainPredictions], weights: Sequence[FloatArray]) -> float:
        if not known or known[0] is not parts[0]:
            known[:] = [parts[0], *_areas(*parts)]
        counts = weights[0][known[1]]
        return float(np.average(known[2], weights=counts)) if counts.sum() else np.nan

    return case.evidence.statistic(*run, pair, mean_area, bounds=(0.0, 1.0))


def _areas(disturbed: DomainPredictions, clean: DomainPredictions) -> tuple[list[int], list[float]]:
    """Disturbed specimens that have a like one, and the area of each against it."""
    like = {_number(name): index for index, name in enumerate(clean.specimen_names)}
    doubts = [1 - part.probability.max(axis=1) for part in (disturbed, clean)]
    specimens, areas = [], []
    for index, name in enumerate(disturbed.specimen_names):
        if _number(name) in like:
            chosen = disturbed.specimen == index, clean.specimen == like[_number(name)]
            areas.append(_area(*(d[each] for d, each in zip(doubts, chosen, strict=True))))
            specimens.append(index)
    return specimens, areas


def _area(first: FloatArray, second: FloatArray) -> float:
    """How often the first is larger, ties counting half: Mann and Whitney's U by all pairs."""
    from scipy.stats import rankdata  # which takes a second

    ranks = rankdata(np.concatenate([first, second]))[: len(first)]
    return float((ranks.mean() - (len(first) + 1) / 2) / len(second))


def _number(specimen: str) -> str:
    """Class, split and number in the name of a specimen: all but its set."""
    return specimen.split("-", 1)[1]


def _alike(case: Case, domain: str, other: str) -> bool:
    """Whether two data domains have the same thicknesses, dose and conditions."""
    a, b = (case.config["domains"][name] for name in (domain, other))
    return all(a.get(k) == b.get(k) for k in ("thicknesses_nm", "dose_electrons", "conditions"))
