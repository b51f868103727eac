# SPDX-License-Identifier: GPL-3.0-or-later
"""Counting statistics: Poisson noise that does not depend on batches or threads."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numba
import numpy as np
import torch
from numpy.typing import NDArray

_FEW = 10.0  # electrons; W. Hörmann's method is meant for more
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
def _uniform(state: np.uint64) -> float:
    """Give a number in (0, 1)."""
    return (float(_mix(state) >> _SHIFTS[3]) + 0.5) * 2.0**-53


@numba.njit(nogil=True, cache=True)
def _draw(images: NDArray[np.float32], key: np.uint64, start: int, stop: int) -> None:
    """Replace means by counts, in place; each pixel has a stream of its own.

    Few electrons: products of uniform numbers (D. E. Knuth, The Art of Computer Programming 2,
    3.4.1). Many: transformed rejection (W. Hörmann, Insurance Math. Econom. 12, 39 (1993)).
    """
    for pixel in range(start, stop):
        mean = float(images[pixel])
        state = _mix(key + np.uint64(pixel) * _STEP)
        count = 0.0
        if mean < _FEW:
            least = math.exp(-mean)
            product = _uniform(state)
            while product > least:
                state += _STEP
                product *= _uniform(state)
                count += 1.0
        else:
            b = 0.931 + 2.53 * math.sqrt(mean)
            a = -0.059 + 0.02483 * b
            inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
            v_r = 0.9277 - 3.6224 / (b - 2)
            while True:
                u = _uniform(state) - 0.5
                v = _uniform(state + _STEP)
                state += _STEP + _STEP
                us = 0.5 - abs(u)
                count = math.floor((2 * a / us + b) * u + mean + 0.43)
                if us >= 0.07 and v <= v_r:
                    break
                if count < 0 or (us < 0.013 and v > us):
                    continue
                bound = count * math.log(mean) - mean - math.lgamma(count + 1)
                if math.log(v * inverse_alpha / (a / (us * us) + b)) <= bound:
                    break
        images[pixel] = count


def count_electrons(means: torch.Tensor, seed: int) -> torch.Tensor:
    """Draw Poisson counts.

    Parameters
    ----------
    means : Tensor, float32
        Expected electrons of each pixel; overwritten.
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
    key = np.uint64(int(_mix(np.uint64(seed % 2**64) + _STEP)))
    threads = torch.get_num_threads()
    if threads == 1:
        _draw(flat, key, 0, len(flat))
        return means
    edges = np.linspace(0, len(flat), threads + 1).astype(int).tolist()
    with ThreadPoolExecutor(threads) as pool:
        parts = [pool.submit(_draw, flat, key, *part) for part in pairwise(edges)]
        for part in parts:
            part.result()
    return means
