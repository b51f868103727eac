# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting a trained model to one scan without labels.

A scan that was recorded elsewhere than the training patterns shifts what a network computes for
all of its patterns alike, and that shift can be estimated from the scan itself. Two methods from
the literature are here: batch normalisation with the scan's statistics (Y. Li et al.,
arXiv:1603.04779), mixed with those of the training (S. Schneider et al., NeurIPS 33, 11539 (2020)),
and class references estimated anew from the patterns that the model is surest of (Y. Iwasawa and
Y. Matsuo, NeurIPS 34, 2427 (2021)).

Both take a scan for a fair sample of all classes. A scan of a single ferroelectric domain is none:
what its patterns have in common then is their class, and taking that for the shift removes it. So
each pattern stands for all of its copies that are turned and mirrored by the symmetries of the
square, in which the directions of a class's orbit are equally frequent whatever the scan shows.
The same copies give the method that assumes nothing: answers averaged over them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import entr
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from polarstem.errors import PolarstemError
from polarstem.models.augmentation import SquareSymmetry
from polarstem.models.base import Array, Model
from polarstem.models.heads import PrototypeHead
from polarstem.models.network import NetworkModel
from polarstem.models.pattern_network import PatternNetwork

PRIOR = 64
"""Patterns of a scan that weigh as much as the training; a choice made beforehand, not tuned."""
SURE = 0.5
"""Share of the patterns found in a class, the surest ones, that its reference is drawn to."""
BATCH = 64  # patterns, each with its copies, that statistics are taken over at a time
METHODS = ("symmetry", "prototypes", "batch_statistics")
_NEEDS = {
    "prototypes": "head: prototype",
    "batch_statistics": "batch normalisation, as resnet18 or vgg11_bn have",
}


@dataclass(frozen=True)
class AdaptedModel:
    """A model whose answers are averaged over turned and mirrored copies of a pattern.

    Attributes
    ----------
    model : Model
        Answers for each copy.
    symmetry : SquareSymmetry or None
        The turns and mirrors; None leaves patterns as they are.
    """

    model: Model
    symmetry: SquareSymmetry | None

    def predict_proba(self, patterns: NDArray[Any]) -> Array:
        """Class probabilities (n, n_classes) of patterns (n, ky, kx)."""
        total = np.zeros((len(patterns), len(self.model.class_names)), np.float32)
        for turned, becomes in self.copies(np.asarray(patterns)):
            total += self.model.predict_proba(turned)[:, becomes]
        return total / total.sum(axis=1, keepdims=True)

    def copies(self, patterns: NDArray[Any]) -> Iterator[tuple[NDArray[Any], NDArray[np.int64]]]:
        """Yield all patterns in one turn after the other, with what each class becomes in it."""
        if self.symmetry is None:
            yield patterns, np.arange(len(self.model.class_names))
            return
        images, labels = torch.from_numpy(patterns), torch.zeros(len(patterns), dtype=torch.long)
        for operation, becomes in enumerate(self.symmetry.permutations):
            yield self.symmetry.apply(operation, images, labels)[0].numpy(), becomes


def adapt(
    model: Model, patterns: NDArray[Any], method: str, turned_copies: bool = True
) -> AdaptedModel:
    """Fit a model to a scan.

    Parameters
    ----------
    model : Model
        Trained; it is left as it is.
    patterns : ndarray, shape (n, ky, kx)
        Patterns of the scan, or a sample of them.
    method : str
        One of `METHODS`.
    turned_copies : bool
        Whether each pattern stands for its turned and mirrored copies, in the estimates and in the
        answers. Without them the methods are the published ones, and a scan of one class misleads
        them.

    Raises
    ------
    PolarstemError
        If the model has nothing that the method could estimate anew, or the scan is one pattern.
    """
    symmetry = None
    if turned_copies:
        ky, kx = patterns.shape[1:]
        symmetry = SquareSymmetry((ky, kx), model.class_directions.tolist())
    scan = AdaptedModel(model, symmetry)
    match method:
        case "symmetry":
            return scan
        case "prototypes":
            return AdaptedModel(_with_references_of(scan, patterns), symmetry)
        case "batch_statistics":
            return AdaptedModel(_with_statistics_of(scan, patterns), symmetry)
    raise PolarstemError(f"There is no adaptation '{method}'; known: {', '.join(METHODS)}")


def _with_references_of(scan: AdaptedModel, patterns: NDArray[Any]) -> Model:
    """Model with class references drawn towards the scan's surest patterns.

    Classes are those of the averaged answers; of the patterns found in each, the half with the
    lowest entropy is taken. `PRIOR` is what a class's reference from the training counts for.
    """
    fitted, network = _copied(scan.model, "prototypes")
    head = network.head
    if not isinstance(head, PrototypeHead):
        raise _cannot("prototypes")
    probability = scan.predict_proba(patterns)
    label, entropy = probability.argmax(axis=1), entr(probability).sum(axis=1)
    sure = np.zeros(len(label), bool)
    for found in np.unique(label):
        mine = label == found
        sure |= mine & (entropy <= np.quantile(entropy[mine], SURE))
    label = label[sure]
    copies = scan.copies(patterns[sure])
    parts = [(fitted.embed(turned), becomes[label]) for turned, becomes in copies]
    embedding, labels = (
        torch.from_numpy(np.concatenate(column)).to(fitted.device)
        for column in zip(*parts, strict=True)
    )
    head.move_references(embedding, labels, PRIOR)
    return fitted


def _with_statistics_of(scan: AdaptedModel, patterns: NDArray[Any]) -> Model:
    """Model whose batch normalisation has the scan's statistics, mixed with the training's."""
    fitted, network = _copied(scan.model, "batch_statistics")
    layers = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    if not layers:
        raise _cannot("batch_statistics")
    if len(patterns) < 2:
        raise PolarstemError(
            "A scan of one pattern has no statistics; scan more positions, or take its data domain "
            "out of evaluate.adaptation."
        )
    before = [_statistics(layer) for layer in layers]
    # neighbours in a scan are alike: every batch is to hold patterns from all over it
    order = np.random.default_rng(0).permutation(len(patterns))
    batches = [
        torch.from_numpy(np.concatenate([turned for turned, _ in scan.copies(patterns[part])]))
        for part in np.array_split(order, math.ceil(len(order) / BATCH))
    ]
    share = len(patterns) / (len(patterns) + PRIOR)
    with torch.no_grad():
        update_bn(batches, network, fitted.device)
        for layer, trained in zip(layers, before, strict=True):
            for now, then in zip(_statistics(layer, clone=False), trained, strict=True):
                now.lerp_(then, 1 - share)
    return fitted


def _statistics(layer: nn.Module, clone: bool = True) -> list[Tensor]:
    """Running mean and variance of a layer of batch normalisation."""
    found = [layer.get_buffer(name) for name in ("running_mean", "running_var")]
    return [tensor.clone() for tensor in found] if clone else found


def _copied(model: Model, method: str) -> tuple[NetworkModel, PatternNetwork]:
    """The model with a network of its own."""
    if not isinstance(model, NetworkModel) or model.network is None:
        raise _cannot(method)
    fitted = copy.copy(model)
    fitted.network = network = copy.deepcopy(model.network)
    return fitted, network


def _cannot(method: str) -> PolarstemError:
    return PolarstemError(
        f"The adaptation {method} needs a trained network with {_NEEDS[method]}; take the model "
        "out of evaluate.adaptation."
    )
