# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a lattice that a scan repeats with may not be the crystal's, if it has another size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polarstem.scans.specimen.distortion import distortions
from polarstem.scans.specimen.lattice_waves import FIRST, coefficients
from polarstem.scans.specimen.periodicity import RIGHT, Periods, Spectrum

_CELLS = 6.0  # along a scan, to believe a lattice of another size than expected
_FEW = 3.0  # of the expected cells along a scan, to tell a lattice
_FITS = 0.05  # stretch and shear within which an alias is the expected lattice
_FARTHEST = 12  # cycles per position that are aliased
_SHARE = 0.3  # of the power of both kinds of columns together, what tells them apart has: 0.34
# to 1.35 in niobates of 4 to 50 nm
_RATIO = 0.04  # from a cell smaller by the root of 2, which is suspect whatever is seen
_SEEN = 1.0  # times the threshold: what cannot be missed
_LESS = 5.0  # times less than that


def doubt_of(
    periods: Periods,
    spectrum: Spectrum,
    step: NDArray[np.float64],
    cell: NDArray[np.float64],
    templates: NDArray[np.floating] | None,
) -> str:
    """Say why a lattice is not believed.

    Parameters
    ----------
    periods : Periods
        As found.
    spectrum : Spectrum
        Of the scan.
    step, cell : ndarray, shape (2,)
        Step along y and x as it is believed, edges of the crystal's cell along its y and x [nm].
    templates : ndarray, shape (cell_y, cell_x, feature), or None
        What virtual detectors see over the cell, as for `find_lattice`.

    Returns
    -------
    str
        The beginning of a sentence; empty for a lattice of the expected size, or one that can only
        come from a wrong step.
    """
    shape = spectrum.shape
    scale, _ = distortions(periods.reciprocal / step[:, None], cell)
    if np.abs(np.log(scale)).max() < np.log(RIGHT):
        return ""
    implied = step / scale
    repeat = (
        f"The patterns repeat as the lattice would at a step of {implied[0]:.3g} x "
        f"{implied[1]:.3g} nm (y, x) instead of {step[0]:.3g} x {step[1]:.3g} nm"
    )
    spans = np.abs(np.linalg.inv(periods.reciprocal)).max(axis=0)
    if (np.array(shape) < _CELLS * spans).any():
        if (np.array(shape) * step < _FEW * cell.max()).any():
            return f"A scan of {shape[0]} x {shape[1]} positions has too few cells for the lattice"
        return f"{repeat}, but in too few cells to believe it"
    if _is_alias(periods.reciprocal, step, cell):
        return f"{repeat}; but at this step, too coarse for the lattice, it would look the same"
    part = np.abs(scale * np.sqrt(2) - 1).max() < _RATIO
    if part or _is_part(periods, spectrum, templates):
        return f"{repeat}, or both kinds of columns look alike, which cannot be told apart"
    return ""


def _is_alias(
    reciprocal: NDArray[np.float64], step: NDArray[np.float64], cell: NDArray[np.float64]
) -> bool:
    """Whether the expected lattice, sampled too coarsely, would look like this."""
    most = min(_FARTHEST, int(np.ceil(1.1 * (step / cell.min()).max())))
    along = np.arange(-most, most + 1)
    whole = np.stack(np.meshgrid(along, along, indexing="ij"), axis=-1).reshape(-1, 2)
    near = []
    for vector, edge in zip(reciprocal.T, cell, strict=True):
        waves = np.concatenate([sign * vector + whole for sign in (1, -1)])
        lengths = np.hypot(*(waves / step).T) * edge
        near.append(waves[np.abs(lengths - 1) < 2 * _FITS])
    bases = np.array([[first, second] for first in near[0] for second in near[1]])
    if not len(bases):
        return False
    bases = bases.transpose(0, 2, 1)
    bases = bases[np.abs(np.linalg.det(bases)) > 1e-6]
    scale, shear = distortions(bases / step[:, None], cell)
    fits = (np.abs(scale - 1).max(axis=-1) < _FITS) & (np.abs(shear) < _FITS)
    return bool(fits.any())


def _is_part(periods: Periods, spectrum: Spectrum, templates: NDArray[np.floating] | None) -> bool:
    """Whether it may be the lattice of all columns, as if both kinds were alike.

    Its cell is smaller by a factor of the square root of 2. It is not that if what tells the
    columns apart would have been seen, and is not there.
    """
    share = _SHARE
    if templates is not None:
        image = templates.astype(np.float64)
        image = image - image.mean(axis=(0, 1))
        waves = coefficients(image, FIRST.astype(float), 1 / np.array(image.shape[:2]))
        power = np.square(np.abs(waves)) / np.maximum(np.square(image).mean(axis=(0, 1)), 1e-12)
        sums = power.sum(axis=1)
        share = float(sums[:2].min() / max(sums[2:].max(), 1e-12))
    first = periods.reciprocal.T
    between = np.stack([first.sum(axis=0), first[0] - first[1]]) / 2
    there, here = spectrum.level(between).min(), spectrum.level(first).max()
    return bool(periods.quality * share < _SEEN or there > share / _LESS * here)
