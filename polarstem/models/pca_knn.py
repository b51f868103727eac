# SPDX-License-Identifier: GPL-3.0-or-later
"""Principal components of standardised pixels and a vote of the nearest neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import IncrementalPCA
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from polarstem.errors import PolarstemError
from polarstem.models.base import Array, Model
from polarstem.models.options import FILTERS, PreprocessingOptions, parse
from polarstem.models.preprocessing import Preprocessing
from polarstem.models.registry import register
from polarstem.models.staging import CHUNK, stage

if TYPE_CHECKING:
    from polarstem.data.patterns import PatternSet

ARRAYS_FILE = "arrays.npz"
_PREPROCESSING = "preprocessing_"
MINMAX = PreprocessingOptions(scaling="minmax")


@dataclass(frozen=True)
class PcaKnnOptions:
    """Options of the family; the paper scales each pattern to [0, 1] before all else."""

    components: int = 20
    neighbours: int = 5
    preprocessing: PreprocessingOptions = MINMAX
    filter: str = field(default="none", metadata={"choices": FILTERS})


@register("pca_knn")
class PcaKnnModel(Model):
    """`StandardScaler` of the pixels, `IncrementalPCA`, `KNeighborsClassifier`.

    All three learn chunk by chunk or from the few components, so memory does not grow with
    the number of patterns.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        class_names: Sequence[str],
        class_directions: Sequence[float],
    ) -> None:
        super().__init__(options, class_names, class_directions)
        self.settings = parse(PcaKnnOptions, self.options, f"models.{self.family}")

    @property
    def filter(self) -> str:
        """Which training patterns the model wants."""
        return self.settings.filter

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
        self._check_training(train, validation)
        if train.n < max(self.settings.components, self.settings.neighbours):
            raise PolarstemError(
                f"pca_knn has {train.n} training patterns, fewer than its "
                f"{self.settings.components} components or {self.settings.neighbours} "
                "neighbours; lower these or give it more patterns."
            )
        workdir.mkdir(parents=True, exist_ok=True)
        patterns = stage(train, workdir / "train.npy", memory_mb)
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
            self._arrays["labels"] = np.asarray(train.class_index, np.int64)
        self._fit_neighbours()
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

    def _pixels(self, patterns: Array) -> NDArray[np.float64]:
        """Preprocessed patterns as rows (n, ky * kx)."""
        scaled = self._preprocessing(torch.from_numpy(np.array(patterns)))
        return scaled.numpy().reshape(len(patterns), -1).astype(np.float64)

    def _project(self, patterns: Array) -> Array:
        arrays = self._arrays
        embedding = np.empty((len(patterns), len(arrays["components"])), np.float32)
        for start in range(0, len(patterns), CHUNK):
            part = slice(start, start + CHUNK)
            pixels = (self._pixels(patterns[part]) - arrays["pixel_mean"]) / arrays["pixel_scale"]
            embedding[part] = (pixels - arrays["pca_mean"]) @ arrays["components"].T
        return embedding

    def _fit_neighbours(self) -> None:
        """Neighbours are stored patterns: fitting again restores them exactly."""
        self._neighbours = KNeighborsClassifier(self.settings.neighbours)
        self._neighbours.fit(self._arrays["embedding"], self._arrays["labels"])

    def _write(self, directory: Path) -> None:
        state = self._preprocessing.state_dict()
        scaling = {_PREPROCESSING + key: value.numpy() for key, value in state.items()}
        np.savez(directory / ARRAYS_FILE, **self._arrays, **scaling)

    def _read(self, directory: Path, device: str) -> None:
        with np.load(directory / ARRAYS_FILE, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        self._preprocessing = Preprocessing(self._fitted_shape(), self.settings.preprocessing)
        self._preprocessing.load_state_dict(
            {
                key.removeprefix(_PREPROCESSING): torch.from_numpy(arrays.pop(key))
                for key in list(arrays)
                if key.startswith(_PREPROCESSING)
            }
        )
        self._arrays = arrays
        self._fit_neighbours()
