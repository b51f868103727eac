# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left when one crystal, or one training seed, is left out.

Patterns of one crystal share its atoms, and turned copies of it share them too: they are no
independent samples, the crystal is. Each replicate therefore leaves out a crystal with all its
copies. Crystals that carry the same classes form a stratum, because which classes a crystal shows
is set by the design and is no chance; the others of the stratum take over the weight of the one
left out. A stratum of one crystal tells nothing of its spread: such strata are pooled, and a single
one joins the smallest of the others. What differs between classes then widens the interval instead
of vanishing from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarstem.evaluate.scores.metrics import FloatArray

Crystals = Mapping[str, Mapping[str, str]]
"""Data domain -> test specimen -> crystal; specimens that are missing are crystals of their own."""


@dataclass(frozen=True)
class Replicates:
    """Weights of the specimens, with all crystals and without each.

    Attributes
    ----------
    weights : ndarray, shape (1 + replicates, specimens)
        All ones, then one row for each crystal that is left out.
    strata : ndarray of int, shape (replicates, 2)
        0, for all are crystals of one test set, and the stratum of the crystal left out.
    n : int
        Number of crystals. A single one cannot be left out, so that there is no replicate.
    """

    weights: FloatArray
    strata: NDArray[np.int64]
    n: int


def leave_one_out(crystal: Sequence[str], class_index: NDArray[np.int64]) -> Replicates:
    """Leave out one crystal at a time.

    Parameters
    ----------
    crystal : sequence of str
        Crystal of each specimen.
    class_index : ndarray of int, shape (specimens,)
        Class of each specimen.

    Returns
    -------
    Replicates
    """
    names, owner = np.unique(np.asarray(crystal, dtype=str), return_inverse=True)
    n = len(names)
    weights = np.ones((1, len(owner)))
    if n < 2:
        return Replicates(weights, np.empty((0, 2), np.int64), n)
    strata = _strata(owner, np.asarray(class_index), n)
    rows = [weights]
    for left_out, stratum in enumerate(strata):
        size = int((strata == stratum).sum())
        row = np.where(strata[owner] == stratum, size / (size - 1), 1.0)
        rows.append(np.where(owner == left_out, 0.0, row)[None])
    return Replicates(np.concatenate(rows), np.stack([0 * strata, strata], axis=1), n)


def crystals_of_part(crystals: Crystals | None, domain: str, names: Sequence[str]) -> list[str]:
    """Crystal of each of these specimens."""
    known = (crystals or {}).get(domain, {})
    return [known.get(name, name) for name in names]


def _strata(owner: NDArray[np.int64], class_index: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Stratum of each crystal; none has a single one."""
    carried = [tuple(np.unique(class_index[owner == crystal])) for crystal in range(n)]
    labels = {classes: label for label, classes in enumerate(sorted(set(carried)))}
    strata = np.array([labels[classes] for classes in carried])
    sizes = np.bincount(strata)
    alone = sizes[strata] == 1
    if alone.sum() == 1:
        sizes[strata[alone]] = n + 1  # not itself
        strata[alone] = int(np.where(sizes > 0, sizes, n + 1).argmin())
    else:
        strata[alone] = len(sizes)
    return strata
