# SPDX-License-Identifier: GPL-3.0-or-later
"""Anomaly scores on scans of a model crystal, whose patterns are known functions of the place."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.errors import PolarstemError
from polarstem.maps.anomaly import (
    FILE,
    AnomalyReference,
    at_walls,
    logarithms,
    score,
    standardised,
)
from polarstem.maps.anomaly_fit import DefectFreeScan, fit_anomaly, threshold
from polarstem.maps.neighbours import neighbourhood

STEPS = 5.3  # positions per cell: no whole number
SIDE = 48
FREE = ((1, 0.0, 0.0), (2, 0.03, 0.05), (3, 0.03, 0.05))
EIGHT = 45.0 * np.arange(8)
EDGE = np.array([(STEPS, 0.0), (0.0, STEPS)])


def cells(side=SIDE):
    number = (np.arange(side) // STEPS).astype(int)
    count = int(side // STEPS)
    index = number[:, None] * count + number
    return np.where((number[:, None] < count) & (number < count), index, -1)


def scan(seed=0, wall=0.0, ramp=0.0, shift=None, foreign=None, dose=2e5, side=SIDE):
    """Patterns (y, x, 8, 8) of a crystal.

    Beams have harmonics of the place as amplitudes. A wall turns the sign of a weak extra beam in
    half of the scan, a ramp moves intensity across the pattern slowly; `shift(y, x)` displaces the
    crystal [cells], and where `foreign` is true the crystal is another.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / STEPS
    if shift is not None:
        down, right = shift(y, x)
        y, x = y + down, x + right
    beams = np.random.default_rng(7).normal(size=(6, 8, 8))
    waves = [np.cos(2 * np.pi * y), np.sin(2 * np.pi * y), np.cos(2 * np.pi * x)]
    waves += [np.sin(2 * np.pi * x), np.cos(2 * np.pi * (x + y))]
    waves += [wall * np.where(np.arange(side) < side / 2, -1, 1) * np.cos(2 * np.pi * x)]
    patterns = 3 + 0.3 * np.einsum("byx,bkl->yxkl", waves, beams)
    if foreign is not None:
        patterns[foreign] = 3 + 0.3 * np.einsum("byx,bkl->yxkl", waves[::-1], beams)[foreign]
    patterns *= 1 + ramp * np.linspace(-1, 1, side)[:, None, None] * np.linspace(-1, 1, 8)
    patterns = patterns.clip(0.1)
    patterns *= np.asarray(dose)[..., None, None] / patterns.sum((2, 3), keepdims=True)
    return rng.poisson(patterns).astype(np.float32)


def map_of(reference, patterns, included=None):
    ny, nx, *shape = patterns.shape
    features = reference.features(patterns.reshape(-1, *shape)).reshape(ny, nx, -1)
    return score(reference, features, EDGE, cells(len(patterns)), included)


@pytest.fixture(scope="module")
def reference():
    scans = [DefectFreeScan(scan(*values), EDGE, cells()) for values in FREE]
    return fit_anomaly(scans, EIGHT, 6)


def test_at_most_one_in_a_hundred_of_what_it_was_fitted_on_is_flagged(reference):
    found = [map_of(reference, scan(*values)) for values in FREE]
    assert 0.001 < np.mean([each["flagged"].mean() for each in found]) < 0.015
    assert np.mean([each["cell_flagged"].mean() for each in found]) < 0.015


def test_threshold_counts_each_scan_as_one_and_the_worst_twice():
    calm, worst = np.linspace(0, 1, 1010), np.linspace(0, 2, 1010)
    limit = np.log(threshold([calm, worst]))
    assert 2 / 3 * (worst > limit).mean() == pytest.approx(0.01, abs=1e-3)
    assert threshold([calm, np.append(np.tile(worst, 5), np.nan)]) == pytest.approx(np.exp(limit))
    assert (calm > np.log(threshold([calm]))).mean() == pytest.approx(0.01, abs=1e-3)


def test_scan_is_held_against_the_thresholds_of_the_others(reference):
    assert reference.left_out.shape == (3,)
    assert reference.left_out.mean() <= 0.03
    assert f"{reference.left_out.mean():.1%}" in reference.sentence
    patch = np.zeros((SIDE, SIDE), bool)
    for y, x in ((21, 10), (5, 32), (37, 0), (32, 32)):
        patch[y : y + 6, x : x + 6] = True
    scans = [DefectFreeScan(scan(*values), EDGE, cells()) for values in FREE]
    walls = np.arange(81) // 9 == 4  # the row of the first patch
    spoilt = DefectFreeScan(scan(5, foreign=patch), EDGE, cells(), walls)
    found = fit_anomaly([*scans, spoilt], EIGHT, 6)
    assert 72 * found.left_out[3] + 9 * found.left_out_at_walls[3] >= 4
    assert found.left_out_at_walls[3] >= 1 / 9
    assert np.isnan(found.left_out_at_walls[:3]).all()
    alone = fit_anomaly(scans[:1], EIGHT, 6)
    assert np.isnan(alone.left_out).all()
    assert "was not measured" in alone.sentence


