# SPDX-License-Identifier: GPL-3.0-or-later
"""Fourier transforms of batches of waves on a CPU, in place and by FFTW's measured plans."""

from __future__ import annotations

from itertools import pairwise

import numba
import numpy as np
import pyfftw
from numpy.typing import NDArray

from polarstem.simulate.wave.fftw_plans import EFFORT, recall_plans

_BATCH_BYTES = 2**19  # of the waves transformed at once: half of a core's cache


@numba.njit(nogil=True, fastmath=True, cache=True)
def multiply(waves: NDArray[np.complex64], factor: NDArray[np.complex64]) -> None:
    """Multiply each wave, shape (wave, pixel), by a factor, shape (pixel,), in place."""
    for wave in range(waves.shape[0]):
        for pixel in range(waves.shape[1]):
            waves[wave, pixel] *= factor[pixel]


class Workspace:
    """Waves of one batch with their in-place transforms, by plans that every process shares.

    Parameters
    ----------
    shape : tuple of int
        Grid along y and x.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.most = max(1, _BATCH_BYTES // (8 * int(np.prod(shape))))
        self._array = pyfftw.zeros_aligned((self.most, *shape), np.complex64)
        layout = f"{self.most} x {shape[0]} x {shape[1]}, in place"
        recall_plans(layout, self._plan_all)
        self._plans: dict[int, tuple[pyfftw.FFTW, pyfftw.FFTW]] = {}

    def batch(self, waves: int) -> tuple[NDArray[np.complex64], pyfftw.FFTW, pyfftw.FFTW]:
        """Give an array (wave, y, x) and its forward and backward transform, not normalized."""
        if waves not in self._plans:
            self._plans[waves] = self._plan(waves)
        return self._array[:waves], *self._plans[waves]

    def _plan(self, waves: int) -> tuple[pyfftw.FFTW, pyfftw.FFTW]:
        part = self._array[:waves]
        forward, backward = (
            pyfftw.FFTW(part, part, axes=(1, 2), direction=direction, flags=(EFFORT,))
            for direction in ("FFTW_FORWARD", "FFTW_BACKWARD")
        )
        return forward, backward

    def _plan_all(self) -> None:
        for waves in range(1, self.most + 1):
            self._plan(waves)


def batches(count: int, most: int) -> list[tuple[int, int]]:
    """First and one past the last wave of batches of nearly equal size."""
    edges = np.linspace(0, count, -(-count // most) + 1).astype(int).tolist()
    return list(pairwise(edges))
