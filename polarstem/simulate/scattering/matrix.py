# SPDX-License-Identifier: GPL-3.0-or-later
"""The scattering matrix of a crystal: what it holds, and its netCDF file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.config.physics import wavelength
from polarstem.errors import PolarstemError
from polarstem.files import atomic_path, open_netcdf
from polarstem.provenance import provenance

_PARTS = {"real": "real", "imaginary": "imag"}


class Groups(NamedTuple):
    """Plane waves gathered by reduced wave vector.

    Attributes
    ----------
    reduced : ndarray, shape (group, 2)
        Reduced wave vector r along y and x.
    rows : ndarray, shape (group, member)
        Number of each wave; the filling of short groups repeats their first.
    used : ndarray of bool, shape (group, member)
        Which are no filling.
    """

    reduced: NDArray[np.int64]
    rows: NDArray[np.int64]
    used: NDArray[np.bool_]


@dataclass(frozen=True)
class WaveGrid:
    """Plane waves of an aperture on the reciprocal grid of a field of repeating units.

    A wave of the field's grid, m / (N a) with whole numbers m, is a lattice vector g / a of the
    unit plus a reduced wave vector r / (N a) within half a lattice vector: m = N g + r. The
    crystal scatters it to waves of the same r only. Waves are sorted by r, then g. All index
    pairs are (y, x), in the crystal's frame: x right, y up.

    Attributes
    ----------
    size : tuple of float
        Size of the repeating unit along y and x [Å].
    units : tuple of int
        N: repeating units of the field along y and x.
    energy_kv : float
        Energy of the electrons [keV].
    semiangle_mrad, margin_mrad : float
        Radius of the disc of waves: largest aperture plus largest tilt [mrad].
    reach_mrad : float
        Exit waves are kept up to this angle along y and x [mrad].
    """

    size: tuple[float, float]
    units: tuple[int, int]
    energy_kv: float
    semiangle_mrad: float
    margin_mrad: float
    reach_mrad: float

    @classmethod
    def of_attributes(cls, attributes: Mapping[str, Any]) -> WaveGrid:
        """Restore it from the attributes of a file."""
        return cls(
            size=_pair(attributes["unit_size_yx_angstrom"], float),
            units=_pair(attributes["units_yx"], int),
            energy_kv=float(attributes["energy_kv"]),
            semiangle_mrad=float(attributes["semiangle_mrad"]),
            margin_mrad=float(attributes["margin_mrad"]),
            reach_mrad=float(attributes["reach_mrad"]),
        )

    def attributes(self) -> dict[str, Any]:
        """What a file keeps of it."""
        return {
            "unit_size_yx_angstrom": list(self.size),
            "units_yx": list(self.units),
            "energy_kv": self.energy_kv,
            "semiangle_mrad": self.semiangle_mrad,
            "margin_mrad": self.margin_mrad,
            "reach_mrad": self.reach_mrad,
        }

    @cached_property
    def wavelength(self) -> float:
        """Relativistic wavelength [Å]."""
        return wavelength(self.energy_kv)

    @cached_property
    def mrad_per_sample(self) -> NDArray[np.float64]:
        """Angle between two waves of the field's grid along y and x [mrad]."""
        return 1e3 * self.wavelength / (np.array(self.size) * self.units)

    @cached_property
    def indices(self) -> NDArray[np.int64]:
        """m of every wave, shape (wave, 2)."""
        step = self.mrad_per_sample
        # half a sample more: the soft edge of the aperture
        radius = self.semiangle_mrad + self.margin_mrad + step.max() / 2
        limits = np.floor(radius / step).astype(int)
        y, x = (np.arange(-limit, limit + 1) for limit in limits)
        m = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2)
        m = m[np.hypot(*(m * step).T) < radius]
        g, r = self.split(m)
        return m[np.lexsort((g[:, 1], g[:, 0], r[:, 1], r[:, 0]))]

    @cached_property
    def groups(self) -> Groups:
        """The waves, gathered by reduced wave vector."""
        _, r = self.split(self.indices)
        first = np.flatnonzero(np.any(np.diff(r, axis=0, prepend=r[:1] - 1), axis=1))
        counts = np.diff(first, append=len(r))
        order = np.arange(counts.max())
        used = order < counts[:, None]
        return Groups(r[first], np.where(used, first[:, None] + order, first[:, None]), used)

    def split(self, m: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Lattice vectors g and reduced wave vectors r of waves m, shape (wave, 2) each."""
        n = np.array(self.units)
        g = (m + n // 2) // n
        return g, m - n * g

    @cached_property
    def beams(self) -> tuple[int, int]:
        """Largest index of the lattice vectors kept behind the crystal, along y and x."""
        y, x = np.ceil(self.reach_mrad / (self.mrad_per_sample * self.units) - 0.5 + 1e-9)
        return max(0, int(y)), max(0, int(x))

    def matrix_shape(self, thicknesses: int) -> tuple[int, int, int, int]:
        """Shape of the scattering matrix: thickness, wave, G along y and x."""
        y, x = self.beams
        return thicknesses, len(self.indices), 2 * y + 1, 2 * x + 1

    def predicted_mb(self, thicknesses: int) -> float:
        """Size of the scattering matrix, in memory and as a file [MB]."""
        planes, waves, *beams = self.matrix_shape(thicknesses)
        return planes * waves * (float(np.prod(beams)) + self.groups.rows.shape[1]) * 8 / 1e6


@dataclass(frozen=True)
class ScatteringMatrix:
    """Amplitudes of all plane waves of an aperture behind a crystal.

    Attributes
    ----------
    array : ndarray, shape (thickness, wave, Gy, Gx), complex64
        Amplitude that the incident wave N g + r has in the exit wave N G + r, for G from
        -`WaveGrid.beams` to +`WaveGrid.beams`, ascending (y up). The identity in vacuum, up to
        the propagator's phase.
    overlap : ndarray, shape (thickness, wave, member), complex64
        Product of the exit wave with that of each member of its group (`WaveGrid.groups`), over
        all simulated angles: ``sum_G conj(S_wave) S_member``. With it, what the crystal scatters
        beyond the kept angles is known.
    grid : WaveGrid
        Which waves these are.
    thickness_nm : tuple of float
        Thickness of each exit plane, in whole periods [nm].
    nominal_nm : tuple of float
        The thicknesses asked for [nm].
    settings : mapping
        What the matrix depends on, for its provenance: JSON values.
    """

    array: NDArray[np.complex64]
    overlap: NDArray[np.complex64]
    grid: WaveGrid
    thickness_nm: tuple[float, ...]
    nominal_nm: tuple[float, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def plane(self, thickness_nm: float) -> int:
        """Index of the exit plane of a nominal or exact thickness [nm].

        Raises
        ------
        PolarstemError
            If there is none: thicknesses are not interpolated.
        """
        for thicknesses in (self.nominal_nm, self.thickness_nm):
            for index, known in enumerate(thicknesses):
                if abs(known - thickness_nm) < 1e-6:
                    return index
        listed = ", ".join(f"{t:g}" for t in self.nominal_nm)
        raise PolarstemError(
            f"{thickness_nm:g} nm is no exit plane of this scattering matrix, which has "
            f"{listed} nm; choose one of these or compute the matrix anew."
        )

    def save(self, path: Path | str) -> None:
        """Write it as netCDF: real and imaginary parts, units and provenance."""
        g = [
            np.arange(-n, n + 1) / length
            for n, length in zip(self.grid.beams, self.grid.size, strict=True)
        ]
        q = self.grid.indices / (np.array(self.grid.size) * self.grid.units)
        amplitude = "part of the amplitude of the exit wave reduced q + G"
        product = "part of the product with the exit wave of a wave of the same reduced q"
        data = xr.Dataset(
            {
                **{
                    f"{name}{part}": (
                        ("thickness", "wave", *dims),
                        getattr(array, attribute),
                        _about("1", f"{part} {meaning}"),
                    )
                    for name, array, dims, meaning in (
                        ("", self.array, ("Gy", "Gx"), amplitude),
                        ("overlap_", self.overlap, ("member",), product),
                    )
                    for part, attribute in _PARTS.items()
                },
                "exit_thickness": (
                    "thickness",
                    list(self.thickness_nm),
                    _about("nm", "thickness of the exit plane, in whole periods"),
                ),
                "qy": ("wave", q[:, 0], _about("1/angstrom", "incident plane wave, up")),
                "qx": ("wave", q[:, 1], _about("1/angstrom", "incident plane wave, right")),
            },
            coords={
                "thickness": ("thickness", list(self.nominal_nm), _about("nm", "thickness")),
                "Gy": ("Gy", g[0], _about("1/angstrom", "reciprocal lattice vector, up")),
                "Gx": ("Gx", g[1], _about("1/angstrom", "reciprocal lattice vector, right")),
            },
            attrs={
                **self.grid.attributes(),
                **provenance(self.settings),
            },
        )
        with atomic_path(path) as temporary:
            data.to_netcdf(temporary, engine="netcdf4")

    @classmethod
    def load(cls, path: Path | str) -> ScatteringMatrix:
        """Read what `save` wrote.

        Raises
        ------
        PolarstemError
            If the file is absent, truncated or something else.
        """
        with open_netcdf(path, "scattering matrix") as data:
            try:
                return cls(
                    array=_joined(data, ""),
                    overlap=_joined(data, "overlap_"),
                    grid=WaveGrid.of_attributes(data.attrs),
                    thickness_nm=tuple(data["exit_thickness"].values.tolist()),
                    nominal_nm=tuple(data["thickness"].values.tolist()),
                    settings=json.loads(data.attrs["config"]),
                )
            except (KeyError, ValueError, OSError, RuntimeError) as error:
                raise PolarstemError(
                    f"{path} is no complete scattering matrix of polarstem; delete it and run the "
                    "same command again."
                ) from error


def _joined(data: xr.Dataset, name: str) -> NDArray[np.complex64]:
    array = np.empty(data[f"{name}real"].shape, np.complex64)
    for part, attribute in _PARTS.items():
        setattr(array, attribute, data[f"{name}{part}"].values)
    return array


def _about(units: str, long_name: str) -> dict[str, str]:
    return {"units": units, "long_name": long_name}


def _pair(values: Any, kind: type) -> tuple[Any, Any]:
    y, x = (kind(value) for value in values)
    return y, x
