# SPDX-License-Identifier: GPL-3.0-or-later
"""Which scans cover the unit cell evenly, and what thickness the others give."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.scans.specimen.cover import EVEN, even_weights, uneven_cover
from polarstem.scans.specimen.pacbed import PacbedFitter


def grid(step: float, rows: int, columns: int) -> np.ndarray:
    """Places (n, 2) of a scan whose step is this fraction of a cell."""
    places = np.meshgrid(step * np.arange(rows), step * np.arange(columns), indexing="ij")
    return np.stack(places, axis=-1).reshape(-1, 2) + np.array([0.13, 0.41])


def test_cover_of_known_grids():
    assert uneven_cover(grid(1 / 6, 6, 12)) == pytest.approx(0, abs=1e-12)
    assert uneven_cover(grid(1 / 6, 1, 40)) == pytest.approx(1)
    assert uneven_cover(grid(0.5, 8, 8)) == pytest.approx(1)  # two phases: second order
    # |sum of three phases| / 3 = (1 + 2 cos 60 degrees) / 3
    assert uneven_cover(grid(1 / 6, 3, 3)) == pytest.approx(2 / 3)
    assert uneven_cover(np.empty((0, 2))) == 1.0
    diagonal = np.repeat(np.arange(6)[:, None] / 6, 2, axis=1)
    assert uneven_cover(diagonal) == pytest.approx(1)  # both axes even, their difference not


@pytest.mark.parametrize(
    ("step", "shape", "even"),
    [
        (1 / 6, (36, 36), True),
        (0.17, (30, 41), True),
        (1 / 6, (17, 20), True),
        (0.5, (24, 24), False),
        (1.0, (24, 24), False),
        (1 / 6, (1, 72), False),
        (1 / 6, (3, 72), False),
        (1 / 6, (3, 3), False),
    ],
)
def test_scans_that_are_position_averages(step, shape, even):
    assert (uneven_cover(grid(step, *shape)) <= EVEN) is even


def test_weights_make_a_cover_even():
    """One column more than whole cells: its phase counts twice."""
    places = grid(1 / 6, 7, 13)
    assert uneven_cover(places) > EVEN
    weights = even_weights(places, 6)
    assert weights is not None
    assert uneven_cover(places, weights) == pytest.approx(0, abs=1e-12)
    assert weights.mean() == pytest.approx(1)
    assert even_weights(grid(1 / 6, 3, 72), 6) is None  # half of the cell is never seen
    assert even_weights(grid(0.5, 8, 8), 2) is None  # all parts are held, but in two phases


def test_thickness_of_means_over_positions(small_library, column_matrix):
    """What is called even is within 1 nm of the position average, two phases are not."""
    from polarstem.simulate.microscope.camera import Camera
    from polarstem.simulate.microscope.optics import Optics
    from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope

    matrix = column_matrix((1, 1, 0))
    eye = VirtualMicroscope(matrix, Camera(20, 4.0))
    cell = np.array(matrix.grid.size[::-1])

    fitter = PacbedFitter(small_library)

    def thickness(places: np.ndarray) -> float:
        images = eye.measure(places[:, ::-1] * (1, -1) * cell, [matrix.nominal_nm[3]], Optics(20.0))
        found = fitter.fit(images[0].numpy().mean(0), rotation_deg=0.0)
        return np.nan if found.thickness is None else found.thickness.value

    truth = thickness(grid(1 / 6, 6, 6))
    almost = grid(1 / 6, 17, 17)
    assert EVEN / 2 < uneven_cover(almost) <= EVEN
    assert thickness(almost) == pytest.approx(truth, abs=1.0)
    for places in (grid(0.5, 6, 6), grid(1 / 6, 1, 36), grid(1 / 6, 3, 3)):
        assert thickness(places) != pytest.approx(truth, abs=1.0)
