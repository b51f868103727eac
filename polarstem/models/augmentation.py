# SPDX-License-Identifier: GPL-3.0-or-later
"""Random changes to training patterns, a whole batch at once.

They act on raw patterns, before the preprocessing, so that they mean the same for every
scaling. The paper's amplitudes refer to min-max scaled patterns; here each pattern's own
range (maximum minus minimum) is the unit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from polarstem.models.options import AugmentationOptions

BLUR_PX = (2.0, 5.0)
BLUR_PROBABILITY = 0.5
INTENSITY = 0.15
INTENSITY_PROBABILITY = 0.3
NOISE = (0.01, 0.03)  # the paper gives no amplitude; this is about what 8-bit libraries add
NOISE_PROBABILITY = 0.2
TOLERANCE_DEG = 0.5


class SquareSymmetry:
    """Turn and mirror patterns, and their labels with them.

    Of the eight operations of the square (4mm) those are used that map the set of class
    directions onto itself and, on a detector that is not square, keep its shape. Turning
    by 90 degrees counter-clockwise (as seen with ky pointing down) adds 90 degrees to the
    direction; turning the detector upside down (mirror in the x axis) negates it.

    The operations are exact on the pixel grid if the beam is at the centre of the array.

    Parameters
    ----------
    shape : (int, int)
        (ky, kx) of the patterns.
    class_directions : sequence of float
        Directions of the classes [degrees, counter-clockwise from +x, y up].

    Attributes
    ----------
    operations : list of (bool, int)
        (mirror, quarter turns): first the mirror, then the turns.
    permutations : ndarray (operations, n_classes)
        The class that each class becomes.
    """

    def __init__(self, shape: tuple[int, int], class_directions: Sequence[float]) -> None:
        directions = np.asarray(class_directions, float)
        self.operations: list[tuple[bool, int]] = []
        permutations: list[NDArray[np.int64]] = []
        for mirror in (False, True):
            for turns in range(4):
                if turns % 2 and shape[0] != shape[1]:
                    continue
                turned = (-directions if mirror else directions) + 90.0 * turns
                distance = circular_distance(turned[:, None], directions)
                target = distance.argmin(axis=1)
                if distance.min(axis=1).max() > TOLERANCE_DEG or len(set(target)) < len(target):
                    continue
                self.operations.append((mirror, turns))
                permutations.append(target)
        self.permutations = np.array(permutations)

    def apply(self, operation: int, patterns: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Apply one of `operations` to patterns (n, ky, kx) and labels (n,)."""
        mirror, turns = self.operations[operation]
        if mirror:
            patterns = patterns.flip(-2)
        permutation = torch.from_numpy(self.permutations[operation]).to(labels.device)
        return torch.rot90(patterns, turns, dims=(-2, -1)), permutation[labels]

    def __call__(
        self, patterns: Tensor, labels: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Apply an operation drawn for each pattern; returns new tensors."""
        drawn = _uniform(len(patterns), generator).mul(len(self.operations)).long()
        patterns, labels = patterns.clone(), labels.clone()
        for operation in range(1, len(self.operations)):  # 0 changes nothing
            chosen = torch.nonzero(drawn == operation).squeeze(1)
            patterns[chosen], labels[chosen] = self.apply(
                operation, patterns[chosen], labels[chosen]
            )
        return patterns, labels


class Augmentation(nn.Module):
    """The augmentations that the options name.

    Parameters
    ----------
    shape : (int, int)
        (ky, kx) of the patterns.
    class_directions : sequence of float
        Directions of the classes [degrees].
    options : AugmentationOptions
        ``symmetry``: `SquareSymmetry`. ``paper``: `paper_augmentation`.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        class_directions: Sequence[float],
        options: AugmentationOptions,
    ) -> None:
        super().__init__()
        self.symmetry = SquareSymmetry(shape, class_directions) if options.symmetry else None
        self.paper = options.paper

    def forward(
        self, patterns: Tensor, labels: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Changed copies of raw patterns (n, ky, kx) and labels (n,)."""
        if self.symmetry is not None:
            patterns, labels = self.symmetry(patterns, labels, generator)
        if self.paper:
            patterns = paper_augmentation(patterns, generator)
        return patterns, labels


def circular_distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angle between directions, 0 to 180 [degrees]."""
    return np.abs((a - b + 180.0) % 360.0 - 180.0)


def paper_augmentation(patterns: Tensor, generator: torch.Generator) -> Tensor:
    """The paper's changes to raw patterns (n, ky, kx), each drawn for each pattern.

    Gaussian blur with a sigma of 2 to 5 pixels (probability 0.5); brightness and contrast
    changed by up to 0.15 of the pattern's range (0.3); Gaussian noise of 0.01 to 0.03 of
    the range (0.2). Intensities stay at or above the pattern's lowest.
    """
    n = len(patterns)
    low = patterns.amin(dim=(1, 2), keepdim=True)
    span = (patterns.amax(dim=(1, 2), keepdim=True) - low).clamp(
        min=torch.finfo(patterns.dtype).tiny
    )
    values = (patterns - low) / span

    blurred = torch.nonzero(_uniform(n, generator) < BLUR_PROBABILITY).squeeze(1)
    sigma = _between(*BLUR_PX, _uniform(n, generator))[blurred]
    values[blurred] = gaussian_blur(values[blurred], sigma)

    change = (_uniform(n, generator) < INTENSITY_PROBABILITY).to(values.dtype)
    contrast = 1 + change * _between(-INTENSITY, INTENSITY, _uniform(n, generator))
    brightness = change * _between(-INTENSITY, INTENSITY, _uniform(n, generator))
    values = values * contrast[:, None, None] + brightness[:, None, None]

    noisy = torch.nonzero(_uniform(n, generator) < NOISE_PROBABILITY).squeeze(1)
    amplitude = _between(*NOISE, _uniform(n, generator))[noisy]
    noise = torch.randn(
        (len(noisy), *patterns.shape[1:]), generator=generator, device=patterns.device
    )
    values[noisy] += amplitude[:, None, None] * noise
    return values.clamp(min=0) * span + low


def gaussian_blur(patterns: Tensor, sigma: Tensor) -> Tensor:
    """Blur each pattern (n, ky, kx) with its own sigma (n,) [pixels].

    A matrix product per axis; rows are normalised, so that the rim is not darkened.
    """
    rows, columns = (_blur_matrix(size, sigma) for size in patterns.shape[1:])
    return rows @ patterns @ columns.transpose(1, 2)


def _blur_matrix(size: int, sigma: Tensor) -> Tensor:
    pixel = torch.arange(size, dtype=sigma.dtype, device=sigma.device)
    offset = (pixel[:, None] - pixel) / sigma[:, None, None]
    return torch.softmax(-0.5 * offset**2, dim=-1)


def _uniform(n: int, generator: torch.Generator) -> Tensor:
    return torch.rand(n, generator=generator, device=generator.device)


def _between(low: float, high: float, fraction: Tensor) -> Tensor:
    return low + (high - low) * fraction
