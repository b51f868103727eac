# SPDX-License-Identifier: GPL-3.0-or-later
"""Thickness, tilt and orientation of mean patterns whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from scipy.signal import fftconvolve

from polarstem.errors import PolarstemError
from polarstem.scans.specimen.lattice_seen import OTHER, OWN
from polarstem.scans.specimen.pacbed import PacbedFitter
from polarstem.scans.specimen.pacbed_tiles import fit_tiles
from polarstem.scans.specimen.pattern_image import PatternImage
from polarstem.simulate.jobs.compute_library import write_library
from polarstem.simulate.microscope.camera import Camera, pixel_angles
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
    # thin crystals show it least
    assert low <= ROTATION <= high
    assert fit.tilt_error < 0.8
    assert fit.tilt.value == pytest.approx(TILT, abs=2 * fit.tilt_error)
    assert fit.residual.min() < 0.1
    inside = np.isfinite(fit.measured)
    assert np.nansum(fit.measured) == pytest.approx(1)
    assert np.abs(fit.measured - fit.simulated)[inside].sum() < 0.06


def test_a_turned_detector_turns_the_orientation_and_not_the_tilt(fitter, image_of):
    one, other = (fitter.fit(image_of((1, 0, 1), 4, turn), **WHERE) for turn in (-20.0, 10.0))
    assert other.rotation.value - one.rotation.value == pytest.approx(30, abs=1)
    np.testing.assert_allclose(one.tilt.value, other.tilt.value, atol=0.2)


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


def test_brightness_does_not_matter(fitter, image_of):
    image = image_of((1, 1, 0), 2)
    one, other = (fitter.fit(each, **WHERE) for each in (image, 0.01 * image))
    assert one.thickness.value == pytest.approx(other.thickness.value, abs=1e-3)


def scattered(image: np.ndarray, share: float, kind: str = "exponential") -> np.ndarray:
    """A share of the electrons of an image scattered once more, by about 10 mrad."""
    along = PIXEL * np.arange(-43, 44)
    radius = np.hypot(*np.meshgrid(along, along))
    kernel = {
        "exponential": np.exp(-radius / 10),
        "atoms": 1 / (radius**2 + 15**2) ** 2,
    }[kind]
    spread = fftconvolve(image, kernel / kernel.sum(), mode="same")
    mixed = (1 - share) * image + share * spread
    return np.random.default_rng(2).poisson(mixed.clip(0))


@pytest.mark.parametrize("kind", ["exponential", "atoms"])
@pytest.mark.parametrize("share", [0.1, 0.2])
@pytest.mark.parametrize("plane", [2, 4])
def test_diffuse_scattering_is_no_thickness(fitter, image_of, plane, share, kind):
    fit = fitter.fit(scattered(image_of((1, 1, 0), plane), share, kind), **WHERE)
    truth = fitter.library.thickness_nm[plane]
    assert fit.is_crystal
    assert fit.thickness.value == pytest.approx(truth, abs=1.0)
    low, high = fit.thickness.interval
    assert low <= truth <= high
    # thin crystals show it least
    assert fit.rotation.value == pytest.approx(ROTATION, abs=3.5 if plane == 2 else 2)
    assert fit.diffuse > share / 2


def test_much_diffuse_scattering_is_right_or_not_known(fitter, image_of):
    for plane in (2, 3, 4):
        fit = fitter.fit(scattered(image_of((1, 0, 1), plane), 0.4), **WHERE)
        if fit.is_crystal is not False:
            low, high = fit.thickness.interval
            assert low <= fitter.library.thickness_nm[plane] <= high
            assert fit.rotation.value == pytest.approx(ROTATION, abs=3)


def test_shares_of_scattering_are_not_negative(fitter, image_of):
    """A pattern sharper than the library's must not be explained so."""
    image = image_of((1, 1, 0), 3)
    sharper = image - 0.1 * scattered(image, 1.0)
    fit = fitter.fit(sharper.clip(0), **WHERE, rotation_deg=ROTATION)
    assert fit.diffuse >= 0


