# SPDX-License-Identifier: GPL-3.0-or-later
"""Ellipses of displacements: their covariances, and which of them hold an error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def covariances(sigma_x: Floats, sigma_y: Floats, correlation: Floats) -> Floats:
    """Covariances of two components.

    Parameters
    ----------
    sigma_x, sigma_y : ndarray, shape (n,)
        Standard deviations [pm].
    correlation : ndarray, shape (n,)

    Returns
    -------
    ndarray, shape (n, 2, 2)
        [pm^2].
    """
    mixed = correlation * sigma_x * sigma_y
    rows = np.array([[sigma_x**2, mixed], [mixed, sigma_y**2]], float)
    return np.moveaxis(rows, -1, 0)


def inside(error: Floats, covariance: Floats, level: float) -> NDArray[np.bool_]:
    """Whether errors lie inside the ellipse that holds a share of a normal distribution.

    Parameters
    ----------
    error : ndarray, shape (n, 2)
        [pm].
    covariance : ndarray, shape (n, 2, 2)
        [pm^2].
    level : float
        That share, 0.68 say. The squared length in units of the ellipse is chi squared with two
        degrees of freedom, whose quantile is -2 ln(1 - level).
    """
    square = np.einsum("ni,nij,nj->n", error, np.linalg.inv(covariance), error)
    return np.asarray(square <= -2 * np.log(1 - level))
