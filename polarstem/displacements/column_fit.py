# SPDX-License-Identifier: GPL-3.0-or-later
"""Gaussians fitted to atom columns in virtual images, as atomap and TEMUL do: what fits compete
with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from polarstem.models.family.deflection import DeflectionOptions, vector_weights
from polarstem.scans.specimen.rings import ring_signals

FloatArray = NDArray[np.float64]
SITES: Mapping[str, tuple[tuple[float, float], ...]] = {
    "A": ((0.5, 0.5),),
    "B": ((0.0, 0.0),),
    "O": ((0.5, 0.0), (0.0, 0.5)),
}
"""Columns along [001], right and up from the middle of the cell [cells]."""
IMAGES: Mapping[str, tuple[float, tuple[str, ...]]] = {
    "dark field": (1.0, ("A", "B")),
    "bright field": (-1.0, ("A", "B", "O")),
    "integrated": (1.0, ("A", "B", "O")),
}
"""Of each virtual image, whether columns are bright in it, and which are seen."""
WINDOW = 0.75
"""Half a side of what is fitted [cells]."""
DARK, BRIGHT = 3, 1
"""Rings of `polarstem.scans.specimen.rings.RINGS` for annular dark and bright field images."""
_PAIRS = ((1, 0), (1, 1), (2, 0))
CELL_FEATURES = (
    *("dark field B - A", "bright field B - A", "bright field B - O"),
    *("deflection", *(f"Friedel pairs {h} {k}" for h, k in _PAIRS)),
)
"""What `cell_columns` measures."""
_AROUND = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), axis=-1).reshape(-1, 2)  # cells
_WIDTH = 0.2  # of a column, to begin with [cells]


def fit_columns(
    places: FloatArray, values: FloatArray, sign: float, sites: Sequence[str]
) -> FloatArray:
    """Fit Gaussians to the columns about the middle of a cell.

    The columns of a sort have one height, one width and one displacement, those of the next cells
    included, and lie on a plane: its slopes take up what changes over many cells.

    Parameters
    ----------
    places : ndarray, shape (n, 2)
        Of the probe, right and up from the middle of the cell [cells].
    values : ndarray, shape (n,)
        Of the image.
    sign : float
        1 where columns are bright, -1 where they are dark.
    sites : sequence of str
        Sorts of columns, of `SITES`.

    Returns
    -------
    ndarray, shape (sites, 2)
        Their displacements, right and up [cells]; not a number where there is no fit.
    """
    spread = float(values.std())
    if spread == 0 or len(values) < 4 * len(sites) + 3:
        return np.full((len(sites), 2), np.nan)
    scaled = sign * (values - values.mean()) / spread
    columns = [np.concatenate([_AROUND + np.array(at) for at in SITES[site]]) for site in sites]
    near = [c[(np.abs(c) < WINDOW + 0.8).all(1)] for c in columns]

    def model(parameters: FloatArray) -> FloatArray:
        told = parameters[0] + places @ parameters[1:3]
        for at, (height, width, *shift) in zip(near, parameters[3:].reshape(-1, 4), strict=True):
            apart = ((places[:, None] - at - np.array(shift)) ** 2).sum(-1)
            told = told + height * np.exp(-apart / (2 * width**2)).sum(1)
        return np.asarray(told - scaled)

    start = np.concatenate([[-1.0, 0.0, 0.0], np.tile([1.5, _WIDTH, 0.0, 0.0], len(sites))])
    free = [-np.inf, -np.inf, -np.inf]
    low = np.concatenate([free, np.tile([0.0, 0.08, -0.2, -0.2], len(sites))])
    high = np.concatenate([-np.array(free), np.tile([np.inf, 0.4, 0.2, 0.2], len(sites))])
    fitted = least_squares(model, start, bounds=(low, high))
    if not fitted.success:
        return np.full((len(sites), 2), np.nan)
    shifts: FloatArray = fitted.x[3:].reshape(-1, 4)[:, 2:]
    return shifts


def cell_columns(
    patterns: NDArray[np.floating],
    fractions: FloatArray,
    pixel_semiangles: float,
    spacing_pixels: Sequence[float],
) -> FloatArray:
    """Fit the columns of one unit cell that repeats.

    Parameters
    ----------
    patterns : ndarray, shape (n, ky, kx)
    fractions : ndarray, shape (n, 2)
        y (down) and x of the probe in the cell, from the A column.
    pixel_semiangles : float
        Size of a pixel in units of the convergence semi-angle.
    spacing_pixels : sequence of float
        Distance of neighbouring reflections along x and y [pixels].

    Returns
    -------
    ndarray, shape (feature, 2)
        Right and up, in the order of `CELL_FEATURES`: differences between sorts of columns [cells],
        the mean deflection of the beam [semi-angles], and what Friedel pairs of the mean pattern
        differ by, over their sum (`polarstem.models.family.deflection.vector_weights`).
    """
    signals = ring_signals(patterns, pixel_semiangles).astype(np.float64)
    apart = np.stack([fractions[:, 1], -fractions[:, 0]], axis=1) - (0.5, -0.5)
    places = (apart[:, None] + _AROUND).reshape(-1, 2)
    near = (np.abs(places) < WINDOW).all(1)
    found = []
    for image, ring in (("dark field", DARK), ("bright field", BRIGHT)):
        sign, sites = IMAGES[image]
        values = np.repeat(signals[:, ring], len(_AROUND))[near]
        fitted = fit_columns(places[near], values, sign, sites)
        of_b = fitted[sites.index("B")]
        found += [of_b - fitted[k] for k, site in enumerate(sites) if site != "B"]
    options = DeflectionOptions(signal="friedel", spacing_pixels=spacing_pixels, pairs=_PAIRS)
    weights = vector_weights((patterns.shape[1], patterns.shape[2]), options)
    right, up, total = np.tensordot(weights, patterns.mean(0), axes=2)
    return np.stack(
        [*found, signals[:, -2:].mean(0), *np.stack([right, up], axis=1) / total[:, None]]
    )
