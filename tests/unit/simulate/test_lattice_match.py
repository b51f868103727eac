# SPDX-License-Identifier: GPL-3.0-or-later
"""Atoms at the same places of a lattice, at its edges, too."""

from __future__ import annotations

import numpy as np

from polarstem.simulate.potential.lattice_match import first_of_each, partners

SIZE = (4.0, 5.0, 9.0)
PLACES = np.array([[0.0, 0.0, 1.0], [2.0, 2.5, 1.0], [2.0, 2.5, 3.0]])


def test_edges_meet_whatever_the_rounding():
    """Of -1e-17 the remainder is the edge itself, where a tree takes no position."""
    assert np.float64(-1e-17) % 4.0 == 4.0
    moved = PLACES[::-1] + np.array([8 - 1e-4, -5.0, 0.0])
    moved[2] = [-1e-17, 5.0, 1.0]
    np.testing.assert_array_equal(partners(moved, PLACES, SIZE), [2, 1, 0])
    np.testing.assert_array_equal(partners(PLACES[::-1], moved, SIZE), [0, 1, 2])


def test_one_atom_without_a_place_is_enough():
    apart = PLACES + np.array([[0, 0, 0], [0, 0.002, 0], [0, 0, 0]])
    assert partners(apart, PLACES, SIZE) is None
    beyond = PLACES + np.array([0, 0, 9.0])
    assert partners(beyond, PLACES, SIZE) is None, "nothing repeats along the beam"


def test_the_first_of_equal_atoms_stays():
    both = np.concatenate([PLACES, PLACES + np.array([4.0, 0.0, 0.0]), [[-1e-17, 5.0, 1.0]]])
    np.testing.assert_array_equal(first_of_each(both, SIZE), [0, 1, 2])
    assert len(first_of_each(PLACES, SIZE)) == 3
