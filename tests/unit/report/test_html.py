# SPDX-License-Identifier: GPL-3.0-or-later
"""The page: self-contained, in step with the summary, accessible."""

from __future__ import annotations

import base64
import json
import math
import shutil
import subprocess
from html.parser import HTMLParser
from itertools import pairwise

import docutils.core
import jinja2
import pandas as pd
import pytest
import yaml

from polarstem.errors import PolarstemError
from polarstem.evaluate.summary.entries import entry
from polarstem.report import FIGURES
from polarstem.report.embedding import TEMPLATES
from polarstem.report.html import interval, number, percent, write_report
from polarstem.report.speed import duration, speed_rows

VERSIONS = {"python": "3.11.9", "polarstem": "0.1.0", "abtem": "1.0.11"}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CAPTIONS = TEMPLATES.parents[1] / "workflow" / "report"


class Page(HTMLParser):
    """Collects tags with their attributes, texts of <data>, and the visible text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.data: dict[str, tuple[str, str]] = {}
        self.text = ""
        self._open: dict[str, str | None] | None = None
        self.stack: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "data":
            self._open = dict(attrs)
        if tag not in ("meta", "link", "img"):
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag, f"</{tag}> closes nothing"
        if tag == "data":
            self._open = None

    def handle_data(self, data):
        self.text += data
        if self._open is not None:
            self.data[self._open["data-key"]] = (self._open["value"], data)


@pytest.fixture(scope="module")
def source(drawn, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "report.html"
    figures = {name: drawn.figures / f"{name}.{formats[-1]}" for name, formats in FIGURES.items()}
    write_report(drawn.summary_json, drawn.metrics_csv, figures, drawn.config_yaml, VERSIONS, out)
    return out.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(source):
    return Page(source)


def test_nothing_is_loaded_from_elsewhere(page, source):
    for tag, attributes in page.tags:
        for name in ("src", "srcset", "action", "poster", "data"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, attributes)
        if tag == "link":
            assert attributes["href"].startswith("data:")
        if tag == "script":
            assert "src" not in attributes
        if tag == "a":
            assert attributes["href"].startswith(("#", "https://arxiv.org/", "https://doi.org/"))
    assert "@import" not in source
    assert "url(" not in source


def test_every_figure_is_embedded_whole_with_a_text(page, drawn):
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == len(FIGURES)
    for attributes in images:
        assert len(attributes["alt"]) > 30
        assert 300 < int(attributes["width"]) < 1300
    embedded = {base64.b64decode(a["src"].split(",", 1)[1]) for a in images}
    files = {(drawn.figures / f"{n}.{f[-1]}").read_bytes() for n, f in FIGURES.items()}
    assert embedded == files


def test_numbers_are_those_of_the_summary(page, drawn):
    experiment, best = "learning.emulated", drawn.summary["same_thickness.best"]["model"]
    lead = page.text[: page.text.index("Headline numbers")]
    told = (
        "same_thickness.best",
        f"{experiment}.balanced_accuracy.{best}.thin",
        f"{experiment}.balanced_accuracy.equivariant.random",
        f"{experiment}.cell_accuracy.equivariant.random",
    )
    for key in told:
        assert key in page.data
        assert number(drawn.summary[key]) in lead, key
    for key, (value, shown) in page.data.items():
        entry = drawn.summary[key]
        assert float(value) == entry["value"], key
        assert shown == number(entry), key


def test_claims_stand_with_what_was_asked_of_them(page, drawn):
    claims = {k: v for k, v in drawn.summary.items() if k.startswith("learning.claims.")}
    assert page.text.count("asked: above") == len(claims)
    assert "asked: above 95.0\u00a0%" in page.text
    assert "Each model was trained once" in page.text
    for claim in claims.values():
        assert claim["statement"] in page.text


def test_table_shows_every_score(page, drawn):
    table = pd.read_csv(drawn.metrics_csv)
    for value in table[table["metric"] == "balanced_accuracy"]["value"]:
        assert f"{100 * value:.1f}\u00a0%" in page.text


def test_headings_language_and_ids(page):
    names = [tag for tag, _ in page.tags]
    headings = [int(tag[1]) for tag in names if tag in ("h1", "h2", "h3", "h4")]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(headings))
    assert dict(page.tags[0][1]) == {"lang": "en"} or ("html", {"lang": "en"}) in page.tags
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [a["href"][1:] for t, a in page.tags if t == "a" and a["href"].startswith("#")]
    assert set(links) <= set(ids)
    assert not page.stack


def test_config_versions_and_conditions_are_on_the_page(page, drawn):
    text = drawn.config_yaml.read_text()
    assert yaml.safe_load(text) == drawn.config
    for line in text.splitlines():
        assert line.strip() in page.text
    assert "1.0.11" in page.text
    for words in ("24 mrad", "200 kV", "phonons20", "100,000 electrons", "static lattice"):
        assert words in page.text


@pytest.mark.parametrize("hidden", [True, False])
def test_the_limit_speaks_of_the_sign_along_the_beam(drawn, page, tmp_path, hidden):
    assert "points along the beam" not in page.text, "where no specimen has such a component"
    start = "learning.limit.beam_sign_electrons."
    entries = {
        f"{start}{thickness}.{name}": entry(math.inf if hidden else value, "1", "words", n=4)
        for thickness, scale in (("10", 5e6), ("20", 8e6))
        for name, value in (("min", scale / 4), ("median", scale), ("max", 2 * scale))
    }
    summary, out = tmp_path / "summary.json", tmp_path / "r.html"
    summary.write_text(json.dumps(drawn.summary | entries))
    figures = {name: drawn.figures / f"{name}.png" for name in FIGURES}
    write_report(summary, drawn.metrics_csv, figures, drawn.config_yaml, VERSIONS, out)
    changed = Page(out.read_text(encoding="utf-8"))
    assert ("cannot be seen here" in changed.text) == hidden
    assert ("for 1 % error, 5,000,000 electrons per pattern at 10 nm" in changed.text) != hidden
    shown = {key: float(v) for key, (v, _) in changed.data.items() if key.startswith(start)}
    assert shown == ({} if hidden else {key: each["value"] for key, each in entries.items()})


def test_text_of_the_config_cannot_break_the_page(drawn, tmp_path):
    config = json.loads(json.dumps(drawn.config))
    config["report"]["title"] = "<script>alert(1)</script> & co"
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    figures = {name: drawn.figures / f"{name}.png" for name in FIGURES}
    out = tmp_path / "r.html"
    write_report(drawn.summary_json, drawn.metrics_csv, figures, path, VERSIONS, out)
    assert "<script>alert" not in out.read_text(encoding="utf-8")


def test_missing_figure_leaves_no_page(drawn, tmp_path):
    with pytest.raises(PolarstemError, match="lacks the figures examples"):
        write_report(
            drawn.summary_json,
            drawn.metrics_csv,
            {name: drawn.figures / f"{name}.png" for name in FIGURES if name != "examples"},
            drawn.config_yaml,
            VERSIONS,
            tmp_path / "r.html",
        )
    assert not list(tmp_path.iterdir())


def test_a_run_without_networks_has_a_page(drawn, tmp_path):
    summary = {k: v for k, v in drawn.summary.items() if not k.endswith(".best")}
    summary = {k: v for k, v in summary.items() if not k.startswith("stages")}
    (tmp_path / "s.json").write_text(json.dumps(summary))
    figures = {name: drawn.figures / f"{name}.png" for name in FIGURES}
    out = tmp_path / "r.html"
    write_report(tmp_path / "s.json", drawn.metrics_csv, figures, drawn.config_yaml, VERSIONS, out)
    assert "Chance" in Page(out.read_text(encoding="utf-8")).text


def test_numbers_in_words():
    entry = {"value": 0.98765, "low": None, "high": None, "unit": "fraction"}
    assert number(entry) == "98.8\u00a0%"
    assert interval(entry) == "no interval"
    assert interval(entry | {"low": 0.9, "high": 1.0}) == "90.0 – 100.0\u00a0%"
    assert number({"value": 12.34, "unit": "deg"}) == "12.3°"
    assert number({"value": 0.73, "unit": "1"}) == "0.73"
    assert number({"value": 0.214, "unit": "mrad"}) == "0.21\u00a0mrad"
    assert number({"value": -0.083, "unit": "fraction"}) == "\u22128.3\u00a0%"
    assert interval({"low": -0.1, "high": 0.05, "unit": "fraction"}) == "\u221210.0 to 5.0\u00a0%"
    assert interval({"low": 0.7, "high": 0.75, "unit": "1"}) == "0.70 – 0.75"
    assert number({"value": 12345.6, "unit": "MB"}) == "12,346\u00a0MB"
    assert number({"value": None, "unit": "s"}) == "–"


@pytest.mark.parametrize("path", sorted(CAPTIONS.glob("*.rst")), ids=lambda path: path.stem)
def test_captions_render(path, drawn):
    text = jinja2.Template(path.read_text(encoding="utf-8"), undefined=jinja2.StrictUndefined)
    rst = text.render(snakemake={"config": drawn.config})
    settings = {"halt_level": 2, "report_level": 2}
    body = docutils.core.publish_parts(rst, writer="html5", settings_overrides=settings)["body"]
    assert "<p>" in body
    assert "blockquote" not in body


def test_every_figure_has_a_caption():
    assert {*FIGURES, "workflow", "report", "metrics", "summary"} <= {
        path.stem for path in CAPTIONS.glob("*.rst")
    }


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_chromium_shows_all_figures_without_console_messages(source, tmp_path):
    probe = """
    <script>addEventListener("load", () => {
      const shown = [...document.images].filter((i) => i.complete && i.naturalWidth > 0).length;
      const table = document.querySelector("#all-scores");
      const column = [...table.tHead.rows[0].cells].findIndex((c) => c.innerText.startsWith("bal"));
      const values = () => [...table.tBodies[0].rows].map((r) => +r.cells[column].dataset.sort);
      table.tHead.rows[0].cells[column].querySelector("button").click();
      const down = values().every((v, i, all) => i === 0 || all[i - 1] >= v);
      table.tHead.rows[0].cells[column].querySelector("button").click();
      const up = values().every((v, i, all) => i === 0 || all[i - 1] <= v);
      const wide = document.documentElement.scrollWidth > innerWidth;
      document.title = `shown=${shown} down=${down} up=${up} wide=${wide}`;
    });</script></body>"""
    path = tmp_path / "probe.html"
    path.write_text(source.replace("</body>", probe), encoding="utf-8")
    run = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=390,900",
            "--disable-background-networking", "--enable-logging=stderr", "--dump-dom",
            f"--user-data-dir={tmp_path / 'profile'}", path.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "CONSOLE" not in run.stderr
    title = run.stdout.split("<title>")[1].split("</title>")[0]
    assert title == f"shown={len(FIGURES)} down=true up=true wide=false"


ROWS = [
    {
        "work": "16 x 16 positions <fast>",
        "ours_s": 0.0512,
        "theirs_s": 33600.0,
        "ratio": 656250.0,
        "target": ">= 20",
        "n_runs": 3,
        "quotient": "theirs / ours",
        "met": True,
        "note": "extrapolated",
        "machine": "test machine, 2 threads",
    },
    {
        "work": "patterns",
        "ours_s": 2.0,
        "theirs_s": None,
        "ratio": 0.5,
        "target": "",
        "n_runs": 3,
        "quotient": "patterns/s",
        "met": None,
        "note": "",
        "machine": "test machine, 2 threads",
    },
]


def test_speed_section_with_and_without_a_comparison(drawn, page, tmp_path):
    assert "make bench" in page.text
    bench, out = tmp_path / "bench.json", tmp_path / "r.html"
    bench.write_text(json.dumps(ROWS))
    figures = {name: drawn.figures / f"{name}.png" for name in FIGURES}
    arguments = (drawn.summary_json, drawn.metrics_csv, figures, drawn.config_yaml, VERSIONS, out)
    svg = drawn.figures / "resources.svg"
    write_report(*arguments, bench, svg, error_time=svg)
    found = Page(out.read_text(encoding="utf-8"))
    text = found.text.replace("\u00a0", " ")
    for words in (
        "16 × 16 positions <fast>",
        "51.2 ms",
        "2 s",
        "9.33 h",
        "656,250",
        "≥ 20",
        "test machine",
    ):
        assert words in text
    assert text.count("extrapolated") == 1
    assert len([tag for tag, _ in found.tags if tag == "img"]) == len(FIGURES) + 2
    assert "make bench" not in text
    assert not found.stack


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0004, "0.4 ms"), (0.9996, "1 s"), (1.99, "1.99 s"), (119.0, "119 s"), (7000.0, "117 min")],
)
def test_durations(seconds, shown):
    assert duration(seconds) == shown.replace(" ", "\u00a0")


def test_broken_speed_rows_are_one_sentence(tmp_path):
    bench = tmp_path / "bench.json"
    for text in ("{", "[1]", '[{"work": "x"}]'):
        bench.write_text(text)
        with pytest.raises(PolarstemError, match=r"make bench"):
            speed_rows(bench)


def test_adapted_models_stand_among_the_models(drawn, tmp_path):
    config = yaml.safe_load(drawn.config_yaml.read_text(encoding="utf-8"))
    model = next(iter(config["models"]))
    entry = {"model": model, "name": None, "turned_copies": True, "scan": "domain"}
    config["evaluate"]["adaptation"] = [
        {**entry, "method": "symmetry"},
        {**entry, "method": "batch_statistics", "name": "fitted", "turned_copies": False},
    ]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    figures = {name: drawn.figures / f"{name}.{formats[-1]}" for name, formats in FIGURES.items()}
    files = (drawn.summary_json, drawn.metrics_csv, figures, tmp_path / "config.yaml", VERSIONS)
    write_report(*files, tmp_path / "report.html")
    text = " ".join(Page((tmp_path / "report.html").read_text(encoding="utf-8")).text.split())
    assert f"{model}_symmetry{model}, answers averaged over copies" in text
    assert f"fitted{model}, batch statistics of each unlabelled scan" in text
    assert "each data domain is a scan" in text


def test_how_exact_says_what_there_is_and_what_is_set_by_hand(drawn, page, tmp_path):
    assert page.data["accuracy.grid"][1] == "0.49\u00a0%"
    assert page.data["accuracy.signal"][1] == "31\u00a0%"
    assert "the windows of scenes" not in page.text
    assert "This run scans no scenes at all" in page.text
    assert "miss the accuracy" not in page.text
    figures = {name: drawn.figures / f"{name}.png" for name in FIGURES}
    out = tmp_path / "r.html"
    write_report(
        *(drawn.summary_json, drawn.metrics_csv, figures, drawn.config_yaml, VERSIONS, out),
        warnings=["a field of 6 < 9 cells"],
    )
    assert "a field of 6 < 9 cells" in Page(out.read_text(encoding="utf-8")).text


@pytest.mark.parametrize(
    ("share", "shown"), [(0.00055, "0.055"), (0.0049, "0.49"), (0.0999, "10"), (1.234, "123")]
)
def test_shares_of_any_size(share, shown):
    assert percent(share) == f"{shown}\u00a0%"
