# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers that turn with the pattern: turned patterns give turned answers, exactly.

The square's turns and mirrors map patterns onto patterns and classes onto classes. A layer that
respects them shares its weights over the group (T. S. Cohen and M. Welling, Proc. ICML 48, 2990
(2016)): an eighth of a plain layer's weights, in the group's Fourier basis a fifth of its
multiplications, and nothing to learn about orientation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from polarstem.models.augmentation import SquareSymmetry
from polarstem.models.heads import Head, cross_entropy
from polarstem.models.options import PreprocessingOptions
from polarstem.models.pattern_network import PatternNetwork
from polarstem.models.preprocessing import Preprocessing


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
    matrices : ndarray, shape (operation, 2, 2)
        What each does to a vector (x, y), y up.
    """

    def __init__(self, shape: tuple[int, int], directions: Sequence[float]) -> None:
        with torch.device("cpu"):  # whatever the network is made on
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
        mirror, quarter = np.diag([1.0, -1.0]), np.array([[0.0, -1.0], [1.0, 0.0]])
        self.matrices = np.stack(
            [
                np.linalg.matrix_power(quarter, turns) @ (mirror if mirrored else np.eye(2))
                for mirrored, turns in symmetry.operations
            ]
        )

    def orbits(self) -> NDArray[np.int64]:
        """Pixels by orbit, shape (orbit, operation): where an operation takes the first one."""
        first = np.unique(self.pixels.min(axis=0))
        return self.pixels[self.inverse][:, first].T


class Harmonics(nn.Module):
    """Fourier transform over the group, in which a layer with shared weights falls into blocks.

    The characters of the square's group (1, the determinant, whether axes are kept, and both) and
    the four entries of its two-by-two matrices are a basis of the functions on the group; on a
    subgroup some of them coincide or vanish. Features of one character meet no others, and a row
    of matrix entries meets its own row alone, all rows by the same weights (J.-P. Serre, Linear
    Representations of Finite Groups, sections 2.4 and 6.2).

    Parameters
    ----------
    group : Group
        The turns and mirrors.

    Attributes
    ----------
    basis : Tensor, shape (harmonic, operation)
        Orthonormal; the characters come first.
    characters : int
        Their number.
    """

    basis: Tensor

    def __init__(self, group: Group) -> None:
        super().__init__()
        matrices = group.matrices
        det, kept = np.linalg.det(matrices), (matrices[:, 0, 0] != 0) * 2.0 - 1
        entries = matrices.reshape(-1, 4).T
        whole = all(row.any() for row in entries)  # else its entries are characters themselves
        ones = np.ones(len(matrices))
        rows: list[NDArray[np.float64]] = []
        for row in (ones, det, kept, det * kept, *(() if whole else entries)):
            known = rows and np.abs(np.array(rows) @ row).max() > 1e-9
            if row.any() and not known:
                rows.append(row)
        self.characters = len(rows)
        rows += list(entries) if whole else []
        table = np.array(rows)
        table /= np.linalg.norm(table, axis=1, keepdims=True)
        if table.shape != (len(matrices), len(matrices)):
            raise ValueError("the operations are no group of turns and mirrors of the square")
        self.register_buffer("basis", torch.from_numpy(table).float(), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Harmonics (harmonic, n, channel) of features (operation, n, channel)."""
        return (self.basis @ features.flatten(1)).view_as(features)

    def back(self, harmonics: Tensor) -> Tensor:
        """Features of harmonics."""
        return (self.basis.T @ harmonics.flatten(1)).view_as(harmonics)


