# SPDX-License-Identifier: GPL-3.0-or-later
"""Poisson counts, and a detector with its faults."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from polarstem.config.physics import Detector
from polarstem.errors import PolarstemError
from polarstem.simulate.microscope import camera as camera_module
from polarstem.simulate.microscope.camera import Camera, pixel_angles
from polarstem.simulate.microscope.noise import count_electrons
from polarstem.simulate.multislice.probes import Sampling, on_camera


@pytest.mark.parametrize("mean", [0.0, 1e-3, 0.7, 9.9, 31.9, 32.1, 60.0, 4e4])
def test_counts_are_poisson(mean):
    number = 100_000
    counts = count_electrons(torch.full((number,), mean), seed=3).numpy()
    expected = scipy.stats.poisson(mean)
    quantiles = np.linspace(0.02, 0.98, 25)
    edges = np.arange(5) if mean < 1 else np.unique(expected.ppf(quantiles))
    shares = np.diff(expected.cdf([-1, *edges, np.inf]))
    found = np.histogram(counts, [-0.5, *(edges + 0.5), np.inf])[0]
    likely = shares * number > 5
    chi2 = ((found - shares * number)[likely] ** 2 / (shares * number)[likely]).sum()
    assert chi2 < scipy.stats.chi2(max(1, likely.sum() - 1)).ppf(0.999)
    other = count_electrons(torch.full((number,), mean), seed=4).numpy()
    if mean > 0.5:
        assert abs(np.corrcoef(counts, other)[0, 1]) < 0.015
        assert abs(np.corrcoef(counts[1:], counts[:-1])[0, 1]) < 0.015


@given(
    half=st.integers(1, 60),
    sample=st.floats(0.1, 5),
    pixels=st.integers(1, 80),
    pixel=st.floats(0.1, 5),
)
def test_projection_conserves_and_is_symmetric(half, sample, pixels, pixel):
    """One axis: samples in a row, each a pattern of its own."""
    along = np.arange(-half, half + 1) * sample
    places = np.stack([along, np.zeros_like(along)], axis=1)
    camera = Camera(pixels, pixel)
    footprint = camera.footprint(places, np.diag([sample, 1e-3 * pixel]))
    images = camera.project(torch.eye(len(along)), footprint).numpy().sum(1)  # sample, column
    np.testing.assert_allclose(images, images[::-1, ::-1], atol=1e-6)
    reach = np.abs(along) + sample / 2
    inside = reach <= pixels * pixel / 2
    np.testing.assert_allclose(images.sum(1)[inside], 1, rtol=1e-5)
    assert images.sum(1).max() <= 1 + 1e-5
    assert images.min() >= 0


def test_one_bright_sample_lands_where_it_should():
    """abTEM's kx (first axis) becomes the column, +ky (second axis) the upper row."""
    array = np.zeros((1, 8, 8), np.float32)  # -Nyquist row first, zero angle at index 4
    array[0, 4 + 2, 4 + 1] = 1.0  # kx = +2, ky = +1 samples
    [picture] = on_camera(array, Sampling((1.0, 1.0)), Camera(7, 1.0))
    assert np.argwhere(picture > 0.5).tolist() == [[3 - 1, 3 + 2]]
    assert picture.sum() == pytest.approx(1)


def test_rectangular_samples():
    """Unequal sampling along x and y still gives square pixels."""
    array = np.random.default_rng(0).random((6, 21, 31)).astype(np.float32)
    pictures = on_camera(array, Sampling((1.5, 1.0)), Camera(40, 1.0))
    assert pictures.shape == (6, 40, 40)
    np.testing.assert_allclose(pictures.sum((-1, -2)), array.sum((-1, -2)), rtol=1e-5)
    array[:] = 0
    array[:, 10 + 4, 15 - 7] = 1  # 6 mrad right, 7 mrad down
    assert moments(on_camera(array, Sampling((1.5, 1.0)), Camera(40, 1.0))[0])[1] == pytest.approx(
        (6, -7)
    )


def test_pixel_angles_are_centred():
    np.testing.assert_allclose(pixel_angles(4, 2.0), [-3, -1, 1, 3])
    np.testing.assert_allclose(pixel_angles(3, 1.5), [-1.5, 0, 1.5])


STEPS = np.diag([1.0, 1.0])


def sampled(function, half=40):
    """Samples of a pattern, 1 mrad apart, and their angles."""
    side = np.arange(-half, half + 1.0)
    angles = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    values = function(*angles.T).astype(np.float32)
    return torch.from_numpy(values)[:, None], angles


def image(camera: Camera, function) -> np.ndarray:
    intensity, angles = sampled(function)
    return camera.project(intensity, camera.footprint(angles, STEPS))[0].numpy()


def spot(x0, y0, width=3.0):
    return lambda x, y: np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / 2 / width**2)


def moments(picture):
    """Sum, centre (x right, y up) and second moments about it [pixels]."""
    side = np.arange(len(picture)) - (len(picture) - 1) / 2
    x, y = np.meshgrid(side, -side)
    total = picture.sum()
    mx, my = (picture * x).sum() / total, (picture * y).sum() / total
    second = [((x - mx) ** 2), ((y - my) ** 2), (x - mx) * (y - my)]
    return total, (mx, my), [(picture * s).sum() / total for s in second]


