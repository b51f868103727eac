# SPDX-License-Identifier: GPL-3.0-or-later
"""A saved model of which a bit has changed is told when it is loaded, not used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic_patterns import DIRECTIONS, NAMES

from polarstem.errors import PolarstemError
from polarstem.models import create, load_model
from polarstem.models.job import FitJob

KINDS = ("pca_knn", "cnn")


@pytest.fixture(scope="module")
def saved(make_set, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    models: dict[str, Any] = {kind: create(kind, {}, NAMES, DIRECTIONS) for kind in KINDS}
    models["pca_knn"].fit(make_set(160, 0), make_set(40, 1), FitJob(folder / "work", seed=0))
    models["cnn"].pattern_shape = make_set(1, 0).shape
    models["cnn"].network = models["cnn"]._build(pretrained=False)
    for kind, model in models.items():
        model.info["name"] = kind
        model.save(folder / kind)
    return {kind: folder / kind for kind in KINDS}


@pytest.fixture(params=KINDS)
def model(request, saved, tmp_path) -> Path:
    return Path(shutil.copytree(saved[request.param], tmp_path / "model"))


def test_all_files_are_listed(model):
    files = load_model(model).files
    assert {path.name for path in model.iterdir()} == {"model.json", *files}
    assert set(json.loads((model / "model.json").read_text())["files"]) == set(files)


def test_a_flipped_bit_is_told(model):
    random = np.random.default_rng(0)
    for path in sorted(model.iterdir()):
        whole = path.read_bytes()
        for _ in range(20):
            changed = bytearray(whole)
            changed[random.integers(len(whole))] ^= 1 << int(random.integers(8))
            path.write_bytes(changed)
            with pytest.raises(PolarstemError, match=rf"{path}.*(checksum|broken|format)") as told:
                load_model(model)
            assert "\n" not in str(told.value)
        path.write_bytes(whole)
    load_model(model)


def test_missing_and_cut_files_are_told(model):
    for name in load_model(model).files:
        whole = (model / name).read_bytes()
        (model / name).write_bytes(whole[:-1])
        with pytest.raises(PolarstemError, match=f"{name} is damaged or of another model"):
            load_model(model)
        (model / name).unlink()
        with pytest.raises(PolarstemError, match=rf"{model} is incomplete.*lacks {name}"):
            load_model(model)
        (model / name).write_bytes(whole)


def test_a_model_of_an_earlier_version_is_read(model):
    description = json.loads((model / "model.json").read_text())
    del description["checksum"], description["files"]
    (model / "model.json").write_text(json.dumps(description))
    load_model(model)


def test_checksums_do_not_travel_on(model, tmp_path):
    loaded = load_model(model)
    assert not {"checksum", "files"} & set(loaded.info)
    loaded.info["name"] = "other"
    loaded.save(tmp_path / "again")
    assert load_model(tmp_path / "again").info["name"] == "other"
