# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run found, in sentences: each rests on numbers of the summary and links to its evidence.

A sentence is told only where its numbers are there and their intervals allow no other; what the run
cannot tell is left out here and stands among the claims.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from polarstem.evaluate.map_scores.reality_ladder import MET, MISSED
from polarstem.evaluate.summary.entries import Entry
from polarstem.evaluate.summary.fair_table import IDEAL, fair_rows
from polarstem.report.number_words import number

Entries = Mapping[str, Entry]
Config = Mapping[str, Any]
HOLDS, FAILS = "holds", "does not hold"
_CALIBRATED = 0.05  # expected calibration error: an interval around it decides nothing


@dataclass(frozen=True)
class Finding:
    """A sentence of the report.

    Attributes
    ----------
    sentence : str
        With ``{0}``, ``{1}``, ... where the numbers stand.
    keys : tuple of str
        Their keys in the summary; interval and n of the first are told.
    evidence : str
        Section of the report that shows more.
    """

    sentence: str
    keys: tuple[str, ...]
    evidence: str

    def parts(self) -> list[tuple[str, str | None]]:
        """Pieces of text, each with the key of the number that follows it."""
        rest, found = self.sentence, []
        for place, key in enumerate(self.keys):
            before, _, rest = rest.partition(f"{{{place}}}")
            found.append((before, key))
        return [*found, (rest, None)]


# claim: (sentence where it holds, sentence where it does not, section); None says nothing, and
# {smallest} is the smallest effect worth having
_OF_CLAIMS: dict[str, tuple[str | None, str | None, str]] = {
    "paper_2.experiment": (
        "Between ideal patterns and an emulated experiment the accuracy of the best network falls "
        "by {0}.",
        "The emulated experiment costs the best network less than {smallest} of its accuracy: {0}.",
        "experiment",
    ),
    "paper_2.thickness": (
        "Thicknesses that were not trained on cost the best network {0}.",
        "Thicknesses that were not trained on cost the best network less than {smallest}: {0}.",
        "transfer",
    ),
    "paper_3.physical_augmentation": (
        "Training on patterns that are measured on the fly, each under conditions of its own, "
        "gains {0} on the experiment.",
        "Training on patterns that are measured on the fly gains less than {smallest} on the "
        "experiment: {0}.",
        "fair",
    ),
    "paper_3.prototype": (
        "Prototypes in an embedding gain {0} on the experiment.",
        "Prototypes in an embedding gain less than {smallest} on the experiment: {0}.",
        "tested",
    ),
    "paper_3.pca": (
        "Methods on principal components gain {0} over networks on the experiment.",
        "Methods on principal components gain less than {smallest} over networks on the "
        "experiment: {0}.",
        "tested",
    ),
    "h4.equivariant": (
        "Networks with the square's symmetry built in beat image networks by {0} on the "
        "experiment.",
        None,
        "tested",
    ),
    "h4.voting": (
        "A vote of a whole unit cell of the experiment is right more often than a pattern, by {0}.",
        None,
        "experiment",
    ),
    "h2": (
        "Training on several thicknesses regains {0} of what other thicknesses cost.",
        None,
        "transfer",
    ),
    "h1": (
        "Errors stand where patterns hold least: {0} of them lie in that half of the unit cell "
        "which needs the most electrons.",
        None,
        "cell",
    ),
    "h3": (
        "Tilt costs {0} more than thickness, once several thicknesses are trained on.",
        None,
        "ladder",
    ),
}
_ON_EXPERIMENT = ("paper_3.", "h4.")
"""Claims that are tested on other thicknesses where a run has no experiment."""


def findings(summary: Entries, config: Config) -> list[Finding]:
    """Sentences that the numbers of a run allow, most important first.

    Parameters
    ----------
    summary : mapping
        The summary.
    config : mapping
        The resolved config.

    Returns
    -------
    list of Finding
    """
    told = [finding for finding in _candidates(summary, config) if finding is not None]
    return [finding for finding in told if _there(summary, finding)]


def _there(summary: Entries, finding: Finding) -> bool:
    return all(summary.get(key, {}).get("value") is not None for key in finding.keys)


def _candidates(summary: Entries, config: Config) -> Iterator[Finding | None]:
    for name in _OF_CLAIMS:
        if config["evaluate"].get("experiment") or not name.startswith(_ON_EXPERIMENT):
            yield _of_claim(summary, name)
        if name == "paper_3.physical_augmentation":
            yield _data_first(summary, config)
    yield _calibration(summary, config)
    yield Finding(
        "Maps of virtual experiments, read from their files alone, have a wrong answer in {0} of "
        "the unit cells away from walls and defects, and an answer in {1}.",
        ("maps.confidently_wrong", "maps.cells_answered"),
        "maps",
    )
    yield Finding(
        "Fitted to the patterns of a unit cell, the displacement of B against its oxygens errs by "
        "{0} in each component and by {1} in its direction.",
        ("vector.rms_pm", "vector.angle_deg.1"),
        "displacements",
    )
    yield Finding(
        "The best of atom columns in virtual images, the deflection of the beam and Friedel pairs "
        "errs {0} times as much on the same scans.",
        ("vector.columns_ratio",),
        "displacements",
    )
    yield _reality(summary)
    yield _budget(summary)


