# SPDX-License-Identifier: GPL-3.0-or-later
"""A network that turns with the pattern: turned patterns give turned answers, exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polarstem.errors import PolarstemError
from polarstem.models.network import NetworkModel
from polarstem.models.options import NetworkOptions

if TYPE_CHECKING:
    from polarstem.models.pattern_network import PatternNetwork


@dataclass(frozen=True)
class EquivariantOptions(NetworkOptions):
    """Options of the equivariant network: its width and depth."""

    channels: int = 64
    layers: int = 3


class EquivariantModel(NetworkModel):
    """Fully connected residual layers that share their weights over the square's symmetries."""

    family = "equivariant"
    respects_symmetry = True
    options_type = EquivariantOptions
    settings: EquivariantOptions

    @classmethod
    def describe(cls, settings: Mapping[str, Any]) -> str:
        """What it does that others do not."""
        return "fully connected network that turns with the pattern"

    def _build(self, pretrained: bool) -> PatternNetwork:
        from polarstem.models.group_network import EquivariantNetwork

        if self.settings.head != "classification":
            raise PolarstemError(
                f"models.equivariant.head is '{self.settings.head}', but the equivariant network "
                "has scores of classes only; use head: classification."
            )
        return EquivariantNetwork(
            self._fitted_shape(),
            self.class_directions.tolist(),
            self.settings.channels,
            self.settings.layers,
            self.settings.preprocessing,
        )
