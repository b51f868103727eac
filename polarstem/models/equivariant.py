# SPDX-License-Identifier: GPL-3.0-or-later
"""A network that turns with the pattern: turned patterns give turned answers, exactly.

The square's turns and mirrors map patterns onto patterns and classes onto classes. A layer that
respects them shares its weights over the group (T. S. Cohen and M. Welling, Proc. ICML 48, 2990
(2016)): as many multiplications as a plain layer of the same width, an eighth of its weights, and
nothing to learn about orientation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from polarstem.errors import PolarstemError
from polarstem.models.augmentation import SquareSymmetry
from polarstem.models.heads import Head
from polarstem.models.network import NetworkModel, PatternNetwork
from polarstem.models.options import NetworkOptions
from polarstem.models.preprocessing import Preprocessing
from polarstem.models.registry import register


@dataclass(frozen=True)
class EquivariantOptions(NetworkOptions):
    """Options of the equivariant network: its width and depth."""

    channels: int = 64
    layers: int = 3


class Group:
    """The turns and mirrors that map patterns and classes onto themselves.

    Parameters
    ----------
    shape : (int, int)
        (ky, kx) of the patterns.
    directions : sequence of float
        Directions of the classes [degrees].

    Attributes
    ----------
    pixels : ndarray, shape (operation, pixel)
        An operation's image has at pixel i what was at pixel ``pixels[operation, i]``.
    inverse : ndarray, shape (operation,)
        Which operation undoes each.
    product : ndarray, shape (operation, operation)
        The first after the second.
    classes : ndarray, shape (operation, class)
        The class that each class becomes.
    """

    def __init__(self, shape: tuple[int, int], directions: Sequence[float]) -> None:
        symmetry = SquareSymmetry(shape, directions)
        image = torch.arange(shape[0] * shape[1]).reshape(1, *shape)
        label = torch.zeros(1, dtype=torch.long)
        count = len(symmetry.operations)
        self.pixels = np.stack(
            [symmetry.apply(number, image, label)[0].ravel().numpy() for number in range(count)]
        )
        number = {places.tobytes(): index for index, places in enumerate(self.pixels)}
        self.product = np.array(
            [[number[second[first].tobytes()] for second in self.pixels] for first in self.pixels]
        )
        self.inverse = np.argmin(self.product, axis=1)  # 0 is the identity
        self.classes = symmetry.permutations

    def orbits(self) -> NDArray[np.int64]:
        """Pixels by orbit, shape (orbit, operation): where an operation takes the first one."""
        first = np.unique(self.pixels.min(axis=0))
        return self.pixels[self.inverse][:, first].T


class GroupLinear(nn.Module):
    """Linear layer from features (n, channel, operation) to such features.

    The weight between two operations g and h depends on their quotient ``g^-1 h`` alone.
    """

    quotient: Tensor

    def __init__(self, inputs: int, outputs: int, group: Group) -> None:
        super().__init__()
        size = len(group.product)
        spread = (2 / (size * inputs)) ** 0.5
        self.weight = nn.Parameter(spread * torch.randn(outputs, inputs, size))
        self.bias = nn.Parameter(torch.zeros(outputs, 1))
        quotient = torch.from_numpy(group.product[group.inverse])
        self.register_buffer("quotient", quotient, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Features (n, outputs, operation)."""
        outputs, inputs, size = self.weight.shape
        whole = self.weight[:, :, self.quotient].permute(0, 2, 1, 3)
        product = F.linear(features.flatten(1), whole.reshape(outputs * size, inputs * size))
        return product.view(-1, outputs, size) + self.bias


class ClassScores(Head):
    """Cross entropy over the classes; the score of a class turns with the pattern.

    One layer scores a class of each orbit; the others' scores are its own on the turned features.
    """

    places: Tensor
    orbit: Tensor

    def __init__(self, channels: int, group: Group, directions: Sequence[float]) -> None:
        super().__init__(channels, directions)
        leaders = group.classes.min(axis=0)
        orbit = np.unique(leaders, return_inverse=True)[1]
        # operations that take the first class of an orbit to each class
        places = group.classes[:, leaders] == np.arange(len(leaders))
        self.score = nn.Linear(channels, orbit.max() + 1)
        self.register_buffer("orbit", torch.from_numpy(orbit), persistent=False)
        self.register_buffer("places", torch.from_numpy(places / places.sum(0)).float(), False)

    def forward(self, features: Tensor) -> Tensor:
        """The features themselves, (n, channel * operation)."""
        return features.flatten(1)

    def loss(self, embedding: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy."""
        return F.cross_entropy(self.logits(embedding), labels)

    def logits(self, embedding: Tensor) -> Tensor:
        """Mean score over the operations that lead to a class."""
        features = embedding.view(len(embedding), -1, len(self.places))
        scores = self.score(features.mT)[..., self.orbit]
        return (scores * self.places).sum(dim=1)


class SymmetricPreprocessing(Preprocessing):
    """Scaling of patterns that is the same for all turned ones."""

    def __init__(self, shape: tuple[int, int], settings: NetworkOptions, group: Group) -> None:
        super().__init__(shape, settings.preprocessing)
        self._pixels = torch.from_numpy(group.pixels)

    def fit(self, patterns: NDArray[np.float32], *arguments: int) -> None:
        """Learn mean and scale, averaged over the group."""
        super().fit(patterns, *arguments)
        if self.options.scaling == "standardise":
            for table in (self.mean, self.scale):
                table.copy_(table.ravel()[self._pixels].mean(dim=0).view_as(table))


class EquivariantNetwork(PatternNetwork):
    """Raw patterns (n, ky, kx) to embeddings (n, channel * operation).

    Parameters
    ----------
    shape : (int, int)
        (ky, kx) of the patterns.
    directions : sequence of float
        Directions of the classes [degrees].
    settings : EquivariantOptions
        Width, depth and scaling.
    """

    orbits: Tensor

    def __init__(
        self, shape: tuple[int, int], directions: Sequence[float], settings: EquivariantOptions
    ) -> None:
        nn.Module.__init__(self)
        group = Group(shape, directions)
        orbits = group.orbits()
        width, size = settings.channels, len(group.product)
        self.preprocessing = SymmetricPreprocessing(shape, settings, group)
        self.enter = GroupLinear(len(orbits), width, group)
        self.layers = nn.ModuleList(
            GroupLinear(width, width, group) for _ in range(settings.layers)
        )
        self.norm = nn.LayerNorm((width, size), elementwise_affine=False)
        self.head = ClassScores(width, group, directions)
        self.register_buffer("orbits", torch.from_numpy(orbits), persistent=False)

    def forward(self, patterns: Tensor) -> Tensor:
        """Embeddings of raw patterns."""
        features = self.enter(self.preprocessing(patterns).flatten(1)[:, self.orbits])
        for layer in self.layers:
            features = features + layer(F.gelu(self.norm(features)))
        return cast("Tensor", self.head(F.gelu(self.norm(features))))


@register("equivariant")
class EquivariantModel(NetworkModel):
    """Fully connected residual layers that share their weights over the square's symmetries."""

    options_type = EquivariantOptions
    settings: EquivariantOptions

    def _build(self, pretrained: bool) -> PatternNetwork:
        if self.settings.head != "classification":
            raise PolarstemError(
                f"models.equivariant.head is '{self.settings.head}', but the equivariant network "
                "has scores of classes only; use head: classification."
            )
        shape = self._fitted_shape()
        return EquivariantNetwork(shape, self.class_directions.tolist(), self.settings)
