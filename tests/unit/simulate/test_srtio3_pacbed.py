# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured position-averaged patterns of SrTiO3: thickness, and a null test of polarization.

The images (see `benchmarks/srtio3_thickness.py`) are looked for in the folder named by
POLARSTEM_TEST_DATA, or in shared/data beside the project. A trained model is looked for in the
folder named by POLARSTEM_TEST_MODEL.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from benchmarks.srtio3_thickness import (
    IMAGES,
    SEMIANGLE_MRAD,
    directions,
    inversion_residual,
    pattern_library,
    read_image,
)
from benchmarks.thickness_fit import Geometry, PatternLibrary, ThicknessFit
from polarstem.models.registry import load_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def folder(root) -> Path:
    data = Path(os.environ.get("POLARSTEM_TEST_DATA", root.parent / "shared" / "data"))
    images = data / "sto_pacbed_deepdiffraction"
    if not images.is_dir():
        pytest.skip(f"no measured patterns of SrTiO3 in {images}; set POLARSTEM_TEST_DATA")
    return images


@pytest.fixture(scope="module")
def library() -> PatternLibrary:
    return pattern_library(pixels=80)


@pytest.fixture(scope="module")
def fit_of(folder, library) -> Callable[[str], ThicknessFit]:
    """Fit of an image, once for all tests."""
    return cache(lambda name: library.fit(read_image(folder / name)))


@pytest.mark.parametrize("name", IMAGES)
def test_stated_thickness_is_found(folder, fit_of, name):
    image, fit = read_image(folder / name), fit_of(name)
    low, high = IMAGES[name]
    assert low - 5 < fit.thickness_nm < high + 5
    # the interval reaches into the stated range
    assert fit.interval_nm[0] < high
    assert fit.interval_nm[1] > low
    assert fit.interval_nm[1] - fit.interval_nm[0] < 8
    assert fit.residual.min() < 0.15
    # all taken at one rotation; the first at another camera length
    assert fit.geometry.rotation_deg == pytest.approx(80.8, abs=0.5)
    radius = 114.5 if name.startswith("01") else 138.2
    assert fit.geometry.pixels_per_mrad * SEMIANGLE_MRAD == pytest.approx(radius, abs=2)
    assert inversion_residual(image, fit.geometry) < 0.03


def test_turned_image_turns_the_fit(folder, library, fit_of):
    name = "05-on_zone_61-63nm.jpg"
    image = read_image(folder / name)
    upright, turned = fit_of(name), library.fit(np.rot90(image)[::-1])
    assert turned.thickness_nm == pytest.approx(upright.thickness_nm, abs=0.3)
    # a mirror reverses the rotation
    total = upright.geometry.rotation_deg + turned.geometry.rotation_deg
    assert total % 90 == pytest.approx(0, abs=0.3) or total % 90 == pytest.approx(90, abs=0.3)


def test_inversion_residual_sees_an_uneven_disc(folder):
    """The null test can fail."""
    image = read_image(folder / "05-on_zone_61-63nm.jpg")
    geometry = Geometry((545.1, 642.6), 138.4 / SEMIANGLE_MRAD, 80.8)
    ramp = (np.arange(image.shape[1]) - geometry.centre[1]) / 138.4
    tilted = image * (1 + 0.2 * ramp)
    assert inversion_residual(tilted, geometry) > 2 * inversion_residual(image, geometry)


@pytest.mark.parametrize("name", IMAGES)
def test_a_model_of_a_ferroelectric_finds_no_direction(folder, fit_of, name):
    """The null test of a whole model: the recommended one, trained by the standard config."""
    model_folder = os.environ.get("POLARSTEM_TEST_MODEL")
    if not model_folder:
        pytest.skip("no trained model; set POLARSTEM_TEST_MODEL to the folder of one")
    model = load_model(model_folder)
    image = read_image(folder / name)
    geometry = fit_of(name).geometry
    for scale in (1.0, model.info["trained_for"]["semiangle_mrad"] / SEMIANGLE_MRAD):
        probability, classes = directions(model, image, geometry, scale)
        assert probability < 0.5
        assert classes > 1
    # with its own disc it is as good as no direction at all
    assert probability < 0.25
