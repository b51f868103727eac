# SPDX-License-Identifier: GPL-3.0-or-later
"""No pattern both chooses an epoch and calibrates."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.data.patterns import PatternSet
from polarstem.models.calibration_split import BY_POSITION, BY_SPECIMEN, split_validation

NAMES, DIRECTIONS = ["RM", "MU"], [0.0, 90.0]


def scans(specimens, nm=(10.0, 20.0), shape=(6, 6)):
    """Scans of some specimens of each class, whose patterns tell their place."""
    rows, columns = np.indices(shape).reshape(2, -1)
    number = len(nm) * len(rows)
    labels = np.repeat([0, 1], specimens * number)
    names = np.repeat([f"s-{c}-{i}" for c in NAMES for i in range(specimens)], number)
    patterns = np.arange(len(labels), dtype=np.float32)[:, None, None]
    return PatternSet.from_arrays(
        patterns,
        labels,
        NAMES,
        DIRECTIONS,
        specimen=names,
        thickness=np.tile(np.repeat(nm, len(rows)), 2 * specimens),
        scan_y=np.tile(rows, 2 * specimens * len(nm)),
        scan_x=np.tile(columns, 2 * specimens * len(nm)),
    )


def places(patterns):
    return set(patterns.read(slice(None)).ravel().astype(int).tolist())


@pytest.mark.parametrize("specimens", [1, 2, 3, 4])
def test_every_pattern_serves_for_one_thing(specimens):
    whole = scans(specimens)
    choosing, calibrating = split_validation(whole)
    one, other = places(choosing), places(calibrating.patterns)
    assert not one & other
    assert one | other == places(whole)
    assert set(choosing.class_index) == set(calibrating.patterns.class_index) == {0, 1}


@pytest.mark.parametrize(("specimens", "kept"), [(2, 1), (3, 2), (4, 2)])
def test_specimens_are_shared_out_where_each_class_has_two(specimens, kept):
    choosing, calibrating = split_validation(scans(specimens))
    assert calibrating.taken_from == BY_SPECIMEN
    names = set(calibrating.patterns.specimen)
    assert len(names) == 2 * kept
    assert not names & set(choosing.specimen)
    assert calibrating.positions == 36


def test_a_single_specimen_gives_opposite_quarters_of_its_scans():
    choosing, calibrating = split_validation(scans(1))
    assert calibrating.taken_from == BY_POSITION
    assert calibrating.positions == 18
    for part in (choosing, calibrating.patterns):
        np.testing.assert_array_equal(np.bincount(part.scan), 18)
        # all rows and all columns of each
        assert set(part.scan_y) == set(part.scan_x) == set(range(6))
    last = calibrating.patterns
    assert ((last.scan_y < 3) != (last.scan_x < 3)).all()


def test_random_positions_are_dealt_out():
    choosing, calibrating = split_validation(scans(1, shape=(1, 9)))
    np.testing.assert_array_equal(np.bincount(choosing.scan), 5)
    np.testing.assert_array_equal(np.bincount(calibrating.patterns.scan), 4)
