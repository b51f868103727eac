# SPDX-License-Identifier: GPL-3.0-or-later
"""What a network learns: classes, a unit vector, or an embedding with class prototypes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from polarstem.models.augmentation import circular_distance

PROTOTYPE_SIZE = 128
SIGMA_CLASSES = 1.25
"""Width of the circular Gaussian target of the prototype head, in classes."""


class Head(nn.Module):
    """The last layers of a network and its loss.

    A head maps the hidden features to an embedding (`forward`), embeddings to a loss
    (`loss`) and embeddings to class scores whose softmax is the probability (`logits`).

    Parameters
    ----------
    features : int
        Length of the hidden features.
    directions : sequence of float
        Directions of the classes [degrees].
    """

    uses_references: ClassVar[bool] = False
    """Whether `learn_references` does anything."""
    takes_unpolar: ClassVar[bool] = False
    """Whether a label below 0 is understood: a cubic crystal, all classes alike."""

    def __init__(self, features: int, directions: Sequence[float]) -> None:
        super().__init__()
        self.directions = np.asarray(directions, float)

    def forward(self, features: Tensor) -> Tensor:
        """Embedding (n, d) of hidden features (n, features)."""
        raise NotImplementedError

    def loss(self, embedding: Tensor, labels: Tensor, conditions: Tensor | None = None) -> Tensor:
        """Training loss of a batch.

        Parameters
        ----------
        embedding, labels : Tensor, shapes (n, d) and (n,)
            Embeddings and classes.
        conditions : Tensor, shape (n,), optional
            What each pattern was recorded under, as a number; see `PrototypeHead`.
        """
        raise NotImplementedError

    def validation_loss(self, embedding: Tensor, labels: Tensor) -> Tensor:
        """Loss of a batch of another split."""
        return self.loss(embedding, labels)

    def logits(self, embedding: Tensor) -> Tensor:
        """Class scores (n, n_classes)."""
        raise NotImplementedError

    def learn_references(self, embedding: Tensor, labels: Tensor) -> None:
        """Take in the embeddings of clean training patterns; most heads need none."""

    def calibrate(self, embedding: Tensor, labels: Tensor) -> None:
        """Choose what turns scores into probabilities on the validation split."""


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy with the label's class, or with all classes alike where the label is < 0."""
    unpolar = labels < 0
    if not unpolar.any():
        return F.cross_entropy(logits, labels)
    count = logits.shape[1]
    target = F.one_hot(labels.clamp(min=0), count).to(logits.dtype)
    target[unpolar] = 1 / count
    return F.cross_entropy(logits, target)


class ClassificationHead(Head):
    """Cross entropy over the classes; the embedding is the hidden layer."""

    takes_unpolar = True

    def __init__(self, features: int, directions: Sequence[float]) -> None:
        super().__init__(features, directions)
        self.classes = nn.Linear(features, len(directions))

    def forward(self, features: Tensor) -> Tensor:
        """The features themselves."""
        return features

    def loss(self, embedding: Tensor, labels: Tensor, conditions: Tensor | None = None) -> Tensor:
        """Cross entropy."""
        return cross_entropy(self.classes(embedding), labels)

    def logits(self, embedding: Tensor) -> Tensor:
        """The layer's outputs."""
        scores: Tensor = self.classes(embedding)
        return scores


class _CosineHead(Head):
    """A head that scores classes by the cosine of an angle.

    The probability is ``softmax(kappa * cosine)`` (a von Mises-Fisher mixture); `kappa`
    minimises the negative log-likelihood on the validation split.
    """

    kappa: Tensor

    def __init__(self, features: int, directions: Sequence[float]) -> None:
        super().__init__(features, directions)
        self.register_buffer("kappa", torch.ones(()))

    def cosines(self, embedding: Tensor) -> Tensor:
        """Cosines (n, n_classes)."""
        raise NotImplementedError

    def logits(self, embedding: Tensor) -> Tensor:
        """Scaled cosines."""
        return self.kappa * self.cosines(embedding)

    def calibrate(self, embedding: Tensor, labels: Tensor) -> None:
        """Choose kappa."""
        cosines = self.cosines(embedding).double().cpu().numpy()
        self.kappa.fill_(best_kappa(cosines, labels.cpu().numpy()))


