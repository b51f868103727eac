# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from polarstem.config.families import FAMILIES
from polarstem.report.describe import domain_rows, model_rows


@pytest.mark.parametrize(
    ("settings", "words", "inputs"),
    [
        ({"family": "equivariant"}, "turns with the pattern", "each pixel standardised"),
        ({"family": "template"}, "Poisson likelihood", "not scaled"),
        ({"family": "deflection", "signal": "friedel"}, "Friedel pairs", "not scaled"),
        ({"family": "deflection"}, "centre of mass", "not scaled"),
        (
            {"family": "linear", "classifier": "logistic", "components": 50},
            "50 principal components, logistic regression",
            "each pixel standardised",
        ),
        ({"family": "pca_knn"}, "vote of 5 nearest neighbours", "each pixel standardised"),
    ],
)
def test_every_family_is_described_as_what_it_is(settings, words, inputs):
    runs = {"runs": [{"models": ["one"]}]}
    resolved = FAMILIES[settings["family"]].model_validate(settings).model_dump(mode="json")
    config = {"models": {"one": resolved}, "train": runs, "evaluate": {}}
    (row,) = model_rows(config)
    assert words in row["what"]
    assert row["input"] == inputs


def test_data_domains_say_which_classes_they_have():
    config = {
        "evaluate": {"domains": ["some", "one", "all"]},
        "domains": {n: {"specimens": n, "thicknesses_nm": [20]} for n in ("some", "one", "all")},
        "specimens": {"some": {"classes": ["RM", "LM"]}, "one": {"classes": "first"}, "all": {}},
    }
    told = [row["different"] for row in domain_rows(config, {})]
    assert told == ["classes RM, LM only", "first class only", "–"]
