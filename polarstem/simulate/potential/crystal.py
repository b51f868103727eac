# SPDX-License-Identifier: GPL-3.0-or-later
"""A specimen as the simulation needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ase
import numpy as np

from polarstem.errors import PolarstemError
from polarstem.structures.amorphous import Layers, parted
from polarstem.structures.build import build_specimen
from polarstem.structures.cell_metric import cell_points
from polarstem.structures.recipes import make_recipe, whole_periods
from polarstem.structures.scenes.wedge import Wedge


@dataclass(frozen=True)
class Crystal:
    """A specimen as the simulation needs it.

    Attributes
    ----------
    atoms : ase.Atoms
        Orthogonal and laterally periodic, beam along z [Å].
    repeats : tuple of int
        Projected unit cells along x and y, and periods along the beam.
    planes : int
        Atomic planes along the beam; equal slices hold one each.
    lattice_constant : float
        Cube root of the volume per formula unit, which `pixels_per_cell` refers to [Å].
    occupancy : dict of str to dict
        Composition of each virtual site by the symbol that its atoms carry, that of its first
        element; empty where every atom is itself.
    rms_displacement : dict of str to float
        One-dimensional rms displacement of each element [Å].
    layers : Layers or None
        Amorphous layers before and behind the crystal, whose atoms rest.
    wedge : Wedge or None
        How the thickness varies over the field; None where it does not.
    """

    atoms: ase.Atoms
    repeats: tuple[int, int, int]
    planes: int
    lattice_constant: float
    occupancy: dict[str, dict[str, float]]
    rms_displacement: dict[str, float]
    layers: Layers | None = None
    wedge: Wedge | None = None

    @classmethod
    def of(cls, atoms: ase.Atoms) -> Crystal:
        """Read it from a specimen and its description."""
        info = atoms.info
        crystal, layers = parted(atoms)
        cell = info["cell_lengths_angstrom"]
        virtual = [info[key] for key in ("virtual_a_site", "virtual_b_site") if key in info]
        # the projected cell of [001] holds one formula unit, that of [110] two
        units = sum(abs(i) for i in info["zone_axis"])
        return cls(
            atoms=crystal,
            repeats=tuple(info["cells"]),
            planes=info["planes"],
            lattice_constant=float(np.prod(cell) / units) ** (1 / 3),
            occupancy={next(iter(shares)): shares for shares in virtual},
            rms_displacement=info["debye_waller_rms_angstrom"],
            layers=layers,
            wedge=Wedge.of(info["wedge"]) if "wedge" in info else None,
        )

    @classmethod
    def build(cls, recipe: Mapping[str, Any]) -> Crystal:
        """Build it from the plain values that `make_recipe` takes."""
        return cls.of(build_specimen(make_recipe(**recipe)))

    @property
    def cell(self) -> tuple[float, float, float]:
        """Size of the projected cell and period along the beam [Å]."""
        x, y, z = (self.atoms.cell.lengths() / self.repeats).tolist()
        return x, y, z

    @property
    def slices_per_period(self) -> int:
        """One slice for each atomic plane: a/2 thick along [001]."""
        return self.planes // self.repeats[2]

    def grid_points(self, pixels_per_cell: int) -> tuple[int, int]:
        """Grid of the waves along x and y: an even number of pixels for each projected cell."""
        edge = self.lattice_constant
        x, y = (cell_points(pixels_per_cell, length, edge) for length in self.cell[:2])
        return x * self.repeats[0], y * self.repeats[1]


def exit_periods(thicknesses_nm: Sequence[float], period: float, repeats: int) -> list[int]:
    """Whole periods nearest to each thickness.

    Parameters
    ----------
    thicknesses_nm : sequence of float
        Wanted thicknesses [nm].
    period : float
        Period of the crystal along the beam [Å].
    repeats : int
        Periods that the specimen has.

    Raises
    ------
    PolarstemError
        If two thicknesses are the same number of periods, or the specimen is too thin.
    """
    periods = [whole_periods(t, period) for t in thicknesses_nm]
    if len(set(periods)) < len(periods):
        listed = ", ".join(f"{t:g}" for t in thicknesses_nm)
        raise PolarstemError(
            f"Two of the thicknesses {listed} nm are the same number of {period / 10:.3f} nm "
            "periods along the beam; keep them at least one period apart."
        )
    if max(periods) > repeats:
        raise PolarstemError(
            f"The specimen is {repeats * period / 10:.2f} nm thick, but a pattern at "
            f"{max(thicknesses_nm):g} nm is asked for; make the structure anew."
        )
    return periods
