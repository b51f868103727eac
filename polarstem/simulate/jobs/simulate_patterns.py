# SPDX-License-Identifier: GPL-3.0-or-later
"""The patterns of one specimen by multislice: structure file in, netCDF out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from polarstem.simulate.jobs.specimen_patterns import Specimen
from polarstem.simulate.multislice.abtem_run import simulate_patterns


def simulate_specimen(
    structure: Path | str,
    output: Path | str,
    settings: Mapping[str, Any],
    threads: int = 1,
) -> None:
    """Simulate the diffraction patterns of one specimen by multislice.

    Parameters
    ----------
    structure : path
        Extended XYZ of the specimen.
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
    run = partial(
        simulate_patterns,
        specimen.crystal,
        thicknesses_nm=specimen.nominal,
        settings=specimen.simulate,
        seed=settings["seed"],
        threads=threads,
    )
    specimen.write(output, "multislice", run)
