# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured detector files, from POLARSTEM_TEST_DATA or shared/data beside the project."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from rsciio.quantumdetector import file_reader

ROOT = Path(__file__).resolve().parents[3]


def folder() -> Path:
    path = Path(os.environ.get("POLARSTEM_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no measured detector files in {path}; set POLARSTEM_TEST_DATA")
    return path


def gold() -> np.ndarray:
    """Scan (2, 2, 256, 256) of a gold grating by a Medipix3."""
    path = folder() / "merlin_au_xgrating_2x2_pixstem" / "fpd_file_test.hdf5"
    with h5py.File(path) as file:
        return file["fpd_expt/fpd_data/data"][:, :, 0].astype(np.uint16)


def merlin(name: str) -> np.ndarray:
    """Scan (2, 4, ky, kx) by a Merlin, by the beginning of its name."""
    (path,) = (folder() / "merlin_mib_4x2").glob(f"{name}*.mib")
    return np.asarray(file_reader(str(path))[0]["data"])
