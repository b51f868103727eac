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

from benchmarks import accuracy, direct_multislice, error_time, projection, scaling
from benchmarks.common import AGREEMENT, alternate, check, from_matrices, knn, l1, microscope
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


def test_projection_shows_what_abtem_does_to_atoms():
    found = projection.moduli()
    at_two_thirds = round(2 / 3 * projection.POINTS / 2)
    given = found["as it is"][:, at_two_thirds]
    # an atom on a pixel is whole, one between two pixels has lost half
    np.testing.assert_allclose(given, [1.02, 0.66, 0.48], atol=0.01)
    np.testing.assert_allclose(found["exact phases"], 1, atol=1e-12)
    b, wanted = projection.effective_b("Nb", 0.075)
    assert wanted == pytest.approx(8 * np.pi**2 * 0.075**2, rel=0.01)
    # less what the divisor mends
    gained = 8 * np.pi**2 * projection.PIXEL**2 * (1 / 6 - 1 / (12 * np.pi**2))
    assert b - wanted == pytest.approx(gained, rel=0.03)


def test_projection_needs_nothing_of_ours():
    text = (ROOT / "benchmarks" / "projection.py").read_text(encoding="utf-8")
    imports = {line.split()[1] for line in text.splitlines() if line.startswith(("import", "from"))}
    known = {"__future__", "typing", "abtem", "abtem.parametrizations", "ase", "numpy"}
    assert imports <= known


def test_measured_errors_keep_to_their_rules(monkeypatch):
    monkeypatch.setattr(accuracy, "GRIDS", (32, 40))
    monkeypatch.setattr(accuracy, "CONVERGED", 64)
    errors = list(accuracy.of_grid("KNN", 200.0, True, 1))
    assert {e.pixels_per_cell for e in errors} == set(accuracy.GRIDS)
    for e in errors:
        assert e.measured < 1.6 * e.rule
    standard = [e for e in errors if e.pixels_per_cell == 40]
    assert max(e.measured for e in standard) < 0.01
    assert max(e.measured for e in errors if e.pixels_per_cell == 32) > 0.02


def test_offsets_are_as_good_as_a_wider_field():
    settings = microscope(32)
    crystal = knn(1, 4.0)
    places = accuracy.places(crystal, 6)
    wide, narrow, averaged = (
        from_matrices(crystal, settings, cells, [4.0], places, offsets=offsets)
        for cells, offsets in ((10, 1), (3, 1), (3, 8))
    )
    assert l1(averaged, wide)[0] < 0.5 * l1(narrow, wide)[0]


def test_methods_of_the_figure_agree_where_they_should():
    """On one grid and field, matrices and multislice differ by nothing but rounding."""
    _, matrix = error_time.by_matrix(2, 32, 2.0)
    _, multislice = error_time.by_abtem(2, 32, 2.0, "exact", 0)
    _, own = error_time.by_abtem(2, 32, 2.0, "abtem", 0)
    assert np.abs(multislice - matrix).sum() / matrix.sum() < 1e-3
    assert np.abs(own - matrix).sum() / matrix.sum() > 1e-2


def test_cpu_time_is_named(monkeypatch):
    assert "CPU time" in throughput("w", [1.0], 1, Options(cpu_time=True)).machine
    assert "CPU time" not in throughput("w", [1.0], 1, Options()).machine


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
        timeout=1200,
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
    assert len([row for row in rows if "at equal error" in row["work"]]) == 4
    assert max(compared) <= AGREEMENT
    assert len(speed_rows(tmp_path / "bench_reduced.json")) == len(rows)
    for name in ("scaling", "error_time"):
        figure = ElementTree.parse(tmp_path / "bench_reduced" / f"{name}.svg").getroot()
        assert figure.tag.endswith("svg")
    methods = json.loads((tmp_path / "bench_reduced" / "error_time.json").read_text())["points"]
    assert {point["method"] for point in methods} == set(error_time.METHODS)
    points = json.loads((tmp_path / "bench_reduced" / "scaling.json").read_text())["points"]
    assert {point["engine"] for point in points} == {scaling.OURS, scaling.THEIRS}
    assert not (tmp_path / "bench.json").exists()
