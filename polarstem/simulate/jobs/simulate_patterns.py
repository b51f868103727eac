# SPDX-License-Identifier: GPL-3.0-or-later
"""The patterns of one specimen by multislice: structure in, netCDF out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polarstem.simulate.jobs.specimen_patterns import Specimen, Structure
from polarstem.simulate.multislice.abtem_run import simulate_patterns
from polarstem.simulate.multislice.running_sums import RunningSums


def simulate_specimen(
    structure: Structure,
    output: Path | str,
    settings: Mapping[str, Any],
    threads: int = 1,
) -> None:
    """Simulate the diffraction patterns of one specimen by multislice.

    What is done is kept beside the output after each frozen-phonon configuration, and a job that
    was stopped goes on there.

    Parameters
    ----------
    structure : path or Atoms
        The specimen, or its extended XYZ.
    output : path
        netCDF file to write, see `Specimen.write`.
    settings : mapping
        ``simulate`` (section of the config), ``thicknesses_nm`` [nm] and ``seed``.
    threads : int
        Threads of the Fourier transforms.

    Raises
    ------
    PolarstemError
        If the structure is unreadable or the settings do not fit it.
    """
    specimen = Specimen.read(structure, settings)
    specimen.announce("multislice")
    sums = RunningSums.beside(output, specimen.atoms, settings)
    patterns = simulate_patterns(
        specimen.crystal,
        specimen.grid.positions,
        specimen.nominal,
        specimen.simulate,
        settings["seed"],
        threads,
        sums,
    )
    specimen.write(output, "multislice", patterns.rows)
    sums.forget()