def test_geometry_moves_the_pattern_as_told():
    """Centre and widths of a spot, by hand; nothing is lost on a wide detector."""
    function = spot(12.0, 5.0)
    whole = sampled(function)[0].sum().item()
    plain = moments(image(Camera(60, 1.5), function))
    assert plain[0] == pytest.approx(whole, rel=1e-5)
    np.testing.assert_allclose(plain[1], (8.0, 5 / 1.5), atol=1e-3)
    quarter = moments(image(Camera(60, 1.5, rotation_deg=90.0), function))
    np.testing.assert_allclose(quarter[1], (-5 / 1.5, 8.0), atol=1e-3)
    turned = moments(image(Camera(60, 1.5, rotation_deg=30.0), function))
    angle = np.deg2rad(30) + np.arctan2(5, 12)
    np.testing.assert_allclose(
        turned[1], np.array((np.cos(angle), np.sin(angle))) * 13 / 1.5, atol=1e-3
    )
    moved = moments(image(Camera(60, 1.5, shift_pixels=(2.3, 1.1)), function))
    np.testing.assert_allclose(np.subtract(moved[1], plain[1]), (2.3, -1.1), atol=1e-3)
    stretched = moments(image(Camera(60, 1.5, ellipticity=0.21, ellipticity_deg=90.0), function))
    np.testing.assert_allclose(stretched[1], (8 / 1.1, 5 / 1.5 * 1.1), atol=1e-3)
    for found in (quarter, turned, moved, stretched):
        assert found[0] == pytest.approx(whole, rel=1e-5)
    # a long axis along the diagonal correlates x and y
    _, _, (xx, yy, xy) = moments(image(Camera(60, 1.5, 0, 0.21, 45.0), function))
    assert xx == pytest.approx(yy, rel=1e-3)
    assert xy / xx == pytest.approx((1.21 - 1 / 1.21) / (1.21 + 1 / 1.21), rel=0.1)


def test_turning_by_quarters_is_exact():
    rng = np.random.default_rng(0)
    values = rng.random(81 * 81)
    plain = image(Camera(32, 2.0), lambda x, y: values)
    for quarters in (1, 2, 3):
        turned = image(Camera(32, 2.0, rotation_deg=90.0 * quarters), lambda x, y: values)
        np.testing.assert_allclose(turned, np.rot90(plain, quarters), rtol=2e-5)


def test_the_camera_reports_its_corners():
    tilted = Camera(20, 2.0, rotation_deg=45.0)
    assert np.abs(tilted.corners_mrad).max() == pytest.approx(20 * np.sqrt(2))
    shifted = Camera(20, 2.0, shift_pixels=(3.0, 0.0))
    assert shifted.corners_mrad[:, 0].min() == pytest.approx(-26)
    assert shifted.corners_mrad[:, 0].max() == pytest.approx(14)


def test_devices_spread_alike():
    """The way for a GPU, run on the CPU."""
    intensity, angles = sampled(lambda x, y: 1 + np.sin(x) * np.cos(y / 3))
    several = intensity * torch.arange(1.0, 4.0)
    camera = Camera(24, 1.3, 12.0, 0.05, 30.0, (0.4, -2.2))
    footprint = camera.footprint(angles, STEPS)
    out = torch.zeros(24 * 24, 3)
    camera_module._spread_on_device(several, *footprint, 24, out)
    expected = camera.project(several, footprint)
    np.testing.assert_allclose(out.T.reshape(3, 24, 24), expected, rtol=2e-5)


@pytest.mark.parametrize("sigma", [0.3, 0.8, 2.0])
def test_point_spread(sigma):
    """Against electrons that are displaced one by one."""
    spike = torch.zeros(1, 31, 31)
    spike[0, 15, 15] = 1.0
    found = Camera(31, 1.0, psf_pixels=sigma).expose(spike.clone(), None)[0].numpy()
    rng = np.random.default_rng(0)
    hits = rng.uniform(15, 16, (2, 400_000)) + rng.normal(0, sigma, (2, 400_000))
    counted = np.histogram2d(*hits, bins=np.arange(32))[0] / 400_000
    assert np.abs(found - counted).sum() < 0.02
    assert found.sum() == pytest.approx(1, abs=1e-5)


def test_background_counting_and_faults_in_order():
    gain = np.full((8, 8), 2.0, np.float32)
    dead = np.zeros((8, 8), bool)
    dead[3, 4] = True
    faulty = Camera(8, 1.0, background=0.64, saturation=120, gain=gain, dead=dead)
    images = torch.zeros(500, 8, 8)
    images[:, 0, 0] = 0.5
    counts = faulty.expose(images.clone(), dose=1000, seed=1).numpy()
    assert (counts[:, 3, 4] == 0).all()
    assert (counts[:, 0, 0] == 240).all()  # saturated at 120, then read twice as high
    elsewhere = counts[:, 5, 5] / 2
    assert elsewhere.mean() == pytest.approx(10, rel=0.05)
    assert elsewhere.var() == pytest.approx(10, rel=0.2)
    assert (elsewhere == elsewhere.round()).all()
    mean = Camera(8, 1.0, background=0.64, gain=gain).expose(images.clone(), None).numpy()
    assert mean[0, 0, 0] == pytest.approx(1.02)
    assert mean[0, 7, 7] == pytest.approx(0.02)


def test_bad_cameras_are_told_what_is_wrong():
    with pytest.raises(PolarstemError, match=r"gain map has shape \(4, 4\), .* 8 x 8 pixels"):
        Camera(8, 1.0, gain=np.ones((4, 4), np.float32))
    with pytest.raises(PolarstemError, match=r"psf_pixels is -1, .* not be negative"):
        Camera(8, 1.0, psf_pixels=-1.0)
    with pytest.raises(PolarstemError, match=r"mrad_per_pixel is 0, .* positive"):
        Camera(8, 0.0)
    with pytest.raises(PolarstemError, match=r"saturates at 63 counts, .* give a dose"):
        Camera(8, 1.0, saturation=63).expose(torch.zeros(1, 8, 8), None)
    assert Camera.of(Detector(pixels=8, mrad_per_pixel=2.0)) == Camera(8, 2.0)
