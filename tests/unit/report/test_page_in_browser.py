# SPDX-License-Identifier: GPL-3.0-or-later
"""The report in a browser: folding, deep links, sorting, filtering and downloads at two sizes."""

from __future__ import annotations

import csv
import io
import json

import pytest

from polarstem.report import FIGURES
from polarstem.report.html import write_report
from tests.unit.report import browser
from tests.unit.report.test_html import VERSIONS

SIZES = {"desktop": (1200, 900), "phone": (390, 844)}
COLUMN = """(name) => {
  const table = document.querySelector("#all-scores");
  const heads = [...table.tHead.rows[0].cells];
  const column = heads.findIndex((head) => head.textContent.trim() === name);
  const rows = [...table.tBodies[0].rows].filter((row) => !row.hidden);
  return rows.map((row) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim());
}"""
# keeps what is offered for download, instead of writing it to a folder
CATCH = """window.kept = [];
const offer = URL.createObjectURL;
URL.createObjectURL = (blob) => {
  blob.text().then((text) => window.kept.push(text));
  return offer(blob);
};
HTMLAnchorElement.prototype.click = function () { window.named = this.download; };"""


@pytest.fixture(scope="module")
def page(drawn, tmp_path_factory):
    out = tmp_path_factory.mktemp("browsed") / "report.html"
    figures = {name: drawn.figures / f"{name}.{formats[0]}" for name, formats in FIGURES.items()}
    write_report(drawn.summary_json, drawn.metrics_csv, figures, drawn.config_yaml, VERSIONS, out)
    assert out.stat().st_size < 15e6
    return out


@pytest.fixture(scope="module")
def chromium(tmp_path_factory, unavailable):
    if browser.found() is None:
        unavailable("chromium is not installed; apt-get install chromium")
    with browser.Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(params=SIZES)
def shown(request, chromium, page):
    """The page in a window of a size, without problems before and after."""
    chromium.open(page, *SIZES[request.param])
    chromium.go("")
    yield chromium
    assert chromium.problems() == []
    assert chromium.evaluate("document.documentElement.scrollWidth <= innerWidth")


def column(chromium, name):
    return chromium.evaluate(f"({COLUMN})({json.dumps(name)})")


def open_sections(chromium):
    return chromium.evaluate("[...document.querySelectorAll('details[open]')].map((d) => d.id)")


def choose(chromium, selector, value, event):
    chromium.evaluate(
        f"(() => {{ const field = document.querySelector({selector!r}); "
        f"field.value = {value!r}; field.dispatchEvent(new Event({event!r})); }})()"
    )


def test_sections_are_folded_until_they_are_opened(shown):
    assert open_sections(shown) == []
    shown.evaluate("document.querySelector('#ladder summary').focus()")
    shown.press("Enter")
    assert open_sections(shown) == ["ladder"]
    shown.evaluate("document.querySelector('#unfold').click()")
    sections = shown.evaluate("document.querySelectorAll('details.evidence').length")
    assert len(open_sections(shown)) == sections > 10
    images = "[...document.images].every((i) => i.naturalWidth > 0 && i.clientWidth > 100)"
    assert shown.evaluate(images)
    shown.evaluate("document.querySelector('#unfold').click()")
    assert open_sections(shown) == []


def test_links_open_what_they_point_to(shown):
    shown.go("#figure-transfer")
    assert open_sections(shown) == ["transfer"]
    box = "document.querySelector('#figure-transfer').getBoundingClientRect().top"
    assert abs(shown.evaluate(box)) < shown.evaluate("innerHeight")
    shown.go("#scores?tested on=emulated&trained on=thin")
    assert "scores" in open_sections(shown)
    assert set(column(shown, "tested on")) == {"emulated"}
    assert set(column(shown, "trained on")) == {"thin"}
    shown.go("#scores?tested on=cubic")
    assert set(column(shown, "tested on")) == {"cubic"}
    assert set(column(shown, "trained on")) > {"thin"}


def test_scores_are_sorted_searched_and_shown_a_part_at_a_time(shown, drawn):
    shown.go("#scores")
    assert len(column(shown, "model")) == 50
    sort = "[...document.querySelectorAll('#all-scores th button')][4].click()"
    for reverse in (True, False):
        shown.evaluate(sort)
        values = [float(value) for value in column(shown, "balanced accuracy")]
        assert values == sorted(values, reverse=reverse)
        assert len(values) == 50
    choose(shown, "#scores input", "emulated equivariant", "input")
    assert set(column(shown, "model")) == {"equivariant"}
    assert sorted(column(shown, "trained on")) == ["random", "several", "thin"]
    best = drawn.summary["learning.emulated.balanced_accuracy.equivariant.random"]["value"]
    assert max(map(float, column(shown, "balanced accuracy"))) == pytest.approx(best, rel=1e-5)


def test_what_is_found_is_downloaded_with_its_intervals(shown, drawn):
    shown.go("#scores?tested on=emulated")
    shown.evaluate(CATCH + "document.querySelector('#scores .csv').click()")
    assert shown.evaluate(
        "new Promise((done) => setTimeout(() => done(window.named), 300))", wait=True
    )
    (text,) = shown.evaluate("window.kept")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["tested on"] for row in rows} == {"emulated"}
    assert len(rows) == sum(len(run["models"]) for run in drawn.config["train"]["runs"])
    row = next(r for r in rows if (r["model"], r["trained on"]) == ("equivariant", "random"))
    entry = drawn.summary["learning.emulated.balanced_accuracy.equivariant.random"]
    for name, side in (("", "value"), (" low", "low"), (" high", "high")):
        assert float(row[f"balanced accuracy{name}"]) == pytest.approx(entry[side], rel=1e-5)


def test_shown_files_of_figures_are_linked(shown):
    links = shown.evaluate(
        "[...document.querySelectorAll('a[download]')].map((a) => a.href.slice(0, 5))"
    )
    assert links == ["data:"] * sum(map(len, FIGURES.values()))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(chromium, page, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    chromium.call("Emulation.setEmulatedMedia", features=features)
    chromium.open(page)
    chromium.evaluate("document.querySelector('#unfold').click()")
    low = chromium.evaluate("""(() => {
      const light = (colour) => {
        const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((x) => x / 255)
          .map((x) => (x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
      };
      const ground = (element) => {
        const colour = getComputedStyle(element).backgroundColor, above = element.parentElement;
        return colour === "rgba(0, 0, 0, 0)" && above ? ground(above) : colour;
      };
      const found = new Set();
      for (const element of document.querySelectorAll("main *, header *, footer *")) {
        const letters = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
        if (!letters || !element.checkVisibility()) continue;
        const [a, b] = [getComputedStyle(element).color, ground(element)].map(light);
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) found.add(element.tagName + "." + element.className);
      }
      return [...found];
    })()""")
    chromium.call("Emulation.setEmulatedMedia", features=[])
    assert low == []
