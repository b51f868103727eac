# SPDX-License-Identifier: GPL-3.0-or-later
"""Crystals whose atoms move: an ensemble of scattering matrices, measured together.

A frozen-phonon average over an N x N supercell with K and Na at random has no scattering matrix of
its own. A column one cell wide has, with the cations of its layers at random and its atoms
displaced at random; it is the supercell whose cells move alike. An ensemble of such columns has the
damped Bragg beams and diffuse scattering whose statistics come close to the supercell's, at no more
cost for each pattern than one matrix: the probe positions that a finite source joins are dealt
among its members.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import netCDF4
import numpy as np
from numpy.typing import NDArray

from polarstem.checked_netcdf import new_netcdf, told_if_damaged
from polarstem.config.physics import Detector, Simulate
from polarstem.errors import PolarstemError
from polarstem.files import open_netcdf
from polarstem.provenance import provenance
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.scattering_matrix.matrix import ScatteringMatrix, check_made_for
from polarstem.simulate.wave.plane_waves import WaveGrid, spread_stride, turned
from polarstem.structures.symmetry import IDENTITY, Turn, inverse

if TYPE_CHECKING:
    import torch

    from polarstem.simulate.microscope.camera import Camera

_PARTS = ("real", "imag")


@dataclass(frozen=True)
class ThermalMatrices:
    """File of the scattering matrices of one crystal's thermal configurations.

    Attributes
    ----------
    path : path
        The file; amplitudes are read from it one thickness at a time.
    grid : WaveGrid
        Its plane waves; configurations differ in their offset.
    thickness_nm, nominal_nm : tuple of float
        Exit planes, exact and as asked for [nm].
    settings : mapping
        What the matrices depend on.
    """

    path: Path
    grid: WaveGrid
    thickness_nm: tuple[float, ...]
    nominal_nm: tuple[float, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def write(
        cls, path: Path | str, matrices: Iterable[ScatteringMatrix], settings: Mapping[str, Any]
    ) -> None:
        """Write the matrices of all configurations, alike but for the offset of their waves.

        Each is written as it comes, so that one at a time need be in memory.
        """
        with new_netcdf(path) as file:
            for number, matrix in enumerate(matrices):
                if number == 0:
                    cls._define(file, matrix)
                file["offset"][number] = matrix.grid.offset
                for part in _PARTS:
                    file[part][number] = getattr(matrix.array, part)
            file.setncatts(provenance(settings))

    @staticmethod
    def _define(file: netCDF4.Dataset, first: ScatteringMatrix) -> None:
        """Dimensions and variables; how many configurations there are is not known before."""
        names = ("configuration", "thickness", "wave", "Gy", "Gx")
        for name, size in zip(names, (None, *first.array.shape), strict=True):
            file.createDimension(name, size)
        file.createDimension("axis", 2)
        variable = file.createVariable("offset", "f8", ("configuration", "axis"))
        variable.units = "1"
        variable.long_name = "offset of the plane waves along y and x, in samples of the aperture"
        for name, values, text in (
            ("thickness", first.nominal_nm, "thickness"),
            ("exit_thickness", first.thickness_nm, "thickness of the exit plane"),
        ):
            variable = file.createVariable(name, "f8", ("thickness",))
            variable[:] = values
            variable.units, variable.long_name = "nm", text
        for part in _PARTS:
            # read one thickness at a time
            chunks = (1, 1, *first.array.shape[1:])
            variable = file.createVariable(part, "f4", names, chunksizes=chunks)
            variable.units = "1"
            variable.long_name = f"{part} part of the amplitude of the exit wave q + G"
        file.setncatts(first.grid.attributes())

    @classmethod
    def open(cls, path: Path | str, simulate: Simulate | None = None) -> ThermalMatrices:
        """Read all but the amplitudes.

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
        with open_netcdf(path, "thermal matrices") as data:
            try:
                check_made_for(path, json.loads(data.attrs["config"]), simulate)
                return cls(
                    path=Path(path),
                    grid=WaveGrid.of_attributes(data.attrs),
                    thickness_nm=tuple(data["exit_thickness"].values.tolist()),
                    nominal_nm=tuple(data["thickness"].values.tolist()),
                    settings=json.loads(data.attrs["config"]),
                )
            except (KeyError, ValueError) as error:
                raise PolarstemError(
                    f"{path} holds no thermal matrices of polarstem; delete it and run the same "
                    "command again."
                ) from error

    def plane(self, index: int) -> list[ScatteringMatrix]:
        """The matrices at one thickness; what lies beyond the kept angles is not known.

        A file of `ScatteringMatrix.save` counts as one configuration.
        """
        told = told_if_damaged(self.path, "thermal matrices")
        with told, netCDF4.Dataset(self.path) as file:
            parts = []
            several = "configuration" in file.dimensions
            offsets = np.asarray(file["offset"][:]).tolist() if several else [self.grid.offset]
            for name, alone in zip(_PARTS, ("real", "imaginary"), strict=True):
                variable = file[name if several else alone]
                variable.set_auto_mask(False)
                parts.append(variable[:, index] if several else variable[index][None])
        array = np.empty(parts[0].shape, np.complex64)
        array.real, array.imag = parts
        unknown = np.zeros((1, *self.grid.groups.rows.shape[1:]), np.complex64)
        overlap = np.broadcast_to(unknown, (1, len(self.grid.indices), unknown.shape[-1]))
        exact, nominal = (self.thickness_nm[index],), (self.nominal_nm[index],)
        return [
            ScatteringMatrix(
                one[None], overlap, replace(self.grid, offset=tuple(offset)), exact, nominal
            )
            for one, offset in zip(array, offsets, strict=True)
        ]


