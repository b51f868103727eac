# SPDX-License-Identifier: GPL-3.0-or-later
"""The limit and models over the unit cell, under the limit's own conditions."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from polarstem.evaluate.limit.over_cell import (
    Condition,
    accuracy_by_group,
    groups_of_positions,
    limit_by_group,
    telling_conditions,
)
from tests.unit.evaluate import synthetic_ladder as ladder

BINS = ladder.SIDE
DOSE = Condition("dose_300", 20.0, 300.0)
RUN = ("equivariant", "random")


def limit(spread: dict[float, float]) -> xr.Dataset:
    """Limit of 20 nm, that needs more electrons the nearer to the cell's corners.

    At each dose it falls from 0.9 by `spread` from where fewest are needed to where most are.
    """
    step = (np.arange(BINS) + 0.5) / BINS
    y, x = np.meshgrid(step, step, indexing="ij")
    far = np.hypot(0.5 - abs(y - 0.5), 0.5 - abs(x - 0.5))
    electrons = 100 + 900 * np.exp(-far / 0.2)
    share = (electrons - electrons.min()) / np.ptp(electrons)
    known = np.array([0.9 - fall * share for fall in spread.values()])
    accuracy = np.stack([known, known - 0.1, known - 0.2])[:, None]
    return xr.Dataset(
        {
            "chernoff": (("group", "true"), np.zeros((2, 8))),
            "electrons": (("thickness", "cell_y", "cell_x"), electrons[None]),
            "accuracy": (("knowledge", "thickness", "dose", "cell_y", "cell_x"), accuracy),
        },
        coords={
            "knowledge": np.array(["known", "thickness_unknown", "unknown"], object),
            "thickness": [20.0],
            "dose": list(spread),
        },
    )


def test_groups_are_of_equal_size_and_in_the_order_of_electrons() -> None:
    electrons = np.random.default_rng(0).permutation(np.geomspace(10, 1e4, 36)).reshape(6, 6)
    group = groups_of_positions(electrons, 6)
    assert (np.bincount(group) == 6).all()
    ordered = [electrons.ravel()[group == i] for i in range(6)]
    for first, second in pairwise(ordered):
        assert first.max() < second.min()
    # what cannot be told apart needs most; fewer positions than groups are a group each
    electrons[2, 3] = np.inf
    assert groups_of_positions(electrons)[2 * 6 + 3] == 5
    assert sorted(groups_of_positions(np.array([[3.0, 1.0], [2.0, 4.0]]))) == [0, 1, 2, 3]
    assert groups_of_positions(np.array([[3.0, 1.0], [2.0, 4.0]])).tolist() == [2, 0, 1, 3]


def test_limit_of_a_group_is_its_mean() -> None:
    information = limit({300.0: 0.5})
    found = limit_by_group(information, DOSE)
    group = groups_of_positions(information["electrons"].values[0])
    here = information["accuracy"].sel(knowledge="known", thickness=20, dose=300).values.ravel()
    assert found == pytest.approx([here[group == i].mean() for i in range(6)])
    assert limit_by_group(information, DOSE, "unknown") == pytest.approx(found - 0.2)
    assert (np.diff(found) < 0).all()


def test_doses_at_which_the_place_matters_are_taken() -> None:
    config = ladder.make_config()
    more = Condition("dose_1e06", 20.0, 1e6)
    assert telling_conditions(limit({300.0: 0.5, 1e6: 0.1}), config) == [DOSE, more]
    assert telling_conditions(limit({1e6: 0.1, 300.0: 0.5}), config, most=1) == [more]
    assert telling_conditions(limit({300.0: 0.5, 1e6: 0.01}), config) == [DOSE]
    # no data domain has this dose, or all places are alike
    assert telling_conditions(limit({500.0: 0.5}), config) == []
    assert telling_conditions(limit({300.0: 0.0}), config) == []
    config["evaluate"]["domains"].remove("dose_300")
    assert telling_conditions(limit({300.0: 0.5}), config) == []
    # of the reference's thickness
    config["evaluate"]["reference_domain"] = "static10"
    assert telling_conditions(limit({1e6: 0.5}), config) == []


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], dict[str, Any]]:
    config = ladder.make_config()
    config["train"]["runs"] = [{"models": ["equivariant"], "sources": ["random"]}]
    config["evaluate"]["domains"] = ["static20", "dose_300"]
    paths = ladder.write_predictions(tmp_path_factory.mktemp("p"), config)
    return paths, config


def test_models_are_judged_where_much_and_where_little_is_known(
    run: tuple[list[Path], dict[str, Any]],
) -> None:
    paths, config = run
    information = limit({300.0: 0.5})
    found = accuracy_by_group(information, DOSE, paths, config, [RUN, ("cnn", "thin")])
    assert list(found) == [RUN]  # of what has predictions
    accuracy = found[RUN]
    # half of the patterns are wrong, those nearest to the corners, where most electrons are needed
    expected = accuracy.over_cell.ravel()
    group = groups_of_positions(information["electrons"].values[0])
    assert accuracy.value == pytest.approx([expected[group == i].mean() for i in range(6)])
    assert accuracy.value[[0, 1]] == pytest.approx(1)
    assert accuracy.value[[-2, -1]] == pytest.approx(0)
    assert expected.mean() == pytest.approx(0.5, abs=0.03)
    assert accuracy.over_cell[0, 0] == 0 < accuracy.over_cell[2, 3] == 1
    # another dose is another data domain
    other = accuracy_by_group(information, Condition("static20", 20.0, 300.0), paths, config, [RUN])
    assert other[RUN].value.mean() > 0.95


def test_intervals_are_over_crystals(run: tuple[list[Path], dict[str, Any]]) -> None:
    paths, config = run
    information = limit({300.0: 0.5})
    accuracy = accuracy_by_group(information, DOSE, paths, config, [RUN])[RUN]
    assert np.isfinite(accuracy.low).all()
    assert (accuracy.low <= accuracy.value).all()
    assert (accuracy.value <= accuracy.high).all()
    middle = np.argmin(abs(accuracy.value - 0.5))
    assert accuracy.high[middle] - accuracy.low[middle] > 0.02
    sure = config | {"evaluate": config["evaluate"] | {"confidence": 0.99}}
    wider = accuracy_by_group(information, DOSE, paths, sure, [RUN])[RUN]
    assert wider.low[middle] < accuracy.low[middle]
    assert wider.high[middle] > accuracy.high[middle]


def test_places_that_no_pattern_was_taken_at_have_no_accuracy(
    run: tuple[list[Path], dict[str, Any]], tmp_path: Path
) -> None:
    paths, config = run
    path = tmp_path / "equivariant" / "random" / "0.nc"
    path.parent.mkdir(parents=True)
    with xr.open_dataset(paths[0]) as file:
        data = file.load()
    data["cell_y"] = data["cell_y"].where(data["cell_y"] > 0.2, 0.9)
    data.to_netcdf(path)
    electrons = np.arange(36.0).reshape(6, 6)
    information = limit({300.0: 0.5})
    information["electrons"][0] = electrons
    accuracy = accuracy_by_group(information, DOSE, [path], config, [RUN])[RUN]
    assert np.isnan(accuracy.over_cell[0]).all()
    assert np.isfinite(accuracy.over_cell[1:]).all()
    assert np.isnan([accuracy.value[0], accuracy.low[0], accuracy.high[0]]).all()
    assert np.isfinite(accuracy.value[1:]).all()
