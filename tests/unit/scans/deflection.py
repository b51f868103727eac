# SPDX-License-Identifier: GPL-3.0-or-later
"""Where patterns on a grid have their centre of mass."""

from __future__ import annotations

import numpy as np


def centre_of_mass(patterns: np.ndarray, mrad_per_pixel: float) -> np.ndarray:
    """To the right and up of the middle (n, 2), in the unit of `mrad_per_pixel`."""
    angles = (np.arange(patterns.shape[-1]) - (patterns.shape[-1] - 1) / 2) * mrad_per_pixel
    total = patterns.sum((1, 2), dtype=float)
    right, down = patterns.sum(1) @ angles, patterns.sum(2) @ angles
    return np.stack([right, -down], 1) / np.maximum(total, 1e-12)[:, None]
