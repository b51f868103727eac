# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks of the timm library without their classifiers."""

from __future__ import annotations

import difflib
from typing import Any

import timm
from timm.models.vgg import VGG
from torch import Tensor, nn

from polarstem.errors import PolarstemError
from polarstem.models.pattern_network import count_features


def check_architecture(name: str) -> None:
    """Raise a `PolarstemError` with the nearest names if timm does not know `name`."""
    if timm.is_model(name):
        return
    near = difflib.get_close_matches(name, timm.list_models(), n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "see timm.list_models() for names"
    raise PolarstemError(f"timm {timm.__version__} has no network named '{name}'; {hint}")


class _PooledTrunk(nn.Module):
    """A VGG's convolutions and the mean over their output.

    Its own next stage is a 7x7 convolution that turns images of 224 pixels into 4096
    numbers: most of its weights, and nothing for it to slide over at 64 pixels or less.
    """

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features

    def forward(self, images: Tensor) -> Tensor:
        """Features (n, 512) of images (n, channels, ky, kx)."""
        pooled: Tensor = self.features(images).mean(dim=(2, 3))
        return pooled


def make_trunk(name: str, shape: tuple[int, int, int], pretrained: bool) -> tuple[nn.Module, int]:
    """Make a timm network that maps images (channels, ky, kx) to pooled features; count these."""
    # Transformers must be told the image size; convolutional networks do not take it.
    attempts: tuple[dict[str, Any], ...] = ({}, {"img_size": shape[1:]})
    problems: list[Exception] = []
    for extra in attempts:
        try:
            network: nn.Module = timm.create_model(
                name, pretrained=pretrained, in_chans=shape[0], num_classes=0, **extra
            )
        except (OSError, RuntimeError) as error:
            if not pretrained:
                raise
            raise PolarstemError(
                f"timm's weights for {name} could not be loaded ({error}); set pretrained: false, "
                "or download them while the network is reachable."
            ) from error
        except TypeError as error:
            problems.append(error)
            continue
        if isinstance(network, VGG):
            network = _PooledTrunk(network.features)
        try:
            return network, count_features(network, shape)
        except (RuntimeError, AssertionError, ValueError) as error:
            problems.append(error)
    raise PolarstemError(
        f"The network {name} cannot take patterns of {shape[1]} x {shape[2]} pixels "
        f"({problems[0]}); choose another architecture or another detector size."
    )
