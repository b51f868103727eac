# SPDX-License-Identifier: GPL-3.0-or-later
"""The five claims of Martinc et al., arXiv:2603.15582, tested on this run.

Each function answers one claim with a number, its interval over test crystals and a verdict. What
had to be chosen, such as the best network, was chosen by validation accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import roc_auc_score

from polarstem.evaluate.claims.evidence import combine
from polarstem.evaluate.claims.verdicts import Case, Claim, Question
from polarstem.evaluate.scores.metrics import FloatArray
from polarstem.evaluate.scores.predictions import DomainPredictions
from polarstem.evaluate.scores.rungs import streams

HIGH_ACCURACY = 0.95
PCA_FAMILIES = ("pca_knn", "linear")
IMAGE_NETWORKS = ("cnn", "timm")


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
    how = f"Very accurate is above {HIGH_ACCURACY:.0%}; {case.chosen(best, source)}."
    score = case.evidence.score(best, source, [domain])
    return [question.answer(score, case.confidence, how)]


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
            f"share of the best network's errors {where} that it does not make at the trained "
            "thickness",
            0.5,
        )
        if best is None:
            claims.append(question.open(f"No network was trained on {reference.source}."))
        elif not domains:
            claims.append(question.open(f"This run tests no data domain {where}."))
        else:
            same = case.evidence.score(best, reference.source, [reference.domain])
            away = case.evidence.score(best, reference.source, domains)
            share = combine(lambda a, b: (a - b) / np.maximum(1 - b, 1e-12), same, away)
            how = (
                f"Balanced accuracy {same.value:.1%} on {reference.domain}, {away.value:.1%} on "
                f"{', '.join(domains)}; the barrier is what causes more than half of the errors. "
                f"{case.chosen(best, reference.source)}."
            )
            claims.append(question.answer(share, case.confidence, how))
    return claims


def remedies(case: Case) -> list[Claim]:
    """Claim 3: prototypes, principal components, augmentation and filtering bridge the gap."""
    domains, where = case.target()
    models, source = case.config["models"], case.reference.source
    twins = {
        "prototype": case.twins(["head"], "classification", "prototype"),
        "augmentation": case.twins(["augmentation", "paper"], False, True),
        "filtering": case.twins(["filter"], "none", "centre_of_mass"),
        "information_filtering": case.twins(["filter"], "none", "information"),
        "pca": [
            (network, classical)
            for classical in models
            for network in models
            if models[classical]["family"] in PCA_FAMILIES
            and models[network]["family"] in IMAGE_NETWORKS
            and models[network].get("head", "classification") == "classification"
            and case.trained(network, source)
            and case.trained(classical, source)
        ],
    }
    pairs = {part: case.on_one_source(chosen) for part, chosen in twins.items()}
    pairs["physical_augmentation"] = [
        ((model, source), (model, stream))
        for stream in streams(case.config)
        for model in models
        if case.trained(model, source) and case.trained(model, stream) and stream != source
    ]
    names = {
        "prototype": "the prototype regime",
        "augmentation": "the paper's augmentation",
        "filtering": "the paper's filtering",
        "physical_augmentation": "patterns measured on the fly (of this benchmark)",
        "information_filtering": "filtering by information (of this benchmark)",
        "pca": "methods on principal components",
    }
    claims = []
    for part, chosen in pairs.items():
        question = Question(
            f"paper_3.{part}",
            f"The domain gap is bridged better by {names[part]}.",
            f"gain in balanced accuracy on {where}",
        )
        compared = case.gain(chosen, domains) if domains else None
        if not domains:
            claims.append(question.open(f"This run tests no {where}."))
        elif compared is None:
            claims.append(question.open("No two models of this run differ in this alone."))
        else:
            claims.append(question.answer(compared[0], case.confidence, f"{compared[1]}."))
    return claims


def periodic_errors(case: Case) -> list[Claim]:
    """Claim 4: errors are periodic over the scan."""
    question = Question(
        "paper_4",
        "Errors are periodic over the scan: not every pattern carries enough information.",
        "rank correlation between the error maps over the unit cell of two halves of the crystals",
        unit="1",
    )
    strongest, (domains, _) = case.strongest(), case.target()
    if strongest is None or not domains:
        return [question.open("This run has no network tested beyond the trained thickness.")]
    model, source = strongest
    if not case.evidence.has(model, source, domains[0]):
        return [question.open(f"{model} trained on {source} was not tested on {domains[0]}.")]
    found = case.evidence.recurrence(model, source, domains[0])
    if not np.isfinite(found.value):
        why = "Halves need errors and two test crystals of each class"
        return [question.open(f"{why}; {model} on {domains[0]} lacks one of them.")]
    how = (
        f"{model} trained on {source}, tested on {domains[0]}: mean over random halves. "
        "Errors that ignore the position give 0. Whether they stand where there is little "
        "information is hypothesis 1."
    )
    return [question.answer(found, case.confidence, how)]


def defects(case: Case) -> list[Claim]:
    """Claim 5: irregular predictions correlate with crystal defects."""
    question = Question(
        "paper_5",
        "Irregular predictions correlate with crystal defects.",
        "area under the ROC curve of 1 - confidence, patterns of specimens with a defect against "
        "those without",
        0.5,
        "1",
    )
    config, reference = case.config, case.reference
    best = case.best(reference.source)
    defective = [
        name
        for name in config["evaluate"]["domains"]
        if (config["specimens"][config["domains"][name]["specimens"]].get("structures") or {}).get(
            "defect"
        )
        and list(config["domains"][name].get("thicknesses_nm") or ()) == [reference.thickness]
    ]
    if best is None or not defective:
        return [question.open("No specimen of this run has a defect at the reference thickness.")]
    domains = [reference.domain, defective[0]]
    area = case.evidence.statistic(best, reference.source, domains, _area, bounds=(0.0, 1.0))
    how = (
        f"{best} trained on {reference.source}: {defective[0]} against {reference.domain}. A "
        "defect touches few patterns of a scan, so this understates what a map of it shows; "
        "chance is 0.5."
    )
    return [question.answer(area, case.confidence, how)]


def _area(parts: Sequence[DomainPredictions], weights: Sequence[FloatArray]) -> float:
    """Area under the ROC curve of doubt, of clean specimens and broken ones."""
    doubt = np.concatenate([1 - part.probability.max(1) for part in parts])
    truth = np.repeat([0, 1], [len(part.class_index) for part in parts])
    of_patterns = [w[part.specimen] for part, w in zip(parts, weights, strict=True)]
    return float(roc_auc_score(truth, doubt, sample_weight=np.concatenate(of_patterns)))


PAPER = (same_thickness, gap, remedies, periodic_errors, defects)
