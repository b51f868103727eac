# SPDX-License-Identifier: GPL-3.0-or-later
"""Anomaly scores of a scan that was mapped, or why there are none."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.maps.anomaly import score
from polarstem.maps.placing import Place
from polarstem.maps.predict import Answers
from polarstem.maps.setup import Setup


def anomalies_of(
    setup: Setup, answers: Answers, where: Place, threads: int
) -> dict[str, NDArray[Any]]:
    """Anomaly scores of positions (ny, nx) and cells; nan where they cannot be told."""
    shape = setup.scan.shape[:2]
    if setup.reference is not None:
        images = answers.features.reshape(*shape, -1)
        vectors = where.lattice.vectors / np.array(where.lattice.step_nm)
        crystal = ~where.vacuum.reshape(shape)
        try:
            return score(setup.reference, images, vectors, where.cells.index, crystal, threads)
        except PolarstemError as error:
            setup.warnings.append(f"Anomalies were not looked for. {error}")
    count = len(where.cells.row)
    return {
        "anomaly": np.full(shape, np.nan, np.float32),
        "flagged": np.zeros(shape, bool),
        "cell_anomaly": np.full(count, np.nan, np.float32),
        "cell_flagged": np.zeros(count, bool),
    }
