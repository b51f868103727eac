# SPDX-License-Identifier: GPL-3.0-or-later
"""Principal components of standardised pixels and a vote of the nearest neighbours.

Five votes rule most classes out, often the true one, and say nothing of the order of those that
have none. A wider circle of neighbours, which together count less than one vote, tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from polarstem.errors import PolarstemError
from polarstem.models.arrays import ArrayModel
from polarstem.models.base import Array
from polarstem.models.options import FamilyOptions, PreprocessingOptions
from polarstem.models.staging import CHUNK

if TYPE_CHECKING:
    from polarstem.data.patterns import PatternSet
    from polarstem.models.job import FitJob

MINMAX = PreprocessingOptions(scaling="minmax")
CIRCLE = 4
"""Neighbours that are looked at, over those that vote."""
BEYOND = 0.9
"""Votes of all neighbours beyond those that vote, falling with their rank."""


@dataclass(frozen=True)
class PcaKnnOptions(FamilyOptions):
    """Options of the family; the paper scales each pattern to [0, 1] before all else."""

    components: int = 20
    neighbours: int = 5
    preprocessing: PreprocessingOptions = MINMAX


class PcaKnnModel(ArrayModel):
    """`StandardScaler` of the pixels, `IncrementalPCA`, `NearestNeighbors`.

    All three learn chunk by chunk or from the few components, so memory does not grow with
    the number of patterns.
    """

    family = "pca_knn"
    on_principal_components = True
    options_type = PcaKnnOptions
    settings: PcaKnnOptions

    @classmethod
    def describe(cls, settings: Mapping[str, Any]) -> str:
        """Components and neighbours."""
        components = settings.get("components", PcaKnnOptions.components)
        neighbours = settings.get("neighbours", PcaKnnOptions.neighbours)
        return f"{components} principal components, vote of {neighbours} nearest neighbours"

    def fit(self, train: PatternSet, validation: PatternSet, job: FitJob) -> Self:
        """Learn from labelled patterns; see `Model.fit`. Quick enough not to need resuming."""
        from sklearn.decomposition import IncrementalPCA
        from sklearn.preprocessing import StandardScaler

        from polarstem.models.preprocessing import Preprocessing

        patterns, labels = self._staged(train, validation, job)
        if train.n < max(self.settings.components, self.settings.neighbours):
            raise PolarstemError(
                f"pca_knn has {train.n} training patterns, fewer than its "
                f"{self.settings.components} components or {self.settings.neighbours} "
                "neighbours; lower these or give it more patterns."
            )
        # In order, a chunk holds one or two classes, and the components come out worse.
        order = np.random.default_rng(job.seed).permutation(len(patterns))
        with threadpool_limits(job.threads):
            self._preprocessing = Preprocessing(self._fitted_shape(), self.settings.preprocessing)
            self._preprocessing.fit(patterns)
            scaler = StandardScaler()
            for part in self._chunks(order):
                scaler.partial_fit(self._pixels(patterns[part]))
            pca = IncrementalPCA(self.settings.components)
            for part in self._chunks(order):
                pca.partial_fit(scaler.transform(self._pixels(patterns[part])))
            self._arrays = {
                "pixel_mean": scaler.mean_,
                "pixel_scale": scaler.scale_,
                "pca_mean": pca.mean_,
                "components": pca.components_,
                "explained_variance_ratio": pca.explained_variance_ratio_,
            }
            self._arrays["embedding"] = self._project(patterns)
            self._arrays["labels"] = labels
        self._restored()
        return self

    def predict_proba(self, patterns: NDArray[Any]) -> Array:
        """Fraction of the votes for each class (n, n_classes) for patterns (n, ky, kx).

        The class with most votes of the nearest neighbours comes first; where several have as
        many, the wider circle decides.
        """
        embedding = self.embed(patterns)
        votes = np.zeros((len(embedding), len(self.class_names)), np.float32)
        if not len(embedding):
            return votes
        voters = self.settings.neighbours
        weights = np.ones(self._neighbours.n_neighbors)
        beyond = 1 / np.arange(voters + 1, len(weights) + 1)
        weights[voters:] = BEYOND * beyond / max(float(beyond.sum()), 1.0)
        nearest = self._neighbours.kneighbors(embedding, return_distance=False)
        labels = self._arrays["labels"][nearest]
        for label in range(votes.shape[1]):
            votes[:, label] = (labels == label) @ weights
        return votes / votes.sum(axis=1, keepdims=True)

    def embed(self, patterns: NDArray[Any]) -> Array:
        """Principal components (n, components) of patterns (n, ky, kx)."""
        return self._project(self._checked(patterns))

    def _chunks(self, order: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """Split indices into chunks, none with fewer patterns than components."""
        size = max(CHUNK, self.settings.components)
        yield from np.array_split(order, max(1, len(order) // size))

    def _project(self, patterns: Array) -> Array:
        arrays = self._arrays
        embedding = np.empty((len(patterns), len(arrays["components"])), np.float32)
        for start in range(0, len(patterns), CHUNK):
            part = slice(start, start + CHUNK)
            pixels = (self._pixels(patterns[part]) - arrays["pixel_mean"]) / arrays["pixel_scale"]
            embedding[part] = (pixels - arrays["pca_mean"]) @ arrays["components"].T
        return embedding

    def _restored(self) -> None:
        """Neighbours are stored patterns: fitting again restores them exactly."""
        from sklearn.neighbors import NearestNeighbors

        embedding = self._arrays["embedding"]
        self._neighbours = NearestNeighbors(
            n_neighbors=min(CIRCLE * self.settings.neighbours, len(embedding))
        )
        self._neighbours.fit(embedding)
