# SPDX-License-Identifier: GPL-3.0-or-later
"""The scattering matrix of one crystal: settings in, netCDF out."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from polarstem.config.physics import Simulate
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.scattering_matrix.propagate import compute_scattering_matrix

logger = logging.getLogger("polarstem")


def compute_matrix(output: Path | str, settings: Mapping[str, Any], threads: int = 1) -> None:
    """Compute the scattering matrix of a crystal and write it.

    Parameters
    ----------
    output : path
        netCDF file to write, see `ScatteringMatrix.save`.
    settings : mapping
        ``structure`` (recipe of one repeating unit), ``simulate`` (section of the config),
        ``thicknesses_nm`` [nm], ``cells`` (field of the probes, along x and y),
        ``margin_mrad`` (largest tilt [mrad]) and ``reach_mrad`` (largest angle along the
        detector's axes [mrad]). The file keeps them.
    threads : int
        Batches of waves that run at the same time.

    Raises
    ------
    PolarstemError
        If the settings do not fit the crystal.
    """
    logger.info("engine scattering_matrix: crystal %s", settings["structure"]["name"])
    simulate = Simulate.model_validate(settings["simulate"])
    cells_x, cells_y = settings["cells"]
    matrix = compute_scattering_matrix(
        Crystal.build(settings["structure"]),
        settings["thicknesses_nm"],
        simulate,
        cells=(cells_x, cells_y),
        margin_mrad=settings["margin_mrad"],
        reach_mrad=settings["reach_mrad"],
        threads=threads,
        device="cuda" if simulate.device == "gpu" else "cpu",
    )
    replace(matrix, settings=settings).save(output)
