# SPDX-License-Identifier: GPL-3.0-or-later
"""The page: self-contained, in step with the summary, accessible."""

from __future__ import annotations

import base64
import json
import math
import re
from html.parser import HTMLParser
from itertools import pairwise

import docutils.core
import jinja2
import numpy as np
import pandas as pd
import pytest
import yaml

from polarstem.errors import PolarstemError
from polarstem.evaluate.summary.entries import entry
from polarstem.evaluate.summary.headlines import pool_seeds
from polarstem.report import FIGURES
from polarstem.report.embedding import TEMPLATES
from polarstem.report.html import write_report
from polarstem.report.number_words import number
from polarstem.report.speed import duration, speed_rows

VERSIONS = {"python": "3.11.9", "polarstem": "0.1.0", "abtem": "1.0.11"}
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
        self.source = source
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
    figures = {name: drawn.figures / f"{name}.{formats[0]}" for name, formats in FIGURES.items()}
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
        if tag == "a" and "href" in attributes:
            known = ("#", "data:", "https://arxiv.org/", "https://doi.org/")
            assert attributes["href"].startswith(known)
    assert "@import" not in source
    assert "url(" not in source


def test_every_figure_is_embedded_whole_with_a_text(page, drawn):
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == len(FIGURES)
    for attributes in images:
        assert len(attributes["alt"]) > 30
        assert 300 < int(attributes["width"]) < 1300
    embedded = {base64.b64decode(a["src"].split(",", 1)[1]) for a in images}
    files = {(drawn.figures / f"{n}.{f[0]}").read_bytes() for n, f in FIGURES.items()}
    assert embedded == files


def test_numbers_are_those_of_the_summary(page, drawn):
    experiment, best = "learning.emulated", drawn.summary["same_thickness.best"]["model"]
    lead = page.text[: page.text.index("The story.")]
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
    assert "> 95.0\u00a0%" in page.text
    assert "Each model was trained once" in page.text
    for key, claim in claims.items():
        of_the_paper = "paper" in key
        assert page.text.count(claim["statement"]) == 1 + of_the_paper
        assert claim["how"] in page.text


def test_every_number_of_displacements_is_there_once(page, drawn):
    told = {
        key
        for key, found in drawn.summary.items()
        if re.match(r"vector\.(?!bound_pm|fit_over)", key) and found["value"] is not None
    }
    assert "vector.coverage_95.alone" in told
    assert told <= set(page.data)
    rows = re.findall(r'data-key="(vector\.coverage_[^"]*)"', page.source)
    assert len(rows) == len(set(rows)) == len([key for key in told if "coverage" in key])


def test_text_is_whole(page, drawn):
    """Half a character reference is what a careless edit of a template leaves."""
    text = page.text.replace(drawn.config_yaml.read_text(), "")
    assert not re.search(r"(nbsp|amp|lt|gt|quot|shy|thinsp);", text)
    assert "An ellipse that is right holds 68 or 95\u00a0% of the displacements; n are" in text


def test_page_is_short(page, drawn):
    words = len(page.text.replace(drawn.config_yaml.read_text(), "").split())
    assert words < 6000, "the data of the scores are no words, all else is to be read"


def test_page_holds_every_score(source, drawn):
    held = json.loads(re.search(r'id="score-data">(.*?)</script>', source, re.DOTALL)[1])
    metrics = list(held["metrics"])
    found = {
        tuple(row[:3]): (row[3], dict(zip(metrics, row[4:], strict=True))) for row in held["rows"]
    }
    table = pool_seeds(pd.read_csv(drawn.metrics_csv))
    assert len(found) == len(table[["model", "source", "domain"]].drop_duplicates())
    for row in table.to_dict("records"):
        n, scores = found[row["model"], row["source"], row["domain"]]
        assert n == row["n"]
        numbers = [row[name] for name in ("value", "low", "high")]
        if np.isnan(row["value"]):
            assert scores[row["metric"]] is None
        else:
            shown = [np.nan if x is None else x for x in scores[row["metric"]]]
            assert shown == pytest.approx(numbers, rel=1e-5, nan_ok=True)


def test_each_figure_is_offered_as_files(page, drawn):
    links = {a["download"]: a.get("href") for t, a in page.tags if t == "a" and "download" in a}
    assert set(links) == {f"{name}.{kind}" for name, kinds in FIGURES.items() for kind in kinds}
    for name, uri in links.items():
        kinds = FIGURES[name.split(".")[0]]
        if name.endswith(kinds[0]):
            assert uri is None, "the shown file is in the page once"
        else:
            content = base64.b64decode(uri.split(",", 1)[1])
            assert content == (drawn.figures / name).read_bytes()


def test_headings_language_and_ids(page):
    names = [tag for tag, _ in page.tags]
    headings = [int(tag[1]) for tag in names if tag in ("h1", "h2", "h3", "h4")]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(headings))
    assert dict(page.tags[0][1]) == {"lang": "en"} or ("html", {"lang": "en"}) in page.tags
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    hrefs = [a.get("href", "") for tag, a in page.tags if tag == "a"]
    links = [href[1:].split("?")[0] for href in hrefs if href.startswith("#")]
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
    assert "Guessing among" in Page(out.read_text(encoding="utf-8")).text


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
    figures = {name: drawn.figures / f"{name}.{formats[0]}" for name, formats in FIGURES.items()}
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
