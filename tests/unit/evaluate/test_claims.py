# SPDX-License-Identifier: GPL-3.0-or-later
"""Claims: verdicts on results whose truth is known, and undecided where a run cannot tell."""

from __future__ import annotations

import json

import numpy as np
import pytest

from polarstem.errors import PolarstemError
from polarstem.evaluate.claims.answers import answer_claims
from polarstem.evaluate.claims.evidence import Evidence, Sample
from polarstem.evaluate.claims.verdicts import Case, Question, combine
from tests.unit.evaluate import synthetic_ladder as ladder
from tests.unit.evaluate import synthetic_results as synthetic


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("claims")
    config = ladder.make_config()
    return (
        folder,
        config,
        ladder.write_predictions(folder / "predictions", config),
        ladder.write_models(folder / "models", config),
    )


def answers(run, out, config=None, predictions=None, models=None, **options):
    _, usual, made, saved = run
    answer_claims(
        made if predictions is None else predictions,
        saved if models is None else models,
        config or usual,
        out,
        **options,
    )
    entries = json.loads(out.read_text())
    return {key.removeprefix("learning.claims."): claim for key, claim in entries.items()}


@pytest.fixture(scope="module")
def found(run):
    information = ladder.write_information(run[0] / "information.nc")
    return answers(run, run[0] / "claims.json", information_nc=information)


def test_all_claims_and_hypotheses_are_answered_in_order(found):
    parents = list(dict.fromkeys(key.split(".")[0] for key in found))
    assert parents == [*(f"paper_{i}" for i in range(1, 6)), *(f"h{i}" for i in range(1, 6))]
    for claim in found.values():
        assert claim["verdict"] in ("holds", "does not hold", "undecided")
        assert claim["statement"].endswith(".")
        assert claim["how"].endswith(".")


@pytest.mark.parametrize(
    ("key", "verdict", "value"),
    [
        ("paper_1", "holds", 0.99),
        # (0.99 - 0.3) of the 0.7 errors on the experiment are due to it
        ("paper_2.experiment", "holds", 0.69 / 0.7),
        ("paper_3.prototype", "holds", 0.35 - 0.25),
        ("paper_3.physical_augmentation", "holds", 0.8 - 0.3),
        # principal components against two networks: 0.15 - (0.2 + 0.25) / 2
        ("paper_3.pca", "does not hold", -0.075),
        ("paper_4", "holds", 1.0),
        ("h1", "holds", None),
        # at 30 and 50 nm, 10 and 30 nm from what both train on; below 0.1 nobody falls
        ("h2.training", "holds", (0.87 - 0.345) / (0.99 - 0.345)),
        ("h2.limit", "holds", 0.0),
        # 0.12 per mrad at 1 and 3 mrad against 0.006 per nm
        ("h3", "holds", 0.24 - 0.12),
        ("h4.equivariant", "holds", 0.3 - 0.2),
        # four of five patterns outvote the fifth in every cell
        ("h4.voting", "holds", 1 - 0.8),
    ],
)  # fmt: skip
def test_verdicts_follow_from_the_accuracies_given(found, key, verdict, value):
    claim = found[key]
    assert claim["verdict"] == verdict, claim
    assert claim["low"] <= claim["value"] <= claim["high"]
    if value is not None:
        # a pattern of 36 is the grain of an accuracy; a share divides by one
        assert claim["value"] == pytest.approx(value, abs=0.03)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("paper_3.augmentation", "differ in this alone"),
        ("paper_5", "has a defect"),
        ("h4.parity", "not trained on one source"),
        ("h5", "compares unit cells with those around them"),
    ],
)
def test_what_the_run_lacks_leaves_a_claim_undecided(found, key, words):
    assert found[key]["verdict"] == "undecided"
    assert words in found[key]["how"]
    assert found[key]["value"] is None


def test_the_best_network_is_chosen_by_validation(run, found):
    assert (
        "equivariant has the highest validation accuracy of 4 networks" in found["paper_1"]["how"]
    )
    _, config, predictions, _ = run
    evidence = Evidence(predictions)
    case = Case(config, evidence, {"thin": {"cnn": 0.9, "resnet18": 0.95}})
    assert case.best("thin") == "resnet18"
    assert case.best("several") is None
    assert case.strongest() == ("resnet18", "thin")


def test_other_accuracies_turn_the_verdicts(run, tmp_path, monkeypatch):
    monkeypatch.setitem(ladder.SAME, "equivariant", 0.5)
    monkeypatch.setitem(ladder.EXPERIMENT["thin"], "cnn_prototype", 0.1)
    monkeypatch.setitem(ladder.LOSS["thickness"], "several", 0.04)
    config = run[1]
    predictions = ladder.write_predictions(tmp_path / "p", config, scatter=True)
    information = ladder.write_information(tmp_path / "i.nc", cost=0.1)
    found = answers(run, tmp_path / "c.json", predictions=predictions, information_nc=information)
    for key in ("paper_1", "paper_2.experiment", "paper_3.prototype", "h2.training", "h2.limit"):
        assert found[key]["verdict"] == "does not hold", found[key]
    # errors anywhere: neither the other half nor the information tells where
    for key in ("paper_4", "h1"):
        assert found[key]["verdict"] == "undecided", found[key]
        assert abs(found[key]["value"]) < 0.35


