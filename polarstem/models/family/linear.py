# SPDX-License-Identifier: GPL-3.0-or-later
"""A linear score of each class: discriminant analysis or logistic regression of few components."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from threadpoolctl import threadpool_limits

from polarstem.errors import PolarstemError
from polarstem.models.arrays import ArrayModel
from polarstem.models.base import Array
from polarstem.models.options import FamilyOptions, PreprocessingOptions
from polarstem.models.staging import CHUNK

if TYPE_CHECKING:
    from sklearn.decomposition import IncrementalPCA

    from polarstem.data.patterns import PatternSet
    from polarstem.models.augmentation import SquareSymmetry
    from polarstem.models.job import FitJob

STANDARDISED = PreprocessingOptions()
FLOOR = 1e-6
"""Least variance of a component that counts, as a fraction of the largest."""
CLASSIFIERS = {"lda": "linear discriminant analysis", "logistic": "logistic regression"}
"""Option `classifier`, and what it is."""


@dataclass(frozen=True)
class LinearOptions(FamilyOptions):
    """Options of the family."""

    classifier: str = field(default="lda", metadata={"choices": tuple(CLASSIFIERS)})
    components: int = 300
    preprocessing: PreprocessingOptions = STANDARDISED


class LinearModel(ArrayModel):
    """`IncrementalPCA`, then scikit-learn's linear classifier.

    It learns from the patterns in all turns that map the classes onto themselves. What is kept is
    a weight of each scaled pixel for each class; averaged over the turns, these give turned
    patterns the turned answers exactly.
    """

    family = "linear"
    on_principal_components = True
    respects_symmetry = True
    options_type = LinearOptions
    settings: LinearOptions

    @classmethod
    def describe(cls, settings: Mapping[str, Any]) -> str:
        """Components and classifier."""
        components = settings.get("components", LinearOptions.components)
        classifier = settings.get("classifier", LinearOptions.classifier)
        return f"{components} principal components, {CLASSIFIERS[classifier]}"

    def fit(self, train: PatternSet, validation: PatternSet, job: FitJob) -> Self:
        """Learn from labelled patterns; see `Model.fit`. Quick enough not to need resuming."""
        import torch
        from sklearn.decomposition import IncrementalPCA

        from polarstem.models.augmentation import SquareSymmetry
        from polarstem.models.preprocessing import Preprocessing
        from polarstem.models.turned import averaged, turned_copies

        patterns, labels = self._staged(train, validation, job)
        most = min(train.n, int(np.prod(train.shape)))
        if most < self.settings.components:
            raise PolarstemError(
                f"linear has {train.n} training patterns of {train.shape[0]} x {train.shape[1]} "
                f"pixels, too few for its {self.settings.components} components; lower these."
            )
        symmetry = SquareSymmetry(self._fitted_shape(), self.class_directions.tolist())
        # made here: what is imported later would not have its threads limited
        pca = IncrementalPCA(self.settings.components)
        classifier = _classifier(self.settings.classifier)
        with threadpool_limits(job.threads):
            self._preprocessing = Preprocessing(self._fitted_shape(), self.settings.preprocessing)
            self._preprocessing.fit(patterns)
            for table in self._preprocessing.buffers():
                table.copy_(averaged(symmetry, table[None])[0])
            components, offset = self._components(pca, symmetry, patterns, labels, job.seed)
            copies = [
                ((self._pixels(turned) @ components.T - offset).astype(np.float32), label)
                for turned, label in turned_copies(symmetry, patterns, labels)
            ]
            values, classes = map(np.concatenate, zip(*copies, strict=True))
            classifier.fit(values, classes)
        weights, bias = classifier.coef_.astype(float), classifier.intercept_.astype(float)
        if len(weights) == 1:  # of two classes, scikit-learn scores the second
            weights, bias = (np.concatenate([-z, z]) / 2 for z in (weights, bias))
        images = torch.from_numpy(weights @ components)
        images = images.view(len(weights), -1, *self._fitted_shape())
        levels = torch.from_numpy(bias - weights @ offset)[:, None, None]
        self._arrays = {
            "weights": averaged(symmetry, images).flatten(1).numpy(),
            "bias": averaged(symmetry, levels).flatten().numpy(),
            "components": components,
            "offset": offset,
        }
        return self

    def predict_proba(self, patterns: NDArray[Any]) -> Array:
        """Class probabilities (n, n_classes) of patterns (n, ky, kx)."""
        score = self._products(patterns, "weights") + self._arrays["bias"]
        return softmax(score, axis=1).astype(np.float32)

    def embed(self, patterns: NDArray[Any]) -> Array:
        """Principal components (n, components) of patterns (n, ky, kx), of unit variance."""
        return (self._products(patterns, "components") - self._arrays["offset"]).astype(np.float32)

    def _components(
        self,
        pca: IncrementalPCA,
        symmetry: SquareSymmetry,
        patterns: Array,
        labels: NDArray[np.int64],
        seed: int,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Principal components of the patterns, each turned at random, and those of their mean.

        They are scaled so that a pattern's have unit variance, but for those that hardly vary.
        """
        import torch

        generator = torch.Generator().manual_seed(seed)
        order = np.random.default_rng(seed).permutation(len(patterns))
        size = max(CHUNK, self.settings.components)
        for part in np.array_split(order, max(1, len(order) // size)):
            values = torch.from_numpy(np.array(patterns[part]))
            turned, _ = symmetry(values, torch.from_numpy(labels[part]), generator)
            pca.partial_fit(self._pixels(turned.numpy()))
        variance = pca.explained_variance_ + FLOOR * pca.explained_variance_[0]
        components = pca.components_ / np.sqrt(variance)[:, None]
        return components, components @ pca.mean_

    def _products(self, patterns: NDArray[Any], rows: str) -> NDArray[np.float64]:
        """Scaled patterns times rows of weights over the pixels."""
        checked, weights = self._checked(patterns), self._arrays[rows].T
        product = np.empty((len(checked), weights.shape[1]))
        for start in range(0, len(checked), CHUNK):
            part = slice(start, start + CHUNK)
            product[part] = self._pixels(checked[part]) @ weights
        return product


def _classifier(name: str) -> Any:
    """Untrained classifier of scikit-learn."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression

    if name == "lda":
        return LinearDiscriminantAnalysis(solver="lsqr")
    return LogisticRegression(max_iter=1000)
