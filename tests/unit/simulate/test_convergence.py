# SPDX-License-Identifier: GPL-3.0-or-later
"""The standard grid of 40 pixels per cell against one twice as fine: KNN, 24 mrad, 20 nm."""

from __future__ import annotations

import numpy as np
import pytest
from scattering_cases import microscope

from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.potential.frozen_phonons import thermal_columns
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix

STANDARD, FINE = 40, 80
NM = [20.0]
POSITIONS = np.random.default_rng(0).random((6, 2)) * 4
RECIPE = {
    "material": "KNN",
    "name": "test",
    "specimen_set": "test",
    "split": "train",
    "class_index": 1,
    "class_name": "RU",
    "direction_deg": 45.0,
    "variant": (1, 1, 0),
    "phase": "O",
    "zone_axis": (0, 0, 1),
    "a_site": "random",
    "cells": (1, 1),
    "thickness_nm": 20.5,
    "seed": 3,
}


def patterns(specimen, pixels: int, thermal_scale: float = 0.0) -> np.ndarray:
    """Up to 48 mrad, a field of two cells."""
    settings = microscope(pixels_per_cell=pixels, detector={"pixels": 48, "mrad_per_pixel": 2.0})
    matrix = compute_scattering_matrix(
        specimen, NM, settings, cells=(2, 2), thermal_scale=thermal_scale
    )
    eye = VirtualMicroscope(matrix, settings.detector)
    return eye.measure(POSITIONS, NM, Optics(24.0))[0].numpy()


def error(standard: np.ndarray, fine: np.ndarray) -> float:
    """Relative L1, the mean over the positions."""
    return float((np.abs(standard - fine).sum((1, 2)) / fine.sum((1, 2))).mean())


@pytest.mark.parametrize(("scale", "bound"), [(0.0, 0.025), (1.0, 0.01)], ids=["rest", "smeared"])
def test_standard_grid_is_converged(crystal, scale, bound):
    specimen = crystal("RU", cells=(1, 1), thickness_nm=0.4)
    standard, fine = (patterns(specimen, pixels, scale) for pixels in (STANDARD, FINE))
    assert error(standard, fine) < bound
    # and the error would be seen: of a grid that is too coarse
    assert error(patterns(specimen, 32, scale), fine) > bound


def test_standard_grid_is_converged_for_moving_atoms():
    sums = [np.zeros((len(POSITIONS), 48, 48), np.float32) for _ in range(2)]
    for column in thermal_columns(RECIPE, 3, 1.0):
        for total, pixels in zip(sums, (STANDARD, FINE), strict=True):
            total += patterns(column, pixels)
    assert error(*sums) < 0.01
