# SPDX-License-Identifier: GPL-3.0-or-later
"""What a counted pattern can say of its class at most, whatever the model.

All limits assume that the expected pattern of every hypothesis is known exactly and that counting
(independent Poisson pixels) is the only noise. A model that must also learn the patterns, or meets
conditions that none of the hypotheses has, stays below.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray

from polarstem.config.limit import KNOWLEDGE
from polarstem.data.chernoff import chernoff_information
from polarstem.evaluate.scores.metrics import FloatArray
from polarstem.seeds import derive_seed
from polarstem.simulate.microscope.noise import count_electrons

ERROR = 0.01
_FLOOR = 1e-30


def electrons_needed(information: NDArray[np.floating]) -> FloatArray:
    """Electrons per pattern after which at most 1 % of guesses between two classes are wrong.

    The error is at most ``exp(-N C) / 2``, so ``N = ln(50) / C``: enough, and for small errors
    nearly necessary.

    Parameters
    ----------
    information : ndarray
        Chernoff information C [1 per electron].

    Returns
    -------
    ndarray
        N; infinite where C is zero.
    """
    needed = np.full(np.shape(information), np.inf)
    return np.divide(np.log(0.5 / ERROR), information, out=needed, where=information > 0)


def class_information(patterns: NDArray[np.float32]) -> FloatArray:
    """Chernoff information between each two classes.

    Parameters
    ----------
    patterns : ndarray, shape (class, ..., pixel)
        Expected fractions of the beam.

    Returns
    -------
    ndarray, shape (class, class, ...)
        [1 per electron]; symmetric in the classes, and infinite between a class and itself, so
        that the least over the second index is that of the class most alike.
    """
    count = len(patterns)
    found = np.full((count, count, *patterns.shape[1:-1]), np.inf)
    for a, b in combinations(range(count), 2):
        found[a, b] = found[b, a] = chernoff_information(patterns[a], patterns[b])
    return found


def error_bound(information: FloatArray, dose: float) -> FloatArray:
    """Upper bound of the error of the best guess among equally probable classes.

    The sum over the pairs of classes of ``exp(-N C) / classes``: guessing wrong among many means
    preferring one wrong class to the right one (union bound), and preferring either of two to the
    other has a probability of at most ``exp(-N C)`` in all.

    Parameters
    ----------
    information : ndarray, shape (class, class, ...)
        From `class_information`.
    dose : float
        Electrons N per pattern.

    Returns
    -------
    ndarray, shape (...)
        Probability; may exceed 1 at small doses, where it says nothing.
    """
    # both orders of a pair are in the sum, hence the 2
    return np.exp(-dose * information).sum((0, 1)) / (2 * len(information))


def mixture_bound(templates: NDArray[np.float32], dose: float) -> float:
    """Upper bound of the error of the best guess where a class may be any of its templates.

    As `error_bound`, for mixtures with equal weights: their overlap is at most the sum of the
    overlaps of their members, each bounded with s = 1/2 (Bhattacharyya), where the information is
    ``sum((p + q) / 2 - sqrt(p q))`` and products of matrices give it.

    Parameters
    ----------
    templates : ndarray, shape (class, template, pixel)
        Expected fractions of the beam.
    dose : float
        Electrons per pattern.

    Returns
    -------
    float
        Probability, averaged over classes and templates; may exceed 1.
    """
    roots, totals = np.sqrt(templates), templates.sum(-1)
    bound = 0.0
    for a, b in combinations(range(len(templates)), 2):
        alike = (totals[a][:, None] + totals[b]) / 2 - roots[a] @ roots[b].T
        bound += float(np.exp(-dose * np.maximum(alike, 0)).sum(dtype=np.float64))
    return bound / totals.size


def bayes_right(
    patterns: NDArray[np.float32], thickness: int, dose: float, repeats: int, seed: int
) -> dict[str, FloatArray]:
    """Share of right guesses of the Bayes classifier, by simulation.

    It knows the expected patterns of all classes, thicknesses and positions that are given, and
    finds each combination equally probable. The guess is the class of largest posterior, summed
    over what is unknown; no other guess is right more often.

    Parameters
    ----------
    patterns : ndarray, shape (class, thickness, position, pixel), float32
        Expected fractions of the beam.
    thickness : int
        Index of the true one.
    dose : float
        Electrons per pattern.
    repeats : int
        Patterns drawn for each class and position.
    seed : int
        Seed of the counting.

    Returns
    -------
    dict of str to ndarray, shape (position,)
        Share of the patterns of each position guessed right, by what is known (`KNOWLEDGE`).
    """
    classes, thicknesses, positions, pixels = patterns.shape
    logs = np.log(np.maximum(patterns, _FLOOR)).reshape(-1, pixels)
    logs -= logs.mean(0)  # common to all hypotheses, so nothing to the guess: single precision
    expected = dose * patterns.sum(-1).reshape(-1)
    means = torch.from_numpy(patterns[:, thickness] * np.float32(dose))
    true = torch.arange(classes)[:, None]
    right = {name: torch.zeros(positions, dtype=torch.float64) for name in KNOWLEDGE}
    for repeat in range(repeats):
        counts = count_electrons(means.clone(), derive_seed(seed, repeat)).numpy()
        score = torch.from_numpy(counts.reshape(-1, pixels) @ logs.T - expected)
        score = score.reshape(classes, positions, classes, thicknesses, positions)
        here = score.diagonal(dim1=1, dim2=4)  # (true class, class, thickness, position)
        guesses = (
            here[:, :, thickness].argmax(1),
            here.logsumexp(2).argmax(1),
            score.logsumexp((3, 4)).argmax(2),
        )
        for name, guess in zip(KNOWLEDGE, guesses, strict=True):
            right[name] += (guess == true).double().mean(0) / repeats
    return {name: share.numpy() for name, share in right.items()}
