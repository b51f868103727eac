# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings are told where numbers and intervals allow, and nowhere else."""

from __future__ import annotations

import pytest

from polarstem.report.findings import Finding, change_of_mind, claim_rows, findings

CONFIG = {
    "models": {"cnn": {}, "wide": {}},
    "train": {"sources": {"thin": ["t20"], "whole": {"specimens": ["warm"]}}},
    "evaluate": {
        "experiment": "emulated",
        "reference_source": "thin",
        "recommended": {"model": "wide", "source": "whole"},
    },
}


def number(value, low=None, high=None, **more):
    return {"value": value, "low": low, "high": high, "n": 9, "unit": "fraction"} | more


def claim(verdict, value=0.5, low=0.4, high=0.6, smallest=0.02):
    return number(value, low, high, verdict=verdict, smallest=smallest, how="This was compared.")


def told(summary, config=CONFIG):
    return {finding.keys[0]: finding.sentence for finding in findings(summary, config)}


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [
        ("holds", "Prototypes in an embedding gain {0} on the experiment."),
        ("does not hold", "gain less than 2.0\u00a0% on the experiment: {0}."),
        ("undecided", None),
    ],
)
def test_a_claim_is_told_as_it_was_decided(verdict, sentence):
    key = "learning.claims.paper_3.prototype"
    found = told({key: claim(verdict)})
    if sentence is None:
        assert found == {}
    else:
        assert found[key].endswith(sentence)


def test_without_an_experiment_nothing_is_told_of_one():
    summary = {"learning.claims.h4.voting": claim("holds"), "learning.claims.h1": claim("holds")}
    assert set(told(summary)) == set(summary)
    bare = CONFIG | {"evaluate": {"reference_source": "thin"}}
    assert set(told(summary, bare)) == {"learning.claims.h1"}


@pytest.mark.parametrize(
    ("low", "count"),
    [(0.31, 1), (0.3, 0), (0.2, 0), (None, 0)],
    ids=["apart", "touch", "in", "none"],
)
def test_data_come_first_only_if_every_interval_says_so(low, count):
    summary = {
        "learning.fair.cnn.ideal": number(0.2, 0.1, 0.3),
        "learning.fair.wide.ideal": number(0.25, 0.22, 0.28),
        "learning.fair.cnn.varied": number(0.6, low, None if low is None else 0.7),
        "learning.fair.wide.varied": number(0.8, 0.7, 0.9),
    }
    found = [f for f in findings(summary, CONFIG) if f.evidence == "fair"]
    assert len(found) == count
    for finding in found:
        assert finding.keys == ("learning.fair.cnn.varied", "learning.fair.wide.ideal")


def test_grid_is_told_where_it_costs_less_than_there_is_to_see():
    summary = {"accuracy.grid": number(0.1, 0.05, 0.2), "accuracy.signal": number(0.3, 0.25, 0.4)}
    assert "accuracy.grid" in told(summary)
    assert told(summary | {"accuracy.grid": number(0.1, 0.05, 0.26)}) == {}
    assert told({"accuracy.grid": summary["accuracy.grid"]}) == {}


@pytest.mark.parametrize(
    ("verdict", "words"), [("met", "within"), ("missed", "more than"), ("cannot tell", None)]
)
def test_reality_is_told_where_its_bound_decides(verdict, words):
    key = "maps.reality.all.confidently_wrong"
    found = told({key: number(0.004, verdict=verdict, bound=0.01)})
    if words is None:
        assert found == {}
    else:
        assert f"{words} the bound of 1.0\u00a0%." in found[key]


def test_sentences_fall_silent_without_a_number():
    key = "learning.emulated.ece.wide.whole"
    assert key in told({key: number(0.02, 0.01, 0.04)})
    assert key in told({key: number(0.2, 0.1, 0.4)})
    assert told({key: number(0.05, 0.0, 0.99)}) == {}  # which says nothing
    assert told({key: number(None)}) == {}
    wrong = {"maps.confidently_wrong": number(0.01)}
    assert told(wrong) == {}
    assert "maps.confidently_wrong" in told(wrong | {"maps.cells_answered": number(0.9)})


def test_numbers_stand_in_their_places():
    finding = Finding("Of {0} and {1}.", ("a", "b"), "here")
    assert finding.parts() == [("Of ", "a"), (" and ", "b"), (".", None)]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (claim("holds"), "an interval that reaches down to 2.0\u00a0%"),
        (claim("does not hold"), "an interval that reaches up to 2.0\u00a0%"),
        (claim("undecided", 0.1, 0.0, 0.2), "an interval on one side of 2.0\u00a0%"),
        (claim("undecided", 0.1, None, None), "more crystals: one has no interval"),
        (claim("undecided"), "what makes the number doubtful now; see how it was tested"),
        (claim("undecided", None, None, None), "a run that can tell: this was compared."),
    ],
)
def test_what_would_change_our_mind(answer, words):
    assert change_of_mind(answer) == words
    (row,) = claim_rows({"learning.claims.paper_3.pca": answer, "chance": number(0.1)})
    assert (row["label"], row["paper"], row["change"]) == ("3", True, words)
