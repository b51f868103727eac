# SPDX-License-Identifier: GPL-3.0-or-later
"""A model's library of simulated patterns: position-averaged ones and templates."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarstem.errors import PolarstemError
from polarstem.files import open_netcdf
from polarstem.structures.symmetry import Turn, inverse, turns_of

FILE_NAME = "library.nc"
"""In the folder of the model."""
FINER = 2
"""Pixels of the position-averaged patterns along one of the model's."""
TEMPLATE_EVERY = 2
"""Thicknesses of the position-averaged patterns to one of the templates."""
_DEGREE = 7  # of the polynomial in the tilt


@dataclass(frozen=True)
class Library:
    """Simulated patterns of the crystal that a model was trained for, in its frame.

    Attributes
    ----------
    thickness_nm : ndarray, shape (thickness,)
        Of the position-averaged patterns, ascending [nm].
    tilts : ndarray, shape (tilt, 2)
        Beam tilts x and y (up) [mrad]; turns of the lattice give all others.
    pacbed : ndarray, shape (thickness, tilt, FINER * ky, FINER * kx)
        Position-averaged patterns, the mean over the classes, as fractions of the beam.
    template_thickness_nm : ndarray, shape (template thickness,)
        Of the templates, ascending [nm].
    crystals : ndarray, shape (crystal, template thickness, cell_y, cell_x, ky, kx)
        Patterns over the projected cell: y and x as fractions from the A column, y down.
    class_crystal : ndarray, shape (class,)
        Which crystal a class is a turn of.
    class_turns : tuple of Turn
        The turn of each class.
    class_names : tuple of str
        Names of the classes.
    class_directions : ndarray, shape (class,)
        Their directions, counter-clockwise from +x [degrees].
    mrad_per_pixel : float
        Pixel of the model's grid [mrad].
    semiangle_mrad : float
        Convergence semi-angle [mrad].
    zone_axis : tuple of int
        Direction of the beam.
    settings : mapping
        What the library depends on.
    """

    thickness_nm: NDArray[np.float64]
    tilts: NDArray[np.float64]
    pacbed: NDArray[np.float32]
    template_thickness_nm: NDArray[np.float64]
    crystals: NDArray[np.float32]
    class_crystal: NDArray[np.int64]
    class_turns: tuple[Turn, ...]
    class_names: tuple[str, ...]
    class_directions: NDArray[np.float64]
    mrad_per_pixel: float
    semiangle_mrad: float
    zone_axis: tuple[int, int, int]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path | str) -> Library:
        """Read what `polarstem.simulate.jobs.compute_library.write_library` wrote.

        Parameters
        ----------
        path : path
            The file, or the folder of its model.

        Raises
        ------
        PolarstemError
            If the file is absent, truncated or something else.
        """
        path = Path(path)
        path = path / FILE_NAME if path.is_dir() else path
        with open_netcdf(path, "pattern library") as data:
            try:
                (kx,) = np.unique(np.diff(data["kx"].values).round(6))
                settings = json.loads(data.attrs["config"])
                zone = tuple(int(i) for i in settings["structure"]["zone_axis"])
                return cls(
                    thickness_nm=data["thickness"].values,
                    tilts=np.stack([data["tilt_x"].values, data["tilt_y"].values], axis=1),
                    pacbed=_unpacked(data, "pacbed"),
                    template_thickness_nm=data["template_thickness"].values,
                    crystals=_unpacked(data, "template"),
                    class_crystal=data["class_crystal"].values,
                    class_turns=tuple(_turn(rows) for rows in data["class_turn"].values),
                    class_names=tuple(str(name) for name in data["class_name"].values),
                    class_directions=data["class_direction"].values,
                    mrad_per_pixel=float(kx),
                    semiangle_mrad=float(data.attrs["semiangle_mrad"]),
                    zone_axis=zone,  # type: ignore[arg-type]
                    settings=settings,
                )
            except PolarstemError:  # damaged
                raise
            except Exception as error:  # as many as a file can be wrong
                raise PolarstemError(
                    f"{path} is no pattern library of polarstem; delete it and run the same "
                    "command again."
                ) from error

    @property
    def pixels(self) -> int:
        """Of the model's grid along each side."""
        return self.crystals.shape[-1]

    @property
    def fold(self) -> int:
        """Rotations that map the projected lattice onto itself: 4 along [001], 2 along [110]."""
        return len(turns_of(self.zone_axis)) // 2

    def templates(self, thickness_nm: float) -> NDArray[np.float32]:
        """Patterns of all classes over the projected cell.

        Parameters
        ----------
        thickness_nm : float
            Between the simulated ones it is interpolated, beyond them the last one is taken [nm].

        Returns
        -------
        ndarray, shape (class, cell_y, cell_x, ky, kx), float32
            Fractions of the beam; y and x of the cell as fractions from the A column, y down.
        """
        both = self._between(self.crystals, thickness_nm)
        return np.stack(
            [
                turned_images(turned_cells(both[crystal], turn), turn)
                for crystal, turn in zip(self.class_crystal.tolist(), self.class_turns, strict=True)
            ]
        )

    def class_means(self, thickness_nm: float) -> NDArray[np.float32]:
        """Mean over the cell of `templates`, shape (class, ky, kx)."""
        both = self._between(self._cell_means, thickness_nm)
        return np.stack(
            [
                turned_images(both[crystal], turn)
                for crystal, turn in zip(self.class_crystal.tolist(), self.class_turns, strict=True)
            ]
        )

    @cached_property
    def _cell_means(self) -> NDArray[np.float32]:
        """Mean of the crystals over the cell, shape (crystal, template thickness, ky, kx)."""
        means: NDArray[np.float32] = self.crystals.mean((2, 3))
        return means

    def _between(self, images: NDArray[np.float32], thickness_nm: float) -> NDArray[np.float32]:
        """Interpolate (crystal, template thickness, ...) at a thickness [nm]."""
        places = np.interp(
            thickness_nm, self.template_thickness_nm, np.arange(len(self.template_thickness_nm))
        )
        low = min(int(places), len(self.template_thickness_nm) - 2)
        share = np.float32(places - low)
        both: NDArray[np.float32] = (1 - share) * images[:, low] + share * images[:, low + 1]
        return both

    @cached_property
    def _tilt_turns(self) -> dict[tuple[float, float], tuple[int, Turn]]:
        """For tilts in all directions [mrad] the simulated one and the turn that makes it."""
        found: dict[tuple[float, float], tuple[int, Turn]] = {}
        for turn in turns_of(self.zone_axis):
            for number, tilt in enumerate(self.tilts):
                x, y = (np.array(turn) @ tilt).round(6).tolist()
                found.setdefault((x, y), (number, turn))
        return found

    @property
    def turned_tilts(self) -> NDArray[np.float64]:
        """Tilts in all directions, shape (tilt, 2) [mrad]."""
        return np.array(list(self._tilt_turns))

    def at_turned_tilts(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Images (thickness, tilt, ky, kx) of the simulated tilts, turned to `turned_tilts`."""
        found = np.empty((len(images), len(self._tilt_turns), *images.shape[2:]), np.float32)
        for place, (number, turn) in enumerate(self._tilt_turns.values()):
            found[:, place] = turned_images(images[:, number], turn)
        return found

    @property
    def all_tilts(self) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Tilts in all directions (tilt, 2) [mrad] and their patterns, as `pacbed`."""
        return self.turned_tilts, self.at_turned_tilts(self.pacbed)

    @cached_property
    def coefficients(self) -> NDArray[np.float32]:
        """Of the polynomial in the tilt, shape (thickness, term, FINER * ky, FINER * kx)."""
        tilts, images = self.all_tilts
        inverted = np.linalg.pinv(self.terms(tilts)).astype(np.float32)
        found: NDArray[np.float32] = inverted @ images.reshape(*images.shape[:2], -1)
        return found.reshape(len(images), -1, *images.shape[2:])

    def terms(self, tilts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Terms of the polynomial at tilts (..., 2) [mrad], shape (..., term)."""
        x, y = np.moveaxis(np.asarray(tilts) / np.abs(self.tilts).max(), -1, 0)
        return np.stack(
            [x**n * y ** (total - n) for total in range(_DEGREE + 1) for n in range(total + 1)],
            axis=-1,
        )


def turned_images(images: NDArray[np.float32], turn: Turn) -> NDArray[np.float32]:
    """Turn square images (..., y down, x) about their middle."""
    n = images.shape[-1]
    rows, columns = (n - 1 + part for part in _sources(2 * np.arange(n) - (n - 1), turn))
    return images[..., rows // 2, columns // 2]


def turned_cells(array: NDArray[np.float32], turn: Turn) -> NDArray[np.float32]:
    """Turn what depends on the place (y down, x, ...) in a cell about its corner."""
    n = array.shape[0]
    rows, columns = (part % n for part in _sources(np.arange(n), turn))
    return array[rows, columns]


def _sources(along: NDArray[np.int64], turn: Turn) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row (down) and column of what a turn brings to each point of a square grid."""
    (a, b), (c, d) = inverse(turn)
    row, column = np.meshgrid(along, along, indexing="ij")
    return -c * column + d * row, a * column - b * row


def _unpacked(data: Any, name: str) -> NDArray[np.float32]:
    scale = data[f"{name}_scale"].values.astype(np.float32)
    values: NDArray[np.float32] = data[name].values * scale[..., None, None]
    return values


def _turn(rows: NDArray[np.int64]) -> Turn:
    (a, b), (c, d) = rows.tolist()
    return (a, b), (c, d)
