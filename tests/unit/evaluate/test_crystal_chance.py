# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that all cells of a crystal share, as other crystals show them."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.evaluate.scores.crystal_chance import LEAST_SPECIMENS, chance_at_one_nm
from polarstem.evaluate.scores.vector_scores import Fits, entries

COUNT, CELLS, ONE_NM = 300, 4, 3.0  # 3 pm in a crystal of 1 nm
OWNER = np.repeat(np.arange(COUNT), CELLS)


@pytest.fixture(scope="module")
def made() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(7)
    thickness = random.uniform(5, 40, COUNT)
    shared = random.normal(size=(COUNT, 2)) * ONE_NM / np.sqrt(thickness)[:, None]
    covariance = np.array([[0.3, 0.1], [0.1, 0.2]])
    own = random.multivariate_normal([0, 0], covariance, COUNT * CELLS)
    return shared[OWNER] + own, np.tile(covariance, (COUNT * CELLS, 1, 1)), thickness[OWNER]


def test_it_is_what_fits_do_not_tell(made) -> None:
    found = chance_at_one_nm(*made, OWNER)
    assert np.sqrt(found.mean()) == pytest.approx(ONE_NM, rel=0.1)
    none = chance_at_one_nm(made[0], 100 * made[1], made[2], OWNER)
    assert (none == 0).all(), "errors that are told too large leave nothing"


def test_no_specimen_tells_of_itself(made) -> None:
    error, covariance, thickness = made
    wrong = error.copy()
    wrong[OWNER == 5] += 1000.0
    found = chance_at_one_nm(wrong, covariance, thickness, OWNER)
    without = np.delete(np.arange(len(OWNER)), np.flatnonzero(OWNER == 5))
    alone = chance_at_one_nm(
        error[without], covariance[without], thickness[without], OWNER[:-CELLS]
    )
    assert found[5] == pytest.approx(alone.mean(), rel=0.1)
    assert found[6] > 100 * found[5]


def test_few_specimens_tell_nothing(made) -> None:
    few = OWNER < LEAST_SPECIMENS - 1
    assert (chance_at_one_nm(*(part[few] for part in made), OWNER[few]) == 0).all()


def test_ellipses_hold_what_they_should_with_it_alone(made) -> None:
    error, covariance, thickness = made
    true = np.tile([[12.0, 0.0]], (len(error), 1))
    cells = Fits(
        np.full(len(error), "free"),
        np.array([f"s{n:03d}" for n in OWNER]),
        thickness,
        np.ones(len(error)),
        np.zeros(len(error)),
        true,
        true + error,
        covariance,
        np.ones(len(error)),
    )
    found = entries(cells, cells, 20.0, 0.95)
    assert found["vector.coverage_68"]["value"] == pytest.approx(0.68, abs=0.04)
    assert found["vector.coverage_95"]["value"] == pytest.approx(0.95, abs=0.02)
    assert found["vector.coverage_68.alone"]["value"] < 0.5
    assert found["vector.chance_pm"]["value"] == pytest.approx(ONE_NM / np.sqrt(20), rel=0.1)
    assert found["vector.chance_pm"]["n"] == COUNT