@pytest.mark.parametrize("dose", [5e3, 3e6])
def test_another_dose_is_no_defect(reference, dose):
    assert map_of(reference, scan(21, dose=dose))["cell_flagged"].mean() <= 0.03


def test_dose_that_falls_across_the_scan_is_no_defect(reference):
    falling = np.geomspace(3e5, 3e3, SIDE) + np.zeros((SIDE, 1))
    found = map_of(reference, scan(22, dose=falling))
    assert found["cell_flagged"].mean() <= 0.03
    assert found["flagged"].mean() <= 0.03


def test_scores_are_relative_to_the_surroundings():
    noise = np.random.default_rng(5).normal(size=(66, 66, 4))
    noise *= np.geomspace(1, 10, 66)[:, None, None]
    index = np.kron(np.arange(22 * 22).reshape(22, 22), np.ones((3, 3), int))
    logs, _ = logarithms(noise.astype(np.float32), 3 * np.eye(2), index)
    assert abs(np.median(logs[:22]) - np.median(logs[-22:])) < 0.5


def test_what_changes_evenly_over_the_scan_is_no_disagreement():
    """At any place: at the rim what cells in a row continue to tells."""
    y, x = np.mgrid[:42, :42] / 6
    waves = [np.cos(2 * np.pi * y), np.sin(2 * np.pi * y), np.cos(2 * np.pi * x)]
    even = np.stack([*waves, np.sin(2 * np.pi * x), y + 0.6 * x], axis=-1)
    found, comparisons = neighbourhood(even.astype(np.float32), 6 * np.eye(2))
    assert found.max() < 0.03
    assert set(np.unique(comparisons)) >= {11, 21, 44}


def test_cells_where_four_domains_meet_agree_with_their_own():
    own = np.kron([[0.0, 1.0], [2.0, 4.0]], np.ones((20, 20)))[..., None]
    found, _ = neighbourhood(own.astype(np.float32), 5 * np.eye(2))
    assert found[2::5, 2::5].max() < 0.05  # in the middle of each cell; a wall gives 0.3 or more


def test_scores_that_scatter_more_than_is_usual_are_scaled_down():
    rng = np.random.default_rng(4)
    logs = rng.normal(0, 0.1, 4000)
    assert np.allclose(standardised(logs, 0.1, 1.0), logs, rtol=0.05)
    assert np.std(standardised(3 * logs, 0.1, 1.0)) == pytest.approx(0.1, rel=0.05)
    assert np.array_equal(standardised(logs, 0.5, 1.0), logs)
    spoilt = np.where(rng.random(4000) < 0.3, 3.0, logs)  # by a defect
    assert np.std(standardised(spoilt, 0.1, 1.0)[spoilt < 3]) > 0.07
    few = rng.normal(0, 0.3, 5)  # the usual scatter outweighs that of few cells
    assert np.std(standardised(few, 0.1, 1.0)) > 0.1 * np.std(few) / 0.3


def test_walls_are_where_domains_of_the_map_meet():
    row, column = np.divmod(np.arange(48), 8)
    classes = np.where(column < 4, 2, 6)
    answered = np.ones(48, bool)
    assert np.array_equal(at_walls(classes, answered, row, column), abs(column - 3.5) < 1)
    # no answer along the wall: it lies there
    silent = column != 4
    assert np.array_equal(at_walls(classes, silent, row, column), abs(column - 4) <= 1)
    # a cell or two of another direction are a defect
    odd = np.where((row == 2) & ((column == 5) | (column == 6)), 1, 2)
    assert not at_walls(odd, answered, row, column).any()
    assert not at_walls(classes, np.zeros(48, bool), row, column).any()
    assert at_walls(classes[:0], answered[:0], row[:0], column[:0]).shape == (0,)
    # lattices that are turned have rows and columns of any sign
    assert np.array_equal(at_walls(classes, answered, row - 7, 3 - column), abs(column - 3.5) < 1)


@pytest.mark.parametrize("shape", [(1, 72), (3, 72), (72, 1), (3, 3), (2, 2), (1, 1), (13, 40)])
def test_line_scans_and_small_ones_cannot_be_told(reference, shape):
    features = np.random.default_rng(0).normal(size=(*shape, 6)).astype(np.float32)
    cell = np.full(shape, -1)
    with pytest.raises(PolarstemError, match="three cells or more"):
        score(reference, features, EDGE, cell)


@pytest.mark.parametrize("side", [15, 18])
def test_three_cells_are_enough(reference, side):
    """Where no cell is whole, positions are scored all the same."""
    features = np.random.default_rng(0).normal(size=(side, side, 6)).astype(np.float32)
    found = score(reference, features, EDGE, np.full((side, side), -1))
    assert np.isfinite(found["anomaly"]).all()
    assert found["cell_anomaly"].shape == found["cell_flagged"].shape == (0,)


