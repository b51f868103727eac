# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess
import sys

import pytest
from synthetic_patterns import ROOT

from polarstem.config import learning
from polarstem.config.families import FAMILIES
from polarstem.errors import PolarstemError
from polarstem.models import create, families, load_model
from polarstem.models.options import TrainingOptions

CLASSES = (["RM", "LM"], [0.0, 180.0])


def test_import_is_cheap():
    code = (
        "import sys, polarstem.models;"
        "sys.exit(any(m in sys.modules for m in ('torch', 'sklearn', 'timm', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0


def test_families():
    known = ["cnn", "deflection", "equivariant", "linear", "pca_knn", "template", "timm"]
    assert families() == known


def test_defaults_are_those_of_the_config():
    assert learning.Training().model_dump() == vars(TrainingOptions())


def test_the_config_knows_every_family():
    assert sorted(FAMILIES) == families()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_option_of_the_config_is_taken(family):
    given = {"family": family} | ({"architecture": "resnet18"} if family == "timm" else {})
    settings = FAMILIES[family].model_validate(given).model_dump(mode="json")
    del settings["shuffled_labels"]  # the job's, not the model's
    model = create(family, settings, *CLASSES)
    assert {*vars(model.settings), "family"} == set(settings)


@pytest.mark.parametrize(
    ("family", "options", "words"),
    [
        ("cn", {}, ["cn", "did you mean 'cnn'"]),
        ("cnn", {"haed": "prototype"}, ["models.cnn", "haed", "did you mean 'head'"]),
        ("cnn", {"head": "vector"}, ["models.cnn.head", "vector", "regression"]),
        ("cnn", {"training": {"epochs": 3}}, ["models.cnn.training", "max_epochs"]),
        ("cnn", {"preprocessing": {"scaling": "log"}}, ["scaling", "log", "standardise"]),
        ("timm", {"architecture": "resnet81"}, ["timm", "resnet81", "resnet18"]),
        ("timm", {"architecture": "zzzz"}, ["zzzz", "timm.list_models"]),
    ],
)
def test_wrong_options_get_a_hint(family, options, words):
    with pytest.raises(PolarstemError) as raised:
        create(family, options, *CLASSES)
    for word in words:
        assert word in str(raised.value)


def test_broken_directories_are_told(tmp_path):
    with pytest.raises(PolarstemError, match="not a saved model"):
        load_model(tmp_path)
    (tmp_path / "model.json").write_text('{"format": 1, "fam')
    with pytest.raises(PolarstemError, match="broken"):
        load_model(tmp_path)
    (tmp_path / "model.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(PolarstemError, match="format 99"):
        load_model(tmp_path)


def test_untrained_model_says_so(tmp_path):
    model = create("pca_knn", {}, *CLASSES)
    with pytest.raises(PolarstemError, match="not trained"):
        model.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()
