# SPDX-License-Identifier: GPL-3.0-or-later
"""A small scan in which no two axes can be taken for each other."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray


@pytest.fixture(scope="session")
def patterns() -> NDArray[np.uint16]:
    """Counts (ny, nx, ky, kx) of four different lengths, all values different."""
    return np.arange(1, 3 * 4 * 6 * 8 + 1, dtype=np.uint16).reshape(3, 4, 6, 8)


@pytest.fixture(scope="session")
def detector_files(root) -> Path:
    """Real detector files, in the folder POLARSTEM_TEST_DATA or beside the project."""
    data = Path(os.environ.get("POLARSTEM_TEST_DATA", root.parent / "shared" / "data"))
    if not (data / "merlin_orientation_frames").is_dir():
        pytest.skip(f"no detector files in {data}; set POLARSTEM_TEST_DATA")
    return data
