# SPDX-License-Identifier: GPL-3.0-or-later
"""Assembling one data domain from the simulations of its specimens."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.checked_netcdf import new_netcdf
from polarstem.config.physics import Simulate
from polarstem.data.dataset_file import DatasetWriter
from polarstem.errors import PolarstemError
from polarstem.files import open_netcdf
from polarstem.logs import progress
from polarstem.provenance import provenance
from polarstem.seeds import derive_seed

logger = logging.getLogger("polarstem")


def assemble_dataset(
    domain: str,
    settings: Mapping[str, Any],
    simulations: Sequence[Path | str],
    class_names: Sequence[str],
    class_directions: Sequence[float],
    output: Path | str,
    seed: int,
) -> None:
    """Write the data set of one data domain.

    Parameters
    ----------
    domain : str
        Name of the data domain.
    settings : mapping
        ``thicknesses_nm`` [nm] (None: all that a specimen has) and ``dose_electrons`` of the
        domain; for an emulated experiment also ``conditions`` and ``simulate``, by which each
        specimen's detector and dose are drawn.
    simulations : sequence of path
        Simulation files of its specimens.
    class_names, class_directions : sequence
        The class table, directions in degrees.
    output : path
        netCDF file to write.
    seed : int
        Global seed, for the Poisson noise.

    Raises
    ------
    PolarstemError
        If a simulation is unreadable, lacks a thickness or has another detector.
    """
    with new_netcdf(output) as file:
        writer: DatasetWriter | None = None
        detector: NDArray[np.float64] = np.empty(0)
        for path in progress(simulations, len(simulations), f"{domain}: specimens"):
            with open_netcdf(path, "simulation") as simulation:
                if writer is None:
                    detector = simulation["kx"].values
                    writer = DatasetWriter(
                        file, detector, class_names, class_directions, len(simulations)
                    )
                elif not np.array_equal(detector, simulation["kx"].values):
                    raise PolarstemError(
                        f"{path} has another detector grid than {simulations[0]}; a data domain "
                        "needs one detector for all its specimens."
                    )
                _add(writer, domain, settings, simulation, path, seed)
        section = {"domain": domain, **settings}
        file.setncatts(provenance(section, data_domain=domain, seed=seed))
    patterns = 0 if writer is None else writer.count
    logger.info("%s: %d patterns of %d specimens", domain, patterns, len(simulations))


def counted(patterns: NDArray[np.float32], electrons: float, seed: int) -> NDArray[np.float32]:
    """Count electrons: Poisson noise at a dose, as a fraction of the beam again.

    Parameters
    ----------
    patterns : ndarray, shape (..., ky, kx)
        Expected fractions of the incident beam.
    electrons : float
        Incident electrons per pattern.
    seed : int
        Seed of the noise.
    """
    random = np.random.default_rng(seed)
    return (random.poisson(patterns * electrons) / electrons).astype(np.float32)


def _add(
    writer: DatasetWriter,
    domain: str,
    settings: Mapping[str, Any],
    simulation: xr.Dataset,
    path: Path | str,
    seed: int,
) -> None:
    """Add one specimen at every thickness."""
    labels, dose = simulation.attrs, settings.get("dose_electrons")
    drawn = None
    if settings.get("conditions"):
        from polarstem.simulate.microscope.drawn_conditions import drawn_for

        simulate = Simulate.model_validate(settings["simulate"])
        drawn = drawn_for(settings["conditions"], simulate, int(labels["seed"]))
    for thickness in settings["thicknesses_nm"] or simulation["thickness"].values.tolist():
        patterns = _patterns_at(simulation, float(thickness), path)
        name = labels["specimen"]
        noise = derive_seed(seed, "dose", domain, name, float(thickness))
        counted_dose = dose
        if drawn is not None:
            counted_dose = dose or drawn.dose
            patterns = drawn.exposed(patterns, noise, dose)
        elif dose is not None:
            patterns = counted(patterns, dose, noise)
        writer.add(
            name,
            labels["class_name"],
            float(labels["direction_deg"]),
            labels["split"],
            float(thickness),
            (simulation["cell_y"].values, simulation["cell_x"].values),
            patterns,
            counted_dose,
        )


def _patterns_at(simulation: xr.Dataset, thickness: float, path: Path | str) -> NDArray[np.float32]:
    available = simulation["thickness"].values
    index = int(np.argmin(np.abs(available - thickness)))
    if abs(available[index] - thickness) > 1e-6:
        listed = ", ".join(f"{t:g}" for t in available)
        raise PolarstemError(
            f"{path} has no patterns at {thickness:g} nm (it has {listed} nm); delete it and run "
            "the workflow again."
        )
    patterns: NDArray[np.float32] = simulation["intensity"].isel(thickness=index).values
    return patterns
