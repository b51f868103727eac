# SPDX-License-Identifier: GPL-3.0-or-later
"""The torch module of a network, from raw patterns to an embedding, and where it computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from polarstem.errors import PolarstemError
from polarstem.models.heads import HEADS
from polarstem.models.preprocessing import Preprocessing

if TYPE_CHECKING:
    from polarstem.models.examples import Examples

HIDDEN = 512
PREDICTION_BATCH = 256


class PatternNetwork(nn.Module):
    """Raw patterns (n, ky, kx) to embeddings (n, d): scaling, backbone, 512 units, head.

    Parameters
    ----------
    preprocessing : Preprocessing
        Scales the patterns.
    backbone : Module
        Maps images (n, channels, ky, kx) to features (n, anything).
    head : str
        A name in `HEADS`.
    directions : sequence of float
        Directions of the classes [degrees].
    """

    def __init__(
        self,
        preprocessing: Preprocessing,
        backbone: nn.Module,
        head: str,
        directions: Sequence[float],
        shape: tuple[int, int],
    ) -> None:
        super().__init__()
        self.preprocessing = preprocessing
        self.backbone = backbone
        self.hidden = nn.Linear(count_features(backbone, (preprocessing.channels, *shape)), HIDDEN)
        self.head = HEADS[head](HIDDEN, directions)
        self.to(memory_format=torch.channels_last)

    def forward(self, patterns: Tensor) -> Tensor:
        """Embeddings of raw patterns."""
        features = self.backbone(self.preprocessing(patterns))
        embedding: Tensor = self.head(torch.relu(self.hidden(features)))
        return embedding


def count_features(backbone: nn.Module, shape: tuple[int, int, int]) -> int:
    """Length of a backbone's output, found by trying it on one image (channels, ky, kx)."""
    training = backbone.training
    with torch.no_grad():
        output = backbone.eval()(torch.zeros(1, *shape))
    backbone.train(training)
    if output.ndim != 2:
        raise ValueError(f"its output has shape {tuple(output.shape)}")
    return int(output.shape[1])


def resolve_device(device: str) -> torch.device:
    """The torch device for "auto", "cpu" or "gpu"."""
    available = torch.cuda.is_available()
    if device == "gpu" and not available:
        raise PolarstemError(
            "A GPU was asked for (device: gpu) but torch sees none; use device: auto or cpu, or "
            "check the driver and CUDA_VISIBLE_DEVICES."
        )
    return torch.device("cuda" if available and device != "cpu" else "cpu")


def embedded(
    network: PatternNetwork,
    patterns: NDArray[np.float32],
    device: torch.device,
    function: Callable[[Tensor], Tensor] = lambda embedding: embedding,
) -> Tensor:
    """A function of the embeddings of patterns (n, ky, kx), computed batch by batch."""
    parts = []
    for start in range(0, max(1, len(patterns)), PREDICTION_BATCH):
        batch = np.array(patterns[start : start + PREDICTION_BATCH])
        parts.append(function(network(torch.from_numpy(batch).to(device))))
    return torch.cat(parts)


def finish_head(
    network: PatternNetwork, sample: Examples, check: Examples, device: torch.device
) -> None:
    """Fit what a head takes from clean patterns after training.

    Parameters
    ----------
    network : PatternNetwork
        Trained.
    sample, check : Examples
        Patterns and labels of training and validation.
    device : torch.device
        Where the network is.
    """
    head = network.head
    with torch.no_grad():
        if head.uses_references:
            labels = torch.from_numpy(sample.labels).to(device)
            head.learn_references(embedded(network, sample.patterns, device), labels)
        labels = torch.from_numpy(check.labels).to(device)
        head.calibrate(embedded(network, check.patterns, device), labels)
