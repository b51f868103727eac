# SPDX-License-Identifier: GPL-3.0-or-later
"""What the atoms of one crystal do by chance to the displacements of all cells of its scan.

Order of A sites and thermal motion that a few configurations leave to chance look like a
displacement. In a map, neighbouring cells tell how large it is; test specimens are scanned over one
cell again and again, and other specimens tell it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_SPECIMENS = 8
"""Fewer tell nothing of it."""


def chance_at_one_nm(
    error: Floats, covariance: Floats, thickness: Floats, owner: NDArray[np.integer]
) -> Floats:
    """Variance of a component beyond what fits tell, as all other specimens show it.

    It falls with the number of atoms in a column, so with the thickness.

    Parameters
    ----------
    error : ndarray, shape (cell, 2)
        [pm].
    covariance : ndarray, shape (cell, 2, 2)
        That fits tell [pm^2].
    thickness : ndarray, shape (cell,)
        [nm].
    owner : ndarray of int, shape (cell,)
        Number of each cell's specimen, from 0 on.

    Returns
    -------
    ndarray, shape (specimen,)
        For a crystal of 1 nm [pm^2 nm]; zeros with fewer than `LEAST_SPECIMENS`.
    """
    count = int(owner.max(initial=-1)) + 1
    if count < LEAST_SPECIMENS:
        return np.zeros(count)
    beyond = (np.square(error).sum(1) - np.trace(covariance, axis1=1, axis2=2)) / 2 * thickness
    mean = np.bincount(owner, beyond) / np.bincount(owner)
    others: Floats = (mean.sum() - mean) / (count - 1)
    return others.clip(0)
