# SPDX-License-Identifier: GPL-3.0-or-later
"""Anomaly scores of scans that differ in dose, tilt, thickness and descan from those before."""

from __future__ import annotations

import numpy as np
import pytest
from disturbed_scans import (
    CELLS,
    EDGE,
    SIDE,
    STEPS,
    beside_walls,
    cell_numbers,
    defect_free,
    disturbed,
)
from library_scan import DIRECTIONS
from sklearn.metrics import roc_auc_score

from polarstem.maps.anomaly import logarithms, score
from polarstem.maps.anomaly_fit import fit_anomaly

SCANS = {
    "base": {},
    "few electrons": {"dose": 3e3},
    "tilt ramp": {"walls": "one", "tilts": (-1.5, 1.5)},
    "wedge": {"walls": "two", "planes": (2, 4)},
    "descan": {"walls": "one", "descan": 0.3},
    "thin": {"walls": "two", "planes": (1, 1), "tilts": (0.0, 0.0)},
}
CELL, LINE = np.zeros((2, SIDE, SIDE), bool)
CELL[2 * STEPS : 3 * STEPS, 5 * STEPS : 6 * STEPS] = True
LINE[:, 5 * STEPS : 6 * STEPS] = True


@pytest.fixture(scope="module")
def reference(column_matrix):
    scans = [defect_free(column_matrix, 100 + i, **v) for i, v in enumerate(SCANS.values())]
    return fit_anomaly(scans, DIRECTIONS)


def features_of(reference, patterns):
    found = reference.features(patterns.reshape(-1, *patterns.shape[2:]))
    return found.reshape(SIDE, SIDE, -1)


def scored(reference, patterns):
    return score(reference, features_of(reference, patterns), EDGE, cell_numbers())


def test_cells_of_scans_left_out_are_rarely_flagged(reference):
    assert len(reference.left_out) == len(SCANS)
    assert reference.left_out.mean() <= 0.03


OTHERS = SCANS | {
    "many electrons": {"dose": 1e6},
    "half of the ramp": {"walls": "one", "tilts": (-2.0, -1.0)},
}


def test_other_crystals_are_rarely_flagged(reference, column_matrix):
    shares = []
    for name, changed in OTHERS.items():
        found = scored(reference, disturbed(column_matrix, 300, **changed))
        away = ~beside_walls(changed.get("walls", "four"))
        shares.append(found["cell_flagged"][away].mean())
        assert shares[-1] <= 0.1, name
    assert np.mean(shares) <= 0.03


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("foreign", [CELL, LINE], ids=["cell", "line"])
def test_defects_stand_out(reference, column_matrix, name, foreign):
    found = scored(reference, disturbed(column_matrix, 301, foreign=foreign, **OTHERS[name]))
    defect = np.isin(np.arange(CELLS**2), cell_numbers()[foreign])
    assert roc_auc_score(defect, found["cell_anomaly"]) >= 0.95
    if foreign is CELL:
        assert found["cell_flagged"][defect].all()


def test_rim_is_held_against_the_rim(reference, column_matrix):
    """Fewer cells are around, and what they continue to is less sure: scores lie higher."""
    patterns = disturbed(column_matrix, 7, dose=5e5, walls="one", tilts=(-2.0, 0.0))
    _, logs = logarithms(features_of(reference, patterns), EDGE, cell_numbers())
    inside = np.zeros((CELLS, CELLS), bool)
    inside[1:-1, 1:-1] = True
    rim, inner = logs[~inside.ravel()], logs[inside.ravel()]
    assert abs(np.median(rim) - np.median(inner)) < 0.2
