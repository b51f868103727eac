# SPDX-License-Identifier: GPL-3.0-or-later
"""Gaps between chips and beam stops: found, and the disc found in spite of them."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.errors import PolarstemError
from polarstem.scans.calibration.disc import find_disc
from polarstem.scans.calibration.pixels import bad_pixels

SIZE, RADIUS, CENTRE = 120, 30.0, (60.3, 57.8)
_Y, _X = np.indices((SIZE, SIZE))
APART = np.hypot(_Y - CENTRE[0], _X - CENTRE[1])


def pattern(dark: float = 0.03, dose: float = 400.0) -> np.ndarray:
    """A disc with structure and a dark field that falls off, in counts."""
    edge = np.clip(RADIUS - APART + 0.5, 0, 1)
    level = edge * (1 + 0.2 * np.cos(_X / 6) * np.sin(_Y / 5)) + dark * np.exp(-APART / 60)
    return np.random.default_rng(1).poisson(dose * level).astype(float)


@pytest.mark.parametrize("width", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("at", [60, 40, 8])
@pytest.mark.parametrize("dark", [0.03, 0.0])
def test_a_dead_cross_is_found(width, at, dark):
    counts = pattern(dark)
    cross = np.zeros(counts.shape, bool)
    cross[at : at + width] = cross[:, at : at + width] = True
    counts[cross] = 0
    found = bad_pixels(counts, counts=True)
    if dark or at != 8:  # a line in the dark has no witness
        assert not (cross & ~found).any()
    assert (found & ~cross).sum() <= 12
    disc = find_disc(counts, found)
    assert disc.centre == pytest.approx(CENTRE, abs=0.3 + 0.05 * width)
    assert disc.radius == pytest.approx(RADIUS, abs=0.3 + 0.05 * width)


def test_wide_pixels_beside_a_gap_belong_to_it():
    counts = pattern()
    counts[70:72] = 0
    counts[69] *= 1.6
    counts[72] *= 1.6
    found = bad_pixels(counts, counts=True)
    assert found[69:73].all()
    assert not found[[67, 68, 73, 74]].any()


@pytest.mark.parametrize("radius", [5.0, 12.0, 20.0])
def test_a_beam_stop_does_not_move_the_disc(radius):
    counts = pattern()
    stop = (radius > APART) | ((np.abs(_Y - CENTRE[0]) < 3) & (CENTRE[1] > _X))
    counts[stop] = 0
    found = bad_pixels(counts, counts=True)
    assert not (stop & ~found).any()
    assert (found & ~stop).sum() <= 0.5 * stop.sum()  # its rim
    disc = find_disc(counts, found)
    assert disc.centre == pytest.approx(CENTRE, abs=0.15)
    assert disc.radius == pytest.approx(RADIUS, abs=0.2)


def test_the_dark_around_and_between_discs_is_no_fault():
    assert bad_pixels(pattern(0.0), counts=True).sum() <= 2
    discs = sum(
        (np.hypot(_Y - 60 - 45 * i, _X - 60 - 45 * j) < 20).astype(float)
        for i in (-1, 0, 1)
        for j in (-1, 0, 1)
    )
    counts = np.random.default_rng(2).poisson(500 * (discs + 0.05)).astype(float)
    assert bad_pixels(counts, counts=True).sum() <= 30  # where two almost touch


def test_a_disc_whose_edge_is_covered_is_refused():
    counts = pattern()
    covered = np.abs(APART - RADIUS) < 6
    with pytest.raises(PolarstemError, match="lie on bad pixels"):
        find_disc(counts, covered)
