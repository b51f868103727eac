# SPDX-License-Identifier: GPL-3.0-or-later
"""The hypotheses of this benchmark, tested on this run.

They follow from what is known of information in diffraction patterns: thickness is cheap to
marginalise, tilts and defocus change patterns as much as a reversal of the polarization, and
positions over the A columns carry little.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from polarstem.evaluate.claims.case import Case, image_network, symmetric_network
from polarstem.evaluate.claims.evidence import average, combine
from polarstem.evaluate.claims.periodicity import share_where_needed
from polarstem.evaluate.claims.verdicts import Claim, Question
from polarstem.evaluate.limit.efficiency import covered_domains
from polarstem.evaluate.scores.rungs import joint_sources, rungs_of, streams

THREE_OF_FIVE = 0.6
MOST = 0.5
END = 0.25
"""How near the end of its range a condition counts as there, as a fraction of the range."""


def follows_information(case: Case) -> list[Claim]:
    """H1: errors follow the information map."""
    question = Question(
        "h1",
        "The periodic errors follow the map of the Chernoff information.",
        "share of the errors in that half of the unit cell that needs the most electrons for 1 % "
        "error",
        THREE_OF_FIVE,
    )
    strongest, information = case.strongest(), case.information
    if information is None:
        return [question.open("The information limit was not computed for these specimens.")]
    if strongest is None:
        return [question.open("This run has no network.")]
    run, why = strongest
    covered = covered_domains(information, case.config)
    doses = [domain for domain, (_, dose) in covered.items() if dose is not None]
    told = [
        domain
        for domain in doses or covered
        if case.evidence.has(*run, domain)
        and case.no_better(case.evidence.score(*run, [domain]), "") is None
    ]
    named, where = f"{run[0]} trained on {run[1]}", ", ".join(doses or covered)
    if not told:
        return [question.open(f"{named} is not better than chance on {where}.")]
    shares = {}
    for domain in told:
        needed = information["electrons"].sel(thickness=covered[domain][0]).values
        share = case.evidence.statistic(
            *run, [domain], partial(share_where_needed, needed), (0.0, 1.0)
        )
        if np.isfinite(share.value):
            shares[domain] = share
    if not shares:
        return [question.open(f"{named} makes no errors on {where}.")]
    how = f"Mean over {', '.join(shares)}; {why}. Errors that ignore the information give half."
    return [question.answer(average(*shares.values()), case.confidence, how)]


def closes_thickness_gap(case: Case) -> list[Claim]:
    """H2: training on several thicknesses closes most of the gap between thicknesses."""
    question = Question(
        "h2",
        "Training on several thicknesses closes most of the gap between thicknesses.",
        "share of the loss at untrained thicknesses that training on several thicknesses regains",
        MOST,
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
        gap = combine(np.subtract, same, single)
        how = (
            f"{model} on {', '.join(domains)}: {single.value:.1%} trained on {reference.source}, "
            f"{several.value:.1%} trained on {source}; {same.value:.1%} at the trained thickness."
        )
        doubt = None
        if gap.interval(case.confidence)[0] <= case.smallest_gain:
            doubt = f"No gap of more than {case.smallest_gain:.0%} is certain."
        allowance, warning = case.allowance()
        share = combine(
            lambda loss, b, c: (c - b) / np.where(loss > 0, loss, np.nan), gap, single, several
        )
        how += warning
        allowance /= max(gap.value, 1e-9)  # points, as a share of the loss
        answer = question.answer(share, case.confidence, how, allowance=allowance, doubt=doubt)
        return [answer]
    why = (
        "No network was trained both on one thickness and on several, and tested at a thickness "
        "that neither trains on."
    )
    return [question.open(why)]


def tilt_dominates(case: Case) -> list[Claim]:
    """H3: tilt, not thickness, dominates what remains."""
    question = Question(
        "h3",
        "Once several thicknesses are trained on, the largest tilt of the experiment costs more "
        "than its extreme thicknesses.",
        "loss of balanced accuracy to tilt minus loss to thickness",
        case.smallest_gain,
    )
    if case.experiment is None:
        return [question.open("This run has no experiment whose ranges say how much is much.")]
    tilts, thick = _largest_tilt(case), _extreme_thicknesses(case)
    if not tilts or not thick:
        lack = "tilt" if not tilts else "thickness"
        return [question.open(f"This run tests no {lack} near the end of the experiment's range.")]
    for source in joint_sources(case.config):
        model = case.best(source)
        if model is None or not case.evidence.has(model, source, *tilts, *thick):
            continue
        tilted = case.evidence.score(model, source, tilts)
        other = case.evidence.score(model, source, thick)
        how = (
            f"{tilted.value:.1%} on {', '.join(tilts)}, {other.value:.1%} on {', '.join(thick)}: "
            f"the ends of the ranges of {case.experiment}. {case.chosen(model, source)}."
        )
        better = max(tilted, other, key=lambda sample: sample.value)
        doubt = case.no_better(better, f"{model} is not")
        more = combine(np.subtract, other, tilted)
        return [question.answer(more, case.confidence, how, doubt=doubt)]
    return [question.open("No network was trained on several thicknesses and tested on these.")]


def priors_and_votes(case: Case) -> list[Claim]:
    """H4: odd or equivariant features and votes of a unit cell beat image networks."""
    domains, where = case.target()
    twins = {
        "equivariant": [
            (image, model)
            for model in case.of(symmetric_network)
            for image in case.of(image_network)
        ],
        "parity": case.twins(["preprocessing", "parity"], "none", "even_odd"),
    }
    statements = {
        "equivariant": "Out of domain, networks with the square's symmetry beat image networks.",
        "parity": "Out of domain, even and odd parts of the pattern beat the pattern itself.",
    }
    claims = []
    for part, chosen in twins.items():
        number = f"gain in balanced accuracy on {where}"
        question = Question(f"h4.{part}", statements[part], number, case.smallest_gain)
        pairs = case.on_one_source(chosen)
        if not domains:
            claims.append(question.open(f"This run tests no {where}."))
        elif not pairs:
            claims.append(question.open("The two were not trained on one source in this run."))
        else:
            claims.append(case.compare(question, pairs, domains))
    return [*claims, _votes(case)]


def _votes(case: Case) -> Claim:
    question = Question(
        "h4.voting",
        "Votes of a whole unit cell beat single patterns.",
        "accuracy per unit cell minus accuracy per pattern",
        case.smallest_gain,
    )
    strongest, (domains, where) = case.strongest(), case.target()
    if strongest is None or not domains or not case.evidence.has(*strongest[0], *domains):
        return question.open("This run has no network tested beyond the trained thickness.")
    run, why = strongest
    pattern, cell = (case.evidence.score(*run, domains, m) for m in ("accuracy", "cell_accuracy"))
    if not np.isfinite(cell.value):
        return question.open(f"No scan of {where} has enough positions per unit cell.")
    how = (
        f"On {where} {pattern.value:.1%} of the patterns, {cell.value:.1%} of the unit cells; "
        f"{why}."
    )
    doubt = case.no_better(case.evidence.score(*run, domains), f"{run[0]} is not")
    gain = combine(np.subtract, cell, pattern)
    return question.answer(gain, case.confidence, how, doubt=doubt)


def _untrained(case: Case, source: str) -> list[str]:
    """Data domains at thicknesses that neither a source nor the reference trains on."""
    joined = case.config["train"]["sources"][source]
    members = [] if source in streams(case.config) else joined
    domains = case.config["domains"]
    trained = {float(t) for d in members for t in domains[d]["thicknesses_nm"] or ()}
    return [domain for nm, domain in case.reference.other.items() if nm not in trained]


def _ranges(case: Case) -> tuple[float, tuple[float, float]]:
    """Largest tilt [mrad] and least and largest thickness [nm] of the experiment."""
    settings = case.config["specimens"][case.config["domains"][case.experiment]["specimens"]]
    tilt = (settings.get("conditions") or {}).get("tilt_mrad") or (0.0, 0.0)
    given = settings["thicknesses_nm"]
    nm = given["between"] if isinstance(given, Mapping) else given
    return float(tilt[1]), (float(min(nm)), float(max(nm)))


def _largest_tilt(case: Case) -> list[str]:
    """The rung with the largest tilt that the experiment has, if that is near its end."""
    most, _ = _ranges(case)
    rungs = [rung for rung in rungs_of(case.config).get("tilt", []) if not rung.base]
    inside = [rung for rung in rungs if (1 - END) * most <= rung.severity <= most]
    return [rung.domain for rung in inside[-1:]]


def _extreme_thicknesses(case: Case) -> list[str]:
    """Tested thicknesses nearest to both ends of the experiment's, if there are two near them."""
    _, ends = _ranges(case)
    reference, reach = case.reference, END * (ends[1] - ends[0])
    tested = dict(reference.other)
    if reference.thickness is not None:
        tested[reference.thickness] = reference.domain
    inside = [nm for nm in tested if ends[0] <= nm <= ends[1]]
    found: dict[str, Any] = {}
    for end in ends:
        near = min(inside, key=lambda nm: abs(nm - end), default=np.inf)
        if abs(near - end) <= reach:
            found[tested[near]] = near
    return list(found) if len(found) == 2 else []


HYPOTHESES = (follows_information, closes_thickness_gap, tilt_dominates, priors_and_votes)
