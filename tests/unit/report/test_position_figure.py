# SPDX-License-Identifier: GPL-3.0-or-later
"""The figure of the place in the unit cell."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from polarstem.evaluate.limit.over_cell import (
    GroupedAccuracy,
    accuracy_by_group,
    limit_by_group,
)
from polarstem.report.figures import position as drawing
from polarstem.report.figures.position import draw_position, shown_runs
from tests.unit.evaluate import synthetic_ladder as ladder
from tests.unit.evaluate.test_over_cell import DOSE, limit

DOSES = {300.0: 0.5, 1e6: 0.2}  # and how much the limit falls over the cell


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Limit, predictions and config of a run with a dose at which places differ."""
    folder = tmp_path_factory.mktemp("position")
    config = ladder.make_config()
    config["evaluate"]["domains"] = ["static20", "dose_300", "dose_1e06"]
    config["evaluate"]["recommended"] = {"model": "equivariant", "source": "random"}
    config["train"]["runs"] = [
        {"models": ["cnn"], "sources": ["thin"]},
        {"models": ["equivariant"], "sources": ["random"]},
    ]
    paths = ladder.write_predictions(folder, config)
    limit(DOSES).to_netcdf(folder / "information.nc")
    return folder / "information.nc", paths, config


def test_recommended_model_stands_first(run):
    *_, config = run
    assert shown_runs(config) == [("equivariant", "random"), ("cnn", "thin")]
    without = {key: value for key, value in config["evaluate"].items() if key != "recommended"}
    assert shown_runs(config | {"evaluate": without})[0] == ("cnn", "thin")


def test_limit_and_models_are_drawn_where_they_are(run, monkeypatch):
    information_nc, paths, config = run
    kept = []
    monkeypatch.setattr(drawing.style, "save", lambda figure, _: kept.append(figure))
    monkeypatch.setattr(plt, "close", lambda _: None)
    draw_position(information_nc, paths, config, "x.png")
    monkeypatch.undo()
    left, middle, right, *other = kept[0].axes
    assert len(other) == 4  # the other dose, and the colours
    information = limit(DOSES)
    here = information["accuracy"].sel(knowledge="known", thickness=20, dose=300).values
    runs = shown_runs(config)
    found = accuracy_by_group(information, DOSE, paths, config, runs)
    assert np.array_equal(left.images[0].get_array(), here)
    assert np.array_equal(middle.images[0].get_array(), found[runs[0]].over_cell)
    assert middle.get_title() == "equivariant\n(random)"
    assert left.images[0].get_clim() == middle.images[0].get_clim() == (0, 1)
    lines = {line.get_label(): line.get_ydata() for line in right.lines}
    assert lines["limit, all known"] == pytest.approx(limit_by_group(information, DOSE))
    drawn = {c.get_label(): c.lines[0].get_ydata() for c in right.containers}
    assert drawn["cnn, trained on thin"] == pytest.approx(found["cnn", "thin"].value)
    assert drawn["equivariant, trained on random"] == pytest.approx(found[runs[0]].value)
    electrons = right.lines[0].get_xdata()
    assert (np.diff(electrons) > 0).all()
    assert [axes.get_title() for axes in (right, other[2])] == [
        f"20 nm, {dose} electrons" for dose in ("300", "1,000,000")
    ]
    plt.close("all")


def whole(path: Path) -> None:
    """Nothing is cut off: the outermost pixels are paper."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("L"))
    edge = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    assert min(side.min() for side in edge) > 200
    assert pixels.std() > 10


def test_figure_is_whole_and_says_where_it_has_nothing_to_compare(run, monkeypatch, tmp_path):
    information_nc, paths, config = run
    draw_position(information_nc, paths, config, tmp_path / "p.png")
    whole(tmp_path / "p.png")
    # intervals may be missing
    none = np.full(6, np.nan)
    one = GroupedAccuracy(np.linspace(0.9, 0.4, 6), none, none, np.full((6, 6), 0.5))
    monkeypatch.setattr(drawing, "accuracy_by_group", lambda *_: {("cnn", "thin"): one})
    draw_position(information_nc, paths, config, tmp_path / "one.png")
    whole(tmp_path / "one.png")
    monkeypatch.undo()
    said = []
    monkeypatch.setattr(
        drawing.style, "save", lambda figure, _: said.extend(t.get_text() for t in figure.texts)
    )
    draw_position(information_nc, [], config, "x.png")
    limit({500.0: 0.5}).to_netcdf(tmp_path / "other.nc")
    draw_position(tmp_path / "other.nc", paths, config, "x.png")
    limit({300.0: 0.5}).isel(group=slice(0)).to_netcdf(tmp_path / "none.nc")
    draw_position(tmp_path / "none.nc", paths, config, "x.png")
    assert said == ["No data domain has the limit's own conditions and a dose that matters."] * 3
