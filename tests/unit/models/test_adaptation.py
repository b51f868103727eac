# SPDX-License-Identifier: GPL-3.0-or-later
"""Models fitted to unlabelled scans: what is gained, and what a scan of one class does."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic_patterns import DIRECTIONS, NAMES
from torch import nn

from polarstem.errors import PolarstemError
from polarstem.models import FitJob, create
from polarstem.models.adaptation import METHODS, PRIOR, adapt
from polarstem.models.heads import ClassificationHead, PrototypeHead

RIM = [(1, 2), (0, 2), (0, 1), (0, 0), (1, 0), (2, 0), (2, 1), (2, 2)]  # pixel in each direction


class Pixels(nn.Module):
    """An embedding that is the pattern itself: nine pixels, of which each class lights one."""

    def __init__(self):
        super().__init__()
        self.head = PrototypeHead(4, DIRECTIONS)
        for label, (y, x) in enumerate(RIM):
            self.head.references[label, 3 * y + x] = 1
        self.head.kappa.fill_(10)

    def forward(self, patterns):
        return nn.functional.pad(patterns.flatten(1), (0, 119))


@pytest.fixture
def pixels():
    model = create("cnn", {"head": "prototype"}, NAMES, DIRECTIONS)
    model.pattern_shape = (3, 3)
    model.network = Pixels().eval()
    return model


def blurred_scan(label, seed=0):
    """Patterns (n, 3, 3) of a shifted condition: diagonal classes light their neighbours too."""
    patterns = 0.06 * np.random.default_rng(seed).normal(size=(len(label), 3, 3))
    for pattern, own in zip(patterns, label, strict=True):
        weights = {0: 0.6, -1: 0.55, 1: 0.55} if own % 2 else {0: 1.0}
        for step, weight in weights.items():
            pattern[RIM[(own + step) % 8]] += weight
    return patterns.astype("f4")


def share_right(model, patterns, label):
    return float((model.predict_proba(patterns).argmax(1) == label).mean())


@pytest.mark.parametrize("turned_copies", [False, True])
def test_prototypes_follow_a_shift_on_a_scan_of_all_classes(pixels, turned_copies):
    label = np.arange(800) % 8
    patterns = blurred_scan(label)
    before = share_right(pixels, patterns, label)
    references = pixels.network.head.references.clone()
    fitted = adapt(pixels, patterns, "prototypes", turned_copies)
    assert before < 0.85
    assert share_right(fitted, patterns, label) > 0.97
    # fitted to one scan, good for the next of its kind
    assert share_right(fitted, blurred_scan(label, 1), label) > 0.97
    assert torch.equal(pixels.network.head.references, references)


def test_references_are_means_of_unit_vectors_and_the_prior():
    head = PrototypeHead(4, DIRECTIONS)
    rng = np.random.default_rng(0)
    head.references.copy_(torch.tensor(rng.normal(size=(8, 128))))
    before = head.references.numpy().copy()
    embedding = rng.normal(size=(20, 128)).astype("f4")
    label = np.arange(20) % 5
    head.move_references(torch.from_numpy(embedding), torch.from_numpy(label), 3.0)
    for k in range(8):
        vectors = [3 * before[k] / np.linalg.norm(before[k])]
        vectors += [z / np.linalg.norm(z) for z in embedding[label == k]]
        np.testing.assert_allclose(head.references[k], sum(vectors), rtol=1e-4, atol=1e-5)


class Normalised(nn.Module):
    """Scores that are the lit pixels behind a batch normalisation fitted to lit pixels."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(9, affine=False)
        self.head = ClassificationHead(9, DIRECTIONS)
        with torch.no_grad():
            self.head.classes.weight.zero_()
            self.head.classes.bias.zero_()
            for label, (y, x) in enumerate(RIM):
                self.head.classes.weight[label, 3 * y + x] = 1
            training = torch.from_numpy(lit_scan(np.arange(8000) % 8, 9)).flatten(1)
            self.norm.running_mean.copy_(training.mean(0))
            self.norm.running_var.copy_(training.var(0))

    def forward(self, patterns):
        return self.norm(patterns.flatten(1))


@pytest.fixture
def normalised():
    model = create("cnn", {}, NAMES, DIRECTIONS)
    model.pattern_shape = (3, 3)
    model.network = Normalised().eval()
    return model


def lit_scan(label, seed=0, noise=0.25):
    """Patterns (n, 3, 3) as in training: each class lights its pixel."""
    patterns = noise * np.random.default_rng(seed).normal(size=(len(label), 3, 3))
    for pattern, own in zip(patterns, label, strict=True):
        pattern[RIM[own]] += 1
    return patterns.astype("f4")


def with_background(patterns):
    """A shift that turns leave alone: light on the pixels of the axes."""
    cross = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32)
    return patterns + cross


