# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of displacements by hand, and the whole way from patterns to the file."""

from __future__ import annotations

import json
from typing import ClassVar

import numpy as np
import pytest
from scipy.stats import chi2

from polarstem.evaluate.scores import vector_scores
from polarstem.evaluate.scores.vector_scores import Cells, entries, random_cells

UNIT = 20.0


def cells_of(true, mean, covariance=None, amplitude=None, specimen=None) -> Cells:
    true, mean = np.asarray(true, float), np.asarray(mean, float)
    n = len(true)
    return Cells(
        np.full(n, "free"),
        np.array([f"s{k}" for k in range(n)] if specimen is None else specimen),
        np.full(n, 20.0),
        np.hypot(*true.T) / UNIT if amplitude is None else np.asarray(amplitude, float),
        true,
        mean,
        np.tile(np.eye(2), (n, 1, 1)) if covariance is None else np.asarray(covariance, float),
        np.ones(n),
    )


def value(found, key) -> float:
    return found[key]["value"]


def test_errors_by_hand() -> None:
    true = np.array([[20.0, 0], [0, 10], [0, -20], [0, 0]])
    mean = true + np.array([[3, 0], [0, 1], [2, 0], [0.6, 0.8]])
    cells = cells_of(true, mean, amplitude=[1.0, 0.5, 1.3, 0])
    found = entries(cells, UNIT, 0.95)
    # of 0.3 to 1.2 of the displacements: the first two
    assert value(found, "vector.rms_pm") == pytest.approx(np.sqrt((9 + 1) / 4))
    assert found["vector.rms_pm"]["n"] == 2
    assert found["vector.rms_pm"]["low"] is None, "two specimens tell no interval"
    assert value(found, "vector.bias_pm") == pytest.approx(1.0)
    # seen at full length: the first and the third
    expected = np.degrees([0, np.arctan(2 / 20)]).mean()
    assert value(found, "vector.angle_deg.1") == pytest.approx(expected)
    assert value(found, "vector.angle_deg.0.5") == pytest.approx(0)
    assert found["vector.angle_deg.0.5"]["n"] == 1


def test_an_angle_goes_the_short_way_round() -> None:
    found = entries(cells_of([[-20.0, 1]], [[-20.0, -1]]), UNIT, 0.95)
    assert value(found, "vector.angle_deg.1") == pytest.approx(2 * np.degrees(np.arctan(1 / 20)))


def test_bias_is_of_specimens_not_of_cells() -> None:
    """What cells of a specimen miss to all sides is scatter."""
    mean = [[1.0, 0], [-1, 0], [2, 0], [2, 0]]
    cells = cells_of(np.zeros((4, 2)), mean, specimen=["a", "a", "b", "b"])
    assert value(entries(cells, UNIT, 0.95), "vector.bias_pm") == pytest.approx(1.0)
    assert value(entries(cells, UNIT, 0.95), "vector.rms_pm") is None


def test_ellipses_are_those_of_the_covariance() -> None:
    random = np.random.default_rng(0)
    covariance = np.array([[9.0, 4.0], [4.0, 4.0]])
    true = random.normal(size=(4000, 2)) + 10.0
    mean = true + random.multivariate_normal([0, 0], covariance, len(true))
    specimen = np.repeat([f"s{k}" for k in range(4)], 1000)
    cells = cells_of(true, mean, np.tile(covariance, (4000, 1, 1)), specimen=specimen)
    found = entries(cells, UNIT, 0.95)
    assert value(found, "vector.coverage_68") == pytest.approx(0.68, abs=0.02)
    assert value(found, "vector.coverage_95") == pytest.approx(0.95, abs=0.01)
    # and by the quantile of another library, at its edge
    reach = 3 * np.sqrt(chi2.ppf(0.68, 2))
    edge = np.array([[reach * 0.99, 0], [reach * 1.01, 0]])
    nine = np.tile(9 * np.eye(2), (2, 1, 1))
    found = entries(cells_of([[20.0, 0]] * 2, np.array([20.0, 0]) + edge, nine), UNIT, 0.95)
    assert value(found, "vector.coverage_68") == pytest.approx(0.5)


