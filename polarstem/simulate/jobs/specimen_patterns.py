# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulation of one specimen: structure in, netCDF of patterns out."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import ase
import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.checked_netcdf import fill_netcdf, new_netcdf
from polarstem.config.physics import Simulate
from polarstem.provenance import provenance
from polarstem.simulate.microscope.camera import Patterns, check_beam, pixel_angles
from polarstem.simulate.microscope.probe_positions import ProbeGrid, probe_grid
from polarstem.simulate.potential.crystal import Crystal, exit_periods
from polarstem.structures.build import read_specimen

logger = logging.getLogger("polarstem")

# what a specimen file says of itself that its patterns are labelled with
_LABELS = (
    *("specimen", "specimen_set", "split", "class_name", "class_index", "direction_deg"),
    *("variant", "amplitude", "polarization_uC_cm2", "phase"),
    *("a_site", "a_site_share", "b_site", "b_site_share"),
)
Structure: TypeAlias = Path | str | ase.Atoms
"""A specimen: its file, or what `polarstem.structures.build.build_specimen` gave."""


@dataclass(frozen=True)
class Specimen:
    """A specimen and the settings of its simulation, by whichever engine.

    Attributes
    ----------
    atoms : ase.Atoms
        As `read_specimen` gives them.
    crystal : Crystal
        The same as the simulation needs it.
    simulate : Simulate
        The microscope.
    grid : ProbeGrid
        Probe positions.
    nominal : list of float
        Thicknesses, ascending [nm].
    settings : mapping
        What the specimen was read with.
    """

    atoms: ase.Atoms
    crystal: Crystal
    simulate: Simulate
    grid: ProbeGrid
    nominal: list[float]
    settings: Mapping[str, Any]

    @classmethod
    def read(cls, structure: Structure, settings: Mapping[str, Any]) -> Specimen:
        """Read a specimen, or take a built one, and lay out its probe positions."""
        atoms = structure if isinstance(structure, ase.Atoms) else read_specimen(structure)
        simulate = Simulate.model_validate(settings["simulate"])
        crystal = Crystal.of(atoms)
        scan = simulate.scan
        grid = probe_grid(
            crystal.cell[:2],
            crystal.repeats[:2],
            scan.positions,
            scan.cells,
            scan.offset,
            settings["seed"],
        )
        nominal = sorted(float(t) for t in settings["thicknesses_nm"])
        return cls(atoms, crystal, simulate, grid, nominal, settings)

    def write(
        self,
        output: Path | str,
        engine: str,
        patterns_of: Callable[[slice], Patterns],
        conditions: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the patterns.

        Parameters
        ----------
        output : path
            netCDF file to write: ``intensity`` (thickness, y, x, ky, kx) as fractions of the
            incident beam, ``total_fraction`` and ``detected_fraction`` (thickness, y, x).
        engine : str
            Name of the engine.
        patterns_of : callable
            Gives the patterns of a range of the grid's positions.
        conditions : mapping, optional
            What was drawn at random for this specimen.
        """
        crystal, settings = self.crystal, self.settings
        periods = exit_periods(self.nominal, crystal.cell[2], crystal.repeats[2])
        attributes = {**{key: self.atoms.info[key] for key in _LABELS}, **provenance(settings)}
        attributes |= {"engine": engine, "seed": settings["seed"]}
        if conditions is not None:
            attributes["conditions"] = json.dumps(conditions)
        exits = np.array(periods) * crystal.cell[2] / 10
        coordinates = _coordinates(self.grid, self.simulate, self.nominal, exits, attributes)
        with new_netcdf(output) as file:
            fill_netcdf(coordinates, file)
            _define(file)
            self._fill(file, patterns_of)

    def announce(self, engine: str) -> None:
        """Log what will be simulated."""
        reason = self.settings.get("engine_reason", "asked for by the call")
        logger.info("engine %s: %s", engine, reason)
        logger.info(
            "%s: %d atoms, %s grid points, %d probe positions, %s nm",
            self.atoms.info["specimen"],
            len(self.atoms),
            " x ".join(map(str, self.crystal.grid_points(self.simulate.pixels_per_cell))),
            len(self.grid.positions),
            ", ".join(f"{t:g}" for t in self.nominal),
        )

    def _fill(self, file: netCDF4.Dataset, patterns_of: Callable[[slice], Patterns]) -> None:
        """Write some scan rows at a time, so that an engine may measure them one by one."""
        start = time.perf_counter()
        ny, nx = self.simulate.scan.positions
        size = rows_at_once(self.simulate, len(self.nominal))
        extremes = []
        for row in range(0, ny, size):
            rows = slice(row, min(row + size, ny))
            patterns = patterns_of(slice(rows.start * nx, rows.stop * nx))
            shape = (len(self.nominal), rows.stop - rows.start, nx)
            detected = patterns.intensity.sum(axis=(-1, -2), dtype=np.float64)
            check_beam(patterns.total, detected)
            file["intensity"][:, rows] = patterns.intensity.reshape(
                *shape, *patterns.intensity.shape[-2:]
            )
            file["total_fraction"][:, rows] = patterns.total.reshape(shape)
            file["detected_fraction"][:, rows] = detected.reshape(shape)
            extremes.append((patterns.total.min(), patterns.total.max(), detected.min()))
        low, high, least = np.array(extremes).T
        logger.info(
            "%.1f s; %.3f to %.3f of the beam within the simulated angles, at least %.3f detected",
            time.perf_counter() - start,
            low.min(),
            high.max(),
            least.min(),
        )


def rows_at_once(simulate: Simulate, thicknesses: int) -> int:
    """Scan rows whose images fit into ``memory_mb``, at least one."""
    image = 4e-6 * simulate.detector.pixels**2
    per_row = 2 * thicknesses * simulate.scan.positions[1] * image
    return max(1, int(simulate.memory_mb / per_row))


def _coordinates(
    grid: ProbeGrid,
    simulate: Simulate,
    nominal: list[float],
    exits: NDArray[np.float64],
    attributes: dict[str, Any],
) -> xr.Dataset:
    angles = pixel_angles(simulate.detector.pixels, simulate.detector.mrad_per_pixel)
    about = "thickness of the exit plane, in whole periods of the crystal"
    return xr.Dataset(
        {"exit_thickness": ("thickness", exits, _about("nm", about))},
        coords={
            "thickness": ("thickness", nominal, _about("nm", "nominal thickness")),
            "y": ("y", grid.y, _about("Å", "probe position, down")),
            "x": ("x", grid.x, _about("Å", "probe position, right")),
            "ky": ("ky", angles, _about("mrad", "scattering angle, down")),
            "kx": ("kx", angles, _about("mrad", "scattering angle, right")),
            "cell_y": ("y", grid.cell_y, _about("1", "fraction of the cell, down from A column")),
            "cell_x": ("x", grid.cell_x, _about("1", "fraction of the cell, right from A column")),
        },
        attrs=attributes,
    )


def _define(file: netCDF4.Dataset) -> None:
    """Add the variables that are written row by row."""
    scan = ("thickness", "y", "x")
    chunks = (1, 1, *(file.dimensions[name].size for name in ("x", "ky", "kx")))
    intensity = file.createVariable(
        "intensity", "f4", (*scan, "ky", "kx"), zlib=True, complevel=1, chunksizes=chunks
    )
    intensity.setncatts(_about("1", "fraction of the incident beam per detector pixel"))
    for name, where in (("total", "within the simulated angles"), ("detected", "on the detector")):
        variable = file.createVariable(f"{name}_fraction", "f4", scan)
        variable.setncatts(_about("1", f"fraction of the incident beam {where}"))


def _about(units: str, long_name: str) -> dict[str, str]:
    return {"units": units, "long_name": long_name}
