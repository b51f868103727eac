# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import numpy as np
import pytest
from crystal_patterns import SPACING, crystal_set
from scipy import ndimage
from scipy.stats import multivariate_normal

from polarstem.data.patterns import PatternSet
from polarstem.errors import PolarstemError
from polarstem.models import FitJob, create
from polarstem.models.family.deflection import DeflectionOptions, thickness_bins, vector_weights

PAIR = ["A", "B"], [0.0, 180.0]


def vectors(patterns: np.ndarray, **options: object) -> np.ndarray:
    """Vectors (n, vector, 2) by the formula: weighted sums, one over the other."""
    shape = patterns.shape[1:]
    x, y, total = np.einsum("nyx,cvyx->cnv", patterns, vector_weights(shape, options_of(options)))
    return np.stack([x / total, y / total], axis=-1)


def options_of(options: dict) -> DeflectionOptions:
    return DeflectionOptions(**options)


def spot(x: float, y: float, size: int = 31, width: float = 0.6) -> np.ndarray:
    """A pattern with a spot at x to the right and y up of the centre [pixels]."""
    down, right = np.mgrid[:size, :size] - (size - 1) / 2
    return np.exp(-((right - x) ** 2 + (-down - y) ** 2) / (2 * width**2))[None]


def test_centre_of_mass_equals_scipy():
    patterns = np.random.default_rng(0).uniform(size=(5, 8, 10))
    rows, columns = np.transpose([ndimage.center_of_mass(p) for p in patterns])
    expected = np.stack([columns - 4.5, 3.5 - rows], axis=1)
    np.testing.assert_allclose(vectors(patterns)[:, 0], expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [(10, 1, (1, 0)), (-1, 10, (0, 1)), (-10, 0, (-1, 0)), (2, -10, (0, -1)), (9, 9, (0.5, 0.5))],
)
def test_quadrants_of_the_annulus(x, y, expected):
    found = vectors(spot(x, y), signal="quadrant", annulus=(0.3, 1.0))[0, 0]
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_the_annulus_has_its_radii():
    weights = vector_weights((30, 30), DeflectionOptions(signal="quadrant", annulus=(0.4, 0.8)))
    assert weights[2].sum() == pytest.approx(np.pi * (12**2 - 6**2), rel=0.03)
    assert vectors(np.ones((1, 30, 30)), signal="quadrant") == pytest.approx(0)


@pytest.mark.parametrize(
    ("h", "k", "vector", "expected"),
    [
        (1, 0, 0, (1, 0)),
        (0, 1, 0, (0, 1)),
        (-1, -1, 1, (-np.sqrt(0.5), -np.sqrt(0.5))),
        (2, 0, 2, (1, 0)),
        (0, -2, 2, (0, -1)),
    ],
)
def test_friedel_pairs_point_to_the_brighter_spot(h, k, vector, expected):
    spacing = 4.4
    options = {
        "signal": "friedel",
        "spacing_pixels": (spacing, spacing),
        "pairs": ((1, 0), (1, 1), (2, 0)),
    }
    faint = 1e-6  # other pairs have something to divide by
    found = vectors(spot(h * spacing, k * spacing) + faint, **options)[0]
    np.testing.assert_allclose(found[vector], expected, atol=1e-3)
    # a tenth of the brighter spot's light in the other
    both = spot(h * spacing, k * spacing) + 0.1 * spot(-h * spacing, -k * spacing)
    found = vectors(both + faint, **options)[0]
    np.testing.assert_allclose(found[vector], np.array(expected) * 0.9 / 1.1, atol=1e-3)


def test_reflections_of_a_rectangular_cell_are_not_exchanged():
    options = {"signal": "friedel", "spacing_pixels": (3.0, 4.2), "pairs": ((2, 0),)}
    right = vectors(spot(6, 0) + 1e-6, **options)[0, 0]
    np.testing.assert_allclose(right, (1, 0), atol=1e-3)
    weights = vector_weights((31, 31), options_of(options))
    assert weights[2, 0, 15 - 8, 15] == 0  # (0, 2) up
    assert weights[2].sum() == pytest.approx(2 * np.pi * 1.5**2, rel=0.02)


