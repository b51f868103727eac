# SPDX-License-Identifier: GPL-3.0-or-later
"""Position-averaged convergent-beam patterns (PACBED) from a scattering matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from polarstem.simulate.scattering.measure import VirtualMicroscope
from polarstem.simulate.scattering.optics import Optics, incident_waves


def position_averaged(
    eye: VirtualMicroscope, thicknesses_nm: Sequence[float], optics: Optics
) -> torch.Tensor:
    """Mean pattern over all probe positions of the repeating unit.

    A probe at x gives the incident wave N g + r the phase ``-2 pi (g + r / N) x / a``. Waves that
    meet in one exit wave share r: their interference turns with ``(g - g') x`` and averages out
    over the unit. What is left is a sum of intensities, ``sum_g |A(N g + r)|^2 |S(g -> G)|^2``: it
    needs no grid of positions, and aberrations, source size and defocus spread do not matter
    (J. M. LeBeau et al., Ultramicroscopy 110, 118 (2010)).

    Parameters
    ----------
    eye : VirtualMicroscope
        Scattering matrix and camera; memory and device are not used.
    thicknesses_nm : sequence of float
        Exit planes of the matrix [nm].
    optics : Optics
        Convergence semi-angle and tilt.

    Returns
    -------
    Tensor, shape (thickness, ky, kx), float32
        Fraction of the incident beam in each pixel; ky points down.

    Raises
    ------
    PolarstemError
        If the matrix does not hold what is asked for.
    """
    matrix, camera = eye.matrix, eye.camera
    grid = matrix.grid
    optics.check(grid)
    planes = [matrix.plane(thickness) for thickness in thicknesses_nm]
    weights = np.abs(incident_waves(grid, grid.indices, optics)) ** 2
    # waves are sorted by reduced wave vector: add up runs of the same one
    first = grid.groups.rows[:, 0]
    sums = np.stack(
        [
            np.add.reduceat(weights[:, None, None] * np.abs(matrix.array[plane]) ** 2, first)
            for plane in planes
        ],
        axis=-1,
    )
    angles = eye.samples.reshape(-1, 2)
    steps = np.diag(grid.mrad_per_sample[::-1])
    footprint = camera.footprint(angles, steps, centre=optics.centre_mrad[::-1])
    samples = torch.from_numpy(sums.reshape(len(angles), -1).astype(np.float32))
    return camera.expose(camera.project(samples, footprint), dose=None)
