# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import numpy as np
from scipy import ndimage

from polarstem.data.patterns import PatternSet
from polarstem.models.filtering import centre_of_mass, filter_by_centre_of_mass


def test_centre_of_mass_equals_scipy():
    patterns = np.random.default_rng(0).uniform(size=(6, 9, 7)).astype("f4")
    expected = [ndimage.center_of_mass(pattern) for pattern in patterns]
    np.testing.assert_allclose(centre_of_mass(patterns), expected, rtol=1e-6)
    assert (centre_of_mass(np.zeros((1, 3, 3))) == 0).all()


def spot_set(columns: list[int], **labels: object) -> PatternSet:
    """Patterns with one bright pixel in the middle row."""
    patterns = np.zeros((len(columns), 3, 21), "f4")
    patterns[np.arange(len(columns)), 1, columns] = 1
    return PatternSet.from_arrays(patterns, np.zeros(len(columns)), ["A", "B"], [0, 180], **labels)


def test_keeps_what_deviates_more_than_the_scans_average():
    # Mean column 10; deviations 8 8 1 1, on average 4.5.
    kept = filter_by_centre_of_mass(spot_set([2, 18, 9, 11]))
    np.testing.assert_array_equal(kept.read(slice(None)).argmax(2)[:, 1], [2, 18])


def test_scans_are_judged_one_by_one():
    columns = [2, 18, 9, 11, 9, 11, 10, 10]
    one = spot_set(columns)
    assert filter_by_centre_of_mass(one).n == 2
    for label in ("specimen", "domain"):
        two = spot_set(columns, **{label: ["a"] * 4 + ["b"] * 4})
        kept = filter_by_centre_of_mass(two).read(slice(None)).argmax(2)[:, 1]
        np.testing.assert_array_equal(kept, [2, 18, 9, 11])
    order = [0, 4, 1, 5, 2, 6, 3, 7]  # thicknesses may alternate
    mixed = spot_set(np.array(columns)[order].tolist(), thickness=[10.0, 20.0] * 4)
    assert filter_by_centre_of_mass(mixed).n == 4


def test_scan_of_equal_patterns_is_kept():
    assert filter_by_centre_of_mass(spot_set([5, 5, 5])).n == 3
