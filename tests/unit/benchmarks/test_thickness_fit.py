# SPDX-License-Identifier: GPL-3.0-or-later
"""Thickness from a position-averaged pattern, on images whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.thickness_fit import PatternLibrary
from polarstem.config.physics import Simulate
from polarstem.errors import PolarstemError
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.position_averaged import position_averaged
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix

SEMIANGLE = 15.0
ON_AXIS = np.zeros((1, 2))
RECIPE = {
    "material": "KNN",
    "name": "test",
    "specimen_set": "test",
    "split": "train",
    "class_index": 0,
    "class_name": "RM",
    "direction_deg": 0.0,
    "variant": (1, 0, 1),
    "phase": "O",
    "zone_axis": (0, 0, 1),
    "a_site": "virtual",
    "cells": (1, 1),
    "thickness_nm": 0.4,
    "seed": 1,
}
PERIODS = np.arange(10, 51, 5)
ROTATION = 17.0


@pytest.fixture(scope="module")
def case():
    """A library of a polar crystal, and its microscope."""
    specimen = Crystal.build(RECIPE)
    detector = {"pixels": 50, "mrad_per_pixel": 1.0}
    settings = Simulate.model_validate(
        {
            "pixels_per_cell": 24,
            "semiangle_mrad": SEMIANGLE,
            "detector": detector,
            "projection": "abtem",  # the bounds below were measured with it
        }
    )
    nm = (PERIODS * specimen.cell[2] / 10).tolist()
    matrix = compute_scattering_matrix(specimen, nm, settings, cells=(8, 8), reach_mrad=45.0)
    eye = VirtualMicroscope(matrix, settings.detector)
    patterns = position_averaged(eye, eye.camera, ON_AXIS, SEMIANGLE)[:, 0]
    return PatternLibrary(patterns, np.array(nm), 1.0, SEMIANGLE), eye


def image_of(eye: VirtualMicroscope, nm: float) -> np.ndarray:
    """Counts on a finer, turned and shifted camera with blur and background."""
    camera = Camera(
        128,
        0.48,
        rotation_deg=ROTATION,
        shift_pixels=(5.3, -3.1),
        psf_pixels=0.7,
        background=0.02,
    )
    means = position_averaged(eye, camera, ON_AXIS, SEMIANGLE)
    mean = torch.from_numpy(means[eye.matrix.plane(nm), 0])
    generator = torch.Generator().manual_seed(1)
    return torch.poisson(camera.expose(mean, None) * 1e6, generator).numpy()


@pytest.mark.parametrize("plane", [2, 5, 7])
def test_thickness_and_geometry_are_found(case, plane):
    library, eye = case
    truth = library.thickness_nm[plane]
    fit = library.fit(image_of(eye, truth))
    step = library.thickness_nm[1] - library.thickness_nm[0]
    assert fit.residual.argmin() == plane
    assert fit.thickness_nm == pytest.approx(truth, abs=step / 4)
    assert fit.interval_nm[0] <= truth <= fit.interval_nm[1]
    assert fit.interval_nm[1] - fit.interval_nm[0] < step
    assert fit.residual.min() < 0.1
    assert np.sort(fit.residual)[1] > 1.2 * fit.residual.min()
    geometry = fit.geometry
    # row down, column right of the middle of 128 pixels
    assert geometry.centre == pytest.approx((63.5 - 3.1, 63.5 + 5.3), abs=0.2)
    assert geometry.pixels_per_mrad == pytest.approx(1 / 0.48, rel=0.01)
    assert geometry.rotation_deg == pytest.approx(ROTATION, abs=0.7)
    assert np.abs(fit.measured - fit.simulated).mean() < 0.1 * fit.measured.mean()


def test_thickness_between_the_simulated_ones(case):
    """A library without the true thickness gives it by the parabola."""
    library, eye = case
    truth = library.thickness_nm[5]
    rest = np.delete(np.arange(len(library.thickness_nm)), 5)
    sparse = PatternLibrary(library.patterns[rest], library.thickness_nm[rest], 1.0, 15.0)
    fit = sparse.fit(image_of(eye, truth))
    assert fit.thickness_nm == pytest.approx(truth, abs=1.0)


def test_brightness_does_not_matter(case):
    library, eye = case
    image = image_of(eye, library.thickness_nm[4])
    one, other = library.fit(image), library.fit(40 + 0.01 * image)
    assert one.thickness_nm == pytest.approx(other.thickness_nm, abs=1e-3)
    np.testing.assert_allclose(one.residual, other.residual, atol=1e-4)


def test_what_is_no_pattern_is_refused(case):
    library, _ = case
    with pytest.raises(PolarstemError, match="of one brightness"):
        library.fit(np.ones((64, 64)))
    with pytest.raises(PolarstemError, match="two-dimensional"):
        library.fit(np.zeros((2, 64, 64)))
    with pytest.raises(PolarstemError, match="at least three"):
        PatternLibrary(library.patterns[:2], library.thickness_nm[:2], 1.0, 15.0)
