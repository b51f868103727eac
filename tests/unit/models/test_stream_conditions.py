# SPDX-License-Identifier: GPL-3.0-or-later
"""Positives from other conditions, in training on a stream."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from polarstem.data.stream import Labelled
from polarstem.models.streaming import StreamedPatterns


class NumberedStream:
    """Patterns that say which block and conditions they come from."""

    block_size, shape = 12, (2, 2)
    settings: ClassVar = {"patterns": 48, "reuse": 2, "window": 24}

    def block(self, number: int, unpolar: bool) -> Labelled:
        condition = np.arange(12) % 3
        patterns = np.empty((12, 2, 2), np.float32)
        patterns[:] = (100 * number + condition)[:, None, None]
        ones = np.ones(12)
        return Labelled(patterns, condition + 5, ones, np.array(["s"] * 12), condition, ones)


def test_batches_tell_the_conditions_and_blocks_share_none():
    streamed = StreamedPatterns(NumberedStream(), 2, 0, conditions=True)
    seen = set()
    for patterns, labels, conditions in streamed.loader(6, seed=1):
        assert ((patterns[:, 0, 0] % 100 + 5) == labels).all()
        seen |= set(zip(patterns[:, 0, 0].tolist(), conditions.tolist(), strict=True))
    assert len(seen) == 6  # two blocks of three conditions, each with one number
    assert len({condition for _, condition in seen}) == 6


def test_batches_are_the_same_without_conditions():
    plain = StreamedPatterns(NumberedStream(), 2, 0).loader(6, seed=1)
    told = StreamedPatterns(NumberedStream(), 2, 0, conditions=True).loader(6, seed=1)
    for (patterns, labels), (same, too, _) in zip(plain, told, strict=True):
        assert (patterns == same).all()
        assert (labels == too).all()
