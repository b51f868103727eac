# SPDX-License-Identifier: GPL-3.0-or-later
"""A density that turns with the pattern, and classes that are read off it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from synthetic_patterns import DIRECTIONS

from polarstem.errors import PolarstemError
from polarstem.models import FitJob, create, load_model
from polarstem.models import displacement_grid as grid
from polarstem.models.displacement_scores import SMOOTHING, DisplacementScores
from polarstem.models.group_network import Group

TRAINING = {"learning_rate": 5e-3, "batch_size": 32, "max_epochs": 25, "patience": 25}
OPTIONS = {"channels": 16, "layers": 1, "training": TRAINING}


@pytest.fixture(scope="module")
def model(make_set, tmp_path_factory):
    train = make_set(400, 0)
    made = create("vector", OPTIONS, train.class_names, train.class_directions)
    return made.fit(train, make_set(80, 1), FitJob(tmp_path_factory.mktemp("vector"), seed=0))


def test_a_turned_pattern_has_the_turned_density(model, make_set):
    patterns = make_set(6, 2).read(slice(None))
    density = model.displacement_density(patterns)
    np.testing.assert_allclose(density.sum(axis=1), 1, atol=1e-5)
    group = Group(patterns.shape[1:], DIRECTIONS)
    images = grid.images(group.matrices)
    assert len(images) == 8
    for number, image in enumerate(images):
        turned = patterns.reshape(6, -1)[:, group.pixels[number]].reshape(patterns.shape)
        after = model.displacement_density(turned)
        np.testing.assert_allclose(after[:, image], density, atol=1e-5)
    # a quarter turn counter-clockwise takes right to up
    mean = grid.moments(density).mean
    after = grid.moments(model.displacement_density(np.rot90(patterns, axes=(1, 2)))).mean
    np.testing.assert_allclose(after, np.stack([-mean[:, 1], mean[:, 0]], axis=1), atol=1e-4)


def test_it_learns_vectors(model, make_set):
    test = make_set(200, 3)
    mean = grid.moments(model.displacement_density(test.read(slice(None)))).mean
    error = np.hypot(*(mean - test.polar).T)
    assert np.median(error) < 0.35, "of 1; a guess is 1 off"
    right = model.predict_proba(test.read(slice(None))).argmax(axis=1) == test.class_index
    assert right.mean() > 0.7


def test_classes_are_what_lies_in_their_sectors(model, make_set):
    patterns = make_set(20, 4).read(slice(None))
    expected = model.displacement_density(patterns) @ grid.sectors(DIRECTIONS)
    np.testing.assert_allclose(model.predict_proba(patterns), expected, atol=1e-5)


def test_a_saved_model_gives_the_same(model, make_set, tmp_path):
    patterns = make_set(20, 5).read(slice(None))
    model.save(tmp_path / "model")
    again = load_model(tmp_path / "model")
    np.testing.assert_array_equal(
        again.displacement_density(patterns), model.displacement_density(patterns)
    )


def test_the_loss_is_least_for_a_gaussian_about_the_vector():
    head = DisplacementScores(4, Group((8, 8), DIRECTIONS), DIRECTIONS)
    vector = torch.tensor([[0.53, -0.31]])
    distance = np.square(grid.nodes() - vector.numpy()).sum(axis=1)

    def loss(width, centre=0.0):
        moved = np.square(grid.nodes() - vector.numpy() - [centre, 0]).sum(axis=1)
        scores = torch.from_numpy(-(moved if centre else distance) / (2 * width**2)).float()[None]
        head.scores = lambda _: scores
        return float(head.loss(torch.zeros(1, 4), vector))

    best = loss(SMOOTHING)
    # its entropy, as nodes lie closer than it is wide
    assert best == pytest.approx(np.log(2 * np.pi * np.e * (SMOOTHING / grid.STEP) ** 2), abs=0.01)
    assert min(loss(0.9 * SMOOTHING), loss(1.1 * SMOOTHING), loss(SMOOTHING, 0.03)) > best
    # labels of the vector's other ends are others
    assert float(head.loss(torch.zeros(1, 4), -vector)) > best + 1


def test_data_sets_do_not_tell_vectors(make_set, tmp_path):
    train = make_set(40, 0)
    train.polar = np.full_like(train.polar, np.nan)
    made = create("vector", OPTIONS, train.class_names, train.class_directions)
    with pytest.raises(PolarstemError, match="learns from a stream"):
        made.fit(train, make_set(40, 1), FitJob(tmp_path, seed=0))
