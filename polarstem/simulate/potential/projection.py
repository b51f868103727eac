# SPDX-License-Identifier: GPL-3.0-or-later
"""Projected potentials of atoms that stand where they stand.

abTEM's infinite projection shares each atom bilinearly among four pixels, which smears it: its
divisor lacks the factor pi of sin(pi k) / (pi k) and corrects next to nothing. At 32 pixels per
cell of KNN this changes patterns by several per cent (benchmarks/projection.py). Here the
structure factor of a slice is summed at the grid's own frequencies instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import ase
import numpy as np
from numpy.typing import NDArray

from polarstem.config.physics import Simulate
from polarstem.errors import PolarstemError
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.potential.scattering_factors import projected_scattering_factor
from polarstem.simulate.potential.slices import Slices
from polarstem.structures.amorphous import Layers
from polarstem.structures.imperfections import layer_slices

if TYPE_CHECKING:
    import abtem


@dataclass(frozen=True)
class Element:
    """What an atom's symbol stands for.

    Attributes
    ----------
    shares : mapping of str to float
        Composition: several elements on a virtual site.
    smearing : mapping of str to float
        One-dimensional rms displacement of each that its potential is smeared by [Å].
    """

    shares: Mapping[str, float]
    smearing: Mapping[str, float]


def scattering_factor(
    element: Element, gpts: tuple[int, int], sampling: tuple[float, float]
) -> NDArray[np.float32]:
    """Projected scattering factor at the frequencies of a grid, shape `gpts` [V Å^3].

    A virtual site has the mean of its composition, so it is summed once. Thermal smearing
    multiplies by the Debye-Waller factor ``exp(-2 pi^2 u^2 G^2)`` (u the one-dimensional rms
    displacement, G the spatial frequency; E. J. Kirkland, Advanced Computing in Electron
    Microscopy, 2nd ed., 5.7). It describes the elastic part only: diffusely scattered electrons
    are missing.
    """
    squared = np.add.outer(
        *(np.fft.fftfreq(n, d) ** 2 for n, d in zip(gpts, sampling, strict=True))
    )
    total = np.zeros(gpts)
    for name, share in element.shares.items():
        damping = np.exp(-2 * (np.pi * element.smearing.get(name, 0.0)) ** 2 * squared)
        total += share * projected_scattering_factor(name, squared) * damping
    return total.astype(np.float32)


def exact_projection(
    atoms: ase.Atoms,
    factors: Mapping[str, Any],
    gpts: tuple[int, int],
    sampling: tuple[float, float],
    xp: Any = np,
) -> Any:
    """Infinite projection without a grid in real space.

    The structure factor ``sum_j exp(-2 pi i G r_j)`` of each element is a product of two matrices,
    of the phases along x and along y.

    Parameters
    ----------
    atoms : ase.Atoms
        Of one slice.
    factors : mapping of str to array
        What `scattering_factor` gives for each symbol.
    gpts : tuple of int
        Grid points along x and y.
    sampling : tuple of float
        Their distances [Å].
    xp : module
        NumPy, or what stands for it where the factors are.

    Returns
    -------
    array, shape `gpts`, float32
        Potential [V Å].
    """
    half = gpts[1] // 2 + 1  # a real potential needs no negative ky
    total = xp.zeros((gpts[0], half), np.complex64)
    symbols = np.array(atoms.get_chemical_symbols())
    for symbol in sorted(set(symbols.tolist())):
        places = atoms.positions[symbols == symbol, :2] / sampling
        x, y = (xp.asarray(_phases(p, n)) for p, n in zip(places.T, gpts, strict=True))
        total += factors[symbol][:, :half] * (x.T @ y[:, :half])
    potential = xp.fft.irfft2(total, s=gpts) / np.prod(sampling)
    return potential.astype(np.float32)


def _phases(places: NDArray[np.float64], points: int) -> NDArray[np.complex64]:
    """Phase of each atom, at places in pixels, in each frequency of the grid."""
    order = np.fft.fftfreq(points, 1 / points)
    phases = np.exp(-2j * np.pi / points * np.outer(places, order))
    if points % 2 == 0:
        # one sample stands for the frequencies of both signs
        phases[:, points // 2] = phases[:, points // 2].real
    return phases.astype(np.complex64)


@dataclass(frozen=True)
class Slab:
    """What is projected slice by slice.

    Attributes
    ----------
    atoms : ase.Atoms
        Each in the middle of its slice.
    thickness : ndarray, shape (slice,)
        Distance to the next slice [Å].
    exits : tuple of int
        Last slice before each exit plane.
    gpts : tuple of int
        Grid points along x and y.
    elements : mapping of str to Element
        By the symbol that the atoms carry.
    """

    atoms: ase.Atoms
    thickness: NDArray[np.float64]
    exits: tuple[int, ...]
    gpts: tuple[int, int]
    elements: Mapping[str, Element]

    @classmethod
    def of(
        cls,
        crystal: Crystal,
        atoms: ase.Atoms,
        settings: Simulate,
        exits: Sequence[int],
        thermal_scale: float,
    ) -> Slab:
        """Cut a crystal, see `projected_slices`."""
        slices = Slices.of(crystal, settings.slices)
        count = max(exits) * slices.per_period
        thickness = slices.thickness[:count]
        edges = np.concatenate([[0.0], np.cumsum(thickness)])
        slab = atoms[slices.members < count]
        # each atom in the middle of its slice, however it moves
        middle = (edges[:-1] + edges[1:]) / 2
        slab.positions[:, 2] = middle[slices.members[slices.members < count]]
        slab.cell[2, 2] = edges[-1]
        last = np.array(sorted(exits)) * slices.per_period
        if crystal.layers is not None:
            if len(exits) > 1 and len(crystal.layers.exit):
                raise PolarstemError(
                    "A specimen with an amorphous layer on its exit surface has one thickness, not "
                    f"{len(exits)}; simulate each by itself."
                )
            slab, thickness, before = _between_layers(slab, thickness, crystal.layers)
            last += before
            last[-1] = len(thickness)
        rms = {symbol: thermal_scale * u for symbol, u in crystal.rms_displacement.items()}
        elements = {
            symbol: Element(crystal.occupancy.get(symbol, {symbol: 1.0}), rms)
            for symbol in set(slab.get_chemical_symbols())
        }
        gpts = crystal.grid_points(settings.pixels_per_cell)
        return cls(slab, thickness, tuple((last - 1).tolist()), gpts, elements)


def _between_layers(
    slab: ase.Atoms, thickness: NDArray[np.float64], layers: Layers
) -> tuple[ase.Atoms, NDArray[np.float64], int]:
    """Put a cut crystal between its amorphous layers; also say how many slices come before it."""
    parts, heights = [], []
    for layer in layers:
        height = float(layer.cell[2, 2])
        count = layer_slices(height)
        step = height / max(1, count)
        cut = layer.copy()
        # each atom in the middle of its slice, as those of the crystal
        cut.positions[:, 2] = (np.clip(cut.positions[:, 2] // step, 0, count - 1) + 0.5) * step
        parts.append(cut)
        heights.append(np.full(count, step))
    whole, (entrance, exit_) = slab.copy(), parts
    depth = float(heights[0].sum())
    whole.positions[:, 2] += depth
    exit_.positions[:, 2] += depth + thickness.sum()
    whole += entrance + exit_
    total = np.concatenate([heights[0], thickness, heights[1]])
    whole.cell[2, 2] = total.sum()
    return whole, total, len(heights[0])


class ProjectedPotential(NamedTuple):
    """Projected potential of all slices.

    Attributes
    ----------
    array : ndarray, shape (slice, x, y)
        Potential [V Å].
    slice_thickness : ndarray, shape (slice,)
        Distance to the next slice [Å].
    """

    array: NDArray[np.float32]
    slice_thickness: NDArray[np.float64]


def projected_potential(
    crystal: Crystal,
    atoms: ase.Atoms,
    settings: Simulate,
    exits: Sequence[int],
    thermal_scale: float = 0.0,
) -> ProjectedPotential:
    """As `projected_slices`, made at once on the CPU: slices x grid points x 4 bytes."""
    slab = Slab.of(crystal, atoms, settings, exits, thermal_scale)
    if settings.projection == "abtem":
        from polarstem.simulate.abtem_settings import abtem_settings
        from polarstem.simulate.potential.abtem_projection import potential_of

        with abtem_settings("cpu", 1):
            built: Any = potential_of(slab, settings.projection).build(lazy=False)
        return ProjectedPotential(np.asarray(built.array, np.float32), slab.thickness)
    width, height, _ = slab.atoms.cell.lengths().tolist()
    sampling = width / slab.gpts[0], height / slab.gpts[1]
    factors = {
        symbol: scattering_factor(element, slab.gpts, sampling)
        for symbol, element in slab.elements.items()
    }
    array = np.empty((len(slab.thickness), *slab.gpts), np.float32)
    slices = np.searchsorted(np.cumsum(slab.thickness), slab.atoms.positions[:, 2])
    for number, potential in enumerate(array):
        potential[:] = exact_projection(slab.atoms[slices == number], factors, slab.gpts, sampling)
    return ProjectedPotential(array, slab.thickness)


def projected_slices(
    crystal: Crystal,
    atoms: ase.Atoms,
    settings: Simulate,
    exits: Sequence[int],
    thermal_scale: float = 0.0,
) -> abtem.Potential:
    """Projected potential of the slices, each made by abTEM when a wave has reached it.

    Parameters
    ----------
    crystal : Crystal
        The specimen.
    atoms : ase.Atoms
        Its atoms, in its order, in one thermal configuration.
    settings : Simulate
        Grid, slices, projection and device.
    exits : sequence of int
        Exit planes, in periods along the beam.
    thermal_scale : float
        Factor on the rms displacements by which the elements' potentials are smeared.

    Returns
    -------
    Potential
        Slices up to the last exit plane [V Å], those of amorphous layers around them: the exit
        layer lies behind the last exit plane.
    """
    from polarstem.simulate.potential.abtem_projection import potential_of

    slab = Slab.of(crystal, atoms, settings, exits, thermal_scale)
    return potential_of(slab, settings.projection)