def test_a_known_thickness_narrows_the_interval(fitter, image_of):
    image, truth = image_of((1, 1, 0), 3), fitter.library.thickness_nm[3]
    free = fitter.fit(image, **WHERE, rotation_deg=ROTATION)
    assert free.thickness.value == free.measured_thickness.value
    low, high = free.thickness.interval
    limit = free.thickness.value + 0.02
    ranged = fitter.fit(image, **WHERE, rotation_deg=ROTATION, thickness_nm=(5.0, limit))
    assert ranged.measured_thickness == free.measured_thickness
    assert ranged.thickness.value == pytest.approx(free.thickness.value)
    assert ranged.thickness.interval[1] < high
    assert ranged.thickness.interval[0] == pytest.approx(low, abs=0.05)
    number = fitter.fit(image, **WHERE, rotation_deg=ROTATION, thickness_nm=truth)
    assert abs(number.thickness.value - truth) <= abs(free.thickness.value - truth)
    assert not number.warnings


def test_a_contradicted_thickness_is_told(fitter, image_of):
    """And the interval reaches over both, as one of them is wrong."""
    image = image_of((1, 1, 0), 3)  # 9.9 nm
    fit = fitter.fit(image, **WHERE, rotation_deg=ROTATION, thickness_nm=(5.0, 6.0))
    message = fit.warnings[-1]
    assert "given as 5 to 6 nm, the mean pattern is that of" in message
    low, high = fit.thickness.interval
    assert low <= 5
    assert high >= fit.measured_thickness.interval[1]
    for wrong in (-1.0, (6.0, 5.0), (1.0, float("nan"))):
        with pytest.raises(PolarstemError, match="give one positive number, or two"):
            fitter.fit(image, **WHERE, thickness_nm=wrong)


def test_orientation_near_an_angle(fitter, image_of):
    """Modulo the period; whether another one fits better is told."""
    image = image_of((1, 1, 0), 4)
    near = fitter.fit(image, **WHERE, near_deg=(ROTATION + 92.0, 6.0))
    assert near.rotation.value == pytest.approx(ROTATION + 90, abs=2)
    assert near.elsewhere is None or not near.elsewhere.clearly
    wrong = fitter.fit(image, **WHERE, near_deg=(ROTATION + 45.0, 5.0))
    assert abs(wrong.rotation.value - ROTATION - 45) <= 5
    assert wrong.is_crystal is False
    assert wrong.elsewhere.clearly
    assert wrong.elsewhere.better_by > 0
    assert (wrong.elsewhere.rotation_deg - ROTATION + 45) % 90 - 45 == pytest.approx(0, abs=2)
    beside = fitter.fit(image, **WHERE, near_deg=(ROTATION + 8.0, 3.0))
    assert ROTATION + 5 <= beside.rotation.value <= ROTATION + 11  # though 8 degrees off is better
    with pytest.raises(PolarstemError, match="no exact angle beside it"):
        fitter.fit(image, **WHERE, near_deg=(0.0, 5.0), rotation_deg=0.0)


def _quadrant_gone(image: np.ndarray) -> np.ndarray:
    rows, columns = (round(part) for part in CENTRE)
    left = image.copy()
    left[:rows, :columns] = 0
    return left


NOT_THIS_CRYSTAL = {
    "square root": lambda image: image**0.5,
    "logarithm": lambda image: np.log1p(200 * image / image.max()),
    "clipped": lambda image: np.minimum(image, 0.35 * image.max()),
    "quadrant gone": _quadrant_gone,
}


@pytest.mark.parametrize("plane", [2, 4])
@pytest.mark.parametrize("name", NOT_THIS_CRYSTAL)
def test_what_is_not_this_crystal_is_told(fitter, image_of, name, plane):
    fit = fitter.fit(NOT_THIS_CRYSTAL[name](image_of((1, 1, 0), plane)), **WHERE)
    assert fit.misfit > OTHER
    assert fit.is_crystal is False
    assert fit.thickness is fit.measured_thickness is fit.tilt is None
    assert fit.warnings == (fit.about_crystal,)


