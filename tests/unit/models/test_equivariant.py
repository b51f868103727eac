# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import numpy as np
import pytest
import torch

from polarstem.errors import PolarstemError
from polarstem.models import FitJob, create, load_model
from polarstem.models.augmentation import SquareSymmetry
from polarstem.models.group_network import EquivariantNetwork, Group
from polarstem.models.options import PreprocessingOptions

EIGHT = [45.0 * k for k in range(8)]
FOUR = [0.0, 90.0, 180.0, 270.0]
OBLIQUE = [0.0, 55.0, 125.0, 180.0, 235.0, 305.0]  # along [110]: mirrors only


@pytest.mark.parametrize(
    ("shape", "directions", "size"),
    [((8, 8), EIGHT, 8), ((9, 9), FOUR, 8), ((8, 8), OBLIQUE, 4), ((6, 10), FOUR, 4)],
)
@pytest.mark.parametrize("parity", ["none", "even_odd"])
def test_turned_patterns_get_turned_answers(shape, directions, size, parity):
    """To rounding, with untrained weights and scaling fitted on any patterns."""
    torch.manual_seed(0)
    group = Group(shape, directions)
    assert len(group.product) == size
    preprocessing = PreprocessingOptions(parity=parity)
    network = EquivariantNetwork(shape, directions, 6, 2, preprocessing)
    patterns = torch.rand(5, *shape)
    network.preprocessing.fit(patterns.numpy())
    symmetry = SquareSymmetry(shape, directions)
    before = network.head.logits(network(patterns)).softmax(1)
    assert before.std(dim=0).max() > 1e-3  # it does look at the pattern
    for operation in range(size):
        turned, _ = symmetry.apply(operation, patterns, torch.zeros(5, dtype=torch.long))
        after = network.head.logits(network(turned)).softmax(1)
        expected = torch.empty_like(before)
        expected[:, symmetry.permutations[operation]] = before
        torch.testing.assert_close(after, expected, atol=2e-6, rtol=1e-4)


def test_the_group_is_one():
    group = Group((8, 8), EIGHT)
    everything = set(range(8))
    assert all(set(row) == everything for row in group.product.tolist())
    assert all(group.product[a, b] == 0 for a, b in enumerate(group.inverse))
    # classes follow the product: first b, then a
    for a in range(8):
        for b in range(8):
            expected = group.classes[a][group.classes[b]]
            np.testing.assert_array_equal(group.classes[group.product[a, b]], expected)
    orbits = group.orbits()
    assert sorted(np.unique(orbits)) == list(range(64))


def test_it_learns_and_survives_saving(make_set, tmp_path):
    train, validation, test = make_set(480, 0, 24), make_set(80, 1, 24), make_set(160, 2, 24)
    options = {
        "channels": 16,
        "layers": 1,
        "training": {"learning_rate": 2e-3, "batch_size": 32, "max_epochs": 6},
    }
    model = create("equivariant", options, train.class_names, train.class_directions)
    model.fit(train, validation, FitJob(tmp_path / "work", seed=0))
    patterns = test.read(slice(None))
    probability = model.predict_proba(patterns)
    assert (probability.argmax(1) == test.class_index).mean() > 0.9
    model.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(patterns), probability)
    assert loaded.embed(patterns).shape == (160, 16 * 8)


def test_other_heads_are_refused(make_set, tmp_path):
    train, validation = make_set(80, 0, 24), make_set(80, 1, 24)
    model = create("equivariant", {"head": "regression"}, train.class_names, train.class_directions)
    with pytest.raises(PolarstemError, match=r"head is 'regression', .* use head: classification"):
        model.fit(train, validation, FitJob(tmp_path, seed=0))
