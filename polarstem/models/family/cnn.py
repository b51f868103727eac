# SPDX-License-Identifier: GPL-3.0-or-later
"""The paper's small convolutional network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from polarstem.errors import PolarstemError
from polarstem.models.network import BackboneModel

if TYPE_CHECKING:
    from torch import nn

CHANNELS = (16, 32, 64)


class CnnModel(BackboneModel):
    """3x3 convolutions with 16, 32 and 64 channels, two max-pools, 512 units, a head."""

    family = "cnn"

    @classmethod
    def describe(cls, settings: Mapping[str, Any]) -> str:
        """Kernels and channels."""
        return f"small convolutional network (3 × 3 kernels, {'-'.join(map(str, CHANNELS))})"

    def _backbone(self, shape: tuple[int, int, int], pretrained: bool) -> nn.Module:
        from torch import nn

        channels, ky, kx = shape
        if min(ky, kx) < 4:
            raise PolarstemError(
                f"The cnn needs patterns of at least 4 x 4 pixels, these have {ky} x {kx}; use a "
                "finer detector."
            )
        first, second, third = CHANNELS
        return nn.Sequential(
            nn.Conv2d(channels, first, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(first, second, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(second, third, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Flatten(),
        )
