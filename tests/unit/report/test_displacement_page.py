# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of displacements: what it holds, and what it says of a line that somebody draws."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from polarstem.displacements.microscope_conditions import MEANINGS, NAMES
from polarstem.displacements.verdicts import Untold
from polarstem.displacements.wall_profile import wall_profile
from polarstem.errors import PolarstemError
from polarstem.report.displacement_page import cell_side, page_data, write_displacement_page
from polarstem.report.figures.style import direction_colour
from tests.unit.report import browser

SIDE = 0.397
TURN = np.exp(0.2j)
FULL = 20.0
GONE = 17


def displacements(noise_pm: float = 1.0, width_nm: float = 0.8) -> xr.Dataset:
    """A wall across 14 x 9 cells of a lattice that is turned, one cell without a displacement."""
    row, column = (axis.ravel() for axis in np.indices((9, 14)))
    rise = np.tanh(2 * SIDE * (column - 6.3) / width_nm)
    shift = np.array([0.0, 13.0]) + np.outer(rise, [-13.0, 0.0])
    shift += np.random.default_rng(3).normal(scale=noise_pm, size=shift.shape)
    reason = np.where(np.arange(len(row)) == GONE, Untold.TWO_ANSWERS, Untold.TOLD)
    shift[GONE] = np.nan
    places = TURN * SIDE * (column + 1j * row)
    known = np.where(reason == Untold.TOLD, 1.0, np.nan)
    values = {
        "row": row,
        "column": column,
        "centre_x": places.real,
        "centre_y": places.imag,
        "ux": shift[:, 0],
        "uy": shift[:, 1],
        "sigma_x": 1.0 * known,
        "sigma_y": 2.0 * known,
        "correlation": -0.5 * known,
        "p_polar": 0.9 * known,
        "polarization": 30 * known,
        "misfit": np.linspace(0.5, 1.5, len(row)),
        "reason": reason,
    }
    conditions = dict.fromkeys(NAMES, 0.0) | {"thickness": 19.87, "C10": -31.2}
    return xr.Dataset(
        {name: ("cell", array) for name, array in values.items()},
        attrs={
            "scan": "dir/<b>scan</b>.mib",
            "model": "a_model",
            "full_vector_pm": FULL,
            "conditions": json.dumps(conditions),
        },
    )


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return displacements()


