# SPDX-License-Identifier: GPL-3.0-or-later
"""What a network is trained on, in batches whose order is drawn from seed and epoch."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, from_numpy
from torch.utils.data import DataLoader, Dataset, Sampler

from polarstem.seeds import derive_seed

REFERENCES = 1024  # clean training patterns that give the validation loss its references

Batch = tuple[Tensor, ...]  # patterns, labels and, where positives differ in them, conditions


class TrainingPatterns(ABC):
    """Training patterns, epoch by epoch."""

    per_epoch: int

    @abstractmethod
    def loader(self, size: int, seed: int | None) -> DataLoader[Batch]:
        """Batches of about `size` patterns, the same for the same epoch and seed."""

    @abstractmethod
    def references(self, seed: int) -> Batch:
        """Some patterns that a head may need at any time."""

    @abstractmethod
    def digest(self) -> str:
        """Hash of all that the patterns are made of."""


@dataclass(frozen=True)
class Examples(TrainingPatterns, Dataset[Batch]):
    """Patterns (n, ky, kx), labels (n,) and perhaps conditions (n,).

    An index is an array of rows: a whole batch.
    """

    patterns: NDArray[np.float32]
    labels: NDArray[np.int64]
    conditions: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.patterns)

    def __getitem__(self, rows: NDArray[np.int64]) -> Batch:
        columns = (self.patterns, self.labels, self.conditions)
        # Advanced indexing copies, so a read-only memory map is left alone.
        return tuple(from_numpy(column[rows]) for column in columns if column is not None)

    @property
    def per_epoch(self) -> int:  # type: ignore[override]
        """Number of patterns."""
        return len(self)

    def loader(self, size: int, seed: int | None) -> DataLoader[Batch]:
        """Batches in an order drawn from seed and epoch, or as they stand without a seed."""
        # batch_size=None: the sampler's rows go to the data set as they are, one batch at once.
        sampler = cast("Sampler[int]", _Batches(len(self), size, seed))
        return DataLoader(self, batch_size=None, sampler=sampler)

    def references(self, seed: int) -> Batch:
        """Patterns chosen at random."""
        rows = np.random.default_rng(derive_seed(seed, "references")).permutation(len(self))
        return self[np.sort(rows[:REFERENCES])]

    def digest(self) -> str:
        """Hash of all patterns, labels and conditions."""
        content = hashlib.sha256(self.labels.tobytes())
        if self.conditions is not None:
            content.update(self.conditions.tobytes())
        for start in range(0, len(self), 1024):
            content.update(self.patterns[start : start + 1024].tobytes())
        return content.hexdigest()


class EpochSampler(Sampler[Any]):
    """A sampler that knows the epoch: lightning tells it at the start of each."""

    epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Take the number of the epoch."""
        self.epoch = epoch


class _Batches(EpochSampler):
    """Rows of each batch, in order or in an order drawn from seed and epoch.

    Batches differ by one row at most: a leftover of one would break batch normalisation.
    """

    def __init__(self, n: int, size: int, seed: int | None) -> None:
        self.n = n
        self.seed = seed
        self.parts = max(1, min(math.ceil(n / size), n // 2))

    def __len__(self) -> int:
        return self.parts

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        rows = np.arange(self.n)
        if self.seed is not None:
            np.random.default_rng(derive_seed(self.seed, "order", self.epoch)).shuffle(rows)
        yield from np.array_split(rows, self.parts)
