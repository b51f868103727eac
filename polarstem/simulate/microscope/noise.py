# SPDX-License-Identifier: GPL-3.0-or-later
"""Counting statistics: Poisson noise that does not depend on batches or threads."""

from __future__ import annotations

import math

import numba
import numpy as np
import torch
from numpy.typing import NDArray

from polarstem.simulate.parallel import in_parts

_FEW = 32.0  # electrons
_LANES = 16  # pixels at once
_MOST = 100  # electrons of a pixel that expects few: practically impossible
_RECIPROCALS = 1 / np.arange(1, _MOST + 1)
_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11))


@numba.njit(nogil=True, cache=True)
def _mix(state: np.uint64) -> np.uint64:
    """Scramble a counter (SplitMix64: Steele, Lea and Flood, OOPSLA 2014)."""
    state = (state ^ (state >> _SHIFTS[0])) * _MIX_1
    state = (state ^ (state >> _SHIFTS[1])) * _MIX_2
    return state ^ (state >> _SHIFTS[2])


@numba.njit(nogil=True, cache=True)
def _uniform(random: np.uint64) -> float:
    """Give a number in (0, 1)."""
    return (float(random >> _SHIFTS[3]) + 0.5) * 2.0**-53


@numba.njit(nogil=True, fastmath=True, cache=True)
def _draw(images: NDArray[np.float32], key: np.uint64, start: int, stop: int) -> None:
    """Replace means by counts, in place; each pixel has a stream of its own.

    Few electrons: inversion by sequential search (L. Devroye, Non-Uniform Random Variate
    Generation, X.3.3), for some pixels at once. Many: transformed rejection (W. Hörmann,
    Insurance Math. Econom. 12, 39 (1993)).
    """
    means, uniforms, shares, sums = np.zeros((4, _LANES))
    counts = np.empty(_LANES, np.int32)
    for first in range(start, stop, _LANES):
        lanes = min(_LANES, stop - first)
        for lane in range(lanes):
            mean = float(images[first + lane])
            means[lane] = mean if mean < _FEW else 0.0
            uniforms[lane] = _uniform(_mix(key + np.uint64(first + lane) * _STEP))
            counts[lane] = 0
        for lane in range(lanes):
            sums[lane] = shares[lane] = math.exp(-means[lane])
        going, step = np.int32(1), 0
        while going and step < _MOST:
            going = np.int32(0)
            for lane in range(lanes):
                more = np.int32(uniforms[lane] > sums[lane])
                counts[lane] += more
                going |= more
                shares[lane] *= means[lane] * _RECIPROCALS[step]
                sums[lane] += shares[lane]
            step += 1
        for lane in range(lanes):
            mean = float(images[first + lane])
            if mean < _FEW:
                images[first + lane] = counts[lane]
            else:
                images[first + lane] = _many(mean, key + np.uint64(first + lane) * _STEP)


@numba.njit(nogil=True, fastmath=True, cache=True)
def _many(mean: float, state: np.uint64) -> float:
    """Draw one count of many expected electrons."""
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    v_r = 0.9277 - 3.6224 / (b - 2)
    random = _mix(state)
    while True:
        u = _uniform(random) - 0.5
        random = _mix(random + _STEP)
        v = _uniform(random)
        random = _mix(random + _STEP)
        us = 0.5 - abs(u)
        count = math.floor((2 * a / us + b) * u + mean + 0.43)
        if us >= 0.07 and v <= v_r:
            return count
        if count < 0 or (us < 0.013 and v > us):
            continue
        inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
        bound = count * math.log(mean) - mean - math.lgamma(count + 1)
        if math.log(v * inverse_alpha / (a / (us * us) + b)) <= bound:
            return count


def count_electrons(means: torch.Tensor, seed: int) -> torch.Tensor:
    """Draw Poisson counts.

    Parameters
    ----------
    means : Tensor, float32
        Expected electrons of each pixel, contiguous; overwritten.
    seed : int
        The same seed and means give the same counts on every CPU; a GPU has a stream of its own.

    Returns
    -------
    Tensor, float32
        Whole numbers, of the shape of `means`.
    """
    if means.device.type != "cpu":
        return torch.poisson(means, torch.Generator(means.device).manual_seed(seed))
    flat = means.view(-1).numpy()
    key = np.uint64(int(_mix(np.uint64((seed + int(_STEP)) % 2**64))))
    in_parts(lambda start, stop: _draw(flat, key, start, stop), len(flat))
    return means
