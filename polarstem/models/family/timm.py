# SPDX-License-Identifier: GPL-3.0-or-later
"""Any network of the timm library, on one or two channels, with a 256-d projection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polarstem.errors import PolarstemError
from polarstem.models.network import BackboneModel
from polarstem.models.options import NetworkOptions

if TYPE_CHECKING:
    from torch import nn

PROJECTION = 256
SMALLEST_PX = 32


@dataclass(frozen=True)
class TimmOptions(NetworkOptions):
    """Options of a timm network: its name, and whether to start from timm's weights."""

    architecture: str = "resnet18"
    pretrained: bool = False


class TimmModel(BackboneModel):
    """A timm network without its classifier, a projection to 256, 512 units, a head."""

    family = "timm"
    options_type = TimmOptions
    settings: TimmOptions

    def __init__(
        self,
        options: Mapping[str, Any],
        class_names: Sequence[str],
        class_directions: Sequence[float],
    ) -> None:
        from polarstem.models.timm_trunk import check_architecture

        super().__init__(options, class_names, class_directions)
        check_architecture(self.settings.architecture)

    @classmethod
    def describe(cls, settings: Mapping[str, Any]) -> str:
        """Architecture and where its weights start from."""
        start = "pretrained" if settings.get("pretrained") else "from random weights"
        return f"{settings.get('architecture', TimmOptions.architecture)} (timm), {start}"

    def _backbone(self, shape: tuple[int, int, int], pretrained: bool) -> nn.Module:
        from torch import nn

        from polarstem.models.timm_trunk import make_trunk

        name = self.settings.architecture
        if min(shape[1:]) < SMALLEST_PX:
            raise PolarstemError(
                f"The network {name} needs patterns of at least {SMALLEST_PX} x {SMALLEST_PX} "
                f"pixels, these have {shape[1]} x {shape[2]}; use a finer detector, or the "
                "family cnn."
            )
        trunk, features = make_trunk(name, shape, pretrained)
        return nn.Sequential(trunk, nn.Linear(features, PROJECTION), nn.ReLU(inplace=True))
