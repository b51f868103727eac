# SPDX-License-Identifier: GPL-3.0-or-later
"""What diffuse scattering makes of a pattern, in amorphous layers and in inelastic tails.

It is the pattern's convolution with a kernel (R. F. Egerton, Electron Energy-Loss Spectroscopy in
the Electron Microscope, ch. 3); two exponential ones come near those of many materials.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2

HALO_MRAD = (5.0, 20.0)
"""Decay of the two kernels [mrad]."""
_WITHIN = 8  # samples of a kernel along a pixel


@dataclass(frozen=True)
class DiffuseHalos:
    """Patterns of a detector, scattered once more.

    Attributes
    ----------
    pixels : int
        Along each edge of the detector.
    mrad_per_pixel : float
        [mrad].
    """

    pixels: int
    mrad_per_pixel: float

    @cached_property
    def _kernels(self) -> tuple[int, NDArray[np.complex128]]:
        """Side that holds a convolution, and the transforms of the kernels (halo, ky, kx)."""
        n, pixel = self.pixels, self.mrad_per_pixel
        side = next_fast_len(2 * n - 1, real=True)
        along = (np.arange(2 * n * _WITHIN) + 0.5) / _WITHIN - n
        radius = pixel * np.hypot(*np.meshgrid(along, along, indexing="ij"))
        kernels = np.zeros((len(HALO_MRAD), side, side))
        # one that reaches beyond the detector loses there what it scatters out
        for kernel, decay in zip(kernels, HALO_MRAD, strict=True):
            sampled = np.exp(-radius / decay) * (pixel / _WITHIN / decay) ** 2 / (2 * np.pi)
            boxes = sampled.reshape(2 * n, _WITHIN, 2 * n, _WITHIN).sum((1, 3))
            # a box of the kernel is centred on a pixel: the mean of the four about it
            boxes = (boxes[:-1] + boxes[1:])[:, :-1] / 4 + (boxes[:-1] + boxes[1:])[:, 1:] / 4
            kernel[: 2 * n - 1, : 2 * n - 1] = boxes
        return side, np.asarray(rfft2(np.roll(kernels, (1 - n, 1 - n), axis=(1, 2))))

    def __call__(self, patterns: NDArray[np.floating]) -> NDArray[np.float32]:
        """Patterns (..., pixel) scattered once more by each kernel, shape (..., halo, pixel)."""
        n = self.pixels
        side, kernels = self._kernels
        spectra = rfft2(patterns.reshape(-1, 1, n, n).astype(np.float32), (side, side))
        spread = irfft2(spectra * kernels.astype(np.complex64), (side, side))[..., :n, :n]
        flat: NDArray[np.float32] = spread.reshape(*patterns.shape[:-1], len(kernels), n * n)
        return flat
