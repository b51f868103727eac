# SPDX-License-Identifier: GPL-3.0-or-later
"""Scattering matrices of the thermal configurations of one crystal: settings in, netCDF out."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polarstem.config.physics import Simulate
from polarstem.logs import progress
from polarstem.simulate.potential.frozen_phonons import thermal_columns
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix
from polarstem.simulate.scattering_matrix.thermal_matrices import ThermalMatrices
from polarstem.simulate.wave.plane_waves import spread_offsets

logger = logging.getLogger("polarstem")


def compute_thermal_matrices(
    output: Path | str, settings: Mapping[str, Any], threads: int = 1
) -> None:
    """Compute the scattering matrices of a crystal's thermal configurations and write them.

    Each is written as it is made.

    Parameters
    ----------
    output : path
        netCDF file to write, see `ThermalMatrices`.
    settings : mapping
        As for `compute_matrix`; ``simulate.phonons`` says how many configurations there are and
        how far atoms move.
    threads : int
        Batches of waves that run at the same time.

    Raises
    ------
    PolarstemError
        If the settings do not fit the crystal.
    """
    simulate = Simulate.model_validate(settings["simulate"])
    cells_x, cells_y = settings["cells"]
    count = simulate.phonons.configurations
    columns = thermal_columns(settings["structure"], count, simulate.phonons.scale)
    matrices = (
        compute_scattering_matrix(
            column,
            settings["thicknesses_nm"],
            simulate,
            cells=(cells_x, cells_y),
            margin_mrad=settings["margin_mrad"],
            reach_mrad=settings["reach_mrad"],
            offset=(y, x),
            ensemble=count,
            threads=threads,
            device="cuda" if simulate.device == "gpu" else "cpu",
        )
        for column, (y, x) in zip(
            progress(columns, count, "configurations"), spread_offsets(count).tolist(), strict=True
        )
    )
    ThermalMatrices.write(output, matrices, settings)
    logger.info("%s: %d configurations", settings["structure"]["name"], count)