class ThermalMicroscope:
    """Measures an ensemble of scattering matrices at one thickness.

    Parameters
    ----------
    matrices : sequence of ScatteringMatrix
        With one grid and one exit plane.
    detector : Detector or Camera
        As for `VirtualMicroscope`.
    """

    def __init__(self, matrices: Sequence[ScatteringMatrix], detector: Detector | Camera) -> None:
        from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope

        self.eyes = [VirtualMicroscope(matrix, detector) for matrix in matrices]

    def measure(
        self,
        positions: NDArray[np.float64],
        optics: Optics,
        random: np.random.Generator,
        turn: Turn = IDENTITY,
        camera: Camera | None = None,
    ) -> torch.Tensor:
        """Measure patterns at any probe positions.

        With a source, the patterns at the positions that determine all others are each taken from
        one member and joined by the source: neighbours from other members, so that it joins all of
        them evenly. Without one, the members are averaged at each position, which takes as many
        times longer.

        Parameters
        ----------
        positions : ndarray, shape (n, 2)
            Probe positions x and y (y up) [Å].
        optics : Optics
            The illumination.
        random : Generator
            Gives the members the order in which they take turns.
        turn : Turn
            Turn or mirror of the crystals about the origin.
        camera : Camera, optional
            Another one than the microscope's; its dose and noise are left out.

        Returns
        -------
        Tensor, shape (position, ky, kx), float32
            Fraction of the incident beam that meets each pixel.
        """
        import torch  # which takes seconds: matrices are written without it

        from polarstem.simulate.microscope.coherence import source_positions, source_weights

        first = self.eyes[0]
        grid, camera = first.matrix.grid, camera or first.camera
        if not optics.source_fwhm:
            shared = [eye.sharp(positions, optics, turn, camera) for eye in self.eyes]
            return torch.stack(shared).mean(0)
        sharp = replace(optics, source_fwhm=0.0)
        span = first.span(sharp, turn)
        fractions = source_positions(span)
        lab = turned(fractions * grid.size, turn)[:, ::-1]
        images = torch.empty(len(lab), camera.pixels**2)
        count = len(self.eyes)
        y, x = np.indices([2 * most + 1 for most in span])
        member = random.permutation(count)[(y + spread_stride(count) * x).ravel() % count]
        for number, eye in enumerate(self.eyes):
            rows = np.flatnonzero(member == number)
            images[rows] = eye.sharp(lab[rows], sharp, turn, camera).flatten(1)
        where = turned(np.asarray(positions)[:, ::-1], inverse(turn)) / grid.size
        weights = source_weights(where, span, grid.size, optics.source_fwhm)
        joined = torch.from_numpy(weights @ images.numpy()).clamp_(min=0)
        return joined.view(-1, camera.pixels, camera.pixels)