@pytest.mark.parametrize("turned_copies", [False, True])
def test_batch_statistics_follow_a_shift_on_a_scan_of_all_classes(normalised, turned_copies):
    label = np.arange(1600) % 8
    patterns = with_background(lit_scan(label))
    before = share_right(normalised, patterns, label)
    weights = {key: value.clone() for key, value in normalised.network.state_dict().items()}
    fitted = adapt(normalised, patterns, "batch_statistics", turned_copies)
    assert before < 0.75
    assert share_right(fitted, patterns, label) > 0.95
    for key, value in normalised.network.state_dict().items():
        assert torch.equal(value, weights[key])
    assert not normalised.network.training


def test_batch_statistics_are_those_of_the_scan_and_the_training(normalised):
    patterns = lit_scan(np.zeros(48, int))
    fitted = adapt(normalised, patterns, "batch_statistics", turned_copies=False)
    before, after = normalised.network.norm, fitted.model.network.norm
    pixels = patterns.reshape(48, 9)
    for name, found in (("mean", pixels.mean(0)), ("var", pixels.var(0, ddof=1))):
        trained = getattr(before, f"running_{name}").numpy()
        expected = (48 * found + PRIOR * trained) / (48 + PRIOR)
        np.testing.assert_allclose(getattr(after, f"running_{name}"), expected, rtol=1e-4)


def test_a_scan_of_one_class_misleads_statistics_unless_its_copies_stand_in(normalised):
    """Its class is taken for the shift and subtracted: the collapse.

    The copies balance the four directions of an orbit, not axes against diagonals, so they keep
    most of the answers on an unshifted scan, and gain some where there is a shift.
    """
    before, plain, guarded = one_class_at_a_time(normalised, "batch_statistics", lit_scan)
    assert before > 0.95
    assert plain < 0.3
    assert guarded > 0.7

    def shifted(label, seed):
        return with_background(lit_scan(label, seed))

    before, plain, guarded = one_class_at_a_time(normalised, "batch_statistics", shifted)
    assert plain < before - 0.3
    assert guarded > before + 0.1


def test_a_scan_of_one_class_misleads_prototypes_less_if_its_copies_stand_in(pixels):
    """References of the classes it does not hold are drawn to the patterns that look like them."""

    def noisy(label, seed):
        return lit_scan(label, seed, noise=0.6)

    before, plain, guarded = one_class_at_a_time(pixels, "prototypes", noisy)
    assert plain < before - 0.06
    assert guarded > before - 0.03


def one_class_at_a_time(model, method, scan):
    """Mean accuracy over scans of one class each: before, without and with the copies."""
    found = []
    for own in range(8):
        label = np.full(2000, own)
        patterns = scan(label, own)
        fitted = [adapt(model, patterns, method, copies) for copies in (False, True)]
        found.append([share_right(m, patterns, label) for m in (model, *fitted)])
    return np.mean(found, axis=0)


def test_averaged_answers_turn_with_the_pattern(make_set):
    """Whatever the family; and the average is that over the eight copies."""
    train = make_set(160, 0, 8)
    model = create("pca_knn", {"components": 8}, NAMES, DIRECTIONS)
    with tempfile.TemporaryDirectory() as folder:
        model.fit(train, train, FitJob(Path(folder), seed=0))
    patterns = make_set(40, 1, 8).read(slice(None))
    averaged = adapt(model, patterns, "symmetry").predict_proba(patterns)
    turned = np.rot90(patterns, axes=(1, 2)).copy()  # counter-clockwise: class k becomes k + 2
    again = adapt(model, patterns, "symmetry").predict_proba(turned)
    np.testing.assert_allclose(again, np.roll(averaged, 2, axis=1), atol=1e-6)
    assert np.abs(model.predict_proba(turned) - np.roll(model.predict_proba(patterns), 2, 1)).max()
    expected = 0
    for mirror in (False, True):
        for turns in range(4):
            image = patterns[:, ::-1] if mirror else patterns
            answer = model.predict_proba(np.rot90(image, turns, axes=(1, 2)).copy())
            becomes = ((-1 if mirror else 1) * np.arange(8) + 2 * turns) % 8
            expected = expected + answer[:, becomes] / 8
    np.testing.assert_allclose(averaged, expected, atol=1e-6)


def test_models_with_nothing_to_adapt_are_refused(pixels, normalised):
    knn = create("pca_knn", {}, NAMES, DIRECTIONS)
    patterns = lit_scan(np.arange(16) % 8)
    with pytest.raises(PolarstemError, match="no adaptation 'magic'; known: symmetry, prototypes"):
        adapt(pixels, patterns, "magic")
    for model, method, needed in (
        (normalised, "prototypes", "prototypes needs a trained network with head: prototype"),
        (pixels, "batch_statistics", "needs a trained network with batch normalisation"),
        (knn, "prototypes", "needs a trained network"),
        (knn, "batch_statistics", "needs a trained network"),
    ):
        with pytest.raises(PolarstemError, match=needed):
            adapt(model, patterns, method)
    with pytest.raises(PolarstemError, match="scan of one pattern has no statistics"):
        adapt(normalised, patterns[:1], "batch_statistics")
    assert set(METHODS) == {"symmetry", "prototypes", "batch_statistics"}
