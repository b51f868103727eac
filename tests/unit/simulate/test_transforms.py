# SPDX-License-Identifier: GPL-3.0-or-later
"""Fourier transforms of both engines against numpy's; none of them is FFTW's."""

from __future__ import annotations

from unittest.mock import patch

import abtem
import numpy as np
import pytest
from abtem.core import fft

from polarstem.config.physics import Phonons
from polarstem.simulate.abtem_settings import abtem_settings
from polarstem.simulate.wave.antialias import transform_size
from polarstem.simulate.wave.transforms import Workspace


@pytest.fixture
def waves() -> np.ndarray:
    parts = np.random.default_rng(0).normal(size=(2, 3, 40, 48))
    return np.asarray(parts[0] + 1j * parts[1], np.complex64)


def test_a_workspace_transforms_in_place_and_back(waves):
    work, forward, backward = Workspace(waves.shape[1:]).batch(len(waves))
    work[:] = waves
    forward()
    np.testing.assert_allclose(work, np.fft.fft2(waves), atol=1e-4)
    backward()
    # not normalized: the factors of a slice carry the size
    np.testing.assert_allclose(work, waves * 40 * 48, atol=2e-3)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("name", "options"),
    [("fft2", {}), ("ifft2", {}), ("fftn", {"axes": (0, 2)}), ("ifftn", {"axes": (0, 1)})],
)
def test_abtem_gets_numpys_transforms(waves, name, options, overwrite):
    expected = getattr(np.fft, name)(waves, **options)
    given = waves.copy()
    with abtem_settings("cpu", 1):
        found = getattr(fft, name)(given, overwrite_x=overwrite, **options)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.shares_memory(found, given) == overwrite
    if not overwrite:
        np.testing.assert_array_equal(given, waves)


@pytest.mark.parametrize("projection", ["exact", "abtem"])
def test_abtem_runs_without_fftw(crystal, simulate, projection):
    """Whose plans are measured, so that their last digits are chance."""
    assert abtem.config.get("fft") == "fftw"
    with patch("pyfftw.FFTW", side_effect=AssertionError("a plan of FFTW")):
        found = simulate(
            crystal("RM"), [(0.5, 0.5)], phonons=Phonons(configurations=1), projection=projection
        )
    assert 0.5 < found.total.min() < 1.001


def smooth(number: int) -> bool:
    """Whether it has no other prime factors than 2, 3 and 5."""
    for prime in (2, 3, 5):
        while number % prime == 0:
            number //= prime
    return number == 1


def test_sizes_are_fast_and_the_smallest_such():
    for points in range(1, 400):
        size = transform_size(points)
        assert size >= points
        assert size % 8 == 0
        assert smooth(size)
        assert not any(smooth(n) for n in range(8 * -(-points // 8), size, 8))
