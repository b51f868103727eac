# SPDX-License-Identifier: GPL-3.0-or-later
"""The hypotheses of this benchmark, tested on this run.

They follow from what is known of information in diffraction patterns: thickness is cheap to
marginalise, tilts and defocus change patterns as much as a reversal of the polarization, and
positions over the A columns carry little.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from polarstem.evaluate.claims.evidence import Sample, average, combine
from polarstem.evaluate.claims.verdicts import Case, Claim, Question
from polarstem.evaluate.limit.efficiency import covered_domains, position_correlation
from polarstem.evaluate.scores.metrics import FloatArray
from polarstem.evaluate.scores.predictions import DomainPredictions
from polarstem.evaluate.scores.rungs import joint_sources, rungs_of, streams

BAYES_COST = 0.02
FEWEST_ELECTRONS = 100.0


def follows_information(case: Case) -> list[Claim]:
    """H1: errors follow the information map."""
    question = Question(
        "h1",
        "The periodic errors follow the map of the Chernoff information.",
        "rank correlation over the unit cell between the error rate and the electrons needed for "
        "1 % error",
        unit="1",
    )
    strongest, information = case.strongest(), case.information
    if information is None:
        return [question.open("The information limit was not computed for these specimens.")]
    if strongest is None:
        return [question.open("This run has no network.")]
    model, source = strongest
    covered = covered_domains(information, case.config)
    doses = [domain for domain, (_, dose) in covered.items() if dose is not None]
    found: dict[str, Sample] = {}
    for domain in doses or covered:
        needed = information["electrons"].sel(thickness=covered[domain][0]).values
        sample = case.evidence.statistic(
            model, source, [domain], partial(_correlation, needed), bounds=(-1.0, 1.0)
        )
        if np.isfinite(sample.value):
            found[domain] = sample
    if not found:
        return [question.open(f"The errors of {model} trained on {source} do not vary.")]
    how = f"{model} trained on {source}; mean over {', '.join(found)}."
    return [question.answer(average(*found.values()), case.confidence, how)]


def _correlation(
    needed: FloatArray, parts: Sequence[DomainPredictions], weights: Sequence[FloatArray]
) -> float:
    return float(position_correlation(needed, parts[0], weights[0][None])[0])


def closes_thickness_gap(case: Case) -> list[Claim]:
    """H2: training on several thicknesses closes most of the gap between thicknesses."""
    question = Question(
        "h2.training",
        "Training on several thicknesses closes most of the gap between thicknesses.",
        "share of the loss at untrained thicknesses that training on several thicknesses regains",
        0.5,
    )
    reference = case.reference
    for source in (*joint_sources(case.config), *streams(case.config)):
        model = case.best(source, also=reference.source)
        domains = _untrained(case, source)
        if model is None or not domains:
            continue
        same = case.evidence.score(model, reference.source, [reference.domain])
        single = case.evidence.score(model, reference.source, domains)
        several = case.evidence.score(model, source, domains)
        share = combine(
            lambda a, b, c: (c - b) / np.where(a - b > 0, a - b, np.nan), same, single, several
        )
        how = (
            f"{model} on {', '.join(domains)}: {single.value:.1%} trained on {reference.source}, "
            f"{several.value:.1%} trained on {source}; {same.value:.1%} at the trained thickness. "
            "Most is more than half."
        )
        return [question.answer(share, case.confidence, how), *_bayes_cost(case)]
    why = (
        "No network was trained both on one thickness and on several, and tested at a thickness "
        "that neither trains on."
    )
    return [question.open(why), *_bayes_cost(case)]


def _bayes_cost(case: Case) -> list[Claim]:
    question = Question(
        "h2.limit",
        "Not knowing the thickness costs the best possible guess less than 2 points of accuracy "
        f"from {FEWEST_ELECTRONS:g} electrons on.",
        "largest loss of accuracy for want of the thickness",
        BAYES_COST,
        below=True,
    )
    data = case.information
    if data is None or not (data["dose"] >= FEWEST_ELECTRONS).any():
        return [question.open("The information limit was not computed for these specimens.")]
    data = data.sel(dose=data["dose"] >= FEWEST_ELECTRONS)
    # over all thicknesses: the worst of many simulated numbers would be the worst by luck
    everywhere = ("thickness", "cell_y", "cell_x")
    known, unknown = (
        data["accuracy"].sel(knowledge=name).mean(everywhere).values
        for name in ("known", "thickness_unknown")
    )
    worst = int(np.argmax(known - unknown))
    cost = float(known[worst] - unknown[worst])
    drawn = int(data["drawn"].sum("thickness").values[worst])
    variance = sum(p[worst] * (1 - p[worst]) for p in (known, unknown)) / max(drawn, 1)
    half = 1.96 * float(np.sqrt(variance))
    how = (
        f"Mean over thicknesses and positions, largest at {float(data['dose'][worst]):g} "
        f"electrons: {known[worst]:.1%} with the thickness known, {unknown[worst]:.1%} without. "
        "n counts simulated patterns; the interval is that of the simulation."
    )
    return [question.judge(cost, cost - half, cost + half, drawn, how)]


def tilt_dominates(case: Case) -> list[Claim]:
    """H3: tilt, not thickness, dominates what remains."""
    question = Question(
        "h3",
        "Once several thicknesses are trained on, tilt costs more than thickness.",
        "loss of balanced accuracy to tilt minus loss to untrained thicknesses",
    )
    tilts = [rung.domain for rung in rungs_of(case.config).get("tilt", []) if not rung.base]
    if not tilts:
        return [question.open("This run tests no tilt.")]
    for source in joint_sources(case.config):
        model, domains = case.best(source), _untrained(case, source)
        if model is None or not domains or not case.evidence.has(model, source, *tilts):
            continue
        tilted = case.evidence.score(model, source, tilts)
        thick = case.evidence.score(model, source, domains)
        how = (
            f"{model} trained on {source}: {tilted.value:.1%} on {', '.join(tilts)}, "
            f"{thick.value:.1%} on {', '.join(domains)}."
        )
        return [question.answer(combine(np.subtract, thick, tilted), case.confidence, how)]
    return [question.open("No network was trained on several thicknesses and tested at others.")]


def priors_and_votes(case: Case) -> list[Claim]:
    """H4: odd or equivariant features and votes of a unit cell beat image networks."""
    domains, where = case.target()
    models, source = case.config["models"], case.reference.source
    trained = [m for m in models if case.trained(m, source)]
    families = {
        family: [m for m in trained if models[m]["family"] == family]
        for family in ("equivariant", "timm")
    }
    plain = [m for m in families["timm"] if models[m].get("head") != "prototype"]
    twins = {
        "equivariant": [(image, model) for model in families["equivariant"] for image in plain],
        "parity": case.twins(["preprocessing", "parity"], "none", "even_odd"),
    }
    statements = {
        "equivariant": "Out of domain, networks with the square's symmetry beat image networks.",
        "parity": "Out of domain, even and odd parts of the pattern beat the pattern itself.",
    }
    claims = []
    for part, chosen in twins.items():
        question = Question(f"h4.{part}", statements[part], f"gain in balanced accuracy on {where}")
        compared = case.gain(case.on_one_source(chosen), domains) if domains else None
        if compared is None:
            claims.append(question.open("The two were not trained on one source in this run."))
        else:
            claims.append(question.answer(compared[0], case.confidence, f"{compared[1]}."))
    return [*claims, _votes(case)]


def _votes(case: Case) -> Claim:
    question = Question(
        "h4.voting",
        "Votes of a whole unit cell beat single patterns.",
        "accuracy per unit cell minus accuracy per pattern",
    )
    strongest, (domains, where) = case.strongest(), case.target()
    if strongest is None or not domains or not case.evidence.has(*strongest, *domains):
        return question.open("This run has no network tested beyond the trained thickness.")
    pattern, cell = (
        case.evidence.score(*strongest, domains, m) for m in ("accuracy", "cell_accuracy")
    )
    if not np.isfinite(cell.value):
        return question.open(f"No scan of {where} has enough positions per unit cell.")
    how = (
        f"{strongest[0]} trained on {strongest[1]}, on {where}: {pattern.value:.1%} of the "
        f"patterns, {cell.value:.1%} of the unit cells."
    )
    return question.answer(combine(np.subtract, cell, pattern), case.confidence, how)


def prototype_distance(case: Case) -> list[Claim]:
    """H5: prototype distance tells some defects, and confuses tilt ramps with them."""
    question = Question(
        "h5",
        "The distance to the prototypes detects antiphase boundaries and dislocations, but no "
        "single vacancies, and takes tilt ramps for defects.",
        "",
    )
    why = (
        "The anomaly score of the maps compares unit cells with those around them instead; what it "
        "finds stands under maps."
    )
    return [question.open(why)]


def _untrained(case: Case, source: str) -> list[str]:
    """Data domains at thicknesses that neither a source nor the reference trains on."""
    joined = case.config["train"]["sources"][source]
    members = [] if source in streams(case.config) else joined
    domains = case.config["domains"]
    trained = {float(t) for d in members for t in domains[d]["thicknesses_nm"] or ()}
    return [domain for nm, domain in case.reference.other.items() if nm not in trained]


HYPOTHESES = (
    follows_information,
    closes_thickness_gap,
    tilt_dominates,
    priors_and_votes,
    prototype_distance,
)
