# SPDX-License-Identifier: GPL-3.0-or-later
"""Anomaly scores on scans of a model crystal, whose patterns are known functions of the place."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.errors import PolarstemError
from polarstem.maps.anomaly import FILE, AnomalyReference, score
from polarstem.maps.anomaly_fit import DefectFreeScan, fit_anomaly

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
    patterns *= dose / patterns.sum((2, 3), keepdims=True)
    return rng.poisson(patterns).astype(np.float32)


def map_of(reference, patterns, included=None):
    ny, nx, *shape = patterns.shape
    features = reference.features(patterns.reshape(-1, *shape)).reshape(ny, nx, -1)
    return score(reference, features, EDGE, cells(len(patterns)), included)


@pytest.fixture(scope="module")
def reference():
    scans = [DefectFreeScan(scan(*values), EDGE, cells()) for values in FREE]
    return fit_anomaly(scans, EIGHT, 6)


def test_one_in_a_hundred_of_what_it_was_fitted_on_is_flagged(reference):
    shares = [map_of(reference, scan(*values)) for values in FREE]
    assert np.mean([found["flagged"].mean() for found in shares]) == pytest.approx(0.01, abs=0.002)


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
