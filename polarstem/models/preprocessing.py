# SPDX-License-Identifier: GPL-3.0-or-later
"""Scaling of patterns, fitted on training patterns and saved with the model.

Class differences are a few per cent under a far larger variation with probe position.
Standardising every pixel over the training set puts them at the same level, and a network
learns in one epoch what it may not find at all in min-max scaled patterns.

The even and the odd part of a pattern, I(k) + I(-k) and I(k) - I(-k), put the polarity in a channel
of its own: a centrosymmetric crystal in zone axis has no odd part once averaged over its cell, and
standardised by itself the odd part is as large as the even one. Both turn with the pattern.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from polarstem.models.options import PreprocessingOptions
from polarstem.models.staging import CHUNK

FLOOR = 0.05
"""Least standard deviation of a pixel, as a fraction of the mean over all pixels."""
LIMIT = 10.0
"""Standardised values are clipped here: a stray pixel must not outweigh the pattern."""


class Preprocessing(nn.Module):
    """Scale raw patterns.

    Parameters
    ----------
    shape : (int, int)
        (ky, kx) of the patterns.
    options : PreprocessingOptions
        ``unit_sum`` divides each pattern by its mean, ``sqrt`` takes the square root, ``parity``
        "even_odd" then splits each pattern into its even and its odd part. ``scaling`` is
        "standardise" (subtract the training mean of each pixel, divide by its standard deviation,
        clip at 10), "minmax" (each pattern to [0, 1], before it is split) or "none".

    Attributes
    ----------
    channels : int
        Images that each pattern becomes: 1, or 2 for its parts.

    Notes
    -----
    Pixels that hardly vary get `FLOOR` times the mean standard deviation as their scale,
    so that the dark rim of the detector does not turn into noise. The centre of the beam is
    taken to be that of the array: inversion then is an exact flip of both axes, for an even as
    for an odd number of pixels.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, shape: tuple[int, int], options: PreprocessingOptions) -> None:
        super().__init__()
        self.options = options
        self.channels = 2 if options.parity == "even_odd" else 1
        if options.scaling == "standardise":
            self.register_buffer("mean", torch.zeros(self.channels, *shape))
            self.register_buffer("scale", torch.ones(self.channels, *shape))

    def fit(self, patterns: NDArray[np.float32], chunk: int = CHUNK) -> None:
        """Learn mean and scale from patterns (n, ky, kx), chunk by chunk."""
        if self.options.scaling != "standardise":
            return
        # Chan's merge of chunk moments: exact where sums of squares would cancel.
        count = 0
        mean = np.zeros(self.mean.shape)
        squares = np.zeros(self.mean.shape)
        for start in range(0, len(patterns), chunk):
            part = torch.from_numpy(np.array(patterns[start : start + chunk]))
            values = self._parts(part).numpy().astype(np.float64)
            part_mean = values.mean(axis=0)
            part_squares = ((values - part_mean) ** 2).sum(axis=0)
            total = count + len(values)
            shift = part_mean - mean
            mean += shift * (len(values) / total)
            squares += part_squares + shift**2 * (count * len(values) / total)
            count = total
        std = np.sqrt(squares / count)
        scale = np.maximum(std, FLOOR * std.mean(axis=(1, 2), keepdims=True))
        scale[scale == 0] = 1.0  # all patterns alike
        self.mean.copy_(torch.from_numpy(mean))
        self.scale.copy_(torch.from_numpy(scale))

    def _prepared(self, patterns: Tensor) -> Tensor:
        if self.options.unit_sum:
            mean = patterns.mean(dim=(1, 2), keepdim=True)
            patterns = patterns / mean.clamp(min=torch.finfo(patterns.dtype).tiny)
        return patterns.clamp(min=0).sqrt() if self.options.sqrt else patterns

    def _parts(self, patterns: Tensor) -> Tensor:
        """Images (n, channels, ky, kx) of patterns, not yet standardised."""
        values = self._prepared(patterns)
        if self.options.scaling == "minmax":
            low = values.amin(dim=(1, 2), keepdim=True)
            span = values.amax(dim=(1, 2), keepdim=True) - low
            values = (values - low) / span.clamp(min=torch.finfo(values.dtype).tiny)
        if self.channels == 1:
            return values.unsqueeze(1)
        inverse = values.flip(-2, -1)
        return torch.stack([values + inverse, values - inverse], dim=1)

    def forward(self, patterns: Tensor) -> Tensor:
        """Scaled images (n, channels, ky, kx) of raw patterns (n, ky, kx), as new tensors."""
        images = self._parts(patterns)
        if self.options.scaling == "standardise":
            return ((images - self.mean) / self.scale).clamp(-LIMIT, LIMIT)
        return images.clone()
