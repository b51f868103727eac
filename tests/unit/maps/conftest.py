# SPDX-License-Identifier: GPL-3.0-or-later
"""A scan of known truth beside a model that is for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import library_scan
import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from polarstem.maps.mapper import map_scan


@dataclass(frozen=True)
class KnownScan:
    """Four domains, and the model that maps them.

    Attributes
    ----------
    make : callable
        The fixture `column_matrix`.
    model : path
        With library and anomaly reference.
    intensity : ndarray, shape (ny, nx, ky, kx)
        Fractions of the beam.
    counts : ndarray of uint16
        Electrons.
    truth : ndarray of int, shape (ny, nx)
        Class of each position.
    """

    make: Any
    model: Path
    intensity: NDArray[np.float32]
    counts: NDArray[np.uint16]
    truth: NDArray[np.int64]
    sheet: dict[str, Any] = field(default_factory=dict)

    def map(self, counts: NDArray[Any], **changed: Any) -> xr.Dataset:
        """Map counts; settings of the sheet that are None are left out."""
        sheet = {k: v for k, v in (self.sheet | changed).items() if v is not None}
        return map_scan(counts, self.model, sheet=sheet, threads=1)


@pytest.fixture(scope="session")
def known_scan(column_matrix, library_recipe, tmp_path_factory) -> KnownScan:
    """Measured at 10 nm and a tilt of 1.4 mrad with 3e4 electrons per pattern."""
    from polarstem.simulate.jobs.compute_library import write_library

    folder = tmp_path_factory.mktemp("known")
    library = folder / "library.nc"
    write_library(library, {**library_recipe, "configurations": 4, "cells": [3, 3]})
    model = library_scan.write_model(column_matrix, library, folder / "model", library_recipe)
    intensity, truth = library_scan.intensities(column_matrix)
    sheet = library_scan.facts(column_matrix) | {"detector_rotation_deg": 0.0}
    counts = library_scan.counted(intensity)
    return KnownScan(column_matrix, model, intensity, counts, truth, sheet)


def cells_of(data: xr.Dataset, truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """True direction of each cell in the scan's frame [degrees]; nan where two domains meet."""
    cell, found = data["cell"].values, []
    for number in range(data.sizes["cell"]):
        count = np.bincount(truth[cell == number], minlength=4)
        alone = count.max() > 0.9 * count.sum()
        found.append(library_scan.DIRECTIONS[count.argmax()] if alone else np.nan)
    return np.array(found)


def judged(
    data: xr.Dataset, truth: NDArray[np.int64], crystal_rotation_deg: float = 0.0
) -> tuple[int, int, int]:
    """Cells of one domain, those of them that are answered, and those answered and wrong."""
    own = cells_of(data, truth) + crystal_rotation_deg
    clear = np.isfinite(own)
    answered = data["cell_answered"].values & clear
    off = np.abs((data["cell_direction"].values - own + 180) % 360 - 180)
    wrong = answered & ~(off < 10)
    return int(clear.sum()), int(answered.sum()), int(wrong.sum())