class RegressionHead(_CosineHead):
    """Mean squared error of the polarization's unit vector; the embedding is the hidden layer."""

    unit_vectors: Tensor

    def __init__(self, features: int, directions: Sequence[float]) -> None:
        super().__init__(features, directions)
        self.vector = nn.Linear(features, 2)
        angle = torch.deg2rad(torch.tensor(self.directions))
        unit_vectors = torch.stack([angle.cos(), angle.sin()], dim=1).float()
        self.register_buffer("unit_vectors", unit_vectors, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """The features themselves."""
        return features

    def loss(self, embedding: Tensor, labels: Tensor, conditions: Tensor | None = None) -> Tensor:
        """Mean squared error of the two components."""
        return F.mse_loss(self.vector(embedding), self.unit_vectors[labels])

    def cosines(self, embedding: Tensor) -> Tensor:
        """Cosines between the predicted vector and the class directions."""
        return F.normalize(self.vector(embedding), dim=1) @ self.unit_vectors.T


class PrototypeHead(_CosineHead):
    """The paper's prototype regime.

    Prototypes are the mean embeddings of the batch's classes; the softmax of minus the
    Euclidean distances to them is compared (Kullback-Leibler) with a circular Gaussian over
    the class directions, sigma 1.25 classes. Classes absent from a batch are left out. Where
    conditions are given, a pattern meets the prototypes of patterns under other conditions than
    its own: it has to be like its class at another thickness or in another specimen, not like its
    neighbours in the scan (P. Khosla et al., NeurIPS 33, 18661 (2020)). At test time a pattern is
    as near to a class as its embedding's cosine with the average embedding of the class's clean
    training patterns.
    """

    uses_references = True
    references: Tensor
    targets: Tensor

    def __init__(self, features: int, directions: Sequence[float]) -> None:
        super().__init__(features, directions)
        n = len(directions)
        self.embedding = nn.Linear(features, PROTOTYPE_SIZE)
        self.register_buffer("references", torch.zeros(n, PROTOTYPE_SIZE))
        distance = circular_distance(self.directions[:, None], self.directions)
        sigma = SIGMA_CLASSES * 360.0 / n
        targets = torch.tensor(np.exp(-0.5 * (distance / sigma) ** 2)).float()
        self.register_buffer("targets", targets, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """The 128-d embedding."""
        embedding: Tensor = self.embedding(features)
        return embedding

    def loss(self, embedding: Tensor, labels: Tensor, conditions: Tensor | None = None) -> Tensor:
        """Divergence from the targets, with the batch's own prototypes.

        Patterns whose class the batch does not hold under other conditions have nothing to be
        like, and do not count.
        """
        members = F.one_hot(labels, len(self.directions)).to(embedding.dtype)
        if conditions is not None:  # (pattern, member, class)
            members = members * (conditions[:, None] != conditions).unsqueeze(2)
        count = members.sum(dim=-2).unsqueeze(-1)
        prototypes = members.mT @ embedding / count.clamp(min=1)
        return self._divergence(embedding, labels, prototypes, count.squeeze(-1) > 0)

    def validation_loss(self, embedding: Tensor, labels: Tensor) -> Tensor:
        """Divergence from the targets, with the training patterns' average embeddings."""
        every = torch.ones(len(self.directions), dtype=torch.bool, device=labels.device)
        return self._divergence(embedding, labels, self.references, every)

    def _divergence(
        self, embedding: Tensor, labels: Tensor, prototypes: Tensor, present: Tensor
    ) -> Tensor:
        """Mean over the patterns whose class is `present`, ([n,] classes), as are prototypes."""
        squares = (embedding[:, None] - prototypes).square().sum(dim=2)
        # The root's slope is infinite at 0, where a class's only member sits.
        distance = (squares + 1e-12).sqrt().masked_fill(~present, torch.inf)
        prediction = F.log_softmax(-distance, dim=1).masked_fill(~present, 0.0)
        present = present.expand(len(labels), -1)
        counted = present.gather(1, labels[:, None]).squeeze(1)
        target = self.targets[labels] * present
        target = target / target.sum(dim=1, keepdim=True).clamp(min=torch.finfo(target.dtype).tiny)
        divergence = F.kl_div(prediction, target, reduction="none").sum(dim=1)
        return divergence[counted].sum() / counted.sum().clamp(min=1)

    def learn_references(self, embedding: Tensor, labels: Tensor) -> None:
        """Average the embeddings of each class."""
        members = F.one_hot(labels, len(self.directions)).double()
        means = members.T @ embedding.double() / members.sum(dim=0).clamp(min=1)[:, None]
        self.references.copy_(means)

    def move_references(self, embedding: Tensor, labels: Tensor, prior: float) -> None:
        """Average references with embeddings, all of unit length; a reference counts `prior`."""
        members = F.one_hot(labels, len(self.directions)).to(embedding.dtype)
        before = prior * F.normalize(self.references, dim=1)
        self.references.copy_(before + members.T @ F.normalize(embedding, dim=1))

    def cosines(self, embedding: Tensor) -> Tensor:
        """Cosines with the class-average embeddings."""
        return F.normalize(embedding, dim=1) @ F.normalize(self.references, dim=1).T


HEADS: dict[str, type[Head]] = {
    "classification": ClassificationHead,
    "regression": RegressionHead,
    "prototype": PrototypeHead,
}


def best_kappa(cosines: NDArray[np.float64], labels: NDArray[np.integer]) -> float:
    """The kappa in [0.1, 1000] whose ``softmax(kappa * cosine)`` fits the labels best.

    Parameters
    ----------
    cosines : ndarray (n, n_classes)
        Scores of the patterns.
    labels : ndarray (n,)
        Their true classes.
    """
    own = np.take_along_axis(cosines, labels[:, None], axis=1)
    excess = cosines - own  # the loss is the mean of log(sum(exp(kappa * excess)))

    def loss(log_kappa: float) -> float:
        scaled = np.exp(log_kappa) * excess
        top = scaled.max(axis=1)
        return float(np.mean(top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))))

    found = minimize_scalar(loss, bounds=(np.log(0.1), np.log(1000.0)), method="bounded")
    return float(np.exp(found.x))
