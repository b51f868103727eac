# SPDX-License-Identifier: GPL-3.0-or-later
"""What the families without a network have in common: what they learned is a few arrays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polarstem.files import read_arrays
from polarstem.models.base import Array, Model
from polarstem.models.staging import stage

if TYPE_CHECKING:
    from polarstem.data.patterns import PatternSet
    from polarstem.models.job import FitJob
    from polarstem.models.preprocessing import Preprocessing

ARRAYS_FILE = "arrays.npz"
_PREPROCESSING = "preprocessing_"


class ArrayModel(Model):
    """A model that is saved as arrays, with the scaling of the patterns if its options have one."""

    files = (ARRAYS_FILE,)
    _arrays: dict[str, NDArray[Any]]
    _preprocessing: Preprocessing

    def _staged(
        self, train: PatternSet, validation: PatternSet, job: FitJob
    ) -> tuple[Array, NDArray[np.int64]]:
        """Training patterns and their classes, once they have been found usable."""
        self._check_training(train, validation)
        job.workdir.mkdir(parents=True, exist_ok=True)
        patterns = stage(train, job.workdir / "train.npy", job.memory_mb)
        return patterns, np.asarray(train.class_index, np.int64)

    def _pixels(self, patterns: NDArray[np.float32]) -> NDArray[np.float64]:
        """Scaled patterns as rows (n, pixels)."""
        import torch

        scaled = self._preprocessing(torch.from_numpy(np.array(patterns)))
        return scaled.numpy().reshape(len(patterns), -1).astype(np.float64)

    def _restored(self) -> None:
        """Build what follows from the arrays, once they are read."""

    def _write(self, directory: Path) -> None:
        arrays: dict[str, Any] = dict(self._arrays)
        if hasattr(self, "_preprocessing"):
            state = self._preprocessing.state_dict()
            arrays |= {_PREPROCESSING + key: value.numpy() for key, value in state.items()}
        np.savez(directory / ARRAYS_FILE, **arrays)

    def _read(self, directory: Path, device: str) -> None:
        arrays = read_arrays(directory / ARRAYS_FILE)
        scaling = {
            key.removeprefix(_PREPROCESSING): arrays.pop(key)
            for key in list(arrays)
            if key.startswith(_PREPROCESSING)
        }
        if hasattr(self.settings, "preprocessing"):
            import torch

            from polarstem.models.preprocessing import Preprocessing

            self._preprocessing = Preprocessing(self._fitted_shape(), self.settings.preprocessing)
            self._preprocessing.load_state_dict(
                {key: torch.from_numpy(value) for key, value in scaling.items()}
            )
        self._arrays = arrays
        self._restored()
