# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns in all turns and mirrors that map the classes onto themselves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polarstem.models.augmentation import SquareSymmetry
from polarstem.models.staging import CHUNK


def turned_copies(
    symmetry: SquareSymmetry, patterns: NDArray[np.float32], labels: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Yield patterns and labels chunk by chunk: all in the first turn, all in the next.

    Parameters
    ----------
    symmetry : SquareSymmetry
        The turns.
    patterns : ndarray, shape (n, ky, kx)
        In memory or memory-mapped.
    labels : ndarray, shape (n,)
        Their classes.
    """
    for operation in range(len(symmetry.operations)):
        for start in range(0, len(patterns), CHUNK):
            part = slice(start, start + CHUNK)
            values = torch.from_numpy(np.array(patterns[part]))
            turned, label = symmetry.apply(operation, values, torch.from_numpy(labels[part]))
            yield turned.numpy(), label.numpy()


def averaged(symmetry: SquareSymmetry, images: Tensor) -> Tensor:
    """Average images over the turns.

    Parameters
    ----------
    symmetry : SquareSymmetry
        The turns.
    images : Tensor, shape (n, ..., ky, kx)
        One for each class, which a turn moves to the class that it becomes; or a single one that
        belongs to none.
    """
    total = torch.zeros_like(images)
    for operation in range(len(symmetry.operations)):
        turned, labels = symmetry.apply(operation, images, torch.arange(len(images)))
        total[labels if len(images) > 1 else [0]] += turned
    return total / len(symmetry.operations)
