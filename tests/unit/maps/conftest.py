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
