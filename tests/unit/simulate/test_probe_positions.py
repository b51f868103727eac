# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the probe stands in the field."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.errors import PolarstemError
from polarstem.simulate.microscope.probe_positions import probe_grid


def test_probe_grid_covers_the_central_cell():
    grid = probe_grid((4.0, 5.0), (6, 4), (5, 8), (1, 1), "centre", 0)
    assert grid.positions.shape == (40, 2)
    x, y = grid.positions.T
    assert ((x > 8) & (x < 12)).all()
    assert ((y > 5) & (y < 10)).all()
    rows = y.reshape(5, 8)
    assert (np.diff(rows[:, 0]) < 0).all()  # the first row is the top one
    np.testing.assert_allclose(grid.y, rows[0, 0] - rows[:, 0])
    np.testing.assert_allclose(grid.cell_x, (np.arange(8) + 0.5) / 8)
    # fraction from the A column: y down from a cell's upper edge, where an A column stands
    np.testing.assert_allclose(grid.cell_y, (10 - rows[:, 0]) / 5 % 1)


def test_random_offsets_stay_within_a_step():
    seen = set()
    for seed in range(20):
        grid = probe_grid((4.0, 4.0), (3, 3), (4, 4), (1, 1), "random", seed)
        assert 0 <= grid.cell_x[0] < 0.25
        assert 0 <= grid.cell_y[0] < 0.25
        seen.add(float(grid.cell_x[0]))
    assert len(seen) == 20


def test_a_scan_larger_than_the_field_is_refused():
    with pytest.raises(PolarstemError, match=r"7 cells along x, but the field has 6"):
        probe_grid((4.0, 4.0), (6, 6), (4, 4), (1, 7), "centre", 0)
