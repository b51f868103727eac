# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores of models on the same crystals, and of a run that lacks what is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.errors import PolarstemError
from polarstem.evaluate.claims.evidence import Evidence, Sample, combine
from tests.unit.evaluate import synthetic_ladder as ladder


@pytest.fixture(scope="module")
def predictions(tmp_path_factory):
    return ladder.write_predictions(tmp_path_factory.mktemp("evidence"), ladder.make_config())


def test_models_on_the_same_specimens_are_compared_in_pairs(predictions):
    """The specimens differ, alike for both models, so their difference is nearly certain."""
    evidence = Evidence(predictions)
    a, b = (evidence.score(m, "thin", ["emulated"]) for m in ("cnn", "cnn_prototype"))
    low, high = a.interval(0.95)
    assert high - low > 0.01
    low, high = combine(np.subtract, b, a).interval(0.95)
    assert high - low < 1e-9
    # the crystals of another set are left out on their own
    other = combine(np.subtract, evidence.score("cnn", "thin", ["static20"]), a)
    assert other.error()[0] > a.error()[0] > 0.003


def test_crystals_of_specimens_are_numbered(predictions):
    names = [f"emulated-{name}-test-{i}" for name in ("LD", "RM") for i in range(4)]
    same = {"emulated": dict.fromkeys(names, "one")}
    found = Evidence(predictions, crystals=same).crystals("cnn", "thin", "emulated")
    assert len(found) == 32
    assert sorted(np.bincount(found)) == [1] * 24 + [8]


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


def test_metrics_that_a_domain_lacks_are_unknown_and_missing_domains_refused(predictions):
    evidence = Evidence(predictions)
    assert np.isnan(evidence.score("cnn", "thin", ["static20"], "no_such_metric").value)
    assert not evidence.has("cnn", "thin", "no_such_domain")
    assert not evidence.has("cnn_prototype", "random")
    with pytest.raises(PolarstemError, match="lack the data domain no_such_domain"):
        evidence.score("cnn", "thin", ["no_such_domain"])


def test_a_single_crystal_has_no_interval():
    assert np.isnan(Sample(np.array([0.9, 0.9, 0.9]), 1).interval(0.95)).all()
