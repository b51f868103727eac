# SPDX-License-Identifier: GPL-3.0-or-later
"""Every claim can hold, fail and stay open, and says what it cannot know."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest

from polarstem.evaluate.claims.hypotheses import HYPOTHESES
from polarstem.evaluate.claims.paper import PAPER
from polarstem.evaluate.claims.verdicts import Question
from tests.unit.evaluate import synthetic_claims as synthetic

ASKED = (*PAPER, *HYPOTHESES)


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """By verdict, a case in which every claim should get it; each is made when asked for."""

    class Cases(dict):
        def __missing__(self, verdict):
            folder = tmp_path_factory.mktemp("world")
            self[verdict] = synthetic.make_case(folder, synthetic.WORLDS[verdict])
            return self[verdict]

    return Cases()


@pytest.fixture
def case(cases):
    """The case in which all claims hold, to be changed."""
    return replace(cases["holds"], config=deepcopy(cases["holds"].config))


def answer(case, key):
    """Answer to one claim."""
    asked, number = (PAPER, key[len("paper_")]) if key[0] == "p" else (HYPOTHESES, key[1])
    ask = asked[int(number) - 1]
    return {claim.key: claim for claim in ask(case)}[key]


@pytest.mark.parametrize("verdict", synthetic.WORLDS)
@pytest.mark.parametrize("ask", ASKED, ids=lambda ask: ask.__name__)
def test_every_claim_can_hold_fail_and_stay_open(cases, ask, verdict):
    found = {claim.key: claim for claim in ask(cases[verdict])}
    assert {key: claim.verdict for key, claim in found.items()} == dict.fromkeys(found, verdict)
    for claim in found.values():
        assert claim.how.endswith(".")
        assert claim.smallest == claim.entry()["smallest"]
        # undecided for the interval, not for want of anything
        assert np.isfinite([claim.value, claim.low, claim.high]).all()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("paper_1", 0.99),
        ("paper_2.thickness", 0.99 - 0.4),
        ("paper_2.experiment", 0.99 - 0.3),
        ("paper_3.prototype", 0.5 - 0.3),
        # two networks have 0.3, four variants of one 0.5
        ("paper_3.pca", 0.5 - (2 * 0.3 + 4 * 0.5) / 6),
        ("paper_3.physical_augmentation", (0.6 + 0.9 - 0.3 - 0.5) / 2),
        ("paper_5", 0.95 - 0.8),
        ("h1", 1.0),
        ("h2", (0.9 - 0.4) / (0.99 - 0.4)),
        ("h3", 0.9 - 0.5),
        ("h4.parity", 0.5 - 0.3),
        ("h4.voting", 1 - 0.9),
    ],
)  # fmt: skip
def test_numbers_are_those_given(cases, key, value):
    assert answer(cases["holds"], key).value == pytest.approx(value, abs=0.01)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.11, 0.3, "holds"), (-0.3, 0.09, "does not hold"), (0.05, 0.15, "undecided"),
     (0.1, 0.2, "undecided"), (np.nan, np.nan, "undecided")],
)  # fmt: skip
def test_the_interval_against_the_smallest_effect_decides(low, high, verdict):
    question = Question("k", "S.", "n", 0.1)
    assert question.judge(0.0, low, high, 3, "H.").verdict == verdict
    # a wider interval reaches the smallest effect from either side
    assert question.judge(0.0, low, high, 3, "H.", allowance=0.02).verdict == "undecided"
    doubtful = question.judge(0.0, low, high, 3, "H.", doubt="D.")
    assert (doubtful.verdict, doubtful.how) == ("undecided", "D. H.")


def test_few_trainings_widen_the_interval_of_differences_between_models(cases):
    """A gain of 0.067 is certain with three trainings, and within what one may differ by."""
    seeds = {1: "One training each", 2: "2 trainings each", 3: ""}
    for count, words in seeds.items():
        config = deepcopy(cases["holds"].config)
        config["train"]["seeds"] = list(range(count))
        case = replace(cases["holds"], config=config)
        for key in ("h4.equivariant", "paper_3.prototype", "h2"):
            claim = answer(case, key)
            assert words in claim.how
            assert ("spread between trainings" in claim.how) == bool(words)
            open_now = key == "h4.equivariant" and count < 3
            assert claim.verdict == ("undecided" if open_now else "holds")
        # one model under two conditions is one training either way
        assert "training each" not in answer(case, "h4.voting").how


def test_share_of_a_loss_is_widened_by_points_of_the_loss(case):
    """0.85 of a loss of 0.59: 0.25 points on either side are 0.42 of it."""
    case.config["train"]["seeds"] = [0]
    case.config["evaluate"]["training_spread"] = 0.19
    assert answer(case, "h2").verdict == "holds"
    case.config["evaluate"]["training_spread"] = 0.25
    assert answer(case, "h2").verdict == "undecided"


CHANCE = synthetic.World(
    0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125,
    {"defect": 0.95, "tilt_1": 0.7, "disorder": 0.7, "phonons20": 0.8}, 0.05, 0.0,
)  # fmt: skip


def test_models_that_guess_decide_nothing(tmp_path):
    case = synthetic.make_case(tmp_path, CHANCE)
    for ask in ASKED:
        for claim in ask(case):
            # that guessing is not very accurate is certain
            if claim.key != "paper_1":
                assert claim.verdict == "undecided", claim
                assert "better than chance" in claim.how or "No gap" in claim.how


def test_models_better_than_chance_are_compared_with_those_that_guess(cases, tmp_path):
    world = replace(synthetic.WORLDS["holds"], experiment=0.125)
    case = synthetic.make_case(tmp_path, world)
    assert answer(case, "paper_3.prototype").verdict == "holds"


def test_controls_stand_for_nothing(case):
    keys = ("h4.equivariant", "paper_3.pca")
    assert all(answer(case, key).value > 0.05 for key in keys)
    for control in ("resnet18", "cnn"):
        case.config["models"][control]["shuffled_labels"] = True
    # without the two weak networks, whom all others beat by 0.2
    for key in keys:
        assert answer(case, key).value == pytest.approx(0, abs=0.01)
    assert case.best("thin") not in ("cnn", "resnet18")
    assert "of 6 networks" in case.chosen(case.best("thin"), "thin")
    assert answer(case, "paper_3.physical_augmentation").value == pytest.approx(0.9 - 0.5, abs=0.01)
    assert case.twins(["head"], "classification", "prototype") == []


def test_strongest_is_what_the_config_recommends(case):
    assert case.strongest()[0] == ("equivariant", "random")
    assert "what the config recommends" in answer(case, "h4.voting").how


def test_strongest_is_else_the_best_validated_on_the_widest_source(case):
    case.config["evaluate"]["recommended"] = None
    run, why = case.strongest()
    assert run == ("cnn", "random")
    assert why.startswith("cnn has the highest validation accuracy of 2 networks on random")
    # the order of the config says nothing
    narrow = {"specimens": ["static"], "conditions": {"dose_electrons": [1e4, 1e4]}}
    sources = case.config["train"]["sources"]
    case.config["train"]["sources"] = {"narrow": narrow} | sources
    validated = dict(case.validated) | {"narrow": {"resnet18": 1.0}}
    assert replace(case, validated=validated).strongest()[0] == ("cnn", "random")
    # a higher validation accuracy on easier patterns neither
    validated["random"] = {"cnn": 0.3, "equivariant": 0.4}
    assert replace(case, validated=validated).strongest()[0] == ("equivariant", "random")
    left = {"thin": {"resnet18": 0.9}}
    assert replace(case, validated=left).strongest()[0] == ("resnet18", "thin")
    assert replace(case, validated={}).strongest() is None


def test_recommended_model_that_was_not_trained_or_is_a_control_is_not_the_strongest(case):
    case.config["evaluate"]["recommended"] = {"model": "resnet18", "source": "random"}
    assert case.strongest()[0] == ("cnn", "random")
    case.config["evaluate"]["recommended"] = {"model": "equivariant", "source": "random"}
    case.config["models"]["equivariant"]["shuffled_labels"] = True
    assert case.strongest()[0] == ("cnn", "random")


def test_tilt_and_thickness_are_compared_at_the_ends_of_the_experiments_ranges(case):
    emulated = case.config["specimens"]["emulated"]
    assert "on tilt_3, 90.0% on static10, static30" in answer(case, "h3").how
    # tilt_5 lies outside, and tilt_3 is no longer near the end
    emulated["conditions"]["tilt_mrad"] = [0.0, 4.5]
    assert "no tilt near the end" in answer(case, "h3").how
    emulated["conditions"]["tilt_mrad"] = [0.0, 3.0]
    emulated["thicknesses_nm"] = {"between": [8.0, 60.0], "count": 1}
    assert "static10, static50" in answer(case, "h3").how
    emulated["thicknesses_nm"] = {"between": [8.0, 90.0], "count": 1}
    assert "no thickness near the end" in answer(case, "h3").how
    case.config["evaluate"]["experiment"] = None
    assert "no experiment" in answer(case, "h3").how


def test_without_a_gap_there_is_nothing_to_close(tmp_path):
    world = replace(synthetic.WORLDS["holds"], elsewhere=0.98, several=0.985)
    claim = answer(synthetic.make_case(tmp_path, world), "h2")
    assert claim.verdict == "undecided"
    assert claim.how.startswith("No gap of more than 2% is certain.")


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        ("defect", "both with a defect and without it"),
        ("tilt_1 tilt_3 tilt_5", "no tilt to hold"),
        ("disorder phonons20", "no disorder of K and Na and no thermal motion to hold"),
    ],
)
def test_defects_need_their_twins_and_disturbances(case, gone, words):
    tested = case.config["evaluate"]["domains"]
    case.config["evaluate"]["domains"] = [each for each in tested if each not in gone.split()]
    claim = answer(case, "paper_5")
    assert claim.verdict == "undecided"
    assert words in claim.how


def test_defects_are_compared_with_the_same_specimens(case):
    assert "0.95 for defect" in answer(case, "paper_5").how
    case.config["specimens"]["defect"]["paired_with"] = None
    assert "both with a defect and without it" in answer(case, "paper_5").how


@pytest.mark.parametrize(
    ("key", "model", "words"),
    [
        ("paper_3.augmentation", "cnn_paper", "differ in this alone"),
        ("h4.parity", "cnn_even_odd", "not trained on one source"),
    ],
)
def test_what_the_run_lacks_leaves_a_claim_undecided(case, key, model, words):
    del case.config["models"][model]
    claim = answer(case, key)
    assert claim.verdict == "undecided"
    assert words in claim.how
    assert claim.entry()["value"] is None


def test_twins_differ_in_one_option_alone(case):
    settings = {"family": "cnn", "head": "classification", "augmentation": {"symmetry": True}}
    both = {**settings, "augmentation": {"symmetry": True, "paper": True}}
    case.config["models"] = {
        "plain": settings,
        "paper": both,
        "other": {**both, "head": "prototype"},
        "filtered": {**settings, "filter": "centre_of_mass"},
    }
    assert case.twins(["augmentation", "paper"], False, True) == [("plain", "paper")]
    assert case.twins(["filter"], "none", "centre_of_mass") == [("plain", "filtered")]
    assert case.twins(["head"], "classification", "prototype") == [("paper", "other")]
