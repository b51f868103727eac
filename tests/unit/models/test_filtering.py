# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from polarstem.data.patterns import PatternSet
from polarstem.errors import PolarstemError
from polarstem.models.filtering import (
    DROPPED,
    centre_of_mass,
    filter_by_centre_of_mass,
    filter_by_information,
)


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


def periodic_set(
    specimens: int = 8, side: int = 6, noise: float = 0.0, **labels: object
) -> PatternSet:
    """Two classes that differ by sin^2(pi x): not at the edges of the cell, most in its middle.

    Every specimen is scanned from an offset of its own, and patterns change with the position far
    more than with the class.
    """
    rng = np.random.default_rng(0)
    n = specimens * side**2
    step = np.arange(side)
    offset = rng.random((2, specimens, 1))
    y = np.repeat((step + offset[0]) / side, side, axis=1).ravel()
    x = np.tile((step + offset[1]) / side, (1, side)).ravel()
    label = np.repeat(np.arange(specimens) % 2, side**2)
    waves = rng.uniform(-1, 1, (4, 24)) / 4
    phases = 2 * np.pi * np.stack([x, x + y, y, 2 * x])
    common = 1 + np.cos(phases).T @ waves
    sign = np.where(np.arange(24) < 12, 1, -1)
    values = common * (1 + 0.02 * np.outer(np.where(label, 1, -1) * np.sin(np.pi * x) ** 2, sign))
    values *= 1 + noise * rng.standard_normal((n, 24))
    patterns = values.reshape(n, 4, 6).astype("f4") / 24
    index = np.repeat(np.arange(specimens), side**2).astype(str)
    labels = {"cell_y": y, "cell_x": x, "specimen": index, **labels}
    return PatternSet.from_arrays(patterns, label, ["A", "B"], [0, 180], **labels)


def test_positions_that_tell_nothing_are_dropped():
    patterns = periodic_set()
    kept = filter_by_information(patterns)
    assert kept.n == pytest.approx((1 - DROPPED) * patterns.n, abs=4)
    np.testing.assert_allclose(np.bincount(kept.class_index), kept.n / 2, atol=2)
    # those nearest the edges of the cell, as far as 30 % of all positions reach
    distance = np.minimum(kept.cell_x, 1 - kept.cell_x)
    assert distance.min() > DROPPED / 2 - 0.03
    noisy = filter_by_information(periodic_set(noise=0.002))
    distance = np.minimum(noisy.cell_x, 1 - noisy.cell_x)
    assert (distance < DROPPED / 4).mean() < 0.05  # of all patterns: 15 %


def test_thicknesses_and_domains_are_judged_one_by_one():
    one = periodic_set()
    half = one.n // 2
    for label, values in (
        ("thickness", np.repeat([10.0, 20.0], half)),
        ("domain", np.repeat(["a", "b"], half)),
    ):
        kept = filter_by_information(periodic_set(**{label: values}))
        _, counts = np.unique(getattr(kept, label), return_counts=True)
        np.testing.assert_allclose(counts, (1 - DROPPED) * half, atol=4)


def test_too_few_patterns_for_a_map_are_one_sentence():
    with pytest.raises(PolarstemError, match="8 patterns of a class"):
        filter_by_information(periodic_set(specimens=4, side=2))
    with pytest.raises(PolarstemError, match="two classes"):
        filter_by_information(periodic_set().select(slice(0, 36)))
