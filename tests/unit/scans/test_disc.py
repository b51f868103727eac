# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge of the bright-field disc, and the plane of centres."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from measured_files import gold, merlin

from polarstem.errors import PolarstemError
from polarstem.scans.calibration.centre import fit_plane
from polarstem.scans.calibration.disc import find_centre, find_disc, fit_edge, mended
from polarstem.scans.calibration.pixels import bad_pixels
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope

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


@pytest.mark.parametrize(
    ("pixels", "mrad", "psf"), [(66, 1.3, 0.0), (66, 1.3, 0.5), (180, 0.45, 0.8), (42, 2.0, 0.5)]
)
def test_radius_lies_within_its_interval(column_matrix, pixels, mrad, psf):
    """Of specimens of any thickness and tilt, whose simulated aperture is soft."""
    camera = Camera(pixels, mrad, shift_pixels=(0.4, -0.2), psf_pixels=psf)
    matrix = column_matrix((1, 1, 0), 11)
    eye = VirtualMicroscope(matrix, camera)
    along = (np.arange(4) + 0.5) / 4 * float(matrix.grid.size[0])
    places = np.stack(np.meshgrid(along, along), -1).reshape(-1, 2)
    inside, off = [], []
    for nm in np.array(matrix.thickness_nm)[[0, 2, 3, 5]]:
        for tilt in ((0.0, 0.0), (1.5, -1.0)):
            optics = Optics(20.0, tilt_mrad=tilt, source_fwhm=0.8)
            patterns = eye.measure(places, [nm], optics, camera=camera)[0].numpy()
            disc = find_disc(patterns.mean(0, dtype=float))
            low, high = disc.radius_interval
            inside.append(low <= 20.0 / mrad <= high)
            off.append(disc.radius * mrad / 20.0 - 1)
    assert np.mean(inside) >= 0.9
    # the soft aperture of four cells: a sixth of a sample of 1.6 mrad
    assert -0.02 < np.mean(off) < 0.0


@pytest.mark.parametrize(("pixels", "mrad", "psf"), [(66, 1.3, 0.5), (180, 0.45, 0.8)])
def test_radius_of_a_sharp_aperture_lies_within_its_interval(pixels, mrad, psf):
    rng = np.random.default_rng(12)
    along = np.arange(-45, 45.1, 0.15)
    x, y = (part.ravel() for part in np.meshgrid(along, along))
    camera = Camera(pixels, mrad, psf_pixels=psf)
    footprint = camera.footprint(np.stack([x, y], 1), np.eye(2) * 0.15)
    apart = np.hypot(x, y)
    inside, widths = [], []
    for _ in range(6):
        waves = rng.uniform(0, 6, (12, 2))
        length = rng.uniform(8, 40, 12)
        structure = sum(
            0.1 * np.cos(2 * np.pi * (x * np.cos(a) + y * np.sin(a)) / size + phase)
            for (a, phase), size in zip(waves, length, strict=True)
        )
        values = (apart < 20) * np.exp(structure) + 0.15 * np.exp(-apart / 15)
        image = camera.project(torch.from_numpy(values.astype(np.float32))[:, None], footprint)
        disc = find_disc(camera.expose(image, None, 1)[0].numpy().astype(float))
        low, high = disc.radius_interval
        inside.append(low <= 20 / mrad <= high)
        widths.append((high - low) * mrad / 20)
    assert np.mean(inside) >= 0.9
    assert np.max(widths) < 0.07


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


@pytest.mark.parametrize("moved", [(1, -2), (4, 3), (-8, 6)])
@pytest.mark.parametrize("sharp", [0.2, 1.5])
def test_a_disc_far_from_where_it_is_on_average_is_followed(moved, sharp):
    y, x = np.indices((90, 90))

    def at(row, column, radius=16.0):
        return 1 / (1 + np.exp((np.hypot(y - row, x - column) - radius) / sharp))

    mean = sum(at(45 + a, 44 + b) for a in (-2, 0, 2) for b in (-2, 0, 2))
    disc = find_disc(mean)
    centre = np.array((45.0, 44.0)) + moved
    found = find_centre(at(*centre), disc, np.zeros((90, 90), bool))
    assert found == pytest.approx(centre, abs=0.05)


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


def test_descan_that_bends_is_followed():
    rng = np.random.default_rng(11)
    places = np.stack(np.meshgrid(np.arange(5), np.arange(5)), -1).reshape(-1, 2) * 13.0

    def truth(where):
        across = where / 26 - 1
        return 50 + 3 * across**2 + 0.7 * across + 0.4 * across.prod(1, keepdims=True)

    plane = fit_plane(places, truth(places) + rng.normal(0, 0.03, (25, 2)))
    dense = np.stack(np.meshgrid(np.arange(53.0), np.arange(53.0)), -1).reshape(-1, 2)
    np.testing.assert_allclose(plane.at(*dense.T), truth(dense), atol=0.1)
    assert plane.spread < 0.05
    few = places[::3]
    assert not fit_plane(few, truth(few)).bends.any()  # nine do not tell
    cubic = 50 + (places / 26 - 1) ** 3 * 8
    assert fit_plane(places, cubic).spread > 0.3


def test_descan_that_is_not_there_is_not_made_up():
    rng = np.random.default_rng(10)
    places = np.stack(np.meshgrid(np.arange(5), np.arange(5)), -1).reshape(-1, 2) * 13.0
    planes = [fit_plane(places, rng.normal(50, 0.1, (25, 2))) for _ in range(40)]
    assert sum(plane.slopes.any() for plane in planes) <= 6
    assert sum(plane.bends.any() for plane in planes) <= 2
    assert not fit_plane(np.zeros((1, 2)), np.array([(3.0, 4.0)])).slopes.any()
