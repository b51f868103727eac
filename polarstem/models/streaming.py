# SPDX-License-Identifier: GPL-3.0-or-later
"""Training on a stream of patterns that other processes measure meanwhile."""

from __future__ import annotations

import hashlib
import logging
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from polarstem.models.examples import REFERENCES, Batch, EpochSampler, Examples, TrainingPatterns
from polarstem.seeds import derive_seed

if TYPE_CHECKING:
    from polarstem.data.stream import PatternStream

logger = logging.getLogger(__name__)

Block = tuple[NDArray[Any], ...]  # the columns of a batch


class StreamedPatterns(TrainingPatterns):
    """A window over the latest blocks of a stream; batches are drawn from it at random.

    Which block a step sees last, and which rows it takes, follows from seed and step: processes
    that measure ahead change the time that training takes and nothing else.

    Parameters
    ----------
    stream : PatternStream
        What is measured.
    epochs : int
        Number of equal parts, after each of which the network is validated.
    workers : int
        Processes that measure; 0 measures between the steps. Only where processes can be forked.
    unpolar : bool
        Whether patterns of cubic crystals are among them.
    conditions : bool
        Whether batches tell under which conditions each pattern was measured.

    Attributes
    ----------
    per_epoch : int
        Patterns that the network sees in an epoch.
    waited : float
        Time that training has waited for patterns [s].
    """

    def __init__(
        self,
        stream: PatternStream,
        epochs: int,
        workers: int,
        unpolar: bool = True,
        conditions: bool = False,
    ) -> None:
        self.stream, self.unpolar, self.conditions = stream, unpolar, conditions
        # a fresh interpreter would run the main script again
        self.workers = workers if sys.platform == "linux" else 0
        settings = stream.settings
        self.blocks_per_epoch = max(1, round(settings["patterns"] / stream.block_size / epochs))
        self.blocks = self.blocks_per_epoch * epochs
        self.reuse = settings["reuse"]
        self.kept = max(1, settings["window"] // stream.block_size)
        self.per_epoch = self.blocks_per_epoch * stream.block_size * self.reuse
        self.waited = 0.0
        self._first: Examples | None = None

    @property
    def first(self) -> Examples:
        """The first block."""
        if self._first is None:
            self._first = Examples(*self.block(0))
        return self._first

    def block(self, number: int) -> Block:
        """Columns of a block."""
        measured = self.stream.block(number, unpolar=self.unpolar)
        columns = measured.patterns, measured.class_index
        if not self.conditions:
            return columns
        return *columns, number * self.stream.block_size + measured.condition

    def loader(self, size: int, seed: int | None) -> DataLoader[Batch]:
        """Batches, for each block as many as use it `reuse` times on average."""
        steps = max(1, round(self.stream.block_size * self.reuse / size))
        sampler = cast("Sampler[int]", _Steps(self.blocks_per_epoch, steps))
        return DataLoader(_Window(self, size, seed or 0), batch_size=None, sampler=sampler)

    def references(self, seed: int) -> Batch:
        """Polar patterns of the first block."""
        rows = np.flatnonzero(self.first.labels >= 0)[:REFERENCES]
        return self.first[rows]

    def digest(self) -> str:
        """Hash of the settings and of the first block."""
        text = f"{self.stream.digest()} {self.blocks_per_epoch} {self.unpolar}"
        return hashlib.sha256(text.encode()).hexdigest()


class _Steps(EpochSampler):
    """(block, step) of every batch of an epoch."""

    def __init__(self, blocks: int, steps: int) -> None:
        self.blocks, self.steps = blocks, steps

    def __len__(self) -> int:
        return self.blocks * self.steps

    def __iter__(self) -> Iterator[tuple[int, int]]:
        first = self.epoch * self.blocks
        for block in range(first, first + self.blocks):
            yield from ((block, step) for step in range(self.steps))


class _Blocks(Dataset[Block]):
    """Blocks by number; held by the processes that measure."""

    def __init__(self, streamed: StreamedPatterns) -> None:
        self.streamed = streamed

    def __getitem__(self, number: int) -> Block:
        return self.streamed.block(number)


class _Window(Dataset[Batch]):
    """The latest blocks, and batches drawn from them."""

    def __init__(self, streamed: StreamedPatterns, size: int, seed: int) -> None:
        self.streamed, self.size, self.seed = streamed, size, seed
        self.columns: list[NDArray[Any]] = []
        self.latest = -1
        self.incoming: Iterator[Any] | None = None

    def __getitem__(self, where: tuple[int, int]) -> Batch:
        block, step = where
        while self.latest < block:
            self._advance(block)
        held = min(self.latest + 1, self.streamed.kept) * self.streamed.stream.block_size
        random = np.random.default_rng(derive_seed(self.seed, block, step))
        rows = random.integers(held, size=self.size)
        return tuple(torch.from_numpy(column[rows]) for column in self.columns)

    def _advance(self, block: int) -> None:
        streamed = self.streamed
        if self.incoming is None:
            # after an interruption the window is filled as it was
            first = max(0, block - streamed.kept + 1)
            self.latest = first - 1
            order = cast("Sampler[int]", range(first, streamed.blocks))
            workers = streamed.workers
            self.incoming = iter(
                DataLoader(
                    _Blocks(streamed),
                    batch_size=None,
                    sampler=order,
                    num_workers=workers,
                    prefetch_factor=2 if workers else None,
                    multiprocessing_context="fork" if workers else None,
                )
            )
        started = time.monotonic()
        measured = [np.asarray(part) for part in next(self.incoming)]
        streamed.waited += time.monotonic() - started
        self.latest += 1
        size = streamed.stream.block_size
        start = self.latest % streamed.kept * size
        if not self.columns:
            rows = streamed.kept * size
            self.columns = [np.empty((rows, *p.shape[1:]), p.dtype) for p in measured]
        for column, part in zip(self.columns, measured, strict=True):
            column[start : start + size] = part
