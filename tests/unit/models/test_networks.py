# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from synthetic_patterns import DIRECTIONS, NAMES, ROOT, lopsided_patterns

from polarstem.data.patterns import PatternSet
from polarstem.errors import PolarstemError
from polarstem.models import FitJob, create, load_model
from polarstem.models.family.timm import TimmModel

FAST = {"learning_rate": 2e-3, "batch_size": 32, "max_epochs": 6}


def fitted(make_set, folder, options, family="cnn", n=480, seed=0):
    train, validation = make_set(n, 0, 24), make_set(80, 1, 24)
    model = create(family, options, train.class_names, train.class_directions)
    return model.fit(train, validation, FitJob(folder / "work", seed=seed))


@pytest.mark.parametrize("head", ["classification", "regression", "prototype"])
def test_every_head_learns_and_survives_saving(make_set, tmp_path, head):
    model = fitted(make_set, tmp_path, {"head": head, "training": FAST})
    test = make_set(160, 2, 24)
    patterns = test.read(slice(None))
    probability = model.predict_proba(patterns)
    assert probability.dtype == np.float32
    np.testing.assert_allclose(probability.sum(1), 1, rtol=1e-5)
    assert (probability.argmax(1) == test.class_index).mean() > 0.9
    assert model.embed(patterns).shape == (160, 128 if head == "prototype" else 512)
    if head != "classification":
        # One kappa for all: confident where right, and a likelihood better than chance.
        own = probability[np.arange(160), test.class_index]
        assert -np.log(own).mean() < 0.5

    model.save(tmp_path / "model")
    assert {path.name for path in (tmp_path / "model").iterdir()} == {
        "model.json",
        "weights.safetensors",
        "history.csv",
    }
    np.save(tmp_path / "patterns.npy", patterns)
    code = (
        "import sys, numpy as np\n"
        "from polarstem.models import load_model\n"
        "folder = sys.argv[1]\n"
        "model = load_model(folder + '/model')\n"
        "np.save(folder + '/other.npy', model.predict_proba(np.load(folder + '/patterns.npy')))\n"
    )
    if head == "prototype":  # a fresh process takes seconds to import torch
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, cwd=ROOT)
        np.testing.assert_array_equal(np.load(tmp_path / "other.npy"), probability)
    loaded = load_model(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(patterns), probability)
    np.testing.assert_array_equal(loaded.embed(patterns), model.embed(patterns))
    assert loaded.history == model.history


@pytest.mark.parametrize("parity", ["none", "even_odd"])
def test_augmented_training_learns(make_set, tmp_path, parity):
    options = {
        "augmentation": {"symmetry": True, "paper": True},
        "preprocessing": {"parity": parity},
        "training": FAST,
    }
    model = fitted(make_set, tmp_path, options)
    test = make_set(160, 2, 24)
    assert (model.predict_proba(test.read(slice(None))).argmax(1) == test.class_index).mean() > 0.6


def test_positives_from_other_scans(tmp_path):
    """They need two scans of each class, and change what is learned."""
    patterns, label = lopsided_patterns(160, 0, 16)

    def made(scans):
        specimen = [f"static-{k}-{i // 8 % scans}" for i, k in enumerate(label)]
        return PatternSet.from_arrays(patterns, label, NAMES, DIRECTIONS, specimen=specimen)

    def fit(positives, scans):
        training = {"max_epochs": 1, "batch_size": 32}
        options = {"head": "prototype", "positives": positives, "training": training}
        model = create("cnn", options, NAMES, DIRECTIONS)
        return model.fit(made(scans), made(scans), FitJob(tmp_path / f"{positives}{scans}", seed=0))

    losses = [fit(*p).history[0].train_loss for p in (("batch", 2), ("cross_condition", 2))]
    assert losses[1] > losses[0]  # a pattern is no part of what it is compared with
    with pytest.raises(PolarstemError, match=r"two or more scans of every class .* RM has one"):
        fit("cross_condition", 1)


