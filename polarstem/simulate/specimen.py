# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulation of one specimen: structure file in, netCDF of patterns out."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from polarstem.config.physics import Simulate
from polarstem.errors import PolarstemError
from polarstem.files import atomic_path
from polarstem.provenance import provenance
from polarstem.simulate.detector import pixel_angles
from polarstem.simulate.multislice import Crystal, exit_periods, simulate_patterns
from polarstem.simulate.scan import probe_grid
from polarstem.structures.build import read_specimen

logger = logging.getLogger("polarstem")

# what a specimen file says of itself that its patterns are labelled with
_LABELS = (
    *("specimen", "specimen_set", "split", "class_name", "class_index", "direction_deg"),
    *("variant", "amplitude", "polarization_uC_cm2", "phase", "a_site"),
)
_ROUNDING = 1e-3  # of the beam: single precision over hundreds of slices


def simulate_specimen(
    structure: Path | str,
    output: Path | str,
    settings: Mapping[str, Any],
    threads: int = 1,
) -> None:
    """Simulate the diffraction patterns of one specimen.

    Parameters
    ----------
    structure : path
        Extended XYZ of the specimen.
    output : path
        netCDF file to write: ``intensity`` (thickness, y, x, ky, kx) as fractions of the
        incident beam, ``total_fraction`` and ``detected_fraction`` (thickness, y, x).
    settings : mapping
        ``simulate`` (section of the config), ``thicknesses_nm`` [nm] and ``seed``.
    threads : int
        Threads of the Fourier transforms.

    Raises
    ------
    PolarstemError
        If the structure is unreadable or the settings do not fit it.
    """
    atoms = read_specimen(structure)
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
    periods = exit_periods(nominal, crystal.cell[2], crystal.repeats[2])
    logger.info(
        "%s: %d atoms, %s grid points, %d probe positions, %s nm",
        atoms.info["specimen"],
        len(atoms),
        " x ".join(map(str, crystal.grid_points(simulate.pixels_per_cell))),
        len(grid.positions),
        ", ".join(f"{t:g}" for t in nominal),
    )
    start = time.perf_counter()
    patterns = simulate_patterns(
        crystal, grid.positions, nominal, simulate, settings["seed"], threads
    )
    shape = (len(nominal), *scan.positions)
    total = patterns.total.reshape(shape)
    detected = patterns.intensity.sum(axis=(-1, -2), dtype=np.float64).reshape(shape)
    _check_sums(total, detected)
    logger.info(
        "%.1f s; %.3f to %.3f of the beam within the simulated angles, %.3f to %.3f detected",
        time.perf_counter() - start,
        total.min(),
        total.max(),
        detected.min(),
        detected.max(),
    )
    angles = pixel_angles(simulate.detector.pixels, simulate.detector.mrad_per_pixel)
    data = xr.Dataset(
        {
            "intensity": (
                ("thickness", "y", "x", "ky", "kx"),
                patterns.intensity.reshape(*shape, len(angles), len(angles)),
                _about("1", "fraction of the incident beam per detector pixel"),
            ),
            "total_fraction": (
                ("thickness", "y", "x"),
                total,
                _about("1", "fraction of the incident beam within the simulated angles"),
            ),
            "detected_fraction": (
                ("thickness", "y", "x"),
                detected.astype(np.float32),
                _about("1", "fraction of the incident beam on the detector"),
            ),
            "exit_thickness": (
                "thickness",
                np.array(periods) * crystal.cell[2] / 10,
                _about("nm", "thickness of the exit plane, in whole periods of the crystal"),
            ),
        },
        coords={
            "thickness": ("thickness", nominal, _about("nm", "nominal thickness")),
            "y": ("y", grid.y, _about("Å", "probe position, down")),
            "x": ("x", grid.x, _about("Å", "probe position, right")),
            "ky": ("ky", angles, _about("mrad", "scattering angle, down")),
            "kx": ("kx", angles, _about("mrad", "scattering angle, right")),
            "cell_y": ("y", grid.cell_y, _about("1", "fraction of the cell, down from A column")),
            "cell_x": ("x", grid.cell_x, _about("1", "fraction of the cell, right from A column")),
        },
        attrs={
            **{key: atoms.info[key] for key in _LABELS},
            **provenance(settings, seed=settings["seed"]),
        },
    )
    pattern = (1, 1, *(data.sizes[d] for d in ("x", "ky", "kx")))
    encoding = {"intensity": {"zlib": True, "complevel": 1, "chunksizes": pattern}}
    with atomic_path(output) as temporary:
        data.to_netcdf(temporary, engine="netcdf4", encoding=encoding)


def _about(units: str, long_name: str) -> dict[str, str]:
    return {"units": units, "long_name": long_name}


def _check_sums(total: np.ndarray, detected: np.ndarray) -> None:
    """Intensity can leave the simulated angles but never appear from nowhere."""
    if not np.isfinite(total).all() or total.max() > 1 + _ROUNDING:
        raise PolarstemError(
            f"A pattern holds {total.max():.4f} of the incident beam; the simulation went wrong "
            "(grid too coarse for the potential?). Raise simulate.pixels_per_cell."
        )
    if (detected > total + _ROUNDING).any():
        raise PolarstemError(
            "A detector image holds more than the simulated pattern it was binned from; please "
            "report this with the configuration."
        )