def _of_claim(summary: Entries, name: str) -> Finding | None:
    key = f"learning.claims.{name}"
    holds, fails, section = _OF_CLAIMS[name]
    claim = summary.get(key, {})
    sentence = {HOLDS: holds, FAILS: fails}.get(claim.get("verdict", ""))
    if sentence is None:
        return None
    smallest = number({"value": claim["smallest"], "unit": claim["unit"]})
    return Finding(sentence.replace("{smallest}", smallest), (key,), section)


def _data_first(summary: Entries, config: Config) -> Finding | None:
    """Whether the worst model on the stream beats the best on ideal patterns, beyond intervals."""
    ideal: list[str] = []
    varied: list[str] = []
    for row in fair_rows(summary, config):
        for column, key in row["keys"].items():
            (ideal if column == IDEAL else varied).append(key)
    if not ideal or not varied or any(summary[key]["low"] is None for key in ideal + varied):
        return None
    if min(summary[key]["low"] for key in varied) <= max(summary[key]["high"] for key in ideal):
        return None
    best = max(ideal, key=lambda key: float(summary[key]["value"]))
    worst = min(varied, key=lambda key: float(summary[key]["value"]))
    return Finding(
        "Data count for more than architecture: the worst model on varied patterns reads {0} of "
        "the experiment, the best on ideal ones {1}.",
        (worst, best),
        "fair",
    )


def _calibration(summary: Entries, config: Config) -> Finding | None:
    chosen, experiment = config["evaluate"].get("recommended"), config["evaluate"].get("experiment")
    if not chosen or not experiment:
        return None
    key = f"learning.{experiment}.ece.{chosen['model']}.{chosen['source']}"
    low, high = (summary.get(key, {}).get(end) for end in ("low", "high"))
    if low is None or high is None or low <= _CALIBRATED <= high:
        return None
    return Finding(
        f"The confidence of {chosen['model']} trained on {chosen['source']} is off by {{0}} on the "
        "experiment (expected calibration error).",
        (key,),
        "experiment",
    )


def _reality(summary: Entries) -> Finding | None:
    key = "maps.reality.all.confidently_wrong"
    verdict, bound = (summary.get(key, {}).get(name) for name in ("verdict", "bound"))
    sentences = {
        MET: "With every departure from an ideal crystal at once, {0} of the unit cells have a "
        "wrong answer, within the bound of ",
        MISSED: "With every departure from an ideal crystal at once, {0} of the unit cells have a "
        "wrong answer, more than the bound of ",
    }
    if verdict not in sentences or bound is None:
        return None
    limit = number({"value": bound, "unit": "fraction"})
    return Finding(f"{sentences[verdict]}{limit}.", (key,), "reality")


def _budget(summary: Entries) -> Finding | None:
    """Whether the grid costs less than there is to see, beyond intervals."""
    grid, signal = (summary.get(f"accuracy.{name}", {}) for name in ("grid", "signal"))
    high, low = grid.get("high"), signal.get("low")
    if high is None or low is None or high >= low:
        return None
    return Finding(
        "The grid of the simulation changes patterns by {0}, a reversal of the polarization by "
        "{1}.",
        ("accuracy.grid", "accuracy.signal"),
        "accuracy",
    )


def claim_rows(summary: Entries) -> list[dict[str, Any]]:
    """Answers of the summary, each with key, label, whose claim it is and what would change it."""
    rows = []
    for key, entry in summary.items():
        if key.startswith("learning.claims."):
            name = key.split(".")[2]
            paper = name.startswith("paper_")
            label = name.removeprefix("paper_") if paper else name.upper()
            more = {"key": key, "label": label, "paper": paper, "change": change_of_mind(entry)}
            rows.append({**entry, **more})
    return rows


def change_of_mind(claim: Mapping[str, Any]) -> str:
    """What another run would have to find for another verdict.

    Parameters
    ----------
    claim : mapping
        An answer of `polarstem.evaluate.claims.verdicts.Claim`.
    """
    smallest = number({"value": claim["smallest"], "unit": claim["unit"]})
    if claim["verdict"] == HOLDS:
        return f"an interval that reaches down to {smallest}"
    if claim["verdict"] == FAILS:
        return f"an interval that reaches up to {smallest}"
    low, high = claim["low"], claim["high"]
    if claim["value"] is None:
        return f"a run that can tell: {claim['how'][0].lower()}{claim['how'][1:]}"
    if low is None:
        return "more crystals: one has no interval"
    if low <= claim["smallest"] <= high:
        return f"an interval on one side of {smallest}"
    return "what makes the number doubtful now; see how it was tested"