class GroupLinear(nn.Module):
    """Linear layer between harmonics (harmonic, n, channel) of features that turn with a pattern.

    The weight between two operations g and h depends on their quotient ``g^-1 h`` alone; it is
    kept by harmonics, which takes a fifth of the multiplications of the square's group.
    """

    def __init__(self, inputs: int, outputs: int, harmonics: Harmonics) -> None:
        super().__init__()
        self.characters, size = harmonics.characters, len(harmonics.basis)
        self.paired = size > self.characters
        spread = inputs**-0.5
        self.weight = nn.Parameter(spread * torch.randn(self.characters, inputs, outputs))
        self.pair_weight = nn.Parameter(
            spread / 2**0.5 * torch.randn(2 * inputs, 2 * outputs)
            if self.paired
            else torch.empty(0)
        )
        # the same for all operations: a part of the first harmonic
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = size**0.5

    def forward(self, harmonics: Tensor) -> Tensor:
        """Harmonics (harmonic, n, outputs)."""
        single = torch.bmm(harmonics[: self.characters], self.weight)
        parts = [single[:1] + self.scale * self.bias, single[1:]]
        if self.paired:
            n, inputs = harmonics.shape[1:]
            rows = harmonics[self.characters :].view(2, 2, n, inputs).transpose(1, 2)
            product = rows.reshape(2 * n, 2 * inputs) @ self.pair_weight
            entries = product.view(2, n, 2, -1).transpose(1, 2)
            parts.append(entries.reshape(4, n, -1))
        return torch.cat(parts)


class ClassScores(Head):
    """Cross entropy over the classes; the score of a class turns with the pattern.

    One layer scores a class of each orbit; the others' scores are its own on the turned features.
    """

    takes_unpolar = True
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
        """Features (operation, n, channel) as an embedding (n, operation * channel)."""
        return features.transpose(0, 1).flatten(1)

    def loss(self, embedding: Tensor, labels: Tensor, conditions: Tensor | None = None) -> Tensor:
        """Cross entropy."""
        return cross_entropy(self.logits(embedding), labels)

    def logits(self, embedding: Tensor) -> Tensor:
        """Mean score over the operations that lead to a class."""
        features = embedding.view(len(embedding), len(self.places), -1)
        scores = self.score(features)[..., self.orbit]
        return (scores * self.places).sum(dim=1)


class SymmetricPreprocessing(Preprocessing):
    """Scaling of patterns that is the same for all turned ones."""

    def __init__(self, shape: tuple[int, int], options: PreprocessingOptions, group: Group) -> None:
        super().__init__(shape, options)
        self._pixels = torch.from_numpy(group.pixels)

    def fit(self, patterns: NDArray[np.float32], *arguments: int) -> None:
        """Learn mean and scale, averaged over the group."""
        super().fit(patterns, *arguments)
        if self.options.scaling == "standardise":
            for table in (self.mean, self.scale):
                table.copy_(table.flatten(1)[:, self._pixels].mean(dim=1).view_as(table))


class EquivariantNetwork(PatternNetwork):
    """Raw patterns (n, ky, kx) to embeddings (n, channel * operation).

    Parameters
    ----------
    shape : (int, int)
        (ky, kx) of the patterns.
    directions : sequence of float
        Directions of the classes [degrees].
    channels : int
        Features for each turn and mirror.
    layers : int
        Residual layers.
    preprocessing : PreprocessingOptions
        Scaling of the patterns.
    """

    orbits: Tensor

    def __init__(
        self,
        shape: tuple[int, int],
        directions: Sequence[float],
        channels: int,
        layers: int,
        preprocessing: PreprocessingOptions,
    ) -> None:
        nn.Module.__init__(self)
        group = Group(shape, directions)
        orbits, harmonics = group.orbits(), Harmonics(group)
        self.preprocessing = SymmetricPreprocessing(shape, preprocessing, group)
        self.harmonics = harmonics
        self.enter = GroupLinear(self.preprocessing.channels * len(orbits), channels, harmonics)
        self.layers = nn.ModuleList(
            GroupLinear(channels, channels, harmonics) for _ in range(layers)
        )
        self.head = ClassScores(channels, group, directions)
        self.register_buffer("orbits", torch.from_numpy(orbits.T.copy()), persistent=False)

    def forward(self, patterns: Tensor) -> Tensor:
        """Embeddings of raw patterns."""
        pixels = self.preprocessing(patterns).flatten(2)[..., self.orbits]
        harmonics = self.enter(self.harmonics(pixels.permute(2, 0, 1, 3).flatten(2)))
        for layer in self.layers:
            harmonics = harmonics + layer(self.harmonics(self._activated(harmonics)))
        return cast("Tensor", self.head(self._activated(harmonics)))

    def _activated(self, harmonics: Tensor) -> Tensor:
        """Features with a root mean square of one, behind the nonlinearity."""
        power = harmonics.square().mean((0, 2), keepdim=True)
        return F.gelu(self.harmonics.back(harmonics * torch.rsqrt(power + 1e-5)))
