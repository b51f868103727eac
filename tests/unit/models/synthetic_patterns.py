# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns whose class shows as a lopsided disc, under a larger variation of no meaning."""

from __future__ import annotations

from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[3]  # where a fresh process finds the package
SIZE = 32
NAMES = ("RM", "RU", "MU", "LU", "LM", "LD", "MD", "RD")
DIRECTIONS = np.arange(8) * 45.0


def lopsided_patterns(n: int, seed: int, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Patterns (n, size, size) brighter towards their class direction, and their classes."""
    rng = np.random.default_rng(seed)
    down, right = np.mgrid[:size, :size] - (size - 1) / 2
    label = rng.permutation(np.arange(n) % 8)
    angle = np.deg2rad(DIRECTIONS[label])[:, None, None]
    disc = np.exp(-((np.hypot(down, right) / (size / 3)) ** 4))
    slope = (np.cos(angle) * right - np.sin(angle) * down) / size
    fringes = np.sin(right * rng.uniform(0.5, 2, n)[:, None, None] + down)
    brightness = rng.uniform(0.7, 1.3, n)[:, None, None]
    return (1e-3 * brightness * disc * (1 + 0.1 * fringes + 0.5 * slope)).astype("f4"), label
