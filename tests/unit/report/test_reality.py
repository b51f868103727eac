# SPDX-License-Identifier: GPL-3.0-or-later
"""The ladder of reality on the page and in its figure."""

from __future__ import annotations

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from polarstem.evaluate.map_scores.over_scans import of_one_scan
from polarstem.evaluate.map_scores.reality_ladder import reality_entries
from polarstem.evaluate.summary.entries import entry
from polarstem.report.figures import reality as drawing
from polarstem.report.figures.reality import draw_reality
from polarstem.report.html import write_report
from polarstem.report.map_panel import report_panel
from polarstem.report.number_words import number
from polarstem.report.reality_panel import reality_panel, reality_rows, verdicts
from tests.unit.report.test_html import FIGURES, VERSIONS, Page

N = 80


def ladder(factors: dict[str, tuple[int, ...]]) -> dict[str, dict]:
    """Entries of factors, given by answered, wrong and flagged cells of `N`, and their scans."""
    found, scans = {}, {}
    for factor, (answered, wrong, flagged, *count) in factors.items():
        sparse = factor.endswith("_sparse")
        for name in [factor, *(f"{factor}_{i}" for i in range(2, sum(count) + 1))]:
            scans[name] = factor
            for score, cells, of in (
                ("cells_answered", answered, N),
                ("confidently_wrong", wrong, N),
                ("cell_accuracy_answered", answered - wrong, answered),
                ("sound_flagged", flagged, N),
            ):
                found[f"maps.{name}.{score}"] = of_one_scan(cells, of, "of made-up cells")
            for score, value in (
                ("thickness_error_nm", 0.43),
                ("tilt_error_mrad", 0.21),
                ("positions_per_cell", 9 if sparse else 36),
                ("dose_electrons", 1e4 if sparse else 5e4),
            ):
                found[f"maps.{name}.{score}"] = entry(value, "nm", "made up")
    return found | reality_entries(found, scans, 0.95)


MADE = {
    "all": (78, 1, 2),
    "drift": (60, 0, 3),
    "all_sparse": (58, 0, 0, 8),
    "half": (80, 30, 0),
    "disorder": (80, 0, 0, 8),
    "disorder_sparse": (40, 0, 5),
    "dose_x": (0, 0, 0),
}


def test_rows_stand_in_order_and_both_densities_side_by_side() -> None:
    rows = reality_rows(ladder(MADE))
    assert [row.factor for row in rows] == ["dose_x", "disorder", "drift", "half", "all"]
    assert [bool(row.sparse) for row in rows] == [False, True, False, False, True]
    assert rows[1].dense["answered"]["value"] == 1
    assert rows[1].sparse["answered"]["value"] == 40 / 80
    assert reality_panel({"maps.reality.answered": {}, "chance": {}}) is None


def test_it_is_said_which_bounds_are_met_missed_and_left_open() -> None:
    rows = reality_rows(ladder(MADE))
    dense, sparse = verdicts(rows, False), verdicts(rows, True)
    assert dense["met"] == ["local disorder"]
    assert sparse["met"] == []
    told = {
        kind: {label: how.replace("\u00a0", " ") for label, how in dense[kind] + sparse[kind]}
        for kind in ("missed", "cannot_tell")
    }
    assert told["missed"] == {
        "drift and row jitter": "answered 75.0 % < 90 %",
        "dose x": "answered 0.0 % < 90 %",
        "half the displacements": (
            "confidently wrong 37.5 % > 1 %, right among answered 62.5 % < 99 %"
        ),
        "local disorder": "answered 50.0 % < 70 %",
    }
    assert [label for label, _ in dense["cannot_tell"]] == ["all at once"]
    assert [how.replace("\u00a0", " ") for _, how in dense["cannot_tell"]] == [
        "confidently wrong 1.2 % of 80 cells in 1 scan (bound 1 %), "
        "right among answered 98.7 % of 78 cells in 1 scan (bound 99 %), "
        "answered 97.5 % of 80 cells in 1 scan (bound 90 %), "
        "sound cells flagged 2.5 % of 80 cells in 1 scan (bound 5 %)"
    ]
    # 72.5 % of 640 cells are more than 70 %, but not by much for 8 scans
    assert (
        told["cannot_tell"]["all at once"] == "answered 72.5 % of 640 cells in 8 scans (bound 70 %)"
    )
    assert dense["scanned"] == "36 positions per cell, 50,000 electrons each"
    assert sparse["scanned"] == "9 positions per cell, 10,000 electrons each"
    nothing = {"silent": (0, 0, 0, 8)}
    (left,) = verdicts(reality_rows(ladder(nothing)), False)["missed"]
    assert left == ("silent", "answered 0.0\u00a0% < 90\u00a0%")


