# SPDX-License-Identifier: GPL-3.0-or-later
"""The job that answers claims: all of them, whatever the run has."""

from __future__ import annotations

import json

import numpy as np
import pytest

from polarstem.evaluate.claims.answers import answer_claims
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
    assert parents == [*(f"paper_{i}" for i in range(1, 6)), *(f"h{i}" for i in range(1, 5))]
    for claim in found.values():
        assert claim["verdict"] in ("holds", "does not hold", "undecided")
        assert claim["statement"].endswith(".")
        assert claim["how"].endswith(".")


@pytest.mark.parametrize(
    ("key", "verdict", "words"),
    [
        ("paper_1", "holds", "equivariant has the highest validation accuracy of 4 networks"),
        ("paper_2.experiment", "holds", "31.2% on emulated"),
        ("paper_3.physical_augmentation", "holds", "equivariant trained on random (81.2%)"),
        ("paper_3.pca", "does not hold", "One training each"),
        ("paper_3.augmentation", "undecided", "differ in this alone"),
        ("paper_4", "holds", "on random, the widest source"),
        ("paper_5", "undecided", "both with a defect and without it"),
        ("h1", "holds", "Mean over static20"),
        ("h4.parity", "undecided", "not trained on one source"),
    ],
)
def test_answers_of_a_run_with_one_training(found, key, verdict, words):
    assert found[key]["verdict"] == verdict, found[key]
    assert words in found[key]["how"], found[key]["how"]


def test_a_small_run_is_undecided_but_complete(tmp_path, found):
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
    assert [key.removeprefix("learning.claims.") for key in claims] == list(found)


def test_a_limit_without_numbers_is_no_limit(run, tmp_path):
    import xarray as xr

    empty = xr.Dataset({"chernoff": (("group", "true"), np.zeros((0, 8)))})
    empty.to_netcdf(tmp_path / "i.nc")
    found = answers(run, tmp_path / "c.json", information_nc=tmp_path / "i.nc")
    assert "not computed" in found["h1"]["how"]
