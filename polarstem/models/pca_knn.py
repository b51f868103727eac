# SPDX-License-Identifier: GPL-3.0-or-later
"""Principal components of standardised pixels and a vote of the nearest neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import IncrementalPCA
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from polarstem.errors import PolarstemError
from polarstem.models.arrays import ArrayModel
from polarstem.models.base import Array
from polarstem.models.options import FILTERS, PreprocessingOptions
from polarstem.models.preprocessing import Preprocessing
from polarstem.models.registry import register
from polarstem.models.staging import CHUNK

if TYPE_CHECKING:
    from polarstem.data.patterns import PatternSet

MINMAX = PreprocessingOptions(scaling="minmax")


@dataclass(frozen=True)
class PcaKnnOptions:
    """Options of the family; the paper scales each pattern to [0, 1] before all else."""

    components: int = 20
    neighbours: int = 5
    preprocessing: PreprocessingOptions = MINMAX
    filter: str = field(default="none", metadata={"choices": FILTERS})


@register("pca_knn")
class PcaKnnModel(ArrayModel):
    """`StandardScaler` of the pixels, `IncrementalPCA`, `KNeighborsClassifier`.

    All three learn chunk by chunk or from the few components, so memory does not grow with
    the number of patterns.
    """

    settings_class = PcaKnnOptions
    settings: PcaKnnOptions

    def fit(
        self,
        train: PatternSet,
        validation: PatternSet,
        *,
        workdir: Path,
        seed: int,
        threads: int = 1,
        device: str = "auto",
        progress: bool = False,
        memory_mb: int = 1500,
    ) -> Self:
        """Learn from labelled patterns; see `Model.fit`. Quick enough not to need resuming."""
        patterns, labels = self._staged(train, validation, workdir, memory_mb)
        if train.n < max(self.settings.components, self.settings.neighbours):
            raise PolarstemError(
                f"pca_knn has {train.n} training patterns, fewer than its "
                f"{self.settings.components} components or {self.settings.neighbours} "
                "neighbours; lower these or give it more patterns."
            )
        # In order, a chunk holds one or two classes, and the components come out worse.
        order = np.random.default_rng(seed).permutation(len(patterns))
        with threadpool_limits(threads):
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
        """Fraction of the neighbours in each class (n, n_classes) for patterns (n, ky, kx)."""
        embedding = self.embed(patterns)
        votes = np.zeros((len(embedding), len(self.class_names)), np.float32)
        if len(embedding):
            votes[:, self._neighbours.classes_] = self._neighbours.predict_proba(embedding)
        return votes

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
        self._neighbours = KNeighborsClassifier(self.settings.neighbours)
        self._neighbours.fit(self._arrays["embedding"], self._arrays["labels"])
