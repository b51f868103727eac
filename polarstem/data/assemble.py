# SPDX-License-Identifier: GPL-3.0-or-later
"""Assembling one data domain from the simulations of its specimens."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.files import atomic_path, open_netcdf
from polarstem.logs import progress
from polarstem.provenance import provenance
from polarstem.seeds import derive_seed

logger = logging.getLogger("polarstem")

SPLITS = ("train", "validation", "test")
_CHUNK = 256  # patterns per compressed chunk: what one read of a training batch decompresses

_PER_PATTERN = {
    "class_index": ("i2", "1", "index of the polarization class"),
    "direction": ("f4", "degree", "polarization direction, counter-clockwise from right, y up"),
    "thickness": ("f4", "nm", "nominal specimen thickness"),
    "cell_y": ("f4", "1", "probe position in the projected cell, down, fraction from the A column"),
    "cell_x": ("f4", "1", "probe position in the projected cell, right, from the A column"),
    "scan_y": ("i4", "1", "scan row, counted down"),
    "scan_x": ("i4", "1", "scan column, counted right"),
    "specimen_index": ("i4", "1", "index of the specimen"),
    "split": ("i1", "1", "split that the specimen belongs to"),
    "pattern_hash": ("u8", "1", "hash of the pattern's values"),
}


def pattern_hashes(patterns: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Hash each pattern's bytes.

    Parameters
    ----------
    patterns : ndarray, shape (n, ky, kx)
        Patterns.

    Returns
    -------
    ndarray, shape (n,), uint64
        BLAKE2b digests of 8 bytes.
    """
    digests = (hashlib.blake2b(p.tobytes(), digest_size=8).digest() for p in patterns)
    return np.array([int.from_bytes(d, "big") for d in digests], np.uint64)


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
        Its section of the config: ``thicknesses_nm`` [nm] and ``dose_electrons``.
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
    thicknesses = [float(t) for t in settings["thicknesses_nm"]]
    dose = settings.get("dose_electrons")
    with atomic_path(output) as temporary, netCDF4.Dataset(temporary, "w") as file:
        detector: NDArray[np.float64] | None = None
        start = 0
        names: list[str] = []
        for path in progress(simulations, len(simulations), f"{domain}: specimens"):
            with open_netcdf(path, "simulation") as simulation:
                if detector is None:
                    detector = simulation["kx"].values
                    _create(file, simulation, class_names, class_directions, len(simulations))
                elif not np.array_equal(detector, simulation["kx"].values):
                    raise PolarstemError(
                        f"{path} has another detector grid than {simulations[0]}; a data domain "
                        "needs one detector for all its specimens."
                    )
                for thickness in thicknesses:
                    columns = _columns(simulation, thickness, path, class_names, len(names))
                    patterns = columns.pop("intensity")
                    if dose is not None:
                        name = simulation.attrs["specimen"]
                        noise = derive_seed(seed, "dose", domain, name, thickness)
                        patterns = counted(patterns, dose, noise)
                    columns["pattern_hash"] = pattern_hashes(patterns)
                    stop = start + len(patterns)
                    file["intensity"][start:stop] = patterns
                    for key, values in columns.items():
                        file[key][start:stop] = values
                    start = stop
                names.append(simulation.attrs["specimen"])
        for index, name in enumerate(names):
            file["specimen_name"][index] = name
        section = {"domain": domain, **settings}
        file.setncatts(provenance(section, data_domain=domain, seed=seed))
    logger.info("%s: %d patterns of %d specimens", domain, start, len(names))


def counted(patterns: NDArray[np.float32], electrons: float, seed: int) -> NDArray[np.float32]:
    """Count electrons: Poisson noise at a dose, as a fraction of the beam again.

    Parameters
    ----------
    patterns : ndarray, shape (n, ky, kx)
        Expected fractions of the incident beam.
    electrons : float
        Incident electrons per pattern.
    seed : int
        Seed of the noise.
    """
    random = np.random.default_rng(seed)
    return (random.poisson(patterns * electrons) / electrons).astype(np.float32)


def _columns(
    simulation: xr.Dataset,
    thickness: float,
    path: Path | str,
    class_names: Sequence[str],
    specimen_index: int,
) -> dict[str, NDArray[Any]]:
    """Values of every variable for one specimen at one thickness, position by position."""
    available = simulation["thickness"].values
    index = int(np.argmin(np.abs(available - thickness)))
    if abs(available[index] - thickness) > 1e-6:
        listed = ", ".join(f"{t:g}" for t in available)
        raise PolarstemError(
            f"{path} has no patterns at {thickness:g} nm (it has {listed} nm); delete it and run "
            "the workflow again."
        )
    attributes = simulation.attrs
    patterns = simulation["intensity"].isel(thickness=index).values
    ny, nx = patterns.shape[:2]
    rows, columns = np.meshgrid(np.arange(ny), np.arange(nx), indexing="ij")
    n = ny * nx
    return {
        "intensity": patterns.reshape(n, *patterns.shape[2:]),
        "class_index": np.full(n, list(class_names).index(attributes["class_name"])),
        "direction": np.full(n, float(attributes["direction_deg"])),
        "thickness": np.full(n, thickness),
        "cell_y": simulation["cell_y"].values[rows.ravel()],
        "cell_x": simulation["cell_x"].values[columns.ravel()],
        "scan_y": rows.ravel(),
        "scan_x": columns.ravel(),
        "specimen_index": np.full(n, specimen_index),
        "split": np.full(n, SPLITS.index(attributes["split"])),
    }


def _create(
    file: netCDF4.Dataset,
    simulation: xr.Dataset,
    class_names: Sequence[str],
    class_directions: Sequence[float],
    specimens: int,
) -> None:
    """Define dimensions, coordinates and variables."""
    side = simulation.sizes["kx"]
    for name, size in (
        ("pattern", None),
        ("ky", side),
        ("kx", side),
        ("class", len(class_names)),
        ("specimen", specimens),
    ):
        file.createDimension(name, size)
    for name in ("ky", "kx"):
        variable = file.createVariable(name, "f8", (name,))
        variable[:] = simulation[name].values
        variable.units = "mrad"
        variable.long_name = f"scattering angle, {'down' if name == 'ky' else 'right'}"
    intensity = file.createVariable(
        "intensity",
        "f4",
        ("pattern", "ky", "kx"),
        compression="zlib",
        complevel=1,
        shuffle=True,
        chunksizes=(_CHUNK, side, side),
    )
    intensity.units = "1"
    intensity.long_name = "fraction of the incident beam per detector pixel"
    for name, (kind, units, long_name) in _PER_PATTERN.items():
        variable = file.createVariable(
            name, kind, ("pattern",), compression="zlib", complevel=1, chunksizes=(65536,)
        )
        variable.units, variable.long_name = units, long_name
    file["split"].flag_values = np.arange(len(SPLITS), dtype="i1")
    file["split"].flag_meanings = " ".join(SPLITS)
    text = file.createVariable("specimen_name", str, ("specimen",))
    text.units, text.long_name = "1", "name of the specimen"
    text = file.createVariable("class_name", str, ("class",))
    text.units, text.long_name = "1", "name of the polarization class"
    for index, name in enumerate(class_names):
        text[index] = name
    directions = file.createVariable("class_direction", "f8", ("class",))
    directions[:] = np.asarray(class_directions, float)
    directions.units = "degree"
    directions.long_name = "direction of the class, counter-clockwise from right, y up"
