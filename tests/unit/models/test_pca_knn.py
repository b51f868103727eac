# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from synthetic_patterns import DIRECTIONS, NAMES, lopsided_patterns

from polarstem.data.patterns import PatternSet
from polarstem.errors import PolarstemError
from polarstem.models import FitJob, create, load_model
from polarstem.models.calibration_fit import calibrate
from polarstem.models.family import pca_knn


def test_equals_the_plain_pipeline_when_one_chunk_holds_all(make_set, tmp_path):
    train, test = make_set(400, 0), make_set(100, 1)
    model = create("pca_knn", {}, train.class_names, train.class_directions)
    model.fit(train, test, FitJob(tmp_path, seed=0))

    def rows(patterns):
        flat = patterns.reshape(len(patterns), -1).astype(float)
        low, high = flat.min(1, keepdims=True), flat.max(1, keepdims=True)
        return (flat - low) / (high - low)

    plain = make_pipeline(
        StandardScaler(), PCA(20, svd_solver="full"), KNeighborsClassifier(5)
    ).fit(rows(train.read(slice(None))), train.class_index)
    patterns = test.read(slice(None))
    np.testing.assert_allclose(
        np.abs(model.embed(patterns)),
        np.abs(plain[:-1].transform(rows(patterns))),
        rtol=1e-3,
        atol=1e-3,
    )
    votes = 5 * plain.predict_proba(rows(patterns))
    found = (5 + pca_knn.BEYOND) * model.predict_proba(patterns)
    # neighbours beyond the fifth count less than one vote
    np.testing.assert_array_equal(np.floor(found + 1e-3), np.round(votes))
    accuracy = (model.predict_proba(patterns).argmax(1) == test.class_index).mean()
    assert accuracy > 0.5


def test_chunks_and_disk_change_little(make_set, tmp_path, monkeypatch):
    train, test = make_set(400, 0), make_set(100, 1)
    results = []
    for chunk, memory_mb in ((1024, 1500), (64, 0)):
        monkeypatch.setattr(pca_knn, "CHUNK", chunk)
        model = create("pca_knn", {}, train.class_names, train.class_directions)
        model.fit(train, test, FitJob(tmp_path / str(chunk), seed=0, memory_mb=memory_mb))
        results.append(model.predict_proba(test.read(slice(None))))
    assert (tmp_path / "64" / "train.npy").exists()
    assert not (tmp_path / "1024" / "train.npy").exists()
    agree = results[0].argmax(1) == results[1].argmax(1)
    assert agree.mean() > 0.9


@pytest.mark.parametrize("scaling", ["standardise", "minmax"])
def test_saved_model_is_the_same_model(make_set, tmp_path, scaling):
    train, test = make_set(160, 0), make_set(40, 1).read(slice(None))
    options = {"preprocessing": {"scaling": scaling}, "components": 6, "neighbours": 3}
    model = create("pca_knn", options, train.class_names, train.class_directions)
    model.fit(train, train, FitJob(tmp_path / "work", seed=0))
    model.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(test), model.predict_proba(test))
    np.testing.assert_array_equal(loaded.embed(test), model.embed(test))
    assert loaded.embed(test).shape == (40, 6)
    assert loaded.predict_proba(test[:0]).shape == (0, 8)


def test_too_few_patterns_are_told(make_set, tmp_path):
    train = make_set(16, 0)
    model = create("pca_knn", {}, train.class_names, train.class_directions)
    with pytest.raises(PolarstemError, match="16 training patterns"):
        model.fit(train, train, FitJob(tmp_path, seed=0))


class Votes:
    """The votes of the five nearest alone."""

    def __init__(self, model):
        self.model = model

    def predict_proba(self, patterns):
        found = (5 + pca_knn.BEYOND) * self.model.predict_proba(patterns)
        return np.floor(found + 1e-3) / 5


def noisy_set(n, seed, noise):
    patterns, label = lopsided_patterns(n, seed)
    patterns += noise * np.random.default_rng(seed).normal(size=patterns.shape)
    specimen = np.arange(n).astype(str)
    return PatternSet.from_arrays(patterns, label, NAMES, DIRECTIONS, specimen=specimen)


@pytest.mark.parametrize("noise", [1e-4, 2e-4])
def test_classes_without_a_vote_are_told_apart(tmp_path, noise):
    """Else sets that must hold one of them hold all."""
    train, test, calibrating = (noisy_set(400, seed, noise) for seed in range(3))
    model = create("pca_knn", {}, NAMES, DIRECTIONS.tolist())
    model.fit(train, train, FitJob(tmp_path, seed=0))
    patterns, own, rows = test.read(slice(None)), test.class_index, np.arange(400)
    found, five = model.predict_proba(patterns), Votes(model).predict_proba(patterns)
    out = five[rows, own] == 0
    above = (found > found[rows, own][:, None]).sum(1)[out] - (five > 0).sum(1)[out]
    by_chance = ((five == 0).sum(1)[out] - 1) / 2
    assert above.mean() < 0.4 * by_chance.mean()
    sizes, answered = [], []
    for kind in (model, Votes(model)):
        fitted = calibrate(kind, calibrating)
        sets = fitted.sets(fitted.apply(kind.predict_proba(patterns)))
        assert 0.87 < sets[rows, own].mean() < 0.96
        sizes.append(sets.sum(1).mean())
        answered.append((sets.sum(1) == 1).mean())
    assert sizes[0] < 0.95 * sizes[1]
    if noise == 1e-4:
        assert answered[0] > 0.65 > answered[1] > 0.5


def test_few_patterns_have_no_wider_circle(make_set, tmp_path):
    train = make_set(24, 0)
    model = create("pca_knn", {"components": 4, "neighbours": 24}, train.class_names, np.arange(8))
    model.fit(train, train, FitJob(tmp_path, seed=0))
    found = model.predict_proba(train.read(slice(None)))
    np.testing.assert_allclose(found, 1 / 8, atol=1e-6)
