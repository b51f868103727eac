# SPDX-License-Identifier: GPL-3.0-or-later
"""What all models without a network must do, on patterns of a crystal."""

from __future__ import annotations

import numpy as np
import pytest
from crystal_patterns import SPACING, crystal_set

from polarstem.models import FitJob, create, load_model

FRIEDEL = {"signal": "friedel", "spacing_pixels": SPACING}
BASELINES = {
    "centre_of_mass": ("deflection", {}),
    "friedel": ("deflection", FRIEDEL),
    "quadrant": ("deflection", {"signal": "quadrant"}),
    "lda": ("linear", {"components": 80}),
    "logistic": ("linear", {"components": 80, "classifier": "logistic"}),
    "parts": ("linear", {"components": 80, "preprocessing": {"parity": "even_odd"}}),
    "template": ("template", {}),
}
# discs that do not overlap tell by their brightness; else the pattern within must be read
CONDITIONS = {"deflection": {"semiangle_mrad": 2.5, "nm": (8.0, 16.0)}}


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """Models that learned from one crystal, at positions that are not those of the tests."""

    def fit(name):
        family, options = BASELINES[name]
        conditions = CONDITIONS.get(family, {})
        # without noise deflections would scatter by less than single precision can tell
        dose = 1e6 if family == "deflection" else None
        train = crystal_set(16, 0.25, dose=dose, **conditions)
        validation = crystal_set(5, 0.1, amplitude=1.1, **conditions)
        model = create(family, options, train.class_names, train.class_directions)
        return model.fit(train, validation, FitJob(tmp_path_factory.mktemp(name), seed=0))

    return {name: fit(name) for name in BASELINES}


@pytest.mark.parametrize("name", BASELINES)
def test_another_crystal_is_told(fitted, name):
    conditions = CONDITIONS.get(fitted[name].family, {})
    test = crystal_set(6, 0.5, amplitude=0.9, **conditions)
    probability = fitted[name].predict_proba(test.read(slice(None)))
    np.testing.assert_allclose(probability.sum(1), 1, rtol=1e-5)
    assert (probability.argmax(1) == test.class_index).mean() > 0.9


@pytest.mark.parametrize("name", BASELINES)
def test_a_cubic_crystal_gets_no_preference(fitted, name):
    """In the mean over a symmetric scan, and on the column of the A site in every pattern."""
    conditions = CONDITIONS.get(fitted[name].family, {})
    cubic = crystal_set(6, 0.5, amplitude=0.0, **conditions).read(slice(0, 36))
    score = np.log(fitted[name].predict_proba(cubic)).mean(axis=0)
    np.testing.assert_allclose(score, score.mean(), atol=0.02)
    centre = crystal_set(1, 0.0, amplitude=0.0, **conditions).read(slice(0, 1))
    np.testing.assert_allclose(fitted[name].predict_proba(centre), 0.25, atol=4e-3)


@pytest.mark.parametrize("name", BASELINES)
def test_a_quarter_turn_is_two_of_eight_classes(make_set, tmp_path, name):
    """Exactly, whatever was learned: here from few patterns that are not symmetric at all."""
    family, options = BASELINES[name]
    train, test = make_set(160, 0, 24), make_set(20, 1, 24).read(slice(None))
    model = create(family, options, train.class_names, train.class_directions)
    model.fit(train, make_set(40, 2, 24), FitJob(tmp_path, seed=0))
    before = model.predict_proba(test)
    assert before.std(axis=0).max() > 0.01
    after = model.predict_proba(np.rot90(test, axes=(1, 2)))
    np.testing.assert_allclose(after, np.roll(before, 2, axis=1), atol=1e-4)
    upside_down = model.predict_proba(test[:, ::-1])
    np.testing.assert_allclose(upside_down, before[:, -np.arange(8) % 8], atol=1e-4)


@pytest.mark.parametrize("name", BASELINES)
def test_saved_model_is_the_same_model(fitted, tmp_path, name):
    test = crystal_set(3, 0.3).read(slice(None))
    fitted[name].save(tmp_path / "model")
    assert {path.name for path in (tmp_path / "model").iterdir()} == {"model.json", "arrays.npz"}
    loaded = load_model(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(test), fitted[name].predict_proba(test))
    np.testing.assert_array_equal(loaded.embed(test), fitted[name].embed(test))
    assert loaded.predict_proba(test[:0]).shape == (0, 4)
    assert loaded.predict_proba(test[:1]).shape == (1, 4)


@pytest.mark.parametrize("family", ["deflection", "linear", "template"])
def test_nothing_changes_where_patterns_are_read_from_disk(make_set, tmp_path, family):
    train, test = make_set(320, 0, 24), make_set(20, 1, 24).read(slice(None))
    results = []
    for memory_mb in (1500, 0):
        model = create(family, {}, train.class_names, train.class_directions)
        work = tmp_path / str(memory_mb)
        model.fit(train, train, FitJob(work, seed=0, memory_mb=memory_mb))
        results.append(model.predict_proba(test))
    assert (tmp_path / "0" / "train.npy").exists()
    np.testing.assert_array_equal(*results)
