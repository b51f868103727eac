# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns laid out for random access: in memory, or in a memory-mapped file if too many."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.files import atomic_path

if TYPE_CHECKING:
    from polarstem.data.patterns import PatternSet

CHUNK = 1024  # patterns read at a time


def stage(patterns: PatternSet, path: Path, memory_mb: int) -> NDArray[np.float32]:
    """Copy patterns chunk by chunk out of their compressed files.

    Compressed netCDF is fast in order and slow at random; training needs every epoch in
    another order.

    Parameters
    ----------
    patterns : PatternSet
        What to copy.
    path : Path
        The ``.npy`` file to use if the patterns take more than `memory_mb`.
    memory_mb : int
        Largest size kept in memory [MB].

    Returns
    -------
    ndarray (n, ky, kx), float32
        In memory or memory-mapped, read-only in the latter case.
    """
    shape = (patterns.n, *patterns.shape)
    if 4e-6 * np.prod(shape, dtype=float) <= memory_mb:
        array = np.empty(shape, np.float32)
        _copy(patterns, array)
        return array
    with atomic_path(path) as temporary:
        mapped = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=shape)
        _copy(patterns, mapped)
        mapped.flush()
        del mapped
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _copy(patterns: PatternSet, target: NDArray[np.float32]) -> None:
    for part, values in patterns.batches(CHUNK):
        target[part] = values
        # One NaN would silently end all learning.
        if not np.isfinite(target[part]).all():
            bad = ~np.isfinite(target[part]).all(axis=(1, 2))
            first = (part.start or 0) + int(np.argmax(bad))
            raise PolarstemError(
                f"Pattern {first} of specimen {patterns.specimen[first]} holds values that are "
                "not finite; delete that specimen's simulation and data set and run again."
            )
