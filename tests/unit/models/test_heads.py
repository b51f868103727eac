# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import numpy as np
import pytest
import torch

from polarstem.models.heads import (
    HEADS,
    ClassificationHead,
    PrototypeHead,
    RegressionHead,
    best_kappa,
)

EIGHT = np.arange(8) * 45.0


def test_regression_reaches_every_class():
    """The published scripts took the argmax of the 2-vector and could only answer two."""
    head = RegressionHead(2, EIGHT)
    with torch.no_grad():
        head.vector.weight.copy_(torch.eye(2))
        head.vector.bias.zero_()
    near = np.deg2rad(EIGHT + 15)
    vectors = torch.tensor(np.stack([3 * np.cos(near), 3 * np.sin(near)], 1)).float()
    assert head.logits(head(vectors)).argmax(1).tolist() == list(range(8))
    assert head.loss(head(vectors / 3), torch.arange(8)).item() == pytest.approx(
        1 - np.cos(np.deg2rad(15)),
        rel=1e-4,  # mean over two components of |u - v|^2
    )


def test_prototype_targets_are_a_circular_gaussian():
    head = PrototypeHead(4, EIGHT)
    steps = np.array([0, 1, 2, 3, 4, 3, 2, 1])
    np.testing.assert_allclose(head.targets[0], np.exp(-0.5 * (steps / 1.25) ** 2), rtol=1e-5)
    np.testing.assert_allclose(head.targets[3], np.roll(head.targets[0], 3), rtol=1e-5)


def reference_loss(
    embedding: np.ndarray,
    labels: np.ndarray,
    directions: np.ndarray,
    conditions: np.ndarray | None = None,
) -> float:
    """The prototype loss written as in the paper, pattern by pattern."""
    losses = []
    for i, (z, label) in enumerate(zip(embedding, labels, strict=True)):
        others = np.full(len(labels), True) if conditions is None else conditions != conditions[i]
        present = sorted(set(labels[others]))
        if label not in present:
            continue
        prototypes = [embedding[others & (labels == c)].mean(0) for c in present]
        q = np.exp([-np.linalg.norm(z - p) for p in prototypes])
        angles = [abs(directions[c] - directions[label]) for c in present]
        steps = [min(angle, 360 - angle) * len(directions) / 360 for angle in angles]
        t = np.exp(-np.square(steps) / (2 * 1.25**2))
        q, t = q / q.sum(), t / t.sum()
        losses.append(np.sum(t * np.log(t / q)))
    return float(np.mean(losses))


@pytest.mark.parametrize("classes", [range(8), (0, 3, 4), (1, 6)])
def test_prototype_loss_equals_its_definition_also_with_absent_classes(classes):
    rng = np.random.default_rng(0)
    labels = np.array([c for c in classes for _ in range(3)])
    embedding = rng.normal(size=(len(labels), 128))
    loss = PrototypeHead(4, EIGHT).loss(torch.tensor(embedding).float(), torch.tensor(labels))
    assert loss.item() == pytest.approx(reference_loss(embedding, labels, EIGHT), rel=1e-4)


def test_cross_condition_loss_equals_its_definition():
    """Also where a class is absent under other conditions, for one pattern or for many."""
    rng = np.random.default_rng(3)
    labels = np.array([0, 0, 0, 2, 2, 2, 5, 5, 7])
    conditions = np.array([0, 1, 2, 0, 0, 1, 3, 3, 0])  # 5 and 7 in one condition each
    embedding = rng.normal(size=(9, 128))
    head = PrototypeHead(4, EIGHT)
    tensors = torch.tensor(embedding).float().requires_grad_(), torch.tensor(labels)
    loss = head.loss(*tensors, torch.tensor(conditions))
    expected = reference_loss(embedding, labels, EIGHT, conditions)
    assert loss.item() == pytest.approx(expected, rel=1e-4)
    assert loss.item() != pytest.approx(head.loss(*tensors).item(), rel=1e-2)
    loss.backward()
    assert torch.isfinite(tensors[0].grad).all()
    one_scan = head.loss(*tensors, torch.zeros(9))
    assert one_scan.item() == 0  # nothing to be like
    one_scan.backward()


def test_prototype_gradient_is_finite_for_a_lone_member():
    embedding = torch.randn(3, 128, requires_grad=True)
    PrototypeHead(4, EIGHT).loss(embedding, torch.tensor([0, 1, 1])).backward()
    assert torch.isfinite(embedding.grad).all()


def test_prototype_answers_by_cosine_with_class_averages():
    head = PrototypeHead(4, EIGHT)
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(8, 128))
    labels = np.arange(80) % 8
    clean = torch.tensor(centres[labels] + 0.1 * rng.normal(size=(80, 128))).float()
    head.learn_references(clean, torch.tensor(labels))
    np.testing.assert_allclose(
        head.references, [clean[labels == c].mean(0).numpy() for c in range(8)], atol=1e-5
    )
    # Length must not matter.
    assert head.logits(clean * 1e3).argmax(1).tolist() == labels.tolist()
    assert head.cosines(clean).abs().max() <= 1 + 1e-6


def test_best_kappa_finds_the_concentration_that_made_the_labels():
    rng = np.random.default_rng(2)
    angle = rng.uniform(0, 2 * np.pi, 20000)
    cosines = np.cos(angle[:, None] - np.deg2rad(EIGHT))
    probability = np.exp(4.0 * cosines)
    probability /= probability.sum(1, keepdims=True)
    labels = (probability.cumsum(1) < rng.uniform(size=(20000, 1))).sum(1)
    assert best_kappa(cosines, labels) == pytest.approx(4.0, rel=0.05)


def test_best_kappa_is_bounded_when_all_or_nothing_is_right():
    cosines = np.cos(np.deg2rad(EIGHT)[:, None] - np.deg2rad(EIGHT))
    assert best_kappa(cosines, np.arange(8)) > 100
    assert best_kappa(cosines, (np.arange(8) + 4) % 8) == pytest.approx(0.1, rel=0.01)


def test_classification_starts_near_chance():
    head = ClassificationHead(16, EIGHT)
    loss = head.loss(torch.zeros(8, 16), torch.arange(8))
    assert loss.item() == pytest.approx(np.log(8), abs=0.2)


@pytest.mark.parametrize("name", sorted(HEADS))
def test_every_head_can_be_written_and_read_back(name):
    first, second = (HEADS[name](16, EIGHT) for _ in range(2))
    first.learn_references(torch.randn(16, 128), torch.arange(16) % 8)
    second.load_state_dict(first.state_dict())
    features = torch.randn(5, 16)
    assert torch.equal(first.logits(first(features)), second.logits(second(features)))
