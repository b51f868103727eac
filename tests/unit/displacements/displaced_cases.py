# SPDX-License-Identifier: GPL-3.0-or-later
"""A microscope that is fast to simulate, and rasters over the cell."""

from __future__ import annotations

from typing import Any

import numpy as np

TRAINED_FOR: dict[str, Any] = {
    "material": "KNN",
    "phase": "O",
    "zone_axis": [0, 0, 1],
    "energy_kv": 200.0,
    "semiangle_mrad": 20.0,
    "pixels": 20,
    "mrad_per_pixel": 4.0,
    "pixels_per_cell": 32,
    "accuracy": 0.4,
    "slices": "planes",
    "cell_angstrom": [3.97, 3.97],
    "thickness_nm": [4.0, 12.0],
}


def raster(count: int = 6) -> np.ndarray:
    """Fractions y and x of a raster over the cell, shape (count^2, 2)."""
    along = (np.arange(count) + 0.3) / count
    return np.stack(np.meshgrid(along, along, indexing="ij"), axis=-1).reshape(-1, 2)
