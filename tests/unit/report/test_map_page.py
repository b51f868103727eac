# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a map: what it holds, and what happens when somebody clicks on it."""

from __future__ import annotations

import base64
import json
import re
from contextlib import nullcontext

import numpy as np
import pytest

from polarstem.errors import PolarstemError
from polarstem.report import map_page
from polarstem.report.map_page import quantity, write_map_page
from tests.unit.maps import synthetic_map as synthetic
from tests.unit.report import browser


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    folder = tmp_path_factory.mktemp("map")
    data, _ = synthetic.write_map(folder, cells=5, steps=5)
    return folder, data


@pytest.fixture(scope="module")
def page(mapped):
    return write_map_page(mapped[0])


@pytest.fixture
def chromium(tmp_path, unavailable):
    if browser.found() is None:
        unavailable("chromium is not installed; apt-get install chromium")
    with browser.Browser(tmp_path / "profile") as opened:
        yield opened


def content(page):
    text = page.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])


def array(packed):
    return np.frombuffer(base64.b64decode(packed["data"]), packed["type"]).reshape(packed["shape"])


def test_page_holds_the_map(mapped, page):
    data, held = mapped[1], content(page)
    assert held["shape"] == list(data["class_index"].shape)
    for table, prefix in ((held["positions"], ""), (held["cells"], "cell_")):
        assert array(table["class"]).ravel() == pytest.approx(
            data[f"{prefix}class_index"].values.ravel()
        )
        assert array(table["probability"]) / 255 == pytest.approx(
            data[f"{prefix}probability"].values, abs=0.5 / 255 + 1e-6
        )
        assert array(table["anomaly"]) == pytest.approx(data[f"{prefix}anomaly"].values)
    patterns = held["positions"]["pattern"]
    found = (array(patterns) / 255.0) ** 2 * array(patterns["brightest"])
    given = data["pattern"].values
    # the square root keeps to half of a 255th
    error = abs(np.sqrt(found) - np.sqrt(given)) / np.sqrt(given.max((2, 3), keepdims=True))
    assert error.max() < 0.51 / 255
    directions = [entry["direction"] for entry in held["classes"]]
    assert directions == pytest.approx((np.array(synthetic.DIRECTIONS) + 12.0) % 360)


def test_page_needs_no_network(page):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:|//)|@import|url\(|fetch\(""", text)


def test_settings_stand_on_the_page_with_where_they_come_from(page):
    text = page.read_text(encoding="utf-8")
    row = re.search(r"<tr><th[^>]*><code>mrad_per_pixel.*?</tr>", text)[0]
    assert "1.2\u00a0mrad (1.19 to 1.21\u00a0mrad)" in row
    assert "estimated" in row
    assert "0.2 % of the pixels are saturated." in text
    assert "FORCED" not in text


def test_a_large_scan_keeps_the_patterns_of_its_cells_alone(mapped, monkeypatch):
    monkeypatch.setattr(map_page, "MOST_PATTERNS", 600)
    held = content(write_map_page(mapped[0]))
    assert held["positions"]["pattern"] is None
    assert held["cells"]["pattern"] is not None
    monkeypatch.undo()
    write_map_page(mapped[0])


def test_names_from_outside_cannot_end_the_script(mapped, tmp_path):
    synthetic.write_map(tmp_path, cells=4, steps=4, forced=True)
    path = tmp_path / "summary.json"
    summary = json.loads(path.read_text())
    path.write_text(json.dumps(summary | {"scan": "</script><b>x</b>.mib"}))
    text = write_map_page(tmp_path).read_text()
    assert "<b>x</b>" not in text
    assert f"FORCED. {synthetic.FORCED}" in text


def test_quantities():
    assert quantity({"value": [1.5, -2.0], "unit": "mrad", "interval": None}) == "1.5, −2\u00a0mrad"
    assert quantity({"value": 12.0, "unit": "degrees", "interval": [11, 13]}) == "12° (11 to 13°)"