def gaussian_set(rng: np.random.Generator, means: dict[tuple[int, float], float]) -> PatternSet:
    """Patterns of 1 x 2 pixels whose centre of mass is normal about a mean by class and thickness.

    The spread is 0.1 pixels.
    """
    centre, label, thickness = [], [], []
    for (own, nm), mean in means.items():
        centre.append(rng.normal(mean, 0.05, 20_000))
        label += [own] * 20_000
        thickness += [nm] * 20_000
    right = 0.5 + np.concatenate(centre)
    patterns = np.stack([1 - right, right], axis=1)[:, None]
    return PatternSet.from_arrays(patterns, label, *PAIR, thickness=np.array(thickness))


def test_thickness_is_marginalised(tmp_path):
    """The vector of a class turns round with the thickness: Bayes' rule for known Gaussians."""
    means = {(0, 10.0): 0.1, (1, 10.0): -0.1, (0, 20.0): -0.2, (1, 20.0): 0.2}
    train = gaussian_set(np.random.default_rng(0), means)
    model = create("deflection", {}, *PAIR).fit(train, train, FitJob(tmp_path, seed=0))
    x = np.array([-0.3, -0.15, -0.05, 0.0, 0.1, 0.25])
    patterns = np.stack([0.5 - x, 0.5 + x], axis=1)[:, None].astype("f4")
    density = {key: multivariate_normal(mean, 0.05**2).pdf(x) for key, mean in means.items()}
    first, second = (density[own, 10.0] + density[own, 20.0] for own in (0, 1))
    expected = first / (first + second)
    np.testing.assert_allclose(model.predict_proba(patterns)[:, 0], expected, atol=0.02)
    assert expected[-1] < 0.05  # far to the right is class B, of the thick crystal
    assert expected[4] > 0.8


def test_friedel_pairs_of_a_crystal():
    """Parallel beam on tetragonal KNN, thinner than where contrast turns round.

    A (200) asymmetry of 0.19 at 5 nm and 0.23 at 10 nm, brighter on the side of the polarization,
    comes from multislice simulations by abTEM.
    """
    patterns = crystal_set(2, 0.5, semiangle_mrad=2.5)
    options = {"signal": "friedel", "spacing_pixels": SPACING, "pairs": ((2, 0),)}
    found = vectors(patterns.read(slice(None)), **options)[:, 0]
    angle = np.deg2rad(patterns.class_directions[patterns.class_index])
    along = found[:, 0] * np.cos(angle) + found[:, 1] * np.sin(angle)
    across = found[:, 1] * np.cos(angle) - found[:, 0] * np.sin(angle)
    # of four equivalent reflections, two lie across the polarization
    assert (along * 2 > 0.15).all()
    assert (along * 2 < 0.3).all()
    np.testing.assert_allclose(across, 0, atol=5e-3)


def test_many_thicknesses_are_gathered_into_bins():
    few = thickness_bins(np.array([20.0, 10.0, 20.0, 30.0]))
    np.testing.assert_array_equal(few, [1, 0, 1, 2])
    many = np.random.default_rng(0).uniform(5, 50, 1600)
    found = thickness_bins(many)
    assert sorted(np.unique(found)) == list(range(16))
    assert np.bincount(found).min() > 90
    assert (np.diff(found[np.argsort(many)]) >= 0).all()


def test_a_dark_pattern_is_undecided(make_set, tmp_path):
    train = make_set(160, 0)
    model = create("deflection", {}, train.class_names, train.class_directions)
    model.fit(train, train, FitJob(tmp_path, seed=0))
    probability = model.predict_proba(np.zeros((1, *train.shape)))
    np.testing.assert_allclose(probability.ravel(), np.tile(probability.ravel()[:2], 4), rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"signal": "friedel"}, "spacing_pixels"),
        ({"signal": "friedel", "spacing_pixels": (6.0, 6.0)}, "reflection 3 0 is no pair"),
        ({"signal": "friedel", "spacing_pixels": (2.0, 2.0), "pairs": ((0, 0),)}, "0 0 is no pair"),
    ],
)
def test_impossible_detectors_are_told(make_set, tmp_path, options, words):
    train = make_set(80, 0)
    model = create("deflection", options, train.class_names, train.class_directions)
    with pytest.raises(PolarstemError, match=words):
        model.fit(train, train, FitJob(tmp_path, seed=0))
