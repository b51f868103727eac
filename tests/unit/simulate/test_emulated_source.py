# SPDX-License-Identifier: GPL-3.0-or-later
"""The source of an emulated experiment joins the positions of a periodic scan."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.simulate.jobs.emulate_specimen import _source


@pytest.mark.parametrize("fwhm", [0.8, 1.6])
def test_weights_are_a_gaussian_of_that_width(fwhm):
    count, step = 64, 0.25
    weights = _source(step * np.arange(count), step, count, fwhm)
    order = np.fft.fftfreq(count, step)  # cycles per Å
    sigma = fwhm / np.sqrt(8 * np.log(2))
    expected = np.exp(-2 * (np.pi * sigma * order) ** 2)
    np.testing.assert_allclose(np.fft.fft(weights[0]).real, expected, atol=2e-4)
    np.testing.assert_allclose(weights, weights.T, atol=1e-7)


@pytest.mark.parametrize("fwhm", [8.0, 40.0])
def test_a_source_wider_than_the_cell_sees_all_positions_alike(fwhm):
    weights = _source(0.5 * np.arange(8), 0.5, 8, fwhm)
    np.testing.assert_allclose(weights, 1 / 8, rtol=1e-3)
