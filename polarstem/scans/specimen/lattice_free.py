# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of a mean pattern needs no crystal: whatever is round, and a disc with a sharp edge.

A pattern that the library reproduces may be without any sign of a crystal, as that of vacuum or of
an amorphous film, which a thin crystal with much diffuse scattering resembles. So what the library
leaves unexplained is compared with what a pattern without a lattice leaves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polarstem.simulate.microscope.camera import pixel_angles

_FINE = 8  # samples along a pixel
_STEP = 1e-2  # of derivatives, as a share of a pixel
_TINY = 1e-8  # of the largest singular value


def round_columns(pixels: int, mrad_per_pixel: float, semiangle_mrad: float) -> NDArray[np.float64]:
    """What a pattern without a lattice consists of.

    Radial functions one pixel wide, and a disc with its derivatives by radius, place and
    ellipticity. Each radial function is continued by its derivatives by the place.

    Parameters
    ----------
    pixels : int
        Along each side.
    mrad_per_pixel : float
        [mrad]
    semiangle_mrad : float
        Of the disc [mrad].

    Returns
    -------
    ndarray, shape (pixel, column)
    """
    along = pixel_angles(pixels, mrad_per_pixel)
    x, y = np.meshgrid(along, -along)
    radius = np.hypot(x, y) / mrad_per_pixel
    knots = np.arange(0, radius.max() + 1)
    hats = np.clip(1 - np.abs(radius[..., None] - knots), 0, None)
    fine = pixel_angles(_FINE * pixels, mrad_per_pixel / _FINE)
    fx, fy = np.meshgrid(fine, -fine)
    soft = mrad_per_pixel / _FINE  # the samples' own size

    def disc(dx: float, dy: float, dr: float, stretch: float, skew: float) -> NDArray[np.float64]:
        u, v = fx - dx, fy - dy
        u, v = (1 + stretch) * u + skew * v, (1 - stretch) * v + skew * u
        inside = np.clip((semiangle_mrad + dr - np.hypot(u, v)) / soft + 0.5, 0, 1)
        boxes: NDArray[np.float64] = inside.reshape(pixels, _FINE, pixels, _FINE).mean((1, 3))
        return boxes

    none = np.zeros(5)
    step = 0.2 * mrad_per_pixel * np.array([1, 1, 1, 1 / semiangle_mrad, 1 / semiangle_mrad])
    parts = [disc(*none)]
    for number in range(5):
        moved = none.copy()
        moved[number] = step[number]
        parts.append(disc(*moved) - disc(*-moved))
    parts.append(disc(0, 0, step[2], 0, 0) + disc(0, 0, -step[2], 0, 0) - 2 * parts[0])
    columns = np.concatenate([hats, np.stack(parts, axis=-1)], axis=-1)
    flat: NDArray[np.float64] = columns.reshape(pixels * pixels, -1)
    return flat


def squares_left(
    columns: NDArray[np.float64], values: NDArray[np.float64], weights: NDArray[np.float64]
) -> float:
    """Weighted squared deviations of values (pixel,) from the best sum of the columns."""
    scaled = columns * weights[:, None]
    scale = np.linalg.norm(scaled, axis=0)
    scaled = scaled[:, scale > 0] / scale[scale > 0]
    measured = values * weights
    u, s, _ = np.linalg.svd(scaled, full_matrices=False)
    u = u[:, s > _TINY * s[0]]
    left = measured - u @ (u.T @ measured)
    return float(left @ left)
