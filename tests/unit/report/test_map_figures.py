# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of maps: what they show of a map, and maps that lack something."""

from __future__ import annotations

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import LineCollection
from matplotlib.quiver import Quiver
from PIL import Image

from polarstem.errors import PolarstemError
from polarstem.report.figures import maps, style
from polarstem.report.figures.map_overview import draw_maps
from polarstem.report.figures.map_parts import draw_edges, outline_cells, scale_bar
from polarstem.report.figures.maps import direction_image, draw_arrows, draw_map_figures
from polarstem.report.html import write_report
from polarstem.report.map_files import MapFiles, read_map
from polarstem.report.map_panel import report_panel
from tests.unit.maps import synthetic_map as synthetic
from tests.unit.report.test_html import FIGURES, VERSIONS, Page

NAMES = ("map", "confidence", "anomaly", "thickness_tilt", "calibration")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("map")
    synthetic.write_map(path, cells=6, steps=4, patterns=False)
    return path


@pytest.fixture
def files(folder):
    found = read_map(folder)
    with found.data:
        yield found


@pytest.fixture
def axes():
    _, made = plt.subplots()
    yield made
    plt.close()


def check_whole(path):
    """Nothing is cut off: the outermost pixels are paper."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("L"))
    assert pixels.std() > 10
    edge = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    assert min(side.min() for side in edge) > 200, path


def test_every_figure_is_whole(folder):
    outputs = draw_map_figures(folder)
    assert [path.name for path in outputs] == [f"{name}.png" for name in NAMES]
    for path in outputs:
        check_whole(path)
    assert not plt.get_fignums()


def test_a_map_that_has_much_to_say_is_whole(files, tmp_path, monkeypatch):
    """As one of a doubtful scan, in which most cells have no answer, for several reasons."""
    drawn = []
    save = style.save

    def measured(figure, *arguments):
        save(figure, *arguments)
        key = figure.axes[2]
        note = key.texts[-1].get_window_extent()
        assert note.y0 >= 0
        assert note.y1 <= figure.bbox.height
        drawn.append((figure.bbox.height, figure.axes[0].get_window_extent().width))

    monkeypatch.setattr(style, "save", measured)
    maps.draw_map(files, tmp_path / "map.png")
    reasons = ("several classes are possible", "no crystal", "unlike the library", "a weak answer")
    files.data["cell_answered"][:] = False
    files.summary["withheld"] = dict.fromkeys(reasons, 9)
    maps.draw_map(files, tmp_path / "much.png")
    check_whole(tmp_path / "much.png")
    (short, wide), (tall, as_wide) = drawn
    assert tall > short
    assert as_wide == pytest.approx(wide, rel=0.02)


def test_arrows_point_where_the_cells_do(axes, files):
    draw_arrows(axes, files, 2.0)
    axes.set(xlim=files.edges[:2], ylim=files.edges[2:])  # y down, as in the figures
    (arrows,) = (part for part in axes.collections if isinstance(part, Quiver))
    answered = files.data["cell_answered"].values.astype(bool)
    expected = np.radians(files.data["cell_direction"].values[answered])
    drawn = np.arctan2(arrows.V, arrows.U)
    assert np.cos(drawn - expected) == pytest.approx(1.0)
    assert arrows.angles == "uv"  # of the screen, whatever the direction of the axes
    right, down = arrows.XY.T
    assert right == pytest.approx(files.data["cell_centre_x"].values[answered])
    assert down == pytest.approx(files.data["cell_centre_y"].values[answered])


def test_colours_of_directions_pale_with_doubt(files):
    image = direction_image(files)
    answered = files.data["answered"].values.astype(bool)
    row, column = np.argwhere(answered & (files.data["confidence"].values > 0.9))[0]
    full = style.direction_colour(float(files.data["direction"].values[row, column]))
    # the same hue: away from white along one line
    away = (1 - image[row, column]) / (1 - full)
    assert np.ptp(away) < 1e-6
    assert 0.85 < away[0] < 1
    wall = np.unravel_index(
        np.where(answered, files.data["confidence"].values, 1).argmin(), answered.shape
    )
    colour = style.direction_colour(float(files.data["direction"].values[wall]))
    assert ((1 - image[wall]) / (1 - colour)).max() < 0.75
    without = np.argwhere(~answered)[0]
    colour = style.direction_colour(float(files.data["direction"].values[tuple(without)]))
    assert ((1 - image[tuple(without)]) / (1 - colour)).max() < 0.4
    files.data["class_index"][0, 0] = -1
    assert direction_image(files)[0, 0] == pytest.approx(maps.NOTHING)


def test_edges_run_between_different_labels(axes, files):
    labels = np.zeros(files.data["class_index"].shape, int)
    labels[3:5, 10:13] = 7
    for given, lines in ((labels, 10), (labels > 0, 10), (labels == 0, 10 + 4 * 24)):
        draw_edges(axes, files, given, "black", 1.0)
        drawn = [part for part in axes.collections if isinstance(part, LineCollection)][-1]
        assert len(drawn.get_segments()) == lines
    draw_edges(axes, files, labels, "black", 1.0)
    ends = np.concatenate(axes.collections[-1].get_segments()) / files.step[0] + 0.5
    assert (ends.min(0).tolist(), ends.max(0).tolist()) == (
        pytest.approx([10, 3]),
        pytest.approx([13, 5]),
    )


def test_hatching_stays_inside_the_chosen_cells(axes, files):
    chosen = np.zeros(files.data.sizes["cell"], bool)
    chosen[4] = True
    outline_cells(axes, files, chosen)
    middles = np.array([stroke.mean(0) for stroke in axes.collections[0].get_segments()])
    column, row = np.rint(middles / files.step[0]).astype(int).T
    assert len(middles) >= 4
    assert (files.data["cell"].values[row, column] == 4).all()


@pytest.mark.parametrize(("width", "length"), [(2.4, 0.5), (47.0, 10.0), (8.0, 2.0)])
def test_scale_bar_is_round_and_true(axes, width, length):
    nm = np.arange(40) * width / 40
    data = xr.Dataset(coords={"y": nm, "x": ("x", nm, {"units": "nm"})})
    scale_bar(axes, MapFiles(data, {}, xr.Dataset()))
    (bar,) = axes.lines
    assert np.ptp(bar.get_xdata()) == pytest.approx(length)
    assert axes.texts[0].get_text() == f"{length:g} nm"


def test_forced_maps_are_stamped_everywhere(tmp_path, monkeypatch):
    synthetic.write_map(tmp_path, cells=4, steps=4, patterns=False, forced=True)
    said = []
    monkeypatch.setattr(
        style, "save", lambda figure, *_: said.append([t.get_text() for t in figure.texts])
    )
    draw_map_figures(tmp_path)
    assert len(said) == len(NAMES)
    for texts in said:
        assert f"FORCED. {synthetic.FORCED}" in texts


def test_a_map_without_diagnostics_says_why(tmp_path, monkeypatch):
    synthetic.write_map(tmp_path, cells=4, steps=4, patterns=False)
    (tmp_path / "diagnostics.nc").unlink()
    summary = json.loads((tmp_path / "summary.json").read_text())
    summary["thickness_nm"] = summary["tilt_mrad"] = None
    sentence = "No library of patterns lies beside the model."
    steps = [{"name": name, "status": "impossible", "sentence": sentence, "values": {}}
             for name in ("thickness", "tilt")]  # fmt: skip
    (tmp_path / "summary.json").write_text(json.dumps(summary | {"steps": steps}))
    said = {}
    monkeypatch.setattr(
        style, "save",
        lambda figure, path, *_: said.update(
            {path.stem: [t.get_text() for axes in figure.axes for t in axes.texts]}
        ),
    )  # fmt: skip
    draw_map_figures(tmp_path)
    assert said["thickness_tilt"].count(sentence) == 5
    assert said["calibration"].count("This step left no figures.") == 3


@pytest.mark.slow
def test_masked_positions_and_no_cells_are_drawn(tmp_path):
    data, _ = synthetic.make_map(cells=4, steps=4, patterns=False)
    data = data.isel(cell=slice(0, 0))
    data["cell"][:] = -1
    for name in ("confidence", "direction", "anomaly", "dark_field", "probability"):
        data[name][:3] = np.nan
    data["class_index"][:3], data["answered"][:3] = -1, False
    data.to_netcdf(tmp_path / "map.nc")
    filled, _ = synthetic.make_map(cells=4, steps=4, patterns=False)
    (tmp_path / "summary.json").write_text(json.dumps(synthetic.make_summary(filled)))
    assert all(path.is_file() for path in draw_map_figures(tmp_path))
    draw_maps({"empty": tmp_path}, tmp_path / "maps.png")


@pytest.mark.slow
def test_maps_side_by_side_with_the_truth(folder, tmp_path):
    experiments = {name: folder for name in ("one", "two", "three", "four")}
    draw_maps(experiments, tmp_path / "a.png")
    draw_maps(experiments, tmp_path / "b.png", {"one": folder / "truth.nc"})
    images = [np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB")) for name in "ab"]
    red = [((i[..., 0] > 180) & (i[..., 1] < 40) & (i[..., 2] < 90)).sum() for i in images]
    assert red[0] == 0
    assert red[1] > 200  # the true defect


def test_report_shows_the_scores_of_maps(drawn, folder, tmp_path):
    def entry(value, unit):
        return {"value": value, "low": 0.9 * value, "high": 1.02 * value, "n": 100, "unit": unit,
                "meaning": f"Meaning of {unit}"}  # fmt: skip

    new = {
        "maps.four_domains.cell_accuracy": entry(0.971, "fraction"),
        "maps.four_domains.wall_error_cells": entry(0.256, "unit cells"),
        "maps.four_domains.displacement_told": entry(0.9, "fraction"),
        "maps.four_domains.displacement_rms_pm": entry(0.65, "pm"),
        "maps.antiphase_boundary.defect_auroc": entry(0.964, "fraction"),
        "maps.stored_alike": entry(0.998, "fraction"),
    }
    assert report_panel(drawn.summary) is None
    panel = report_panel(drawn.summary | new)
    assert [row["name"] for row in panel["rows"]] == ["four_domains", "antiphase_boundary"]
    shown = ["cell_accuracy", "wall_error_cells", "defect_auroc", "displacement_rms_pm"]
    assert list(panel["scores"]) == shown
    summary = tmp_path / "summary.json"
    summary.write_text(json.dumps(drawn.summary | new))
    draw_maps({"four_domains": folder}, tmp_path / "maps.png")
    figures = {name: drawn.figures / f"{name}.{formats[0]}" for name, formats in FIGURES.items()}
    files = (summary, drawn.metrics_csv, figures, drawn.config_yaml, VERSIONS)
    write_report(*files, tmp_path / "r.html", maps={"maps": tmp_path / "maps.png"})
    page = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    for words in (
        "97.1\u00a0%",
        "0.26\u00a0unit cells",
        "96.4\u00a0%",
        "99.8\u00a0%",
        "0.65\u00a0pm",
    ):
        assert words in page.text
    ids = [attributes.get("id") for _, attributes in page.tags]
    assert "maps" in ids
    assert "figure-maps" in ids
    assert ("a", {"href": "#maps"}) in page.tags
    linked = [attributes.get("href") for tag, attributes in page.tags if tag == "a"]
    assert "displacements/four_domains/displacements.html" in linked
    assert "displacements/antiphase_boundary/displacements.html" not in linked
    assert not page.stack


def test_a_broken_summary_is_one_sentence(folder, tmp_path):
    (tmp_path / "map.nc").write_bytes((folder / "map.nc").read_bytes())
    (tmp_path / "summary.json").write_text("{")
    with pytest.raises(PolarstemError, match=r"summary\.json is missing or broken"):
        draw_map_figures(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
