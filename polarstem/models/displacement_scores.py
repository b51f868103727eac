# SPDX-License-Identifier: GPL-3.0-or-later
"""A head that answers with a density over the plane of polar displacements."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from polarstem.models import displacement_grid as grid
from polarstem.models.group_network import Group, TurningScores

SMOOTHING = 0.12
"""Standard deviation of the Gaussian about a true vector, over the template's length."""


class DisplacementScores(TurningScores):
    """Cross entropy with a Gaussian about the true vector; the density turns with the pattern.

    Without its width a network learns which vectors its training crystals have, and no others. The
    mean of the Gaussian is the vector wherever that lies between the nodes.

    Labels are vectors (n, 2), to the right and up, over the length of the template's. Classes are
    read off the density: that of a class is what lies nearer to its direction than to any other.
    """

    nodes: Tensor
    sectors: Tensor

    def __init__(self, channels: int, group: Group, directions: Sequence[float]) -> None:
        super().__init__(channels, grid.images(group.matrices), directions)
        for name, table in (("nodes", grid.nodes()), ("sectors", grid.sectors(directions))):
            self.register_buffer(name, torch.from_numpy(table).float(), persistent=False)

    def log_density(self, embedding: Tensor) -> Tensor:
        """Logarithm of the probability of each node, shape (n, node)."""
        return self.scores(embedding).log_softmax(dim=1)

    def loss(self, embedding: Tensor, labels: Tensor, conditions: Tensor | None = None) -> Tensor:
        """Cross entropy with a Gaussian about each vector."""
        distance = torch.cdist(labels, self.nodes).square()
        target = (-distance / (2 * SMOOTHING**2)).softmax(dim=1)
        return -(target * self.log_density(embedding)).sum(dim=1).mean()

    def logits(self, embedding: Tensor) -> Tensor:
        """Logarithms of the probabilities of the classes."""
        found = self.log_density(embedding).exp() @ self.sectors
        return found.clamp(min=torch.finfo(found.dtype).tiny).log()

    def hits(self, embedding: Tensor, labels: Tensor) -> Tensor:
        """How many means lie nearer to their vectors than what counts as polar."""
        mean = self.log_density(embedding).exp() @ self.nodes
        return ((mean - labels).norm(dim=1) < grid.POLAR).sum()
