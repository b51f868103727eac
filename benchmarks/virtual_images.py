# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of virtual detectors of a 4D-STEM scan, and where they lie in the lattice of its map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.displacements.column_fit import BRIGHT, DARK
from polarstem.scans.files.readers import open_scan
from polarstem.scans.inspection import inspect
from polarstem.scans.specimen.rings import RINGS

FloatArray = NDArray[np.float64]


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
        "dark field": rings[..., DARK],
        "bright field": rings[..., BRIGHT],
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