def test_intervals_are_over_specimens() -> None:
    random = np.random.default_rng(0)
    true = np.tile([[15.0, 0]], (400, 1))
    error = np.repeat(random.normal(size=(20, 2)), 20, axis=0)  # alike within a specimen
    specimen = np.repeat([f"s{k}" for k in range(20)], 20)
    found = entries(cells_of(true, true + error, specimen=specimen), UNIT, 0.95)["vector.rms_pm"]
    assert found["n"] == 20
    assert found["low"] < found["value"] < found["high"]
    # 40 numbers tell a standard deviation to 11 %
    assert (found["high"] - found["low"]) / 4 == pytest.approx(0.11, rel=0.5)


def test_cells_are_dealt_at_random_from_one_scan() -> None:
    scan = np.repeat([0, 1, 2], [80, 36, 20])
    cell = random_cells(scan, 36)
    assert np.bincount(cell[cell >= 0]).tolist() == [36, 36, 36]
    for number in range(3):
        assert len(np.unique(scan[cell == number])) == 1
    assert (cell[scan == 2] == -1).all()
    first = np.flatnonzero(cell == cell[scan == 0].max())
    assert np.diff(first).max() > 1, "not one after the other"


def test_from_patterns_to_the_file(tmp_path, monkeypatch) -> None:
    """A model that sees the vector in two pixels, and a calibration that takes it at its word."""
    from polarstem.data.patterns import PatternSet
    from polarstem.models import displacement_grid as grid
    from polarstem.models.displacement_calibration import DisplacementCalibration

    vectors = {"a": [0.5, 0.0, 0.5], "b": [0.0, -1.0, 1.0], "c": [0.0, 0.0, 0.0]}
    names = np.repeat(list(vectors), 4)
    patterns = np.zeros((12, 2, 2), np.float32)
    patterns[:, 0, 0], patterns[:, 0, 1] = np.array([vectors[n][:2] for n in names]).T

    class Model:
        info: ClassVar = {
            "displacements": DisplacementCalibration(
                *(UNIT, 1.0, 1.0, 0.0, 4.0, 1.0, 1.0, 9.0),
                prior=(1 / len(grid.nodes()),) * len(grid.nodes()),
            ).attributes()
        }

        def displacement_density(self, some):
            index, share = grid.shares(some[:, 0])
            density = np.zeros((len(some), len(grid.nodes())))
            np.put_along_axis(density, index, share, axis=1)
            return density

    class Opened:
        def __enter__(self):
            return PatternSet.from_arrays(
                patterns,
                np.zeros(12),
                ["RM", "LM"],
                [0.0, 180.0],
                specimen=names,
                domain=np.full(12, "free"),
                dose=np.full(12, 1e5),
                thickness=np.full(12, 20.0),
            )

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(vector_scores, "load_model", lambda *_, **__: Model())
    monkeypatch.setattr(vector_scores.PatternSet, "open", lambda *_, **__: Opened())
    path = tmp_path / "d.json"
    vector_scores.score_vectors("model", ["free.nc"], {"free": vectors}, path, 4, 0.95)
    told = json.loads(path.read_text())
    rows = {row["specimen"]: row for row in told["cells"]}
    assert set(rows) == set(vectors)
    for name, (x, y, amplitude) in vectors.items():
        np.testing.assert_allclose(rows[name]["true_pm"], [UNIT * x, UNIT * y])
        np.testing.assert_allclose(rows[name]["mean_pm"], rows[name]["true_pm"], atol=0.01)
        assert rows[name]["amplitude"] == amplitude
    assert rows["b"]["p_polar"] == pytest.approx(1, abs=1e-3)
    assert rows["c"]["p_polar"] == pytest.approx(0, abs=1e-3)
    assert told["scores"]["vector.rms_pm"]["value"] == pytest.approx(0, abs=0.01)
    assert told["template_pm"] == UNIT
    Model.info = {}
    with pytest.raises(vector_scores.PolarstemError, match="gives no displacements"):
        vector_scores.score_vectors("model", ["free.nc"], {"free": vectors}, path, 4, 0.95)
