# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable

import pytest
from synthetic_patterns import DIRECTIONS, NAMES, SIZE, lopsided_patterns

from polarstem.data.patterns import PatternSet


@pytest.fixture(scope="session")
def make_set() -> Callable[..., PatternSet]:
    """Maker of in-memory sets: n patterns from a seed."""

    def make(n: int, seed: int, size: int = SIZE) -> PatternSet:
        patterns, label = lopsided_patterns(n, seed, size)
        specimen = [f"static-{NAMES[k]}-{seed}" for k in label]
        return PatternSet.from_arrays(patterns, label, NAMES, DIRECTIONS, specimen=specimen)

    return make
