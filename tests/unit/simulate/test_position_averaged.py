# SPDX-License-Identifier: GPL-3.0-or-later
"""The position-averaged pattern against the mean of patterns over a grid of positions."""

from __future__ import annotations

import numpy as np
import pytest

from polarstem.config.physics import Simulate
from polarstem.errors import PolarstemError
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.position_averaged import position_averaged
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix

NM = [2.0, 4.0]
OPTICS = [
    Optics(24.0),
    Optics(24.0, {"C10": -80.0, "C12": 40.0, "phi12": 0.3}),
    Optics(20.0, {"C10": 50.0}, (2.5, -1.7)),
    Optics(24.0, source_fwhm=0.9, defocus_spread=40.0),
    Optics(2.0),  # within one reciprocal cell: dark samples between
]


def difference(ours, theirs) -> float:
    return float((np.abs(ours - theirs).sum((-1, -2)) / theirs.sum((-1, -2))).max())


def averaged(eye: VirtualMicroscope, optics: Optics) -> np.ndarray:
    tilts = np.array([optics.tilt_mrad])
    return position_averaged(eye, eye.camera, tilts, optics.semiangle_mrad)[:, 0]


@pytest.fixture(scope="module", params=["square", "oblong"])
def eye(crystal, request) -> VirtualMicroscope:
    options = {} if request.param == "square" else {"zone_axis": (1, 1, 0), "cells": (2, 3)}
    specimen = crystal("RM", **options)
    settings = Simulate.model_validate(
        {"pixels_per_cell": 24, "detector": {"pixels": 36, "mrad_per_pixel": 2.0}}
    )
    matrix = compute_scattering_matrix(specimen, NM, settings, cells=(2, 3), margin_mrad=4.0)
    return VirtualMicroscope(matrix, settings.detector)


def mean_of_positions(eye: VirtualMicroscope, optics: Optics, count: int | None = None):
    """Mean over a grid of positions in the repeating unit."""
    y, x = eye.matrix.grid.size
    if count is None:
        # interference turns over the unit less often than the disc is wide in lattice vectors
        g, _ = eye.matrix.grid.split(eye.matrix.grid.indices)
        count = int(np.ptp(g, axis=0).max()) + 1
    side = np.arange(count) / count
    grid = np.stack(np.meshgrid(side * x, side * y), axis=-1).reshape(-1, 2) + 0.137
    return eye.measure(grid, NM, optics).mean(1).numpy()


@pytest.mark.parametrize("optics", OPTICS, ids=str)
def test_equals_the_mean_over_positions(eye, optics):
    ours = averaged(eye, optics)
    assert difference(ours, mean_of_positions(eye, optics)) < 1e-5
    if optics.semiangle_mrad > 10:
        one = mean_of_positions(eye, optics, 1)
        assert difference(ours, one) > 0.01


def test_the_camera_is_applied(eye):
    camera = Camera(26, 2.0, rotation_deg=20.0, ellipticity=0.03, shift_pixels=(0.4, -1.3))
    seen = VirtualMicroscope(eye.matrix, camera)
    optics = Optics(24.0, tilt_mrad=(-1.0, 2.0))
    ours = averaged(seen, optics)
    assert difference(ours, mean_of_positions(seen, optics)) < 1e-5
    assert difference(ours, averaged(seen, Optics(24.0, tilt_mrad=(1.0, 2.0)))) > 0.015


def test_many_tilts_at_once(eye):
    tilts = np.array([(0.0, 0.0), (1.5, -1.0), (-3.0, 2.0)])
    together = position_averaged(eye, eye.camera, tilts, 20.0)
    assert together.shape == (len(NM), 3, 36, 36)
    for number, (x, y) in enumerate(tilts.tolist()):
        alone = averaged(eye, Optics(20.0, tilt_mrad=(x, y)))
        np.testing.assert_allclose(together[:, number], alone, rtol=1e-4, atol=1e-9)


def test_what_the_matrix_does_not_hold_is_refused(eye):
    with pytest.raises(PolarstemError, match="30 mrad is outside"):
        averaged(eye, Optics(30.0))
    with pytest.raises(PolarstemError, match=r"tilt of 5 mrad .* up to 4 mrad"):
        averaged(eye, Optics(24.0, tilt_mrad=(5.0, 0.0)))
