# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitted displacements beside the true ones, as the report shows them."""

from __future__ import annotations

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from polarstem.report.figures.displacement_scores import (
    _angles,
    _beside_truth,
    _errors,
    _table,
    draw_displacement_scores,
)


@pytest.fixture
def cells(drawn) -> pd.DataFrame:
    return _table(json.loads(drawn.displacements.read_text())["cells"], 0.0)


def points(draw, *arguments) -> list[np.ndarray]:
    figure, axes = plt.subplots()
    draw(axes, *arguments)
    found = [line.get_xydata() for line in axes.get_lines() if len(line.get_xdata()) > 2]
    plt.close(figure)
    return found


def test_points_are_those_of_the_cells(drawn, cells):
    right, up = points(_beside_truth, cells, 20.0)
    assert len(right) == len(up) == 24
    true = np.array([0.6, -0.8]) * 20 * 0.2
    assert sorted({round(x, 3) for x in right[:, 0]}) == pytest.approx(true[0] * np.arange(6))
    assert np.std(up[:, 1] - up[:, 0]) == pytest.approx(1.0, rel=0.4)
    errors, told = points(_errors, cells)
    assert errors[:, 0].tolist() == [10, 15, 20, 25, 30, 35]
    np.testing.assert_allclose(told[:, 1], 1.0)
    rms = json.loads(drawn.summary_json.read_text())["vector.rms_pm"]["value"]
    assert np.sqrt((errors[2:, 1] ** 2).mean()) == pytest.approx(rms, rel=0.01)
    (angles,) = points(_angles, cells, 20.0)
    assert angles[:, 0].max() == pytest.approx(1.0)
    assert np.median(angles[angles[:, 0] > 0.9, 1]) < 6 < angles[:, 1].max()


def test_cells_without_a_displacement_are_left_out(cells):
    row = {"domain": "free", "specimen": "s", "thickness_nm": 9.0, "amplitude": 1.0}
    row |= {"true_pm": [1.0, 2.0], "found_pm": None}
    assert _table([row], 0.0).empty


def test_chance_is_in_what_is_told(drawn):
    rows = json.loads(drawn.displacements.read_text())["cells"]
    found = _table(rows, 2.0)
    expected = np.sqrt(1 + 4 * 20 / found["thickness"])
    np.testing.assert_allclose(found["sigma"], expected)


def test_a_run_without_them_says_so(drawn, tmp_path):
    draw_displacement_scores(None, drawn.config, tmp_path / "none.png")
    assert 0 < (tmp_path / "none.png").stat().st_size < 20_000