@pytest.mark.parametrize("plane", [2, 3, 4])
@pytest.mark.parametrize("share", [0.0, 0.4])
def test_this_crystal_is_seen_at_any_thickness(fitter, image_of, plane, share):
    image = scattered(image_of((1, 0, 1), plane), share)
    fit = fitter.fit(image, **WHERE, rotation_deg=ROTATION)
    assert fit.misfit < OWN
    assert fit.is_crystal
    turned = fitter.fit(image, **WHERE, rotation_deg=ROTATION + 45)
    assert turned.misfit > fit.misfit + 0.2
    assert turned.is_crystal is not True


@pytest.mark.parametrize("counts", [None, 1e5])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_without_a_crystal_there_is_no_thickness(fitter, share, counts):
    """Vacuum, and an amorphous film."""
    x, y = np.meshgrid(np.arange(44) - CENTRE[1], np.arange(44) - CENTRE[0])
    disc = np.clip((20 - np.hypot(x, y) * PIXEL) / PIXEL + 0.5, 0, 1)
    image = scattered(1e5 * disc, share).astype(float)
    if counts is not None:
        image = np.random.default_rng(0).poisson(image * counts / image.sum())
    fit = fitter.fit(image, **WHERE, electrons=counts)
    assert fit.is_crystal is (False if counts is None or not share else None)
    assert "no crystal" in fit.about_crystal
    assert fit.thickness is None
    low, high = fit.rotation.interval
    assert high - low == 90  # any


def test_too_few_electrons_give_no_orientation(fitter, image_of):
    """Right, or not said: two orientations fit alike within the noise."""
    image, open_ones = image_of((1, 0, 1), 2), 0
    random = np.random.default_rng(7)
    for counts in random.poisson(image / image.sum() * 2e4, (12, *image.shape)):
        fit = fitter.fit(counts, **WHERE, electrons=2e4)
        low, high = fit.rotation.interval
        assert (fit.rotation.value - ROTATION + 45) % 90 - 45 == pytest.approx(0, abs=12) or (
            high - low == 90 and fit.thickness is None
        )
        if "both explain the mean pattern" in fit.about_crystal:
            open_ones += fit.thickness is None
    assert open_ones


def test_the_ends_of_the_library_are_told(fitter, image_of):
    thickest = image_of((1, 1, 0), 5)
    [message] = fitter.fit(thickest, **WHERE).warnings
    assert "outside the library (4.0-13.9 nm)" in message


def test_intervals_of_tiles_hold_the_truth(fitter, image_of):
    """36 positions of 1e4 and 1e3 electrons; thicker or thinner than the scan, as in a wedge."""
    held, tilts = [], []
    random = np.random.default_rng(4)
    for variant in ((1, 1, 0), (1, 0, 1)):
        whole = fitter.fit(image_of(variant, 3), **WHERE, rotation_deg=ROTATION)
        for plane, electrons in product((2, 3, 4), (36e3, 36e4)):
            image = image_of(variant, plane)
            tiles = random.poisson(image / image.sum() * electrons, (12, *image.shape))
            given = {"rotation_deg": ROTATION, "electrons": electrons, **WHERE}
            found = fit_tiles(fitter, tiles, whole, **given)
            truth = fitter.library.thickness_nm[plane]
            low, high = found.interval_nm.T
            held += ((low <= truth) & (truth <= high)).tolist()
            tilts += ((found.tilt_mrad - TILT) / found.tilt_error_mrad[:, None]).ravel().tolist()
            assert found.misfit == pytest.approx(1, abs=0.3)
            assert np.median(high - low) < (2.0 if electrons == 36e4 else 4.0)
    assert 0.90 <= np.mean(held) <= 0.995
    assert np.mean(np.abs(tilts) < 2) >= 0.90