def test_a_small_run_is_undecided_but_complete(tmp_path):
    """One model without history, one condition, one specimen per class."""
    config = synthetic.make_config(test_specimens=1)
    config["models"] = {"pca_knn": config["models"]["pca_knn"]}
    config["train"]["runs"] = [{"models": ["pca_knn"], "sources": ["thin"]}]
    config["train"]["sources"].pop("mixed")
    config["evaluate"]["domains"] = ["static20"]
    predictions = synthetic.write_predictions(tmp_path / "p", config, positions=2)
    answer_claims(predictions, [], config, tmp_path / "c.json")
    claims = json.loads((tmp_path / "c.json").read_text())
    assert {claim["verdict"] for claim in claims.values()} == {"undecided"}
    assert len(claims) == 19


def test_a_limit_without_numbers_is_no_limit(run, tmp_path):
    import xarray as xr

    empty = xr.Dataset({"chernoff": (("group", "true"), np.zeros((0, 8)))})
    empty.to_netcdf(tmp_path / "i.nc")
    found = answers(run, tmp_path / "c.json", information_nc=tmp_path / "i.nc")
    assert "not computed" in found["h1"]["how"]
    assert "not computed" in found["h2.limit"]["how"]


def test_models_on_the_same_specimens_are_compared_in_pairs(run):
    """The specimens differ, alike for both models, so their difference is nearly certain."""
    evidence = Evidence(run[2])
    a, b = (evidence.score(m, "thin", ["emulated"]) for m in ("cnn", "cnn_prototype"))
    low, high = a.interval(0.95)
    assert high - low > 0.01
    low, high = combine(np.subtract, b, a).interval(0.95)
    assert high - low < 1e-9
    # the crystals of another set are left out on their own
    other = combine(np.subtract, evidence.score("cnn", "thin", ["static20"]), a)
    assert other.error()[0] > a.error()[0] > 0.003


def test_intervals_have_the_width_of_independent_crystals(tmp_path):
    """Against the textbook: standard error of a mean over strata, and Student's quantile."""
    config = ladder.make_config()
    config["specimens"]["emulated"]["per_class"]["test"] = 12
    predictions = ladder.write_predictions(tmp_path, config)
    evidence = Evidence(predictions)
    sample = evidence.score("cnn", "thin", ["emulated"])
    wrong = np.clip(np.round(0.75 * 36 + np.arange(12) % 3 - 1), 0, 36) / 36
    error, freedom = sample.error()
    assert error == pytest.approx(wrong.std(ddof=1) / np.sqrt(12 * 8))
    assert freedom == pytest.approx(8 * 11)
    assert sample.n == 96


def test_metrics_that_a_domain_lacks_are_unknown_and_missing_domains_refused(run):
    evidence = Evidence(run[2])
    assert np.isnan(evidence.score("cnn", "thin", ["static20"], "no_such_metric").value)
    assert not evidence.has("cnn", "thin", "no_such_domain")
    assert not evidence.has("cnn", "random")
    with pytest.raises(PolarstemError, match="lack the data domain no_such_domain"):
        evidence.score("cnn", "thin", ["no_such_domain"])


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.1, 0.3, "holds"), (-0.3, -0.1, "does not hold"), (-0.1, 0.1, "undecided"),
     (0.0, 0.2, "undecided"), (np.nan, np.nan, "undecided")],
)  # fmt: skip
def test_the_interval_decides(low, high, verdict):
    assert Question("k", "S.", "n").judge(0.0, low, high, 3, "H.").verdict == verdict
    turned = {"holds": "does not hold", "does not hold": "holds"}
    below = Question("k", "S.", "n", below=True).judge(0.0, low, high, 3, "H.")
    assert below.verdict == turned.get(verdict, verdict)


def test_a_single_crystal_has_no_interval():
    assert np.isnan(Sample(np.array([0.9, 0.9, 0.9]), 1).interval(0.95)).all()


def test_twins_differ_in_one_option_alone():
    config = ladder.make_config()
    settings = {"family": "cnn", "head": "classification", "augmentation": {"symmetry": True}}
    config["models"] = {
        "plain": settings,
        "paper": {**settings, "augmentation": {"symmetry": True, "paper": True}},
        "other": {
            **settings,
            "head": "prototype",
            "augmentation": {"symmetry": True, "paper": True},
        },
        "filtered": {**settings, "filter": "centre_of_mass"},
    }
    case = Case(config, Evidence([]))
    assert case.twins(["augmentation", "paper"], False, True) == [("plain", "paper")]
    assert case.twins(["filter"], "none", "centre_of_mass") == [("plain", "filtered")]
    assert case.twins(["head"], "classification", "prototype") == [("paper", "other")]


def test_halves_need_two_crystals_of_each_class(tmp_path):
    config = ladder.make_config()
    config["specimens"]["emulated"]["per_class"]["test"] = 1
    evidence = Evidence(ladder.write_predictions(tmp_path, config))
    assert np.isnan(evidence.recurrence("cnn", "thin", "emulated").value)
    assert evidence.recurrence("cnn", "thin", "static30").value > 0.9
