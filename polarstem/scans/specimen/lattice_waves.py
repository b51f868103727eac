# SPDX-License-Identifier: GPL-3.0-or-later
"""Fourier coefficients of a scan's images at the frequencies of a lattice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.optimize import minimize

FIRST = np.array([(0, 1), (1, 0), (1, 1), (1, -1)])
"""Indices of the first coefficients, along the cell's y and x."""


def flattened(images: NDArray[np.floating], positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Images without what varies more slowly than the lattice, each of unit variance.

    Parameters
    ----------
    images : ndarray, shape (ny, nx, feature)
        Values that are no numbers are left out: they become 0.
    positions : ndarray, shape (2,)
        Along a cell, y and x.
    """
    known = np.isfinite(images).all(axis=-1)
    blur = (*positions, 0)
    share = np.maximum(gaussian_filter(known.astype(float), blur[:2]), 1e-6)[..., None]
    values = np.where(known[..., None], images, 0.0).astype(np.float64)
    rest = np.where(known[..., None], values - gaussian_filter(values, blur) / share, 0.0)
    spread = rest.std(axis=(0, 1))
    flat: NDArray[np.float64] = rest / np.where(spread > 0, spread, 1.0)
    return flat


def coefficients(
    signals: NDArray[np.float64],
    vectors: NDArray[np.float64],
    step: NDArray[np.float64],
    row_shift: NDArray[np.float64] | None = None,
) -> NDArray[np.complex128]:
    """Fourier coefficients (vector, feature).

    Parameters
    ----------
    signals : ndarray, shape (ny, nx, feature)
        Images.
    vectors : ndarray, shape (vector, 2)
        Spatial frequencies, y and x [1/nm].
    step : ndarray, shape (2,)
        Distance of positions along y and x [nm].
    row_shift : ndarray, shape (ny, 2), optional
        By which rows lie farther along y and x [nm].
    """
    ny, nx, count = signals.shape
    down = np.exp(-2j * np.pi * row_phases(vectors, ny, step, row_shift))
    right = np.exp(-2j * np.pi * np.outer(vectors[:, 1], np.arange(nx) * step[1]))
    rows = (down @ signals.reshape(ny, -1)).reshape(len(vectors), nx, count)
    return np.einsum("vx,vxf->vf", right, rows) / (ny * nx)


def row_phases(
    vectors: NDArray[np.float64],
    ny: int,
    step: NDArray[np.float64],
    row_shift: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """Cycles of waves (vector, ny) at the first position of each row."""
    places = np.zeros((ny, 2))
    places[:, 0] = np.arange(ny) * step[0]
    cycles: NDArray[np.float64] = vectors @ (places if row_shift is None else places + row_shift).T
    return cycles


def refined(
    reciprocal: NDArray[np.float64], signals: NDArray[np.float64], step: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The reciprocal vectors (columns) at which the first coefficients hold the most power."""
    extent = np.array(signals.shape[:2]) * step

    def loss(steps: NDArray[np.float64]) -> float:
        moved = reciprocal + steps.reshape(2, 2) / extent[:, None]
        return -float(np.square(np.abs(coefficients(signals, FIRST @ moved.T, step))).sum())

    found = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-6})
    moved: NDArray[np.float64] = reciprocal + found.x.reshape(2, 2) / extent[:, None]
    return moved