@pytest.mark.parametrize("architecture", ["resnet18", "vgg11", "vit_tiny_patch16_224"])
@pytest.mark.parametrize(("shape", "parity"), [((32, 32), "none"), ((50, 44), "even_odd")])
def test_timm_networks_take_small_patterns(architecture, shape, parity):
    options = {"architecture": architecture, "preprocessing": {"parity": parity}}
    model = create("timm", options, ["A", "B"], [0, 180])
    assert isinstance(model, TimmModel)
    model.pattern_shape = shape
    network = model._build(pretrained=False)
    assert network(torch.rand(3, *shape)).shape == (3, 512)
    assert network.hidden.in_features == 256
    # VGG's own 7x7 stage alone would be a hundred million weights.
    assert sum(weights.numel() for weights in network.parameters()) < 2e7


def test_timm_refuses_what_it_cannot_take():
    small = create("timm", {"architecture": "resnet18"}, ["A", "B"], [0, 180])
    small.pattern_shape = (24, 24)
    with pytest.raises(PolarstemError, match="at least 32 x 32"):
        small._build(pretrained=False)
    deep = create("timm", {"architecture": "inception_v4"}, ["A", "B"], [0, 180])
    deep.pattern_shape = (32, 32)
    with pytest.raises(PolarstemError, match="inception_v4 cannot take patterns of 32 x 32"):
        deep._build(pretrained=False)


@pytest.mark.slow
def test_timm_network_learns_and_survives_saving(make_set, tmp_path):
    train, validation = make_set(800, 0), make_set(160, 1)
    training = {**FAST, "max_epochs": 4, "schedule": "one_cycle"}
    model = create(
        "timm",
        {"architecture": "resnet18", "head": "prototype", "training": training},
        train.class_names,
        train.class_directions,
    )
    model.fit(train, validation, FitJob(tmp_path / "work", seed=0))
    patterns = validation.read(slice(None))
    probability = model.predict_proba(patterns)
    assert (probability.argmax(1) == validation.class_index).mean() > 0.7
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(
        load_model(tmp_path / "model").predict_proba(patterns), probability
    )


def test_bad_sets_and_patterns_are_told(make_set, tmp_path):
    train = make_set(80, 0, 24)
    model = create(
        "cnn", {"training": {"max_epochs": 1}}, train.class_names, train.class_directions
    )

    def fit(first: PatternSet, second: PatternSet) -> None:
        model.fit(first, second, FitJob(tmp_path, seed=0))

    with pytest.raises(PolarstemError, match="validation set has no pattern of class MU, LD"):
        fit(train, train.select(~np.isin(train.class_index, [2, 5])))
    with pytest.raises(PolarstemError, match="no pattern of class RM"):
        fit(train, train.select(np.zeros(80, bool)))
    with pytest.raises(PolarstemError, match=r"shape \(24, 24\), validation patterns \(16, 16\)"):
        fit(train, make_set(80, 0, 16))
    broken = train.read(slice(None))
    broken[7, 3, 3] = np.nan
    labels = (train.class_index, train.class_names, train.class_directions)
    with pytest.raises(PolarstemError, match="Pattern 7 of specimen unknown"):
        fit(PatternSet.from_arrays(broken, *labels), train)
    if not torch.cuda.is_available():
        with pytest.raises(PolarstemError, match="torch sees none"):
            model.fit(train, train, FitJob(tmp_path, seed=0, device="gpu"))
    fit(train, train)
    with pytest.raises(PolarstemError, match=r"trained on \(n, 24, 24\)"):
        model.predict_proba(np.zeros((3, 20, 20)))
    assert model.predict_proba(np.zeros((0, 24, 24))).shape == (0, 8)

    model.save(tmp_path / "model")
    weights = tmp_path / "model" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(PolarstemError, match="damaged"):
        load_model(tmp_path / "model")
