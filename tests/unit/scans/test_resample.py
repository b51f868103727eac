# SPDX-License-Identifier: GPL-3.0-or-later
"""Resampling to a model's grid, against the camera's own geometry."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from deflection import centre_of_mass

from polarstem.errors import PolarstemError
from polarstem.scans.calibration.resample import Resampler
from polarstem.simulate.microscope.camera import Camera

PIXELS, MRAD = 32, 3.0
STEP = 0.4  # of the samples of a smooth pattern [mrad]


def smooth_pattern() -> tuple[np.ndarray, np.ndarray]:
    """Angles x and y (up) [mrad] and intensities of a lopsided pattern with a soft disc."""
    along = np.arange(-46, 46 + STEP / 2, STEP)
    x, y = (part.ravel() for part in np.meshgrid(along, along))
    disc = 1 / (1 + np.exp((np.hypot(x, y) - 24) / 0.7))
    values = disc * (1 + 0.4 * np.cos(x / 5 - 0.3) * np.sin(y / 7)) + 0.1 * np.exp(
        -((x - 20) ** 2) / 90
    )
    values *= np.hypot(x, y) < 44
    return np.stack([x, y], 1), (values / values.sum()).astype(np.float32)


def on(camera: Camera) -> np.ndarray:
    samples, values = smooth_pattern()
    footprint = camera.footprint(samples, np.eye(2) * STEP)
    return camera.project(torch.from_numpy(values)[:, None], footprint).numpy()


def centre_of(camera: Camera) -> np.ndarray:
    right, down = camera.shift_pixels
    middle = camera.pixels / 2 - 0.5
    return np.array([(middle + down, middle + right)])


@pytest.mark.parametrize("rotation", [0.0, 31.0, -118.0])
@pytest.mark.parametrize(("pixels", "mrad"), [(256, 0.4), (96, 1.1)])
def test_pattern_is_where_the_models_camera_has_it(pixels, mrad, rotation):
    camera = Camera(
        pixels, mrad, rotation, ellipticity=0.03, ellipticity_deg=40, shift_pixels=(2.37, -1.61)
    )
    resampler = Resampler((pixels, pixels), mrad, PIXELS, MRAD, rotation, 0.03, 40)
    found = resampler(on(camera), centre_of(camera))
    expected = on(Camera(PIXELS, MRAD))
    off = (centre_of_mass(found, 1.0) - centre_of_mass(expected, 1.0))[0]
    assert np.abs(off).max() < 0.02
    # a detector pixel of about a third of the model's blurs the edge of the disc
    assert np.abs(found - expected).sum() < (0.01 if mrad < 1 else 0.04)
    assert found.sum() == pytest.approx(1, abs=2e-4)


@pytest.mark.parametrize("rotation", [0.0, 17.0])
def test_shares_are_the_cameras(rotation):
    rng = np.random.default_rng(1)
    shape, mrad = (40, 52), 1.3
    resampler = Resampler(shape, mrad, PIXELS, MRAD, rotation)
    centre = np.rint(np.array([19.2, 26.7]) / resampler._step) * resampler._step
    pattern = rng.poisson(3.0, shape).astype(np.float32)
    row, column = np.indices(shape).reshape(2, -1)
    turn = Camera(PIXELS, mrad, rotation).matrix
    angles = np.linalg.solve(turn, [column - centre[1], centre[0] - row]).T
    model = Camera(PIXELS, MRAD)
    footprint = model.footprint(angles, np.linalg.inv(turn).T)
    expected = model.project(torch.from_numpy(pattern.reshape(-1, 1)), footprint).numpy()[0]
    found = resampler(pattern[None], centre[None])[0]
    seen = resampler.covered(centre) > 1 - 1e-9
    assert 200 < seen.sum() < PIXELS**2
    np.testing.assert_allclose(found[seen], expected[seen], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rotation", [0.0, 45.0])
def test_bad_pixels_and_what_is_beyond_the_detector_leave_a_flat_pattern_flat(rotation):
    rng = np.random.default_rng(2)
    bad = rng.random((120, 120)) < 0.05
    bad[60, :] = True
    patterns = np.full((3, 120, 120), 7, np.uint16)
    patterns[:, bad] = 65535
    resampler = Resampler((120, 120), 0.6, PIXELS, MRAD, rotation, bad=bad)
    centres = np.array([(59.5, 59.5), (58.2, 61.1), (61.0, 60.3)])
    found = resampler(patterns, centres)
    np.testing.assert_allclose(found, 7 * (MRAD / 0.6) ** 2, rtol=0.05 if rotation else 1e-4)
    assert found[:, 10:22, 10:22] == pytest.approx(7 * 25, rel=0.03 if rotation else 1e-4)


def test_counts_are_conserved_and_types_do_not_matter():
    rng = np.random.default_rng(3)
    patterns = np.zeros((4, 240, 240), np.uint16)
    patterns[:, 70:170, 70:170] = rng.poisson(5, (4, 100, 100))
    centres = 119.5 + rng.uniform(-2, 2, (4, 2))
    for rotation in (0.0, 25.0):
        resampler = Resampler((240, 240), 0.6, PIXELS, MRAD, rotation)
        found = resampler(patterns, centres)
        np.testing.assert_allclose(found.sum((1, 2)), patterns.sum((1, 2)), rtol=1e-5)
        for kind in (">u2", np.uint8, np.float64, np.int32):
            other = resampler(patterns.astype(kind), centres)
            np.testing.assert_allclose(other, found, rtol=1e-6)


def test_a_pattern_turned_counter_clockwise_is_turned_back():
    rng = np.random.default_rng(4)
    patterns = rng.poisson(5, (2, 80, 80)).astype(np.uint16)
    middle = np.full((2, 2), 39.5)
    straight = Resampler((80, 80), 1.3, PIXELS, MRAD)(patterns, middle)
    for quarters in (1, 2, 3):
        turned = np.rot90(patterns, quarters, (1, 2))  # as displayed: counter-clockwise
        found = Resampler((80, 80), 1.3, PIXELS, MRAD, 90.0 * quarters)(turned, middle)
        # but for the rounding of the centre
        assert np.abs(found - straight).sum() < 0.01 * straight.sum()
        assert np.abs(found[:, :, ::-1] - straight).sum() > 0.1 * straight.sum()


def test_each_pattern_has_its_own_centre():
    rows, columns = np.indices((90, 90))
    centres = np.array([(44.5, 44.5), (46.5, 41.5), (43.83, 47.21)])
    patterns = np.stack([np.exp(-((rows - r) ** 2 + (columns - c) ** 2) / 200) for r, c in centres])
    found = Resampler((90, 90), 0.9, PIXELS, MRAD)(patterns.astype(np.float32), centres)
    assert np.abs(centre_of_mass(found, 1.0)).max() < 0.012


def test_other_patterns_are_refused():
    resampler = Resampler((64, 64), 1.5, PIXELS, MRAD)
    with pytest.raises(PolarstemError, match=r"32 x 64 pixels.*64 x 64"):
        resampler(np.zeros((1, 32, 64), np.uint16), np.zeros((1, 2)))


@pytest.mark.parametrize("rotation", [0.0, 17.0])
def test_tables_of_many_centres_take_bounded_memory(rotation):
    """Of a large detector, whose patterns have centres of their own."""
    rng = np.random.default_rng(5)
    size, mrad = 700, 96 / 700
    patterns = rng.poisson(2, (40, size, size)).astype(np.uint8)
    centres = (size - 1) / 2 + rng.uniform(-20, 20, (40, 2))
    resampler = Resampler((size, size), mrad, PIXELS, MRAD, rotation)
    found = resampler(patterns, centres)
    kept = [sum(array.nbytes for array in table) for table in resampler._tables.values()]
    assert sum(kept) < 110e6
    one = Resampler((size, size), mrad, PIXELS, MRAD, rotation)
    for number in (0, 11, 39):
        part = slice(number, number + 1)
        np.testing.assert_allclose(one(patterns[part], centres[part]), found[part], rtol=1e-5)
