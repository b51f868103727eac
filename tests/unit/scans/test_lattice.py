# SPDX-License-Identifier: GPL-3.0-or-later
"""The lattice of scans whose cells are known."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.scans.calibration.resample import Resampler
from polarstem.scans.specimen.cells import boxes
from polarstem.scans.specimen.lattice import find_lattice
from polarstem.scans.specimen.rings import RINGS, ring_signals, ring_signals_on_detector

CELL = (3.98, 3.98)  # Å
STEP = (0.06, 0.07)  # nm
SHAPE = (70, 64)
ORIGIN = (0.11, 0.29)  # an A column, from the first position [nm]


def scan(rotation: float, stretch: float = 1.0, noise: float = 0.3, seed: int = 0):
    """Images of bright B columns and dim A columns, and the place of each position in its cell."""
    y, x = np.meshgrid(*(np.arange(n) * s for n, s in zip(SHAPE, STEP, strict=True)), indexing="ij")
    down, right = y - ORIGIN[0], x - ORIGIN[1]
    turn = np.deg2rad(rotation)
    # the crystal's x axis points (cos, sin up) on the screen
    along = (np.cos(turn) * right - np.sin(turn) * down) / (CELL[1] / 10)
    across = (np.sin(turn) * right + np.cos(turn) * down) / (CELL[0] / 10 * stretch)

    def column(v: float, u: float) -> np.ndarray:
        offsets = ((across - v + 0.5) % 1 - 0.5) ** 2 + ((along - u + 0.5) % 1 - 0.5) ** 2
        return np.exp(-offsets / (2 * 0.15**2))

    random = np.random.default_rng(seed)
    images = random.normal(size=(*SHAPE, len(RINGS) + 2)) * noise
    images[..., len(RINGS) - 1] += column(0.5, 0.5) + 0.3 * column(0, 0)
    images[..., 0] -= column(0.5, 0.5)
    images[..., 1] += 5 * (x > 2)  # a slow change, as between domains
    return images, across % 1, along % 1


def apart(found, truth):
    return np.abs((found - truth + 0.5) % 1 - 0.5)


@pytest.mark.parametrize("rotation", [0.0, 7.3, -31.0, 44.0])
def test_positions_find_their_place_in_the_cell(rotation):
    images, across, along = scan(rotation)
    lattice = find_lattice(images, STEP, CELL, rotation_deg=rotation + 3)
    assert lattice.found
    assert lattice.rotation.value == pytest.approx(rotation, abs=0.2)
    low, high = lattice.rotation.interval
    assert high - low < 1
    cells = lattice.cells(*SHAPE)
    for found, truth in ((cells.y, across), (cells.x, along)):
        assert np.sqrt(np.mean(apart(found, truth) ** 2)) < 0.025
        assert apart(found, truth).max() < 0.07
    np.testing.assert_allclose(np.hypot(*lattice.vectors.T), 0.398, rtol=0.005)
    assert lattice.margin > 0.5


def test_of_the_equal_axes_the_nearest_is_taken():
    images, across, along = scan(20.0)
    lattice = find_lattice(images, STEP, CELL, rotation_deg=100.0)
    assert lattice.rotation.value == pytest.approx(110.0, abs=0.2)
    cells = lattice.cells(*SHAPE)
    # its x axis is the old y axis (up), its y axis (down) the old x axis
    assert np.nanmax(apart(cells.x, -across)) < 0.03
    assert np.nanmax(apart(cells.y, along)) < 0.03


def test_a_stretched_scan_has_a_stretched_lattice():
    images, _, _ = scan(5.0, stretch=1.04)
    down, right = np.hypot(*find_lattice(images, STEP, CELL, rotation_deg=0.0).vectors.T)
    assert down / right == pytest.approx(1.04, abs=0.004)


def test_cells_are_whole_and_next_to_one_another():
    images, _, _ = scan(7.3)
    lattice = find_lattice(images, STEP, CELL, rotation_deg=7.0)
    cells = lattice.cells(*SHAPE)
    counts = np.bincount(cells.index[cells.index >= 0])
    positions = 0.398**2 / np.prod(STEP)
    assert counts.min() > 0.7 * positions
    assert counts.max() < 1.3 * positions
    assert len(cells.row) == len(cells.column) == len(cells.centre) == len(counts)
    area = len(counts) * positions / np.prod(SHAPE)
    assert 0.7 < area <= 1
    # the middle of a cell is a B column, near the mean of its positions
    rows, columns = np.indices(SHAPE)
    for number in (0, len(counts) // 2, len(counts) - 1):
        inside = cells.index == number
        mean = np.array([rows[inside].mean() * STEP[0], columns[inside].mean() * STEP[1]])
        np.testing.assert_allclose(cells.centre[number], mean, atol=0.04)
    # a cell further right is one further column
    by_place = {
        (r, c): n
        for n, (r, c) in enumerate(zip(cells.row.tolist(), cells.column.tolist(), strict=True))
    }
    step = cells.centre[by_place[5, 5]] - cells.centre[by_place[5, 4]]
    np.testing.assert_allclose(step, lattice.vectors[1], atol=0.005)


def test_templates_tell_which_column_is_bright():
    images, across, along = scan(7.3)
    place = np.arange(8) / 8
    v, u = np.meshgrid(place, place, indexing="ij")
    heavy_a = np.zeros((8, 8, len(RINGS) + 2))
    waves = np.cos(2 * np.pi * v) + np.cos(2 * np.pi * u)
    heavy_a[..., len(RINGS) - 1] = waves + 1.2 * np.cos(2 * np.pi * v) * np.cos(2 * np.pi * u)
    lattice = find_lattice(images, STEP, CELL, rotation_deg=7.0, templates=heavy_a)
    cells = lattice.cells(*SHAPE)
    assert np.nanmax(apart(cells.y, across + 0.5)) < 0.05
    assert np.nanmax(apart(cells.x, along + 0.5)) < 0.05


def test_what_is_left_out_does_not_matter():
    images, across, _ = scan(7.3)
    images[10:25, 20:40] = np.nan
    cells = find_lattice(images, STEP, CELL, rotation_deg=7.0).cells(*SHAPE)
    assert np.nanmax(apart(cells.y, across)) < 0.03


@pytest.mark.parametrize("seed", range(5))
def test_noise_has_no_lattice(seed):
    random = np.random.default_rng(seed)
    images = random.normal(size=(*SHAPE, len(RINGS) + 2))
    lattice = find_lattice(images, STEP, CELL)
    assert not lattice.found
    assert lattice.rotation is None
    assert "do not repeat" in lattice.sentence
    cells = lattice.cells(*SHAPE)
    assert np.isnan(cells.y).all()
    assert (np.bincount(cells.index[cells.index >= 0]) == 7 * 6).all()
    assert (cells.index >= 0).mean() > 0.8


def test_coarse_steps_give_boxes():
    lattice = find_lattice(np.zeros((9, 9, 6)), (0.25, 0.25), CELL)
    assert "too coarse" in lattice.sentence
    assert "3 x 3" in lattice.sentence
    expected = np.arange(9)[:, None] // 3 * 3 + np.arange(9) // 3
    np.testing.assert_array_equal(lattice.cells(9, 9).index, expected)
    assert boxes((0.05, 0.1), CELL, "x").cells(8, 8).index.max() == 1


@pytest.mark.parametrize("turn", [0, 1])
def test_rings_on_the_detector_are_those_on_the_models_grid(turn):
    """Patterns resampled about their centre have the same rings, and deflections turned back."""
    random = np.random.default_rng(5)
    fine, pixel = 48, 1.4  # mrad
    rows, columns = np.indices((fine, fine))
    centres = np.array([(22.3, 24.9)] * 20 + [(25.1, 23.2)] * 20)
    patterns = []
    for down, right in centres:
        angle = np.hypot(rows - down, columns - right) * pixel
        lobe = 1 + 0.5 * np.cos(np.arctan2(rows - down, columns - right) - random.uniform(0, 6))
        patterns.append(random.poisson(2000 * lobe / (1 + (angle / 20) ** 4)))
    raw = np.array(patterns, dtype=np.uint16)
    resample = Resampler((fine, fine), pixel, 40, 1.6, turned_deg=90.0 * turn)
    expected = ring_signals(resample(raw, centres), 1.6 / 16)
    found = ring_signals_on_detector(raw, centres, pixel, 16.0)
    np.testing.assert_allclose(found[:, : len(RINGS)], expected[:, : len(RINGS)], atol=0.012)
    x, y = found[:, len(RINGS) :].T
    # turned back clockwise
    back = np.stack([y, -x] if turn else [x, y], axis=1)
    np.testing.assert_allclose(back, expected[:, len(RINGS) :], atol=0.02)
    assert np.abs(back).max() > 0.1
    dead = np.zeros((fine, fine), bool)
    dead[5] = True
    lit = raw.copy()
    lit[:, 5] = 60000
    np.testing.assert_allclose(
        ring_signals_on_detector(lit, centres, pixel, 16.0, dead),
        ring_signals_on_detector(raw, centres, pixel, 16.0, dead),
    )
    dark = ring_signals_on_detector(0 * raw[:2], centres[:2], pixel, 16.0)
    assert np.isnan(dark).all()
    lost = np.array([(np.nan, 3.0), (500.0, 500.0)])
    assert np.isnan(ring_signals_on_detector(raw[:2], lost, pixel, 16.0)).all()


def test_ring_signals_are_shares_and_deflections():
    n, pixel = 32, 0.125
    along = (np.arange(n) - 15.5) * pixel
    x, y = np.meshgrid(along, -along)
    disc = (np.hypot(x, y) < 1).astype(np.float32)
    moved = np.roll(disc, (-2, 3), axis=(0, 1))  # up and to the right
    still, shifted = ring_signals(np.stack([disc, 7 * moved])[None], pixel)[0]
    assert still[: len(RINGS)].sum() == pytest.approx(1)
    assert still[len(RINGS) - 1] == 0
    np.testing.assert_allclose(still[len(RINGS) :], 0, atol=1e-6)
    np.testing.assert_allclose(shifted[len(RINGS) :], (3 * pixel, 2 * pixel), atol=1e-5)
