# SPDX-License-Identifier: GPL-3.0-or-later
"""Fourier transforms of batches of waves on a CPU, in place."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numba
import numpy as np
from numpy.typing import NDArray

Transform = Callable[[], object]

_BATCH_BYTES = 2**19  # of the waves transformed at once: half of a core's cache


@numba.njit(nogil=True, fastmath=True, cache=True)
def multiply(waves: NDArray[np.complex64], factor: NDArray[np.complex64]) -> None:
    """Multiply each wave, shape (wave, pixel), by a factor, shape (pixel,), in place."""
    for wave in range(waves.shape[0]):
        for pixel in range(waves.shape[1]):
            waves[wave, pixel] *= factor[pixel]


class Workspace:
    """Waves of one batch with their transforms in place, by the library that torch was built with.

    Where that is MKL, two transforms take half the time of FFTW's measured plans
    (``benchmarks/propagation.py``), and the same digits come out of every process.

    Parameters
    ----------
    shape : tuple of int
        Grid along y and x.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        import torch  # which takes seconds

        self.most = max(1, _BATCH_BYTES // (8 * int(np.prod(shape))))
        self._waves = torch.zeros((self.most, *shape), dtype=torch.complex64)

    def batch(self, waves: int) -> tuple[NDArray[np.complex64], Transform, Transform]:
        """Give an array (wave, y, x) and its forward and backward transform, not normalized."""
        from torch import fft

        part = self._waves[:waves]
        forward = partial(fft.fft2, part, out=part)
        backward = partial(fft.ifft2, part, norm="forward", out=part)
        return part.numpy(), forward, backward


def batches(count: int, most: int) -> list[tuple[int, int]]:
    """First and one past the last wave of batches of nearly equal size."""
    edges = np.linspace(0, count, -(-count // most) + 1).astype(int).tolist()
    return list(pairwise(edges))