def test_a_folder_without_a_map_is_one_sentence(tmp_path):
    with pytest.raises(PolarstemError, match="holds no map"):
        write_map_page(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("width", [1200, 390])
def test_clicks_and_keys(mapped, page, chromium, width):
    data = mapped[1]
    chromium.open(page, width, 900)
    assert chromium.evaluate("document.documentElement.scrollWidth") == width
    row, column = 4, 20
    click_position(chromium, data, row, column)
    expect(chromium, data, row, column)
    # the pattern's brightest pixel is as bright as the colours go, in the right place
    seen = np.array(
        chromium.evaluate(
            "(c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data])"
            "(document.querySelector('#pattern'))"
        )
    ).reshape(32, 32, 4)
    given = data["pattern"].values[row, column]
    assert seen[..., :3].sum(-1)[np.unravel_index(given.argmax(), given.shape)] > 650
    correlation = np.corrcoef(seen[..., :3].sum(-1).ravel(), np.sqrt(given).ravel())[0, 1]
    assert correlation > 0.98
    assert "best template" in chromium.evaluate(
        "document.querySelector('#template-text').textContent"
    )
    for key, down, across in (("ArrowDown", 1, 0), ("ArrowLeft", 0, -1)):
        chromium.press(key)
        row, column = row + down, column + across
        expect(chromium, data, row, column)
    # a neighbour is a button to go there
    assert chromium.evaluate("document.querySelectorAll('#neighbours button canvas').length") == 9
    chromium.evaluate("document.querySelector('#neighbours').scrollIntoView({behavior: 'instant'})")
    x, y = chromium.evaluate(
        "(b => [b.left + b.width / 2, b.top + b.height / 2])(document.querySelectorAll("
        "'#neighbours button')[5].getBoundingClientRect())"
    )
    chromium.click(x, y)
    expect(chromium, data, row, column + 1)
    assert chromium.problems() == []


@pytest.mark.slow
def test_the_best_template_is_of_the_class_and_place(mapped, chromium, monkeypatch):
    data = mapped[1]
    k = np.arange(synthetic.PIXELS) - (synthetic.PIXELS - 1) / 2
    ky, kx = np.meshgrid(k, k, indexing="ij")
    places = np.arange(4) / 4
    stack = np.array(
        [
            [[synthetic.pattern(ky, kx, angle, y, x) for x in places] for y in places]
            for angle in synthetic.DIRECTIONS
        ]
    )
    asked = []

    class Library:
        class_names = tuple(reversed(synthetic.NAMES))

        def templates(self, thickness_nm):
            asked.append(thickness_nm)
            return stack[::-1]

    monkeypatch.setattr(map_page.Library, "open", lambda path: Library())
    folder = mapped[0]
    monkeypatch.setattr(map_page, "atomic_path", lambda path: nullcontext(folder / "library.html"))
    write_map_page(folder, "library.nc")
    chromium.open(folder / "library.html")
    assert asked == [14.0]
    for row, column in ((3, 3), (3, 21), (22, 2), (21, 22)):
        click_position(chromium, data, row, column)
        expect(chromium, data, row, column)
        said = chromium.evaluate("document.querySelector('#template-text').textContent")
        name = synthetic.NAMES[int(data["class_index"].values[row, column])]
        found = re.search(
            r"best template: (\w+), simulated at 14.0\u00a0nm, x (\S+), y (\S+) of", said
        )
        assert found[1] == name
        for given, axis in ((found[2], "cell_x"), (found[3], "cell_y")):
            apart = (float(given) - float(data[axis].values[row, column]) + 0.5) % 1 - 0.5
            assert abs(apart) < 0.2


@pytest.mark.slow
def test_layers_show_what_they_say(mapped, page, chromium):
    data = mapped[1]
    chromium.open(page)
    chromium.evaluate("document.querySelector('#arrows').click()")
    chromium.evaluate("document.querySelector('#flagged').click()")
    seen = {}
    for layer in ("direction", "confidence", "anomaly", "dark_field"):
        chromium.evaluate(f"document.querySelector('input[value={layer}]').click()")
        seen[layer] = positions_seen(chromium, data.sizes["x"])
    field = data["dark_field"].values
    inside = (slice(0, 20), slice(14, 25))  # away from the scale bar and the chosen position
    grey = seen["dark_field"].mean(-1)
    assert np.corrcoef(grey[inside].ravel(), field[inside].ravel())[0, 1] > 0.98
    dots = seen["anomaly"].sum(-1)[inside], data["anomaly"].values[inside]
    assert np.corrcoef(*(part.ravel() for part in dots))[0, 1] > 0.9
    row, column = 2, 20
    assert data["answered"].values[row, column]
    name = str(data["class_name"].values[data["class_index"].values[row, column]])
    held = {entry["name"]: entry["colour"] for entry in content(page)["classes"]}
    full = np.array([int(held[name][i : i + 2], 16) for i in (1, 3, 5)])
    sure = (data["confidence"].values[row, column] - 1 / 8) / (1 - 1 / 8)
    expected = 255 - (0.25 + 0.75 * sure) * (255 - full)
    assert seen["direction"][row, column] == pytest.approx(expected, abs=3)
    chromium.evaluate("document.querySelector('input[value=cells]').click()")
    assert "unit cell" in chromium.evaluate("document.querySelector('#h-chosen').textContent")
    assert chromium.problems() == []


@pytest.mark.slow
def test_a_broken_page_is_noticed(tmp_path, chromium):
    page = tmp_path / "broken.html"
    page.write_text("<script>missing()</script>", encoding="utf-8")
    chromium.open(page)
    assert chromium.problems()


def click_position(chromium, data, row, column):
    """Click into the middle of a position of the map."""
    left, top, side = chromium.evaluate(
        """(map => {
          map.scrollIntoView({ behavior: "instant" });
          const box = map.getBoundingClientRect();
          return [box.left + map.clientLeft, box.top + map.clientTop, map.clientWidth];
        })(document.querySelector("#map"))"""
    )
    pixel = side / data.sizes["x"]
    chromium.click(left + (column + 0.5) * pixel, top + (row + 0.5) * pixel)


def expect(chromium, data, row, column):
    """The readout tells of a position what the map says."""
    said = chromium.evaluate("document.querySelector('#readout').textContent")
    assert f"(row {row}, column {column})" in said
    nm = (data["x"].values[column], data["y"].values[row])
    assert f"x {nm[0]:.2f}\u00a0nm, y {nm[1]:.2f}\u00a0nm" in said
    best = int(data["class_index"].values[row, column])
    assert str(data["class_name"].values[best]) in said
    share = float(data["probability"].values[row, column, best])
    assert abs(int(re.search(r"(\d+)\u00a0%", said)[1]) - 100 * share) < 0.8
    assert ("No answer" in said) != bool(data["answered"].values[row, column])


def positions_seen(chromium, columns):
    """Colour in the middle of each position of the map (y, x, 3)."""
    shot = chromium.evaluate(
        """(source => {
          const copy = document.createElement("canvas");
          [copy.width, copy.height] = [source.width, source.height];
          const context = copy.getContext("2d", { willReadFrequently: true });
          context.drawImage(source, 0, 0);
          return [copy.width, [...context.getImageData(0, 0, copy.width, copy.height).data]];
        })(document.querySelector("#map"))"""
    )
    width, pixels = shot[0], np.array(shot[1]).reshape(-1, shot[0], 4)[..., :3]
    middle = ((np.arange(columns) + 0.5) * width / columns).astype(int)
    return pixels[middle][:, middle]
