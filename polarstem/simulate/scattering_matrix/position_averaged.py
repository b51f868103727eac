# SPDX-License-Identifier: GPL-3.0-or-later
"""Position-averaged convergent-beam patterns (PACBED) from a scattering matrix."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.microscope.optics import Optics, incident_waves
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope


def position_averaged(
    eye: VirtualMicroscope,
    camera: Camera,
    tilts: NDArray[np.float64],
    semiangle_mrad: float,
) -> NDArray[np.float32]:
    """Position-averaged patterns of all planes of a matrix at many tilts.

    A probe at x gives the incident wave N g + r the phase ``-2 pi (g + r / N) x / a``. Waves that
    meet in one exit wave share r: their interference turns with ``(g - g') x`` and averages out
    over the unit. What is left is a sum of intensities, ``sum_g |A(N g + r)|^2 |S(g -> G)|^2``: it
    needs no grid of positions, and aberrations, source size and defocus spread do not matter
    (J. M. LeBeau et al., Ultramicroscopy 110, 118 (2010)).

    Parameters
    ----------
    eye : VirtualMicroscope
        Its matrix is the crystal.
    camera : Camera
        The detector; its geometry alone is used.
    tilts : ndarray, shape (tilt, 2)
        Beam tilts along x and y [mrad].
    semiangle_mrad : float
        Convergence semi-angle [mrad].

    Returns
    -------
    ndarray, shape (thickness, tilt, ky, kx), float32
        Fraction of the incident beam in each pixel; ky points down.

    Raises
    ------
    PolarstemError
        If the matrix does not hold the aperture at these tilts.
    """
    matrix, grid = eye.matrix, eye.matrix.grid
    illuminations = [Optics(semiangle_mrad, tilt_mrad=(x, y)) for x, y in tilts.tolist()]
    for optics in illuminations:
        optics.check(grid)
    weights = np.stack(
        [np.abs(incident_waves(grid, grid.indices, optics)) ** 2 for optics in illuminations]
    ).astype(np.float32)
    planes = len(matrix.array)
    groups = grid.groups
    sums = np.empty((len(tilts), len(groups.rows), matrix.array[0, 0].size, planes), np.float32)
    for group, (rows, used) in enumerate(zip(groups.rows, groups.used, strict=True)):
        waves = rows[used]
        scattered = np.square(np.abs(matrix.array[:, waves])).reshape(planes, len(waves), -1)
        sums[:, group] = np.einsum("tw,pwg->tgp", weights[:, waves], scattered, optimize=True)
    samples = eye.samples.reshape(-1, 2)
    steps = np.diag(grid.mrad_per_box[::-1])
    images = np.empty((planes, len(tilts), camera.pixels, camera.pixels), np.float32)
    for number, optics in enumerate(illuminations):
        footprint = camera.footprint(samples, steps, centre=optics.centre_mrad[::-1])
        found = camera.project(torch.from_numpy(sums[number].reshape(len(samples), -1)), footprint)
        images[:, number] = found.numpy()
    return images
