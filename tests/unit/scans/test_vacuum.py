# SPDX-License-Identifier: GPL-3.0-or-later
"""Where there is no specimen."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.scans.specimen.rings import RINGS
from polarstem.scans.specimen.vacuum import OUTERMOST, VACUUM_SHARE, vacuum_mask

SHAPE = (40, 44)


def shares(outermost: np.ndarray, electrons: float) -> np.ndarray:
    """Ring signals whose outermost ring has these shares, counted."""
    rng = np.random.default_rng(6)
    found = np.zeros((*SHAPE, len(RINGS) + 2))
    found[..., OUTERMOST] = rng.poisson(outermost * electrons) / electrons
    return found


def half(crystal: float, vacuum: float = 0.001) -> tuple[np.ndarray, np.ndarray]:
    empty = np.zeros(SHAPE, bool)
    empty[:, 20:] = True
    return np.where(empty, vacuum, crystal), empty


@pytest.mark.parametrize("electrons", [1e5, 1e4, 1e3, 100])
def test_vacuum_is_told_from_a_thin_crystal_at_any_dose(electrons):
    outermost, empty = half(0.026)
    found = vacuum_mask(shares(outermost, electrons), electrons)
    wrong = found != empty
    far = np.abs(np.arange(SHAPE[1]) - 19.5) > {1e5: 1.5, 1e4: 1.5, 1e3: 3, 100: 9}[electrons]
    assert not wrong[:, far].any()


def test_single_positions_do_not_flip():
    outermost = np.full(SHAPE, 0.02)
    outermost[10, 10] = outermost[30, 5] = 0.0
    assert not vacuum_mask(shares(outermost, 1e6), 1e6).any()
    outermost = np.full(SHAPE, 0.0005)
    outermost[10, 10] = 0.03
    assert vacuum_mask(shares(outermost, 1e6), 1e6).mean() > 0.99


@pytest.mark.parametrize("electrons", [1e4, 100])
def test_a_film_is_no_vacuum(electrons):
    """Half of what 4 nm of a crystal scatter."""
    assert not vacuum_mask(shares(np.full(SHAPE, 0.013), electrons), electrons).any()


def test_the_thinnest_crystal_of_a_library_sets_the_threshold():
    seen = shares(np.full(SHAPE, 0.8 * VACUUM_SHARE), 1e5)
    assert vacuum_mask(seen, 1e5).all()
    assert not vacuum_mask(seen, 1e5, thinnest_share=0.01).any()


def test_what_a_narrow_detector_does_not_see_is_made_up_for():
    seen = shares(np.full(SHAPE, 0.013 * 0.3), 1e5)
    assert vacuum_mask(seen, 1e5).all()
    assert not vacuum_mask(seen, 1e5, covered=0.3).any()


def test_positions_that_were_not_measured_are_not_vacuum():
    seen = shares(np.zeros(SHAPE), 1e5)
    seen[::2] = np.nan
    found = vacuum_mask(seen, 1e5)
    assert not found[::2].any()
    assert found[1::2].all()
    assert not vacuum_mask(seen * np.nan, 1e5).any()
