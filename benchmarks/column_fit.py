# SPDX-License-Identifier: GPL-3.0-or-later
"""Atom columns in virtual images of a 4D-STEM scan: the images, and Gaussians fitted to columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import least_squares

from polarstem.scans.files.readers import open_scan
from polarstem.scans.inspection import inspect
from polarstem.scans.specimen.rings import RINGS

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
WINDOW = 0.75  # half a side of what is fitted [cells]
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
    grid = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), axis=-1).reshape(-1, 2)
    columns = [np.concatenate([grid + np.array(at) for at in SITES[site]]) for site in sites]
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


def integrate(right: FloatArray, up: FloatArray) -> FloatArray:
    """Image whose gradient is nearest to a field on rows (downwards) and columns.

    Mirrored at its edges, so that what lies at one does not reach the other
    (I. Lazić, E. Bosch and S. Lazar, Ultramicroscopy 160, 265 (2016), for the integral).
    """
    down = -up
    x = np.block([[right, -right[:, ::-1]], [right[::-1], -right[::-1, ::-1]]])
    y = np.block([[down, down[:, ::-1]], [-down[::-1], -down[::-1, ::-1]]])
    ky, kx = np.meshgrid(*(2j * np.pi * np.fft.fftfreq(n) for n in x.shape), indexing="ij")
    square = np.abs(kx) ** 2 + np.abs(ky) ** 2
    square[0, 0] = 1.0
    found = np.fft.ifft2((kx.conj() * np.fft.fft2(x) + ky.conj() * np.fft.fft2(y)) / square).real
    image: FloatArray = found[: right.shape[0], : right.shape[1]]
    return image


def virtual_images(scan_path: Path, found: xr.Dataset) -> dict[str, FloatArray]:
    """Make the images of a scan, shape (y, x) each.

    Parameters
    ----------
    scan_path : path
        Detector file, its sheet beside it.
    found : Dataset
        Its map, for the deflections in the scan's frame.
    """
    scan = open_scan(scan_path, scan_path.with_suffix(".yaml"))
    calibration = inspect(scan).calibration
    signals = np.full((scan.shape[0] * scan.shape[1], len(RINGS) + 2), np.nan)
    for index, patterns in scan.blocks():
        signals[index] = calibration.ring_signals(index, patterns)
    rings = signals.reshape(*scan.shape[:2], -1)
    return {
        "dark field": rings[..., 3],
        "bright field": rings[..., 1],
        "integrated": integrate(found["com_x"].values, found["com_y"].values),
    }


def lattice_places(found: xr.Dataset) -> tuple[FloatArray, FloatArray]:
    """Where probes and the middles of cells lie in the lattice of a map.

    Returns
    -------
    places : ndarray, shape (position, 2)
        Right and up along the crystal's axes [cells].
    middles : ndarray, shape (cell, 2)
        The same of each unit cell.
    """
    row, column = found["cell_row"].values, found["cell_column"].values
    centre = np.stack([found["cell_centre_x"].values, -found["cell_centre_y"].values], axis=1)
    middles = np.stack([column + 0.5, -(row + 0.5)], axis=1).astype(float)
    design = np.column_stack([centre, np.ones(len(centre))])
    to_lattice, *_ = np.linalg.lstsq(design, middles, rcond=None)
    x, y = np.meshgrid(found["x"].values, -found["y"].values)
    about = np.column_stack([x.ravel(), y.ravel(), np.ones(x.size)]) @ to_lattice
    fraction = np.stack([found["cell_x"].values.ravel(), -found["cell_y"].values.ravel()], axis=1)
    # the map knows the place within the cell better than this the cell
    return fraction + np.rint(about - fraction), middles
