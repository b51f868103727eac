# SPDX-License-Identifier: GPL-3.0-or-later
"""The scattering matrix of a crystal: what it holds, and its netCDF file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from polarstem.checked_netcdf import save_netcdf
from polarstem.config.physics import Simulate
from polarstem.errors import PolarstemError
from polarstem.files import open_netcdf
from polarstem.provenance import provenance
from polarstem.simulate.wave.plane_waves import WaveGrid

_PARTS = {"real": "real", "imaginary": "imag"}
# whatever is measured on a matrix is of these; detector and illumination may be others
_FIXED = {"energy_kv", "pixels_per_cell", "slices", "projection"}


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
        q = self.grid.angles(self.grid.indices) / (1e3 * self.grid.wavelength)
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
        save_netcdf(data, path)

    @classmethod
    def load(cls, path: Path | str, simulate: Simulate | None = None) -> ScatteringMatrix:
        """Read what `save` wrote.

        Parameters
        ----------
        path : path
            The file.
        simulate : Simulate, optional
            What it must have been computed for, as far as it is set.

        Raises
        ------
        PolarstemError
            If the file is absent, truncated, damaged, of other settings or something else.
        """
        with open_netcdf(path, "scattering matrix") as data:
            try:
                check_made_for(path, json.loads(data.attrs["config"]), simulate)
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


def check_made_for(
    path: Path | str, settings: Mapping[str, Any], simulate: Simulate | None
) -> None:
    """Raise a `PolarstemError` if a matrix's settings are not those that are asked for."""
    if simulate is None:
        return
    own = settings.get("simulate", {})
    asked = simulate.model_dump(mode="json", include=_FIXED, exclude_unset=True)
    for name, value in asked.items():
        if own.get(name, value) != value:
            raise PolarstemError(
                f"{path} belongs to other settings: it was computed for simulate.{name} "
                f"{own[name]}, and {value} is asked for; delete it and run the same command again."
            )


def _joined(data: xr.Dataset, name: str) -> NDArray[np.complex64]:
    array = np.empty(data[f"{name}real"].shape, np.complex64)
    for part, attribute in _PARTS.items():
        setattr(array, attribute, data[f"{name}{part}"].values)
    return array


def _about(units: str, long_name: str) -> dict[str, str]:
    return {"units": units, "long_name": long_name}
