# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of one data domain: labelled patterns, written specimen by specimen."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray

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
    "dose": ("f4", "1", "electrons per pattern, infinite where none were counted"),
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


class DatasetWriter:
    """Appends the patterns of specimens to a new file.

    Parameters
    ----------
    file : Dataset
        Empty netCDF file.
    angles : ndarray, shape (k,)
        Scattering angles of the pixels along either side [mrad].
    class_names, class_directions : sequence
        The class table, directions in degrees.
    specimens : int
        How many there will be.
    """

    def __init__(
        self,
        file: netCDF4.Dataset,
        angles: NDArray[np.float64],
        class_names: Sequence[str],
        class_directions: Sequence[float],
        specimens: int,
    ) -> None:
        self.file, self.class_names, self.count = file, list(class_names), 0
        self._names: list[str] = []
        _create(file, angles, class_names, class_directions, specimens)

    def add(
        self,
        specimen: str,
        class_name: str,
        direction_deg: float,
        split: str,
        thickness_nm: float,
        cell_yx: tuple[NDArray[np.float64], NDArray[np.float64]],
        patterns: NDArray[np.float32],
        dose: float | None = None,
    ) -> None:
        """Append a scan.

        Parameters
        ----------
        specimen, class_name, direction_deg, split, thickness_nm
            Its labels.
        cell_yx : tuple of ndarray, shape (ny,) and (nx,)
            Probe positions in the projected cell, fractions, y down.
        patterns : ndarray, shape (ny, nx, ky, kx)
            Fractions of the incident beam.
        dose : float, optional
            Electrons per pattern; None where none were counted.
        """
        if specimen not in self._names:
            self.file["specimen_name"][len(self._names)] = specimen
            self._names.append(specimen)
        ny, nx = patterns.shape[:2]
        rows, columns = (grid.ravel() for grid in np.indices((ny, nx)))
        flat = patterns.reshape(ny * nx, *patterns.shape[2:])
        start, stop = self.count, self.count + ny * nx
        values: dict[str, Any] = {
            "intensity": flat,
            "class_index": self.class_names.index(class_name),
            "direction": direction_deg,
            "thickness": thickness_nm,
            "cell_y": cell_yx[0][rows],
            "cell_x": cell_yx[1][columns],
            "scan_y": rows,
            "scan_x": columns,
            "dose": np.inf if dose is None else dose,
            "specimen_index": self._names.index(specimen),
            "split": SPLITS.index(split),
            "pattern_hash": pattern_hashes(flat),
        }
        for name, value in values.items():
            self.file[name][start:stop] = value
        self.count = stop


def _create(
    file: netCDF4.Dataset,
    angles: NDArray[np.float64],
    class_names: Sequence[str],
    class_directions: Sequence[float],
    specimens: int,
) -> None:
    """Define dimensions, coordinates and variables."""
    side = len(angles)
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
        variable[:] = angles
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
