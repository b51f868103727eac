# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import numpy as np
import pytest

from polarstem.maps.pooling import answer, cell_means, pooled, renumbered, whole_cells
from polarstem.models.calibration import Calibration


def test_answers_and_sets():
    probability = np.array([[0.7, 0.2, 0.1], [0.45, 0.4, 0.15], [np.nan] * 3, [0.34, 0.33, 0.33]])
    sets = probability >= [[0.7], [0.35], [0.0], [0.34]]
    found = answer(probability, sets)
    assert found.class_index.tolist() == [0, 0, -1, 0]
    assert found.members.tolist() == [0b001, 0b011, 0, 0b001]
    assert found.members.dtype == np.uint8
    assert found.answered.tolist() == [True, False, False, True]
    np.testing.assert_allclose(found.confidence, [0.7, 0.45, np.nan, 0.34])


def test_sets_of_many_classes():
    probability = np.full((1, 12), 1 / 12)
    assert answer(probability, np.ones((1, 12), bool)).members.tolist() == [2**12 - 1]


def test_cells_that_lost_positions_are_none():
    cell = np.repeat([0, 1, -1, 2], [8, 8, 3, 8])
    usable = np.ones(len(cell), bool)
    usable[[0, 8, 9, 10, 11]] = False  # one of the first cell, half of the second
    kept = whole_cells(cell, usable)
    assert kept.tolist() == [0, 2]
    number = renumbered(cell, kept, usable)
    assert number.tolist() == [-1] + [0] * 7 + [-1] * 11 + [1] * 8
    assert whole_cells(np.full(4, -1), np.ones(4, bool)).size == 0


def test_pooling_is_the_calibration_of_the_model():
    probability = np.random.default_rng(0).dirichlet(np.ones(4), 30)
    cell = np.repeat([0, 1, -1], 10)
    found = pooled(probability, cell, Calibration(cell_temperature=2.0))
    log = np.log(probability).reshape(3, 10, 4)[:2].mean(1) / 2
    expected = np.exp(log) / np.exp(log).sum(1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert pooled(probability, np.full(30, -1), Calibration()).shape == (0, 4)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_means_of_cells(dtype, monkeypatch):
    monkeypatch.setattr("polarstem.maps.pooling._CHUNK", 7)
    rng = np.random.default_rng(1)
    cell = rng.permutation(np.repeat([-1, 0, 1, 2, 3], [5, 3, 9, 1, 6]))
    values = rng.random((24, 2, 3)).astype(dtype)
    found = cell_means(values, cell)
    assert found.dtype == np.float32
    expected = [values[cell == i].astype(float).mean(0) for i in range(4)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
