# SPDX-License-Identifier: GPL-3.0-or-later
"""Which patterns of a scan belong to one unit cell."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.data.cells import group_index, unit_cells


def scan(rows, columns, per_cell, offset=(0.0, 0.0)):
    """Columns of a scan: row, column, and the place in the cell in single precision."""
    y, x = (a.ravel() for a in np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"))
    place = [(o + i / per_cell) % 1 for o, i in zip(offset, (y, x), strict=True)]
    return y, x, place[0].astype("f4"), place[1].astype("f4")


@pytest.mark.parametrize("offset", [(0, 0), (0.31, 0.999), (0.875, 0.125)])
def test_a_scan_of_one_cell_is_one_cell_wherever_it_starts(offset):
    cells = unit_cells([np.zeros(64)], *scan(8, 8, 8, offset))
    assert cells.tolist() == [0] * 64


def test_a_scan_is_cut_every_whole_cell():
    y, x, *place = scan(128, 128, 128 / 6, (0.4, 0.7))
    cells = unit_cells([np.zeros(128**2)], y, x, *place)
    # as many rows as lie within each cell's length from the first
    expected = (y * 6 // 128) * 6 + x * 6 // 128
    assert group_index(cells).tolist() == group_index(expected).tolist()
    assert cells.max() == 35


def test_cells_cut_by_the_edge_are_left_out():
    y, x, *place = scan(20, 20, 8, (0.3, 0.3))
    cells = unit_cells([np.zeros(400)], y, x, *place)
    whole = (y < 16) & (x < 16)
    assert (cells[~whole] == -1).all()
    assert np.bincount(cells[whole]).tolist() == [64] * 4
    assert (unit_cells([np.zeros(400)], y, x, *place, positions=65) == -1).all()


def test_scans_are_told_apart_and_the_order_means_nothing():
    parts = [scan(8, 8, 8, (0.1 * i, 0.0)) for i in range(3)]
    columns = [np.concatenate(values) for values in zip(*parts, strict=True)]
    specimen, thickness = np.repeat(["a", "a", "b"], 64), np.repeat([10.0, 20.0, 10.0], 64)
    cells = unit_cells([specimen, thickness], *columns)
    assert cells.tolist() == np.repeat([0, 1, 2], 64).tolist()
    order = np.random.default_rng(0).permutation(192)
    mixed = unit_cells([specimen[order], thickness[order]], *(c[order] for c in columns))
    assert mixed.tolist() == cells[order].tolist()


def test_random_positions_make_one_cell():
    rng, zeros = np.random.default_rng(0), np.zeros(40, int)
    cells = unit_cells([np.zeros(40)], zeros, zeros, rng.random(40), rng.random(40))
    assert cells.tolist() == [0] * 40
