# SPDX-License-Identifier: GPL-3.0-or-later
"""The speed comparisons: their arithmetic, and that they compare equal work."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks import direct_multislice, scaling
from benchmarks.common import AGREEMENT, alternate, check
from benchmarks.rows import Options, compare, reaches, throughput
from polarstem.report.speed import speed_rows

ROOT = Path(__file__).resolve().parents[3]
PROGRAMS = sorted((ROOT / "benchmarks").glob("*.py"))
SCHEMA = {"work", "ours_s", "theirs_s", "ratio", "target", "n_runs"}


def test_sides_take_turns_and_the_median_counts():
    order = []
    times, results = alternate(
        {"a": lambda: order.append("a"), "b": lambda: order.append("b") or 7}, runs=3
    )
    assert order == ["a", "b"] * 3
    assert [len(side) for side in times] == [3, 3]
    assert results == [None, 7]
    row = compare("work", [1.0, 9.0, 2.0], [10.0, 30.0, 20.0], Options(), target=">= 20", factor=3)
    assert (row.ours_s, row.theirs_s, row.ratio, row.met) == (2.0, 60.0, 30.0, True)
    slower = compare("w", [2.0], [1.0], Options(), target="<= 1.8", quotient="ours / theirs")
    assert (slower.ratio, slower.met) == (2.0, False)
    rate = throughput("w", [0.5, 0.25, 1.0], 100, Options())
    assert (rate.ratio, rate.theirs_s, rate.met) == (200.0, None, None)


@pytest.mark.parametrize(
    ("ratio", "target", "met"),
    [(20.0, ">= 20", True), (19.9, ">= 20", False), (1.05, "<= 1.05", True), (3.0, "", None)],
)
def test_targets(ratio, target, met):
    assert reaches(ratio, target) is met


def test_different_patterns_stop_a_comparison():
    patterns = np.ones((2, 3, 8, 8))
    other = patterns.copy()
    other[1, 2, 4, 4] += 32 * AGREEMENT
    assert check(other, patterns) == pytest.approx(AGREEMENT / 2)
    other[1, 2, 4, 4] += 64 * AGREEMENT
    with pytest.raises(SystemExit, match="disagree"):
        check(other, patterns)
    with pytest.raises(SystemExit, match="disagree"):
        check(np.full_like(patterns, np.nan), patterns)
    with pytest.raises(SystemExit, match="shapes"):
        check(patterns[:1], patterns)


def test_a_wrong_wrapper_stops_its_comparison(monkeypatch):
    right = direct_multislice.simulate_patterns

    def wrong(*arguments):
        found = right(*arguments)
        return replace(found, intensity=found.intensity[:, ::-1])

    size, once = direct_multislice.Size(2, 2, (2.0,)), Options(True, threads=1, runs=1)
    assert direct_multislice.case("K/Na", size, once).disagreement < AGREEMENT
    monkeypatch.setattr(direct_multislice, "simulate_patterns", wrong)
    with pytest.raises(SystemExit, match="disagree"):
        direct_multislice.case("K/Na", size, once)


def test_fitted_powers():
    x = [1.0, 2.0, 4.0, 8.0]
    assert scaling.exponent(x, [100.0, 12.0, 48.0, 192.0]) == pytest.approx((2.0, 3.0))


def test_programs_are_short():
    lengths = {p.name: len(p.read_text(encoding="utf-8").splitlines()) for p in PROGRAMS}
    assert {name: n for name, n in lengths.items() if n > 300} == {}


@pytest.mark.slow
def test_reduced_comparisons_give_equal_patterns_and_complete_rows(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--reduced", "--results", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "bench_reduced.json").read_text())
    assert len(rows) >= 7
    for row in rows:
        assert set(row) >= SCHEMA
        assert row["work"] in done.stdout
        assert row["ours_s"] > 0
        assert row["n_runs"] >= 3
        if row["quotient"] == "theirs / ours":
            assert row["ratio"] == pytest.approx(row["theirs_s"] / row["ours_s"], rel=1e-3)
    compared = [row["disagreement"] for row in rows if row["disagreement"] is not None]
    assert len(compared) == 5
    assert max(compared) <= AGREEMENT
    assert len(speed_rows(tmp_path / "bench_reduced.json")) == len(rows)
    figure = ElementTree.parse(tmp_path / "bench_reduced" / "scaling.svg").getroot()
    assert figure.tag.endswith("svg")
    points = json.loads((tmp_path / "bench_reduced" / "scaling.json").read_text())["points"]
    assert {point["engine"] for point in points} == {scaling.OURS, scaling.THEIRS}
    assert not (tmp_path / "bench.json").exists()