@pytest.fixture
def drawn_axes(monkeypatch):
    """Axes of a figure as it is saved."""
    kept = []
    monkeypatch.setattr(drawing.style, "save", lambda figure, _: kept.append(figure))
    monkeypatch.setattr(plt, "close", lambda _: None)
    yield lambda made: (draw_reality(made, "x.png"), kept[-1].axes)[1]
    monkeypatch.undo()
    plt.close("all")


def test_wrong_answers_are_the_largest_numbers(drawn_axes) -> None:
    axes = drawn_axes(ladder(MADE))
    texts = [text for one in axes[:2] for text in one.texts]
    shown = [text.get_text() for text in texts]
    assert {"0 %", "1.2 %", "1 of 80", "0 of 80", "0 of 640, 8 scans", "–"} <= set(shown)
    sizes = {text.get_text(): text.get_fontsize() for text in texts}
    others = [text.get_fontsize() for one in axes for text in one.get_xticklabels()]
    assert sizes["1.2 %"] == sizes["0 %"] > 1.5 * max(others)
    # met, missed and left open look different
    rows = {text.get_text(): text.get_color() for text in axes[0].texts}
    met = next(t for t in axes[0].texts if t.get_text() == "0 %" and 0.5 < t.get_position()[1] < 1)
    assert len({met.get_color(), rows["38 %"], rows["1.2 %"]}) == 3


def test_bounds_and_numbers_stand_where_they_are(drawn_axes) -> None:
    right, answered, flagged = drawn_axes(ladder(MADE))[2:5]
    lines = [
        sorted({line.get_xdata()[0] for line in axes.lines if len(set(line.get_xdata())) == 1
                and len(line.get_xdata()) == 2})
        for axes in (right, answered, flagged)
    ]  # fmt: skip
    assert lines == [[97, 99], [70, 90], [5]]
    dots = [(line.get_xdata()[0], line.get_ydata()[0]) for line in answered.lines
            if line.get_marker() != "None"]  # fmt: skip
    dense = [(0, -0.17), (100, 0.83), (75, 1.83), (100, 2.83), (97.5, 3.83)]
    expected = [*dense, (50, 1.17), (72.5, 4.17)]
    assert np.array(dots) == pytest.approx(np.array(expected))
    # what cannot be measured has no dot
    assert sum(line.get_marker() != "None" for line in right.lines) == len(MADE) - 1


@pytest.mark.parametrize("made", [MADE, {"drift": (78, 0, 0)}, {"wedge_sparse": (0, 0, 0)}])
def test_figure_is_whole(made, tmp_path) -> None:
    draw_reality(ladder(made), [tmp_path / "r.png", tmp_path / "r.svg"])
    with Image.open(tmp_path / "r.png") as image:
        pixels = np.asarray(image.convert("L"))
    edge = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    assert min(side.min() for side in edge) > 200


def test_page_has_the_ladder_where_there_is_one(drawn, tmp_path) -> None:
    made = ladder(MADE)
    figures = {name: drawn.figures / f"{name}.{formats[0]}" for name, formats in FIGURES.items()}
    pages = []
    for name, more in (("without", {}), ("with", made)):
        summary = tmp_path / f"{name}.json"
        summary.write_text(json.dumps(drawn.summary | more))
        draw_reality(made, tmp_path / "reality.svg")
        maps = {"reality": tmp_path / "reality.svg"} if more else {}
        write_report(
            *(summary, drawn.metrics_csv, figures, drawn.config_yaml, VERSIONS),
            tmp_path / f"{name}.html",
            maps=maps,
        )
        pages.append(Page((tmp_path / f"{name}.html").read_text(encoding="utf-8")))
    before, page = pages
    assert "reality" not in [attributes.get("id") for _, attributes in before.tags]
    ids = [attributes.get("id") for _, attributes in page.tags]
    assert {"reality", "figure-reality"} <= set(ids)
    assert ("a", {"href": "#reality"}) in page.tags
    shown = {key: value for key, value in page.data.items() if key.startswith("maps.reality.")}
    for key, (value, text) in shown.items():
        assert float(value) == made[key]["value"]
        assert text == number(made[key])
    assert len(shown) == 6 * len(MADE) - 1
    text = " ".join(page.text.replace("\u00a0", " ").split())
    assert "50,000 electrons each: 1 of 5 met every bound (local disorder). Missed:" in text
    assert "Cannot tell: all at once, confidently wrong 1.2 % of 80 cells in 1 scan" in text
    assert "right among answered at least 99 / 97 %, answered at least 90 / 70 %" in text
    assert "0.43 nm" in text
    assert "0.21 mrad" in text
    marked = [a["class"] for t, a in page.tags if t == "td" and "missed" in (a.get("class") or "")]
    assert len(marked) == 5
    open_ = [a for t, a in page.tags if t == "td" and "cannot-tell" in (a.get("class") or "")]
    assert len(open_) == sum(
        entry.get("verdict") == "cannot tell" for key, entry in made.items() if "reality" in key
    )
    assert not page.stack
    # it is no map of an experiment called reality
    assert "reality" not in [row["name"] for row in report_panel(made)["rows"]]
