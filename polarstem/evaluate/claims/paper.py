# SPDX-License-Identifier: GPL-3.0-or-later
"""The five claims of Martinc et al., arXiv:2603.15582, tested on this run.

Each function answers one claim with a number, its interval over test specimens and a verdict. What
had to be chosen, such as the best network, was chosen by validation accuracy or by the config.
"""

from __future__ import annotations

import numpy as np

from polarstem.evaluate.claims.case import Case, image_network, on_components
from polarstem.evaluate.claims.disturbances import defects
from polarstem.evaluate.claims.evidence import combine
from polarstem.evaluate.claims.periodicity import variance_over_cell
from polarstem.evaluate.claims.verdicts import Claim, Question

HIGH_ACCURACY = 0.95
BARRIER = 0.1
"""A loss that stops a model: one pattern in ten more is wrong."""
PERIODIC = 0.1
"""Relative variance over the cell of an error rate that varies by a third of its mean."""


def same_thickness(case: Case) -> list[Claim]:
    """Claim 1: very accurate on idealized patterns of equal thickness."""
    question = Question(
        "paper_1",
        "Trained on synthetic data, models are very accurate on idealized synthetic patterns of "
        "equal thickness.",
        "balanced accuracy of the best network at the trained thickness",
        HIGH_ACCURACY,
    )
    source, domain = case.reference.source, case.reference.domain
    best = case.best(source)
    if best is None:
        return [question.open(f"No network was trained on {source}.")]
    score = case.evidence.score(best, source, [domain])
    return [question.answer(score, case.confidence, f"{case.chosen(best, source)}.")]


def gap(case: Case) -> list[Claim]:
    """Claim 2: the domain gap is the barrier."""
    reference, best = case.reference, case.best(case.reference.source)
    places = {
        "thickness": ("other thicknesses", list(reference.other.values()), "at other thicknesses"),
        "experiment": (
            "the experiment",
            [case.experiment] if case.experiment else [],
            "on the emulated experiment",
        ),
    }
    claims = []
    for part, (what, domains, where) in places.items():
        question = Question(
            f"paper_2.{part}",
            f"The domain gap is the barrier: {what}.",
            f"balanced accuracy at the trained thickness that the best network loses {where}",
            BARRIER,
        )
        if best is None:
            claims.append(question.open(f"No network was trained on {reference.source}."))
        elif not domains:
            claims.append(question.open(f"This run tests no data domain {where}."))
        else:
            same = case.evidence.score(best, reference.source, [reference.domain])
            away = case.evidence.score(best, reference.source, domains)
            how = (
                f"Balanced accuracy {same.value:.1%} on {reference.domain}, {away.value:.1%} on "
                f"{', '.join(domains)}. {case.chosen(best, reference.source)}."
            )
            if away.value < min(same.value, 1):
                share = (same.value - away.value) / (1 - away.value)
                how += f" Of the errors there {share:.0%} are due to the gap."
            doubt = case.no_better(same, f"Even without a gap {best} is not")
            loss = combine(np.subtract, same, away)
            claims.append(question.answer(loss, case.confidence, how, doubt=doubt))
    return claims


def remedies(case: Case) -> list[Claim]:
    """Claim 3: prototypes, principal components, augmentation and filtering bridge the gap."""
    domains, where = case.target()
    source = case.reference.source
    twins = {
        "prototype": case.twins(["head"], "classification", "prototype"),
        "augmentation": case.twins(["augmentation", "paper"], False, True),
        "filtering": case.twins(["filter"], "none", "centre_of_mass"),
        "information_filtering": case.twins(["filter"], "none", "information"),
        "pca": [
            (network, classical)
            for classical in case.of(on_components)
            for network in case.of(image_network)
        ],
    }
    pairs = {part: case.on_one_source(chosen) for part, chosen in twins.items()}
    pairs["physical_augmentation"] = [
        ((model, source), (model, stream))
        for stream in case.wide_streams()[:1]
        for model in case.models
        if case.trained(model, source) and case.trained(model, stream) and stream != source
    ]
    names = {
        "prototype": "the prototype regime",
        "augmentation": "the paper's augmentation",
        "filtering": "the paper's filtering",
        "information_filtering": "filtering by information (of this benchmark)",
        "pca": "methods on principal components",
        "physical_augmentation": "patterns measured on the fly (of this benchmark)",
    }
    claims = []
    for part, chosen in pairs.items():
        question = Question(
            f"paper_3.{part}",
            f"The domain gap is bridged better by {names[part]}.",
            f"gain in balanced accuracy on {where}",
            case.smallest_gain,
        )
        if not domains:
            claims.append(question.open(f"This run tests no {where}."))
        elif not chosen:
            claims.append(question.open("No two models of this run differ in this alone."))
        else:
            claims.append(case.compare(question, chosen, domains))
    return claims


def periodic_errors(case: Case) -> list[Claim]:
    """Claim 4: errors are periodic over the scan."""
    question = Question(
        "paper_4",
        "Errors are periodic over the scan: not every pattern carries enough information.",
        "variance of the error rate over the unit cell, beyond counting noise, relative to the "
        "square of its mean",
        PERIODIC,
        unit="1",
    )
    strongest, (domains, _) = case.strongest(), case.target()
    if strongest is None or not domains:
        return [question.open("This run has no network tested beyond the trained thickness.")]
    (run, why), domain = strongest, domains[0]
    if not case.evidence.has(*run, domain):
        return [question.open(f"{run[0]} trained on {run[1]} was not tested on {domain}.")]
    crystal = case.evidence.crystals(*run, domain)
    found = case.evidence.statistic(
        *run, [domain], lambda parts, weights: variance_over_cell(parts[0], weights[0], crystal)
    )
    if not np.isfinite(found.value):
        return [question.open(f"{run[0]} on {domain} makes no errors, or there is one crystal.")]
    score = case.evidence.score(*run, [domain])
    how = (
        f"Tested on {domain}, {score.value:.1%} right; {why}. Errors that ignore the position give "
        "0. Whether they stand where there is little information is hypothesis 1."
    )
    doubt = case.no_better(score, f"{run[0]} is not")
    return [question.answer(found, case.confidence, how, doubt=doubt)]


PAPER = (same_thickness, gap, remedies, periodic_errors, defects)
