# SPDX-License-Identifier: GPL-3.0-or-later
"""Anomaly scores compared with the truth of their scene."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from synthetic_map import CELL_NM, make_map

from polarstem.errors import PolarstemError
from polarstem.evaluate.map_scores.defects_found import score_defects


@pytest.fixture
def scene():
    """A map and its truth, with anomaly scores that find most of the defect."""
    found, truth = make_map(cells=6, steps=4, patterns=False)
    truth.attrs["cell_nm"] = CELL_NM
    truth["control"] = truth["x"].broadcast_like(truth["defect"]).T < 0.5
    defective = cells_by_loop(found, truth["defect"].values)
    rng = np.random.default_rng(3)
    score = rng.normal(0.5, 0.2, len(defective)) + 0.4 * defective
    found["cell_anomaly"] = "cell", score
    found["cell_flagged"] = "cell", score > 0.9
    return found, truth


def cells_by_loop(found, where):
    cell = found["cell"].values
    return np.array([where[cell == i].any() for i in range(found.sizes["cell"])])


def entries(tmp_path, found, truth):
    found.to_netcdf(tmp_path / "map.nc")
    truth.to_netcdf(tmp_path / "truth.nc")
    return score_defects(tmp_path / "map.nc", tmp_path / "truth.nc")


def test_area_is_the_share_of_pairs_in_the_right_order(tmp_path, scene):
    found, truth = scene
    score, flagged = found["cell_anomaly"].values, found["cell_flagged"].values
    defective = cells_by_loop(found, truth["defect"].values)
    assert 0 < defective.sum() < len(defective)
    pairs = list(itertools.product(score[defective], score[~defective]))
    result = entries(tmp_path, found, truth)
    area = result["defect_auroc"]
    assert area["value"] == pytest.approx(np.mean([a > b for a, b in pairs]))
    assert area["n"] == len(score)
    assert all(each["low"] is each["high"] is None for each in result.values())
    order = np.argsort(-score)
    hits = defective[order]
    precision = (np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean()
    assert result["defect_average_precision"]["value"] == pytest.approx(precision)
    assert result["defects_flagged"]["value"] == pytest.approx(flagged[defective].mean())
    control = cells_by_loop(found, truth["control"].values)
    assert result["control_flagged"]["value"] == pytest.approx(flagged[control].mean())


def test_scene_without_defects_has_flagged_shares_alone(tmp_path, scene):
    found, truth = scene
    truth["defect"][:] = False
    truth["control"][:] = False
    assert set(entries(tmp_path, found, truth)) == {"sound_flagged", "wall_flagged"}


def test_flags_of_sound_cells_are_told_apart_at_walls_and_defects(tmp_path, scene):
    found, truth = scene
    defective = cells_by_loop(found, truth["defect"].values)
    x, y = found["cell_centre_x"].values, found["cell_centre_y"].values
    places = np.argwhere(truth["defect"].values) * float(truth["x"][1])
    wall, border = np.zeros((2, len(x)), bool)
    for i in range(len(x)):
        nearest = np.hypot(truth["y"] - y[i], truth["x"] - x[i]).argmin(...)
        wall[i] = truth["wall_distance"][nearest] <= CELL_NM
        border[i] = np.hypot(*(places - (y[i], x[i])).T).min() <= CELL_NM
    kinds = {
        "sound_flagged": ~wall & ~border & ~defective,
        "wall_flagged": wall & ~defective,
        "defect_border_flagged": border & ~wall & ~defective,
    }
    assert all(kind.any() for kind in kinds.values())
    assert sum(kind.sum() for kind in kinds.values()) == (~defective).sum()
    for name, kind in kinds.items():
        found["cell_flagged"] = "cell", kind  # each is counted in its own place alone
        result = entries(tmp_path, found, truth)
        assert {other: result[other]["value"] for other in kinds} == {n: n == name for n in kinds}
        assert result[name]["n"] == kind.sum()


def test_truth_of_another_scan_is_refused(tmp_path, scene):
    found, truth = scene
    with pytest.raises(PolarstemError, match="truth of this scan"):
        entries(tmp_path, found, truth.isel(x=slice(1, None)))
