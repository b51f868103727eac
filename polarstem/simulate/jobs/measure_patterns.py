# SPDX-License-Identifier: GPL-3.0-or-later
"""The patterns of one specimen from the scattering matrix of a crystal that it is a turn of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from polarstem.errors import PolarstemError
from polarstem.simulate.jobs.specimen_patterns import Specimen
from polarstem.simulate.microscope.camera import Patterns
from polarstem.simulate.microscope.optics import Optics
from polarstem.simulate.potential.crystal import Crystal
from polarstem.simulate.potential.lattice_match import TOLERANCE, partners
from polarstem.simulate.potential.repeating_unit import repeating_unit
from polarstem.simulate.scattering_matrix.matrix import ScatteringMatrix, check_made_for
from polarstem.simulate.scattering_matrix.measure import VirtualMicroscope
from polarstem.structures.symmetry import Turn


def measure_specimen(
    structure: Path | str,
    matrix: Path | str,
    output: Path | str,
    settings: Mapping[str, Any],
) -> None:
    """Measure the diffraction patterns of one specimen on a scattering matrix.

    Parameters
    ----------
    structure : path
        Extended XYZ of the specimen.
    matrix : path
        File of `compute_matrix`.
    output : path
        netCDF file to write, of the form that `simulate_specimen` gives it.
    settings : mapping
        As for `simulate_specimen`, and ``turn``: the rows of the turn that makes the specimen
        of the matrix's crystal.

    Raises
    ------
    PolarstemError
        If a file is unreadable, the specimen is another crystal or the settings do not fit.
    """
    specimen = Specimen.read(structure, settings)
    simulate = specimen.simulate
    loaded = ScatteringMatrix.load(matrix)
    (a, b), (c, d) = settings["turn"]
    turn: Turn = ((a, b), (c, d))
    made = Crystal.build(loaded.settings["structure"])
    units = repeating_unit(made), turn, repeating_unit(specimen.crystal)
    if not same_crystal(*units, flat=simulate.slices == "planes"):
        raise PolarstemError(
            f"The specimen in {structure} is not the crystal that {matrix} was computed for, "
            "turned; delete both and run the same command again."
        )
    check_made_for(matrix, loaded.settings, simulate)
    microscope = VirtualMicroscope(loaded, simulate.detector)
    optics = Optics(simulate.semiangle_mrad, simulate.aberrations, simulate.tilt_mrad)

    def patterns_of(rows: slice) -> Patterns:
        where = (specimen.grid.positions[rows], specimen.nominal, optics)
        return Patterns(
            microscope.measure(*where, turn=turn).numpy(),
            microscope.total(*where, turn=turn).numpy(),
        )

    specimen.announce("scattering_matrix")
    specimen.write(output, "scattering_matrix", patterns_of)


def same_crystal(crystal: Crystal, turn: Turn, other: Crystal, flat: bool) -> bool:
    """Whether a repeating unit, turned about the A column at its origin, is the other one.

    With `flat`, heights within an atomic plane do not count: each plane is projected by itself.
    """
    matrix = np.array(turn)
    box = crystal.atoms.cell.lengths()
    box[:2] = np.abs(matrix) @ box[:2]
    if len(crystal.atoms) != len(other.atoms) or crystal.occupancy != other.occupancy:
        return False
    if crystal.planes != other.planes:
        return False
    if not np.allclose(box, other.atoms.cell.lengths(), rtol=0, atol=TOLERANCE):
        return False
    ours, theirs = crystal.atoms.positions.copy(), other.atoms.positions.copy()
    ours[:, :2] = ours[:, :2] @ matrix.T
    if flat:
        for each in (ours, theirs):
            each[:, 2] = np.floor(each[:, 2] * crystal.planes / box[2])
    partner = partners(ours, theirs, box)
    if partner is None or len(np.unique(partner)) < len(partner):
        return False
    return bool((crystal.atoms.numbers == other.atoms.numbers[partner]).all())
