# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge of the bright-field disc, and the plane of centres."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from measured_files import gold, merlin

from polarstem.errors import PolarstemError
from polarstem.scans.calibration.centre import fit_plane
from polarstem.scans.calibration.disc import find_disc, fit_edge, mended
from polarstem.scans.calibration.pixels import bad_pixels
from polarstem.simulate.microscope.camera import Camera

SEMIANGLE = 24.0


def image(camera: Camera, dose: float | None = None) -> np.ndarray:
    """A disc with structure inside and a halo, as the camera sees it."""
    along = np.arange(-60, 60.1, 0.25)
    x, y = (part.ravel() for part in np.meshgrid(along, along))
    inside = np.hypot(x, y) < SEMIANGLE
    values = inside * (1 + 0.3 * np.cos(x / 4) * np.sin(y / 5 + 1) + 0.01 * x)
    values = (values + 0.15 * np.exp(-(x**2 + y**2) / 1600)).astype(np.float32)
    footprint = camera.footprint(np.stack([x, y], 1), np.eye(2) * 0.25)
    clean = camera.project(torch.from_numpy(values / values.sum())[:, None], footprint)
    return camera.expose(clean, dose, 8)[0].numpy().astype(float)


@pytest.mark.parametrize(("dose", "tolerance"), [(None, 0.03), (1e6, 0.1), (3e4, 0.4)])
def test_centre_radius_and_ellipse_are_found(dose, tolerance):
    camera = Camera(
        256, 0.42, 20, ellipticity=0.03, ellipticity_deg=35, shift_pixels=(3.3, -5.2),
        psf_pixels=0.6,
    )  # fmt: skip
    disc = find_disc(image(camera, dose))
    assert disc.centre == pytest.approx((122.3, 130.8), abs=tolerance)
    assert disc.radius == pytest.approx(SEMIANGLE / 0.42, abs=0.1 + tolerance)
    assert disc.ellipticity == pytest.approx(0.03, abs=0.003 + tolerance / 20)
    assert disc.ellipticity_deg == pytest.approx(35, abs=3 + 20 * tolerance)
    assert disc.seen == 1
    assert np.abs(disc.centre - (122.3, 130.8)).max() < 4 * disc.centre_error + 0.02


@pytest.mark.parametrize(("pixels", "mrad"), [(48, 2.0), (96, 1.1)])
def test_coarse_detectors(pixels, mrad):
    camera = Camera(pixels, mrad, shift_pixels=(1.3, -0.7), psf_pixels=0.4)
    disc = find_disc(image(camera))
    middle = pixels / 2 - 0.5
    assert disc.centre == pytest.approx((middle - 0.7, middle + 1.3), abs=0.07)
    assert disc.radius * mrad == pytest.approx(SEMIANGLE, rel=0.01)


def test_centres_of_measured_patterns_agree():
    scan = gold().astype(float)
    bad = bad_pixels(scan.sum((0, 1)), counts=True)
    disc = find_disc(mended(scan.mean((0, 1)), bad))
    found = np.array(
        [fit_edge(mended(p, bad), disc, 3, False).centre for p in scan.reshape(-1, 256, 256)]
    )
    assert np.abs(found - found.mean(0)).max() < 0.1
    # the intensity's own centre, within the disc
    rows, columns = np.indices((256, 256))
    near = np.hypot(rows - 125, columns - 129) < 12
    total = mended(scan.sum((0, 1)), bad) * near
    centre = (rows * total).sum() / total.sum(), (columns * total).sum() / total.sum()
    assert disc.centre == pytest.approx(centre, abs=0.15)


def test_disc_cut_by_the_edge_of_the_detector_is_seen_to_be():
    assert find_disc(merlin("001_4x2_6bit").sum((0, 1)).astype(float)).seen < 0.8


def test_no_disc_is_told():
    with pytest.raises(PolarstemError, match="flat"):
        find_disc(np.ones((64, 64)))


def test_bad_pixels_take_their_neighbours_values():
    rows, columns = np.indices((30, 30))
    slope = 2.0 * rows + columns
    bad = np.zeros((30, 30), bool)
    bad[10, 10] = bad[20, :] = True
    found = mended(np.where(bad, 1e6, slope), bad)
    np.testing.assert_array_equal(found[~bad], slope[~bad])
    np.testing.assert_allclose(found[bad][2:-2], slope[bad][2:-2], atol=0.2)


def test_plane_passes_over_an_outlier():
    rng = np.random.default_rng(9)
    places = np.stack(np.meshgrid(np.arange(5), np.arange(5)), -1).reshape(-1, 2) * 13.0
    slopes = np.array([(0.01, -0.02), (0.03, 0.005)])
    centres = (100, 90) + places @ slopes + rng.normal(0, 0.02, (25, 2))
    centres[7] += 9
    plane = fit_plane(places, centres)
    np.testing.assert_allclose(plane.slopes, slopes, atol=2e-3)
    np.testing.assert_allclose(plane.at([0, 52], [0, 26]), [(100, 90), (101.3, 89.09)], atol=0.05)
    assert np.abs(plane.residuals).argmax() // 2 == 7
    assert plane.error < 0.02


def test_descan_that_is_not_there_is_not_made_up():
    rng = np.random.default_rng(10)
    places = np.stack(np.meshgrid(np.arange(5), np.arange(5)), -1).reshape(-1, 2) * 13.0
    tilted = sum(fit_plane(places, rng.normal(50, 0.1, (25, 2))).slopes.any() for _ in range(40))
    assert tilted <= 6
    assert not fit_plane(np.zeros((1, 2)), np.array([(3.0, 4.0)])).slopes.any()
