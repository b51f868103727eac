# SPDX-License-Identifier: GPL-3.0-or-later
"""Scattering matrices of the thermal configurations of one crystal: settings in, netCDF out."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from polarstem.config.physics import Simulate
from polarstem.logs import progress
from polarstem.seeds import derive_seed
from polarstem.simulate.crystal import Crystal
from polarstem.simulate.scattering.propagate import compute_scattering_matrix
from polarstem.simulate.scattering.thermal import ThermalMatrices

logger = logging.getLogger("polarstem")


def compute_thermal_matrices(
    output: Path | str, settings: Mapping[str, Any], threads: int = 1
) -> None:
    """Compute the scattering matrices of a crystal's thermal configurations and write them.

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
    matrices = [
        compute_scattering_matrix(
            column,
            settings["thicknesses_nm"],
            simulate,
            cells=(cells_x, cells_y),
            margin_mrad=settings["margin_mrad"],
            reach_mrad=settings["reach_mrad"],
            threads=threads,
            device="cuda" if simulate.device == "gpu" else "cpu",
        )
        for column in progress(columns, count, "configurations")
    ]
    ThermalMatrices.write(output, matrices, settings)
    logger.info("%s: %d configurations", settings["structure"]["name"], count)


def thermal_columns(structure: Mapping[str, Any], count: int, scale: float) -> Iterator[Crystal]:
    """Columns of one repeating unit through the whole thickness, each in a configuration.

    Parameters
    ----------
    structure : mapping
        Recipe of the column; its A site is placed anew for each.
    count : int
        Number of configurations.
    scale : float
        Factor on the rms displacements.
    """
    for number in range(count):
        seed = derive_seed(structure["seed"], "column", number)
        crystal = Crystal.build({**structure, "seed": seed})
        atoms = crystal.atoms.copy()
        spread = {name: scale * rms for name, rms in crystal.rms_displacement.items()}
        if crystal.occupancy:
            spread[next(iter(crystal.occupancy))] = sum(
                share * spread[name] for name, share in crystal.occupancy.items()
            )
        sigma = np.array([spread[name] for name in atoms.get_chemical_symbols()])
        # across the beam only: an atom stays in its slice
        random = np.random.default_rng(derive_seed(seed, "displacements"))
        atoms.positions[:, :2] += random.normal(size=(len(atoms), 2)) * sigma[:, None]
        yield replace(crystal, atoms=atoms)
