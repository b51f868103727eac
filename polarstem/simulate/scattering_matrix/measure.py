# SPDX-License-Identifier: GPL-3.0-or-later
"""Diffraction patterns from a scattering matrix, without another multislice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numba
import numpy as np
import torch
from numpy.typing import NDArray

from polarstem.config.physics import Detector
from polarstem.errors import PolarstemError
from polarstem.simulate.microscope.camera import Camera
from polarstem.simulate.microscope.coherence import defocus_modes, source_positions, source_weights
from polarstem.simulate.microscope.optics import Optics, incident_waves
from polarstem.simulate.parallel import in_parts, one_blas_thread_for
from polarstem.simulate.scattering_matrix.matrix import ScatteringMatrix
from polarstem.simulate.wave.plane_waves import turned
from polarstem.structures.symmetry import IDENTITY, Turn, inverse

# Shares of the matrix: with fewer waves lit, these are copied together first.
_FEW, _FEW_FOR_MANY = 0.75, 0.95
_MANY = 64  # probe positions


@dataclass(frozen=True)
class _Illumination:
    """One setting of the optics, laid out by reduced wave vector.

    Attributes
    ----------
    groups : ndarray, shape (group,)
        Numbers of the lit reduced wave vectors.
    members : ndarray, shape (group, member), optional
        Which waves of each group; all where it is None.
    amplitudes : Tensor, shape (group, member, mode), complex64
        Of a probe at the origin; zero for the filling.
    g : Tensor, shape (group, member, 2), int64
        Lattice vector of each wave along y and x, counted from the lowest.
    lowest, span : tuple of int
        Lowest lattice vector and number of steps to the highest.
    """

    groups: NDArray[np.int64]
    members: NDArray[np.int64] | None
    amplitudes: torch.Tensor
    g: torch.Tensor
    lowest: tuple[int, int]
    span: tuple[int, int]


class VirtualMicroscope:
    """Measures a scattering matrix.

    On a CPU, torch's number of threads is used, and numpy's BLAS keeps to one while it exists.

    Parameters
    ----------
    matrix : ScatteringMatrix
        The crystal.
    detector : Detector or Camera
        Pixels along each side and their size [mrad], or all there is to say of it.
    device : str
        Torch's name of the device.
    memory_mb : float
        Memory for one batch of probe positions [MB].

    Raises
    ------
    PolarstemError
        If the detector is wider than what the matrix kept.
    """

    def __init__(
        self,
        matrix: ScatteringMatrix,
        detector: Detector | Camera,
        device: str = "cpu",
        memory_mb: float = 200.0,
    ) -> None:
        self.matrix = matrix
        self.camera = Camera.of(detector)
        self.device = torch.device(device)
        if self.device.type == "cpu":
            one_blas_thread_for(self)
        self.memory_mb = memory_mb
        self._check(self.camera, IDENTITY)
        _, rows, used = self._groups = matrix.grid.groups
        self._waves = matrix.grid.indices[rows]
        planes, _, y, x = matrix.array.shape
        padded = matrix.array.reshape(planes, -1, y * x)[:, rows]
        padded[:, ~used] = 0
        self._array = _factors(torch.from_numpy(padded).to(self.device))
        self._overlap = torch.from_numpy(matrix.overlap[:, rows] * used[..., None])
        self._overlap = self._overlap.to(self.device)

    def measure(
        self,
        positions: NDArray[np.float64],
        thicknesses_nm: Sequence[float],
        optics: Optics,
        dose: float | None = None,
        seed: int = 0,
        turn: Turn = IDENTITY,
        camera: Camera | None = None,
    ) -> torch.Tensor:
        """Measure patterns at any probe positions.

        Parameters
        ----------
        positions : ndarray, shape (n, 2)
            Probe positions x and y (y up) [Å]; the crystal's cell has its corner at the origin.
        thicknesses_nm : sequence of float
            Exit planes of the matrix [nm].
        optics : Optics
            The illumination.
        dose : float, optional
            Electrons per pattern: patterns are then counts with Poisson noise.
        seed : int
            Seed of the noise; batches and thread counts do not change it.
        turn : Turn
            Turn or mirror of the crystal about the origin; optics, positions and detector stay.
        camera : Camera, optional
            Another one than the microscope's.

        Returns
        -------
        Tensor, shape (thickness, position, ky, kx), float32
            Fraction of the incident beam in each pixel, or electrons; ky points down.

        Raises
        ------
        PolarstemError
            If the matrix does not hold what is asked for.
        """
        camera = camera or self.camera
        (images,) = self.before_counting(positions, thicknesses_nm, optics, [camera], turn)
        return camera.expose(images, dose, seed)

    def before_counting(
        self,
        positions: NDArray[np.float64],
        thicknesses_nm: Sequence[float],
        optics: Optics,
        cameras: Sequence[Camera],
        turn: Turn = IDENTITY,
    ) -> list[torch.Tensor]:
        """What meets the pixels of several cameras, before `Camera.expose`.

        They share the waves behind the crystal, which take most of the time. Parameters, errors,
        and the shape of each camera's patterns are those of `measure`.
        """
        for camera in cameras:
            self._check(camera, turn)
        light, planes, places = self._prepare(positions, thicknesses_nm, optics, turn)
        size, weights = self.matrix.grid.size, None
        if optics.source_fwhm > 0:
            table = source_weights(places, light.span, size, optics.source_fwhm)
            weights = torch.from_numpy(table).to(self.device)
            places = source_positions(light.span)
        samples = self.samples[light.groups].reshape(-1, 2)
        steps, centre = np.diag(self.matrix.grid.mrad_per_box[::-1]), optics.centre_mrad[::-1]
        feet = [camera.footprint(samples, steps, np.array(turn), centre) for camera in cameras]
        shapes = [(len(planes), len(positions), c.pixels, c.pixels) for c in cameras]
        images = [torch.zeros(shape, device=self.device) for shape in shapes]
        for chunk, probes in self._probes(light, places, len(samples)):

            def work(
                first: int, last: int, chunk: slice = chunk, probes: torch.Tensor = probes
            ) -> None:
                for row in range(first, last):
                    waves = [_lit(part[planes[row]], light) for part in self._array]
                    intensity = _intensity(waves, probes)
                    for camera, footprint, image in zip(cameras, feet, images, strict=True):
                        part = camera.project(intensity, footprint)
                        if weights is None:
                            image[row, chunk] = part
                        else:
                            _add_product(image[row].flatten(1), weights[:, chunk], part.flatten(1))

            if self.device.type == "cpu":
                in_parts(work, len(planes))
            else:
                work(0, len(planes))
        return [image.clamp_(min=0) for image in images]  # rounding of the interpolation

    def span(self, optics: Optics, turn: Turn = IDENTITY) -> tuple[int, int]:
        """Largest difference of two lattice vectors in the aperture, along y and x."""
        return self._illuminate(optics, turn, _MANY + 1).span

    def sharp(
        self, positions: NDArray[np.float64], optics: Optics, turn: Turn, camera: Camera
    ) -> torch.Tensor:
        """Measure geometry alone, with a point source, at the first thickness.

        Parameters
        ----------
        positions, optics, turn, camera
            As in `measure`; blur, background, faults and counting are left out.

        Returns
        -------
        Tensor, shape (position, ky, kx), float32
            Fraction of the incident beam that meets each pixel.
        """
        plane = [self.matrix.nominal_nm[0]]
        clean = replace(
            camera, psf_pixels=0.0, background=0.0, saturation=None, gain=None, dead=None
        )
        return self.measure(positions, plane, optics, turn=turn, camera=clean)[0]

    def total(
        self,
        positions: NDArray[np.float64],
        thicknesses_nm: Sequence[float],
        optics: Optics,
        turn: Turn = IDENTITY,
    ) -> torch.Tensor:
        """Fraction of the incident beam within all simulated angles.

        Parameters
        ----------
        positions, thicknesses_nm, optics, turn
            As in `measure`; source size and defocus spread are left out.

        Returns
        -------
        Tensor, shape (thickness, position), float32

        Raises
        ------
        PolarstemError
            If the matrix does not hold what is asked for.
        """
        sharp = Optics(optics.semiangle_mrad, optics.aberrations, optics.tilt_mrad)
        light, planes, places = self._prepare(positions, thicknesses_nm, sharp, turn)
        sums = torch.empty((len(planes), len(places)), dtype=torch.float32, device=self.device)
        for row, plane in enumerate(planes):
            overlap = _lit(self._overlap[plane], light)
            if light.members is not None:
                members = torch.from_numpy(light.members).to(self.device)[:, None]
                overlap = overlap.gather(2, members.expand(-1, overlap.shape[1], -1))
            for chunk, probes in self._probes(light, places, 0):
                waves = probes[:, :, 0]
                sums[row, chunk] = (waves.conj() * (overlap @ waves)).real.sum((0, 1))
        return sums

    def _check(self, camera: Camera, turn: Turn) -> None:
        kept = self.matrix.grid.reach_mrad - self.matrix.grid.margin_mrad
        half = float(np.abs(turned(camera.corners_mrad[:, ::-1], inverse(turn))).max())
        if half > kept + 1e-9:
            raise PolarstemError(
                f"The detector reaches {half:.4g} mrad, but this scattering matrix was kept up to "
                f"{kept:.4g} mrad; narrow the detector or compute the matrix anew."
            )

    def _prepare(
        self,
        positions: NDArray[np.float64],
        thicknesses_nm: Sequence[float],
        optics: Optics,
        turn: Turn,
    ) -> tuple[_Illumination, list[int], NDArray[np.float64]]:
        """Illumination, exit planes, and positions as fractions of the unit along y and x."""
        optics.check(self.matrix.grid)
        planes = [self.matrix.plane(thickness) for thickness in thicknesses_nm]
        places = np.asarray(positions, dtype=np.float64)[:, ::-1]
        fractions = turned(places, inverse(turn)) / self.matrix.grid.size
        return self._illuminate(optics, turn, len(places)), planes, fractions

    def _illuminate(self, optics: Optics, turn: Turn, count: int) -> _Illumination:
        grid = self.matrix.grid
        waves, used = self._waves, self._groups.used
        amplitudes = incident_waves(grid, waves, optics, turn, used)
        lit = amplitudes != 0
        groups, members = np.arange(len(lit)), None
        fullest = int(lit.sum(1).max())
        if lit.any(1).sum() * fullest < (_FEW_FOR_MANY if count > _MANY else _FEW) * lit.size:
            groups = np.flatnonzero(lit.any(1))
            members = np.argsort(~lit[groups], axis=1, kind="stable")[:, :fullest]
            rows = groups[:, None], members
            waves, amplitudes, lit = waves[rows], amplitudes[rows], lit[rows]
        modes = torch.from_numpy(amplitudes.astype(np.complex64))[..., None]
        if optics.defocus_spread > 0:
            angles = grid.angles(waves) - turned(optics.centre_mrad, inverse(turn))
            modes = modes * defocus_modes(angles, lit, grid.wavelength, optics.defocus_spread)
        g, _ = grid.split(waves)
        lowest, highest = g[lit].min(axis=0), g[lit].max(axis=0)
        return _Illumination(
            groups=groups,
            members=members,
            amplitudes=modes.to(self.device),
            g=torch.from_numpy(np.where(lit[..., None], g - lowest, 0)).to(self.device),
            lowest=(int(lowest[0]), int(lowest[1])),
            span=(int(highest[0] - lowest[0]), int(highest[1] - lowest[1])),
        )

    @cached_property
    def samples(self) -> NDArray[np.float64]:
        """Angles x and y of each sample in the crystal, shape (group, beam, 2) [mrad]."""
        grid = self.matrix.grid
        y, x = (np.arange(-most, most + 1) for most in grid.beams)
        beams = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2)
        m = beams * grid.units + self._groups.reduced[:, None]
        return np.ascontiguousarray(grid.angles(m)[..., ::-1])

    def _probes(
        self, light: _Illumination, fractions: NDArray[np.float64], samples: int
    ) -> Iterator[tuple[slice, torch.Tensor]]:
        """Amplitudes of the waves of some probes at a time, (group, member, mode, position).

        The phase of the reduced wave vector is left out: the waves of a group share it.
        """
        groups, members, modes = light.amplitudes.shape
        per_probe = 16 * modes * (groups * members + samples) + 8 * samples
        batch = max(1, int(self.memory_mb * 1e6 / per_probe))
        places = torch.from_numpy(np.ascontiguousarray(fractions)).to(self.device)
        for start in range(0, len(places), batch):
            chunk = slice(start, start + batch)
            phases = []
            for axis in (0, 1):
                order = torch.arange(light.span[axis] + 1, device=self.device) + light.lowest[axis]
                turns = torch.outer(order.to(places.dtype), places[chunk, axis])
                table = torch.exp(turns * -2j * torch.pi).to(torch.complex64)
                phases.append(table[light.g[..., axis]])
            phase = phases[0].mul_(phases[1])
            yield chunk, phase[:, :, None] * light.amplitudes[..., None]


def _lit(array: torch.Tensor, light: _Illumination) -> torch.Tensor:
    """Rows (group, member, ...) of the lit waves."""
    if light.members is None:
        return array
    groups, members = (
        torch.from_numpy(numbers).to(array.device) for numbers in (light.groups, light.members)
    )
    return array[groups[:, None], members]


def _factors(waves: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """What a complex product takes: on a CPU real and imaginary part and their sum."""
    if waves.device.type != "cpu":
        return (waves,)
    return waves.real.contiguous(), waves.imag.contiguous(), waves.real + waves.imag


def _intensity(scattered: list[torch.Tensor], probes: torch.Tensor) -> torch.Tensor:
    """Intensities behind the crystal, shape (sample, position).

    On a CPU three real products make a complex one (C. F. Gauss; D. E. Knuth, The Art of Computer
    Programming 2, 4.6.4), and numpy's OpenBLAS is used, which takes half the time of torch's MKL
    where the CPU is not of MKL's maker.
    """
    groups, members, modes, count = probes.shape
    parts = [
        (part.swapaxes(1, 2), wave)
        for part, wave in zip(scattered, _factors(probes.reshape(groups, members, -1)), strict=True)
    ]
    if len(parts) == 1:
        amplitude = parts[0][0] @ parts[0][1]
        intensity = amplitude.real.square().addcmul_(amplitude.imag, amplitude.imag)
    else:
        arrays = [(a.numpy(), b.numpy()) for a, b in parts]
        intensity = torch.empty((groups, parts[0][0].shape[1], modes * count))
        found = intensity.numpy()

        def work(first: int, last: int) -> None:
            for group in range(first, last):
                real, imaginary, both = (a[group] @ b[group] for a, b in arrays)
                _square(real, imaginary, both, found[group])

        in_parts(work, groups)
    return intensity.view(-1, modes, count).sum(1) if modes > 1 else intensity.view(-1, count)


def _add_product(total: torch.Tensor, weights: torch.Tensor, part: torch.Tensor) -> None:
    if total.device.type == "cpu":
        product = np.matmul(weights.numpy(), part.numpy())
        np.add(total.numpy(), product, out=total.numpy())
    else:
        total.addmm_(weights, part)


@numba.njit(nogil=True, fastmath=True, cache=True)
def _square(
    real: NDArray[np.float32],
    imaginary: NDArray[np.float32],
    both: NDArray[np.float32],
    found: NDArray[np.float32],
) -> None:
    """Absolute square of a complex product from its three real ones, each of shape (n, m)."""
    for i in range(found.shape[0]):
        for j in range(found.shape[1]):
            x = real[i, j] - imaginary[i, j]
            y = both[i, j] - real[i, j] - imaginary[i, j]
            found[i, j] = x * x + y * y