@pytest.fixture(scope="module")
def page(data: xr.Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_displacement_page(data, tmp_path_factory.mktemp("page"))


@pytest.fixture
def chromium(tmp_path: Path, unavailable: Callable[[str], NoReturn]) -> Iterator[Any]:
    if browser.found() is None:
        unavailable("chromium is not installed; apt-get install chromium")
    with browser.Browser(tmp_path / "profile") as opened:
        yield opened


def test_page_holds_the_displacements_and_needs_no_network(data: xr.Dataset, page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:|//)|@import|url\(|fetch\(""", text)
    assert "<b>scan" not in text
    found = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    held = json.loads(found[1])
    assert held["side"] == pytest.approx(SIDE)
    for name in ("ux", "sigma_y", "misfit"):
        given = [None if np.isnan(v) else v for v in data[name].values.tolist()]
        assert held["cells"][name] == [
            v if v is None else pytest.approx(v, rel=1e-5) for v in given
        ]
    assert held["cells"]["ux"][GONE] is None
    assert "median length" in text
    row = re.search(r"<tr><th scope=\"row\">thickness</th>.*?</tr>", text)
    assert row is not None
    assert "19.9" in row[0]
    assert "nm" in row[0]
    assert "−31.2" in text
    assert "FORCED" not in text


def test_every_condition_has_its_words() -> None:
    assert tuple(MEANINGS) == NAMES
    assert len({text for text, _ in MEANINGS.values()}) == len(NAMES)


def test_colours_are_those_of_the_directions(data: xr.Dataset) -> None:
    angle = np.degrees(np.arctan2(data["uy"].values, data["ux"].values))
    assert np.nanmin(angle) > 20
    wanted = [to_hex(colour) for colour in direction_colour(angle)]
    assert page_data(data)["cells"]["colour"] == wanted


def test_cells_are_drawn_as_they_lie(data: xr.Dataset) -> None:
    along, across = TURN * SIDE, 1j * TURN * SIDE
    steps = page_data(data)["lattice"]
    np.testing.assert_allclose(steps, [[along.real, along.imag], [across.real, across.imag]])
    row = page_data(data.isel(cell=slice(14)))["lattice"]
    np.testing.assert_allclose(row, SIDE * np.eye(2))


def test_a_forced_map_says_so(data: xr.Dataset, tmp_path: Path) -> None:
    page = write_displacement_page(data.assign_attrs(forced="It is wrong."), tmp_path)
    assert 'role="alert">FORCED. It is wrong.' in page.read_text(encoding="utf-8")


def test_side_of_a_cell() -> None:
    assert cell_side(np.array([0.0]), np.array([0.0])) == 1.0
    assert cell_side(np.array([0.0, 3.0, 9.0]), np.array([0.0, 4.0, 12.0])) == pytest.approx(5.0)


@pytest.mark.slow
def test_a_wall_is_fitted_as_by_the_command(
    data: xr.Dataset, chromium: Any, tmp_path: Path
) -> None:
    """The page's own fit says, to the last digit, what Python's does."""
    lines = [
        ((0.3, 0.5), (4.9, 1.5)),
        ((4.9, 1.5), (0.3, 0.5)),
        ((1.1, 0.9), (4.0, 2.4)),
        ((0.0, 3.6), (4.9, 0.3)),
        ((1.0, 1.0), (1.0, 1.0)),
        ((1.0, 1.0), (1.3, 1.0)),
        ((-0.5, 1.0), (0.4, 3.0)),
    ]
    sharp, seen = displacements(2.0, 0.03), []
    for number, field in enumerate((data, sharp)):
        (tmp_path / str(number)).mkdir()
        chromium.open(write_displacement_page(field, tmp_path / str(number)))
        for line in lines:
            try:
                told = str(wall_profile(field, *line))
            except PolarstemError as problem:
                told = str(problem)
            assert typed(chromium, line) == told
            seen.append(told.split()[0])
    assert seen.count("Wall") >= 4
    assert "right angle" in typed(chromium, lines[3])
    assert "at most" in typed(chromium, lines[0])
    assert chromium.problems() == []


@pytest.mark.slow
@pytest.mark.parametrize("width", [1200, 390])
def test_clicks_keys_and_drags(data: xr.Dataset, page: Path, chromium: Any, width: int) -> None:
    chromium.open(page, width, 900)
    assert chromium.evaluate("document.documentElement.scrollWidth") == width
    chromium.click(*on_screen(chromium, data, 40))
    expect(chromium, data, 40)
    chromium.press("ArrowRight")
    expect(chromium, data, 41)
    chromium.press("ArrowDown")
    expect(chromium, data, 55)
    chromium.click(*on_screen(chromium, data, GONE))
    said = chromium.evaluate("document.querySelector('#readout').textContent")
    assert "another displacement fits as well" in said
    assert "pm" not in said
    # drag from the first to the last cell of the middle row
    first, last = on_screen(chromium, data, 56), on_screen(chromium, data, 69)
    chromium.call("Input.dispatchMouseEvent", type="mouseMoved", x=first[0], y=first[1])
    pressed = {"button": "left", "buttons": 1, "clickCount": 1}
    chromium.call(
        "Input.dispatchMouseEvent", type="mousePressed", x=first[0], y=first[1], **pressed
    )
    chromium.call("Input.dispatchMouseEvent", type="mouseMoved", x=last[0], y=last[1], **pressed)
    chromium.call("Input.dispatchMouseEvent", type="mouseReleased", x=last[0], y=last[1], **pressed)
    ends = [float(chromium.evaluate(f"document.querySelector('#{n}').value")) for n in FIELDS]
    centres = np.stack([data["centre_x"].values, data["centre_y"].values], axis=1)
    np.testing.assert_allclose(ends, [*centres[56], *centres[69]], atol=0.05)
    said = chromium.evaluate("document.querySelector('#wall-text').textContent")
    assert abs(float(said.split()[1]) - 6.3 * SIDE) < 0.15
    assert not chromium.evaluate("document.querySelector('#wall-figure').hidden")
    assert chromium.problems() == []


@pytest.mark.slow
def test_what_is_drawn_is_what_was_measured(data: xr.Dataset, page: Path, chromium: Any) -> None:
    chromium.open(page)
    told = int((data["reason"].values == Untold.TOLD).sum())
    assert chromium.evaluate("document.querySelectorAll('#map .cell').length") == 126
    # one arrow is the key
    assert chromium.evaluate("document.querySelectorAll('#map .arrow').length") == told + 1
    assert chromium.evaluate("document.querySelectorAll('#map .ellipse').length") == 0
    chromium.evaluate("document.querySelector('#ellipses').click()")
    points = chromium.evaluate(
        "[...document.querySelectorAll('#map .ellipse')].map((e) => [...e.points].map("
        "(p) => [p.x, p.y]))"
    )
    assert len(points) == told
    # 68 % of a Gaussian in the plane lie within 1.51 standard deviations; a template is 34 units
    around = (np.array(points[0]) - np.array(points[0])[:-1].mean(0)) * [1, -1]
    reach = 1.5096 * 34 / FULL
    assert around.max(0) == pytest.approx([reach, 2 * reach], rel=0.01)
    assert np.corrcoef(around[:-1].T)[0, 1] == pytest.approx(-0.5, abs=0.01)
    assert "125 cells" in chromium.evaluate("document.querySelector('#rose-text').textContent")
    for layer in ("sigma", "p_polar", "misfit"):
        chromium.evaluate(f"document.querySelector('input[value={layer}]').click()")
    fills = chromium.evaluate(
        "[...document.querySelectorAll('#map .cell')].map((c) => c.getAttribute('fill'))"
    )
    assert len(set(fills)) > 30
    assert chromium.problems() == []


FIELDS = ("x0", "y0", "x1", "y1")


def typed(chromium: Any, line: tuple[tuple[float, float], tuple[float, float]]) -> str:
    """What the page says of a line whose ends are typed."""
    for name, value in zip(FIELDS, (*line[0], *line[1]), strict=True):
        chromium.evaluate(f"document.querySelector('#{name}').value = {value}")
    chromium.evaluate("document.querySelector('#line').requestSubmit()")
    return str(chromium.evaluate("document.querySelector('#wall-text').textContent"))


def on_screen(chromium: Any, data: xr.Dataset, cell: int) -> list[float]:
    """Where the middle of a cell is in the window."""
    x, y = data["centre_x"].values, data["centre_y"].values
    edge = 0.7 * SIDE
    span = float(np.ptp(x)) + 2 * edge
    across, down = (float(v[cell] - v.min() + edge) / span for v in (x, y))
    place: list[float] = chromium.evaluate(
        f"""(map => {{
          map.scrollIntoView({{ behavior: "instant" }});
          const box = map.getBoundingClientRect();
          const side = box.width - 2;
          return [box.left + 1 + side * {across}, box.top + 1 + side * {down}];
        }})(document.querySelector("#map"))"""
    )
    return place


def expect(chromium: Any, data: xr.Dataset, cell: int) -> None:
    """The readout tells of a cell what was measured."""
    said = chromium.evaluate("document.querySelector('#readout').textContent").replace("−", "-")
    ux, uy = float(data["ux"].values[cell]), float(data["uy"].values[cell])
    assert (
        f"row {int(data['row'].values[cell])}, column {int(data['column'].values[cell])} " in said
    )
    assert f"to the right {ux:.2f} ± 1.00 pm, up {uy:.2f} ± 2.00 pm, correlation -0.50" in said
    assert said.startswith(f"{np.hypot(ux, uy):.1f} pm along ")
