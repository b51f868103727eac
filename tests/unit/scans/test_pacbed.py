# SPDX-License-Identifier: GPL-3.0-or-later
"""Thickness, tilt and orientation of mean patterns whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from polarstem.errors import PolarstemError
from polarstem.scans.specimen.pacbed import PacbedFitter, fit_pacbed
from polarstem.simulate.jobs.compute_library import write_library
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.pattern_library import Library
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.position_averaged import position_averaged

ROTATION = 17.0
TILT = (1.6, -0.9)
SHIFT = (2.3, -1.6)  # right, down [pixels]
OTHERS = tuple(range(11, 19))  # seeds that the library does not know
PIXEL = 1.25


@pytest.fixture(scope="module")
def fitter(library_recipe, tmp_path_factory) -> PacbedFitter:
    """Of a library whose atoms are averaged: with one configuration it turns by two degrees."""
    file = tmp_path_factory.mktemp("library") / "library.nc"
    write_library(file, {**library_recipe, "configurations": 4, "cells": [3, 3]})
    return PacbedFitter(Library.open(file))


@pytest.fixture(scope="module")
def image_of(column_matrix):
    """Counts of a mean pattern on a finer, turned and shifted detector with blur and background.

    Of a crystal whose atoms lie elsewhere than those of the library.
    """

    def make(variant, plane: int, rotation: float = ROTATION) -> np.ndarray:
        camera = Camera(
            44, PIXEL, rotation_deg=rotation, shift_pixels=SHIFT, psf_pixels=0.6, background=0.01
        )
        # blur and background come after the mean over positions
        sharp = replace(camera, psf_pixels=0.0, background=0.0)
        mean = torch.zeros(44, 44)
        for seed in OTHERS:
            matrix = column_matrix(variant, seed)
            eye = VirtualMicroscope(matrix, sharp)
            found = position_averaged(eye, sharp, np.array([TILT]), 20.0)[plane, 0]
            mean += torch.from_numpy(found) / len(OTHERS)
        mean = camera.expose(mean, dose=None)
        generator = torch.Generator().manual_seed(1)
        return torch.poisson(mean * 1e7, generator).numpy()

    return make


CENTRE = (21.5 + SHIFT[1], 21.5 + SHIFT[0])
WHERE = {"mrad_per_pixel": PIXEL, "centre": CENTRE}


@pytest.mark.parametrize("plane", [2, 4])
@pytest.mark.parametrize("variant", [(1, 1, 0), (1, 0, 1)])
def test_thickness_tilt_and_orientation_are_found(fitter, image_of, variant, plane):
    """On a polar crystal: its odd part must not pass for a tilt."""
    fit = fitter.fit(image_of(variant, plane), **WHERE)
    truth = fitter.library.thickness_nm[plane]
    assert fit.thickness.value == pytest.approx(truth, abs=0.7)
    low, high = fit.thickness.interval
    assert low <= truth <= high
    assert high - low < 5
    low, high = fit.rotation.interval
    assert high - low < 8
    # thin crystals show it least; nearer than half of what is said
    assert fit.rotation.value == pytest.approx(ROTATION, abs=(high - low) / 4)
    assert fit.tilt_error < 0.8
    assert fit.tilt.value == pytest.approx(TILT, abs=2 * fit.tilt_error)
    assert fit.residual.min() < 0.1
    inside = np.isfinite(fit.measured)
    assert np.nansum(fit.measured) == pytest.approx(1)
    assert np.abs(fit.measured - fit.simulated)[inside].sum() < 0.06


def test_a_turned_detector_turns_the_orientation_and_not_the_tilt(fitter, image_of):
    one, other = (fitter.fit(image_of((1, 0, 1), 3, turn), **WHERE) for turn in (-20.0, 10.0))
    assert other.rotation.value - one.rotation.value == pytest.approx(30, abs=1)
    np.testing.assert_allclose(one.tilt.value, other.tilt.value, atol=0.2)


def test_another_axis_is_the_same_fit(fitter, image_of):
    """A quarter more: what `fit` finds where that orientation is given."""
    image = image_of((1, 0, 1), 3)
    fit = fitter.fit(image, **WHERE)
    turned = fit.turned_to(110.0)
    assert turned.rotation.value == pytest.approx(fit.rotation.value + 90)
    given = fitter.fit(image, **WHERE, rotation_deg=turned.rotation.value)
    np.testing.assert_allclose(turned.tilt.value, given.tilt.value, atol=0.1)
    seen = np.isfinite(turned.measured) & np.isfinite(given.measured)
    assert seen.sum() > 0.98 * np.isfinite(given.measured).sum()  # but for pixels at the edge
    np.testing.assert_allclose(turned.measured[seen], given.measured[seen], atol=1e-4)
    assert fit.turned_to(fit.rotation.value + 40).tilt.value == pytest.approx(fit.tilt.value)


def test_a_known_orientation_is_taken(fitter, image_of):
    image = image_of((1, 1, 0), 3)
    fit = fitter.fit(image, **WHERE, rotation_deg=ROTATION)
    assert fit.rotation.value == pytest.approx(ROTATION)
    assert fit.rotation.interval is None
    free = fitter.fit(image, **WHERE)
    assert fit.thickness.value == pytest.approx(free.thickness.value, abs=0.3)


def test_the_models_own_grid_needs_no_geometry(fitter, small_library):
    """A pattern of the library gives its own thickness and tilt."""
    tilts, images = small_library.all_tilts
    node = int(np.flatnonzero((tilts == (1.5, -1.5)).all(axis=1))[0])
    n = small_library.pixels
    pattern = images[2, node].reshape(n, 2, n, 2).sum((1, 3))
    fit = fitter.fit(pattern, rotation_deg=0.0)
    assert fit.thickness.value == pytest.approx(small_library.thickness_nm[2], abs=0.4)
    assert fit.tilt.value == pytest.approx((1.5, -1.5), abs=0.1)
    assert int(fit.residual.argmin()) == 2


def test_brightness_does_not_matter(small_library, image_of):
    image = image_of((1, 1, 0), 2)
    one, other = (fit_pacbed(each, small_library, **WHERE) for each in (image, 0.01 * image))
    assert one.thickness.value == pytest.approx(other.thickness.value, abs=1e-3)


def test_another_crystal_and_the_ends_of_the_library_are_told(fitter, image_of):
    x, y = np.meshgrid(np.arange(44) - CENTRE[1], np.arange(44) - CENTRE[0])
    disc = (np.hypot(x, y) * PIXEL < 20) * (1 + np.sin(0.3 * x))
    [message, *_] = fitter.fit(disc, **WHERE).warnings
    assert "not that of this crystal" in message
    thickest = image_of((1, 1, 0), 5)
    [message] = fitter.fit(thickest, **WHERE).warnings
    assert "outside the library (4.0-13.9 nm)" in message


def test_what_is_no_pattern_is_refused(small_library):
    with pytest.raises(PolarstemError, match="of one brightness"):
        fit_pacbed(np.ones((20, 20)), small_library)
    with pytest.raises(PolarstemError, match="two-dimensional"):
        fit_pacbed(np.zeros((2, 20, 20)), small_library)
    with pytest.raises(PolarstemError, match="check its mrad per pixel"):
        fit_pacbed(np.eye(20), small_library, mrad_per_pixel=1.0)