def test_file_of_an_earlier_version_is_refused(reference, tmp_path):
    reference.save(tmp_path)
    with np.load(tmp_path / FILE) as stored:
        kept = {name: stored[name] for name in stored.files if name != "left_out"}
    np.savez(tmp_path / FILE, **kept)
    with pytest.raises(
        PolarstemError, match="earlier version, whose scores were others: it lacks left_out"
    ):
        AnomalyReference.load(tmp_path)


def test_walls_and_ramps_are_no_defects_but_a_foreign_patch_is(reference):
    sound = map_of(reference, scan(11, wall=0.03, ramp=0.05))
    assert sound["cell_flagged"].mean() <= 0.05
    patch = np.zeros((SIDE, SIDE), bool)
    patch[21:27, 10:16] = True  # a cell
    found = map_of(reference, scan(12, foreign=patch))
    row, column = np.divmod(np.arange(81), 9)
    apart = np.maximum(abs(row - 4), abs(column - 2))  # from the cell that has most of the patch
    assert found["cell_flagged"][apart == 0].all()
    assert found["cell_anomaly"][apart > 1].max() < found["cell_anomaly"][apart == 0] / 3
    assert found["cell_flagged"][apart > 1].mean() <= 0.05


def test_line_where_the_crystal_jumps_is_flagged_though_both_sides_are_sound(reference):
    def jump(y, x):
        return np.zeros_like(y), 0.5 * (np.arange(SIDE) >= 26) * np.ones_like(x)

    found = map_of(reference, scan(13, shift=jump))
    score_of = found["cell_anomaly"].reshape(9, 9)
    assert (score_of.argmax(1) == 4).all()  # positions 21 to 26
    assert score_of[:, 4].min() > 3 * np.median(np.delete(score_of, 4, axis=1))


def test_scores_do_not_depend_on_dose_unit(reference):
    patterns = scan(14)
    assert np.allclose(
        map_of(reference, patterns)["anomaly"],
        map_of(reference, patterns * 17.5)["anomaly"],
        rtol=1e-3,
        equal_nan=True,
    )


def test_positions_left_out_have_no_score_and_spoil_no_other(reference):
    patterns = scan(15)
    included = np.ones((SIDE, SIDE), bool)
    included[20:30, 30:33] = False
    spoilt = patterns.copy()
    spoilt[~included] = 0
    whole = map_of(reference, patterns)
    for found in (map_of(reference, patterns, included), map_of(reference, spoilt)):
        assert np.isnan(found["anomaly"][~included]).all()
        assert np.isfinite(found["anomaly"][included]).all()
        assert found["cell_flagged"].mean() <= whole["cell_flagged"].mean() + 0.03


def test_saved_reference_scores_the_same(reference, tmp_path):
    reference.save(tmp_path)
    loaded = AnomalyReference.load(tmp_path)
    patterns = scan(16)
    expected = map_of(reference, patterns)["cell_anomaly"]
    assert np.allclose(map_of(loaded, patterns)["cell_anomaly"], expected, rtol=1e-4)
    assert np.array_equal(loaded.left_out, reference.left_out)
    assert loaded.sentence == reference.sentence


def test_what_is_wrong_is_said(reference, tmp_path):
    with pytest.raises(PolarstemError, match="missing or damaged"):
        AnomalyReference.load(tmp_path)
    (tmp_path / FILE).write_bytes(b"PK no archive")
    with pytest.raises(PolarstemError, match="missing or damaged"):
        AnomalyReference.load(tmp_path)
    with pytest.raises(PolarstemError, match="shape"):
        reference.features(np.ones((3, 16, 16)))
    with pytest.raises(PolarstemError, match="neighbouring cell"):
        map_of(reference, scan(0, side=5))
    with pytest.raises(PolarstemError, match="0 scans"):
        fit_anomaly([], EIGHT)


def test_turned_crystal_scores_the_same(reference):
    """Scan, detector and cells turned by a quarter, and mirrored."""
    patterns, cell = scan(17), cells()

    def score_of(patterns, cell):
        features = reference.features(patterns.reshape(-1, 8, 8)).reshape(SIDE, SIDE, -1)
        return score(reference, features, EDGE, cell)["cell_anomaly"]

    expected = score_of(patterns, cell)
    turned = np.rot90(np.rot90(patterns, axes=(0, 1)), axes=(2, 3))
    assert np.allclose(score_of(turned, np.rot90(cell)), expected, rtol=1e-3)
    mirrored = patterns.transpose(1, 0, 3, 2)
    assert np.allclose(score_of(mirrored, cell.T), expected, rtol=1e-3)


def test_strain_is_no_defect(reference):
    strained = map_of(reference, scan(18, shift=lambda y, x: (0 * y, 0.02 * x)))
    moved = map_of(reference, scan(18))
    assert strained["cell_flagged"].mean() <= moved["cell_flagged"].mean() + 0.05
