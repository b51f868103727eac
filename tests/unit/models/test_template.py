# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import numpy as np
import pytest
import torch
from crystal_patterns import crystal_set
from scipy.special import logsumexp
from scipy.stats import poisson

from polarstem.data.patterns import PatternSet
from polarstem.models import FitJob, create
from polarstem.models.family import template
from polarstem.models.family.template import BACKGROUND, electrons, misfit

# no turn or mirror maps these directions onto themselves
NAMES, DIRECTIONS = ["A", "B", "C"], [10.0, 200.0, 300.0]


def test_posterior_is_bayes_rule_for_poisson_counts(tmp_path, monkeypatch):
    """Two templates of the first class, one of the others; scipy's probabilities of the counts."""
    monkeypatch.setattr(template, "PRIOR", 0.0)  # templates that match perfectly
    rng = np.random.default_rng(0)
    truth = rng.dirichlet(np.full(48, 5.0), 4).reshape(4, 6, 8).astype("f4")
    labels = np.array([0, 1, 0, 2])
    library = PatternSet.from_arrays(truth, labels, NAMES, DIRECTIONS)
    model = create("template", {}, NAMES, DIRECTIONS)
    model.fit(library, library, FitJob(tmp_path, seed=0))
    model._arrays["calibration"] = np.array([1e9, 1e12])
    dose = 60
    own = rng.integers(4, size=300)
    counts = rng.poisson(dose * truth[own])
    means = dose * ((1 - BACKGROUND) * truth + BACKGROUND / 48)
    likelihood = poisson.logpmf(counts[:, None], means).sum(axis=(2, 3))
    likelihood[:, labels == 0] -= np.log(2)  # the mean of two templates
    score = np.array([logsumexp(likelihood[:, labels == k], axis=1) for k in range(3)])
    expected = np.exp(score - logsumexp(score, axis=0)).T
    found = model.predict_proba((counts / dose).astype("f4"))
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert 0.5 < (found.argmax(1) == labels[own]).mean() < 0.99  # neither hopeless nor trivial
    # and Bayes' rule is right as often as it says
    assert found.max(1).mean() == pytest.approx((found.argmax(1) == labels[own]).mean(), abs=0.05)


@pytest.mark.parametrize("dose", [30, 1e3, 1e5, 1e6])
def test_electrons_are_told_by_the_counts(dose):
    patterns = crystal_set(3, 0.2).read(slice(None))
    counted = (np.random.default_rng(0).poisson(patterns * dose) / dose).astype("f4")
    counted[0, 3] = 0  # dead pixels
    np.testing.assert_allclose(electrons(counted), dose, rtol=0.01)


def test_patterns_that_were_not_counted_have_no_noise():
    assert (electrons(crystal_set(3, 0.2).read(slice(None))) > 1e8).all()
    assert electrons(np.zeros((1, 4, 4), "f4")).tolist() == [1]


@pytest.mark.parametrize("dose", [3.0, 300.0, 1e5])
def test_counting_is_no_misfit(dose):
    """Two standard deviations above the mean are subtracted; dark pixels do no harm."""
    rng = np.random.default_rng(0)
    means = rng.dirichlet(np.full(400, 0.1)).astype("f4")[None]
    counted = (rng.poisson(means * dose, (4000, 400)) / dose).astype("f4")
    noise = torch.full((4000,), 1 / dose)
    mean = torch.from_numpy(means)
    found = misfit(torch.from_numpy(counted), mean, noise).numpy() * dose
    assert found.mean() / found.std() == pytest.approx(-2, abs=0.1)
    without = misfit(torch.from_numpy(counted + 1), mean + 1, torch.zeros(4000)).numpy()
    expected = ((counted - means) ** 2 / (means + 1)).sum(1)
    np.testing.assert_allclose(without, expected, rtol=1e-2)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    train, validation = crystal_set(16, 0.25), crystal_set(6, 0.1, amplitude=1.1)
    model = create("template", {}, train.class_names, train.class_directions)
    return model.fit(train, validation, FitJob(tmp_path_factory.mktemp("template"), seed=0))


@pytest.mark.parametrize("dose", [30.0, 100.0, 300.0, 1000.0, None])
def test_confidence_is_right_at_every_dose(model, dose):
    """On specimens that it never saw, from one fitted number."""
    test = crystal_set(12, 0.4, amplitude=0.95, dose=dose)
    probability = model.predict_proba(test.read(slice(None)))
    right = probability.argmax(1) == test.class_index
    assert probability.max(1).mean() == pytest.approx(right.mean(), abs=0.06)
    if dose is not None and dose < 300:
        assert 0.3 < right.mean() < 0.95  # noise does matter there


def test_other_conditions_are_answered_with_less_confidence(model):
    same, other = crystal_set(12, 0.4), crystal_set(12, 0.4, nm=(16.0,))
    confidence, right = [], []
    for test in (same, other):
        probability = model.predict_proba(test.read(slice(None)))
        confidence.append(probability.max(1).mean())
        right.append((probability.argmax(1) == test.class_index).mean())
    assert right[1] < 0.7 < right[0]
    assert confidence[1] < 0.7 < confidence[0]


def test_memory_is_bounded_and_changes_nothing(model, monkeypatch):
    test = crystal_set(4, 0.3).read(slice(None))
    before = model.predict_proba(test)
    largest = []
    match = model._match
    monkeypatch.setattr(template, "TABLE", 5 * model._size)
    monkeypatch.setattr(model, "_match", lambda part: largest.append(len(part)) or match(part))
    np.testing.assert_allclose(model.predict_proba(test), before, atol=1e-4)
    assert max(largest) == 5


def test_templates_are_drawn_where_there_are_too_many(tmp_path):
    train = crystal_set(8, 0.25)
    model = create("template", {"templates": 100}, train.class_names, train.class_directions)
    model.fit(train, train, FitJob(tmp_path, seed=0))
    kept = model._arrays["templates"]
    assert len(kept) == 100
    everything = {pattern.tobytes() for pattern in train.read(slice(None))}
    assert len({pattern.tobytes() for pattern in kept} & everything) == 100
    assert np.bincount(model._arrays["labels"]).min() > 10


def test_counted_templates_are_no_certainty(tmp_path, monkeypatch):
    """A pixel that happened to count nothing must not rule a class out."""
    train, validation = crystal_set(16, 0.25, dose=1e4), crystal_set(6, 0.1, dose=1e4)
    test = crystal_set(12, 0.4, amplitude=0.95)
    loss = []
    for prior in (1e-3, template.PRIOR):
        monkeypatch.setattr(template, "PRIOR", prior)
        model = create("template", {}, train.class_names, train.class_directions)
        model.fit(train, validation, FitJob(tmp_path, seed=0))
        probability = model.predict_proba(test.read(slice(None)))
        assert (probability.argmax(1) == test.class_index).mean() > 0.85
        loss.append(-np.log(probability[np.arange(test.n), test.class_index]).mean())
    assert loss[1] < 0.4 < loss[0]