def test_noise_widens_the_intervals_of_tiles(fitter, image_of):
    """Whether the electrons are told or noise is what a tile deviates by more than its scan."""
    image = image_of((1, 1, 0), 3)
    whole = fitter.fit(image, **WHERE, rotation_deg=ROTATION)
    random = np.random.default_rng(4)
    for told in (True, False):
        widths = []
        for electrons in (9e3, 36e5):
            tiles = random.poisson(image / image.sum() * electrons, (4, *image.shape))
            given = {"rotation_deg": ROTATION, "electrons": electrons if told else None, **WHERE}
            widths.append(np.diff(fit_tiles(fitter, tiles, whole, **given).interval_nm).mean())
        assert widths[0] > 1.5 * widths[1]


def test_tiles_of_nothing_are_passed_over(fitter, image_of):
    image = image_of((1, 1, 0), 3)
    whole = fitter.fit(image, **WHERE, rotation_deg=ROTATION)
    tiles = np.stack([image, np.full_like(image, np.nan), np.zeros_like(image)])
    found = fit_tiles(fitter, tiles, whole, rotation_deg=ROTATION, **WHERE)
    assert np.isfinite(found.thickness_nm).tolist() == [True, False, False]
    assert found.thickness_nm[0] == pytest.approx(whole.thickness.value, abs=0.1)
    with pytest.raises(PolarstemError, match="tile, ky, kx"):
        fit_tiles(fitter, image, whole)
    vacuum = fitter.fit(_quadrant_gone(image), **WHERE)
    with pytest.raises(PolarstemError, match="no thickness where their scan has none"):
        fit_tiles(fitter, tiles, vacuum)


def test_what_is_no_pattern_is_refused(fitter):
    with pytest.raises(PolarstemError, match="of one brightness"):
        fitter.fit(np.ones((20, 20)))
    with pytest.raises(PolarstemError, match="two-dimensional"):
        fitter.fit(np.zeros((2, 20, 20)))
    with pytest.raises(PolarstemError, match="check its mrad per pixel"):
        fitter.fit(np.eye(20), mrad_per_pixel=1.0)


@pytest.fixture(scope="module")
def along_110(library_recipe, tmp_path_factory) -> PacbedFitter:
    """Of a crystal whose projected cell is a rectangle: half a turn is its period."""
    file = tmp_path_factory.mktemp("library") / "library.nc"
    structure = {**library_recipe["structure"], "zone_axis": [1, 1, 0]}
    recipe = {**library_recipe, "structure": structure, "thicknesses_nm": [4, 6, 8, 10]}
    write_library(file, recipe)
    return PacbedFitter(Library.open(file))


@pytest.mark.parametrize("turn", [-70.0, 20.0])
def test_half_a_turn_is_the_period_along_110(along_110, turn):
    library = along_110.library
    assert library.fold == 2
    tilts, images = library.all_tilts
    node = int(np.flatnonzero((tilts == (1.5, 0.0)).all(axis=1))[0])
    pixel = library.mrad_per_pixel / 2
    fine = PatternImage.of(images[2, node], pixel, None).smoothed(pixel)
    n = 2 * library.pixels
    along = pixel_angles(n, pixel)
    turned, _ = fine.sample(np.stack(np.meshgrid(along, -along), axis=-1), -turn)
    image = turned.reshape(n, n).clip(0)
    fit = along_110.fit(image, mrad_per_pixel=pixel)
    assert fit.period_deg == 180
    assert (fit.rotation.value - turn + 90) % 180 - 90 == pytest.approx(0, abs=2)
    assert fit.thickness.value == pytest.approx(library.thickness_nm[2], abs=0.5)
    # a quarter turn is another crystal, and is looked for where it is expected
    quarter = along_110.fit(image, mrad_per_pixel=pixel, near_deg=(turn + 90, 10.0))
    assert quarter.is_crystal is not True
    assert quarter.elsewhere.clearly
