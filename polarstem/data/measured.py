# SPDX-License-Identifier: GPL-3.0-or-later
"""A data domain of specimens that are measured on their scattering matrices."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from polarstem.checked_netcdf import new_netcdf
from polarstem.config.conditions import Conditions
from polarstem.config.physics import Simulate
from polarstem.data.dataset_file import DatasetWriter
from polarstem.errors import PolarstemError
from polarstem.logs import progress
from polarstem.provenance import provenance
from polarstem.seeds import derive_seed
from polarstem.simulate.microscope.camera import check_beam, pixel_angles
from polarstem.simulate.microscope.drawn_conditions import drawn_for
from polarstem.simulate.microscope.probe_positions import probe_grid
from polarstem.simulate.scattering_matrix.matrix import ScatteringMatrix
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.structures.symmetry import Turn

logger = logging.getLogger("polarstem")


def measure_dataset(
    domain: str,
    settings: Mapping[str, Any],
    matrices: Mapping[str, Path | str],
    class_names: Sequence[str],
    class_directions: Sequence[float],
    output: Path | str,
    seed: int,
) -> None:
    """Measure the specimens of a data domain.

    Each specimen draws the domain's conditions once, if it has some; its probe positions are the
    same in every domain, so that a pattern can be compared with its ideal one.

    Parameters
    ----------
    domain : str
        Name of the data domain.
    settings : mapping
        ``conditions`` and ``simulate`` (sections of the config), ``engine_reason`` (why matrices
        serve), ``dose_electrons``, ``cells`` of the field and of the repeating unit, and
        ``specimens``: for each its ``name``, ``split``, ``class_name``, ``direction_deg``,
        ``thicknesses_nm``, ``seed``, ``crystal`` and ``turn``.
    matrices : mapping of str to path
        Scattering matrix of each crystal.
    class_names, class_directions : sequence
        The class table, directions in degrees.
    output : path
        netCDF file to write.
    seed : int
        Global seed, for conditions and noise.

    Raises
    ------
    PolarstemError
        If a matrix is unreadable or does not hold what is asked for.
    """
    simulate = Simulate.model_validate(settings["simulate"])
    detector, specimens = simulate.detector, settings["specimens"]
    by_crystal: dict[str, list[Mapping[str, Any]]] = {}
    logger.info("engine scattering_matrix: %s", settings["engine_reason"])
    for specimen in specimens:
        by_crystal.setdefault(specimen["crystal"], []).append(specimen)
    with new_netcdf(output) as file:
        angles = pixel_angles(detector.pixels, detector.mrad_per_pixel)
        writer = DatasetWriter(file, angles, class_names, class_directions, len(specimens))
        crystals = progress(by_crystal.items(), len(by_crystal), f"{domain}: crystals")
        for crystal, members in crystals:
            if crystal not in matrices:
                raise PolarstemError(f"The scattering matrix of crystal {crystal} was not given.")
            matrix = ScatteringMatrix.load(matrices[crystal], simulate)
            microscope = VirtualMicroscope(matrix, detector)
            for specimen in members:
                _measure(writer, domain, settings, simulate, microscope, specimen, seed)
        file.setncatts(provenance({"domain": domain, **settings}, data_domain=domain, seed=seed))
    logger.info("%s: %d patterns of %d specimens", domain, writer.count, len(specimens))


def _measure(
    writer: DatasetWriter,
    domain: str,
    settings: Mapping[str, Any],
    simulate: Simulate,
    microscope: VirtualMicroscope,
    specimen: Mapping[str, Any],
    seed: int,
) -> None:
    """Add one specimen at every thickness."""
    (a, b), (c, d) = specimen["turn"]
    turn: Turn = ((a, b), (c, d))
    unit_y, unit_x = np.array(microscope.matrix.grid.size) / settings["unit_cells"][::-1]
    cell = np.abs(turn) @ (unit_x, unit_y)
    scan = simulate.scan
    cells_x, cells_y = settings["cells"]
    grid = probe_grid(
        (float(cell[0]), float(cell[1])),
        (cells_x, cells_y),
        scan.positions,
        scan.cells,
        scan.offset,
        specimen["seed"],
    )
    name = specimen["name"]
    drawn = drawn_for(settings["conditions"], simulate, seed, domain, name)
    ideal = Conditions.model_validate(settings["conditions"]) == Conditions()
    for thickness in specimen["thicknesses_nm"]:
        noise = derive_seed(seed, "dose", domain, name, thickness)
        dose = settings.get("dose_electrons") or drawn.dose
        images = microscope.measure(
            grid.positions, [thickness], drawn.optics, dose, noise, turn, drawn.camera
        )[0].numpy()
        total = microscope.total(grid.positions, [thickness], drawn.optics, turn)[0].numpy()
        counted = dose is not None or not ideal
        check_beam(total, None if counted else images.sum(axis=(-1, -2), dtype=np.float64))
        if dose is not None:
            images = (images / dose).astype(np.float32)
        writer.add(
            name,
            specimen["class_name"],
            specimen["direction_deg"],
            specimen["split"],
            thickness,
            (grid.cell_y, grid.cell_x),
            images.reshape(*scan.positions, *images.shape[1:]),
            dose,
        )
