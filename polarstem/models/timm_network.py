# SPDX-License-Identifier: GPL-3.0-or-later
"""Any network of the timm library, on one or two channels, with a 256-d projection."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import timm
from timm.models.vgg import VGG
from torch import Tensor, nn

from polarstem.errors import PolarstemError
from polarstem.models.network import BackboneModel, count_features
from polarstem.models.options import NetworkOptions
from polarstem.models.registry import register

PROJECTION = 256
SMALLEST_PX = 32


@dataclass(frozen=True)
class TimmOptions(NetworkOptions):
    """Options of a timm network: its name, and whether to start from timm's weights."""

    architecture: str = "resnet18"
    pretrained: bool = False


@register("timm")
class TimmModel(BackboneModel):
    """A timm network without its classifier, a projection to 256, 512 units, a head."""

    options_type = TimmOptions
    settings: TimmOptions

    def __init__(
        self,
        options: Mapping[str, Any],
        class_names: Sequence[str],
        class_directions: Sequence[float],
    ) -> None:
        super().__init__(options, class_names, class_directions)
        check_architecture(self.settings.architecture)

    def _backbone(self, shape: tuple[int, int, int], pretrained: bool) -> nn.Module:
        name = self.settings.architecture
        if min(shape[1:]) < SMALLEST_PX:
            raise PolarstemError(
                f"The network {name} needs patterns of at least {SMALLEST_PX} x {SMALLEST_PX} "
                f"pixels, these have {shape[1]} x {shape[2]}; use a finer detector, or the "
                "family cnn."
            )
        trunk, features = _trunk(name, shape, pretrained)
        return nn.Sequential(trunk, nn.Linear(features, PROJECTION), nn.ReLU(inplace=True))


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


def _trunk(name: str, shape: tuple[int, int, int], pretrained: bool) -> tuple[nn.Module, int]:
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
