# SPDX-License-Identifier: GPL-3.0-or-later
"""The data of a figure are the numbers that were drawn."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from polarstem.report.figures import style
from polarstem.report.figures.drawn_data import DECORATION, drawn_data


@pytest.fixture
def axes():
    with style.new_figure(3, 2) as figure:
        yield figure.subplots()


def table(axes):
    return drawn_data(axes.figure).to_dict("records")


def test_lines_have_their_labels_and_names_of_places(axes):
    axes.plot([0, 1.1], [0.25, 0.5], label="cnn")
    axes.plot([0, 1], [9, 9], label=DECORATION)
    axes.axhline(0.125)
    axes.set_xticks([0, 1], ["thin", "thick\nones"])
    axes.set_title("accuracy")
    assert table(axes) == [
        {"panel": "accuracy", "series": "cnn", "x": "thin", "y": 0.25},
        {"panel": "accuracy", "series": "cnn", "x": "thick ones", "y": 0.5},
    ]


def test_numbers_along_an_axis_stay_numbers(axes):
    axes.plot([1, 2, 3], [4, 5, 6], label="a")
    axes.set_xticks([1, 2, 3])
    assert [row["x"] for row in table(axes)] == [1, 2, 3]


def test_intervals_of_both_directions(axes):
    axes.errorbar([1.5], [0.5], [[0.1], [0.2]], label="up", capsize=2)
    axes.errorbar([2.5], [0.5], xerr=[[0.1], [0.2]], label="along")
    up, along = table(axes)
    assert (up["series"], up["low"], up["high"]) == ("up", pytest.approx(0.4), pytest.approx(0.7))
    assert (along["x"], along["low"], along["high"]) == pytest.approx((2.5, 2.4, 2.7))


def test_bands_bars_and_tiles(axes):
    axes.fill_between([0.5, 1.5], [0.1, 0.2], [0.3, 0.4], label="band")
    axes.barh([0.25], [7], label="bar")
    axes.imshow(np.array([[1.0, np.nan], [3.0, 4.0]]), extent=(0, 2, 2, 0))
    rows = drawn_data(axes.figure)
    band = rows[rows["series"] == "band"]
    assert band[["x", "low", "high"]].to_numpy() == pytest.approx(
        np.array([[0.5, 0.1, 0.3], [1.5, 0.2, 0.4]])
    )
    (bar,) = rows[rows["series"] == "bar"].to_dict("records")
    assert (bar["x"], bar["y"]) == pytest.approx((7, 0.25))
    tiles = rows.dropna(subset="value")[["x", "y", "value"]].to_numpy()
    assert tiles == pytest.approx(np.array([[0.5, 0.5, 1], [0.5, 1.5, 3], [1.5, 1.5, 4]]))


def test_pictures_and_panels_without_axes_have_no_data(tmp_path):
    with style.new_figure(3, 2) as figure:
        left, right = figure.subplots(1, 2)
        left.imshow(np.zeros((100, 100)))
        right.plot([0, 1], [0, 1])
        right.axis("off")
        style.save(figure, tmp_path / "empty.csv")
    assert pd.read_csv(tmp_path / "empty.csv").empty
    assert not plt.get_fignums()
